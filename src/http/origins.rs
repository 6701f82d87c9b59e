//! Cache of the origins that apps list for CORS.

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue};
use quick_cache::sync::Cache;

use super::context::RequestContext;
use super::limits::Limits;
use crate::db::{Pool, apps};
use crate::metrics;

/// Longest origin that is looked up: a host name has at most 253 bytes.
const MAX_ORIGIN_LENGTH: usize = 300;
/// How long a result is cached.
const CACHE_TTL: Duration = Duration::from_secs(1);

pub struct Origins {
    known: Cache<HeaderValue, Instant>,
    unknown: Cache<HeaderValue, Instant>,
}

impl Default for Origins {
    fn default() -> Self {
        Self { known: Cache::new(1024), unknown: Cache::new(1024) }
    }
}

impl Origins {
    /// Whether any app lists the origin of a request. If the database is unavailable or the client is rate-limited,
    /// the last known result is used. Unknown origins stay blocked.
    pub async fn is_listed(
        &self,
        pool: &Pool,
        limits: &Limits,
        context: &RequestContext,
        headers: &HeaderMap,
        origin: &HeaderValue,
    ) -> bool {
        let fresh = |at: Instant| at.elapsed() < CACHE_TTL;
        let was = self.known.get(origin);
        if was.is_some_and(fresh) {
            metrics::count_cache(metrics::Cache::Origin, true);
            return true;
        }
        let Ok(text) = origin.to_str() else { return false };
        if text.len() > MAX_ORIGIN_LENGTH {
            return false;
        }
        let unknown = self.unknown.get(origin).is_some_and(fresh);
        metrics::count_cache(metrics::Cache::Origin, unknown);
        if unknown {
            return false;
        }
        let at = Instant::now();
        let look = async { Ok(apps::has_origin(pool, text).await?.then_some(())) };
        match context.look_up(limits, headers, was.is_some(), look).await {
            Ok(Some(())) => self.known.insert(origin.clone(), at),
            Ok(None) => {
                self.known.remove(origin);
                self.unknown.insert(origin.clone(), at);
                return false;
            }
            Err(_) => return was.is_some(),
        }
        true
    }
}
