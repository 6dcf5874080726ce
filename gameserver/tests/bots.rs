//! The bots against the real world server, both as processes: what a scenario or benchmark relies on.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_tungstenite::tungstenite;
use worldkeeper_server::bots::command::{Report, Status};
use worldkeeper_server::bots::record::Record;

const WORLD: &str = "games/fantasy-42";
const PATIENCE: Duration = Duration::from_secs(30);

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A world server; killed when it goes out of scope.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(port: u16, epoch: u64, seats: u32) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_worldkeeper-server"))
            .env("WORLDKEEPER_WORLD__NAME", WORLD)
            .env("WORLDKEEPER_WORLD__SEED", "42")
            .env("WORLDKEEPER_WORLD__GENRE", "Horror")
            // Small: several of them start at once, and bots meet.
            .env("WORLDKEEPER_WORLD__SIZE", "256")
            .env("WORLDKEEPER_WORLD__EPOCH", epoch.to_string())
            .env("WORLDKEEPER_SERVER__MAX_PLAYERS", seats.to_string())
            .env("WORLDKEEPER_SERVER__HOST", "127.0.0.1")
            .env("WORLDKEEPER_SERVER__PORT", port.to_string())
            .env("WORLDKEEPER_AGENT__HOST", "127.0.0.1")
            .env("WORLDKEEPER_AGENT__PORT", "0")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen");
            std::thread::yield_now();
        }
        server
    }

    fn terminate(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(status.success());
    }

    /// The line that tells a swarm of this world, and of no other.
    fn set(&self, epoch: u64, port: u16) -> String {
        format!(
            r#"{{"op":"set","worlds":[{{"world":"{WORLD}","epoch":{epoch},"address":"127.0.0.1","port":{port}}}]}}"#
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `join` to its end.
fn join(arguments: &[&str]) -> Record {
    run("join", arguments)
}

fn run(mode: &str, arguments: &[&str]) -> Record {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("record.json");
    let status = Command::new(env!("CARGO_BIN_EXE_worldkeeper-bots"))
        .arg(mode)
        .args(arguments)
        .arg("--out")
        .arg(&out)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    Record::read(&out).unwrap()
}

/// A swarm that is steered.
struct Swarm {
    child: Child,
    commands: ChildStdin,
    reports: std::io::Lines<BufReader<ChildStdout>>,
    sent: u64,
    out: PathBuf,
    _folder: TempDir,
}

impl Swarm {
    fn start(arguments: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let out = folder.path().join("record.json");
        let mut child = Command::new(env!("CARGO_BIN_EXE_worldkeeper-bots"))
            .args(["fleet", "--worlds", "-"])
            .args(arguments)
            .arg("--out")
            .arg(&out)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            commands: child.stdin.take().unwrap(),
            reports: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
            sent: 0,
            out,
            _folder: folder,
        }
    }

    fn send(&mut self, line: &str) {
        writeln!(self.commands, "{line}").unwrap();
        self.sent += 1;
    }

    fn report(&mut self) -> Report {
        serde_json::from_str(&self.reports.next().unwrap().unwrap()).unwrap()
    }

    /// Waits for a status that counts all commands sent, and that is as wanted.
    fn until(&mut self, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.report() {
                Report::Status(status) if status.commands == self.sent && wanted(&status) => {
                    return status;
                }
                Report::Error { message, .. } => panic!("{message}"),
                other => assert!(Instant::now() < deadline, "no {what}; last: {other:?}"),
            }
        }
    }

    fn stop(mut self) -> Record {
        self.send(r#"{"op":"stop"}"#);
        while !matches!(self.report(), Report::Done { .. }) {}
        assert!(self.child.wait().unwrap().success());
        Record::read(&self.out).unwrap()
    }
}

/// Between bots and a server, to break connections that neither of them ends.
struct Relay {
    port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(Mutex::new(Vec::new()));
        let connections = open.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let far = TcpStream::connect(("127.0.0.1", to)).unwrap();
                let ends = [&near, &far].map(|end| end.try_clone().unwrap());
                connections.lock().unwrap().extend(ends);
                let (near_back, far_back) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                std::thread::spawn(move || pass(near, far));
                std::thread::spawn(move || pass(far_back, near_back));
            }
        });
        Self { port, open }
    }

    fn cut(&self) {
        for end in self.open.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn players_join_move_and_leave() {
    let server = Server::start(free_port(), 3, 50);
    let address = format!("127.0.0.1:{}", server.port);
    for (format, players) in [("binary", 20), ("json", 4)] {
        let record = join(&[
            "--address",
            &address,
            "--world",
            WORLD,
            "--epoch",
            "3",
            "--players",
            &players.to_string(),
            "--duration-seconds",
            "10",
            "--format",
            format,
        ]);
        let summary = &record.summary;
        assert!(record.complete);
        assert_eq!(
            (summary.players, summary.joined),
            (players, players),
            "{format}"
        );
        assert_eq!(summary.unexpected_disconnects, 0, "{format}");
        assert_eq!((summary.violations, summary.open), (0, 0), "{format}");
        assert!(
            summary.refused.is_empty() && summary.connect_failures == 0,
            "{summary:?}"
        );
        assert!(summary.round_trip_ms.count >= players, "{summary:?}");
        let world = &summary.worlds[WORLD];
        assert!(world.epochs.iter().eq(&[3]) && world.seeds.iter().eq(&[42]));
        assert_eq!(world.terrain_hashes.len(), 1);
        for (player, session) in record.sessions() {
            let seen = format!("{format}: {} {session:?}", player.name);
            assert!(session.updates >= 5, "{seen}");
            assert!(session.inputs_sent >= 2 && session.last_ack > 0, "{seen}");
            assert!(session.last_tick > session.first_tick, "{seen}");
            let end = session.end.as_ref().unwrap();
            assert_eq!(
                (end.asked_by_bot, end.close_code),
                (true, Some(1000)),
                "{seen}"
            );
            assert!(
                end.at_unix_ms >= session.connected_unix_ms + 1_000,
                "{seen}"
            );
        }
        let travelled: u64 = record
            .sessions()
            .map(|(_, session)| session.travelled_metres)
            .sum();
        assert!(travelled > 0, "nobody moved");
    }
}

#[test]
fn a_small_swarm_gathers_makes_fights_trades_and_talks() {
    let server = Server::start(free_port(), 1, 50);
    let mut swarm = Swarm::start(&["--predict"]);
    swarm.send(&server.set(1, server.port));
    swarm.send(r#"{"op":"players","count":10}"#);
    swarm.until("players inside", |status| status.connected == 10);
    swarm.send(r#"{"op":"measure"}"#);
    // Chance decides how soon; it never takes a minute.
    let deadline = Instant::now() + 3 * PATIENCE;
    let record = loop {
        swarm.until("a second", |_| true);
        swarm.send(r#"{"op":"record"}"#);
        while !matches!(swarm.report(), Report::Recorded { .. }) {}
        let record = Record::read(&swarm.out).unwrap();
        let deeds = record.summary.deeds;
        let each = [
            deeds.gathered,
            deeds.crafted,
            deeds.kills,
            deeds.trades,
            deeds.said,
            deeds.heard,
        ];
        if each.iter().all(|count| *count > 0) {
            break record;
        }
        assert!(Instant::now() < deadline, "{:?}", record.summary);
    };
    let last = swarm.stop();
    for summary in [&record.summary, &last.summary] {
        assert!(summary.faults.is_empty(), "{:?}", summary.faults);
        assert_eq!((summary.violations, summary.unexpected_disconnects), (0, 0));
    }
    let measured = last.summary.measured;
    let seen = measured.view_error_near_m.count + measured.view_error_far_m.count;
    assert!(seen > 0 && measured.predicted > 100, "{measured:?}");
    // A server that falls behind on a busy machine may cost some, but the rule is none.
    assert!(
        measured.corrections * 10 < measured.predicted,
        "{measured:?}"
    );
    assert!(measured.bytes_per_second_per_player > 0.0 && measured.player_seconds > 1.0);
}

/// What the benchmark's peer does, for one player: a welcome, then an update for every input.
fn serve_as_peer(listener: &TcpListener) -> Vec<Vec<u8>> {
    let (stream, _) = listener.accept().unwrap();
    let mut socket = tungstenite::accept(stream).unwrap();
    let mut welcome = Vec::new();
    welcome.extend([5_u16.to_le_bytes(), 65_530_u16.to_le_bytes()].concat());
    welcome.extend([1_600_i32.to_le_bytes(), 1_600_i32.to_le_bytes()].concat());
    welcome.extend([686_u16.to_le_bytes(), 20_u16.to_le_bytes()].concat());
    socket.send(tungstenite::Message::binary(welcome)).unwrap();
    let mut tick = 65_530_u16;
    let mut inputs = Vec::new();
    while let Ok(message) = socket.read() {
        let tungstenite::Message::Binary(input) = message else {
            continue;
        };
        tick = tick.wrapping_add(3);
        let mut update = tick.to_le_bytes().to_vec();
        update.extend_from_slice(&input[..2]);
        update.extend(5_u16.to_le_bytes());
        update.extend(&(1_610_u32 | 1_600 << 12).to_le_bytes()[..3]);
        inputs.push(input.to_vec());
        socket.send(tungstenite::Message::binary(update)).unwrap();
    }
    inputs
}

#[test]
fn bots_walk_in_the_peer_of_the_benchmark() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = std::thread::spawn(move || serve_as_peer(&listener));
    let record = run(
        "peer",
        &[
            "--address",
            &address,
            "--players",
            "1",
            "--duration-seconds",
            "5",
        ],
    );
    let inputs = peer.join().unwrap();
    // It turns at least once a second, by other angles.
    assert!((4..=13).contains(&inputs.len()), "{inputs:?}");
    assert!(inputs.iter().any(|input| input[2] != inputs[0][2]));
    let (_, session) = record.sessions().next().unwrap();
    assert_eq!(session.end.as_ref().unwrap().reason, "Left");
    assert!(
        session.last_tick > 65_535 && session.last_ack > 3,
        "{session:?}"
    );
    assert_eq!(session.violation, None);
    assert!(
        record.summary.faults.is_empty(),
        "{:?}",
        record.summary.faults
    );
}

#[test]
fn refusals_are_written_down() {
    let server = Server::start(free_port(), 3, 5);
    let address = format!("127.0.0.1:{}", server.port);
    let join = |players: &str, more: &[&str]| {
        let common = [
            "--address",
            &address,
            "--duration-seconds",
            "2",
            "--players",
            players,
        ];
        join(&[&common, more].concat())
    };

    let full = join("8", &[]);
    assert_eq!(full.summary.joined, 5);
    assert!(full.summary.refused["WorldFull"] >= 3);
    assert_eq!(full.summary.unexpected_disconnects, 0);

    for (arguments, reason) in [
        (["--world", "games/other"], "WrongWorld"),
        (["--epoch", "2"], "WrongEpoch"),
    ] {
        let record = join("1", &arguments);
        assert_eq!(record.summary.joined, 0);
        let refused: Vec<_> = record.summary.refused.keys().collect();
        assert_eq!(refused, [reason]);
    }
}

#[test]
fn a_world_that_ends_is_joined_again_at_its_next_epoch() {
    let port = free_port();
    let mut server = Server::start(port, 1, 50);
    let mut swarm = Swarm::start(&[]);
    swarm.send(&server.set(1, port));
    swarm.send(r#"{"op":"players","count":6}"#);
    swarm.until("players inside", |status| status.connected == 6);

    server.terminate();
    swarm.until("players outside", |status| status.lost == 6);
    assert!(server.child.wait().unwrap().success());

    server = Server::start(port, 2, 50);
    swarm.send(&server.set(2, port));
    let back = swarm.until("players back", |status| status.connected == 6);
    assert_eq!(back.unexpected_disconnects, 6);

    server.child.kill().unwrap();
    swarm.until("players outside again", |status| status.lost == 6);
    let record = swarm.stop();
    assert_eq!(record.summary.joined, 12);
    assert_eq!(record.thrown_out().count(), 12);
    assert_eq!(record.summary.closed_by_server["Closing"], 6);
    for (_, session) in record.sessions().filter(|(_, session)| session.epoch == 2) {
        let end = session.end.as_ref().unwrap();
        assert_eq!(
            (end.close_code, end.reason.as_str()),
            (None, "ConnectionLost")
        );
    }
    let world = &record.summary.worlds[WORLD];
    assert!(world.epochs.iter().eq(&[1, 2]));
    assert_eq!((world.seeds.len(), world.terrain_hashes.len()), (1, 1));
}

#[test]
fn a_lost_connection_is_resumed_if_told_so() {
    let server = Server::start(free_port(), 1, 50);
    let relay = Relay::start(server.port);
    for reconnect in [true, false] {
        let arguments: &[&str] = if reconnect { &["--reconnect"] } else { &[] };
        let mut swarm = Swarm::start(arguments);
        swarm.send(&server.set(1, relay.port));
        swarm.send(r#"{"op":"players","count":3}"#);
        swarm.until("players inside", |status| status.connected == 3);
        relay.cut();
        if reconnect {
            swarm.until("players back", |status| {
                status.joined == 6 && status.connected == 3
            });
        } else {
            swarm.until("players outside", |status| status.lost == 3);
        }
        let record = swarm.stop();
        assert_eq!(record.summary.unexpected_disconnects, 3);
        assert_eq!(record.summary.resumed, if reconnect { 3 } else { 0 });
        for player in record.players.iter().filter(|_| reconnect) {
            let [first, second] = &player.sessions[..] else {
                panic!("{player:?}");
            };
            assert_eq!(first.entity, second.entity);
            assert!(second.first_tick >= first.last_tick);
        }
    }
}

#[test]
fn commands_send_players_in_and_out() {
    let server = Server::start(free_port(), 1, 50);
    let mut swarm = Swarm::start(&["--spread"]);
    swarm.send(&server.set(1, server.port));
    swarm.send(&format!(
        r#"{{"op":"players","count":2,"world":"{WORLD}"}}"#
    ));
    swarm.send(r#"{"op":"players","count":5}"#);
    swarm.until("all inside", |status| status.connected == 7);
    swarm.send(r#"{"op":"players","count":1}"#);
    swarm.until("four out", |status| {
        status.connected == 3 && status.leaving == 0
    });
    swarm.send(&format!(r#"{{"op":"leave_world","world":"{WORLD}"}}"#));
    let empty = swarm.until("all out", |status| status.connected + status.leaving == 0);
    assert_eq!(empty.wanted, 0);

    swarm.send("no command");
    let refused = loop {
        if let Report::Error { command, .. } = swarm.report() {
            break command;
        }
    };
    assert_eq!(refused, swarm.sent);
    swarm.send(r#"{"op":"players","count":2}"#);
    swarm.until("two inside", |status| status.connected == 2);
    swarm.send(r#"{"op":"record"}"#);
    while !matches!(swarm.report(), Report::Recorded { .. }) {}
    let now = Record::read(&swarm.out).unwrap();
    assert!(!now.complete);
    assert_eq!(now.summary.open, 2);
    let record = swarm.stop();
    assert_eq!(record.summary.joined, 9);
    assert_eq!(record.summary.unexpected_disconnects, 0);
}

#[test]
fn a_signal_leaves_a_whole_record() {
    let server = Server::start(free_port(), 1, 50);
    let mut swarm = Swarm::start(&[]);
    swarm.send(&server.set(1, server.port));
    swarm.send(r#"{"op":"players","count":3}"#);
    swarm.until("players inside", |status| status.connected == 3);
    let pid = swarm.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(swarm.child.wait().unwrap().success());
    let record = Record::read(&swarm.out).unwrap();
    assert!(record.complete);
    assert_eq!((record.summary.joined, record.thrown_out().count()), (3, 0));
}

#[test]
fn strangers_are_not_hit() {
    let folder = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_worldkeeper-bots"))
        .args(["join", "--address", "203.0.113.1:7777", "--players", "1"])
        .args(["--duration-seconds", "1", "--out"])
        .arg(folder.path().join("record.json"))
        .output()
        .unwrap();
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        words.contains("203.0.113.1") && words.contains("--allow-any-address"),
        "{words}"
    );
}
