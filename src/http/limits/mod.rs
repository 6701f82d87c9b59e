//! Rate limits and quotas. Request rates of authenticated callers and of unauthenticated addresses are counted in this
//! process, in bounded memory. Mail quotas are kept in the database and hold for all processes. The remaining quota is
//! reported in `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).

pub mod body_budget;
pub mod load_shed;

use std::convert::Infallible;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use axum::http::HeaderValue;
use quick_cache::sync::Cache;
use uuid::Uuid;

use super::error::Error;
use super::limits::body_budget::BodyBudget;
use super::limits::load_shed::{ConcurrencyLimit, REQUESTS_PER_CONNECTION};
use crate::config;
use crate::domain::id::AppId;
use crate::domain::network::{Networks, Source};
use crate::metrics::Limit;

/// Most buckets kept at the same time. An evicted key starts again with a full bucket.
const MAX_BUCKETS: usize = 65_536;
/// The limit of a site, as a multiple of the limit of one address.
const ADDRESSES_PER_SITE: NonZeroU32 = NonZeroU32::new(10).unwrap();

#[derive(Clone)]
pub struct RateLimitHeaders {
    /// `RateLimit-Policy`
    pub policy: HeaderValue,
    /// `RateLimit`
    pub left: HeaderValue,
}

/// A limit and its `RateLimit-Policy` header.
struct Policy {
    limit: Limit,
    header: HeaderValue,
}

impl Policy {
    fn new(limit: Limit, quota: u64, window: u64) -> Self {
        Self { limit, header: value(format!("\"{}\";q={quota};w={window}", limit.name())) }
    }

    /// The `RateLimit` header: requests left, and seconds until the quota is full again.
    fn left(&self, left: u64, reset: u64) -> HeaderValue {
        value(format!("\"{}\";r={left};t={reset}", self.limit.name()))
    }

    fn headers(&self, left: HeaderValue) -> RateLimitHeaders {
        RateLimitHeaders { policy: self.header.clone(), left }
    }
}

fn value(text: String) -> HeaderValue {
    #[expect(clippy::expect_used, reason = "names and numbers are a header value")]
    HeaderValue::try_from(text).expect("a structured field")
}

pub struct Limits {
    /// Limits requests at work at the database, and queues the rest.
    pub concurrency: ConcurrencyLimit,
    /// Limits the memory of request bodies.
    pub bodies: BodyBudget,
    /// Rate limit of authenticated callers.
    pub callers: TokenBuckets<(AppId, Uuid)>,
    /// Rate limit of requests without valid credentials.
    pub unauthenticated: UnauthenticatedLimit,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Networks,
    mails: Policy,
    referrals: Policy,
}

impl Limits {
    /// The limits of the settings, for `connections` connections to the database.
    #[must_use]
    pub fn new(limits: &config::Limits, trusted_proxies: Networks, connections: u32) -> Self {
        let referrals = u64::try_from(limits.referrals_per_user_per_day).unwrap_or(0);
        Self {
            concurrency: ConcurrencyLimit::new(connections.saturating_mul(REQUESTS_PER_CONNECTION)),
            bodies: BodyBudget::default(),
            callers: TokenBuckets::new(Limit::Caller, limits.requests_per_key_per_second),
            unauthenticated: UnauthenticatedLimit::new(limits.failures_per_address_per_second),
            trusted_proxies,
            mails: Policy::new(Limit::Mails, limits.mails_per_app_per_day.get().into(), 86_400),
            referrals: Policy::new(Limit::Referrals, referrals, 86_400),
        }
    }

    /// The rate-limit headers of the limit that refuses with `error`.
    #[must_use]
    pub fn headers_for(&self, error: &Error) -> Option<RateLimitHeaders> {
        let policy = match error {
            Error::TooManyRequests(_) => &self.callers.policy,
            Error::TooManyFailures(_) => &self.unauthenticated.sources.policy,
            Error::ReferralQuotaExceeded => &self.referrals,
            Error::MailQuotaExceeded(_) => &self.mails,
            _ => return None,
        };
        Some(policy.headers(policy.left(0, error.retry_after()?)))
    }
}

/// Rate limit of unauthenticated requests: per address, and ten times as much for each site that contains the address.
pub struct UnauthenticatedLimit {
    sources: TokenBuckets<Source>,
    sites: TokenBuckets<Source>,
}

impl UnauthenticatedLimit {
    fn new(per_second: NonZeroU32) -> Self {
        let of_site = per_second.saturating_mul(ADDRESSES_PER_SITE);
        Self {
            sources: TokenBuckets::new(Limit::Address, per_second),
            sites: TokenBuckets::new(Limit::Address, of_site),
        }
    }

    /// Takes one token. If none is left, the error is the time until the next one.
    pub fn take(&self, source: &Source) -> Result<(), Duration> {
        self.sources.take(source)?;
        for (at, site) in source.sites().enumerate() {
            if let Err(wait) = self.sites.take(&site) {
                source.sites().take(at).for_each(|taken| self.sites.refund(&taken));
                self.sources.refund(source);
                return Err(wait);
            }
        }
        Ok(())
    }

    /// Gives one token back.
    pub fn refund(&self, source: &Source) {
        self.sources.refund(source);
        source.sites().for_each(|site| self.sites.refund(&site));
    }
}

/// Token buckets that hold one second of requests and refill evenly (GCRA: each stores the time at which it is full).
pub struct TokenBuckets<K> {
    full_at: Cache<K, Arc<AtomicU64>>,
    begun: Instant,
    each: u64,
    capacity: u64,
    policy: Policy,
    /// The `RateLimit` headers in tenths of the quota, rounded down. They are made once; successive requests share
    /// them.
    left: Vec<HeaderValue>,
    tenth: u64,
}

impl<K: Hash + Eq + Clone> TokenBuckets<K> {
    #[must_use]
    pub fn new(limit: Limit, per_second: NonZeroU32) -> Self {
        let quota = u64::from(per_second.get());
        let (each, tenth) = ((1_000_000_000 / quota).max(1), (quota / 10).max(1));
        let policy = Policy::new(limit, quota, 1);
        Self {
            full_at: Cache::new(MAX_BUCKETS),
            begun: Instant::now(),
            each,
            capacity: each * quota,
            left: (0..=quota / tenth).map(|tenths| policy.left(tenths * tenth, 1)).collect(),
            tenth,
            policy,
        }
    }

    /// Takes one token. If none is left, the error is the time until the next one.
    pub fn take(&self, who: &K) -> Result<RateLimitHeaders, Duration> {
        let Ok(full_at) = self.full_at.get_or_insert_with(who, || Ok::<_, Infallible>(Arc::default()));
        let now = self.now();
        let after = |full_at: u64| full_at.max(now) + self.each;
        let room = now + self.capacity;
        match full_at.fetch_update(Relaxed, Relaxed, |full_at| Some(after(full_at)).filter(|at| *at <= room))
        {
            Ok(full_at) => {
                let tenths = (room - after(full_at)) / self.each / self.tenth;
                let left = self.left.get(usize::try_from(tenths).unwrap_or(0)).or(self.left.last());
                Ok(self.policy.headers(left.cloned().unwrap_or_else(|| self.policy.left(0, 1))))
            }
            Err(full_at) => {
                self.policy.limit.count_refusal();
                Err(Duration::from_nanos(after(full_at) - room))
            }
        }
    }

    /// Gives one token back.
    pub fn refund(&self, who: &K) {
        if let Some(full_at) = self.full_at.get(who) {
            let full = |at: u64| Some(at.saturating_sub(self.each));
            // The closure always returns `Some`, so this cannot fail.
            let _ = full_at.fetch_update(Relaxed, Relaxed, full);
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(left: &RateLimitHeaders) -> (&str, &str) {
        (left.policy.to_str().unwrap(), left.left.to_str().unwrap())
    }

    #[test]
    fn burst_capacity_is_one_second_per_key() {
        // So slow that nothing refills while the test runs.
        let mut buckets = TokenBuckets::new(Limit::Address, NonZeroU32::new(3).unwrap());
        buckets.each *= 1_000_000;
        buckets.capacity *= 1_000_000;
        for left in ["\"address\";r=2;t=1", "\"address\";r=1;t=1", "\"address\";r=0;t=1"] {
            assert_eq!(second(&buckets.take(&1).unwrap()), ("\"address\";q=3;w=1", left));
        }
        assert!(buckets.take(&1).is_err());
        buckets.refund(&1);
        assert!(buckets.take(&1).is_ok());
        assert!(buckets.take(&1).is_err());
        assert!(buckets.take(&2).is_ok(), "another's");
    }

    #[test]
    fn token_bucket_refills_evenly() {
        let buckets = TokenBuckets::new(Limit::Caller, NonZeroU32::new(1).unwrap());
        assert!(buckets.take(&1).is_ok());
        let wait = buckets.take(&1).map(drop).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        buckets.full_at.get(&1).unwrap().store(buckets.now(), Relaxed);
        assert!(buckets.take(&1).is_ok());
    }

    #[test]
    fn remaining_requests_are_rounded_down_to_tenths_of_the_quota() {
        let mut buckets = TokenBuckets::new(Limit::Caller, NonZeroU32::new(1000).unwrap());
        buckets.each *= 1_000_000;
        buckets.capacity *= 1_000_000;
        let headers: Vec<String> =
            (0..1000).map(|_| second(&buckets.take(&1).unwrap()).1.to_owned()).collect();
        assert_eq!(headers[0], "\"caller\";r=900;t=1");
        assert_eq!(
            (headers[99].as_str(), headers[100].as_str()),
            ("\"caller\";r=900;t=1", "\"caller\";r=800;t=1")
        );
        assert_eq!(headers[999], "\"caller\";r=0;t=1");
        assert!(buckets.take(&1).is_err());
    }

    #[test]
    fn ipv6_site_has_ten_times_the_limit_of_one_address() {
        // So slow that nothing refills while the test runs.
        let mut unauthenticated = UnauthenticatedLimit::new(NonZeroU32::new(1).unwrap());
        for buckets in [&mut unauthenticated.sources, &mut unauthenticated.sites] {
            buckets.each *= 1_000_000;
            buckets.capacity *= 1_000_000;
        }
        let source = |text: String| Source::from(text.parse::<std::net::IpAddr>().unwrap());
        // Ten requests of the first /56 exhaust it; the /48 is exhausted as well.
        for number in 0..10 {
            assert!(unauthenticated.take(&source(format!("2001:db8:0:{number:x}::"))).is_ok(), "{number}");
        }
        let more = source("2001:db8:0:a::".to_owned());
        assert!(unauthenticated.take(&more).is_err());
        assert!(unauthenticated.take(&source("2001:db8:0:100::".to_owned())).is_err());
        assert!(unauthenticated.take(&source("2001:db8:1::".to_owned())).is_ok());
        // A refunded token is available to another address of the site. A refused request has taken no token.
        unauthenticated.refund(&source("2001:db8:0:3::".to_owned()));
        assert!(unauthenticated.take(&more).is_ok());
    }

    #[test]
    fn maximum_rate_admits_a_request() {
        let buckets = TokenBuckets::new(Limit::Caller, NonZeroU32::MAX);
        assert!(buckets.take(&1).is_ok());
    }

    #[test]
    fn number_of_buckets_is_bounded() {
        let buckets = TokenBuckets::new(Limit::Address, NonZeroU32::new(1).unwrap());
        for who in 0..4 * MAX_BUCKETS {
            let _ = buckets.take(&who);
        }
        assert!(buckets.full_at.len() <= MAX_BUCKETS);
    }
}
