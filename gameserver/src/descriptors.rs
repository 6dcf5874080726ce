//! File descriptors: each connection takes one, and what a process may have is limited from outside.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use thiserror::Error;
use tracing::warn;

/// For what is no player's connection: the agent's connections, files, sockets that listen, and what the
/// standard library and the runtime open.
const RESERVE: u64 = 384;
/// For connections that are about to be refused or replaced.
const SPARE: u64 = 640;

/// Why there are too few.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum TooFew {
    /// Not even one for each seat.
    #[error(
        "too few file descriptors: server.max_players = {seats} needs at least {needed}, and this process \
         may have {hard}; raise the limit (ulimit -Hn, LimitNOFILE= of a systemd unit, --ulimit nofile= of a \
         container engine), or set server.max_players to at most {}", hard.saturating_sub(RESERVE)
    )]
    Hard {
        /// As configured.
        seats: u32,
        /// At least.
        needed: u64,
        /// What the limit can be raised to by this process.
        hard: u64,
    },
    /// The limit cannot be changed.
    #[error("the limit of file descriptors cannot be raised to {wanted}: {error}")]
    Denied {
        /// To be had.
        wanted: u64,
        /// Why not.
        error: Errno,
    },
}

/// What to do about the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    /// Raise the soft limit to this.
    raise: Option<u64>,
    /// There is one for each seat, but not two: players that come back together may have to wait.
    scarce: bool,
}

/// Two descriptors a seat are wanted, since a player that comes back has two connections for a moment;
/// one is needed.
fn plan(seats: u32, soft: u64, hard: u64) -> Result<Plan, TooFew> {
    let needed = u64::from(seats) + RESERVE;
    if hard < needed {
        return Err(TooFew::Hard {
            seats,
            needed,
            hard,
        });
    }
    let wanted = 2 * u64::from(seats) + RESERVE + SPARE;
    Ok(Plan {
        raise: (soft < wanted.min(hard)).then_some(wanted.min(hard)),
        scarce: hard < wanted,
    })
}

/// Raises the soft limit, which is often 1,024, as far as is wanted and allowed.
///
/// # Errors
/// There cannot be one for each seat.
pub fn ensure(seats: u32) -> Result<(), TooFew> {
    // A system that does not tell its limits has none that could be raised.
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return Ok(());
    };
    let plan = plan(seats, soft, hard)?;
    if let Some(wanted) = plan.raise {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)
            .map_err(|error| TooFew::Denied { wanted, error })?;
    }
    if plan.scarce {
        warn!(
            limit = hard,
            seats,
            "few file descriptors for server.max_players: players that come back at once may have to wait"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plans() {
        let raise = |to, scarce| Ok(Plan { raise: to, scarce });
        assert_eq!(plan(100, 1024, 1 << 20), raise(Some(1224), false));
        assert_eq!(plan(5000, 1024, 1 << 20), raise(Some(11_024), false));
        assert_eq!(plan(5000, 1024, 8192), raise(Some(8192), true));
        assert_eq!(plan(100, 1 << 20, 1 << 20), raise(None, false));
        let error = plan(5000, 1024, 4096).map_err(|error| error.to_string());
        let error = error.err().unwrap_or_default();
        assert!(
            error.contains("5384") && error.contains("at most 3712"),
            "{error}"
        );
    }

    proptest! {
        /// Whenever the process goes on, there is one for each seat; it never asks for what it may not have;
        /// and the advice of the refusal is good advice.
        #[test]
        fn enough_or_refused(seats in 1..=5000_u32, soft in 64..=100_000_u64, more in 0..=100_000_u64) {
            let hard = soft + more;
            match plan(seats, soft, hard) {
                Ok(plan) => {
                    let limit = plan.raise.unwrap_or(soft);
                    prop_assert!(limit >= u64::from(seats) + RESERVE && limit <= hard && limit >= soft);
                }
                Err(_) => {
                    let advised = u32::try_from(hard.saturating_sub(RESERVE)).unwrap_or(u32::MAX);
                    prop_assert!(advised < seats);
                    prop_assert!(advised == 0 || plan(advised, soft, hard).is_ok());
                }
            }
        }
    }
}
