//! `userdocks mail`

pub(super) mod preview;
pub(super) mod retry;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use uuid::Uuid;

use super::{Context, Output, Result, table};
use crate::audit::AuditRecord;
use crate::db::invites::timeline::{self, RecordReport, ReportOutcome};
use crate::db::outbox;
use crate::db::referrals::opt_outs;
use crate::db::reported_mails;
use crate::domain::id::AppId;
use crate::domain::mail::notification::Notification;
use crate::domain::mail::report::{Kind, Report, Subject};
use crate::mail::bounce::mailbox::{self, Messages};
use preview::Preview;
use retry::Retry;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List mails, newest first
    List {
        /// Of this app only
        #[arg(long, value_parser = super::id)]
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
        #[arg(value_parser = super::id)]
        id: Uuid,
    },
    /// Try mails again now; one that failed gets a new link
    Retry(Retry),
    /// Show mails with sample data, in each language
    Preview(Preview),
    /// Read the mails that came back, and record what bounced, is late or is complained of
    Bounces {
        /// A Maildir folder, a mailbox file (mbox) or one message; - for standard input
        path: PathBuf,
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
                context.app(app).await?;
            }
            let mails = outbox::manage::list(db, app.map(AppId), state, limit).await?;
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
            let mail = retry::find(context, id).await?;
            let text = serde_json::to_string_pretty(&mail)?;
            Output::new(mail, text)
        }
        Command::Preview(preview) => preview::run(preview, Some(context)).await,
        Command::Bounces { path } => bounces(&path, context).await,
        Command::Retry(retry) => retry::run(retry, context).await,
    }
}

/// The number of messages read, by result.
#[derive(Default, Serialize)]
struct Bounces {
    read: u64,
    bounced: u64,
    delayed: u64,
    complained: u64,
    /// Already recorded.
    known: u64,
    /// The report does not prove which mail it is about.
    unknown: u64,
    /// Not a report of a bounce, a delay or a complaint.
    other: u64,
}

async fn bounces(path: &Path, context: &Context) -> Result<Output> {
    let unreadable = |error| format!("{} cannot be read: {error}", path.display());
    let messages = if path == Path::new("-") {
        Box::new(Messages::of(std::io::stdin().lock()))
    } else {
        mailbox::open(path).map_err(unreadable)?
    };
    let mut counts = Bounces::default();
    for message in messages {
        let message = message.map_err(unreadable)?;
        counts.read += 1;
        let Some(notification) = Notification::parse(&message) else {
            counts.other += 1;
            continue;
        };
        let kind = notification.kind;
        *match record(notification, context).await? {
            None => &mut counts.unknown,
            Some(false) => &mut counts.known,
            Some(true) => match kind {
                Kind::Bounced => &mut counts.bounced,
                Kind::Delayed => &mut counts.delayed,
                Kind::Complained => &mut counts.complained,
            },
        } += 1;
    }
    let Bounces { read, bounced, delayed, complained, known, unknown, other } = counts;
    let text = format!(
        "{read} messages: {bounced} bounces, {delayed} delays and {complained} complaints recorded; {known} known \
         already, {unknown} that do not prove which mail of this server they are about, {other} that report nothing."
    );
    let output = Output::new(counts, text)?;
    let any = bounced + delayed + complained > 0;
    Ok(if any { output.changed("recordBounces", AuditRecord::default()) } else { output })
}

/// Records a report. Returns whether it was new, or `None` if it does not prove which mail it is about.
async fn record(notification: Notification, context: &Context) -> Result<Option<bool>> {
    let db = &context.database.operator;
    let Some((app, message_id)) = reported_mails::find(db, &notification).await? else { return Ok(None) };
    let Notification { kind, detail, .. } = notification;
    let key = match kind {
        Kind::Complained => Some(opt_outs::key(db, app, &context.seal).await?.open(&context.seal)?),
        Kind::Bounced | Kind::Delayed => None,
    };
    let report = Report { kind, subject: Subject::Message(message_id), detail: Some(detail) };
    let found = |outcome: Option<ReportOutcome>| outcome.ok_or(());
    let (store, command) = (context.store(), RecordReport { report, opt_out: key.map(Arc::new) });
    let reported = store.change(app).with_event().run(timeline::report, &command, found).await?;
    Ok(reported.ok().map(|reported| reported.first))
}
