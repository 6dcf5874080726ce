//! Speech.

use crate::event::{Event, Outcome};
use crate::input::{MAX_SAY_BYTES, MAX_SAY_CHARS};
use crate::world::World;

/// From one word to the next, in milliseconds.
const SAY_COOLDOWN_MS: u32 = 500;

impl World {
    /// Speaks. The dead can.
    pub(crate) fn say(&mut self, me: u32, text: &str) -> Result<(), Outcome> {
        if !is_speakable(text) {
            return Err(Outcome::BadText);
        }
        let (tick, pause) = (self.globals.tick, self.milliseconds(SAY_COOLDOWN_MS));
        let body = self.player_mut(me)?;
        if tick < body.say_at {
            return Err(Outcome::NotNow);
        }
        body.say_at = tick + pause;
        let (speaker, place) = (body.id, body.position);
        let name = self.character(me)?.name.clone();
        self.events.push(Event::Said {
            speaker,
            name,
            text: text.into(),
            place,
        });
        Ok(())
    }
}

/// A text can be spoken: neither empty nor too long, and without control characters. Whoever lets text
/// into a world may be stricter.
#[must_use]
pub fn is_speakable(text: &str) -> bool {
    let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let chars = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    (1..=MAX_SAY_CHARS).contains(&chars)
        && bytes <= MAX_SAY_BYTES
        && !text.chars().any(char::is_control)
}
