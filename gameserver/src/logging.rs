//! Logs: to stdout, as text or JSON.

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Logging};

/// Starts logging. To be called once, before anything logs.
pub fn start(logging: &Logging) {
    // The filter was checked with the configuration.
    let filter = EnvFilter::try_new(&logging.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stdout)
        .with_target(false);
    match logging.format {
        LogFormat::Text => subscriber.with_ansi(false).init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
}
