//! How many mails an app may send in a day (UTC), over all processes: a row that each leases a part of.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use sqlx::query_scalar;

use super::{Error, Pool};
use crate::domain::id::AppId;
use crate::metrics::Limit;

/// Leases of apps that are held at the same time.
const LEASES: usize = 16_384;
/// No more to be had today.
const NONE: i64 = -1;

/// Mails of each app in a day. The count is a row of the database, of which this process leases a thousandth of
/// the bound at a time, so that calls do not wait for each other at that row: the bound is never
/// crossed over all processes, and reached but for what others still hold.
pub struct MailQuotas {
    apps: Cache<AppId, Arc<Lease>>,
    bound: i64,
}

/// Why there is no mail.
#[derive(Debug)]
pub enum QuotaError {
    /// The app's mails of today are used up; how long the day lasts.
    QuotaExceeded(Duration),
    /// The database could not be asked.
    Database(Error),
}

impl From<Error> for QuotaError {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl MailQuotas {
    /// An app may send `bound` mails in a day.
    #[must_use]
    pub fn new(bound: NonZeroU32) -> Self {
        Self { apps: Cache::new(LEASES), bound: bound.get().into() }
    }

    /// Takes one mail of the app's.
    pub async fn take(&self, db: &Pool, app: AppId) -> Result<QuotaUse, QuotaError> {
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
            // In a task of its own, so that what was leased is not lost where the caller hangs up.
            let (db, bound, leasing) = (db.clone(), self.bound, Arc::clone(&lease));
            let leased = tokio::spawn(async move { leasing.extend(&db, app, bound).await }).await;
            leased.map_err(|_| Error::Sql(sqlx::Error::WorkerCrashed))??;
        }
    }

    /// Takes as many as there are, `most` at most.
    pub async fn take_up_to(&self, db: &Pool, app: AppId, most: usize) -> Result<Vec<QuotaUse>, Error> {
        let mut taken = Vec::with_capacity(most);
        while taken.len() < most {
            match self.take(db, app).await {
                Ok(mail) => taken.push(mail),
                Err(QuotaError::QuotaExceeded(_)) => break,
                Err(QuotaError::Database(error)) => return Err(error),
            }
        }
        Ok(taken)
    }

    /// Gives back what this process holds of the app's, since it ends.
    pub async fn return_leases(&self, db: &Pool, app: AppId) -> Result<(), Error> {
        let Some(lease) = self.apps.get(&app) else { return Ok(()) };
        let held = std::mem::take(&mut *lease.held());
        if held.mails > 0 && held.until.is_some_and(|until| until > Instant::now()) {
            return_lease(db, app, held.mails).await?;
        }
        Ok(())
    }
}

fn spending(lease: Arc<Lease>, taken: Result<Instant, Duration>) -> Result<QuotaUse, QuotaError> {
    match taken {
        Ok(until) => {
            let taken = Taken { lease, until, spent: AtomicBool::new(false) };
            Ok(QuotaUse(Some(Arc::new(taken))))
        }
        Err(left) => {
            Limit::Mails.count_refusal();
            Err(QuotaError::QuotaExceeded(left))
        }
    }
}

/// Mails of an app that this process has leased.
#[derive(Default)]
struct Lease {
    held: Mutex<LeaseState>,
    /// Held while asking for more, so that one call does for all.
    asking: tokio::sync::Mutex<()>,
}

/// What is left of the lease, and when the day of the database ends.
#[derive(Clone, Copy, Default)]
struct LeaseState {
    /// How many; fewer than none: there are no more to be had.
    mails: i64,
    /// The end of the day.
    until: Option<Instant>,
}

impl Lease {
    /// What is held now.
    fn held(&self) -> MutexGuard<'_, LeaseState> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leases more.
    async fn extend(&self, db: &Pool, app: AppId, bound: i64) -> Result<(), Error> {
        let (mails, left) = lease(db, app, bound).await?;
        let mut held = self.held();
        // What was given back meanwhile is of the same day, which ends once: by it a mail is known that comes back.
        let mails = if mails == 0 && held.mails <= 0 { NONE } else { held.mails.max(0) + mails };
        *held = LeaseState { mails, until: held.until.or_else(|| Some(Instant::now() + left)) };
        Ok(())
    }

    /// One of those held, if this day has any; its end if it is known that there are no more.
    fn take(&self) -> Option<Result<Instant, Duration>> {
        let mut held = self.held();
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

/// A mail of an app's that a call may send: given back once nobody holds it any more, unless it is [spent](Self::spent).
/// The default one counts nowhere.
#[derive(Clone, Default)]
pub struct QuotaUse(Option<Arc<Taken>>);

struct Taken {
    lease: Arc<Lease>,
    until: Instant,
    spent: AtomicBool,
}

impl QuotaUse {
    /// It is sent, or may be: whoever goes away from here on has spent it.
    pub fn mark_used(&self) {
        self.is_spent(true);
    }

    /// It is known that no mail was sent.
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
        let mut held = self.lease.held();
        if !self.spent.load(Relaxed) && held.until == Some(self.until) {
            held.mails = held.mails.max(0) + 1;
        }
    }
}

/// Leases a thousandth of the app's `bound` for this day, or what is left if that is less than it; how many, and
/// for how long the day lasts.
async fn lease(db: &Pool, app: AppId, bound: i64) -> Result<(i64, Duration), Error> {
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

/// Deletes counts of days that are over, some at a time. True: there are more.
pub async fn delete_expired(db: &Pool) -> Result<bool, Error> {
    let done = sqlx::query!(
        "DELETE FROM mail_quotas WHERE (app_id, day) IN (
            SELECT app_id, day FROM mail_quotas WHERE day < (now() AT TIME ZONE 'UTC')::date LIMIT 5000 FOR UPDATE SKIP LOCKED)"
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 5000)
}
