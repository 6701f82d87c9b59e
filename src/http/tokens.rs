//! `POST /v1/users/{userId}/tokens`: access tokens for the users of a backend.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::AppState;
use super::auth::WriteKey;
use super::envelope::Success;
use super::error::Error;
use super::extract::UserPath;
use crate::db::{Pool, apps, users};
use crate::domain::access_token::{DamagedKey, PrivateKey};
use crate::domain::id::{AppId, UserId};
use crate::domain::seal::{NotOurs, SecretKey};

/// An access token, as OAuth 2.0 (RFC 6749, 5.1) names its parts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessToken {
    token_type: &'static str,
    /// The token itself.
    pub access_token: String,
    /// Seconds.
    expires_in: u64,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the sentences say it")]
pub enum IssueError {
    #[error(transparent)]
    Db(#[from] crate::db::Error),
    #[error("there is no such user in the app, or they are frozen or deleted")]
    NoUser,
    #[error("there is no such app")]
    NoApp,
    #[error(transparent)]
    Sealed(#[from] NotOurs),
    #[error(transparent)]
    Key(#[from] DamagedKey),
}

/// Issues an access token for the user in the path.
pub async fn create(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
) -> Result<Success<AccessToken>, Error> {
    let valid = state.config.token.expires_after;
    let token = issue(&state.db, &state.seal, &state.config.issuer(), app, user, valid).await;
    let data = token.map_err(|error| match error {
        IssueError::Db(error) => Error::from(error),
        IssueError::NoUser | IssueError::NoApp => Error::UserOutOfReach,
        error => Error::Internal(Box::new(error)),
    })?;
    Ok(Success { status: StatusCode::OK, message: "an access token was issued", data })
}

/// A token for a user who is neither frozen nor deleted, signed with the newest key of their app.
pub async fn issue(
    db: &Pool,
    seal: &SecretKey,
    issuer: &str,
    app: AppId,
    user: UserId,
    valid: Duration,
) -> Result<AccessToken, IssueError> {
    let (key_id, sealed) = apps::private_key(db, app).await?.ok_or(IssueError::NoApp)?;
    let language = users::language(db, app, user).await?.ok_or(IssueError::NoUser)?;
    let key = PrivateKey::new(key_id, &seal.open(key_id, &sealed)?)?;
    let access_token = key.issue(issuer, app, user, &language, valid)?;
    Ok(AccessToken { token_type: "Bearer", access_token, expires_in: valid.as_secs() })
}
