//! The command line. With `--json`, each command prints one JSON document to stdout. An error is one sentence on stderr
//! with exit status 1; wrong usage exits with 2.

mod app;
mod config_check;
mod demo;
mod invite;
mod keys;
mod mail;
mod migrate;
mod openapi;
mod operator;
mod opt_out;
mod serve;
mod template;
mod token;
mod webhook;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde_json::Value;
use uuid::Uuid;

use crate::audit::{self, AuditRecord};
use crate::config::{self, Config};
use crate::db::apps::{self, App};
use crate::db::operators::audit_events;
use crate::db::store::Store;
use crate::domain::credentials::secret_key::SecretKey;
use crate::domain::email::Email;
use crate::domain::id::{self, AppId};
use crate::domain::mail::kind::MailKind;
use crate::server::Database;

/// A self-hosted, multi-tenant user-management server.
#[derive(Parser)]
#[command(name = "userdocks", version, arg_required_else_help = false)]
struct Arguments {
    /// Print the result as one JSON document
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (the default)
    Serve,
    /// Bring the database's schema up to date
    Migrate,
    /// Create, list, show or change apps
    #[command(subcommand)]
    App(Box<app::Command>),
    /// Create, list or revoke API keys
    #[command(subcommand)]
    ApiKey(keys::api_key::Command),
    /// Create, list or revoke the keys that sign access tokens
    #[command(subcommand)]
    SigningKey(keys::signing_key::Command),
    /// Change the key that encrypts at rest
    #[command(subcommand)]
    SecretKey(keys::secret_key::Command),
    /// Issue access tokens
    #[command(subcommand)]
    Token(token::Command),
    /// List, show, retry or preview mails
    #[command(subcommand)]
    Mail(mail::Command),
    /// Create, list or delete webhooks, change their secrets, show or repeat their deliveries
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Stop referrals to an address, for a recipient who writes instead of using the link
    #[command(subcommand)]
    OptOut(opt_out::Command),
    /// List, show, revoke or resend invites, or import a file of them
    #[command(subcommand)]
    Invite(invite::Command),
    /// Create, list or disable operators, who may use the console, or sign one in
    #[command(subcommand)]
    Operator(operator::Command),
    /// Show the settings
    #[command(subcommand)]
    Config(config_check::Command),
    /// Print the description of the API as JSON
    Openapi,
}

/// The result of a command.
struct Output {
    json: Value,
    text: String,
    /// Sentences on standard error: what the command did beside what was asked.
    notes: Vec<String>,
    change: Option<(&'static str, AuditRecord)>,
}

impl Output {
    fn new(json: impl serde::Serialize, text: impl Into<String>) -> Result<Self> {
        Ok(Self { json: serde_json::to_value(json)?, text: text.into(), notes: Vec::new(), change: None })
    }

    /// Adds an audit record for a command that changed something.
    fn changed(self, action: &'static str, facts: AuditRecord) -> Self {
        Self { change: Some((action, facts)), ..self }
    }
}

/// The error's text is printed as it is, so it must be a sentence.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[must_use]
pub fn main() -> ExitCode {
    // Disable transparent huge pages: with pages of 2 MiB, the few that the heap needs would take most of the memory.
    // An error is ignored, since the server works with them too.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr cannot be written, there is nowhere left to report the error.
            let _ = writeln!(std::io::stderr(), "userdocks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let config = Config::load()?;
    crate::telemetry::init(config.log.format);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let output = runtime.block_on(async {
        let command = match arguments.command {
            None | Some(Command::Serve) => return serve::run(config).await.map(|()| None),
            Some(Command::Config(command)) => return config_check::run(&command, &config).map(Some),
            Some(Command::Openapi) => return openapi::run(&config).map(Some),
            Some(Command::Mail(mail::Command::Preview(preview))) if preview.app.is_none() => {
                return mail::preview::run(preview, None).await.map(Some);
            }
            Some(command) => command,
        };
        if config.database.url.is_none() && !config.data_dir.join("postgres").is_dir() {
            return Err(format!(
                "there is no trial in {}: set DATABASE_URL, or USERDOCKS_DATA_DIR to the folder of a trial, or start one \
                 with `userdocks serve`",
                config.data_dir.display()
            )
            .into());
        }
        let database = Database::open(&config, true).await?;
        let context = Context { seal: config::seal(&config)?, config, database, json: arguments.json };
        let output = run_on(command, &context).await;
        if let Ok(Output { change: Some((action, facts)), .. }) = &output {
            context.record(action, facts).await;
        }
        context.database.close().await;
        output.map(Some)
    })?;
    if let Some(output) = output {
        for note in &output.notes {
            // If stderr cannot be written, there is nowhere left to report the note.
            let _ = writeln!(std::io::stderr(), "userdocks: {note}");
        }
        let text = if arguments.json { output.json.to_string() } else { output.text };
        print(text.trim_end())?;
    }
    Ok(())
}

/// Runs a command that needs the database.
async fn run_on(command: Command, context: &Context) -> Result<Output> {
    context.database.check(&context.seal).await?;
    match command {
        Command::Migrate => migrate::run(context).await,
        Command::App(command) => app::run(*command, context).await,
        Command::ApiKey(command) => keys::api_key::run(command, context).await,
        Command::SigningKey(command) => keys::signing_key::run(command, context).await,
        Command::SecretKey(command) => keys::secret_key::run(command, context).await,
        Command::Token(command) => token::run(command, context).await,
        Command::Mail(command) => mail::run(command, context).await,
        Command::Webhook(command) => webhook::run(command, context).await,
        Command::OptOut(command) => opt_out::run(command, context).await,
        Command::Invite(command) => invite::run(command, context).await,
        Command::Operator(command) => operator::run(command, context).await,
        Command::Serve | Command::Config(_) | Command::Openapi => unreachable!("they need no database"),
    }
}

/// Prints a line. A closed pipe, as with `head`, is not an error.
fn print(line: &str) -> Result<()> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(format!("the result cannot be written: {error}").into())
        }
        _ => Ok(()),
    }
}

/// Shared by the commands that use the database.
struct Context {
    config: Config,
    database: Database,
    seal: SecretKey,
    /// Whether the result is printed as JSON.
    json: bool,
}

impl Context {
    /// The database with its quotas, for changes of an app's data. The server's worker has to be woken.
    fn store(&self) -> Store {
        Store::new(self.database.operator.clone(), &self.config.limits, Arc::default(), Arc::default())
    }

    /// Logs and stores an audit event of a change that was made.
    async fn record(&self, action: &'static str, facts: &AuditRecord) {
        let event = audit::command(action, facts);
        let keep = self.config.retention.audit;
        if let Err(error) = audit_events::store(&self.database.operator, &event, keep).await {
            tracing::warn!(%error, "the audit event was not stored");
        }
    }

    /// The app with this id.
    async fn app(&self, id: Uuid) -> Result<App> {
        let found = apps::find(&self.database.operator, AppId(id)).await?;
        found.ok_or_else(|| format!("there is no app {id}").into())
    }
}

/// Parses an e-mail address.
fn email(text: &str) -> std::result::Result<Email, String> {
    Email::parse(text).map_err(|problem| format!("it {problem}"))
}

/// Parses a kind of mail.
fn mail_kind(text: &str) -> std::result::Result<MailKind, String> {
    MailKind::parse(text).ok_or_else(|| "expected invite, referral, confirmation, notice or taken".to_owned())
}

/// Parses a duration such as `90s`, `12h` or `30d`.
fn duration(text: &str) -> std::result::Result<Duration, String> {
    let duration: humantime_serde::re::humantime::Duration =
        text.parse().map_err(|_| "expected a duration such as 90s, 12h or 30d".to_owned())?;
    let duration = Duration::from(duration);
    if duration.is_zero() || duration > config::LONGEST {
        return Err("expected a duration of more than 0s and at most 10years".to_owned());
    }
    Ok(duration)
}

fn id(text: &str) -> std::result::Result<Uuid, &'static str> {
    id::parse(text).ok_or("expected a UUID such as 0195c0de-0000-7000-8000-000000000000")
}

/// Formats rows as aligned columns below a header line.
fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
