//! Audit events, on their own log target: one for each HTTP call or CLI command that changes data, also if refused.
//! An event has the actor, action, outcome and field names, but no values: people appear only as pseudonymous ids.
//! The outermost layer of `http` creates an [`AuditedCall`]; the layers below add details with [`record`].
//! docs/operations.md documents the JSON format.

use std::fmt;
use std::io::Write;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::Context;
use uuid::Uuid;

use crate::clock;
use crate::domain::id::AppId;

/// The log target.
pub const TARGET: &str = "userdocks::audit";

/// Details of a call or a command.
#[derive(Clone, Debug, Default)]
pub struct AuditRecord {
    /// The app that the credentials name.
    pub app: Option<AppId>,
    /// The API key that the credentials name.
    pub key: Option<Uuid>,
    /// The user of a verified access token.
    pub user: Option<Uuid>,
    /// Whether the credentials were verified.
    pub authenticated: bool,
    /// Whether the caller is a mail provider.
    pub provider: bool,
    /// The operator of the console.
    pub operator: Option<Uuid>,
    /// The user, app, key or mail to change.
    pub subject: Option<Uuid>,
    /// Names of the fields to change.
    pub fields: Vec<String>,
    /// Whether the call succeeded without changing anything.
    pub unchanged: bool,
    /// Reason of a refusal that the HTTP status does not show.
    pub refused: Option<&'static str>,
}

/// A finished change, as `db` stores those of operators.
#[derive(Debug)]
pub struct AuditEvent {
    pub action: &'static str,
    /// `done`, `unchanged`, `refused` or `failed`.
    pub outcome: &'static str,
    pub record: AuditRecord,
}

tokio::task_local! {
    static FACTS: Arc<Mutex<AuditRecord>>;
}

/// Adds details to the record of the current call.
pub fn record(fact: impl FnOnce(&mut AuditRecord)) {
    // Outside an audited call there is no record to add to.
    let _ = FACTS.try_with(|facts| fact(&mut facts.lock()));
}

/// A call that changes data. If it is dropped before its response, because the client has disconnected, the change
/// may still have been made; it is then logged with the outcome `unknown`.
pub struct AuditedCall {
    action: &'static str,
    request_id: String,
    facts: Arc<Mutex<AuditRecord>>,
    finished: bool,
}

impl AuditedCall {
    #[must_use]
    pub fn begin(action: &'static str, request_id: &str) -> Self {
        Self { action, request_id: request_id.to_owned(), facts: Arc::default(), finished: false }
    }

    /// Runs the work, which may call [`record`].
    pub fn watch<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        FACTS.scope(Arc::clone(&self.facts), work)
    }

    /// Logs the outcome: the status of the response, and its `X-Error-Code` if it has one. Rate-limited and shed
    /// requests are not logged, so that a flood cannot fill the log. Returns what was logged.
    #[must_use]
    pub fn finish(mut self, status: u16, code: Option<&str>) -> Option<AuditEvent> {
        self.finished = true;
        if matches!(code, Some("too_many_failures" | "overloaded")) {
            return None;
        }
        let facts = self.facts.lock();
        let outcome = match status {
            500.. => "failed",
            400.. => "refused",
            _ if facts.refused.is_some() => "refused",
            _ if facts.unchanged => "unchanged",
            _ => "done",
        };
        self.emit(outcome, &facts, Some(status), code.or(facts.refused));
        Some(AuditEvent { action: self.action, outcome, record: facts.clone() })
    }

    fn emit(&self, outcome: &str, facts: &AuditRecord, status: Option<u16>, code: Option<&str>) {
        let actor = match facts {
            AuditRecord { key: Some(_), .. } => "key",
            AuditRecord { user: Some(_), .. } => "user",
            AuditRecord { operator: Some(_), .. } => "operator",
            AuditRecord { provider: true, .. } => "provider",
            AuditRecord { authenticated: true, .. } => "code",
            _ => "nobody",
        };
        event(self.action, outcome, actor, facts, status, code, Some(&self.request_id));
    }
}

impl Drop for AuditedCall {
    fn drop(&mut self) {
        if !self.finished {
            self.emit("unknown", &self.facts.lock(), None, None);
        }
    }
}

/// Logs a change that a CLI command made. Returns what was logged.
#[must_use]
pub fn command(action: &'static str, facts: &AuditRecord) -> AuditEvent {
    event(action, "done", "operator", facts, None, None, None);
    AuditEvent { action, outcome: "done", record: facts.clone() }
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
        operator = facts.operator.map(display),
        subject = facts.subject.map(display),
        fields = (!facts.fields.is_empty()).then(|| facts.fields.join(",")),
        request_id,
    );
}

/// Writes the events of [`TARGET`] only to stderr: one flat JSON object per line, always with the same keys.
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
        // A single write keeps the lines of several threads whole. A failed write to stderr cannot be reported.
        let _ = std::io::stderr().lock().write_all(&line.text);
    }
}

const FIELDS: &str = "fields";
/// Keys that an event may not have. The line then has `null`, or `[]` for `fields`.
const OPTIONAL: [&str; 9] =
    ["status", "code", "app", "key", "user", "operator", "subject", FIELDS, "request_id"];

struct Line {
    text: Vec<u8>,
    /// Optional keys that are not written yet.
    missing: Vec<&'static str>,
}

impl Line {
    fn add(&mut self, name: &'static str, value: impl Serialize) {
        self.missing.retain(|missing| *missing != name);
        self.text.extend_from_slice(format!(",\"{name}\":").as_bytes());
        // This cannot fail: strings, numbers and lists of strings have a JSON form, and a vector accepts any bytes.
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
