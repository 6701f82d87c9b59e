//! Deletes expired records: daily counts, stored responses, finished deliveries, and mails and invites after their
//! `[retention]`. Each kind is deleted separately and in small steps, so that statements stay short and a failure of
//! one kind does not affect the others.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::config::Retention;
use crate::db::webhooks::deliveries;
use crate::db::{self, Pool, idempotency, mail_quotas, outbox};
use crate::db::{invites, referrals};

/// Interval between two rounds, and the shorter one after a failure.
const INTERVAL: Duration = Duration::from_hours(1);
const RETRY_DELAY: Duration = Duration::from_secs(10);
/// Pause between two steps of a kind.
const STEP_PAUSE: Duration = Duration::from_millis(50);
/// Time limit of one step.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs until `stop` is set or its sender is dropped.
pub async fn run(db: Pool, retention: Retention, mut stop: watch::Receiver<bool>) {
    let rounds = async {
        loop {
            sleep(if round(&db, retention).await { INTERVAL } else { RETRY_DELAY }).await;
        }
    };
    tokio::select! {
        () = rounds => {}
        _ = stop.wait_for(|stopped| *stopped) => {}
    }
}

/// Runs one round. Returns whether all kinds succeeded.
async fn round(db: &Pool, Retention { mails, invites, .. }: Retention) -> bool {
    [
        mails.is_zero() || delete("mails", || outbox::delete_expired(db, mails)).await,
        invites.is_zero() || delete("invites", || invites::new_invite::delete_expired(db, invites)).await,
        delete("counts of referrals", || referrals::new_referral::delete_expired_quotas(db)).await,
        delete("counts of mails", || mail_quotas::delete_expired(db)).await,
        delete("stored answers", || idempotency::delete_expired(db)).await,
        delete("deliveries to webhooks", || deliveries::delete_finished(db)).await,
    ]
    .iter()
    .all(|done| *done)
}

/// Deletes all expired records of a kind. `step` returns whether there are more. Returns false after an error.
async fn delete<F>(what: &str, step: impl Fn() -> F) -> bool
where
    F: Future<Output = Result<bool, db::Error>>,
{
    loop {
        match timeout(STEP_TIMEOUT, step())
            .await
            .unwrap_or_else(|late| Err(sqlx::Error::Io(late.into()).into()))
        {
            Ok(true) => sleep(STEP_PAUSE).await,
            Ok(false) => return true,
            Err(error) => {
                tracing::warn!(%error, what, "expired rows were not deleted");
                return false;
            }
        }
    }
}
