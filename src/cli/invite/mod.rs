//! `userdocks invite`

pub(super) mod import;

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use uuid::Uuid;

use super::{Context, Output, Result, table};
use crate::audit::AuditRecord;
use crate::db::invites::manage::{
    self, Filter, ResendBy, ResendInvite, ResendOutcome, RevokeInvite, RevokeOutcome,
};
use crate::db::invites::timeline;
use crate::db::operator;
use crate::db::outbox::{self, NewMail};
use crate::db::referrals::new_referral::ReferralLimits;
use crate::domain::email::Email;
use crate::domain::id::{AppId, UserId};
use crate::domain::invites;
use crate::domain::invites::invite::Invite;
use import::Import;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List invites, newest first
    List {
        /// Of this app only
        #[arg(long, value_parser = super::id)]
        app: Option<Uuid>,
        /// In this state only
        #[arg(long)]
        state: Option<State>,
        /// Of this kind only
        #[arg(long)]
        kind: Option<Kind>,
        /// By this user only
        #[arg(long, value_parser = super::id)]
        inviter: Option<Uuid>,
        /// To this address only
        #[arg(long)]
        email: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
    },
    /// Show one invite
    Show {
        /// The invite's id
        #[arg(value_parser = super::id)]
        id: Uuid,
    },
    /// Revoke an invite that was not accepted; a mail that waits is not sent
    Revoke {
        /// The invite's id
        #[arg(value_parser = super::id)]
        id: Uuid,
    },
    /// Invite everybody in a file; existing users are skipped
    Import(Import),
    /// Mail an invite again, with a new link
    Resend {
        /// The invite's id
        #[arg(value_parser = super::id)]
        id: Uuid,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum State {
    Open,
    Accepted,
    Revoked,
    Expired,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    Invite,
    Referral,
}

pub(super) async fn run(command: Command, context: &Context) -> Result<Output> {
    let db = &context.database.operator;
    match command {
        Command::List { app, state, kind, inviter, email, limit } => {
            if let Some(app) = app {
                context.app(app).await?;
            }
            let filter = Filter {
                state: state.map(|state| match state {
                    State::Open => invites::State::Open,
                    State::Accepted => invites::State::Accepted,
                    State::Revoked => invites::State::Revoked,
                    State::Expired => invites::State::Expired,
                }),
                kind: kind.map(|kind| match kind {
                    Kind::Invite => invites::Kind::Invite,
                    Kind::Referral => invites::Kind::Referral,
                }),
                inviter: inviter.map(UserId),
                email: email
                    .map(|text| Email::parse(&text).map_err(|error| format!("--email {error}")))
                    .transpose()?,
            };
            let invites = operator::invites(db, app.map(AppId), &filter, None, limit).await?;
            let head = ["ID", "CREATED", "STATE", "KIND", "TO", "EXPIRES"];
            let rows = invites.iter().map(|invite| {
                [
                    invite.id.to_string(),
                    invite.created_at.clone(),
                    invite.state.clone(),
                    invite.kind.clone(),
                    invite.email.clone(),
                    invite.expires_at.clone(),
                ]
            });
            let text = table(head, rows);
            Output::new(invites, text)
        }
        Command::Import(import) => import::run(import, context).await,
        Command::Show { id } => {
            let invite = find(context, id).await?;
            let timeline = timeline::timeline(db, AppId(invite.app_id), id).await?;
            let mut shown = serde_json::to_value(invite)?;
            shown["timeline"] = serde_json::to_value(timeline)?;
            let text = serde_json::to_string_pretty(&shown)?;
            Output::new(shown, text)
        }
        Command::Revoke { id } => {
            let app = AppId(find(context, id).await?.app_id);
            let (store, command) = (context.store(), RevokeInvite { caller: None, invite: id });
            let decide = |outcome| match outcome {
                RevokeOutcome::Revoked | RevokeOutcome::AlreadyRevoked => Ok(outcome),
                RevokeOutcome::Accepted => Err(format!("the invite {id} has been accepted").into()),
                RevokeOutcome::OutOfReach => Err(missing(id)),
            };
            let revoked = store.change(app).run(manage::revoke, &command, decide).await??;
            let shown = json!({ "id": id, "state": "revoked" });
            if revoked == RevokeOutcome::AlreadyRevoked {
                return Output::new(shown, format!("The invite {id} was revoked before."));
            }
            let text = format!("The invite {id} is revoked.");
            Ok(Output::new(shown, text)?.changed("revokeInvite", facts(app, id)))
        }
        Command::Resend { id } => {
            let app = AppId(find(context, id).await?.app_id);
            let config = &context.config;
            let domain = config.mail.from.email.domain();
            let command = ResendInvite {
                by: ResendBy::Operator,
                invite: id,
                limits: ReferralLimits::of(config),
                mail: NewMail::new(app, &context.seal, domain, config.invite.expires_after),
            };
            let decide = |outcome| match outcome {
                ResendOutcome::Resent => Ok(()),
                ResendOutcome::TooSoon => Err(format!("the invite {id} was mailed a short while ago")),
                ResendOutcome::Ended(state) => Err(format!("the invite {id} has been {}", state.as_str())),
                ResendOutcome::QuotaExceeded | ResendOutcome::NotAccessible => {
                    Err(format!("the user of the invite {id} is frozen or deleted"))
                }
            };
            let store = context.store();
            store.change(app).repeatable(false).run(manage::resend, &command, decide).await??;
            outbox::wake(db).await?;
            let text = format!("The invite {id} is mailed again.");
            Ok(Output::new(json!({ "id": id, "state": "open" }), text)?
                .changed("resendInvite", facts(app, id)))
        }
    }
}

fn facts(app: AppId, id: Uuid) -> AuditRecord {
    AuditRecord { app: Some(app), subject: Some(id), ..AuditRecord::default() }
}

fn missing(id: Uuid) -> Box<dyn std::error::Error + Send + Sync> {
    format!("there is no invite {id}").into()
}

async fn find(context: &Context, id: Uuid) -> Result<Invite> {
    let invites =
        operator::invites(&context.database.operator, None, &Filter::default(), Some(id), 1).await?;
    invites.into_iter().next().ok_or_else(|| missing(id))
}
