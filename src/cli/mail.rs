//! `userdocks mail`

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use uuid::Uuid;

use super::{Context, Output, Result, app, table};
use crate::audit::Facts;
use crate::db::outbox::{self, MailRow};
use crate::domain::id::AppId;

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

async fn find(context: &Context, id: Uuid) -> Result<MailRow> {
    let mails = outbox::list(&context.database.operator, None, None, Some(id), 1).await?;
    mails.into_iter().next().ok_or_else(|| format!("there is no mail {id}").into())
}
