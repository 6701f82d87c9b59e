//! API keys. Only hashes are stored. An app can have several keys of a type, so that one can replace another without
//! downtime.

use std::time::Duration;

use serde::Serialize;
use sqlx::{PgConnection, query, query_as, query_scalar};
use uuid::Uuid;

use super::{Error, Pool};
use crate::domain::credentials::api_key::{ApiKey, KeyType};
use crate::domain::id::AppId;

/// A valid key of an app.
#[derive(Clone, Debug)]
pub struct LiveKey {
    /// What the key may do.
    pub key_type: KeyType,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
}

/// The key with this id if it belongs to the app and is neither revoked nor expired.
pub async fn find(db: &Pool, app: AppId, id: Uuid) -> Result<Option<LiveKey>, Error> {
    let row = query!(
        "SELECT type, hash FROM api_keys WHERE app_id = $1 AND key_id = $2 AND revoked_at IS NULL
            AND (expires_at IS NULL OR expires_at > now())",
        app.0,
        id
    )
    .fetch_optional(db)
    .await?;
    Ok(row.and_then(|row| {
        Some(LiveKey { key_type: KeyType::parse(&row.r#type)?, hash: row.hash.try_into().ok()? })
    }))
}

pub async fn create(
    db: &mut PgConnection,
    app: AppId,
    key: &ApiKey,
    expires_in: Option<Duration>,
) -> Result<(), Error> {
    query!(
        "INSERT INTO api_keys (app_id, key_id, type, hash, expires_at)
        VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))",
        app.0,
        key.id,
        key.key_type.as_str(),
        &key.hash(),
        expires_in.map(|expires_in| expires_in.as_secs_f64()),
    )
    .execute(db)
    .await?;
    Ok(())
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyRow {
    pub id: Uuid,
    pub app_id: Uuid,
    pub r#type: String,
    pub created_at: String,
    pub expires_at: Option<String>,
    pub revoked_at: Option<String>,
}

/// The keys of an app, oldest first.
pub async fn list(db: &Pool, app: AppId) -> Result<Vec<ApiKeyRow>, Error> {
    Ok(query_as!(
        ApiKeyRow,
        r#"
        SELECT key_id AS id, app_id, type,
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS expires_at,
            to_char(revoked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS revoked_at
        FROM api_keys WHERE app_id = $1 ORDER BY created_at, type, key_id
        "#,
        app.0
    )
    .fetch_all(db)
    .await?)
}

/// Revokes a key of any app (for operators). Returns `None` if it does not exist or is already revoked.
pub async fn revoke(db: &Pool, id: Uuid) -> Result<Option<AppId>, Error> {
    let app = query_scalar!(
        "UPDATE api_keys SET revoked_at = now() WHERE key_id = $1 AND revoked_at IS NULL RETURNING app_id",
        id
    )
    .fetch_optional(db)
    .await?;
    Ok(app.map(AppId))
}

/// Revokes a key of an app. Returns false if the app has no such key, or if it is already revoked.
pub async fn revoke_of(db: &Pool, app: AppId, id: Uuid) -> Result<bool, Error> {
    let done = query!(
        "UPDATE api_keys SET revoked_at = now() WHERE app_id = $1 AND key_id = $2 AND revoked_at IS NULL",
        app.0,
        id
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Lets a valid key of an app expire after `delay`, or when it expires anyway if that is sooner. Returns its type and
/// the time at which it expires; `None` if the app has no such valid key.
pub async fn shorten(
    db: &mut PgConnection,
    app: AppId,
    id: Uuid,
    delay: Duration,
) -> Result<Option<(KeyType, String)>, Error> {
    let row = query!(
        r#"
        UPDATE api_keys SET expires_at = least(expires_at, now() + make_interval(secs => $3))
        WHERE app_id = $1 AND key_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
        RETURNING type, to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "expires_at!"
        "#,
        app.0,
        id,
        delay.as_secs_f64(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.and_then(|row| Some((KeyType::parse(&row.r#type)?, row.expires_at))))
}
