//! Bursts: how often one key, or one user of access tokens, may call. Counted in this process; quotas of
//! mails are the database's.

use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use uuid::Uuid;

use super::error::Error;
use crate::domain::id::AppId;

/// A bucket per key or user.
pub struct Bursts {
    buckets: DefaultKeyedRateLimiter<(AppId, Uuid)>,
    clock: DefaultClock,
}

impl Bursts {
    /// Buckets of one second's worth.
    #[must_use]
    pub fn new(per_second: NonZeroU32) -> Self {
        Self {
            buckets: DefaultKeyedRateLimiter::keyed(Quota::per_second(per_second)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a call; over the bound it is 429 with the time to wait.
    pub fn admit(&self, app: AppId, who: Uuid) -> Result<(), Error> {
        self.buckets
            .check_key(&(app, who))
            .map_err(|full| Error::TooManyRequests(full.wait_time_from(self.clock.now())))
    }

    /// Drops buckets that are full again.
    pub fn forget_idle(&self) {
        self.buckets.retain_recent();
    }
}
