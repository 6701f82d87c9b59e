//! `userdocks app template`: mails that an app writes itself.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::{Context, Output, Result, table};
use crate::audit::AuditRecord;
use crate::clock;
use crate::db::apps::App;
use crate::db::outbox::templates;
use crate::domain::email::Email;
use crate::domain::id::{self, AppId};
use crate::domain::mail::kind::MailKind;
use crate::l10n::LANGUAGES;
use crate::mail::dkim::Signer;
use crate::mail::preview::preview;
use crate::mail::transport::Transport;
use crate::mail::{Envelope, message, sender, template};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Check an HTML file and use it for one kind of mail in one language
    Set {
        #[command(flatten)]
        of: Of,
        /// The HTML file; its <title> is the subject
        file: PathBuf,
        /// Only check it, and show the subject and the text of a mail with sample data
        #[arg(long)]
        dry_run: bool,
    },
    /// List the templates of an app
    List {
        /// The app's id
        #[arg(value_parser = super::id)]
        id: Uuid,
    },
    /// Print a template
    Show(Of),
    /// Send a mail with sample data to an address
    Send {
        #[command(flatten)]
        of: Of,
        /// Who gets it
        #[arg(long, value_name = "ADDRESS", value_parser = super::email)]
        to: Email,
    },
    /// Remove a template, so that mails look as those of every app
    Reset(Of),
}

/// The template of an app for one kind of mail in one language.
#[derive(Args)]
pub(super) struct Of {
    /// The app's id
    #[arg(value_parser = super::id)]
    id: Uuid,
    /// invite, referral, confirmation, notice or taken
    #[arg(long, value_parser = super::mail_kind)]
    kind: MailKind,
    /// A language that has texts: en, de, pt-PT, …
    #[arg(long, value_parser = language)]
    language: &'static str,
}

fn language(text: &str) -> std::result::Result<&'static str, String> {
    let found = LANGUAGES.iter().find(|language| language.eq_ignore_ascii_case(text));
    found.copied().ok_or_else(|| format!("expected one of {}", LANGUAGES.join(", ")))
}

pub(super) async fn run(command: Command, context: &Context) -> Result<Output> {
    let db = &context.database.operator;
    let (Command::Set { of: Of { id, .. }, .. }
    | Command::List { id }
    | Command::Show(Of { id, .. })
    | Command::Send { of: Of { id, .. }, .. }
    | Command::Reset(Of { id, .. })) = &command;
    let app = context.app(*id).await?;
    let app_id = AppId(app.app_id);
    match command {
        Command::Set { of: Of { kind, language, .. }, file, dry_run } => {
            let source = std::fs::read_to_string(&file)
                .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
            template::check(kind, &source).map_err(|problem| format!("{}, {problem}", file.display()))?;
            let mail = preview(&app.brand(), kind, language, Some(&source))?;
            if dry_run {
                let text = format!("{}\n\n{}", mail.subject, mail.text);
                return Output::new(json!({ "subject": mail.subject, "text": mail.text }), text);
            }
            templates::set(db, app_id, kind, language, &source).await?;
            let text = format!("{} mails in {language} use this template now.", kind.as_str());
            let result = json!({ "kind": kind.as_str(), "language": language });
            Ok(Output::new(result, text)?.changed("setTemplate", facts(app_id)))
        }
        Command::List { .. } => {
            let rows = templates::list(db, app_id).await?;
            let cells =
                rows.iter().map(|row| [row.kind.clone(), row.language.clone(), row.updated_at.clone()]);
            let text = table(["KIND", "LANGUAGE", "SET"], cells);
            Output::new(rows, text)
        }
        Command::Show(Of { kind, language, .. }) => {
            let html = templates::find(db, app_id, kind, language).await?;
            let html = html.ok_or_else(|| none(kind, language))?;
            Output::new(json!({ "html": html }), html)
        }
        Command::Send { of: Of { kind, language, .. }, to } => send(context, &app, kind, language, &to).await,
        Command::Reset(Of { kind, language, .. }) => {
            if !templates::reset(db, app_id, kind, language).await? {
                return Err(none(kind, language).into());
            }
            let text = format!("{} mails in {language} look as those of every app again.", kind.as_str());
            let result = json!({ "kind": kind.as_str(), "language": language });
            Ok(Output::new(result, text)?.changed("resetTemplate", facts(app_id)))
        }
    }
}

fn none(kind: MailKind, language: &str) -> String {
    format!("the app has no template for {} mails in {language}", kind.as_str())
}

fn facts(app: AppId) -> AuditRecord {
    AuditRecord {
        app: Some(app),
        subject: Some(app.0),
        fields: vec!["template".to_owned()],
        ..AuditRecord::default()
    }
}

/// Sends a mail with sample data as the server would, past the outbox.
async fn send(
    context: &Context,
    app: &App,
    kind: MailKind,
    language: &'static str,
    to: &Email,
) -> Result<Output> {
    let template = templates::find(&context.database.operator, AppId(app.app_id), kind, language).await?;
    let rendered = preview(&app.brand(), kind, language, template.as_deref())?;
    let from = sender(app.mail_from.as_deref(), &app.name, &context.config.mail.from)
        .ok_or("the app's sender is not `Name <address>`")?;
    let signer = Signer::of(&context.config)?;
    let message_id = format!("<{}@{}>", id::new(), from.email.domain());
    let envelope = Envelope {
        from: &from,
        reply_to: None,
        return_path: None,
        to: &to.address(),
        message_id: &message_id,
        date: Timestamp::from_second(clock::now().as_second())?,
        signer: signer.as_ref(),
    };
    let transport = Transport::of(&context.config)?;
    let reply = transport.send(&message(&rendered, &envelope)?, &message_id).await;
    let reply = reply.map_err(|refusal| format!("the mail was not sent: {refusal}"))?;
    Output::new(json!({ "reply": reply }), format!("Sent to {}: {reply}", to.as_str()))
}
