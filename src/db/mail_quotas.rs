//! How many mails an app may send in a day (UTC), over all processes: a row that each leases a part of.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::query_scalar;

use super::{Error, Pool};
use crate::domain::id::AppId;

/// Mails of an app that this process has leased.
#[derive(Default)]
pub struct Lease {
    held: Mutex<Held>,
    /// Held while asking for more, so that one call does for all.
    pub asking: tokio::sync::Mutex<()>,
}

/// What is left of the lease, and when the day of the database ends.
#[derive(Clone, Copy, Default)]
pub struct Held {
    /// How many; fewer than none: there are no more to be had.
    pub mails: i64,
    /// The end of the day.
    pub until: Option<Instant>,
}

impl Lease {
    /// What is held now.
    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of those held, if this day has any; its end if it is known that there are no more.
    pub fn take(&self) -> Option<Result<Instant, Duration>> {
        let mut held = self.held();
        let until = held.until?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            *held = Held::default();
            return None;
        }
        match held.mails {
            0 => None,
            ..0 => Some(Err(left)),
            _ => {
                held.mails -= 1;
                Some(Ok(until))
            }
        }
    }
}

/// A mail of an app's that a call may send: given back once nobody holds it any more, unless it is [spent](Self::spent).
/// The default one counts nowhere.
#[derive(Clone, Default)]
pub struct Spending(Option<Arc<Taken>>);

struct Taken {
    lease: Arc<Lease>,
    until: Instant,
    spent: AtomicBool,
}

impl Spending {
    /// Taken from a lease that ends then.
    #[must_use]
    pub fn new(lease: Arc<Lease>, until: Instant) -> Self {
        Self(Some(Arc::new(Taken { lease, until, spent: AtomicBool::new(false) })))
    }

    /// It is sent, or may be: whoever goes away from here on has spent it.
    pub fn spent(&self) {
        self.is_spent(true);
    }

    /// It is known that no mail was sent.
    pub fn unspent(&self) {
        self.is_spent(false);
    }

    fn is_spent(&self, spent: bool) {
        if let Some(taken) = &self.0 {
            taken.spent.store(spent, Relaxed);
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut held = self.lease.held();
        if !self.spent.load(Relaxed) && held.until == Some(self.until) {
            held.mails = held.mails.max(0) + 1;
        }
    }
}

/// Leases a thousandth of the app's `bound` for this day, or what is left if that is less than it; how many, and
/// for how long the day lasts.
pub async fn lease(db: &Pool, app: AppId, bound: i64) -> Result<(i64, Duration), Error> {
    let part = (bound / 1000).max(1);
    // Towards the end one at a time, so that the bound is reached.
    for mails in [part, 1] {
        let left = query_scalar!(
            r#"
            INSERT INTO mail_quotas (app_id, day, used) VALUES ($1, (now() AT TIME ZONE 'UTC')::date, $2)
            ON CONFLICT (app_id, day) DO UPDATE SET used = mail_quotas.used + EXCLUDED.used
            WHERE mail_quotas.used + EXCLUDED.used <= $3
            RETURNING extract(epoch FROM (day + 1)::timestamp - now() AT TIME ZONE 'UTC')::float8 AS "left!"
            "#,
            app.0,
            mails,
            bound,
        )
        .fetch_optional(db)
        .await?;
        if let Some(left) = left {
            return Ok((mails, Duration::try_from_secs_f64(left).unwrap_or_default()));
        }
    }
    let left = query_scalar!(
        r#"
        SELECT extract(epoch FROM date_trunc('day', t + interval '1 day') - t)::float8 AS "left!"
        FROM (SELECT now() AT TIME ZONE 'UTC' AS t) n
        "#
    )
    .fetch_one(db)
    .await?;
    Ok((0, Duration::try_from_secs_f64(left).unwrap_or_default()))
}

/// Gives back what was leased this day and not sent.
pub async fn give_back(db: &Pool, app: AppId, mails: i64) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE mail_quotas SET used = GREATEST(used - $2, 0)
        WHERE app_id = $1 AND day = (now() AT TIME ZONE 'UTC')::date",
        app.0,
        mails,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes counts of days that are over, some at a time. True: there are more.
pub async fn forget(db: &Pool) -> Result<bool, Error> {
    let done = sqlx::query!(
        "DELETE FROM mail_quotas WHERE (app_id, day) IN (
            SELECT app_id, day FROM mail_quotas WHERE day < (now() AT TIME ZONE 'UTC')::date LIMIT 5000 FOR UPDATE SKIP LOCKED)"
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 5000)
}
