//! Who calls. The headers present choose the kind of credential; the other kind is never tried after it.
//! What a credential opens is looked up once a second at most, so a revoked key is dead on every replica
//! within that second. When the store cannot be asked the answer is 503, never 401. What was made up is remembered
//! apart from what is real, and looked up no more often than its address may fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::error::Error;
use super::jwks::Jwks;
use super::presented::{Presented, presented};
use super::visit::Visit;
use super::{AppState, cors};
use crate::audit;
use crate::config::Config;
use crate::db::{self, api_keys, apps, users};
use crate::domain::access_token::{self, PublicKey, Unverified, Verified};
use crate::domain::api_key::{ApiKey, KeyType, sha256};
use crate::domain::id::{self, AppId, UserId};
use crate::metrics::{self, Cache as Cached};

/// How long what the store said of a credential is believed.
const FRESH: Duration = Duration::from_secs(1);
/// From when on one call asks again, while the others still believe.
const AGEING: Duration = Duration::from_millis(750);
/// Entries of each cache; the least used make room.
const CACHED: usize = 16_384;
/// What is known not to be there.
const NOT_THERE: usize = 1024;

/// `iss` and the address of the keys.
type OutsideIssuer = (String, String);

/// What tokens of an app are judged by.
struct App {
    keys: Vec<PublicKey>,
    origins: Vec<String>,
    outside_issuer: Option<OutsideIssuer>,
}

/// A token of an app's own key pair whose signature and claims were good. That its key still verifies, its time
/// is not over and its user may act is looked at each time.
struct Proven {
    app: AppId,
    user: UserId,
    key: Option<String>,
    expires: f64,
}

/// What the store said, and when.
struct Said<T> {
    at: Instant,
    what: T,
    asked_again: AtomicBool,
}

impl<T> Said<T> {
    fn new(at: Instant, what: T) -> Arc<Self> {
        Arc::new(Self { at, what, asked_again: AtomicBool::new(false) })
    }

    /// Whether it is believed. Of those who see it age, one is told to ask again.
    fn is_believed(&self) -> bool {
        match self.at.elapsed() {
            age if age < AGEING => true,
            age => age < FRESH && self.asked_again.swap(true, Relaxed),
        }
    }
}

/// What the store said lately of keys and apps.
pub struct Credentials {
    keys: Cache<(AppId, Uuid), Arc<Said<api_keys::LiveKey>>>,
    apps: Cache<AppId, Arc<Said<Arc<App>>>>,
    /// Keys, and apps, that there are none of.
    none: Cache<(AppId, Option<Uuid>), Instant>,
    /// By their SHA-256.
    tokens: Cache<[u8; 32], Arc<Proven>>,
    outside: Jwks,
    issuer: String,
}

impl Credentials {
    /// Nothing known yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            keys: Cache::new(CACHED),
            apps: Cache::new(CACHED),
            none: Cache::new(NOT_THERE),
            tokens: Cache::new(CACHED),
            outside: Jwks::new(config.server.ca_file.clone()),
            issuer: config.issuer(),
        }
    }

    fn is_none(&self, app: AppId, key: Option<Uuid>) -> bool {
        self.none.get(&(app, key)).is_some_and(|at| at.elapsed() < FRESH)
    }

    async fn key(&self, call: &Call<'_>, app: AppId, id: Uuid) -> Result<Option<api_keys::LiveKey>, Error> {
        let known = self.keys.get(&(app, id));
        if let Some(said) = known.as_ref().filter(|said| said.is_believed()) {
            metrics::looked_up(Cached::ApiKey, true);
            return Ok(Some(said.what.clone()));
        }
        let none = self.is_none(app, Some(id));
        metrics::looked_up(Cached::ApiKey, none);
        if none {
            return Ok(None);
        }
        let at = Instant::now();
        let key =
            call.look_up(known.is_some().then_some(app), api_keys::find(&call.state.db, app, id)).await?;
        if let Some(key) = &key {
            self.keys.insert((app, id), Said::new(at, key.clone()));
        } else {
            self.keys.remove(&(app, id));
            self.none.insert((app, Some(id)), at);
        }
        Ok(key)
    }

    async fn app(&self, call: &Call<'_>, app: AppId) -> Result<Option<Arc<App>>, Error> {
        let known = self.apps.get(&app);
        if let Some(said) = known.as_ref().filter(|said| said.is_believed()) {
            metrics::looked_up(Cached::App, true);
            return Ok(Some(Arc::clone(&said.what)));
        }
        let none = self.is_none(app, None);
        metrics::looked_up(Cached::App, none);
        if none {
            return Ok(None);
        }
        let at = Instant::now();
        let db = &call.state.db;
        let find = async {
            let Some(settings) = apps::find(db, app).await? else { return Ok(None) };
            let keys = apps::public_keys(db, app).await?;
            Ok(Some(App {
                keys: keys.iter().map(|(id, spki)| PublicKey::new(*id, spki)).collect(),
                origins: settings.origins,
                outside_issuer: settings.issuer.zip(settings.jwks_url),
            }))
        };
        let found = call.look_up(known.is_some().then_some(app), find).await?.map(Arc::new);
        if let Some(found) = &found {
            self.apps.insert(app, Said::new(at, Arc::clone(found)));
        } else {
            self.apps.remove(&app);
            self.none.insert((app, None), at);
        }
        Ok(found)
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

/// A call whose credentials are looked at.
struct Call<'a> {
    state: &'a AppState,
    headers: &'a HeaderMap,
    visit: Arc<Visit>,
}

impl Call<'_> {
    /// Looks up what is of an app, if it is `known` to have been there lately.
    async fn look_up<T>(
        &self,
        known: Option<AppId>,
        look: impl Future<Output = Result<Option<T>, db::Error>>,
    ) -> Result<Option<T>, Error> {
        if let Some(app) = known {
            self.visit.belongs_to(app);
        }
        self.visit.look_up(self.state, self.headers, known.is_some(), look).await
    }

    /// Counts a call of a proven caller.
    fn admit(&self, app: AppId, who: Uuid) -> Result<(), Error> {
        let told = self.state.limits.callers.take(&(app, who)).map_err(Error::TooManyRequests)?;
        self.visit.tell(told);
        Ok(())
    }
}

/// Who calls. They have a turn at the store then.
async fn authenticate(parts: &Parts, state: &AppState) -> Result<Credential, Error> {
    let call = Call { state, headers: &parts.headers, visit: Visit::of(&parts.extensions) };
    let proven = prove(&call).await;
    if let Err(error) = &proven
        && error.status().0 == StatusCode::UNAUTHORIZED
    {
        call.visit.charge(state, &parts.headers)?;
    }
    let credential = proven?;
    let (Credential::Key(app, _) | Credential::Token(app, _)) = &credential;
    call.visit.belongs_to(*app);
    call.visit.enter(state).await?;
    Ok(credential)
}

async fn prove(call: &Call<'_>) -> Result<Credential, Error> {
    let headers = call.headers;
    match presented(headers)? {
        Presented::Token(token) => by_token(call, token).await,
        Presented::Key { app, key_type, key } => {
            let credential = by_key(call, app, key_type, &key).await?;
            if headers.contains_key("Origin") && !cors::is_docs_of_a_trial(call.state, headers) {
                return Err(Error::ApiKeyFromBrowser);
            }
            Ok(credential)
        }
    }
}

async fn by_key(call: &Call<'_>, app: AppId, key_type: KeyType, key: &ApiKey) -> Result<Credential, Error> {
    audit::note(|facts| (facts.app, facts.key) = (Some(app), Some(key.id)));
    let live = call.state.credentials.key(call, app, key.id).await?.ok_or(Error::InvalidApiKey)?;
    verify_slices_are_equal(&live.hash, &key.hash()).map_err(|_| Error::InvalidApiKey)?;
    if live.key_type != key_type {
        return Err(Error::InvalidApiKey);
    }
    audit::note(|facts| facts.authenticated = true);
    call.admit(app, key.id)?;
    Ok(Credential::Key(app, key_type))
}

async fn by_token(call: &Call<'_>, text: &str) -> Result<Credential, Error> {
    let credentials = &call.state.credentials;
    let digest = sha256(text.as_bytes());
    let proven = credentials.tokens.get(&digest).filter(|proven| proven.expires > seconds());
    metrics::looked_up(Cached::Token, proven.is_some());
    if let Some(Proven { app: id, user, key, .. }) = proven.as_deref() {
        audit::note(|facts| facts.app = Some(*id));
        if let Some(app) = credentials.app(call, *id).await?
            && app.keys.iter().any(|known| known.is(key.as_deref()))
        {
            return welcome(call, &app, *id, *user);
        }
    }
    let token = Unverified::parse(text).map_err(Error::InvalidToken)?;
    let mut refused = access_token::Invalid::Token;
    for id in token.apps.iter().copied() {
        match by_token_for(call, &token, id, digest).await? {
            Ok((app, user)) => return welcome(call, &app, id, user),
            Err(invalid) => refused = invalid,
        }
    }
    Err(Error::InvalidToken(refused))
}

/// A user whose token is good, if the page that calls for them may.
fn welcome(call: &Call<'_>, app: &App, id: AppId, user: UserId) -> Result<Credential, Error> {
    audit::note(|facts| (facts.user, facts.authenticated) = (Some(user.0), true));
    cors::admit(call.headers, &call.state.public_url, &app.origins)?;
    call.admit(id, user.0)?;
    Ok(Credential::Token(id, user))
}

/// Since 1970.
fn seconds() -> f64 {
    crate::clock::now().as_duration().as_secs_f64()
}

/// The user of a token, if it proves to be for `app`: by its `sub`, which in an outside issuer's token may
/// be an `external_subject` recorded for the user.
async fn by_token_for(
    call: &Call<'_>,
    token: &Unverified<'_>,
    id: AppId,
    digest: [u8; 32],
) -> Result<Result<(Arc<App>, UserId), access_token::Invalid>, Error> {
    audit::note(|facts| facts.app = Some(id));
    let state = call.state;
    let credentials = &state.credentials;
    let Some(app) = credentials.app(call, id).await? else {
        return Ok(Err(access_token::Invalid::Token));
    };
    let user = if token.issuer == credentials.issuer {
        match token.verify(&app.keys, id) {
            Ok(Verified { subject, key, expires }) => match id::parse(&subject).map(UserId) {
                Some(user) => {
                    credentials.tokens.insert(digest, Arc::new(Proven { app: id, user, key, expires }));
                    Ok(user)
                }
                None => Err(access_token::Invalid::Token),
            },
            Err(invalid) => Err(invalid),
        }
    } else if let Some((_, url)) = app.outside_issuer.as_ref().filter(|(issuer, _)| *issuer == token.issuer) {
        // An issuer that is slow to answer keeps nobody from the store.
        call.visit.leave();
        let keys = credentials
            .outside
            .keys(url, token.kid.as_deref())
            .await
            .map_err(|e| Error::Unavailable(Some(e.into())))?;
        match token.verify(&keys, id) {
            Ok(Verified { subject, .. }) => {
                call.visit.enter(state).await?;
                Ok(users::by_subject(&state.db, id, &subject).await?.ok_or(Error::UserOutOfReach)?)
            }
            Err(invalid) => Err(invalid),
        }
    } else {
        Err(access_token::Invalid::Token)
    };
    Ok(user.map(|user| (app, user)))
}
