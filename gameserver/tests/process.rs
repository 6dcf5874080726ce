//! The real binary: its command line, its signals, its end.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use support::{Client, End, soon};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use worldkeeper_server::protocol::{Hello, KickReason, NoticeKind, ServerMessage};

const BINARY: &str = env!("CARGO_BIN_EXE_worldkeeper-server");

struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    players: SocketAddr,
}

fn command(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn start(folder: &Path) -> Server {
    let socket = folder.join("agent.sock");
    let mut child = command(
        &[],
        &[
            ("WORLDKEEPER_SERVER__HOST", "127.0.0.1"),
            ("WORLDKEEPER_SERVER__PORT", "0"),
            ("WORLDKEEPER_AGENT__HOST", "127.0.0.1"),
            ("WORLDKEEPER_AGENT__PORT", "0"),
            ("WORLDKEEPER_AGENT__SOCKET", socket.to_str().unwrap()),
            ("WORLDKEEPER_WORLD__SIZE", "256"),
            ("WORLDKEEPER_SERVER__CLOSING_NOTICE", "1"),
            ("WORLDKEEPER_LOGGING__FORMAT", "json"),
        ],
    )
    .spawn()
    .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let players = loop {
        let mut line = String::new();
        soon("a log line", stdout.read_line(&mut line))
            .await
            .unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "listening" {
            break line["players"].as_str().unwrap().parse().unwrap();
        }
    };
    Server {
        child,
        stdout,
        players,
    }
}

impl Server {
    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits for its end; the log must be all JSON.
    async fn end(mut self) -> ExitStatus {
        let mut log = String::new();
        soon("the log ends", self.stdout.read_to_string(&mut log))
            .await
            .unwrap();
        for line in log.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        soon("the process ends", self.child.wait()).await.unwrap()
    }
}

async fn join(server: &Server) -> Client {
    let hello = Hello {
        world: None,
        epoch: None,
        ..support::hello("ada")
    };
    Client::enter(server.players, hello).await.unwrap()
}

#[tokio::test]
async fn sigterm_tells_the_players_and_ends_well() {
    use nix::sys::signal::Signal::{SIGINT, SIGTERM};
    for signal in [SIGTERM, SIGINT] {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path()).await;
        let mut ada = join(&server).await;
        let began = Instant::now();
        server.signal(signal);
        let ServerMessage::Notice(notice) = ada.message().await else {
            panic!()
        };
        assert_eq!((notice.kind, notice.seconds), (NoticeKind::Closing, 1));
        assert_eq!(ada.end().await, End::kicked(KickReason::Closing));
        assert!(server.end().await.success());
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{:?}",
            began.elapsed()
        );
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "it leaves nothing behind"
        );
    }
}

#[tokio::test]
async fn an_empty_world_ends_at_once_and_a_second_signal_hurries() {
    use nix::sys::signal::Signal::SIGTERM;
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    server.signal(SIGTERM);
    assert!(server.end().await.success());

    let server = start(folder.path()).await;
    let mut ada = join(&server).await;
    server.signal(SIGTERM);
    let ServerMessage::Notice(notice) = ada.message().await else {
        panic!()
    };
    assert_eq!(notice.kind, NoticeKind::Closing);
    server.signal(SIGTERM);
    assert!(server.end().await.success());
}

#[tokio::test]
async fn drain_by_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let server = start(folder.path()).await;
    let mut ada = join(&server).await;
    let socket = folder.path().join("agent.sock");
    let env = [("WORLDKEEPER_AGENT__SOCKET", socket.to_str().unwrap())];
    let timed = command(&["drain", "--timeout-seconds", "1"], &env);
    let output = output(timed).await;
    assert!(output.status.success());
    assert!(
        text(&output.stdout).contains("1 players are still inside"),
        "{output:?}"
    );

    let waiting = command(&["drain"], &env).spawn().unwrap();
    let ServerMessage::Notice(_) = ada.message().await else {
        panic!()
    };
    ada.say(&worldkeeper_server::protocol::ClientMessage::Leave)
        .await;
    let drained = soon("the drain ends", waiting.wait_with_output())
        .await
        .unwrap();
    assert!(drained.status.success());
    assert!(
        text(&drained.stdout).contains("nobody is inside"),
        "{drained:?}"
    );
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(server.end().await.success());

    let gone = self::output(command(&["drain"], &env)).await;
    assert!(!gone.status.success());
    assert!(text(&gone.stderr).contains("agent.socket"), "{gone:?}");
}

async fn output(mut command: Command) -> std::process::Output {
    soon("the command ends", command.output()).await.unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn what_is_wrong_is_said_at_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let host = ("WORLDKEEPER_SERVER__HOST", "127.0.0.1");
    for (args, env, words) in [
        (
            &[][..],
            &[host, ("WORLDKEEPER_SERVER__PORT", &*port)][..],
            &["server.port", "in use", "--port"][..],
        ),
        (
            &[],
            &[("WORLDKEEPER_SERVER__TICK_RATE_HZ", "25")],
            &["server.tick_rate_hz: 25"],
        ),
        (
            &["config", "check"],
            &[("WORLDKEEPER_WORLD__SED", "1")],
            &[
                "WORLDKEEPER_WORLD__SED:",
                "did you mean WORLDKEEPER_WORLD__SEED?",
            ],
        ),
        (&["--config", "/nowhere"], &[], &["/nowhere"]),
        (&["drain"], &[], &["agent.socket is not set"]),
        (
            &[],
            &[
                host,
                ("WORLDKEEPER_SERVER__PORT", "0"),
                ("WORLDKEEPER_AGENT__PORT", "0"),
                ("WORLDKEEPER_AGENT__SOCKET", "/nowhere/agent.sock"),
            ],
            &["/nowhere/agent.sock", "agent.socket"],
        ),
    ] {
        let output = output(command(args, env)).await;
        assert!(!output.status.success(), "{words:?}");
        let stderr = text(&output.stderr);
        for words in words {
            assert!(stderr.contains(words), "{stderr} lacks {words}");
        }
    }
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/server.toml");
    let output = output(command(&["config", "check", "--config", sample], &[])).await;
    assert!(output.status.success(), "{output:?}");
}
