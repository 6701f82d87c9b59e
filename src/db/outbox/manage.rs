//! Lists, finds and retries mails, for operators.

use std::time::Duration;

use serde::Serialize;
use sqlx::{query, query_as};
use uuid::Uuid;

use super::wake;
use super::{Error, Pool};
use crate::domain::credentials::secret_key::{Purpose, SecretKey};
use crate::domain::id::AppId;
use crate::domain::invites::InviteCode;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MailRow {
    pub id: Uuid,
    pub app_id: Uuid,
    pub to: String,
    pub kind: String,
    pub state: String,
    pub attempts: i32,
    pub last_reply: Option<String>,
    pub message_id: String,
    pub created_at: String,
    pub next_attempt_at: Option<String>,
}

/// A query for [`MailRow`]s. Takes the SQL after `SELECT` and its parameters.
macro_rules! mail_rows {
    ($rest:literal, $($parameter:expr),* $(,)?) => {
        query_as!(
            MailRow,
            r#"
            SELECT mail_id AS id, o.app_id, recipient AS "to", kind, state, attempts, last_reply, message_id,
                to_char(o.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
                CASE state WHEN 'queued' THEN
                    to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS next_attempt_at
            "# + $rest,
            $($parameter),*
        )
    };
}

/// Mails, newest first, at most `limit`; `None` means all apps or all states.
pub async fn list(
    db: &Pool,
    app: Option<AppId>,
    state: Option<&str>,
    limit: i64,
) -> Result<Vec<MailRow>, Error> {
    Ok(mail_rows!(
        "FROM outbox o WHERE ($1::uuid IS NULL OR app_id = $1) AND ($2::text IS NULL OR state = $2)
        ORDER BY mail_id DESC LIMIT $3",
        app.map(|app| app.0),
        state,
        limit,
    )
    .fetch_all(db)
    .await?)
}

/// The mail with this id, in any app.
pub async fn find(db: &Pool, id: Uuid) -> Result<Option<MailRow>, Error> {
    Ok(mail_rows!("FROM apps a JOIN outbox o ON o.app_id = a.app_id AND o.mail_id = $1", id)
        .fetch_optional(db)
        .await?)
}

/// The mail of an app with this id.
pub async fn find_in(db: &Pool, app: AppId, id: Uuid) -> Result<Option<MailRow>, Error> {
    Ok(mail_rows!("FROM outbox o WHERE o.app_id = $1 AND o.mail_id = $2", app.0, id)
        .fetch_optional(db)
        .await?)
}

/// Makes a queued mail due now, unless a worker has claimed it. The code of a failed mail was deleted, so its invite
/// gets a new one, valid for the time that the invite or the app sets, or else for `expires_after`. Returns false if
/// the mail does not exist or was sent, or if its invite was accepted, revoked or mailed again since.
pub async fn retry(
    db: &Pool,
    row: &MailRow,
    key: &SecretKey,
    expires_after: Duration,
) -> Result<bool, Error> {
    let code = InviteCode::generate(AppId(row.app_id));
    let secret = key.seal(Purpose::Code, row.id, code.expose().as_bytes());
    // Only the newest mail of an invite gets a new code: for an older one, the code of a valid link would be replaced.
    // Of concurrent calls the first changes the row and the code, and the others find no row to change.
    let done = query!(
        r#"
        WITH queued AS (
            UPDATE outbox SET due_at = CASE WHEN claimed THEN due_at ELSE now() END
            WHERE app_id = $1 AND mail_id = $2 AND state = 'queued'
            RETURNING mail_id
        ), failed AS (
            SELECT o.invite_id, i.code_hash, o.created_at, o.finished_at, o.last_reply, a.invite_expires_in FROM outbox o
            JOIN apps a ON a.app_id = o.app_id
            JOIN invites i ON i.app_id = o.app_id AND i.invite_id = o.invite_id
            WHERE o.app_id = $1 AND o.mail_id = $2 AND o.state = 'failed' AND NOT EXISTS (
                SELECT FROM outbox n
                WHERE n.app_id = o.app_id AND n.invite_id = o.invite_id AND n.created_at > o.created_at)
            FOR UPDATE OF o
        ), renewed AS (
            UPDATE invites i SET code_hash = $3, mailed_at = now(),
                expires_at = now() + make_interval(secs => COALESCE(i.expires_in, f.invite_expires_in, $4::float8))
            FROM failed f
            WHERE i.app_id = $1 AND i.invite_id = f.invite_id AND i.code_hash = f.code_hash
                AND i.accepted_at IS NULL AND i.revoked_at IS NULL
            RETURNING i.invite_id
        ), revived AS (
            UPDATE outbox o SET state = 'queued', secret = $5, due_at = now(), created_at = now(),
                finished_at = NULL
            FROM renewed WHERE o.app_id = $1 AND o.mail_id = $2 AND o.state = 'failed'
            RETURNING o.mail_id
        ), before AS (
            INSERT INTO invite_events (app_id, invite_id, event_id, mail_id, kind, detail, created_at)
            SELECT $1, f.invite_id, gen_random_uuid(), $2, b.kind, b.detail, b.at
            FROM failed f JOIN renewed r ON r.invite_id = f.invite_id
            CROSS JOIN LATERAL (VALUES ('queued', NULL, f.created_at), ('failed', f.last_reply, f.finished_at))
                AS b (kind, detail, at)
        )
        SELECT EXISTS (SELECT FROM queued) OR EXISTS (SELECT FROM revived) AS "done!"
        "#,
        row.app_id,
        row.id,
        &code.hash(),
        expires_after.as_secs_f64(),
        secret,
    )
    .fetch_one(db)
    .await?;
    if done.done {
        wake(db).await?;
    }
    Ok(done.done)
}
