//! Logs, to stderr: text for people, JSON lines for log stores; `RUST_LOG` chooses what is logged. Audit
//! events are among them whatever its level, unless it names their target or is `off`. Metrics, in the text
//! format of Prometheus. No label has unbounded values.

use std::io::IsTerminal;
use std::sync::LazyLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::audit;
use crate::config::LogFormat;

/// Sets up logging for this process; called once.
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
        registry.with(layer.json().with_filter(rest)).with(audit::Lines).init();
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

/// Bounds of the histogram of request durations, seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(|| {
    let builder = PrometheusBuilder::new();
    let duration = Matcher::Suffix("_seconds".to_owned());
    #[expect(clippy::expect_used, reason = "there are bounds")]
    let builder = builder.set_buckets_for_metric(duration, &SECONDS).expect("bounds of a histogram");
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // Fails only where another recorder was installed, which then has the metrics.
    let _ = metrics::set_global_recorder(recorder);
    handle
});

/// All metrics of this process.
#[must_use]
pub fn metrics() -> &'static PrometheusHandle {
    &METRICS
}

/// Counts an answered request.
pub fn answered(method: &str, route: &str, status: u16, duration: Duration) {
    let method = match method {
        "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" => method,
        _ => "other",
    };
    let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
    metrics::counter!("userdocks_http_requests_total", &labels).increment(1);
    metrics::histogram!("userdocks_http_request_duration_seconds", &labels[..2]).record(duration);
}

/// Counts a try to tell a webhook: `delivered`, `refused` for now, or `failed` for good.
pub fn told(outcome: &'static str) {
    metrics::counter!("userdocks_webhooks_total", "outcome" => outcome).increment(1);
}

/// Counts a try to send a mail: `sent`, `refused` for now, or `failed` for good.
pub fn mailed(outcome: &'static str) {
    metrics::counter!("userdocks_mails_total", "outcome" => outcome).increment(1);
}
