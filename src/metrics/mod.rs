//! Prometheus metrics of this process. Each family is a static, and counting is an atomic addition: a request takes
//! no lock, allocates nothing and formats nothing. Each label has a bounded set of values.

use std::fmt::{Display, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::http::{Method, StatusCode};

/// A Prometheus counter.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub fn count(&self) {
        self.add(1);
    }

    fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One counter for each value of a label.
pub struct Counters<const N: usize> {
    label: &'static str,
    values: [&'static str; N],
    counts: [Counter; N],
}

impl<const N: usize> Counters<N> {
    const fn new(label: &'static str, values: [&'static str; N]) -> Self {
        Self { label, values, counts: [const { Counter::new() }; N] }
    }

    fn write(&self, page: &mut Page, name: &str) {
        for (value, counter) in self.values.iter().zip(&self.counts) {
            page.sample(name, &[(self.label, value)], counter.value());
        }
    }
}

/// Upper bounds of the histogram buckets, in seconds and in nanoseconds.
const BOUNDS: [(&str, u64); 13] = [
    ("0.0005", 500_000),
    ("0.001", 1_000_000),
    ("0.0025", 2_500_000),
    ("0.005", 5_000_000),
    ("0.01", 10_000_000),
    ("0.025", 25_000_000),
    ("0.05", 50_000_000),
    ("0.1", 100_000_000),
    ("0.25", 250_000_000),
    ("0.5", 500_000_000),
    ("1", 1_000_000_000),
    ("2.5", 2_500_000_000),
    ("10", 10_000_000_000),
];

/// A Prometheus histogram of durations.
#[derive(Default)]
pub struct Histogram {
    /// Counts of each bucket, not cumulative; the last bucket has no upper bound.
    counts: [Counter; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    const fn new() -> Self {
        Self { counts: [const { Counter::new() }; BOUNDS.len() + 1], nanoseconds: AtomicU64::new(0) }
    }

    pub fn count(&self, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.counts[BOUNDS.partition_point(|(_, bound)| *bound < nanoseconds)].count();
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    fn total(&self) -> u64 {
        self.counts.iter().map(Counter::value).sum()
    }

    /// Writes the samples, with cumulative buckets.
    pub fn write(&self, page: &mut Page, name: &str, labels: &[(&str, &str)]) {
        let bounds = BOUNDS.iter().map(|(bound, _)| *bound).chain(["+Inf"]);
        let (bucket, mut total) = (format!("{name}_bucket"), 0);
        for (bound, count) in bounds.zip(&self.counts) {
            total += count.value();
            page.sample(&bucket, &[labels, &[("le", bound)]].concat(), total);
        }
        let sum = Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64();
        page.sample(&format!("{name}_sum"), labels, sum);
        page.sample(&format!("{name}_count"), labels, total);
    }
}

/// The responses of one route, by method and status: a linked list that gets an entry for each new combination.
#[derive(Default)]
pub struct Responses(OnceLock<Box<Series>>);

struct Series {
    method: &'static str,
    status: StatusCode,
    took: Histogram,
    next: Responses,
}

impl Responses {
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Counts a response. `method` is `None` if the request was not valid HTTP.
    pub fn count(&self, method: Option<&Method>, status: StatusCode, took: Duration) {
        let method = match method {
            Some(&Method::GET) => "GET",
            Some(&Method::HEAD) => "HEAD",
            Some(&Method::POST) => "POST",
            Some(&Method::PUT) => "PUT",
            Some(&Method::DELETE) => "DELETE",
            Some(&Method::OPTIONS) => "OPTIONS",
            _ => "other",
        };
        let mut at = self;
        loop {
            let new = || Box::new(Series { method, status, took: Histogram::new(), next: Self::new() });
            let series = at.0.get_or_init(new);
            if series.method == method && series.status == status {
                return series.took.count(took);
            }
            at = &series.next;
        }
    }

    fn series(&self) -> impl Iterator<Item = &Series> {
        std::iter::successors(self.0.get(), |series| series.next.0.get()).map(|series| &**series)
    }
}

/// Writes the number of requests and their duration, by route.
pub fn write_responses(page: &mut Page, routes: &[(&str, &Responses)]) {
    let all =
        || routes.iter().flat_map(|(route, answers)| answers.series().map(move |series| (*route, series)));
    let requests = "userdocks_http_requests_total";
    page.family(requests, "counter", "Requests answered.");
    for (route, series) in all() {
        let labels = [("method", series.method), ("route", route), ("status", series.status.as_str())];
        page.sample(requests, &labels, series.took.total());
    }
    let duration = "userdocks_http_request_duration_seconds";
    page.family(duration, "histogram", "Time from a request's head to its answer.");
    for (route, series) in all() {
        let labels = [("method", series.method), ("route", route), ("status", series.status.as_str())];
        series.took.write(page, duration, &labels);
    }
}

/// Caches of database rows and of remote data.
#[derive(Clone, Copy)]
pub enum Cache {
    ApiKey,
    App,
    IssuerKeys,
    Origin,
    Token,
}

const CACHES: [&str; 5] = ["api_key", "app", "issuer_keys", "origin", "token"];
static HITS: Counters<5> = Counters::new("cache", CACHES);
static MISSES: Counters<5> = Counters::new("cache", CACHES);

/// Counts a cache look-up.
pub fn count_cache(cache: Cache, hit: bool) {
    let counters = if hit { &HITS } else { &MISSES };
    counters.counts[cache as usize].count();
}

/// Rate limits and quotas.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Caller,
    Address,
    Referrals,
    Mails,
}

const LIMITS: [&str; 4] = ["caller", "address", "referrals", "mails"];
static REFUSALS: Counters<4> = Counters::new("limit", LIMITS);

impl Limit {
    #[must_use]
    pub fn name(self) -> &'static str {
        LIMITS[self as usize]
    }

    /// Counts a request that exceeded the limit.
    pub fn count_refusal(self) {
        REFUSALS.counts[self as usize].count();
    }
}

/// Result of an attempt to send a mail.
#[derive(Clone, Copy)]
pub enum Outcome {
    Sent,
    /// Temporarily; it is retried.
    Refused,
    /// Permanently.
    Failed,
    /// Not sent: the recipient has opted out.
    Unwanted,
}

static MAILS: Counters<4> = Counters::new("outcome", ["sent", "refused", "failed", "unwanted"]);
static REPLIES: Counters<4> = Counters::new("class", ["2xx", "4xx", "5xx", "none"]);

pub fn count_mail(outcome: Outcome) {
    MAILS.counts[outcome as usize].count();
}

/// Counts an SMTP server's reply to a mail by its first digit. Text that is not a reply counts as `none`.
pub fn count_smtp_reply(reply: &str) {
    let class = match reply.as_bytes() {
        [b'2', b'0'..=b'9', b'0'..=b'9', ..] => 0,
        [b'4', b'0'..=b'9', b'0'..=b'9', ..] => 1,
        [b'5', b'0'..=b'9', b'0'..=b'9', ..] => 2,
        _ => 3,
    };
    REPLIES.counts[class].count();
}

/// Result of an attempt to deliver an event to a webhook.
#[derive(Clone, Copy)]
pub enum DeliveryOutcome {
    Delivered,
    /// Temporarily; it is retried.
    Refused,
    /// Permanently.
    Failed,
}

static WEBHOOKS: Counters<3> = Counters::new("outcome", ["delivered", "refused", "failed"]);

pub fn count_delivery(outcome: DeliveryOutcome) {
    WEBHOOKS.counts[outcome as usize].count();
}

/// Kinds of changes that are batched.
#[derive(Clone, Copy)]
pub enum Batched {
    Update,
    Invite,
    Referral,
}

const BATCHED: [&str; 3] = ["update", "invite", "referral"];
static BATCHED_ROWS: Counters<3> = Counters::new("change", BATCHED);
static BATCH_STATEMENTS: Counters<3> = Counters::new("change", BATCHED);

/// Counts a batch statement that writes `count` changes.
pub fn count_batch(change: Batched, count: usize) {
    BATCH_STATEMENTS.counts[change as usize].count();
    BATCHED_ROWS.counts[change as usize].add(count as u64);
}

/// Requests refused because the queue was full (load shedding).
pub static OVERLOADED: Counter = Counter::new();
/// How long requests waited for a concurrency permit.
pub static PERMIT_WAITS: Histogram = Histogram::new();

/// Writes all counters except those of the routes.
pub fn write_counters(page: &mut Page) {
    let mut family = |name: &str, help: &str, write: &dyn Fn(&mut Page, &str)| {
        page.family(name, "counter", help);
        write(page, name);
    };
    family("userdocks_admission_refused_total", "Requests refused because too many wait.", &|page, name| {
        page.sample(name, &[], OVERLOADED.value());
    });
    family("userdocks_limit_refusals_total", "Requests refused by a limit.", &|page, name| {
        REFUSALS.write(page, name);
    });
    family("userdocks_cache_hits_total", "Cache look-ups that found an entry.", &|page, name| {
        HITS.write(page, name);
    });
    family("userdocks_cache_misses_total", "Cache look-ups that found no entry.", &|page, name| {
        MISSES.write(page, name);
    });
    family("userdocks_batch_rows_total", "Changes that went into statements together.", &|page, name| {
        BATCHED_ROWS.write(page, name);
    });
    family(
        "userdocks_batch_statements_total",
        "Statements for changes that went together.",
        &|page, name| {
            BATCH_STATEMENTS.write(page, name);
        },
    );
    family("userdocks_mails_total", "Tries to send a mail.", &|page, name| MAILS.write(page, name));
    family("userdocks_smtp_replies_total", "Replies of the mail server to mails.", &|page, name| {
        REPLIES.write(page, name);
    });
    family("userdocks_webhooks_total", "Tries to tell a webhook.", &|page, name| WEBHOOKS.write(page, name));
    let name = "userdocks_admission_wait_seconds";
    page.family(name, "histogram", "Time that requests waited for their turn at the database.");
    PERMIT_WAITS.write(page, name, &[]);
}

/// A metrics page in the Prometheus text format, version 0.0.4.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// Starts a family; its samples must follow.
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string never fails.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Writes one sample. Label values are not escaped: none contains a character that would need it.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{text}\"", if at == 0 { '{' } else { ',' });
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    /// Writes a family with a single gauge.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests;
