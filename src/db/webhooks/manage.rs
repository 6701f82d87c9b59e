//! Webhook management for operators: create, list, enable, delete, rotate secrets.

use std::time::Duration;

use serde::Serialize;
use sqlx::{query, query_as, query_scalar};
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::credentials::secret_key::{Purpose, SecretKey};
use crate::domain::id::{self, AppId};
use crate::domain::webhook::{EventType, Secret};

/// How long the previous secret also signs after a rotation.
pub const OVERLAP: Duration = Duration::from_hours(24);

/// The apps that have an enabled webhook.
pub async fn apps(db: &Pool) -> Result<Vec<AppId>, Error> {
    let apps = query_scalar!("SELECT DISTINCT app_id FROM webhooks WHERE disabled_at IS NULL");
    Ok(apps.fetch_all(db).await?.into_iter().map(AppId).collect())
}

/// Stores a webhook of an app and returns its id. Empty `events` means all.
pub async fn create(
    db: &Pool,
    app: AppId,
    url: &str,
    events: &[EventType],
    secret: &Secret,
    seal: &SecretKey,
) -> Result<Uuid, Error> {
    let (webhook, secret_id) = (id::new(), id::new());
    let events: Vec<String> = events.iter().map(|event| event.as_str().to_owned()).collect();
    query!(
        "WITH webhook AS (INSERT INTO webhooks (app_id, webhook_id, url, events) VALUES ($1, $2, $3, $4))
        INSERT INTO webhook_secrets (app_id, secret_id, webhook_id, secret) VALUES ($1, $5, $2, $6)",
        app.0,
        webhook,
        url,
        &events,
        secret_id,
        seal.seal(Purpose::WebhookSecret, secret_id, secret.bytes()),
    )
    .execute(db)
    .await?;
    Ok(webhook)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookRow {
    pub id: Uuid,
    pub app_id: Uuid,
    pub url: String,
    pub events: Vec<String>,
    pub created_at: String,
    pub disabled_at: Option<String>,
}

/// Webhooks, oldest first; of one app, or of all if `None`. With an id, only that webhook.
pub async fn list(db: &Pool, app: Option<AppId>, webhook: Option<Uuid>) -> Result<Vec<WebhookRow>, Error> {
    Ok(query_as!(
        WebhookRow,
        r#"
        SELECT webhook_id AS id, app_id, url, events,
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            to_char(disabled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS disabled_at
        FROM webhooks
        WHERE ($1::uuid IS NULL OR app_id = $1) AND ($2::uuid IS NULL OR webhook_id = $2)
        ORDER BY webhook_id
        "#,
        app.map(|app| app.0),
        webhook,
    )
    .fetch_all(db)
    .await?)
}

/// Deletes a webhook and its deliveries.
pub async fn delete(db: &Pool, webhook: &WebhookRow) -> Result<(), Error> {
    query!("DELETE FROM webhooks WHERE app_id = $1 AND webhook_id = $2", webhook.app_id, webhook.id)
        .execute(db)
        .await?;
    Ok(())
}

/// Enables a webhook for future events. Events that happened while it was disabled were not stored for it.
pub async fn enable(db: &Pool, webhook: &WebhookRow) -> Result<(), Error> {
    query!(
        "UPDATE webhooks SET disabled_at = NULL WHERE app_id = $1 AND webhook_id = $2",
        webhook.app_id,
        webhook.id
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds a new secret to a webhook. Earlier secrets continue to sign for the time of `overlap`, unless they expire
/// sooner.
pub async fn rotate(
    db: &Pool,
    webhook: &WebhookRow,
    secret: &Secret,
    overlap: Duration,
    seal: &SecretKey,
) -> Result<(), Error> {
    let secret_id = id::new();
    // Expired secrets are deleted by the next rotation.
    query!(
        "WITH over AS (
            DELETE FROM webhook_secrets WHERE app_id = $1 AND webhook_id = $2 AND expires_at <= now()
        ), ending AS (
            UPDATE webhook_secrets
            SET expires_at = LEAST(expires_at, now() + make_interval(secs => $3))
            WHERE app_id = $1 AND webhook_id = $2 AND COALESCE(expires_at > now(), true)
        )
        INSERT INTO webhook_secrets (app_id, secret_id, webhook_id, secret) VALUES ($1, $4, $2, $5)",
        webhook.app_id,
        webhook.id,
        overlap.as_secs_f64(),
        secret_id,
        seal.seal(Purpose::WebhookSecret, secret_id, secret.bytes()),
    )
    .execute(db)
    .await?;
    Ok(())
}
