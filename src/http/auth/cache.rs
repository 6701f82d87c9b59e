//! Cache of API keys, apps and verified tokens, in front of the database. API keys and apps are cached for one second,
//! so that a revoked key stops working within that second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::jwks::Jwks;
use crate::config::Config;
use crate::db::{self, Pool, api_keys, apps};
use crate::domain::credentials::access_token::PublicKey;
use crate::domain::id::{AppId, UserId};
use crate::http::context::RequestContext;
use crate::http::error::Error;
use crate::http::limits::Limits;
use crate::metrics;

/// How long a credential is cached.
const CACHE_TTL: Duration = Duration::from_secs(1);
/// Age at which one request refreshes an entry, while others still use it.
const REFRESH_AFTER: Duration = Duration::from_millis(750);
/// Entries of each cache; the least used are evicted.
const CAPACITY: usize = 16_384;
/// Entries of the cache of unknown keys and apps.
const UNKNOWN_CAPACITY: usize = 1024;

/// `iss`, and the URL of the keys.
pub(crate) type OutsideIssuer = (String, String);

/// The settings of an app that its tokens are checked against.
pub(crate) struct App {
    pub(crate) keys: Vec<PublicKey>,
    pub(crate) origins: Vec<String>,
    pub(crate) outside_issuer: Option<OutsideIssuer>,
}

/// A verified token of an app's own key pair: its signature and claims were valid. Each request still checks that the
/// key is in use, that the token has not expired and that the user may act.
pub(crate) struct ProvenKey {
    pub(crate) app: AppId,
    pub(crate) user: UserId,
    pub(crate) key: Option<String>,
    pub(crate) expires: f64,
}

/// A value from the database, and when it was read.
struct Cached<T> {
    at: Instant,
    value: T,
    asked_again: AtomicBool,
}

impl<T> Cached<T> {
    fn new(at: Instant, value: T) -> Arc<Self> {
        Arc::new(Self { at, value, asked_again: AtomicBool::new(false) })
    }

    /// Whether the entry may be used. From [`REFRESH_AFTER`] on, one caller gets false and refreshes it.
    fn is_fresh(&self) -> bool {
        match self.at.elapsed() {
            age if age < REFRESH_AFTER => true,
            age => age < CACHE_TTL && self.asked_again.swap(true, Relaxed),
        }
    }
}

/// Caches of API keys, apps and tokens.
pub struct Credentials {
    keys: Cache<(AppId, Uuid), Arc<Cached<api_keys::LiveKey>>>,
    apps: Cache<AppId, Arc<Cached<Arc<App>>>>,
    /// Keys and apps that do not exist.
    none: Cache<(AppId, Option<Uuid>), Instant>,
    /// Verified tokens by their SHA-256.
    pub(crate) tokens: Cache<[u8; 32], Arc<ProvenKey>>,
    pub(crate) outside: Jwks,
    pub(crate) issuer: String,
}

impl Credentials {
    /// Empty caches.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            keys: Cache::new(CAPACITY),
            apps: Cache::new(CAPACITY),
            none: Cache::new(UNKNOWN_CAPACITY),
            tokens: Cache::new(CAPACITY),
            outside: Jwks::new(config.server.ca_file.clone()),
            issuer: config.issuer(),
        }
    }

    fn is_unknown(&self, app: AppId, key: Option<Uuid>) -> bool {
        self.none.get(&(app, key)).is_some_and(|at| at.elapsed() < CACHE_TTL)
    }

    pub(crate) async fn key(
        &self,
        call: &Call<'_>,
        app: AppId,
        id: Uuid,
    ) -> Result<Option<api_keys::LiveKey>, Error> {
        let known = self.keys.get(&(app, id));
        if let Some(cached) = known.as_ref().filter(|cached| cached.is_fresh()) {
            metrics::count_cache(metrics::Cache::ApiKey, true);
            return Ok(Some(cached.value.clone()));
        }
        let none = self.is_unknown(app, Some(id));
        metrics::count_cache(metrics::Cache::ApiKey, none);
        if none {
            return Ok(None);
        }
        let at = Instant::now();
        let key = call.look_up(known.is_some().then_some(app), api_keys::find(call.pool, app, id)).await?;
        if let Some(key) = &key {
            self.keys.insert((app, id), Cached::new(at, key.clone()));
        } else {
            self.keys.remove(&(app, id));
            self.none.insert((app, Some(id)), at);
        }
        Ok(key)
    }

    pub(crate) async fn app(&self, call: &Call<'_>, app: AppId) -> Result<Option<Arc<App>>, Error> {
        let known = self.apps.get(&app);
        if let Some(cached) = known.as_ref().filter(|cached| cached.is_fresh()) {
            metrics::count_cache(metrics::Cache::App, true);
            return Ok(Some(Arc::clone(&cached.value)));
        }
        let none = self.is_unknown(app, None);
        metrics::count_cache(metrics::Cache::App, none);
        if none {
            return Ok(None);
        }
        let at = Instant::now();
        let db = call.pool;
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
            self.apps.insert(app, Cached::new(at, Arc::clone(found)));
        } else {
            self.apps.remove(&app);
            self.none.insert((app, None), at);
        }
        Ok(found)
    }
}

/// A request whose credentials are checked.
pub(crate) struct Call<'a> {
    pub(crate) pool: &'a Pool,
    pub(crate) limits: &'a Limits,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) context: Arc<RequestContext>,
}

impl Call<'_> {
    /// Looks up something of an app; `known` is the app if an earlier look-up found it.
    async fn look_up<T>(
        &self,
        known: Option<AppId>,
        look: impl Future<Output = Result<Option<T>, db::Error>>,
    ) -> Result<Option<T>, Error> {
        if let Some(app) = known {
            self.context.set_app(app);
        }
        self.context.look_up(self.limits, self.headers, known.is_some(), look).await
    }

    /// Counts a request against the rate limit of an authenticated caller.
    pub(crate) fn check_rate(&self, app: AppId, who: Uuid) -> Result<(), Error> {
        let rate_limit = self.limits.callers.take(&(app, who)).map_err(Error::TooManyRequests)?;
        self.context.set_rate_limit(rate_limit);
        Ok(())
    }
}
