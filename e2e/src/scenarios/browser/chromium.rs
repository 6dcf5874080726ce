//! The browser: Debian's Chromium, without a screen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use chromiumoxide::cdp::browser_protocol::target::{
    CreateBrowserContextParams, CreateTargetParams,
};
use chromiumoxide::handler::viewport::Viewport;
use chromiumoxide::{Browser, BrowserConfig};
use futures::StreamExt;
use nix::unistd::Uid;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::tab::Tab;
use crate::install::tool;
use crate::local::Place;

/// The program, and the package that brings it.
const PROGRAM: &str = "chromium";
/// Without fonts, words would be boxes in the pictures.
const PACKAGES: [&str; 2] = ["chromium", "fonts-dejavu-core"];
/// Size of the window, in pixels.
pub(super) const WIDTH: u32 = 1280;
/// See [`WIDTH`].
pub(super) const HEIGHT: u32 = 800;
/// For the browser to come up, and for each of its answers, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running browser. It ends when this is dropped.
pub(super) struct Chromium {
    browser: Mutex<Browser>,
    events: JoinHandle<()>,
}

impl Chromium {
    /// Starts it; installs it first where it is missing.
    pub(super) async fn start(place: &Place) -> Result<Self> {
        let program = ensure_installed(place).await?;
        let viewport = Viewport {
            width: WIDTH,
            height: HEIGHT,
            ..Viewport::default()
        };
        let mut config = BrowserConfig::builder()
            .chrome_executable(program)
            .new_headless_mode()
            .user_data_dir(place.folder.join("profile"))
            .window_size(WIDTH, HEIGHT)
            .viewport(viewport)
            .launch_timeout(PATIENCE)
            .request_timeout(PATIENCE);
        if Uid::effective().is_root() {
            // Chromium's own sandbox cannot be set up by root; nothing foreign is opened here.
            config = config.no_sandbox();
        }
        let config = config.build().map_err(|words| anyhow!(words))?;
        let started = Browser::launch(config).await;
        let (browser, mut handler) = started.context("cannot start Chromium")?;
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Ok(Self {
            browser: Mutex::new(browser),
            events,
        })
    }

    /// A tab of its own person: nothing is shared with other tabs.
    pub(super) async fn tab(&self, address: &str) -> Result<Tab> {
        let browser = self.browser.lock().await;
        let context = CreateBrowserContextParams::default();
        let context = browser.create_browser_context(context).await?;
        let target = CreateTargetParams::builder()
            .url("about:blank")
            .browser_context_id(context)
            .build()
            .map_err(|words| anyhow!(words))?;
        let page = browser.new_page(target).await?;
        drop(browser);
        Tab::open(page, address).await
    }

    /// Ends it.
    pub(super) async fn close(self) -> Result<()> {
        let mut browser = self.browser.into_inner();
        browser.close().await?;
        browser.wait().await?;
        self.events.abort();
        Ok(())
    }
}

async fn ensure_installed(place: &Place) -> Result<PathBuf> {
    if let Some(found) = find(PROGRAM) {
        return Ok(found);
    }
    let by_hand = format!("install it with `apt-get install {}`", PACKAGES.join(" "));
    if !Uid::effective().is_root() || find("apt-get").is_none() {
        bail!("Chromium is missing: {by_hand}");
    }
    place.say("installing Chromium");
    if install().await.is_err() {
        // The usual reason is a list of packages that is old or was never fetched; the second attempt
        // tells any other.
        tool::run(tool::command("apt-get")?.args(["-o", "DPkg::Lock::Timeout=600", "update"]))
            .await?;
        install().await?;
    }
    find(PROGRAM).context(by_hand)
}

async fn install() -> Result<String> {
    let mut command = tool::command("apt-get")?;
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-o", "DPkg::Lock::Timeout=600"])
        .args(["install", "--yes", "--no-install-recommends"])
        .args(PACKAGES);
    tool::run(&mut command).await
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders = std::env::split_paths(&path);
    folders.find_map(|folder| {
        let file: PathBuf = Path::new(&folder).join(program);
        file.is_file().then_some(file)
    })
}
