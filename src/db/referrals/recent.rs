//! The newest referrals, for operators: of an app, and of one user.

use sqlx::{query_as, query_scalar};
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::id::{AppId, UserId};
use crate::domain::invites::State;

/// The maximum number of invites of all kinds that are scanned for a page of referrals of an app.
pub const MAX_SCANNED: i64 = 5_000;
/// The same for the referrals of one user. Of more users who used the code, these are some.
const MAX_SCANNED_OF_USER: i64 = 1_000;

/// A referral, with both people.
#[derive(Debug)]
pub struct RecentReferral {
    /// `None`: the user used the code and was not invited by the referrer.
    pub invite_id: Option<Uuid>,
    pub state: String,
    /// The recipient's address.
    pub email: Option<String>,
    /// The new user; `None` if there is none yet, or if the recipient had an account already.
    pub user_id: Option<Uuid>,
    pub user_name: Option<String>,
    pub referrer_id: Option<Uuid>,
    pub referrer_name: Option<String>,
    pub referrer_email: Option<String>,
    /// UTC.
    pub created_at: String,
    pub accepted_at: Option<String>,
}

/// The referral invites of an app in this state with ids below `before`, newest first, at most `limit`. `None` matches
/// all states. Scans at most [`MAX_SCANNED`].
pub async fn of_app(
    db: &Pool,
    app: AppId,
    state: Option<State>,
    before: Uuid,
    limit: i64,
) -> Result<Vec<RecentReferral>, Error> {
    Ok(query_as!(
        RecentReferral,
        r#"
        WITH found AS MATERIALIZED (
            SELECT * FROM (
                SELECT * FROM invites WHERE app_id = $1 AND invite_id < $2 ORDER BY invite_id DESC LIMIT $5
            ) i WHERE kind = 'referral'
                AND ($3::text IS NULL OR invite_state(accepted_at, revoked_at, expires_at) = $3)
            ORDER BY invite_id DESC LIMIT $4
        )
        SELECT i.invite_id, invite_state(i.accepted_at, i.revoked_at, i.expires_at) AS "state!", i.email, i.user_id,
            u.name AS "user_name?", i.inviter_id AS referrer_id, r.name AS "referrer_name?",
            r.email AS "referrer_email?",
            to_char(i.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            to_char(i.accepted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS accepted_at
        FROM found i
        LEFT JOIN users u ON u.app_id = $1 AND u.user_id = i.user_id
        LEFT JOIN users r ON r.app_id = $1 AND r.user_id = i.inviter_id
        ORDER BY i.invite_id DESC
        "#,
        app.0,
        before,
        state.map(State::as_str),
        limit,
        MAX_SCANNED,
    )
    .fetch_all(db)
    .await?)
}

/// The last invite that [`of_app`] scans, if there may be more before it.
pub async fn last_scanned(db: &Pool, app: AppId, before: Uuid) -> Result<Option<Uuid>, Error> {
    Ok(query_scalar!(
        "SELECT invite_id FROM invites WHERE app_id = $1 AND invite_id < $2
        ORDER BY invite_id DESC OFFSET $3 LIMIT 1",
        app.0,
        before,
        MAX_SCANNED - 1,
    )
    .fetch_optional(db)
    .await?)
}

/// The newest referrals of a user, at most `limit`: invites they sent and users who used their code, as
/// [`list`](super::list::list) does.
pub async fn of_user(db: &Pool, app: AppId, user: UserId, limit: i64) -> Result<Vec<RecentReferral>, Error> {
    Ok(query_as!(
        RecentReferral,
        r#"
        WITH sent AS (
            SELECT invite_id, email, user_id, created_at, accepted_at, revoked_at, expires_at FROM (
                SELECT * FROM invites WHERE app_id = $1 AND inviter_id = $2 ORDER BY invite_id DESC LIMIT $4
            ) i WHERE kind = 'referral' ORDER BY invite_id DESC LIMIT $3
        ), brought AS (
            SELECT NULL::uuid AS invite_id, u.email, u.user_id, u.created_at, u.accepted_at, i.revoked_at,
                COALESCE(i.expires_at, '-infinity') AS expires_at
            FROM (SELECT * FROM users WHERE app_id = $1 AND referrer_id = $2 AND NOT deleted LIMIT $4) u
            LEFT JOIN invites i ON i.app_id = $1 AND i.user_id = u.user_id AND i.kind = 'invite'
            WHERE (SELECT true FROM invites r
                WHERE r.app_id = $1 AND r.user_id = u.user_id AND r.kind = 'referral' LIMIT 1) IS NULL
            ORDER BY u.created_at DESC LIMIT $3
        ), newest AS MATERIALIZED (
            SELECT * FROM (TABLE sent UNION ALL TABLE brought) b ORDER BY created_at DESC LIMIT $3
        )
        SELECT n.invite_id, invite_state(n.accepted_at, n.revoked_at, n.expires_at) AS "state!", n.email, n.user_id,
            u.name AS "user_name?", NULL::uuid AS referrer_id, NULL::text AS referrer_name,
            NULL::text AS referrer_email,
            to_char(n.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            to_char(n.accepted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS accepted_at
        FROM newest n LEFT JOIN users u ON u.app_id = $1 AND u.user_id = n.user_id
        ORDER BY n.created_at DESC
        "#,
        app.0,
        user.0,
        limit,
        MAX_SCANNED_OF_USER,
    )
    .fetch_all(db)
    .await?)
}
