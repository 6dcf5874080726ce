//! Where the table goes: over the last one on a terminal, below it anywhere else.

use std::{
    io::{IsTerminal, Write, stdout},
    time::Duration,
};

/// The way to show a table again and again.
pub(crate) enum Terminal {
    /// Drawn over the last one.
    Screen {
        /// Nothing has been drawn yet.
        fresh: bool,
    },
    /// Printed below the last one.
    Log,
}

impl Terminal {
    /// As standard output is.
    pub(crate) fn detect() -> Self {
        match stdout().is_terminal() {
            true => Self::Screen { fresh: true },
            false => Self::Log,
        }
    }

    /// How often a table is worth showing.
    pub(crate) fn period(&self) -> Duration {
        match self {
            Self::Screen { .. } => Duration::from_millis(250),
            Self::Log => Duration::from_secs(5),
        }
    }

    /// Shows it. Whoever closed the output does not want to see it.
    pub(crate) fn show(&mut self, text: &str) {
        let mut out = stdout().lock();
        let _ = match self {
            Self::Screen { fresh } => {
                let clear = if std::mem::take(fresh) { "\x1b[2J" } else { "" };
                // To the corner; each line erases what is left of the old one, the last all below.
                let lines = text.replace('\n', "\x1b[K\n");
                write!(out, "{clear}\x1b[H{lines}\x1b[J")
            }
            Self::Log => writeln!(out, "{text}"),
        };
        let _ = out.flush();
    }
}
