//! Who calls. The headers present choose the kind of credential; the other kind is never tried after it.
//! What a credential opens is looked up once a second at most, so a revoked key is dead on every replica
//! within that second. When the store cannot be asked the answer is 503, never 401.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::error::Error;
use super::jwks::Jwks;
use super::limits::Bursts;
use super::presented::{Presented, presented};
use super::{AppState, cors};
use crate::config::Config;
use crate::db::{api_keys, apps, users};
use crate::domain::access_token::{self, PublicKey, Unverified};
use crate::domain::api_key::{ApiKey, KeyType};
use crate::domain::id::{self, AppId, UserId};

/// How long what the store said of a credential is believed.
const FRESH: Duration = Duration::from_secs(1);
/// Entries of each cache; the least used make room.
const CACHED: usize = 16_384;

/// `iss` and the address of the keys.
type OutsideIssuer = (String, String);

/// What tokens of an app are judged by.
struct App {
    keys: Vec<PublicKey>,
    origins: Vec<String>,
    outside_issuer: Option<OutsideIssuer>,
}

/// What the store said lately of keys and apps, and how often each key and user calls.
pub struct Credentials {
    keys: Cache<(AppId, Uuid), (Instant, Option<api_keys::LiveKey>)>,
    apps: Cache<AppId, (Instant, Arc<App>)>,
    outside: Jwks,
    bursts: Bursts,
    issuer: String,
}

impl Credentials {
    /// Nothing known yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            keys: Cache::new(CACHED),
            apps: Cache::new(CACHED),
            outside: Jwks::default(),
            bursts: Bursts::new(config.limits.requests_per_key_per_second),
            issuer: config.issuer(),
        }
    }

    async fn key(&self, state: &AppState, app: AppId, id: Uuid) -> Result<Option<api_keys::LiveKey>, Error> {
        if let Some((at, key)) = self.keys.get(&(app, id))
            && at.elapsed() < FRESH
        {
            return Ok(key);
        }
        let (at, key) = (Instant::now(), api_keys::find(&state.db, app, id).await?);
        self.keys.insert((app, id), (at, key.clone()));
        Ok(key)
    }

    async fn app(&self, state: &AppState, app: AppId) -> Result<Arc<App>, Error> {
        if let Some((at, known)) = self.apps.get(&app)
            && at.elapsed() < FRESH
        {
            return Ok(known);
        }
        let at = Instant::now();
        let keys = apps::public_keys(&state.db, app).await?;
        let keys = keys.iter().map(|(id, spki)| PublicKey::new(*id, spki)).collect();
        let settings = apps::list(&state.db, Some(app)).await?.pop();
        let known = Arc::new(match settings {
            Some(settings) => App {
                keys,
                origins: settings.origins,
                outside_issuer: settings.issuer.zip(settings.jwks_url),
            },
            None => App { keys, origins: Vec::new(), outside_issuer: None },
        });
        self.apps.insert(app, (at, Arc::clone(&known)));
        Ok(known)
    }

    /// Forgets who has not called for a while.
    pub fn forget_idle(&self) {
        self.bursts.forget_idle();
    }
}

/// A type of caller that a handler admits.
pub trait Callers: Sized + Send {
    /// The caller of a request, if this type admits them.
    fn authenticate(parts: &Parts, state: &AppState) -> impl Future<Output = Result<Self, Error>> + Send;

    /// The user of an access token: who `me` is.
    fn user(&self) -> Option<UserId>;
}

/// A backend with an API key of the type `write`.
pub struct WriteKey {
    /// The app of the key.
    pub app: AppId,
}

/// A backend with an API key of the type `write`, or a user with an access token.
pub struct Caller {
    /// The app of the credentials.
    pub app: AppId,
    /// The user of the token; `None`: an API key.
    pub user: Option<UserId>,
}

impl Callers for WriteKey {
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
    /// The app of the key.
    pub app: AppId,
}

/// A backend with an API key of either type, or a user with an access token.
pub struct Reader {
    /// The app of the credentials.
    pub app: AppId,
    /// The user of the token; `None`: an API key.
    pub user: Option<UserId>,
}

impl Callers for AnyKey {
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

/// A proven credential. Whether a token's user may still act is part of the statement that acts.
enum Credential {
    Key(AppId, KeyType),
    Token(AppId, UserId),
}

async fn authenticate(parts: &Parts, state: &AppState) -> Result<Credential, Error> {
    let headers = &parts.headers;
    match presented(headers)? {
        Presented::Token(token) => by_token(state, headers, &token).await,
        Presented::Key { app, key_type, key } => {
            let credential = by_key(state, app, key_type, &key).await?;
            if headers.contains_key("Origin") {
                return Err(Error::ApiKeyFromBrowser);
            }
            Ok(credential)
        }
    }
}

async fn by_key(state: &AppState, app: AppId, key_type: KeyType, key: &ApiKey) -> Result<Credential, Error> {
    let live = state.credentials.key(state, app, key.id).await?.ok_or(Error::InvalidApiKey)?;
    verify_slices_are_equal(&live.hash, &key.hash()).map_err(|_| Error::InvalidApiKey)?;
    if live.key_type != key_type {
        return Err(Error::InvalidApiKey);
    }
    state.credentials.bursts.admit(app, key.id)?;
    Ok(Credential::Key(app, key_type))
}

async fn by_token(
    state: &AppState,
    headers: &HeaderMap,
    token: &Unverified<'_>,
) -> Result<Credential, Error> {
    let mut refused = access_token::Invalid::Token;
    for app in token.apps.iter().copied() {
        match by_token_for(state, headers, token, app).await? {
            Ok(user) => {
                state.credentials.bursts.admit(app, user.0)?;
                return Ok(Credential::Token(app, user));
            }
            Err(invalid) => refused = invalid,
        }
    }
    Err(Error::InvalidToken(refused))
}

/// The user of a token, if it proves to be for `app`: by its `sub`, which in an outside issuer's token may
/// be an `external_subject` recorded for the user.
async fn by_token_for(
    state: &AppState,
    headers: &HeaderMap,
    token: &Unverified<'_>,
    id: AppId,
) -> Result<Result<UserId, access_token::Invalid>, Error> {
    let credentials = &state.credentials;
    let app = credentials.app(state, id).await?;
    let user = if token.issuer == credentials.issuer {
        match token.verify(&app.keys, id) {
            Ok(subject) => id::parse(&subject).map(UserId).ok_or(access_token::Invalid::Token),
            Err(invalid) => Err(invalid),
        }
    } else if let Some((_, url)) = app.outside_issuer.as_ref().filter(|(issuer, _)| *issuer == token.issuer) {
        let keys = credentials
            .outside
            .keys(url, token.kid.as_deref())
            .await
            .map_err(|e| Error::Unavailable(Some(e.into())))?;
        match token.verify(&keys, id) {
            Ok(subject) => {
                Ok(users::by_subject(&state.db, id, &subject).await?.ok_or(Error::UserOutOfReach)?)
            }
            Err(invalid) => Err(invalid),
        }
    } else {
        Err(access_token::Invalid::Token)
    };
    if user.is_ok() {
        cors::admit(headers, &state.public_url, &app.origins)?;
    }
    Ok(user)
}
