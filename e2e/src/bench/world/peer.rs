//! The game server on Bun that ours is measured beside: `gameserver/benches/peer`.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::machine::ON_SERVER_CORE;
use crate::harness::wait;
use crate::install::{checkout, tool};

/// For Bun to start and listen.
const START: Duration = Duration::from_secs(20);

/// Bun is there, and the peer's code.
#[derive(Clone, Debug)]
pub(super) struct Installed {
    bun: PathBuf,
    server: PathBuf,
    /// As `package.json` pins it.
    pub(super) version: String,
}

/// What the peer holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) players: u32,
    pub(super) creatures: u32,
    pub(super) side_metres: u32,
    pub(super) radius_metres: u32,
    pub(super) hz: u32,
}

/// Installs Bun by npm, in the pinned version, unless it is there.
///
/// # Errors
/// When npm is missing or reaches no registry.
pub(super) async fn install() -> Result<Installed> {
    let code = checkout::root()?.join("gameserver/benches/peer");
    let folder = checkout::root()?.join("target/bench/peer");
    let package = fs::read_to_string(code.join("package.json"))?;
    let package: Value = serde_json::from_str(&package)?;
    let version = package["dependencies"]["bun"].as_str();
    let installed = Installed {
        bun: folder.join("node_modules/.bin/bun"),
        server: code.join("server.ts"),
        version: version.context("package.json pins no bun")?.to_owned(),
    };
    if version_of(&installed.bun).await.as_deref() != version {
        tool::step(format!("installing bun {} by npm", installed.version));
        fs::create_dir_all(&folder)?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(code.join(file), folder.join(file))?;
        }
        let mut npm = Command::new("npm");
        npm.current_dir(&folder).kill_on_drop(true);
        tool::run(npm.args(["ci", "--no-fund", "--no-audit"])).await?;
        let found = version_of(&installed.bun).await;
        if found.as_deref() != version {
            bail!("npm installed bun {found:?} instead of {version:?}");
        }
    }
    Ok(installed)
}

async fn version_of(bun: &Path) -> Option<String> {
    let said = tool::run(Command::new(bun).arg("--version")).await.ok()?;
    Some(said.trim().to_owned())
}

/// A running peer. It is killed when this is dropped.
pub(super) struct Peer {
    child: Child,
    /// Where players connect.
    pub(super) players: SocketAddr,
}

impl Peer {
    /// Starts one on the server's core; it can be joined when this returns.
    pub(super) async fn start(installed: &Installed, log: &Path, shape: Shape) -> Result<Self> {
        let Shape {
            players,
            creatures,
            side_metres,
            radius_metres,
            hz,
        } = shape;
        let [first, rest @ ..] = ON_SERVER_CORE;
        let mut child = Command::new(first)
            .args(rest)
            .arg(&installed.bun)
            .arg(&installed.server)
            .args(["--port", "0"])
            .args(["--players", &players.to_string()])
            .args(["--creatures", &creatures.to_string()])
            .args(["--side", &side_metres.to_string()])
            .args(["--radius", &radius_metres.to_string()])
            .args(["--hz", &hz.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the peer")?;
        let said = child.stdout.take().context("the peer has no output")?;
        let mut lines = BufReader::new(said).lines();
        let line = wait::finish("the peer to listen", START, async {
            let line = lines.next_line().await?;
            line.with_context(|| format!("the peer ended; see {}", log.display()))
        });
        let players = line.await?;
        let players = players.strip_prefix("listening on ").map(str::parse);
        Ok(Self {
            child,
            players: players.context("the peer says something else")??,
        })
    }

    /// Its process.
    pub(super) fn pid(&self) -> Result<u32> {
        self.child.id().context("the peer has ended")
    }
}
