//! How the mails of an app fare, for the console.

use sqlx::query_as;
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::id::AppId;

/// The mails of an app.
#[derive(Debug)]
pub struct MailHealth {
    /// Mails that wait, at most [`MAX_COUNTED`].
    pub waiting: i64,
    /// Seconds for which the oldest of them has been due; 0 if none is.
    pub oldest: f64,
    /// Mails that failed, of the newest [`MAX_COUNTED`] since the time of the call.
    pub failed: i64,
}

/// Most mails that [`health`] counts.
pub const MAX_COUNTED: i64 = 10_000;

/// Counts the mails of an app that wait, and those since an id (UUID version 7) that failed.
pub async fn health(db: &Pool, app: AppId, since: Uuid) -> Result<MailHealth, Error> {
    Ok(query_as!(
        MailHealth,
        r#"
        SELECT
            (SELECT count(*) FROM (SELECT FROM outbox WHERE app_id = $1 AND state = 'queued' AND due_at < 'infinity'
                ORDER BY due_at LIMIT 10000) w) AS "waiting!",
            COALESCE((SELECT GREATEST(extract(epoch FROM now() - due_at), 0)::float8 FROM outbox
                WHERE app_id = $1 AND state = 'queued' AND due_at < 'infinity' ORDER BY due_at LIMIT 1), 0) AS "oldest!",
            (SELECT count(*) FROM (SELECT state FROM outbox WHERE app_id = $1 AND mail_id >= $2
                ORDER BY mail_id DESC LIMIT 10000) f WHERE state = 'failed') AS "failed!"
        "#,
        app.0,
        since,
    )
    .fetch_one(db)
    .await?)
}
