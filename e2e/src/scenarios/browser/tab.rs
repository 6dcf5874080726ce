//! One tab: what its person does with mouse and keyboard, and what the page reports.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::input::{
    DispatchKeyEventParams, DispatchKeyEventType, InsertTextParams,
};
use chromiumoxide::cdp::browser_protocol::log::{EventEntryAdded, LogEntryLevel};
use chromiumoxide::cdp::browser_protocol::page::AddScriptToEvaluateOnNewDocumentParams;
use chromiumoxide::cdp::js_protocol::runtime::{
    ConsoleApiCalledType, EvaluateParams, EventConsoleApiCalled, EventExceptionThrown,
};
use chromiumoxide::layout::Point;
use chromiumoxide::page::ScreenshotParams;
use futures::{Stream, StreamExt};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// For the page to become as it should be, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at what is reported.
const LOOK: Duration = Duration::from_millis(20);
/// Notes what the policy forbade. It is there before the page, and not subject to its policy.
const WATCH_POLICY: &str = "window.violations = []; document.addEventListener('securitypolicyviolation', \
    (event) => window.violations.push(`${event.violatedDirective}: ${event.blockedURI}`));";

/// A tab.
pub(super) struct Tab {
    page: Page,
    told: Arc<Told>,
    listeners: Vec<JoinHandle<()>>,
}

/// What the page has told the console.
#[derive(Default)]
struct Told {
    faults: Mutex<Vec<String>>,
    /// The connection is about to be cut, which browsers tell the console of.
    may_break: AtomicBool,
}

impl Told {
    fn note(&self, fault: String) {
        let of_connection = ["WebSocket", "ERR_", "Failed to load resource"];
        let expected = self.may_break.load(Ordering::Relaxed)
            && of_connection.iter().any(|words| fault.contains(words));
        if !expected {
            let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
            faults.push(fault);
        }
    }
}

impl Tab {
    pub(super) async fn open(page: Page, address: &str) -> Result<Self> {
        let told = Arc::new(Told::default());
        page.enable_log().await?;
        page.enable_runtime().await?;
        let listeners = vec![
            listen(
                &told,
                page.event_listener::<EventEntryAdded>().await?,
                |event| {
                    let entry = &event.entry;
                    let bad = matches!(entry.level, LogEntryLevel::Error | LogEntryLevel::Warning);
                    bad.then(|| format!("{} ({})", entry.text, entry.url.as_deref().unwrap_or("")))
                },
            ),
            listen(
                &told,
                page.event_listener::<EventConsoleApiCalled>().await?,
                |event| {
                    let bad = matches!(
                        event.r#type,
                        ConsoleApiCalledType::Error
                            | ConsoleApiCalledType::Warning
                            | ConsoleApiCalledType::Assert
                    );
                    bad.then(|| format!("console: {:?}", event.args))
                },
            ),
            listen(
                &told,
                page.event_listener::<EventExceptionThrown>().await?,
                |event| {
                    let details = &event.exception_details;
                    let thrown = details.exception.as_ref();
                    let words = thrown.and_then(|thrown| thrown.description.as_deref());
                    Some(format!(
                        "exception: {} {}",
                        details.text,
                        words.unwrap_or("")
                    ))
                },
            ),
        ];
        let watch = AddScriptToEvaluateOnNewDocumentParams::new(WATCH_POLICY);
        page.evaluate_on_new_document(watch).await?;
        page.goto(address).await?;
        Ok(Self {
            page,
            told,
            listeners,
        })
    }

    /// From here on the console may tell of broken connections.
    pub(super) fn expect_broken_connection(&self) {
        self.told.may_break.store(true, Ordering::Relaxed);
    }

    /// What went wrong on the page so far.
    pub(super) async fn faults(&self) -> Result<Vec<String>> {
        let mut faults: Vec<String> = self.value("window.violations").await?;
        let told = self.told.faults.lock();
        faults.extend_from_slice(&told.unwrap_or_else(PoisonError::into_inner));
        Ok(faults)
    }

    /// Waits until more faults than these are reported.
    pub(super) async fn reports_more(&self, than: usize) -> Result<()> {
        let reported = async {
            loop {
                if self.faults().await?.len() > than {
                    return Ok(());
                }
                sleep(LOOK).await;
            }
        };
        let waited = timeout(PATIENCE, reported).await;
        waited.context("it was not reported")?
    }

    /// Loads the page anew, as the browser's own button does.
    pub(super) async fn reload(&self) -> Result<()> {
        self.page.reload().await?;
        self.until("the page", "document.readyState === 'complete'")
            .await
    }

    /// The value of an expression, awaited if it is a promise.
    pub(super) async fn value<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        // By way of text: the protocol has no word for a value that is null.
        let as_text =
            format!("Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))");
        let evaluate = EvaluateParams::builder()
            .expression(as_text)
            .await_promise(true)
            .return_by_value(true)
            .build()
            .map_err(|words| anyhow!(words))?;
        let result = self.page.evaluate_expression(evaluate).await;
        let text: String = result
            .with_context(|| expression.to_owned())?
            .into_value()?;
        serde_json::from_str(&text)
            .with_context(|| format!("{expression}: {text} is not what was expected"))
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// After a while, with what the page shows.
    pub(super) async fn until(&self, what: &str, expression: &str) -> Result<()> {
        self.until_within(what, expression, PATIENCE).await
    }

    /// As [`Self::until`].
    pub(super) async fn until_within(
        &self,
        what: &str,
        expression: &str,
        within: Duration,
    ) -> Result<()> {
        let milliseconds = within.as_millis();
        let wait = format!(
            "new Promise((done) => {{ const end = performance.now() + {milliseconds}; \
             const look = () => {{ if ({expression}) done(true); \
             else if (performance.now() > end) done(false); else setTimeout(look, 50); }}; look(); }})"
        );
        if self.value::<bool>(&wait).await? {
            return Ok(());
        }
        let shown: String = self.value("document.body.innerText").await?;
        Err(anyhow!(
            "waited in vain for {what}; the page shows:\n{shown}"
        ))
    }

    /// Clicks at a pixel of the window.
    pub(super) async fn click_at(&self, x: f64, y: f64) -> Result<()> {
        let point = Point::new(x, y);
        self.page.move_mouse(point).await?;
        self.page.click(point).await?;
        Ok(())
    }

    /// Clicks the middle of what a selector finds, once it is there and nothing lies over it.
    pub(super) async fn click(&self, selector: &str) -> Result<()> {
        let quoted = serde_json::to_string(selector)?;
        let found = format!(
            "(() => {{ const found = document.querySelector({quoted}); if (!found) return null; \
             found.scrollIntoView({{ block: 'nearest' }}); const box = found.getBoundingClientRect(); \
             const [x, y] = [box.x + box.width / 2, box.y + box.height / 2]; \
             return found.contains(document.elementFromPoint(x, y)) ? [x, y] : null; }})()"
        );
        self.until(
            &format!("{selector} to be clicked"),
            &format!("{found} !== null"),
        )
        .await?;
        let place: Option<(f64, f64)> = self.value(&found).await?;
        let (x, y) = place.with_context(|| format!("{selector} has gone"))?;
        self.click_at(x, y).await
    }

    /// Presses a key and lets it go.
    pub(super) async fn press(&self, key: &Key) -> Result<()> {
        let event = |kind: DispatchKeyEventType| {
            let mut event = DispatchKeyEventParams::builder()
                .r#type(kind)
                .key(key.key)
                .code(key.code)
                .windows_virtual_key_code(key.number);
            if let Some(text) = key.text {
                event = event.text(text);
            }
            event.build().map_err(|words| anyhow!(words))
        };
        self.page
            .execute(event(DispatchKeyEventType::KeyDown)?)
            .await?;
        self.page
            .execute(event(DispatchKeyEventType::KeyUp)?)
            .await?;
        Ok(())
    }

    /// Types into what has the focus.
    pub(super) async fn write(&self, text: &str) -> Result<()> {
        self.page.execute(InsertTextParams::new(text)).await?;
        Ok(())
    }

    /// Takes a picture of the window.
    pub(super) async fn picture(&self, file: &Path) -> Result<()> {
        let picture = self
            .page
            .screenshot(ScreenshotParams::builder().build())
            .await?;
        ensure!(
            picture.len() > 10_000,
            "{}: an empty picture",
            file.display()
        );
        std::fs::write(file, picture).with_context(|| file.display().to_string())
    }

    pub(super) async fn close(self) -> Result<()> {
        for listener in &self.listeners {
            listener.abort();
        }
        self.page.close().await?;
        Ok(())
    }
}

fn listen<E: Send + Sync + 'static>(
    told: &Arc<Told>,
    mut events: impl Stream<Item = Arc<E>> + Send + Unpin + 'static,
    fault: fn(&E) -> Option<String>,
) -> JoinHandle<()> {
    let told = Arc::clone(told);
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if let Some(fault) = fault(&event) {
                told.note(fault);
            }
        }
    })
}

/// A key of the keyboard.
pub(super) struct Key {
    key: &'static str,
    code: &'static str,
    number: i64,
    text: Option<&'static str>,
}

/// The keys that are used here.
impl Key {
    pub(super) const ENTER: Self = Self::new("Enter", "Enter", 13, Some("\r"));
    pub(super) const ESCAPE: Self = Self::new("Escape", "Escape", 27, None);
    /// Shows what can be made.
    pub(super) const C: Self = Self::new("c", "KeyC", 67, Some("c"));
    /// Attacks what is near.
    pub(super) const F: Self = Self::new("f", "KeyF", 70, Some("f"));
    /// Shows the bag.
    pub(super) const I: Self = Self::new("i", "KeyI", 73, Some("i"));

    const fn new(
        key: &'static str,
        code: &'static str,
        number: i64,
        text: Option<&'static str>,
    ) -> Self {
        Self {
            key,
            code,
            number,
            text,
        }
    }
}
