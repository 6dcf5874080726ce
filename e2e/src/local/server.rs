//! A world server on this machine.

use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use worldkeeper_server::bots::command::WorldTarget;
use worldkeeper_server::protocol::WorldName;

use super::{Reading, SERVER};
use crate::harness::{programs, wait};

/// For a world to be made and to tick, on a machine that is busy.
const START: Duration = Duration::from_secs(60);
/// For one answer of the agent.
const ANSWER: Duration = Duration::from_secs(10);
/// For a world to close.
const END: Duration = Duration::from_secs(30);
/// Between two looks at a log that grows.
const LOOK: Duration = Duration::from_millis(20);

/// How a server is started. Nothing of this process' environment reaches it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    under: Vec<OsString>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

impl Setup {
    /// A program before it, with its arguments, that becomes it: `taskset -c 0`, `prlimit …`.
    pub(crate) fn under(mut self, words: &[&str]) -> Self {
        self.under = words.iter().map(OsString::from).collect();
        self
    }

    /// One more argument.
    pub(crate) fn arg(mut self, word: impl Into<OsString>) -> Self {
        self.args.push(word.into());
        self
    }

    /// One more variable; the later of two with one name is it.
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// A key of the configuration, as `server.max_players`, by the environment.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers and texts, mostly literals"
    )]
    pub(crate) fn set(self, key: &str, value: impl ToString) -> Self {
        let name = format!("WORLDKEEPER_{}", key.to_uppercase().replace('.', "__"));
        self.env(name, value.to_string())
    }

    pub(super) fn command(self, program: PathBuf) -> Command {
        let mut words = self.under;
        words.push(program.into());
        words.extend(self.args);
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .env_clear()
            .envs(self.env)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        // Programs before it are found where this one finds them.
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
    }
}

/// A server that is ready. It is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    /// Where players connect.
    pub(crate) players: SocketAddr,
    /// Where `/health` and `/metrics` are.
    pub(crate) agent: SocketAddr,
    /// What it logs, a JSON object a line, and its last words.
    pub(crate) log: PathBuf,
}

impl Server {
    /// Starts one on ports of the system's choice, unless `setup` names others, and waits until it is
    /// ready.
    pub(crate) async fn start(folder: &Path, name: &str, setup: Setup) -> Result<Self> {
        let mut own = Setup::default()
            .set("server.host", Ipv4Addr::LOCALHOST)
            .set("server.port", 0)
            .set("agent.host", Ipv4Addr::LOCALHOST)
            .set("agent.port", 0)
            .set("logging.format", "json");
        own.env.extend(setup.env);
        let setup = Setup {
            env: own.env,
            ..setup
        };
        Self::start_bare(folder, name, setup).await
    }

    /// Starts one with nothing set but what `setup` sets, and waits until it is ready.
    pub(super) async fn start_bare(folder: &Path, name: &str, setup: Setup) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let to = File::create(&log).with_context(|| log.display().to_string())?;
        let mut child = setup
            .command(programs::find(SERVER)?)
            .stdout(to.try_clone()?)
            .stderr(to)
            .spawn()
            .context("cannot start the server")?;
        let listening = wait::finish("the server to listen", START, async {
            until_listening(&mut child, &log).await
        });
        let (players, agent) = listening.await?;
        let mut server = Self {
            child,
            players: here(players),
            agent: here(agent),
            log,
        };
        let ready = wait::finish("the server to be ready", START, server.until_ready());
        ready.await?;
        Ok(server)
    }

    async fn until_ready(&mut self) -> Result<()> {
        loop {
            // Until the first tick there is no answer but 503.
            if matches!(self.get("/health/ready").await, Ok((StatusCode::OK, _))) {
                return Ok(());
            }
            ensure_runs(&mut self.child, &self.log)?;
            sleep(LOOK).await;
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().context("the server has ended")
    }

    /// As bots want to be told of it.
    ///
    /// # Errors
    /// When it does not say which world it is.
    pub(crate) async fn target(&self) -> Result<WorldTarget> {
        let (_, health) = self.get("/health").await?;
        let health: Value = serde_json::from_str(&health)?;
        let world = health["world"].as_str().context("/health names no world")?;
        Ok(WorldTarget {
            world: WorldName::new(world)?,
            epoch: None,
            address: self.players.ip().to_string(),
            port: self.players.port(),
            capacity: None,
        })
    }

    /// Asks its agent.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn get(&self, path: &str) -> Result<(StatusCode, String)> {
        wait::finish(path, ANSWER, get(self.agent, path)).await
    }

    /// What it has counted so far.
    ///
    /// # Errors
    /// When it does not answer, or not in Prometheus' format.
    pub(crate) async fn metrics(&self) -> Result<Reading> {
        let (status, text) = self.get("/metrics").await?;
        ensure!(status == StatusCode::OK, "/metrics: {status}");
        Reading::parse(&text)
    }

    /// Its log so far.
    ///
    /// # Errors
    /// When the file is gone.
    pub(crate) fn log_text(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).with_context(|| self.log.display().to_string())
    }

    /// Lets it close as a pod would be closed; how it ended.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) async fn stop(mut self) -> Result<ExitStatus> {
        kill(Pid::from_raw(self.pid()?.try_into()?), Signal::SIGTERM)?;
        let ended = async { Ok(self.child.wait().await?) };
        wait::finish("the server to end", END, ended).await
    }
}

/// A GET on a connection of its own.
async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, String)> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", address.to_string())
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = answer.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok((status, String::from_utf8(body.into())?))
}

/// The log names the ports that the server got.
async fn until_listening(child: &mut Child, log: &Path) -> Result<(SocketAddr, SocketAddr)> {
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        let text = std::fs::read_to_string(log)?;
        if let Some(found) = text.lines().find_map(listening) {
            return Ok(found);
        }
        ensure_runs(child, log)?;
        sleep(LOOK).await;
    }
    bail!("it says nothing; see {}", log.display())
}

/// As JSON, or as text: `… INFO listening players=… agent=…`.
fn listening(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    if let Ok(line) = serde_json::from_str::<Value>(line) {
        let address = |key: &str| line[key].as_str()?.parse().ok();
        let found = (address("players")?, address("agent")?);
        return (line["message"] == "listening").then_some(found);
    }
    let (_, fields) = line.split_once(" listening ")?;
    let field = |name: &str| {
        let mut fields = fields.split(' ').filter_map(|field| field.split_once('='));
        fields.find(|(key, _)| *key == name)?.1.parse().ok()
    };
    // The last field stands there: the line is whole.
    fields
        .contains(" version=")
        .then_some((field("players")?, field("agent")?))
}

/// Where to reach what listens on all addresses.
fn here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

fn ensure_runs(child: &mut Child, log: &Path) -> Result<()> {
    if let Some(status) = child.try_wait()? {
        let text = std::fs::read_to_string(log)?;
        bail!(
            "the server ended ({status}): {}",
            text.lines().last().unwrap_or_default()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_with_the_ports() {
        let line = r#"{"timestamp":"x","level":"INFO","message":"listening","players":"127.0.0.1:1","agent":"[::1]:2","version":"0"}"#;
        let expect = ("127.0.0.1:1", "[::1]:2");
        let found =
            listening(line).map(|(players, agent)| (players.to_string(), agent.to_string()));
        assert_eq!(found, Some((expect.0.into(), expect.1.into())));
        // A line that is half written, or another.
        for other in [&line[..40], r#"{"message":"SIGTERM"}"#, ""] {
            assert_eq!(listening(other), None, "{other}");
        }
    }
}
