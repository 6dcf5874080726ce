//! Waiting for a condition, and saying at the end what was missing.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// What asking for the condition tells.
#[derive(Debug)]
pub(crate) enum Answer<T> {
    Yes(T),
    /// With what is still missing.
    NotYet(String),
}

impl<T> Answer<T> {
    /// Takes a failure to be one that goes away by itself.
    pub(crate) fn of<E: Display>(result: std::result::Result<T, E>) -> Self {
        match result {
            Ok(answer) => Self::Yes(answer),
            Err(missing) => Self::NotYet(missing.to_string()),
        }
    }
}

/// Asks until the answer is yes. An error says that it never will be, and ends
/// the waiting. `what` completes "X after N s", so it says what is wrong: "the
/// API server is not ready".
pub(crate) fn until<T>(
    what: &str,
    patience: Duration,
    remedy: &str,
    mut ask: impl FnMut() -> Result<Answer<T>>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        match ask()? {
            Answer::Yes(answer) => return Ok(answer),
            Answer::NotYet(last) if began.elapsed() >= patience => {
                return Err(Error::NotReady {
                    what: what.to_owned(),
                    seconds: patience.as_secs(),
                    last,
                    remedy: remedy.to_owned(),
                });
            }
            Answer::NotYet(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_yet(reason: &str) -> Result<Answer<()>> {
        Ok(Answer::NotYet(reason.to_owned()))
    }

    #[test]
    fn it_asks_again_until_the_answer_is_yes() {
        let mut asked = 0;
        let answer = until("never", Duration::from_secs(5), "wait", || {
            asked += 1;
            Ok(if asked == 3 {
                Answer::Yes(asked)
            } else {
                Answer::NotYet("not yet".to_owned())
            })
        });
        assert_eq!(answer.expect("an answer"), 3);
    }

    #[test]
    fn the_last_answer_is_in_the_error() {
        let failed = until("it is not there", Duration::ZERO, "look", || {
            not_yet("no trace")
        });
        let failed = failed.expect_err("a failure").to_string();
        assert_eq!(failed, "it is not there after 0 s (no trace); look");
    }

    #[test]
    fn nobody_waits_for_what_cannot_come() {
        let mut asked = 0;
        let failed = until("", Duration::from_secs(60), "", || {
            asked += 1;
            Err::<Answer<()>, _>(Error::unmet("it is dead", "bury it"))
        });
        assert!(failed.is_err() && asked == 1);
    }
}
