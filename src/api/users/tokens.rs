//! `POST /v1/users/{userId}/tokens`: access tokens for the users of a backend.

use schemars::JsonSchema;
use std::time::Duration;

use axum::extract::State;
use serde::Serialize;

use crate::api::route::{Route, post};
use crate::db::{Pool, apps, users};
use crate::domain::credentials::access_token::{DamagedKey, PrivateKey};
use crate::domain::credentials::secret_key::{NotOurs, Purpose, SecretKey};
use crate::domain::id::{AppId, UserId};
use crate::http::auth::WriteKey;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::UserPath;
use crate::http::operation::Operation;
use crate::http::state::AppState;

const MESSAGE: &str = "an access token was issued";

/// An access token, with the field names of OAuth 2.0 (RFC 6749, 5.1).
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessToken {
    #[schemars(extend("const" = "Bearer"))]
    token_type: &'static str,
    /// A JWT (RFC 7519), signed with RS256. Claims: `iss`, `aud` (the app), `sub` (the user), `exp`.
    #[schemars(example = &"eyJhbGciOi…")]
    pub access_token: String,
    /// Lifetime in seconds.
    #[schemars(range(min = 1), example = 900)]
    expires_in: u64,
}

/// Why no token was issued.
#[derive(Debug, thiserror::Error)]
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

impl From<IssueError> for Error {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Db(error) => Self::from(error),
            IssueError::NoUser | IssueError::NoApp => Self::UserOutOfReach,
            error => Self::Internal(Box::new(error)),
        }
    }
}

/// Issues an access token for the user in the path.
pub async fn create(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
) -> Result<Success<AccessToken>, Error> {
    let valid = state.config.token.expires_after;
    let token = issue(&state.store.pool, &state.seal, &state.config.issuer(), app, user, valid).await;
    let data = token?;
    Ok(Success::ok(MESSAGE, data))
}

/// Issues a token for a user who is neither frozen nor deleted, signed with the newest key of their app.
pub async fn issue(
    db: &Pool,
    seal: &SecretKey,
    issuer: &str,
    app: AppId,
    user: UserId,
    valid: Duration,
) -> Result<AccessToken, IssueError> {
    let key = signing_key(db, seal, app).await?;
    let language = users::language(db, app, user).await?.ok_or(IssueError::NoUser)?;
    Ok(AccessToken::sign(&key, issuer, app, user, &language, valid)?)
}

/// The current signing key of an app.
pub async fn signing_key(db: &Pool, seal: &SecretKey, app: AppId) -> Result<PrivateKey, IssueError> {
    let (id, sealed) = apps::private_key(db, app).await?.ok_or(IssueError::NoApp)?;
    Ok(PrivateKey::new(id, &seal.open(Purpose::SigningKey, id, &sealed)?)?)
}

impl AccessToken {
    /// Signs a token for `user`. The caller has checked that the user is neither frozen nor deleted.
    pub fn sign(
        key: &PrivateKey,
        issuer: &str,
        app: AppId,
        user: UserId,
        language: &str,
        valid: Duration,
    ) -> Result<Self, DamagedKey> {
        let access_token = key.issue(issuer, app, user, language, valid)?;
        Ok(Self { token_type: "Bearer", access_token, expires_in: valid.as_secs() })
    }
}

pub fn route() -> Route {
    post(
        "/users/{userId}/tokens",
        create,
        Operation::new("createToken", "tokens", "Issue an access token")
            .about(
                "Issues a short-lived access token for a user of the app. The backend passes it to the \
                    browser of the user.",
            )
            .message(MESSAGE),
    )
}
