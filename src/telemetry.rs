//! Logging to stderr, as text for people or JSON lines for log stores, filtered by `RUST_LOG`. Audit events are
//! logged at every level, unless the filter names their target or is `off`.

use std::io::IsTerminal;

use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::audit;
use crate::config::LogFormat;

/// Sets up logging for this process. Call it once.
pub fn init(format: LogFormat) {
    let json = match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let registry = tracing_subscriber::registry().with(filter());
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if json {
        let rest = filter_fn(|metadata| metadata.target() != audit::TARGET);
        registry.with(layer.json().with_filter(rest)).with(audit::AuditFormat).init();
    } else {
        registry.with(layer.with_ansi(std::io::stderr().is_terminal())).init();
    }
}

fn filter() -> EnvFilter {
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    if chosen == "off" || chosen.contains(audit::TARGET) {
        return filter;
    }
    match format!("{}=info", audit::TARGET).parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    }
}
