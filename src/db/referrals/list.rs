//! Lists and counts referrals. A referrer is recorded once, by an invite or a code, which the database enforces
//! (`migrations/0004_referrals.sql`). The database also counts accepted referrals, so that counting and ranking cost
//! the same however many there are.

use sqlx::{query, query_as};
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::id::{AppId, UserId};
use crate::domain::referrals::{Referral, ReferralCounts};

/// The referral code of a user and the number of their referrals. A `caller` (the user of an access token) can see only
/// their own, while not frozen.
pub async fn counts(
    db: &Pool,
    app: AppId,
    caller: Option<UserId>,
    user: UserId,
) -> Result<Option<(String, ReferralCounts)>, Error> {
    if caller.is_some_and(|caller| caller != user) {
        return Ok(None);
    }
    // A recipient who accepts but already has an account is not a referral, and must not be revealed.
    let row = query!(
        r#"
        WITH waiting AS (
            SELECT invite_state(NULL, i.revoked_at, i.expires_at) AS state FROM invites i
            WHERE i.app_id = $1 AND i.inviter_id = $2 AND i.kind = 'referral'
                AND (i.accepted_at IS NULL OR i.user_id IS NULL)
            UNION ALL
            SELECT invite_state(NULL, i.revoked_at, COALESCE(i.expires_at, '-infinity')) FROM users n
            LEFT JOIN invites i ON i.app_id = n.app_id AND i.user_id = n.user_id AND i.kind = 'invite'
            WHERE n.app_id = $1 AND n.referrer_id = $2 AND n.accepted_at IS NULL AND NOT n.deleted
        )
        SELECT u.referral_code,
            COALESCE((SELECT accepted FROM referral_counts WHERE app_id = $1 AND user_id = $2), 0) AS "accepted!",
            (SELECT count(*) FROM waiting WHERE state = 'open') AS "open!",
            (SELECT count(*) FROM waiting WHERE state = 'expired') AS "expired!",
            (SELECT count(*) FROM waiting WHERE state = 'revoked') AS "revoked!"
        FROM users u WHERE u.app_id = $1 AND u.user_id = $2 AND NOT u.deleted AND NOT ($3 AND u.freezed)
        "#,
        app.0,
        user.0,
        caller.is_some(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let counts = ReferralCounts {
            open: row.open,
            accepted: row.accepted,
            expired: row.expired,
            revoked: row.revoked,
        };
        (row.referral_code, counts)
    }))
}

/// The referrals of a user with ids greater than `after`, by id, at most `limit`: invites they sent and users who used
/// their code. Erased users are left out. Users whose invites were deleted after their end are included: if they came
/// by a referral, they were created and accepted in one transaction, so both times are equal.
pub async fn list(
    db: &Pool,
    app: AppId,
    user: UserId,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Referral>, Error> {
    Ok(query_as!(
        Referral,
        r#"
        WITH sent AS (
            SELECT invite_id AS id, 'invite' AS by, email, user_id, created_at, revoked_at, expires_at,
                CASE WHEN user_id IS NOT NULL THEN accepted_at END AS accepted_at
            FROM invites
            WHERE app_id = $1 AND inviter_id = $2 AND kind = 'referral' AND invite_id > $3
            ORDER BY invite_id LIMIT $4
        ), brought AS (
            SELECT u.user_id AS id, CASE WHEN u.accepted_at = u.created_at THEN 'invite' ELSE 'code' END AS by, u.email,
                u.user_id, u.created_at, i.revoked_at, COALESCE(i.expires_at, '-infinity') AS expires_at, u.accepted_at
            FROM users u
            LEFT JOIN invites i ON i.app_id = u.app_id AND i.user_id = u.user_id AND i.kind = 'invite'
            WHERE u.app_id = $1 AND u.referrer_id = $2 AND NOT u.deleted AND u.user_id > $3
                AND (SELECT true FROM invites r
                    WHERE r.app_id = u.app_id AND r.user_id = u.user_id AND r.kind = 'referral' LIMIT 1) IS NULL
            ORDER BY u.user_id LIMIT $4
        )
        SELECT id AS "id!", by AS "by!", invite_state(accepted_at, revoked_at, expires_at) AS "state!", email,
            user_id,
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            to_char(accepted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS accepted_at
        FROM (TABLE sent UNION ALL TABLE brought) r
        ORDER BY id LIMIT $4
        "#,
        app.0,
        user.0,
        after,
        limit,
    )
    .fetch_all(db)
    .await?)
}
