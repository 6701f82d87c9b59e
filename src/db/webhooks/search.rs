//! Webhooks and deliveries of one app for the console.

use sqlx::{query_as, query_scalar};
use uuid::Uuid;

use super::deliveries::DeliveryRow;
use crate::db::{Error, Pool};
use crate::domain::id::AppId;

/// The maximum number of deliveries scanned for a page.
pub const MAX_SCANNED: i64 = 10_000;
/// The number of deliveries of a webhook that [`counts`] looks at.
pub const MAX_COUNTED: i64 = 1_000;

/// How many deliveries of a webhook wait, up to [`MAX_COUNTED`], and how many of its newest [`MAX_COUNTED`] failed.
#[derive(Debug)]
pub struct DeliveryCounts {
    pub webhook_id: Uuid,
    pub waiting: i64,
    pub failed: i64,
}

/// The counts of each webhook of an app.
pub async fn counts(db: &Pool, app: AppId) -> Result<Vec<DeliveryCounts>, Error> {
    Ok(query_as!(
        DeliveryCounts,
        r#"
        SELECT w.webhook_id, q.waiting AS "waiting!", f.failed AS "failed!"
        FROM webhooks w
        CROSS JOIN LATERAL (
            SELECT count(*) AS waiting FROM (
                SELECT FROM webhook_deliveries d
                WHERE d.app_id = $1 AND d.webhook_id = w.webhook_id AND d.state = 'queued' LIMIT $2
            ) d
        ) q
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE state = 'failed') AS failed FROM (
                SELECT d.state FROM webhook_deliveries d
                WHERE d.app_id = $1 AND d.webhook_id = w.webhook_id AND d.created_at <= 'infinity'
                ORDER BY d.created_at DESC LIMIT $2
            ) d
        ) f
        WHERE w.app_id = $1
        "#,
        app.0,
        MAX_COUNTED,
    )
    .fetch_all(db)
    .await?)
}

/// The deliveries of a webhook that are older than the delivery `before`, newest first, at most `limit`; in one state,
/// or in all if `None`. Scans at most [`MAX_SCANNED`].
pub async fn deliveries(
    db: &Pool,
    app: AppId,
    webhook: Uuid,
    state: Option<&str>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<DeliveryRow>, Error> {
    Ok(query_as!(
        DeliveryRow,
        r#"
        SELECT delivery_id AS id, app_id, webhook_id, type, state, attempts, last_answer,
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            CASE state WHEN 'queued' THEN
                to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS next_attempt_at
        FROM (
            SELECT * FROM webhook_deliveries d
            WHERE d.app_id = $1 AND d.webhook_id = $2 AND (d.created_at, d.delivery_id) < (
                COALESCE((SELECT b.created_at FROM webhook_deliveries b WHERE b.app_id = $1 AND b.delivery_id = $4),
                    'infinity'), COALESCE($4, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
                AND d.created_at <= 'infinity'
            ORDER BY d.created_at DESC, d.delivery_id DESC LIMIT $6
        ) d
        WHERE ($3::text IS NULL OR state = $3)
        ORDER BY d.created_at DESC, d.delivery_id DESC LIMIT $5
        "#,
        app.0,
        webhook,
        state,
        before,
        limit,
        MAX_SCANNED,
    )
    .fetch_all(db)
    .await?)
}

/// The last delivery that [`deliveries`] looks at, if there may be older ones.
pub async fn last_scanned(
    db: &Pool,
    app: AppId,
    webhook: Uuid,
    before: Option<Uuid>,
) -> Result<Option<Uuid>, Error> {
    Ok(query_scalar!(
        r#"
        SELECT d.delivery_id FROM webhook_deliveries d
        WHERE d.app_id = $1 AND d.webhook_id = $2 AND (d.created_at, d.delivery_id) < (
            COALESCE((SELECT b.created_at FROM webhook_deliveries b WHERE b.app_id = $1 AND b.delivery_id = $3),
                'infinity'), COALESCE($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
            AND d.created_at <= 'infinity'
        ORDER BY d.created_at DESC, d.delivery_id DESC OFFSET $4 LIMIT 1
        "#,
        app.0,
        webhook,
        before,
        MAX_SCANNED - 1,
    )
    .fetch_optional(db)
    .await?)
}

/// The webhook that a delivery of an app is for.
pub async fn webhook_of(db: &Pool, app: AppId, delivery: Uuid) -> Result<Option<Uuid>, Error> {
    let found = query_scalar!(
        "SELECT webhook_id FROM webhook_deliveries WHERE app_id = $1 AND delivery_id = $2",
        app.0,
        delivery
    );
    Ok(found.fetch_optional(db).await?)
}
