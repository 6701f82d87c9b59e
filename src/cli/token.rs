//! `userdocks token`

use std::time::Duration;

use clap::Subcommand;
use uuid::Uuid;

use super::{Context, Output, Result, duration};
use crate::api::users::tokens::issue;
use crate::audit::AuditRecord;
use crate::domain::id::{AppId, UserId};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Issue an access token for a user of an app
    Issue {
        /// The app's id
        #[arg(long, value_parser = super::id)]
        app: Uuid,
        /// The user's id
        #[arg(long, value_parser = super::id)]
        user: Uuid,
        /// How long it is valid: 90s, 12h, 30d
        #[arg(long, value_parser = duration)]
        expires_in: Option<Duration>,
    },
}

pub(super) async fn run(command: Command, context: &Context) -> Result<Output> {
    let Command::Issue { app, user, expires_in } = command;
    let valid = expires_in.unwrap_or(context.config.token.expires_after);
    let (db, issuer) = (&context.database.operator, context.config.issuer());
    let token = issue(db, &context.seal, &issuer, AppId(app), UserId(user), valid).await?;
    let text = token.access_token.clone();
    let facts = AuditRecord { app: Some(AppId(app)), subject: Some(user), ..AuditRecord::default() };
    Ok(Output::new(token, text)?.changed("createToken", facts))
}
