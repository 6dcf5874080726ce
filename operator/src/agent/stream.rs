//! Listening to one incarnation's status stream, for as long as the incarnation is tracked.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use http::Method;
use worldkeeper_crds::agent::{AgentStatus, HEARTBEAT_SECONDS, MAX_STATUS_BYTES, WATCH_PATH};

use super::{
    Incarnation,
    call::{self, Answer, CallError, Refusal},
    index::{Shared, Slot},
};
use crate::telemetry::StreamState;

/// Silence on an open stream after which it is given up and opened anew: a peer whose node lost its
/// power never says goodbye.
const IDLE: Duration = Duration::from_secs(5 * HEARTBEAT_SECONDS);

/// A stream that lasted this long and said something was sound: the next backoff starts small.
const SOUND: Duration = Duration::from_secs(5);

/// Refused lines in a row after which a stream is given up.
const REFUSED_IN_A_ROW: u32 = 3;

/// Most lines, and bytes, that are read of a stream in a second. The protocol has at most 4 status
/// changes a second; a pod that sends more waits, and costs us nothing.
const LINES_PER_SECOND: u32 = 64;
const BYTES_PER_SECOND: usize = 64 * 1024;

/// Longest strings of a status that are kept.
const LONGEST_VERSION: usize = 128;
const LONGEST_HASH: usize = 64;

/// Why a line was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    #[error("not a status")]
    Malformed,
    #[error("a status of another world")]
    WrongWorld,
    #[error("a status of another epoch")]
    WrongEpoch,
    #[error("a status with impossible content")]
    Invalid,
}

impl LineError {
    pub(super) fn category(self) -> &'static str {
        match self {
            Self::Malformed => "Malformed",
            Self::WrongWorld => "WrongWorld",
            Self::WrongEpoch => "WrongEpoch",
            Self::Invalid => "Invalid",
        }
    }
}

/// Why a stream could not start, or ended.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the stream has ended")]
    Ended,
    #[error("nothing was heard for {IDLE:?}")]
    Silent,
    #[error("a line is longer than {MAX_STATUS_BYTES} bytes")]
    TooLong,
    #[error("{REFUSED_IN_A_ROW} lines in a row could not be believed, the last: {0}")]
    Unbelievable(LineError),
}

impl StreamError {
    fn category(&self) -> &'static str {
        match self {
            Self::Call(error) => error.category(),
            Self::Ended => "Ended",
            Self::Silent => "Silent",
            Self::TooLong => "TooLong",
            Self::Unbelievable(error) => error.category(),
        }
    }
}

/// Parses a status and holds it against the incarnation that it is to be of.
pub(super) fn parse(line: &[u8], incarnation: &Incarnation) -> Result<AgentStatus, LineError> {
    let status: AgentStatus = serde_json::from_slice(line).map_err(|_| LineError::Malformed)?;
    let world = status
        .world
        .split_once('/')
        .is_some_and(|(namespace, name)| {
            *namespace == *incarnation.world.namespace && *name == *incarnation.world.name
        });
    if !world {
        return Err(LineError::WrongWorld);
    }
    if status.epoch != incarnation.epoch {
        return Err(LineError::WrongEpoch);
    }
    if status.resuming > status.players
        || status.version.len() > LONGEST_VERSION
        || status.hash.len() > LONGEST_HASH
    {
        return Err(LineError::Invalid);
    }
    Ok(status)
}

/// Cuts pieces of a stream into lines, and keeps nothing while no line is unfinished.
#[derive(Debug, Default)]
struct Lines {
    unfinished: Vec<u8>,
}

/// A line is longer than a status may be.
#[derive(Debug, PartialEq, Eq)]
struct TooLong;

impl Lines {
    /// Hands every line that `chunk` completes to `each`, without its line feed.
    fn push(&mut self, mut chunk: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), TooLong> {
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&chunk[..end], &chunk[end + 1..]);
            if self.unfinished.len() + line.len() > MAX_STATUS_BYTES {
                return Err(TooLong);
            }
            if self.unfinished.is_empty() {
                each(line);
            } else {
                let mut whole = mem::take(&mut self.unfinished);
                whole.extend_from_slice(line);
                each(&whole);
            }
            chunk = rest;
        }
        if self.unfinished.len() + chunk.len() > MAX_STATUS_BYTES {
            return Err(TooLong);
        }
        self.unfinished.extend_from_slice(chunk);
        Ok(())
    }
}

/// How long to wait after `failures` attempts in a row that failed, the first of them `failing_for`
/// ago; before jitter. A server that has just been started is found within a second; one that is
/// away for long costs little.
fn backoff(failures: u32, failing_for: Duration) -> Duration {
    let cap = match failing_for.as_secs() {
        0..60 => Duration::from_secs(1),
        60..600 => Duration::from_secs(5),
        _ => Duration::from_secs(15),
    };
    Duration::from_millis(100)
        .saturating_mul(1 << failures.min(10))
        .min(cap)
}

/// Listens until the task is aborted.
pub(super) async fn run(slot: Arc<Slot>, shared: Arc<Shared>, first_delay: Duration) {
    let mut failures = 0_u32;
    let mut failing_since = None;
    let mut waiting = shared.metrics.stream(StreamState::Waiting);
    wait(&slot, first_delay).await;
    loop {
        let (ended, listened_for) = once(&slot, &shared, failures, waiting).await;
        waiting = shared.metrics.stream(StreamState::Waiting);
        // An agent that says one thing and hangs up is no better than one that does not answer.
        if listened_for >= SOUND {
            failures = 0;
            failing_since = None;
        }
        let category = ended.category();
        shared.metrics.stream_error(category);
        slot.failed(category);
        if let StreamError::Call(CallError::Refused {
            reason: Refusal::StaleTerm,
            ..
        }) = ended
        {
            shared.doubt.raise();
        }
        // Once per row of failures; the rest is in the metrics.
        if failures == 0 {
            tracing::debug!(world = %slot.incarnation.world, epoch = slot.incarnation.epoch,
                addr = %slot.incarnation.addr, error = %ended, "status stream");
        }
        let now = Instant::now();
        let since = *failing_since.get_or_insert(now);
        let pause = backoff(failures, now - since).mul_f64(rand::random_range(0.5..1.0));
        failures = failures.saturating_add(1);
        wait(&slot, pause).await;
    }
}

/// Waits, or until someone has a reason to think that the agent is there now.
async fn wait(slot: &Slot, pause: Duration) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = slot.nudge.notified() => {}
    }
}

/// Connects and listens once; answers why it ended, and how long after the answer's head the last
/// status was heard.
async fn once(
    slot: &Slot,
    shared: &Shared,
    failures: u32,
    waiting: crate::telemetry::StreamGauge,
) -> (StreamError, Duration) {
    // Those that failed lately queue apart: a node that swallows every connection attempt must not
    // keep the healthy waiting.
    let turn = if failures < 3 {
        &shared.turns
    } else {
        &shared.turns_of_failing
    };
    // Never closed, so never an error.
    let turn = turn.acquire().await;
    drop(waiting);
    slot.attempt(shared.clock.at(Instant::now()));
    let connecting = shared.metrics.stream(StreamState::Connecting);
    // Boxed, so that what connecting needs does not stay with every connected stream.
    let answer = Box::pin(call::call(
        &slot.incarnation,
        &Method::GET,
        WATCH_PATH,
        &shared.keys,
        shared.term,
    ))
    .await;
    drop(turn);
    drop(connecting);
    match answer {
        Ok(answer) => {
            let _connected = shared.metrics.stream(StreamState::Connected);
            listen(slot, shared, answer).await
        }
        Err(error) => (error.into(), Duration::ZERO),
    }
}

async fn listen(slot: &Slot, shared: &Shared, mut answer: Answer) -> (StreamError, Duration) {
    let mut lines = Lines::default();
    let start = Instant::now();
    let mut heard = Duration::ZERO;
    let mut refused_in_a_row = 0;
    let mut window = Window::new(start);
    let idle = tokio::time::sleep(IDLE);
    tokio::pin!(idle);
    loop {
        // What has arrived counts before the time: after a standstill both are ready.
        let chunk = tokio::select! {
            biased;
            chunk = answer.chunk() => chunk,
            () = &mut idle => return (StreamError::Silent, heard),
        };
        let chunk = match chunk {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return (StreamError::Ended, heard),
            Err(error) => return (CallError::Http(error).into(), heard),
        };
        let now = Instant::now();
        let mut accepted = false;
        let mut count = 0;
        let mut wrong = None;
        let whole = lines.push(&chunk, |line| {
            count += 1;
            if line.is_empty() || wrong.is_some() {
                return;
            }
            match parse(line, &slot.incarnation) {
                Ok(status) => {
                    accepted = true;
                    refused_in_a_row = 0;
                    slot.status(shared, status, now);
                }
                Err(error) => {
                    shared.metrics.line_refused(error.category());
                    refused_in_a_row += 1;
                    if refused_in_a_row == REFUSED_IN_A_ROW {
                        wrong = Some(error);
                    }
                }
            }
        });
        if accepted {
            heard = now - start;
        }
        if let Some(error) = wrong {
            return (StreamError::Unbelievable(error), heard);
        }
        if whole == Err(TooLong) {
            shared.metrics.line_refused("TooLong");
            return (StreamError::TooLong, heard);
        }
        if let Some(pause) = window.count(count, chunk.len(), now) {
            shared.metrics.line_refused("Flood");
            tokio::time::sleep(pause).await;
        }
        if accepted {
            idle.as_mut().reset(tokio::time::Instant::now() + IDLE);
        }
    }
}

/// What was read of a stream in the current second.
struct Window {
    start: Instant,
    lines: u32,
    bytes: usize,
}

impl Window {
    fn new(start: Instant) -> Self {
        Self {
            start,
            lines: 0,
            bytes: 0,
        }
    }

    /// Counts; answers how long to read nothing, if it was too much.
    fn count(&mut self, lines: u32, bytes: usize, now: Instant) -> Option<Duration> {
        let second = Duration::from_secs(1);
        let age = now.saturating_duration_since(self.start);
        if age >= second {
            *self = Self::new(now);
        }
        self.lines = self.lines.saturating_add(lines);
        self.bytes = self.bytes.saturating_add(bytes);
        let much = self.lines > LINES_PER_SECOND || self.bytes > BYTES_PER_SECOND;
        much.then(|| second.saturating_sub(now.saturating_duration_since(self.start)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use worldkeeper_crds::agent::DrainPhase;

    use super::*;
    use crate::agent::WorldKey;

    fn incarnation() -> Incarnation {
        Incarnation {
            world: WorldKey::new("games", "dungeon-7"),
            epoch: 4,
            pod_uid: "5c3d".to_owned(),
            addr: ([127, 0, 0, 1], 9090).into(),
            stale_after: Duration::from_secs(10),
        }
    }

    #[track_caller]
    fn check(line: &str, expect: Result<u32, LineError>) {
        let parsed = parse(line.as_bytes(), &incarnation());
        assert_eq!(parsed.map(|status| status.players), expect, "{line}");
    }

    #[test]
    fn lines_are_held_against_the_incarnation() {
        let good = serde_json::to_string(&AgentStatus {
            world: "games/dungeon-7".to_owned(),
            epoch: 4,
            tick: 1,
            hash: "0123456789abcdef".to_owned(),
            players: 3,
            resuming: 1,
            capacity: 32,
            tick_p99_micros: 50,
            drain: DrainPhase::Serving,
            version: "1".to_owned(),
        })
        .unwrap();
        check(&good, Ok(3));
        check(
            &good.replace("games/dungeon-7", "games/dungeon-8"),
            Err(LineError::WrongWorld),
        );
        check(
            &good.replace("games/dungeon-7", "dungeon-7"),
            Err(LineError::WrongWorld),
        );
        check(
            &good.replace(r#""epoch":4"#, r#""epoch":3"#),
            Err(LineError::WrongEpoch),
        );
        check(
            &good.replace(r#""players":3"#, r#""players":-1"#),
            Err(LineError::Malformed),
        );
        check(
            &good.replace(r#""players":3"#, r#""players":null"#),
            Err(LineError::Malformed),
        );
        check(
            &good.replace(r#""players":3,"#, ""),
            Err(LineError::Malformed),
        );
        check(
            &good.replace(r#""players":3"#, r#""players":0"#),
            Err(LineError::Invalid),
        );
        check(
            &good.replace(
                r#""version":"1""#,
                &format!(r#""version":"{}""#, "v".repeat(200)),
            ),
            Err(LineError::Invalid),
        );
        check("rubbish", Err(LineError::Malformed));
        check(&"[".repeat(5_000), Err(LineError::Malformed));
    }

    #[test]
    fn patience_grows() {
        let seconds = Duration::from_secs;
        let mut total = Duration::ZERO;
        for failures in 0..5 {
            assert!(backoff(failures, total) <= seconds(1));
            total += backoff(failures, total);
        }
        assert!(total < seconds(4));
        assert_eq!(backoff(50, seconds(59)), seconds(1));
        assert_eq!(backoff(u32::MAX, seconds(100)), seconds(5));
        assert_eq!(backoff(500, seconds(10_000)), seconds(15));
    }

    #[test]
    fn a_flood_waits_for_the_next_second() {
        let start = Instant::now();
        let mut window = Window::new(start);
        assert_eq!(window.count(64, 100, start), None);
        let later = start + Duration::from_millis(400);
        assert_eq!(window.count(1, 1, later), Some(Duration::from_millis(600)));
        assert_eq!(window.count(1, 1, start + Duration::from_secs(1)), None);
        assert!(
            window
                .count(1, 1 << 20, start + Duration::from_secs(1))
                .is_some()
        );
    }

    proptest! {
        #[test]
        fn lines_do_not_hang_on_the_pieces(
            lines in prop::collection::vec("[a-z]{0,40}", 0..20),
            cuts in prop::collection::vec(1..30_usize, 1..40),
        ) {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let mut rest = text.as_bytes();
            let mut cutter = Lines::default();
            let mut seen = Vec::new();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, more) = rest.split_at((*cut).min(rest.len()));
                cutter
                    .push(piece, |line| seen.push(String::from_utf8(line.to_vec()).unwrap()))
                    .unwrap();
                rest = more;
            }
            prop_assert_eq!(seen, lines);
            prop_assert_eq!(cutter.unfinished.capacity(), 0);
        }

        #[test]
        fn no_more_than_the_limit_is_kept(
            pieces in prop::collection::vec((0..5_000_usize, any::<bool>()), 1..20),
        ) {
            let mut cutter = Lines::default();
            let mut length = 0;
            for (size, ends) in pieces {
                let mut piece = vec![b'x'; size];
                length += size;
                if ends {
                    piece.push(b'\n');
                }
                let mut longest = 0;
                let pushed = cutter.push(&piece, |line| longest = longest.max(line.len()));
                prop_assert!(longest <= MAX_STATUS_BYTES);
                prop_assert!(cutter.unfinished.len() <= MAX_STATUS_BYTES);
                prop_assert_eq!(pushed.is_err(), length > MAX_STATUS_BYTES);
                if pushed.is_err() {
                    break;
                }
                if ends {
                    length = 0;
                }
            }
        }
    }
}
