//! Mails of an app that did not arrive or were unwanted: bounces, delays, complaints, and those that failed.

use sqlx::query_as;
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::id::AppId;

/// What happened to one mail. `kind`: `bounced`, `delayed`, `complained` or `failed`.
#[derive(Debug)]
pub struct MailTrouble {
    /// The event or, if the mail failed, the mail.
    pub id: Uuid,
    pub kind: String,
    /// The recipient.
    pub to: String,
    pub mail_id: Uuid,
    /// Whether the mail is still stored.
    pub has_mail: bool,
    pub invite_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    /// The reply of the mail server, or the reason of the report.
    pub detail: Option<String>,
    pub at: String,
}

/// The reports about mails of an app and the mails that failed, with ids before `before`, newest first, at most
/// `limit`. Ids are UUIDs of version 7, so they order events and mails by the time at which these began.
pub async fn list(db: &Pool, app: AppId, before: Uuid, limit: i64) -> Result<Vec<MailTrouble>, Error> {
    Ok(query_as!(
        MailTrouble,
        r#"
        WITH found AS (
            (SELECT event_id AS id, kind, mail_id, invite_id, NULL::uuid AS user_id, detail, created_at AS at
            FROM invite_events
            WHERE app_id = $1 AND kind IN ('bounced', 'delayed', 'complained') AND event_id < $2
            ORDER BY event_id DESC LIMIT $3)
            UNION ALL
            (SELECT mail_id, 'failed', mail_id, invite_id, user_id, last_reply, finished_at
            FROM outbox
            WHERE app_id = $1 AND state = 'failed' AND mail_id < $2
            ORDER BY mail_id DESC LIMIT $3)
        ), page AS (
            SELECT * FROM found ORDER BY id DESC LIMIT $3
        )
        SELECT p.id AS "id!", p.kind AS "kind!", COALESCE(o.recipient, i.email, '') AS "to!", p.mail_id AS "mail_id!",
            o.mail_id IS NOT NULL AS "has_mail!", p.invite_id, p.user_id, p.detail,
            to_char(p.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "at!"
        FROM page p
        LEFT JOIN outbox o ON o.app_id = $1 AND o.mail_id = p.mail_id
        LEFT JOIN invites i ON i.app_id = $1 AND i.invite_id = p.invite_id
        ORDER BY p.id DESC
        "#,
        app.0,
        before,
        limit,
    )
    .fetch_all(db)
    .await?)
}
