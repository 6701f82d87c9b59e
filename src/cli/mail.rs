//! `userdocks mail`

use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::mail_preview::Preview;
use super::{Context, Output, Result, app, mail_preview, table};
use crate::audit::Facts;
use crate::db::outbox::{self, MailRow};
use crate::db::{invite_events, operator};
use crate::domain::id::AppId;
use crate::domain::mail_report::{Kind, Report, Subject};
use crate::domain::webhook::EventId;
use crate::mail::bounce::{Messages, Notification};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List mails, newest first
    List {
        /// Of this app only
        #[arg(long)]
        app: Option<Uuid>,
        /// In this state only
        #[arg(long)]
        state: Option<State>,
        /// At most so many
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// Show one mail
    Show {
        /// The mail's id
        id: Uuid,
    },
    /// Try a mail again now; one that failed gets a new link
    Retry {
        /// The mail's id
        id: Uuid,
    },
    /// Show mails with sample data, in each language
    Preview(Preview),
    /// Read the mails that came back (RFC 3464), and record what bounced or is late
    Bounces {
        /// A mailbox file (mbox) or one message; - for standard input
        file: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum State {
    Queued,
    Sent,
    Failed,
}

pub(super) async fn run(command: Command, context: &Context) -> Result<Output> {
    let db = &context.database.operator;
    match command {
        Command::List { app, state, limit } => {
            let state = state.map(|state| match state {
                State::Queued => "queued",
                State::Sent => "sent",
                State::Failed => "failed",
            });
            if let Some(app) = app {
                app::find(context, app).await?;
            }
            let mails = outbox::list(db, app.map(AppId), state, None, limit).await?;
            let head = ["ID", "CREATED", "STATE", "TRIES", "KIND", "TO", "LAST REPLY"];
            let rows = mails.iter().map(|mail| {
                [
                    mail.id.to_string(),
                    mail.created_at.clone(),
                    mail.state.clone(),
                    mail.attempts.to_string(),
                    mail.kind.clone(),
                    mail.to.clone(),
                    mail.last_reply.clone().unwrap_or_default(),
                ]
            });
            let text = table(head, rows);
            Output::new(mails, text)
        }
        Command::Show { id } => {
            let mail = find(context, id).await?;
            let text = serde_json::to_string_pretty(&mail)?;
            Output::new(mail, text)
        }
        Command::Preview(preview) => mail_preview::run(preview, Some(context)).await,
        Command::Bounces { file } => bounces(&file, context).await,
        Command::Retry { id } => {
            let mail = find(context, id).await?;
            let expires_after = context.config.invite.expires_after;
            if !outbox::retry(db, &mail, &context.seal, expires_after).await? {
                return Err(format!(
                    "the mail {id} was sent, or its invite was accepted, revoked or renewed since"
                )
                .into());
            }
            let facts = Facts { app: Some(AppId(mail.app_id)), subject: Some(id), ..Facts::default() };
            let text = format!("The mail {id} is tried now.");
            Ok(Output::new(json!({ "id": id, "state": "queued" }), text)?.changed("retryMail", facts))
        }
    }
}

/// How many messages were read, and what they came to.
#[derive(Default, Serialize)]
struct Bounces {
    read: u64,
    bounced: u64,
    delayed: u64,
    /// Recorded before.
    known: u64,
    /// About no mail of ours.
    unknown: u64,
    /// No delivery status notification, or one that says nothing of a failure.
    other: u64,
}

async fn bounces(file: &Path, context: &Context) -> Result<Output> {
    let input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let opened =
            File::open(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        Box::new(BufReader::new(opened))
    };
    let mut counts = Bounces::default();
    for message in Messages::of(input) {
        let message = message.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        counts.read += 1;
        let Some(notification) = Notification::parse(&message) else {
            counts.other += 1;
            continue;
        };
        let kind = notification.kind;
        *match record(notification, context).await? {
            None => &mut counts.unknown,
            Some(false) => &mut counts.known,
            Some(true) if kind == Kind::Delayed => &mut counts.delayed,
            Some(true) => &mut counts.bounced,
        } += 1;
    }
    let Bounces { read, bounced, delayed, known, unknown, other } = counts;
    let text = format!(
        "{read} messages: {bounced} bounces and {delayed} delays recorded; {known} known already, {unknown} about no mail \
         of this server, {other} no notification of a failure."
    );
    let output = Output::new(counts, text)?;
    Ok(if bounced + delayed > 0 { output.changed("recordBounces", Facts::default()) } else { output })
}

/// Whether it was new; `None`: there is no such mail. A notification without the head of the mail is about the
/// newest to its recipient.
async fn record(notification: Notification, context: &Context) -> Result<Option<bool>> {
    let db = &context.database.operator;
    let Notification { kind, message_id, recipient, detail } = notification;
    let found = match (message_id, recipient) {
        (Some(message_id), _) => {
            operator::app_of_message(db, &message_id).await?.map(|app| (app, message_id))
        }
        (None, Some(recipient)) => operator::newest_message_to(db, &recipient).await?,
        (None, None) => None,
    };
    let Some((app, message_id)) = found else { return Ok(None) };
    let report = Report { kind, subject: Subject::Message(message_id), detail: Some(detail) };
    Ok(invite_events::report(db, app, &report, Some(EventId::fresh())).await?.map(|reported| reported.first))
}

async fn find(context: &Context, id: Uuid) -> Result<MailRow> {
    let mails = outbox::list(&context.database.operator, None, None, Some(id), 1).await?;
    mails.into_iter().next().ok_or_else(|| format!("there is no mail {id}").into())
}
