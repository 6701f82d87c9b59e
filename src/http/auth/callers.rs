//! Extractors for callers. The type of a handler's argument says which credentials the handler accepts.

use axum::http::request::Parts;

use super::{Credential, authenticate};
use crate::domain::credentials::api_key::KeyType;
use crate::domain::id::{AppId, UserId};
use crate::http::error::Error;
use crate::http::operation::Admits;
use crate::http::state::AppState;

/// A type of caller that a handler accepts.
pub trait Callers: Sized + Send {
    const ADMITS: Admits;

    /// Authenticates the caller of a request. Fails if this type does not accept the credentials.
    fn authenticate(parts: &Parts, state: &AppState) -> impl Future<Output = Result<Self, Error>> + Send;

    /// The user of an access token, which `me` in a path stands for.
    fn user(&self) -> Option<UserId>;
}

/// A backend with an API key of the type `write`.
pub struct WriteKey {
    pub app: AppId,
}

/// A backend with an API key of the type `write`, or a user with an access token.
pub struct Caller {
    pub app: AppId,
    /// The user of the access token; `None` for an API key.
    pub user: Option<UserId>,
}

impl Callers for WriteKey {
    const ADMITS: Admits = Admits::WriteKey;

    async fn authenticate(parts: &Parts, state: &AppState) -> Result<Self, Error> {
        match authenticate(parts, state).await? {
            Credential::Key(app, KeyType::Write) => Ok(Self { app }),
            Credential::Key(_, KeyType::Read) => Err(Error::WriteKeyRequired),
            Credential::Token(..) => Err(Error::ApiKeyRequired),
        }
    }

    fn user(&self) -> Option<UserId> {
        None
    }
}

impl Callers for Caller {
    const ADMITS: Admits = Admits::WriteKeyOrToken;

    async fn authenticate(parts: &Parts, state: &AppState) -> Result<Self, Error> {
        match authenticate(parts, state).await? {
            Credential::Key(app, KeyType::Write) => Ok(Self { app, user: None }),
            Credential::Key(_, KeyType::Read) => Err(Error::WriteKeyRequired),
            Credential::Token(app, user) => Ok(Self { app, user: Some(user) }),
        }
    }

    fn user(&self) -> Option<UserId> {
        self.user
    }
}

/// A backend with an API key of either type.
pub struct AnyKey {
    pub app: AppId,
}

/// A backend with an API key of either type, or a user with an access token.
pub struct Reader {
    pub app: AppId,
    /// The user of the access token; `None` for an API key.
    pub user: Option<UserId>,
}

impl Callers for AnyKey {
    const ADMITS: Admits = Admits::AnyKey;

    async fn authenticate(parts: &Parts, state: &AppState) -> Result<Self, Error> {
        match authenticate(parts, state).await? {
            Credential::Key(app, _) => Ok(Self { app }),
            Credential::Token(..) => Err(Error::ApiKeyRequired),
        }
    }

    fn user(&self) -> Option<UserId> {
        None
    }
}

impl Callers for Reader {
    const ADMITS: Admits = Admits::AnyKeyOrToken;

    async fn authenticate(parts: &Parts, state: &AppState) -> Result<Self, Error> {
        Ok(match authenticate(parts, state).await? {
            Credential::Key(app, _) => Self { app, user: None },
            Credential::Token(app, user) => Self { app, user: Some(user) },
        })
    }

    fn user(&self) -> Option<UserId> {
        self.user
    }
}
