//! Levels: of the character and of each skill.

use crate::state::{Reader, Sink, SnapshotError, State};

/// Highest level of a character and of a skill.
pub const MAX_LEVEL: u8 = 60;
/// Experience for the second level; the level L takes (L − 1)² times as much.
const FIRST_LEVEL: u32 = 40;

/// The level that comes with so much experience.
#[must_use]
pub fn level_of(experience: u32) -> u8 {
    let levels = (experience / FIRST_LEVEL).isqrt();
    u8::try_from(levels.saturating_add(1))
        .unwrap_or(MAX_LEVEL)
        .min(MAX_LEVEL)
}

/// Level and experience of one thing that is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Follows from `experience`; kept because it is read far more often than it changes.
    level: u8,
    experience: u32,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            level: 1,
            experience: 0,
        }
    }
}

impl Progress {
    pub(crate) fn level(self) -> u8 {
        self.level
    }

    pub(crate) fn experience(self) -> u32 {
        self.experience
    }

    /// Learns; returns the level that was reached by it, if one was.
    pub(crate) fn learn(&mut self, experience: u32) -> Option<u8> {
        self.experience = self.experience.saturating_add(experience);
        let level = level_of(self.experience);
        let risen = level > self.level;
        self.level = level;
        risen.then_some(level)
    }
}

impl State for Progress {
    fn write(&self, sink: &mut impl Sink) {
        let Self {
            level: _,
            experience,
        } = self;
        experience.write(sink);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, SnapshotError> {
        let experience = u32::read(reader)?;
        Ok(Self {
            level: level_of(experience),
            experience,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_take_longer_and_longer() {
        for (experience, level) in [
            (0, 1),
            (39, 1),
            (40, 2),
            (159, 2),
            (160, 3),
            (360, 4),
            (139_239, 59),
            (139_240, 60),
            (u32::MAX, 60),
        ] {
            assert_eq!(level_of(experience), level, "{experience}");
        }
    }

    #[test]
    fn says_when_a_level_is_reached() {
        let mut progress = Progress::default();
        assert_eq!(progress.learn(39), None);
        assert_eq!(progress.learn(1), Some(2));
        assert_eq!(progress.learn(1), None);
        assert_eq!(progress.learn(u32::MAX), Some(MAX_LEVEL));
        assert_eq!(progress.learn(u32::MAX), None);
    }
}
