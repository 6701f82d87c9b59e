//! What operators see of one user beside the profile: where the user comes from, and the invites to the user.

use sqlx::query_as;
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::id::{AppId, UserId};

/// A user, also if erased.
#[derive(Debug)]
pub struct UserDetails {
    /// `active`, `invited` (not accepted yet), `frozen` or `erased`.
    pub state: String,
    /// UTC, as all times here.
    pub created_at: String,
    pub accepted_at: Option<String>,
    pub referral_code: String,
    pub external_subject: Option<String>,
    pub referrer_id: Option<Uuid>,
    pub referrer_name: Option<String>,
    pub referrer_email: Option<String>,
    /// A new address that waits for its confirmation.
    pub pending_email: Option<String>,
    /// How many users the user referred who accepted, erased ones included.
    pub referred: i64,
}

/// The details of a user.
pub async fn find(db: &Pool, app: AppId, user: UserId) -> Result<Option<UserDetails>, Error> {
    Ok(query_as!(
        UserDetails,
        r#"
        SELECT CASE WHEN u.deleted THEN 'erased' WHEN u.freezed THEN 'frozen' WHEN u.accepted_at IS NULL THEN 'invited'
                ELSE 'active' END AS "state!",
            to_char(u.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            to_char(u.accepted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS accepted_at,
            u.referral_code, u.external_subject, u.referrer_id, r.name AS "referrer_name?", r.email AS "referrer_email?",
            (SELECT e.email FROM email_confirmations e
                WHERE e.app_id = $1 AND e.user_id = $2 AND e.confirmed_at IS NULL AND lower(e.email) <> lower(u.email)
            ) AS pending_email,
            COALESCE((SELECT accepted FROM referral_counts WHERE app_id = $1 AND user_id = $2), 0) AS "referred!"
        FROM users u LEFT JOIN users r ON r.app_id = u.app_id AND r.user_id = u.referrer_id
        WHERE u.app_id = $1 AND u.user_id = $2
        "#,
        app.0,
        user.0,
    )
    .fetch_optional(db)
    .await?)
}

/// An invite to a user, with its last mail.
#[derive(Debug)]
pub struct InviteToUser {
    pub id: Uuid,
    /// `invite` or `referral`.
    pub kind: String,
    pub state: String,
    pub created_at: String,
    pub mail_id: Option<Uuid>,
    /// `queued`, `sent` or `failed`, or what was reported of it later: `bounced`, `complained`.
    pub mail_state: Option<String>,
}

/// The invites to a user, newest first, at most `limit`.
pub async fn invites(db: &Pool, app: AppId, user: UserId, limit: i64) -> Result<Vec<InviteToUser>, Error> {
    Ok(query_as!(
        InviteToUser,
        r#"
        WITH invite AS MATERIALIZED (
            SELECT * FROM invites WHERE app_id = $1 AND user_id = $2 AND kind = 'invite'
            UNION ALL SELECT * FROM invites WHERE app_id = $1 AND user_id = $2 AND kind = 'referral'
            ORDER BY invite_id DESC LIMIT $3
        )
        SELECT i.invite_id AS "id!", i.kind AS "kind!",
            invite_state(i.accepted_at, i.revoked_at, i.expires_at) AS "state!",
            to_char(i.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            m.mail_id AS "mail_id?",
            COALESCE((
                SELECT e.kind FROM invite_events e
                WHERE e.app_id = $1 AND e.mail_id = m.mail_id AND e.kind IN ('bounced', 'complained')
                ORDER BY e.created_at DESC LIMIT 1), m.state) AS mail_state
        FROM invite i LEFT JOIN LATERAL (
            SELECT o.mail_id, o.state FROM outbox o WHERE o.app_id = $1 AND o.invite_id = i.invite_id
            ORDER BY o.created_at DESC LIMIT 1
        ) m ON true
        ORDER BY i.invite_id DESC
        "#,
        app.0,
        user.0,
        limit,
    )
    .fetch_all(db)
    .await?)
}
