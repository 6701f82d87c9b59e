//! `userdocks token`

use std::time::Duration;

use clap::Subcommand;
use serde_json::json;
use uuid::Uuid;

use super::{Context, Output, Result, duration};
use crate::config::Config;
use crate::db::{apps, users};
use crate::domain::access_token::PrivateKey;
use crate::domain::id::{AppId, UserId};
use crate::domain::seal::SecretKey;
use sqlx::PgPool;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Issue an access token for a user of an app
    Issue {
        /// The app's id
        #[arg(long)]
        app: Uuid,
        /// The user's id
        #[arg(long)]
        user: Uuid,
        /// How long it is valid: 90s, 12h, 30d
        #[arg(long, value_parser = duration)]
        expires_in: Option<Duration>,
    },
}

pub(super) async fn run(command: Command, context: &Context) -> Result<Output> {
    let Command::Issue { app, user, expires_in } = command;
    let valid = expires_in.unwrap_or(context.config.token.expires_after);
    let db = &context.database.pool;
    let token = issue(&context.config, db, &context.seal, AppId(app), UserId(user), valid).await?;
    let result = json!({ "accessToken": token, "tokenType": "Bearer", "expiresIn": valid.as_secs() });
    Output::new(result, token)
}

/// A token for a user who is neither frozen nor deleted, signed with the newest key of their app.
pub(super) async fn issue(
    config: &Config,
    db: &PgPool,
    seal: &SecretKey,
    app: AppId,
    user: UserId,
    valid: Duration,
) -> Result<String> {
    let (key_id, sealed) =
        apps::private_key(db, app).await?.ok_or_else(|| format!("there is no app {app}"))?;
    let language = users::language(db, app, user)
        .await?
        .ok_or_else(|| format!("there is no user {user} in the app who is neither frozen nor deleted"))?;
    let key = PrivateKey::new(key_id, &seal.open(key_id, &sealed)?)?;
    Ok(key.issue(&config.issuer(), app, user, &language, valid)?)
}
