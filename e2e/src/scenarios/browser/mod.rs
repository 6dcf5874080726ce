//! The browser client in a real Chromium against the real server: two people who see nothing but the page
//! and have nothing but a mouse and a keyboard gather, make something, talk and trade, in every genre.
//! What is said is shown as text. The page breaks no rule of its policy and reports no error. Who is cut
//! off comes back into the same body.
//!
//! Leaves pictures of every genre in `target/e2e/browser`.

mod chromium;
mod plan;
mod player;
mod tab;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::time::timeout;

use crate::harness::bots::Choice;
use crate::harness::proxy::Proxy;
use crate::local::{Place, Setup};

use chromium::Chromium;
use plan::Plan;
use player::Player;

/// Each genre, and what the others who are about are called.
const GENRES: [(&str, &str); 5] = [
    ("Fantasy", "villager"),
    ("SciFi", "crew"),
    ("Horror", "lost-soul"),
    ("Cyberpunk", "runner"),
    ("PostApoc", "drifter"),
];
/// Small enough for one hub, so that both appear in the same place.
const SIZE_METRES: u32 = 512;
/// Others who are about, so that the pictures are of a world that is played in.
const BOTS: u32 = 10;
/// For one genre. The machine may be busy, and everything is drawn without a graphics card.
const GENRE_LIMIT: Duration = Duration::from_secs(240);
/// Markup that would do something if the page took it for markup.
const MARKUP: &str = r#"<img src=x onerror="document.title='taken'"> <b>hello</b> & "you""#;

pub(super) async fn run(place: Place) -> Result<()> {
    let chromium = Chromium::start(&place).await?;
    judges(&place, &chromium).await?;
    for (genre, others) in GENRES {
        let story = story(&place, &chromium, genre, others);
        timeout(GENRE_LIMIT, story)
            .await
            .with_context(|| format!("{genre}: took longer than {} s", GENRE_LIMIT.as_secs()))?
            .with_context(|| genre.to_owned())?;
    }
    chromium.close().await
}

/// What is to be found on no page is found on one that has it: an error, a warning, and a style that the
/// policy forbids.
async fn judges(place: &Place, chromium: &Chromium) -> Result<()> {
    let setup = Setup::default().set("world.size", SIZE_METRES);
    let server = place.server("judges", setup).await?;
    let page = format!("http://{}/", server.players);
    let wrong = Player::open(chromium, &page, "Eve").await?;
    let faults = wrong.tab.faults().await?;
    ensure!(
        faults.is_empty(),
        "a page that is sound is reported: {faults:#?}"
    );
    for (what, fault) in [
        ("an error", "console.error('out of cheese')"),
        (
            "an exception",
            "setTimeout(() => { throw new Error('out of tea'); })",
        ),
        (
            "a style",
            "document.head.append(Object.assign(document.createElement('style'), { textContent: 'p {}' }))",
        ),
        (
            "a script",
            "document.head.append(Object.assign(document.createElement('script'), { textContent: '1' }))",
        ),
        (
            "a handler",
            "document.body.setAttribute('onclick', 'alert(1)')",
        ),
        ("an image", "new Image().src = 'http://127.0.0.2:9/'"),
    ] {
        let before = wrong.tab.faults().await?.len();
        let _: u64 = wrong.tab.value(&format!("(void ({fault}), 0)")).await?;
        wrong.tab.reports_more(before).await.context(what)?;
    }
    wrong.tab.close().await?;
    server.stop().await?;
    Ok(())
}

/// Two people meet in a world of this genre.
async fn story(place: &Place, chromium: &Chromium, genre: &str, others: &str) -> Result<()> {
    let name = genre.to_lowercase();
    let setup = Setup::default()
        .set("world.genre", genre)
        .set("world.size", SIZE_METRES)
        .set("world.seed", 42);
    let server = place.server(&name, setup).await?;
    let way = Proxy::start(server.players).await?;
    let page = format!("http://{}/", way.address);
    let picture = |what: &str| place.folder.join(format!("{name}-{what}.png"));

    let mut ada = Player::open(chromium, &page, "Ada").await?;
    ada.tab.picture(&picture("entrance")).await?;
    ada.join().await?;
    // A name that is markup, were it taken for it.
    let mut bo = Player::open(chromium, &page, "Bo <i>").await?;
    bo.join().await?;

    let content: Value = ada
        .tab
        .value("fetch('/v1/content').then((answer) => answer.json())")
        .await?;
    let plan = Plan::of(&content)?;
    place.say(format!("{genre}: both are in; Ada will make {}", plan.made));

    for need in &plan.inputs {
        ada.gather(need, need.count).await?;
    }
    ada.make(&plan, &picture("making")).await?;
    let given = plan.inputs.first().context("a recipe without inputs")?;
    bo.gather(given, 1).await?;
    place.say(format!("{genre}: gathered and made"));

    // The others come only now: they would have gathered everything that is near.
    let bots = place.bots(others, Choice::Fill)?;
    bots.set(vec![server.target().await?]).await?;
    bots.players(BOTS).await?;
    ada.walk_to(&bo).await?;
    bo.say(MARKUP).await?;
    ada.hears("Bo <i>", MARKUP).await?;
    bo.hears("Bo <i>", MARKUP).await?;
    let title = ada.tab.value::<String>("document.title").await?;
    ensure!(title != "taken", "what was said ran as a script");

    let (ada_held, bo_held) = (ada.count(&plan.made).await?, bo.count(&plan.made).await?);
    ada.asks_to_trade(&bo).await?;
    bo.agrees().await?;
    ada.offers(&plan.made).await?;
    bo.offers(&given.item).await?;
    ada.sees_offered(&given.item).await?;
    bo.sees_offered(&plan.made).await?;
    bo.tab.picture(&picture("trade")).await?;
    ada.accepts().await?;
    bo.accepts().await?;
    bo.holds(&plan.made, bo_held + 1).await?;
    let left = ada.count(&plan.made).await?;
    ensure!(left + 1 == ada_held, "Ada still holds {left} of {ada_held}");
    let pace = ada.pace().await?;
    place.say(format!("{genre}: traded; {pace}"));

    let before = ada.own_id().await?;
    for tab in [&ada.tab, &bo.tab] {
        tab.expect_broken_connection();
    }
    way.cut();
    ada.is_cut_off(&picture("cut-off")).await?;
    ada.is_back().await?;
    bo.is_back().await?;
    ensure!(ada.own_id().await? == before, "Ada is in another body");
    ensure!(ada.resumed().await?, "the session did not go on");
    ada.tab.reload().await?;
    ada.is_back().await?;
    ensure!(
        ada.own_id().await? == before,
        "Ada is in another body after a reload"
    );

    place.say(format!("{genre}: cut off, and back"));
    ada.fights(&picture("fight")).await?;
    for player in [&ada, &bo] {
        let faults = player.tab.faults().await?;
        ensure!(
            faults.is_empty(),
            "{}'s page reports {faults:#?}",
            player.name
        );
    }
    ada.tab.close().await?;
    bo.tab.close().await?;
    bots.leave().await?;
    let ended = server.stop().await?;
    ensure!(ended.success(), "the server ended with {ended}");
    Ok(())
}
