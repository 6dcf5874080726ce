//! Sends bots in and out until the numbers are those wanted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::watch;

use super::slot::{Slot, State};
use super::{MAX_PLAYERS, Swarm, player_name};
use crate::bots::log::PlayerLog;
use crate::bots::placement::{Candidate, world_to_join, world_to_leave};
use crate::bots::player::{Order, Player};

impl Swarm {
    /// One turn of it; what takes longer, such as a world without room, waits for the next.
    pub(super) fn settle(&mut self, now: Instant) {
        let mut groups: Vec<(Option<String>, u32)> = vec![(None, self.wanted)];
        groups.extend(
            self.wanted_in
                .iter()
                .map(|(world, count)| (Some(world.clone()), *count)),
        );
        // Bots for worlds that nobody wants bots in any more.
        for slot in &mut self.slots {
            if slot.is_active()
                && slot
                    .pin
                    .as_ref()
                    .is_some_and(|pin| !self.wanted_in.contains_key(pin))
            {
                slot.release();
                self.changed = true;
            }
        }
        for (pin, count) in groups {
            self.match_count(pin.as_deref(), count, now);
        }
        self.bring_back(now);
        self.send_in(now);
    }

    fn match_count(&mut self, pin: Option<&str>, count: u32, now: Instant) {
        let active = |slot: &Slot| slot.is_active() && slot.pin.as_deref() == pin;
        let mut have = self.slots.iter().filter(|slot| active(slot)).count();
        let want = usize::try_from(count).unwrap_or(usize::MAX);
        if have == want {
            return;
        }
        self.changed = true;
        // Those who play nowhere go first.
        for slot in &mut self.slots {
            if have > want
                && active(slot)
                && matches!(slot.state, State::Waiting { .. } | State::Lost(_))
            {
                slot.release();
                have -= 1;
            }
        }
        while have > want {
            let mut members: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for (at, slot) in self
                .slots
                .iter()
                .enumerate()
                .filter(|(_, slot)| active(slot))
            {
                if let Some(target) = slot.target() {
                    members.entry(target.key.clone()).or_default().push(at);
                }
            }
            let mut members: Vec<Vec<usize>> = members.into_values().collect();
            let mut bots: Vec<u32> = members
                .iter()
                .map(|members| u32::try_from(members.len()).unwrap_or(u32::MAX))
                .collect();
            while have > want {
                let Some(world) = world_to_leave(self.options.placement, &bots) else {
                    return;
                };
                bots[world] -= 1;
                if let Some(slot) = members[world].pop() {
                    self.slots[slot].release();
                }
                have -= 1;
            }
        }
        for slot in &mut self.slots {
            if have < want && matches!(slot.state, State::Idle) {
                slot.pin = pin.map(ToOwned::to_owned);
                slot.tries = 0;
                slot.state = State::Waiting { not_before: now };
                have += 1;
            }
        }
        while have < want {
            if !self.create(pin, now) {
                return;
            }
            have += 1;
        }
    }

    /// False if there can be no more bots: the numbers wanted are bounded, but those who are still
    /// leaving count, too.
    fn create(&mut self, pin: Option<&str>, now: Instant) -> bool {
        let Ok(number) = u32::try_from(self.slots.len()) else {
            return false;
        };
        let Ok(name) = player_name(&self.options.name_prefix, number) else {
            return false;
        };
        if number >= MAX_PLAYERS {
            return false;
        }
        let log = PlayerLog::new(self.clock, number, name.to_string());
        let log = Arc::new(Mutex::new(log));
        let (orders, orders_out) = watch::channel(Order::default());
        let (shared, players_log) = (Arc::clone(&self.shared), Arc::clone(&log));
        let make = move |token| Player::new(number, name, token, shared, players_log, orders_out);
        if !self.engine.add(number, Box::new(make)) {
            return false;
        }
        self.slots.push(Slot {
            pin: pin.map(ToOwned::to_owned),
            state: State::Waiting { not_before: now },
            orders,
            tries: 0,
            log,
        });
        true
    }

    /// Those who lost their world go back to it: as the same session while that can be taken up (if
    /// told so), as a new one when the world is listed anew.
    fn bring_back(&mut self, now: Instant) {
        for slot in &mut self.slots {
            let State::Lost(lost) = &slot.state else {
                continue;
            };
            if now < lost.not_before {
                continue;
            }
            let listed = self.worlds.get(&lost.target.key).map(|world| &world.target);
            let anew = listed.filter(|listed| **listed != lost.target);
            let resume = self.options.reconnect && now < lost.resume_until;
            if let Some(target) = anew.or(listed.filter(|_| resume)) {
                let (target, lost) = (Arc::clone(target), lost.clone());
                slot.go(target, Some(lost));
            } else if resume {
                let lost = lost.clone();
                slot.go(Arc::clone(&lost.target), Some(lost));
            } else if self.options.reconnect {
                slot.state = State::Waiting { not_before: now };
            } else {
                continue;
            }
            self.changed = true;
        }
    }

    fn send_in(&mut self, now: Instant) {
        let ready =
            |slot: &Slot| matches!(slot.state, State::Waiting { not_before } if not_before <= now);
        if !self.slots.iter().any(ready) {
            return;
        }
        let keys: Vec<String> = self.worlds.keys().cloned().collect();
        let mut candidates: Vec<Candidate> = self
            .worlds
            .values()
            .map(|world| Candidate {
                bots: 0,
                capacity: world.capacity,
                open: world.avoid_until.is_none_or(|until| until <= now),
            })
            .collect();
        for target in self.slots.iter().filter_map(Slot::target) {
            if let Ok(at) = keys.binary_search(&target.key) {
                candidates[at].bots += 1;
            }
        }
        for slot in self.slots.iter_mut().filter(|slot| ready(slot)) {
            let world = match &slot.pin {
                None => world_to_join(self.options.placement, &candidates),
                Some(pin) => keys.binary_search(pin).ok().filter(|&at| {
                    world_to_join(self.options.placement, &candidates[at..=at]).is_some()
                }),
            };
            let Some(world) = world else { continue };
            let Some(found) = self.worlds.get(&keys[world]) else {
                continue;
            };
            candidates[world].bots += 1;
            slot.go(Arc::clone(&found.target), None);
            self.changed = true;
        }
    }
}
