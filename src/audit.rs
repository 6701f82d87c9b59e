//! Audit events: one for each call that changes something or was refused to, and for each command that does,
//! on a log target of its own. They say who, what and how it ended, and name fields, never values: ids are
//! pseudonyms, and of people there is nothing else. Their JSON form is documented in docs/operations.md.
//!
//! [`Attempt`] tells of a call, from the outermost layer of `http`; what the layers below learn of it they
//! [`note`].

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::Context;
use uuid::Uuid;

use crate::domain::id::AppId;

/// The log target.
pub const TARGET: &str = "userdocks::audit";

/// What is known of a call, or of a command.
#[derive(Debug, Default)]
pub struct Facts {
    /// The app that the credentials name.
    pub app: Option<AppId>,
    /// The API key that they name.
    pub key: Option<Uuid>,
    /// The user of an access token that was proven.
    pub user: Option<Uuid>,
    /// Whether the credentials were proven.
    pub authenticated: bool,
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
    static FACTS: Arc<Mutex<Facts>>;
}

fn lock(facts: &Mutex<Facts>) -> MutexGuard<'_, Facts> {
    facts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds to what is known of the call at hand.
pub fn note(fact: impl FnOnce(&mut Facts)) {
    // Where nothing is changed, nobody asks.
    let _ = FACTS.try_with(|facts| fact(&mut lock(facts)));
}

/// A call that is to change something. One that is dropped before its answer, since the caller has gone away,
/// may have had its effect: that is told too.
pub struct Attempt {
    action: &'static str,
    request_id: String,
    facts: Arc<Mutex<Facts>>,
    told: bool,
}

impl Attempt {
    /// Begins to watch.
    #[must_use]
    pub fn begin(action: &'static str, request_id: &str) -> Self {
        Self { action, request_id: request_id.to_owned(), facts: Arc::default(), told: false }
    }

    /// Does the work, which may [`note`].
    pub fn watch<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        FACTS.scope(Arc::clone(&self.facts), work)
    }

    /// Tells how it ended: the status of the answer, and its `X-Error-Code`, if it has one.
    pub fn answered(mut self, status: u16, code: Option<&str>) {
        self.told = true;
        let facts = lock(&self.facts);
        let outcome = match status {
            500.. => "failed",
            400.. => "refused",
            _ if facts.refused.is_some() => "refused",
            _ if facts.unchanged => "unchanged",
            _ => "done",
        };
        self.tell(outcome, &facts, Some(status), code.or(facts.refused));
    }

    fn tell(&self, outcome: &str, facts: &Facts, status: Option<u16>, code: Option<&str>) {
        let actor = match facts {
            Facts { key: Some(_), .. } => "key",
            Facts { user: Some(_), .. } => "user",
            Facts { authenticated: true, .. } => "code",
            _ => "nobody",
        };
        event(self.action, outcome, actor, facts, status, code, Some(&self.request_id));
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.told {
            self.tell("unknown", &lock(&self.facts), None, None);
        }
    }
}

/// Tells of a change that a command made.
pub fn command(action: &str, facts: &Facts) {
    event(action, "done", "operator", facts, None, None, None);
}

fn event(
    action: &str,
    outcome: &str,
    actor: &str,
    facts: &Facts,
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
pub struct Lines;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != TARGET {
            return;
        }
        let mut line = Line(Map::new());
        for name in ["status", "code", "app", "key", "user", "subject", "request_id"] {
            line.0.insert(name.to_owned(), Value::Null);
        }
        event.record(&mut line);
        let names = line.0.remove("fields");
        let names = names.as_ref().and_then(Value::as_str).unwrap_or_default();
        let names: Vec<&str> = names.split(',').filter(|name| !name.is_empty()).collect();
        line.0.insert("fields".to_owned(), json!(names));
        line.0.insert("level".to_owned(), json!("INFO"));
        line.0.insert("target".to_owned(), json!(TARGET));
        line.0.insert("timestamp".to_owned(), json!(format!("{:.6}", crate::clock::now())));
        // One write, so that lines of several threads stay whole. Nobody is left to hear if it fails.
        let text = format!("{}\n", Value::Object(line.0));
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }
}

struct Line(Map<String, Value>);

impl Visit for Line {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), json!(format!("{value:?}")));
    }
}
