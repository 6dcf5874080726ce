//! A bot's own body, ahead of the server: the same integers by the same kernel.
//!
//! The client keeps where it has shown its body at each tick that the server has not confirmed. What
//! an update says about such a tick either confirms it, or is a correction: then everything after it is
//! walked again from there, with the inputs that the server has not applied yet.

use std::collections::VecDeque;

use worldkeeper_sim::{Direction, Ground, Position, movement};

/// Most ticks ahead of the server.
const MAX_AHEAD: usize = 1_024;
/// Most inputs that wait to be applied.
const MAX_WAITING: usize = 256;

/// An input that the server has not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    seq: u32,
    /// At the end of this tick the body has first gone this way.
    at: u64,
    /// None for an action, which does not steer.
    direction: Option<Direction>,
    late: bool,
}

/// What an update meant for the prediction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Confirmed {
    /// How far the body was from where it had been shown, in millimetres; none where it had not been.
    pub(super) off: Option<u64>,
    /// Inputs that were not applied at their tick.
    pub(super) late: u32,
    /// Inputs that were.
    pub(super) in_time: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Prediction {
    /// The last tick that the server confirmed.
    tick: u64,
    /// Which way the body goes since, until another input is applied.
    direction: Direction,
    /// At `tick` and after it, tick by tick.
    shown: VecDeque<Position>,
    waiting: VecDeque<Waiting>,
    /// An input was stamped with a tick that had been shown without it.
    stale: bool,
    /// Longest way of a tick, in millimetres.
    speed: i32,
}

impl Prediction {
    pub(super) fn new(tick: u64, position: Position, direction: Direction, speed: i32) -> Self {
        Self {
            tick,
            direction,
            shown: VecDeque::from([position]),
            waiting: VecDeque::new(),
            stale: false,
            speed,
        }
    }

    /// The last tick that the server confirmed.
    pub(super) fn confirmed_tick(&self) -> u64 {
        self.tick
    }

    /// The last tick at which the body was shown.
    pub(super) fn shown_until(&self) -> u64 {
        self.tick + (self.shown.len() as u64).saturating_sub(1)
    }

    /// Where the body is, as far as it is shown.
    pub(super) fn position(&self) -> Position {
        self.shown.back().copied().unwrap_or_default()
    }

    fn direction_at(&self, tick: u64) -> Direction {
        let before = self.waiting.iter().take_while(|input| input.at <= tick);
        before
            .filter_map(|input| input.direction)
            .last()
            .unwrap_or(self.direction)
    }

    /// Shows the body up to `tick`.
    pub(super) fn advance(&mut self, tick: u64, ground: &impl Fn(i32, i32) -> Ground) {
        while self.shown_until() < tick && self.shown.len() < MAX_AHEAD {
            let direction = self.direction_at(self.shown_until() + 1);
            let next = movement::step(ground, self.position(), direction, self.speed);
            self.shown.push_back(next);
        }
    }

    /// An input was sent that shall count from tick `at` on. Inputs never count before those before
    /// them. False if too many wait: the server applies nothing any more.
    pub(super) fn sent(&mut self, seq: u32, at: u64, direction: Option<Direction>) -> bool {
        if self.waiting.len() >= MAX_WAITING {
            return false;
        }
        let before = self.waiting.back().map_or(0, |input| input.at);
        let at = at.max(before);
        self.stale |= at <= self.shown_until();
        self.waiting.push_back(Waiting {
            seq,
            at,
            direction,
            late: false,
        });
        true
    }

    /// The server says where the body was at `tick`, with inputs up to `ack` applied, and how fast it
    /// is from there on.
    pub(super) fn confirm(
        &mut self,
        tick: u64,
        ack: u32,
        position: Position,
        speed: i32,
        ground: &impl Fn(i32, i32) -> Ground,
    ) -> Confirmed {
        let mut confirmed = Confirmed::default();
        let until = self.shown_until();
        let mut wrong = speed != self.speed || std::mem::take(&mut self.stale);
        while let Some(input) = self.waiting.front().filter(|input| input.seq <= ack) {
            confirmed.in_time += u32::from(!input.late);
            self.direction = input.direction.unwrap_or(self.direction);
            // Applied although its time has not come: shown otherwise than it was.
            wrong |= input.at > tick;
            self.waiting.pop_front();
        }
        // What should have been applied by now is applied at the next tick at the earliest.
        for input in &mut self.waiting {
            if input.at > tick {
                break;
            }
            input.at = tick + 1;
            wrong = true;
            confirmed.late += u32::from(!input.late);
            input.late = true;
        }
        let passed = usize::try_from(tick.saturating_sub(self.tick)).unwrap_or(usize::MAX);
        if let Some(shown) = self.shown.get(passed) {
            let off = shown.distance_squared(position).isqrt();
            wrong |= off > 0;
            confirmed.off = Some(off);
            self.shown.drain(..passed);
        } else {
            wrong = true;
        }
        self.tick = tick;
        self.speed = speed;
        if wrong {
            self.shown.clear();
            self.shown.push_back(position);
            self.advance(until, ground);
        }
        confirmed
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    const SPEED: i32 = 300;

    /// Some ground with walls and mire in it.
    fn ground(x: i32, y: i32) -> Ground {
        match (x.div_euclid(2_000) * 7 + y.div_euclid(2_000) * 13).rem_euclid(9) {
            0 => Ground::Rock,
            1 | 2 => Ground::Slow,
            _ => Ground::Open,
        }
    }

    fn start() -> Position {
        Position { x: 2_500, y: 500 }
    }

    #[derive(Clone, Copy, Debug)]
    struct Sent {
        every: u64,
        direction: Direction,
        /// Ticks after its stamp at which the server gets to it.
        late: u64,
    }

    fn inputs(late: u64) -> impl Strategy<Value = Vec<Sent>> {
        let one = (1..20_u64, any::<(i8, i8)>(), 0..=late).prop_map(|(every, (x, y), late)| Sent {
            every,
            direction: Direction { x, y },
            late,
        });
        prop::collection::vec(one, 1..30)
    }

    type Make = fn(Prediction) -> Prediction;

    /// Server and client together, `ahead` ticks apart, updates at every `step`th tick: how many of the
    /// updates were corrections, and how many inputs late.
    fn run(inputs: &[Sent], ahead: u64, step: u64, mangle: Make) -> (u32, u32) {
        let mut client = Prediction::new(0, start(), Direction::STILL, SPEED);
        let mut server = (start(), Direction::STILL);
        let mut queue: VecDeque<(u32, u64, Direction)> = VecDeque::new();
        let (mut ack, mut seq) = (0, 0);
        let (mut corrections, mut late) = (0, 0);
        let mut plan = inputs.iter();
        let mut next = plan.next().map(|input| (input.every, *input));
        for tick in 1..400 {
            // The client at this moment shows the tick `ahead` of the server's last one.
            let at = tick + ahead;
            client.advance(at - 1, &ground);
            if let Some((when, input)) = next.filter(|(when, _)| *when <= at) {
                seq += 1;
                client.sent(seq, at, Some(input.direction));
                let before = queue.back().map_or(0, |(_, at, _)| *at);
                queue.push_back((seq, (at + input.late).max(before), input.direction));
                next = plan.next().map(|input| (when + input.every, *input));
            }
            while let Some((seq, _, direction)) = queue.front().filter(|(_, at, _)| *at <= tick) {
                (ack, server.1) = (*seq, *direction);
                queue.pop_front();
            }
            server.0 = movement::step(ground, server.0, server.1, SPEED);
            if tick % step == 0 {
                let confirmed = client.confirm(tick, ack, server.0, SPEED, &ground);
                corrections += u32::from(confirmed.off.is_none_or(|off| off > 0));
                late += confirmed.late;
                client = mangle(client);
            }
        }
        (corrections, late)
    }

    proptest! {
        #[test]
        fn inputs_in_time_need_no_correction(inputs in inputs(0), ahead in 1..120_u64, step in 1..5_u64) {
            prop_assert_eq!(run(&inputs, ahead, step, |client| client), (0, 0));
        }

        #[test]
        fn a_late_input_costs_no_more_corrections_than_ticks(
            inputs in inputs(3), ahead in 4..40_u64,
        ) {
            let ticks: u64 = inputs.iter().map(|input| input.late).sum();
            let (corrections, late) = run(&inputs, ahead, 1, |client| client);
            prop_assert!(u64::from(corrections) <= 3 * ticks, "{corrections} for {ticks} ticks");
            prop_assert!(ticks == 0 || u64::from(late) <= 3 * ticks);
        }

        #[test]
        fn it_is_where_the_server_is_once_all_inputs_are_applied(
            inputs in inputs(5), ahead in 0..40_u64,
        ) {
            let mut client = Prediction::new(0, start(), Direction::STILL, SPEED);
            let mut server = start();
            for (seq, input) in (1..).zip(&inputs) {
                let tick = u64::from(seq);
                client.advance(tick + ahead, &ground);
                client.sent(seq, tick, Some(input.direction));
                server = movement::step(ground, server, input.direction, SPEED);
                client.confirm(tick, seq, server, SPEED, &ground);
            }
            let last = inputs.last().unwrap().direction;
            let until = client.shown_until();
            for _ in client.tick..until {
                server = movement::step(ground, server, last, SPEED);
            }
            prop_assert_eq!(client.position(), server);
        }
    }

    #[test]
    fn wrong_predictions_are_caught() {
        let turn = |every, x, y| Sent {
            every,
            direction: Direction { x, y },
            late: 0,
        };
        let inputs: Vec<Sent> = (0..20)
            .map(|n| turn(7, if n % 2 == 0 { 127 } else { -90 }, 6 * n - 60))
            .collect();
        assert_eq!(run(&inputs, 12, 1, |client| client), (0, 0));
        let wrong: [(&str, Make); 4] = [
            ("is a millimetre off", |mut client| {
                for place in client.shown.iter_mut().skip(1) {
                    place.x += 1;
                }
                client
            }),
            ("forgets what was sent", |client| Prediction {
                waiting: VecDeque::new(),
                shown: VecDeque::from([client.shown[0]]),
                ..client
            }),
            ("stands still where it goes on", |client| Prediction {
                direction: Direction::STILL,
                shown: VecDeque::from([client.shown[0]]),
                ..client
            }),
            ("is a tick behind", |mut client| {
                let first = client.shown[0];
                client.shown.push_front(first);
                client
            }),
        ];
        for (name, mangle) in wrong {
            let (corrections, _) = run(&inputs, 12, 1, mangle);
            assert!(corrections > 0, "not caught: a prediction that {name}");
        }
    }
}
