//! Audit events: one for each call that changes something or was refused to, and for each command that does,
//! on a log target of its own. They say who, what and how it ended, and name fields, never values: ids are
//! pseudonyms, and of people there is nothing else. Their JSON form is documented in docs/operations.md.
//!
//! [`Attempt`] tells of a call, from the outermost layer of `http`; what the layers below learn of it they
//! [`note`].

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::Context;
use uuid::Uuid;

use crate::clock;
use crate::domain::id::AppId;

/// The log target.
pub const TARGET: &str = "userdocks::audit";

/// What is known of a call, or of a command.
#[derive(Debug, Default)]
pub struct AuditRecord {
    /// The app that the credentials name.
    pub app: Option<AppId>,
    /// The API key that they name.
    pub key: Option<Uuid>,
    /// The user of an access token that was proven.
    pub user: Option<Uuid>,
    /// Whether the credentials were proven.
    pub authenticated: bool,
    /// Whether a mail provider calls.
    pub provider: bool,
    /// The user, app, key or mail that was to be changed.
    pub subject: Option<Uuid>,
    /// Names of the fields that were to be changed.
    pub fields: Vec<String>,
    /// Whether nothing was left to change.
    pub unchanged: bool,
    /// Why it was refused, where the status does not say so.
    pub refused: Option<&'static str>,
}

tokio::task_local! {
    static FACTS: Arc<Mutex<AuditRecord>>;
}

fn lock(facts: &Mutex<AuditRecord>) -> MutexGuard<'_, AuditRecord> {
    facts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds to what is known of the call at hand.
pub fn record(fact: impl FnOnce(&mut AuditRecord)) {
    // Where nothing is changed, nobody asks.
    let _ = FACTS.try_with(|facts| fact(&mut lock(facts)));
}

/// A call that is to change something. One that is dropped before its answer, since the caller has gone away,
/// may have had its effect: that is told too.
pub struct AuditedCall {
    action: &'static str,
    request_id: String,
    facts: Arc<Mutex<AuditRecord>>,
    told: bool,
}

impl AuditedCall {
    /// Begins to watch.
    #[must_use]
    pub fn begin(action: &'static str, request_id: &str) -> Self {
        Self { action, request_id: request_id.to_owned(), facts: Arc::default(), told: false }
    }

    /// Does the work, which may [`note`].
    pub fn watch<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        FACTS.scope(Arc::clone(&self.facts), work)
    }

    /// Tells how it ended: the status of the answer, and its `X-Error-Code`, if it has one. Not of who was turned
    /// away in a flood: it must not fill the log.
    pub fn finish(mut self, status: u16, code: Option<&str>) {
        self.told = true;
        if matches!(code, Some("too_many_failures" | "overloaded")) {
            return;
        }
        let facts = lock(&self.facts);
        let outcome = match status {
            500.. => "failed",
            400.. => "refused",
            _ if facts.refused.is_some() => "refused",
            _ if facts.unchanged => "unchanged",
            _ => "done",
        };
        self.emit(outcome, &facts, Some(status), code.or(facts.refused));
    }

    fn emit(&self, outcome: &str, facts: &AuditRecord, status: Option<u16>, code: Option<&str>) {
        let actor = match facts {
            AuditRecord { key: Some(_), .. } => "key",
            AuditRecord { user: Some(_), .. } => "user",
            AuditRecord { provider: true, .. } => "provider",
            AuditRecord { authenticated: true, .. } => "code",
            _ => "nobody",
        };
        event(self.action, outcome, actor, facts, status, code, Some(&self.request_id));
    }
}

impl Drop for AuditedCall {
    fn drop(&mut self) {
        if !self.told {
            self.emit("unknown", &lock(&self.facts), None, None);
        }
    }
}

/// Tells of a change that a command made.
pub fn command(action: &str, facts: &AuditRecord) {
    event(action, "done", "operator", facts, None, None, None);
}

fn event(
    action: &str,
    outcome: &str,
    actor: &str,
    facts: &AuditRecord,
    status: Option<u16>,
    code: Option<&str>,
    request_id: Option<&str>,
) {
    tracing::info!(
        target: TARGET,
        action,
        outcome,
        status,
        code,
        actor,
        authenticated = facts.authenticated || actor == "operator",
        app = facts.app.map(display),
        key = facts.key.map(display),
        user = facts.user.map(display),
        subject = facts.subject.map(display),
        fields = (!facts.fields.is_empty()).then(|| facts.fields.join(",")),
        request_id,
    );
}

/// Writes the events of [`TARGET`], and no others, to stderr: one flat JSON object a line, always with the
/// same keys.
pub struct AuditFormat;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for AuditFormat {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut line = Line { text: Vec::with_capacity(512), missing: OPTIONAL.to_vec() };
        let begin =
            format!("{{\"timestamp\":\"{:.6}\",\"level\":\"INFO\",\"target\":\"{TARGET}\"", clock::now());
        line.text.extend_from_slice(begin.as_bytes());
        event.record(&mut line);
        for name in std::mem::take(&mut line.missing) {
            match name {
                FIELDS => line.add(name, [(); 0]),
                _ => line.add(name, ()),
            }
        }
        line.text.extend_from_slice(b"}\n");
        // One write, so that lines of several threads stay whole. Nobody is left to hear if it fails.
        let _ = std::io::stderr().lock().write_all(&line.text);
    }
}

const FIELDS: &str = "fields";
/// Keys of which an event can lack the value.
const OPTIONAL: [&str; 8] = ["status", "code", "app", "key", "user", "subject", FIELDS, "request_id"];

/// A line that is written.
struct Line {
    text: Vec<u8>,
    /// Keys that it does not have yet.
    missing: Vec<&'static str>,
}

impl Line {
    fn add(&mut self, name: &'static str, value: impl Serialize) {
        self.missing.retain(|missing| *missing != name);
        self.text.extend_from_slice(format!(",\"{name}\":").as_bytes());
        // Texts, numbers and lists of texts have a JSON form, and a vector takes it.
        let _ = serde_json::to_writer(&mut self.text, &value);
    }
}

impl Visit for Line {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            FIELDS => self.add(FIELDS, value.split(',').collect::<Vec<_>>()),
            name => self.add(name, value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), format!("{value:?}"));
    }
}
