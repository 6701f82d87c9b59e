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
const ROUND: Duration = Duration::from_hours(1);
const AGAIN: Duration = Duration::from_secs(10);
/// Between two steps of a kind.
const PAUSE: Duration = Duration::from_millis(50);
/// How long the database may take for a step.
const STEP: Duration = Duration::from_secs(5);

/// Works until `stop` says so, or is dropped.
pub async fn run(db: Pool, retention: Retention, mut stop: watch::Receiver<bool>) {
    let rounds = async {
        loop {
            sleep(if round(&db, retention).await { ROUND } else { AGAIN }).await;
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
        mails.is_zero() || delete("mails", || outbox::forget(db, mails)).await,
        invites.is_zero() || delete("invites", || invites::create::forget(db, invites)).await,
        delete("counts of referrals", || referrals::create::forget_quotas(db)).await,
        delete("counts of mails", || mail_quotas::forget(db)).await,
        delete("stored answers", || idempotency::forget(db)).await,
        delete("deliveries to webhooks", || deliveries::forget(db)).await,
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
        match timeout(STEP, step()).await.unwrap_or_else(|late| Err(sqlx::Error::Io(late.into()).into())) {
            Ok(true) => sleep(PAUSE).await,
            Ok(false) => return true,
            Err(error) => {
                tracing::warn!(%error, what, "what is over was not deleted");
                return false;
            }
        }
    }
}
