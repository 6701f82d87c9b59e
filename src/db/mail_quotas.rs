//! Daily (UTC) mail quotas of apps, shared by all processes: each process leases parts of a counter row.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quick_cache::sync::Cache;
use sqlx::query_scalar;

use super::{Error, Pool};
use crate::domain::id::AppId;
use crate::metrics::Limit;

/// Maximum number of cached leases, one per app.
const LEASES: usize = 16_384;
/// Marks that the quota of the day is used up.
const NONE: i64 = -1;

/// Daily mail quotas per app. The count is a row of the database. A process leases a thousandth of the limit at a time,
/// so that calls do not wait for each other at that row. All processes together never exceed the limit, and they reach
/// it except for mails that other processes still hold.
pub struct MailQuotas {
    apps: Cache<AppId, Arc<Lease>>,
    bound: i64,
}

impl MailQuotas {
    /// Sets the limit of mails per app and day.
    #[must_use]
    pub fn new(bound: NonZeroU32) -> Self {
        Self { apps: Cache::new(LEASES), bound: bound.get().into() }
    }

    /// Takes one mail from the quota of the app, or [`Error::MailQuotaExceeded`].
    pub async fn take(&self, db: &Pool, app: AppId) -> Result<QuotaUse, Error> {
        let Ok(lease) = self.apps.get_or_insert_with(&app, || Ok::<_, Infallible>(Arc::default()));
        if let Some(taken) = lease.take() {
            return spending(lease, taken);
        }
        let asking = lease.asking.lock().await;
        loop {
            if let Some(taken) = lease.take() {
                drop(asking);
                return spending(lease, taken);
            }
            // Runs in its own task, so that the lease is not lost if the client disconnects.
            let (db, bound, leasing) = (db.clone(), self.bound, Arc::clone(&lease));
            let leased = tokio::spawn(async move { leasing.extend(&db, app, bound).await }).await;
            leased.map_err(|_| Error::Sql(sqlx::Error::WorkerCrashed))??;
        }
    }

    /// Returns the unused lease of an app, at shutdown.
    pub async fn return_leases(&self, db: &Pool, app: AppId) -> Result<(), Error> {
        let Some(lease) = self.apps.get(&app) else { return Ok(()) };
        let held = std::mem::take(&mut *lease.held.lock());
        if held.mails > 0 && held.until.is_some_and(|until| until > Instant::now()) {
            return_lease(db, app, held.mails).await?;
        }
        Ok(())
    }
}

fn spending(lease: Arc<Lease>, taken: Result<Instant, Duration>) -> Result<QuotaUse, Error> {
    match taken {
        Ok(until) => {
            let taken = Taken { lease, until, spent: AtomicBool::new(false) };
            Ok(QuotaUse(Some(Arc::new(taken))))
        }
        Err(left) => {
            Limit::Mails.count_refusal();
            Err(Error::MailQuotaExceeded(left))
        }
    }
}

/// The mails that this process has leased for an app.
#[derive(Default)]
struct Lease {
    held: Mutex<LeaseState>,
    /// Held while leasing more, so that concurrent callers share one query.
    asking: tokio::sync::Mutex<()>,
}

/// The rest of a lease.
#[derive(Clone, Copy, Default)]
struct LeaseState {
    /// Mails left; negative if the quota of the day is used up.
    mails: i64,
    /// The end of the day by the database's clock.
    until: Option<Instant>,
}

impl Lease {
    /// Leases more mails from the database.
    async fn extend(&self, db: &Pool, app: AppId, bound: i64) -> Result<(), Error> {
        let (mails, left) = lease(db, app, bound).await?;
        let mut held = self.held.lock();
        // Mails returned meanwhile are of the same day. `until` is set once per day and identifies it for returned
        // mails.
        let mails = if mails == 0 && held.mails <= 0 { NONE } else { held.mails.max(0) + mails };
        *held = LeaseState { mails, until: held.until.or_else(|| Some(Instant::now() + left)) };
        Ok(())
    }

    /// Takes one leased mail of this day. `Some(Err)`: the quota is used up, with the time until the day ends.
    fn take(&self) -> Option<Result<Instant, Duration>> {
        let mut held = self.held.lock();
        let until = held.until?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            *held = LeaseState::default();
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

/// One mail of an app's quota. It is returned when the last clone is dropped, unless it is [used](Self::mark_used). The
/// default value is not counted.
#[derive(Clone, Default)]
pub struct QuotaUse(Option<Arc<Taken>>);

struct Taken {
    lease: Arc<Lease>,
    until: Instant,
    spent: AtomicBool,
}

impl QuotaUse {
    /// The mail is or may be sent: from here on it counts even if the caller is dropped.
    pub fn mark_used(&self) {
        self.is_spent(true);
    }

    /// It is certain that no mail was sent.
    pub fn mark_unused(&self) {
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
        let mut held = self.lease.held.lock();
        if !self.spent.load(Relaxed) && held.until == Some(self.until) {
            held.mails = held.mails.max(0) + 1;
        }
    }
}

/// Leases a thousandth of the app's `bound` for this day, or one mail if less is left. Returns the number of mails and
/// the time until the day ends.
async fn lease(db: &Pool, app: AppId, bound: i64) -> Result<(i64, Duration), Error> {
    let part = (bound / 1000).max(1);
    // Close to the limit, mails are leased one at a time, so that the limit is reached.
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

/// Returns mails that were leased this day and not sent.
async fn return_lease(db: &Pool, app: AppId, mails: i64) -> Result<(), Error> {
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

/// Deletes one batch of counts of past days. Returns true if there are more.
pub async fn delete_expired(db: &Pool) -> Result<bool, Error> {
    let done = sqlx::query!(
        "DELETE FROM mail_quotas WHERE (app_id, day) IN (
            SELECT app_id, day FROM mail_quotas WHERE day < (now() AT TIME ZONE 'UTC')::date LIMIT 5000 FOR UPDATE SKIP LOCKED)"
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 5000)
}
