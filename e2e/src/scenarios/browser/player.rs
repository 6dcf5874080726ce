//! A person at a tab. Acts by clicks and keys alone; `window.worldkeeper`, which only shows, tells where
//! on the picture things are.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::chromium::{Chromium, HEIGHT, WIDTH};
use super::plan::{Need, Plan};
use super::tab::{Key, Tab};

/// For one resource to give what it has.
const GATHERING: Duration = Duration::from_secs(25);
/// Resources that are tried one after the other.
const TRIES: u32 = 20;
/// For a creature that flees to be caught.
const CHASE: Duration = Duration::from_secs(25);
/// Steps on the way to another player.
const STEPS: u32 = 20;
/// As near as one needs to be to hear and to trade, in millimetres.
const NEAR_MM: f64 = 7_000.0;
/// The window's middle, where the own body is drawn.
const MIDDLE: (f64, f64) = (WIDTH as f64 / 2.0, HEIGHT as f64 / 2.0);
/// How far from it one clicks to walk, so that no panel is hit.
const STRIDE: f64 = 170.0;

/// A thing in the picture.
#[derive(Clone, Debug, Deserialize)]
struct Seen {
    id: String,
    x: f64,
    y: f64,
    screen: Option<Pixel>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Pixel {
    x: f64,
    y: f64,
}

#[derive(Clone, Debug, Deserialize)]
struct Me {
    id: String,
    x: f64,
    y: f64,
    resumed: bool,
}

/// A person.
pub(super) struct Player {
    pub(super) tab: Tab,
    pub(super) name: &'static str,
}

impl Player {
    /// Opens the page.
    pub(super) async fn open(chromium: &Chromium, page: &str, name: &'static str) -> Result<Self> {
        let tab = chromium.tab(page).await?;
        let ready = "!document.getElementById('play').disabled";
        tab.until("the entrance", ready).await?;
        Ok(Self { tab, name })
    }

    /// Writes the name and plays.
    pub(super) async fn join(&mut self) -> Result<()> {
        self.tab.click("#name").await?;
        self.tab.write(self.name).await?;
        self.tab.press(&Key::ENTER).await?;
        let inside = "window.worldkeeper?.phase === 'open' && worldkeeper.own.vitals.maxHealth > 0";
        self.tab.until("the world", inside).await
    }

    async fn me(&self) -> Result<Me> {
        self.tab.value("worldkeeper.me").await
    }

    pub(super) async fn own_id(&self) -> Result<String> {
        Ok(self.me().await?.id)
    }

    pub(super) async fn resumed(&self) -> Result<bool> {
        Ok(self.me().await?.resumed)
    }

    /// How many of an item are in the bag.
    pub(super) async fn count(&self, item: &str) -> Result<u64> {
        self.tab.value(&count_of(item)).await
    }

    /// Waits until so many of an item are in the bag.
    pub(super) async fn holds(&self, item: &str, count: u64) -> Result<()> {
        let holds = format!("{} >= {count}", count_of(item));
        self.tab.until(&format!("{count} {item}"), &holds).await
    }

    /// Gathers by clicking on what is near, one after the other, until there is enough.
    pub(super) async fn gather(&mut self, need: &Need, count: u64) -> Result<()> {
        let Need {
            item, resources, ..
        } = need;
        // What another thing stands before, or what gave all it had: not tried again.
        let mut tried: Vec<String> = Vec::new();
        for turn in 0..TRIES {
            if self.count(item).await? >= count {
                return self.tab.press(&Key::ESCAPE).await;
            }
            let wanted = format!(
                "e.kind === 3 && {resources:?}.includes(e.subtype) && (e.look >> 4) !== 7 && !{tried:?}.includes(e.id)"
            );
            let Some(target) = self.nearest(&wanted).await? else {
                tried.clear();
                self.wander(turn).await?;
                continue;
            };
            if !self.click_on(&target).await? {
                continue;
            }
            let taken = format!("worldkeeper.goal?.target === '{}'", target.id);
            if self.tab.value::<bool>(&taken).await? {
                // The page gives up by itself what is depleted or cannot be reached.
                let done = format!("{} >= {count} || !({taken})", count_of(item));
                let what = format!("{item} from {}", target.id);
                self.tab.until_within(&what, &done, GATHERING).await?;
            } else {
                self.tab.press(&Key::ESCAPE).await?;
            }
            tried.push(target.id);
        }
        bail!("{} found too little {item}", self.name)
    }

    /// Makes what the plan says, from the panel.
    pub(super) async fn make(&mut self, plan: &Plan, picture: &Path) -> Result<()> {
        let Plan { recipe, made, .. } = plan;
        let before = self.count(made).await?;
        self.tab.press(&Key::C).await?;
        let possible = format!("[data-recipe=\"{recipe}\"].possible");
        self.tab.click(&possible).await?;
        let working = "worldkeeper.own.activity.kind === 2";
        self.tab.until("the work to begin", working).await?;
        self.tab.picture(picture).await?;
        self.holds(made, before + 1).await?;
        // The bag, with what was made in it.
        self.tab.press(&Key::I).await?;
        let shown = format!("document.querySelector('#inventory [data-item=\"{made}\"]') !== null");
        self.tab.until("it to be in the bag", &shown).await?;
        self.tab.press(&Key::I).await
    }

    /// Walks to another player by clicks on the ground.
    pub(super) async fn walk_to(&mut self, other: &Self) -> Result<()> {
        for _ in 0..STEPS {
            let (me, they) = (self.me().await?, other.me().await?);
            let (dx, dy) = (they.x - me.x, they.y - me.y);
            if dx.hypot(dy) < NEAR_MM {
                return Ok(());
            }
            self.stride(dx, dy).await?;
        }
        bail!("{} does not get to {}", self.name, other.name)
    }

    /// A click on the ground in a direction; returns when the way is done. Where something stands under
    /// the pointer, a little beside it.
    async fn stride(&self, dx: f64, dy: f64) -> Result<()> {
        let straight = dy.atan2(dx);
        for turn in [0.0, 0.4, -0.4, 0.8, -0.8, 1.2, -1.2] {
            let (sin, cos) = f64::sin_cos(straight + turn);
            let (x, y) = (MIDDLE.0 + cos * STRIDE, MIDDLE.1 - sin * STRIDE);
            self.tab.click_at(x, y).await?;
            let walks = "worldkeeper.goal?.type === 'walk'";
            if self.tab.value::<bool>(walks).await? {
                let done = "!worldkeeper.goal";
                return self.tab.until("the way to be done", done).await;
            }
            self.tab.press(&Key::ESCAPE).await?;
        }
        bail!("{} stands in a crowd", self.name)
    }

    /// Walks a little, each time another way.
    async fn wander(&self, turn: u32) -> Result<()> {
        let (dx, dy) = match turn % 4 {
            0 => (1.0, 0.0),
            1 => (0.0, 1.0),
            2 => (-1.0, 0.0),
            _ => (0.0, -1.0),
        };
        self.stride(dx, dy).await
    }

    /// The nearest of those that a condition on `e` names.
    async fn nearest(&self, wanted: &str) -> Result<Option<Seen>> {
        let expression = format!(
            "(() => {{ const me = worldkeeper.me; const away = (e) => Math.hypot(e.x - me.x, e.y - me.y); \
             return worldkeeper.entities.filter((e) => {wanted}).sort((a, b) => away(a) - away(b))[0] ?? null; }})()"
        );
        self.tab.value(&expression).await
    }

    /// Clicks on a thing; walks towards it instead where it is outside the picture or under a panel.
    async fn click_on(&self, target: &Seen) -> Result<bool> {
        if let Some(Pixel { x, y }) = target.screen {
            let free = format!("document.elementFromPoint({x}, {y})?.id === 'world'");
            if self.tab.value::<bool>(&free).await? {
                self.tab.click_at(x, y).await?;
                return Ok(true);
            }
        }
        let me = self.me().await?;
        self.stride(target.x - me.x, target.y - me.y).await?;
        Ok(false)
    }

    /// Says something.
    pub(super) async fn say(&mut self, text: &str) -> Result<()> {
        self.tab.press(&Key::ENTER).await?;
        let ready = "document.activeElement?.id === 'chat-text'";
        self.tab.until("the line to write in", ready).await?;
        self.tab.write(text).await?;
        self.tab.press(&Key::ENTER).await
    }

    /// Waits until the words are shown, as text: no element may have come of them.
    pub(super) async fn hears(&self, name: &str, text: &str) -> Result<()> {
        let (name, text) = (serde_json::to_string(name)?, serde_json::to_string(text)?);
        let line = format!(
            "[...document.querySelectorAll('#chat-log li')].find((line) => \
             line.querySelector('b')?.textContent === {name} && line.querySelector('.said')?.textContent === {text})"
        );
        self.tab
            .until("what was said", &format!("{line} !== undefined"))
            .await?;
        let elements: u64 = self
            .tab
            .value(&format!("{line}.querySelectorAll('*').length"))
            .await?;
        ensure!(elements == 2, "markup became {elements} elements");
        Ok(())
    }

    /// Clicks on the other and chooses to trade.
    pub(super) async fn asks_to_trade(&mut self, other: &Self) -> Result<()> {
        let id = other.own_id().await?;
        for _ in 0..TRIES {
            let target = self.nearest(&format!("e.id === '{id}'")).await?;
            let target = target.with_context(|| format!("{} is not in sight", other.name))?;
            self.click_on(&target).await?;
            // Someone else may stand before them: then the menu is that one's.
            let words = serde_json::to_string(&format!("Trade with {}", other.name))?;
            let right = format!(
                "document.querySelector('#menu:not([hidden]) [data-choice=trade]')?.textContent === {words}"
            );
            if self.tab.value::<bool>(&right).await? {
                return self.tab.click("[data-choice=trade]").await;
            }
            self.tab.press(&Key::ESCAPE).await?;
        }
        bail!("{} cannot be clicked", other.name)
    }

    /// Agrees to trade.
    pub(super) async fn agrees(&mut self) -> Result<()> {
        self.tab.click("#trade-agree").await
    }

    /// Offers one of an item.
    pub(super) async fn offers(&mut self, item: &str) -> Result<()> {
        self.tab
            .click(&format!("[data-trade-item=\"{item}\"]"))
            .await
    }

    /// Waits until the other offers an item.
    pub(super) async fn sees_offered(&self, item: &str) -> Result<()> {
        let shown = format!("document.querySelector('[data-theirs=\"{item}\"]') !== null");
        self.tab
            .until(&format!("{item} to be offered"), &shown)
            .await
    }

    /// Accepts the trade as it stands; returns when the world knows.
    pub(super) async fn accepts(&mut self) -> Result<()> {
        self.tab.click("#trade-accept").await?;
        let known = "worldkeeper.own.trade.iAccepted || worldkeeper.own.trade.state === 0";
        self.tab.until("the agreement to be known", known).await
    }

    /// Waits until the page says that the connection broke.
    pub(super) async fn is_cut_off(&self, picture: &Path) -> Result<()> {
        let said = "!document.getElementById('banner').hidden";
        self.tab.until("the banner", said).await?;
        self.tab.picture(picture).await
    }

    /// Waits until the page has come back by itself.
    pub(super) async fn is_back(&self) -> Result<()> {
        let back = "window.worldkeeper?.phase === 'open' && document.getElementById('banner').hidden && worldkeeper.me?.resumed === true";
        self.tab.until("the connection to come back", back).await
    }

    /// Attacks what is near by a key, and waits for the first blow; looks for something first where
    /// others have killed all that was near.
    pub(super) async fn fights(&mut self, picture: &Path) -> Result<()> {
        let me = self.me().await?;
        for turn in 0..TRIES {
            self.tab.press(&Key::F).await?;
            let fights = "worldkeeper.strikes > 0";
            let over = format!("{fights} || worldkeeper.goal?.type !== 'attack'");
            self.tab.until_within("a blow", &over, CHASE).await?;
            if self.tab.value::<bool>(fights).await? {
                return self.tab.picture(picture).await;
            }
            self.wander(turn).await?;
        }
        bail!(
            "{} found nobody to fight around {}, {}",
            self.name,
            me.x,
            me.y
        )
    }

    /// How the page keeps up, in words.
    pub(super) async fn pace(&self) -> Result<String> {
        let words = "(() => { const c = worldkeeper.connection; return `${c.fps} frames/s of \
             ${c.drawMilliseconds.toFixed(1)} ms, ping ${Math.round(c.rtt)} ms, ${c.corrections} corrections`; })()";
        self.tab.value(words).await
    }
}

fn count_of(item: &str) -> String {
    format!(
        "worldkeeper.items.filter((stack) => stack.key === '{item}').reduce((sum, stack) => sum + stack.count, 0)"
    )
}
