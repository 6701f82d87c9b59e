//! Deletes what is over: counts of days, stored answers and deliveries, and mails and invites as `[retention]` says. Each
//! kind for itself and in small steps, so that no statement runs into its time-out, nothing else waits for it, and a
//! failure of one kind keeps no other.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::config::Retention;
use crate::db::webhooks::deliveries;
use crate::db::{self, Pool, idempotency, mail_quotas, outbox};
use crate::db::{invites, referrals};

/// Between two rounds, and after one in which something failed.
const INTERVAL: Duration = Duration::from_hours(1);
const RETRY_DELAY: Duration = Duration::from_secs(10);
/// Between two steps of a kind.
const STEP_PAUSE: Duration = Duration::from_millis(50);
/// How long the database may take for a step.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// Works until `stop` says so, or is dropped.
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

/// Whether all is done.
async fn round(db: &Pool, Retention { mails, invites, .. }: Retention) -> bool {
    [
        mails.is_zero() || delete("mails", || outbox::delete_expired(db, mails)).await,
        invites.is_zero() || delete("invites", || invites::create::delete_expired(db, invites)).await,
        delete("counts of referrals", || referrals::create::delete_expired_quotas(db)).await,
        delete("counts of mails", || mail_quotas::delete_expired(db)).await,
        delete("stored answers", || idempotency::delete_expired(db)).await,
        delete("deliveries to webhooks", || deliveries::delete_finished(db)).await,
    ]
    .iter()
    .all(|done| *done)
}

/// Deletes all of a kind; `step` says whether there is more. False: it failed.
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
                tracing::warn!(%error, what, "what is over was not deleted");
                return false;
            }
        }
    }
}
