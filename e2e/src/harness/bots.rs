//! Players: a swarm of bots in a process of its own, steered line by line.
//!
//! The swarm keeps the record by which [`super::judge`] judges. It ends, and leaves its record, when it
//! is stopped, and also when nobody holds its standard input any more: its handle was dropped, or this
//! program died.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{StreamExt, pin_mut};
use kube::Api;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command as Process};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use worldkeeper_crds::server::ServerState;
use worldkeeper_crds::{GameServer, names};
use worldkeeper_server::bots::command::{Command, Report, Status, WorldTarget};
use worldkeeper_server::bots::record::{Record, Session};
use worldkeeper_server::protocol::WorldName;

use super::judge::{End, Ms, Stay};
use super::wait::Seen;

/// How long a swarm may take to obey.
const OBEDIENCE: Duration = Duration::from_secs(60);

/// A line for the swarm, and where to tell its number.
type Line = (Command, oneshot::Sender<u64>);

/// What the swarm has said so far.
#[derive(Clone, Debug, Default)]
struct Heard {
    status: Status,
    errors: Vec<String>,
}

/// A running swarm.
pub(crate) struct Bots {
    child: Child,
    lines: mpsc::Sender<Line>,
    heard: watch::Receiver<Heard>,
    record: PathBuf,
    tasks: Vec<JoinHandle<()>>,
}

/// How bots choose among worlds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    /// The fullest with room.
    Fill,
    /// The emptiest.
    Spread,
    /// As `Fill`; and who loses a connection takes it up again.
    FillAndReturn,
}

/// How else the program is started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How<'a> {
    /// A program before it, with its arguments, that becomes it or passes input and output on.
    pub(crate) under: &'a [&'a str],
    /// More of its own arguments.
    pub(crate) args: &'a [&'a str],
}

impl Bots {
    /// Starts a swarm without players, whose record and log lie in `folder` under `name`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(crate) fn start(folder: &Path, name: &str, choice: Choice) -> Result<Self> {
        Self::start_as(folder, name, choice, How::default())
    }

    /// As [`Self::start`], with more to say about how.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(crate) fn start_as(
        folder: &Path,
        name: &str,
        choice: Choice,
        how: How<'_>,
    ) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let record = folder.join(format!("{name}.record.json"));
        let log = std::fs::File::create(folder.join(format!("{name}.log")))?;
        let program = super::programs::find("worldkeeper-bots")?;
        let mut command = match how.under {
            [] => Process::new(&program),
            [first, rest @ ..] => {
                let mut command = Process::new(first);
                command.args(rest).arg(&program);
                command
            }
        };
        command.args(["fleet", "--worlds", "-", "--name-prefix", name]);
        command.args(how.args);
        match choice {
            Choice::Fill => {}
            Choice::Spread => drop(command.arg("--spread")),
            Choice::FillAndReturn => drop(command.arg("--reconnect")),
        }
        let mut child = command
            .arg("--out")
            .arg(&record)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let stdin = child.stdin.take().context("the bots have no input")?;
        let stdout = child.stdout.take().context("the bots have no output")?;
        let (lines, queue) = mpsc::channel(64);
        let (hear, heard) = watch::channel(Heard::default());
        let tasks = vec![
            tokio::spawn(write_lines(stdin, queue)),
            tokio::spawn(read_reports(stdout, hear)),
        ];
        Ok(Self {
            child,
            lines,
            heard,
            record,
            tasks,
        })
    }

    /// Tells the swarm of every world behind `api` that players can be in, and of each change, until
    /// it ends.
    pub(crate) fn follow(&mut self, api: Api<GameServer>, selector: Option<&str>) {
        let config = match selector {
            Some(labels) => watcher::Config::default().labels(labels),
            None => watcher::Config::default(),
        };
        self.tasks
            .push(tokio::spawn(feed(api, config, self.lines.clone())));
    }

    /// As [`Self::follow`], for the worlds of one fleet.
    pub(crate) fn follow_fleet(&mut self, api: Api<GameServer>, fleet: &str) {
        self.follow(api, Some(&format!("{}={fleet}", names::LABEL_FLEET)));
    }

    /// Sends a command; its number.
    async fn send(&self, command: Command) -> Result<u64> {
        let (tell, number) = oneshot::channel();
        let gone = "the bots have ended; see their log";
        self.lines.send((command, tell)).await.ok().context(gone)?;
        number.await.context(gone)
    }

    /// The only worlds that can be joined, in place of a fleet that is followed.
    pub(crate) async fn set(&self, worlds: Vec<WorldTarget>) -> Result<()> {
        self.send(Command::Set { worlds }).await.map(drop)
    }

    /// So many bots play, wherever there is room.
    pub(crate) async fn players(&self, count: u32) -> Result<()> {
        self.send(Command::Players { count, world: None })
            .await
            .map(drop)
    }

    /// So many bots play in this world, beside the others.
    pub(crate) async fn players_in(&self, world: &str, count: u32) -> Result<()> {
        self.send(Command::Players {
            count,
            world: Some(world.to_owned()),
        })
        .await
        .map(drop)
    }

    /// Its process: that of the program before it, if there is one that stays.
    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().context("the bots have ended")
    }

    /// From now on everything is measured anew.
    pub(crate) async fn measure(&self) -> Result<()> {
        let sent = self.send(Command::Measure {}).await?;
        self.until_obeyed("to measure anew", sent).await
    }

    /// The record as it is now.
    pub(crate) async fn record(&self) -> Result<Record> {
        let sent = self.send(Command::Record {}).await?;
        self.until_obeyed("to write their record", sent).await?;
        Ok(Record::read(&self.record)?)
    }

    async fn until_obeyed(&self, what: &str, command: u64) -> Result<()> {
        self.until(&format!("the bots {what}"), OBEDIENCE, |status| {
            if status.commands >= command {
                Ok(())
            } else {
                Err(describe(status))
            }
        })
        .await
    }

    /// Everyone leaves; returns when nobody is inside.
    pub(crate) async fn leave(&self) -> Result<()> {
        let sent = self.send(Command::Leave {}).await?;
        self.until("all bots to have left", OBEDIENCE, |status| {
            match (
                status.commands >= sent,
                status.connected + status.connecting + status.leaving,
            ) {
                (true, 0) => Ok(()),
                (_, inside) => Err(format!("{inside} not outside yet")),
            }
        })
        .await
    }

    /// Everyone in this world leaves; returns when nobody is inside.
    pub(crate) async fn leave_world(&self, world: &str) -> Result<()> {
        let sent = self
            .send(Command::LeaveWorld {
                world: world.to_owned(),
            })
            .await?;
        self.until(
            &format!("the bots to have left {world}"),
            OBEDIENCE,
            |status| match (status.commands >= sent, holding(status, world)) {
                (true, 0) => Ok(()),
                (_, inside) => Err(format!("{inside} are not outside yet")),
            },
        )
        .await
    }

    /// Where everyone is now.
    pub(crate) fn status(&self) -> Status {
        self.heard.borrow().status.clone()
    }

    /// Waits until the swarm's status is as wanted.
    ///
    /// # Errors
    /// After `within`, with what was seen last; or when the swarm ends or disobeys.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut check: impl FnMut(&Status) -> Seen<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + within;
        let mut heard = self.heard.clone();
        loop {
            let seen = {
                let now = heard.borrow_and_update();
                if let Some(error) = now.errors.first() {
                    bail!("the bots refused a command: {error}");
                }
                match check(&now.status) {
                    Ok(found) => return Ok(found),
                    Err(instead) => instead,
                }
            };
            match tokio::time::timeout_at(deadline, heard.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => bail!("the bots ended while {what} was awaited; see their log"),
                Err(_) => bail!(
                    "waited {} s for {what}; last seen: {seen}",
                    within.as_secs()
                ),
            }
        }
    }

    /// Waits until exactly so many bots are inside, in all worlds.
    pub(crate) async fn until_connected(&self, count: u64) -> Result<()> {
        self.until(&format!("{count} bots inside"), OBEDIENCE, |status| {
            if status.connected == count && status.connecting == 0 {
                Ok(())
            } else {
                Err(describe(status))
            }
        })
        .await
    }

    /// Waits until exactly so many bots are inside this world, and none is on its way in or out.
    pub(crate) async fn until_inside(&self, world: &str, count: u64) -> Result<()> {
        self.until(
            &format!("{count} bots inside {world}"),
            OBEDIENCE,
            |status| {
                if settled(status, world) == Some(count) {
                    Ok(())
                } else {
                    Err(describe(status))
                }
            },
        )
        .await
    }

    /// As [`Self::until_inside`], in this incarnation of the world: the swarm may hear of it later than
    /// others do, and until then take players for inside whose incarnation is gone.
    pub(crate) async fn until_inside_epoch(
        &self,
        world: &str,
        epoch: u64,
        count: u64,
    ) -> Result<()> {
        self.until(
            &format!("{count} bots inside {world} at epoch {epoch}"),
            OBEDIENCE,
            |status| {
                let listed = status.worlds.iter().find(|seen| seen.world == world);
                let there = listed.is_some_and(|seen| seen.listed && seen.epoch == Some(epoch));
                if there && settled(status, world) == Some(count) {
                    Ok(())
                } else {
                    Err(describe(status))
                }
            },
        )
        .await
    }

    /// Everyone leaves, and the swarm ends; its whole record.
    pub(crate) async fn stop(mut self) -> Result<Record> {
        self.send(Command::Stop {}).await?;
        let status = super::wait::finish("the bots to end", OBEDIENCE, async {
            Ok(self.child.wait().await?)
        })
        .await?;
        if !status.success() {
            bail!("the bots failed ({status}); see {}", self.record.display());
        }
        Ok(Record::read(&self.record)?)
    }
}

impl Drop for Bots {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Bots inside the listed incarnation of a world, if none is on its way in or out, or in another.
fn settled(status: &Status, world: &str) -> Option<u64> {
    let seen = status.worlds.iter().find(|seen| seen.world == world)?;
    (seen.connecting == 0 && seen.leaving == 0 && seen.outdated == 0).then_some(seen.connected)
}

/// Bots that hold a seat of a world, or want one.
fn holding(status: &Status, world: &str) -> u64 {
    status
        .worlds
        .iter()
        .filter(|seen| seen.world == world)
        .map(|seen| seen.connected + seen.connecting + seen.leaving)
        .sum()
}

/// A swarm's status in a line.
pub(crate) fn describe(status: &Status) -> String {
    let worlds: Vec<String> = status
        .worlds
        .iter()
        .map(|world| format!("{}: {}", world.world, world.connected))
        .collect();
    format!(
        "{} wanted, {} inside, {} on the way, {} waiting, {} lost, {} refusals, {} thrown out ({})",
        status.wanted,
        status.connected,
        status.connecting,
        status.waiting,
        status.lost,
        status.refused,
        status.unexpected_disconnects,
        worlds.join(", ")
    )
}

/// The way into a world for a swarm on this machine, if players can be in it. A Service's name is
/// known inside the cluster only.
fn target(server: &GameServer) -> Option<WorldTarget> {
    let status = server.status.as_ref()?;
    if status.state != Some(ServerState::Ready) {
        return None;
    }
    way_in(server).filter(|way| way.address.parse::<IpAddr>().is_ok())
}

/// The way into a world whatever its state.
pub(crate) fn way_in(server: &GameServer) -> Option<WorldTarget> {
    let status = server.status.as_ref()?;
    Some(WorldTarget {
        world: WorldName::new(super::fleet::world_of(server)).ok()?,
        epoch: u64::try_from(status.epoch).ok(),
        address: status.address.clone()?,
        port: u16::try_from(status.ports.first()?.port).ok()?,
        capacity: status.capacity.and_then(|seats| u32::try_from(seats).ok()),
    })
}

/// The stays of a record, for the judge.
///
/// # Errors
/// When entries were left out of the record: it would prove nothing.
pub(crate) fn stays(record: &Record) -> Result<Vec<Stay>> {
    let mut stays = Vec::new();
    for player in &record.players {
        if player.omitted > 0 {
            bail!(
                "the record of {} lacks {} entries",
                player.name,
                player.omitted
            );
        }
        for session in &player.sessions {
            stays.push(stay(&player.name, session, record.written_unix_ms));
        }
    }
    Ok(stays)
}

fn stay(bot: &str, session: &Session, written: u64) -> Stay {
    let end = match (&session.violation, &session.end) {
        (Some(violation), _) => {
            End::ThrownOut(format!("the server broke the protocol: {violation}"))
        }
        (None, None) => End::Inside,
        (None, Some(end)) if end.asked_by_bot => End::Left,
        (None, Some(end)) => End::ThrownOut(format!("{} {}", end.reason, end.detail)),
    };
    Stay {
        bot: bot.to_owned(),
        world: session.world.clone(),
        epoch: i64::try_from(session.epoch).unwrap_or(i64::MAX),
        from: ms(session.connected_unix_ms),
        to: ms(session.end.as_ref().map_or(written, |end| end.at_unix_ms)),
        end,
        longest_gap_ms: i64::try_from(session.max_gap_ms).unwrap_or(i64::MAX),
    }
}

fn ms(unix_ms: u64) -> Ms {
    Ms(i64::try_from(unix_ms).unwrap_or(i64::MAX))
}

async fn write_lines(mut stdin: ChildStdin, mut queue: mpsc::Receiver<Line>) {
    let mut number = 0;
    while let Some((command, tell)) = queue.recv().await {
        let Ok(mut line) = serde_json::to_vec(&command) else {
            continue;
        };
        line.push(b'\n');
        if stdin.write_all(&line).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
        number += 1;
        // Whoever does not wait for the number does not need it.
        let _ = tell.send(number);
    }
}

async fn read_reports(stdout: ChildStdout, hear: watch::Sender<Heard>) {
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let report = serde_json::from_str::<Report>(&line);
        hear.send_modify(|heard| match report {
            Ok(Report::Status(status)) => heard.status = status,
            Ok(Report::Error { command, message }) => {
                heard.errors.push(format!("line {command}: {message}"));
            }
            Ok(Report::Recorded { .. } | Report::Done { .. }) => {}
            Err(error) => heard
                .errors
                .push(format!("not understood: {error}: {line}")),
        });
    }
}

/// Sends the joinable worlds on every change of them.
async fn feed(api: Api<GameServer>, config: watcher::Config, lines: mpsc::Sender<Line>) {
    let (store, writer) = reflector::store();
    let events = watcher(api, config).default_backoff().reflect(writer);
    pin_mut!(events);
    let mut told = None;
    while let Some(event) = events.next().await {
        if matches!(
            event,
            Err(_) | Ok(watcher::Event::Init | watcher::Event::InitApply(_))
        ) {
            continue;
        }
        let mut worlds: Vec<WorldTarget> = store
            .state()
            .iter()
            .filter_map(|server| target(server))
            .collect();
        worlds.sort_by(|a, b| a.world.as_str().cmp(b.world.as_str()));
        if told.as_ref() == Some(&worlds) {
            continue;
        }
        told = Some(worlds.clone());
        let (tell, _) = oneshot::channel();
        if lines.send((Command::Set { worlds }, tell)).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use worldkeeper_server::bots::command::WorldStatus;
    use worldkeeper_server::bots::record::Disconnect;

    use super::*;

    fn session(end: Option<(bool, &str)>, violation: Option<&str>) -> Session {
        Session {
            world: "n/f-1".into(),
            epoch: 3,
            connected_unix_ms: 10,
            max_gap_ms: 70,
            violation: violation.map(str::to_owned),
            end: end.map(|(asked_by_bot, reason)| Disconnect {
                at_unix_ms: 20,
                asked_by_bot,
                close_code: None,
                reason: reason.into(),
                detail: String::new(),
            }),
            ..Session::default()
        }
    }

    #[test]
    fn sessions_become_stays() {
        let check = |end, violation, to: i64, expect: fn(&End) -> bool| {
            let stay = stay("bot", &session(end, violation), 99);
            assert!(expect(&stay.end), "{stay:?}");
            assert_eq!(
                (stay.from, stay.to, stay.epoch, stay.longest_gap_ms),
                (Ms(10), Ms(to), 3, 70)
            );
        };
        check(None, None, 99, |end| *end == End::Inside);
        check(Some((true, "Left")), None, 20, |end| *end == End::Left);
        check(Some((false, "Closing")), None, 20, |end| {
            matches!(end, End::ThrownOut(_))
        });
        check(Some((true, "Left")), Some("nonsense"), 20, |end| {
            matches!(end, End::ThrownOut(_))
        });
    }

    #[test]
    fn who_is_on_the_way_is_not_inside() {
        let status = |connected, connecting, leaving| Status {
            worlds: vec![WorldStatus {
                world: "n/f-1".into(),
                connected,
                connecting,
                leaving,
                ..WorldStatus::default()
            }],
            ..Status::default()
        };
        assert_eq!(settled(&status(2, 0, 0), "n/f-1"), Some(2));
        assert_eq!(settled(&status(1, 1, 0), "n/f-1"), None);
        assert_eq!(settled(&status(1, 0, 1), "n/f-1"), None);
        assert_eq!(settled(&status(2, 0, 0), "n/f-2"), None);
        let mut outdated = status(2, 0, 0);
        outdated.worlds[0].outdated = 1;
        assert_eq!(settled(&outdated, "n/f-1"), None);
        assert_eq!(holding(&status(1, 2, 4), "n/f-1"), 7);
    }

    #[test]
    fn a_record_with_gaps_proves_nothing() {
        let record: Record = serde_json::from_value(serde_json::json!({
            "version": 1, "startedUnixMs": 0, "writtenUnixMs": 99, "complete": true,
            "summary": worldkeeper_server::bots::record::Summary::default(),
            "players": [{
                "player": 0, "name": "bot", "sessions": [], "refusals": [], "failures": [],
                "gapMs": {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0},
                "roundTripMs": {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0},
                "omitted": 1,
            }],
        }))
        .unwrap();
        assert!(stays(&record).is_err());
    }
}
