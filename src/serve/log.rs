//! The log: its format, its level, and what never gets into it.
//!
//! async-imap writes every command at TRACE, LOGIN with its password included; what the HTTP and TLS libraries say
//! below WARN is about bytes of clients. No level lets either through, and the level is one of five names, never a
//! filter expression that could.

use std::io;

use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    Layer, Registry, filter::Targets, fmt::MakeWriter, layer::SubscriberExt, registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Libraries that see secrets or what clients send.
const CAPPED: [&str; 10] = [
    "async_imap",
    "imap_proto",
    "hyper",
    "hyper_util",
    "h2",
    "rustls",
    "tokio_rustls",
    "tungstenite",
    "tokio_tungstenite",
    "mio",
];

/// Sends the log of the whole process to standard error.
pub fn install(config: &LogConfig) {
    // In a test process another log may be there already; the first one stays.
    let _ = subscriber(config, io::stderr).try_init();
}

/// What [`install`] installs, with another writer.
pub fn subscriber<W>(config: &LogConfig, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    Registry::default().with(layer(config.format, writer).with_filter(filter(config.level)))
}

fn layer<S, W>(format: LogFormat, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => layer.with_ansi(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    }
}

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let cap = level.min(LevelFilter::WARN);
    Targets::new()
        .with_default(level)
        .with_targets(CAPPED.map(|target| (target, cap)))
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn no_level_lets_a_library_that_sees_secrets_speak_below_warn() {
        for level in [
            LogLevel::Error,
            LogLevel::Warn,
            LogLevel::Info,
            LogLevel::Debug,
            LogLevel::Trace,
        ] {
            let filter = filter(level);
            for target in [
                "async_imap",
                "async_imap::imap_stream",
                "hyper::proto",
                "h2::codec",
                "rustls::conn",
                "tungstenite::protocol",
            ] {
                for below in [Level::INFO, Level::DEBUG, Level::TRACE] {
                    assert!(
                        !filter.would_enable(target, &below),
                        "{target} {below} at {level:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn our_own_lines_follow_the_level() {
        assert!(filter(LogLevel::Trace).would_enable("cpm_bridge::imap", &Level::TRACE));
        assert!(filter(LogLevel::Info).would_enable("cpm_bridge::rest", &Level::INFO));
        assert!(!filter(LogLevel::Info).would_enable("cpm_bridge::rest", &Level::DEBUG));
        assert!(!filter(LogLevel::Error).would_enable("async_imap", &Level::WARN));
    }
}
