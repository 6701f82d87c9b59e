//! Webhook deliveries, sent like the outbox: claimed with a lease, committed before sending, fenced by `attempts`. The
//! lease is longer than an attempt can take, so it is never extended. Rows are looked up by webhook, so that the cost
//! does not grow with the number of rows and one webhook cannot block the others.

use std::time::Duration;

use serde::Serialize;
use sqlx::{query, query_as, query_scalar};
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::id::AppId;

/// A delivery that this worker may send until its lease expires.
pub struct ClaimedDelivery {
    pub app: AppId,
    /// Sent as `webhook-id`.
    pub id: Uuid,
    pub webhook: Uuid,
    /// The number of claims, including this one.
    pub attempts: i32,
    /// The number of claims since it was last queued.
    pub tries: i32,
    pub payload: String,
    pub url: String,
    /// The signing secrets, newest first, each with the id that it is sealed for.
    pub secrets: Vec<(Uuid, Vec<u8>)>,
}

/// Claims up to `limit` due deliveries for the time of `lease`: up to `each` per webhook, none of the `busy` webhooks.
/// Apps take turns: the first webhook of each app comes before the second of any. The order of apps, and of the
/// webhooks of an app, is random.
pub async fn claim(
    db: &Pool,
    limit: i64,
    each: i64,
    busy: &[Uuid],
    lease: Duration,
) -> Result<Vec<ClaimedDelivery>, Error> {
    let rows = query!(
        r#"
        WITH due AS (
            SELECT d.app_id, d.delivery_id
            FROM (
                SELECT app_id, webhook_id FROM webhooks WHERE disabled_at IS NULL AND webhook_id <> ALL ($3)
                ORDER BY row_number() OVER (PARTITION BY app_id ORDER BY random()), random()
            ) w CROSS JOIN LATERAL (
                SELECT q.app_id, q.delivery_id FROM webhook_deliveries q
                WHERE q.app_id = w.app_id AND q.webhook_id = w.webhook_id AND q.state = 'queued'
                    AND q.due_at <= now()
                ORDER BY q.due_at LIMIT $2 FOR UPDATE SKIP LOCKED
            ) d
            LIMIT $1
        ), claimed AS (
            UPDATE webhook_deliveries c
            SET attempts = LEAST(attempts, 2147483646) + 1, claimed = true, due_at = now() + make_interval(secs => $4)
            FROM due WHERE c.app_id = due.app_id AND c.delivery_id = due.delivery_id
            RETURNING c.*
        )
        SELECT c.app_id, c.delivery_id, c.webhook_id, c.attempts, c.attempts - c.begun AS "tries!", c.payload, w.url,
            ARRAY(SELECT s.secret_id FROM webhook_secrets s
                WHERE s.app_id = c.app_id AND s.webhook_id = c.webhook_id AND COALESCE(s.expires_at > now(), true)
                ORDER BY s.secret_id DESC) AS "secret_ids!",
            ARRAY(SELECT s.secret FROM webhook_secrets s
                WHERE s.app_id = c.app_id AND s.webhook_id = c.webhook_id AND COALESCE(s.expires_at > now(), true)
                ORDER BY s.secret_id DESC) AS "secrets!"
        FROM claimed c JOIN webhooks w ON w.app_id = c.app_id AND w.webhook_id = c.webhook_id
        "#,
        limit,
        each,
        busy,
        lease.as_secs_f64(),
    )
    .fetch_all(db)
    .await?;
    let deliveries = rows.into_iter().map(|row| ClaimedDelivery {
        app: AppId(row.app_id),
        id: row.delivery_id,
        webhook: row.webhook_id,
        attempts: row.attempts,
        tries: row.tries,
        payload: row.payload,
        url: row.url,
        secrets: row.secret_ids.into_iter().zip(row.secrets).collect(),
    });
    Ok(deliveries.collect())
}

/// Marks a delivery as accepted by the receiver.
pub async fn finish(db: &Pool, delivery: &ClaimedDelivery, answer: &str) -> Result<(), Error> {
    query!(
        "UPDATE webhook_deliveries SET state = 'delivered', last_answer = $4, claimed = false, finished_at = now()
        WHERE app_id = $1 AND delivery_id = $2 AND attempts = $3 AND state = 'queued'",
        delivery.app.0,
        delivery.id,
        delivery.attempts,
        answer,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Schedules the next attempt after `delay`, or marks the delivery as failed if that is later than `give_up_after` from
/// when it was queued. Returns true if it failed.
pub async fn retry_later(
    db: &Pool,
    delivery: &ClaimedDelivery,
    delay: Duration,
    give_up_after: Duration,
    answer: &str,
) -> Result<bool, Error> {
    let failed = query_scalar!(
        r#"
        UPDATE webhook_deliveries SET due_at = now() + make_interval(secs => $4), claimed = false, last_answer = $6,
            state = CASE WHEN now() + make_interval(secs => $4) > queued_at + make_interval(secs => $5)
                THEN 'failed' ELSE 'queued' END,
            finished_at = CASE WHEN now() + make_interval(secs => $4) > queued_at + make_interval(secs => $5)
                THEN now() END
        WHERE app_id = $1 AND delivery_id = $2 AND attempts = $3 AND state = 'queued'
        RETURNING state = 'failed' AS "failed!"
        "#,
        delivery.app.0,
        delivery.id,
        delivery.attempts,
        delay.as_secs_f64(),
        give_up_after.as_secs_f64(),
        answer,
    )
    .fetch_optional(db)
    .await?;
    Ok(failed.unwrap_or(false))
}

/// Disables the webhook of a receiver that is permanently gone, and fails its queued deliveries. Deliveries that are
/// being sent are left out, since each records its own answer.
pub async fn disable(db: &Pool, delivery: &ClaimedDelivery, answer: &str) -> Result<(), Error> {
    query!(
        "WITH own AS (
            UPDATE webhook_deliveries SET state = 'failed', last_answer = $3, claimed = false, finished_at = now()
            WHERE app_id = $1 AND delivery_id = $4 AND attempts = $5 AND state = 'queued'
            RETURNING webhook_id
        ), webhook AS (
            UPDATE webhooks SET disabled_at = COALESCE(disabled_at, now())
            WHERE app_id = $1 AND webhook_id = $2 AND EXISTS (SELECT FROM own)
        )
        UPDATE webhook_deliveries SET state = 'failed', last_answer = $3, finished_at = now()
        WHERE app_id = $1 AND webhook_id = $2 AND state = 'queued' AND NOT claimed AND EXISTS (SELECT FROM own)",
        delivery.app.0,
        delivery.webhook,
        answer,
        delivery.id,
        delivery.attempts,
    )
    .execute(db)
    .await?;
    Ok(())
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryRow {
    pub id: Uuid,
    pub app_id: Uuid,
    pub webhook_id: Uuid,
    pub r#type: String,
    pub state: String,
    pub attempts: i32,
    pub last_answer: Option<String>,
    pub created_at: String,
    pub next_attempt_at: Option<String>,
}

/// Deliveries, newest first, at most `limit`; `None` means all apps or all states. With an id, only that delivery.
pub async fn list(
    db: &Pool,
    app: Option<AppId>,
    state: Option<&str>,
    id: Option<Uuid>,
    limit: i64,
) -> Result<Vec<DeliveryRow>, Error> {
    Ok(query_as!(
        DeliveryRow,
        r#"
        SELECT delivery_id AS id, app_id, webhook_id, type, state, attempts, last_answer,
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            CASE state WHEN 'queued' THEN
                to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS next_attempt_at
        FROM webhook_deliveries d
        WHERE ($1::uuid IS NULL OR app_id = $1) AND ($2::text IS NULL OR state = $2)
            AND ($3::uuid IS NULL OR delivery_id = $3)
        ORDER BY d.created_at DESC, delivery_id LIMIT $4
        "#,
        app.map(|app| app.0),
        state,
        id,
        limit,
    )
    .fetch_all(db)
    .await?)
}

/// Selects the deliveries to send again.
pub enum Replay {
    /// This delivery, in any state.
    One(Uuid),
    /// Deliveries of this webhook created since a time (RFC 3339), in this state; without one, delivered or failed.
    Since(Uuid, String, Option<String>),
}

/// Makes deliveries of an app due now, with their old ids, unless a worker has claimed them or their webhook is
/// disabled. Returns how many.
pub async fn replay(db: &Pool, app: AppId, again: &Replay) -> Result<u64, Error> {
    let done = match again {
        Replay::One(id) => {
            query!(
                "UPDATE webhook_deliveries d
                SET state = 'queued', due_at = now(), queued_at = now(), begun = attempts, claimed = false, finished_at = NULL
                WHERE d.app_id = $1 AND d.delivery_id = $2 AND NOT d.claimed AND EXISTS (
                    SELECT FROM webhooks w
                    WHERE w.app_id = $1 AND w.webhook_id = d.webhook_id AND w.disabled_at IS NULL)",
                app.0,
                id,
            )
            .execute(db)
            .await?
        }
        Replay::Since(webhook, since, state) => {
            query!(
                "UPDATE webhook_deliveries d
                SET state = 'queued', due_at = now(), queued_at = now(), begun = attempts, claimed = false, finished_at = NULL
                WHERE d.app_id = $1 AND d.webhook_id = $2 AND d.created_at >= $3::text::timestamptz
                    AND d.state <> 'queued' AND d.state = COALESCE($4, d.state)
                    AND NOT d.claimed AND EXISTS (
                        SELECT FROM webhooks w
                        WHERE w.app_id = $1 AND w.webhook_id = d.webhook_id AND w.disabled_at IS NULL)",
                app.0,
                webhook,
                since,
                state.as_deref(),
            )
            .execute(db)
            .await?
        }
    };
    Ok(done.rows_affected())
}

/// The number of queued deliveries (counted up to 100,000) and for how many seconds the oldest of those has been due.
pub async fn backlog(db: &Pool) -> Result<(i64, f64), Error> {
    let row = query!(
        r#"
        SELECT count(*) AS "waiting!",
            COALESCE(extract(epoch FROM now() - min(due_at)), 0)::float8 AS "oldest!"
        FROM (SELECT due_at FROM webhook_deliveries WHERE state = 'queued' LIMIT 100000) d
        "#
    )
    .fetch_one(db)
    .await?;
    Ok((row.waiting, row.oldest.max(0.0)))
}

/// Deletes one batch of deliveries that finished more than 30 days ago. Returns true if there are more.
pub async fn delete_finished(db: &Pool) -> Result<bool, Error> {
    let done = query!(
        "WITH past AS MATERIALIZED (
            SELECT app_id, delivery_id FROM webhook_deliveries
            WHERE state <> 'queued' AND finished_at <= now() - interval '30 days' LIMIT 1000 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM webhook_deliveries WHERE (app_id, delivery_id) IN (SELECT app_id, delivery_id FROM past)"
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1000)
}
