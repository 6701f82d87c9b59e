//! Delivers events to webhooks. Any number of workers share the queue, as they share the mail outbox. The number of
//! concurrent deliveries per webhook is limited, so that a slow receiver does not delay the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::receiver::{Receivers, Response};
use crate::config;
use crate::db::webhooks::deliveries::{self, ClaimedDelivery};
use crate::db::webhooks::subscriptions::Subscriptions;
use crate::db::{self, Pool};
use crate::domain::credentials::secret_key::{Purpose, SecretKey};
use crate::domain::webhook::{Secret, signatures};
use crate::metrics::{self, DeliveryOutcome};
use crate::queue::retry_delay;

/// Maximum concurrent deliveries of this process.
pub const MAX_CONCURRENT: usize = 64;
/// Maximum deliveries of one webhook per claim. A webhook with fewer in flight can get up to this many more.
const MAX_PER_WEBHOOK: usize = 4;
const POLL: Duration = Duration::from_secs(1);
/// Time by which a lease outlasts the HTTP timeout, to store the outcome.
const LEASE_MARGIN: Duration = Duration::from_secs(15);
/// Timeout of a database call.
const SOON: Duration = Duration::from_secs(5);

/// Worker that sends queued webhook deliveries.
pub struct Dispatcher {
    pub db: Pool,
    /// Decrypts the webhooks' secrets.
    pub seal: SecretKey,
    pub receivers: Receivers,
    /// The apps that have webhooks.
    pub subscriptions: Arc<Subscriptions>,
    pub config: config::Webhook,
}

impl Dispatcher {
    /// Runs until `stop` is true or its sender is dropped, then finishes the deliveries in flight.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let worker = Arc::new(self);
        let mut sending = JoinSet::new();
        let mut under_way: HashMap<task::Id, Uuid> = HashMap::new();
        let mut looked: Option<Instant> = None;
        let mut anybody = true;
        while !*stop.borrow() {
            while let Some(done) = sending.try_join_next_with_id() {
                under_way.remove(&id_of(&done));
            }
            if looked.is_none_or(|at| at.elapsed() >= POLL) {
                looked = Some(Instant::now());
                match with_timeout(worker.subscriptions.refresh(&worker.db)).await {
                    Ok(any) => anybody = any,
                    Err(error) => tracing::warn!(%error, "webhooks cannot be read now"),
                }
            }
            let mut claimed = 0;
            if anybody && sending.len() < MAX_CONCURRENT {
                match worker.claim(MAX_CONCURRENT - sending.len(), &busy(&under_way)).await {
                    Ok(found) => {
                        claimed = found.len();
                        for delivery in found {
                            let (worker, webhook) = (Arc::clone(&worker), delivery.webhook);
                            let task = sending.spawn(async move { worker.deliver(&delivery).await });
                            under_way.insert(task.id(), webhook);
                        }
                    }
                    Err(error) => tracing::warn!(%error, "webhooks cannot be read now"),
                }
            }
            if claimed > 0 && sending.len() < MAX_CONCURRENT {
                continue;
            }
            // A webhook at its limit may have more deliveries due, so continue as soon as one finishes.
            let waits = sending.len() >= MAX_CONCURRENT || !busy(&under_way).is_empty();
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { break },
                Some(done) = sending.join_next_with_id(), if waits => drop(under_way.remove(&id_of(&done))),
                () = worker.subscriptions.wake.notified() => {}
                () = sleep(POLL) => {}
            }
        }
        while sending.join_next().await.is_some() {}
    }

    async fn claim(&self, free: usize, busy: &[Uuid]) -> Result<Vec<ClaimedDelivery>, db::Error> {
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        with_timeout(deliveries::claim(
            &self.db,
            number(free),
            number(MAX_PER_WEBHOOK),
            busy,
            self.config.timeout + LEASE_MARGIN,
        ))
        .await
    }

    /// Sends one delivery and stores the outcome.
    async fn deliver(&self, delivery: &ClaimedDelivery) {
        let answer = self.send(delivery).await;
        // After the lease has expired, another worker may claim the delivery.
        let deadline = Instant::now() + LEASE_MARGIN - SOON;
        while let Err(error) = with_timeout(self.write_down(delivery, &answer)).await {
            tracing::warn!(delivery = %delivery.id, %error, "the outcome of a delivery was not recorded");
            if Instant::now() > deadline {
                return;
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    async fn send(&self, delivery: &ClaimedDelivery) -> Response {
        let opened: Result<Vec<Secret>, _> = delivery
            .secrets
            .iter()
            .map(|(id, sealed)| self.seal.open(Purpose::WebhookSecret, *id, sealed).map(Secret::of))
            .collect();
        let secrets = match opened {
            Ok(secrets) => secrets,
            Err(error) => return Response::Refused(error.to_string()),
        };
        let timestamp = crate::clock::now().as_second();
        let headers = [
            ("webhook-id", delivery.id.to_string()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", signatures(&secrets, delivery.id, timestamp, &delivery.payload)),
        ];
        self.receivers.post(&delivery.url, headers, delivery.payload.clone()).await
    }

    async fn write_down(&self, delivery: &ClaimedDelivery, answer: &Response) -> Result<(), db::Error> {
        let (app, webhook) = (delivery.app, delivery.webhook);
        let outcome = match answer {
            Response::Accepted(answer) => {
                deliveries::finish(&self.db, delivery, answer).await?;
                DeliveryOutcome::Delivered
            }
            Response::Gone(answer) => {
                deliveries::disable(&self.db, delivery, answer).await?;
                tracing::warn!(%app, %webhook, answer, "webhook disabled: its receiver answered 410");
                DeliveryOutcome::Failed
            }
            Response::Refused(answer) => {
                let delay = retry_delay(self.config.retry_after, delivery.tries);
                let failed =
                    deliveries::retry_later(&self.db, delivery, delay, self.config.give_up_after, answer)
                        .await?;
                if failed {
                    tracing::warn!(%app, %webhook, delivery = %delivery.id, answer, "webhook delivery failed: given up");
                } else {
                    tracing::info!(%app, %webhook, delivery = %delivery.id, answer, "webhook delivery failed: will be retried");
                }
                if failed { DeliveryOutcome::Failed } else { DeliveryOutcome::Refused }
            }
        };
        metrics::count_delivery(outcome);
        Ok(())
    }
}

/// The webhooks whose number of deliveries in flight is at the limit.
fn busy(under_way: &HashMap<task::Id, Uuid>) -> Vec<Uuid> {
    let mut counts: HashMap<Uuid, usize> = HashMap::new();
    for webhook in under_way.values() {
        *counts.entry(*webhook).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count >= MAX_PER_WEBHOOK).map(|(webhook, _)| webhook).collect()
}

fn id_of(done: &Result<(task::Id, ()), task::JoinError>) -> task::Id {
    match done {
        Ok((id, ())) => *id,
        Err(error) => error.id(),
    }
}

/// Limits the time of a database call, so that a database that does not answer cannot block the worker.
async fn with_timeout<T>(call: impl Future<Output = Result<T, db::Error>>) -> Result<T, db::Error> {
    timeout(SOON, call).await.unwrap_or_else(|elapsed| Err(sqlx::Error::Io(elapsed.into()).into()))
}
