//! Attributes a new user to the owner of a referral code.

use sqlx::{PgConnection, query};

use crate::db::{Error, is_violation};
use crate::domain::id::{AppId, UserId};
use crate::domain::invites::referral_code::ReferralCode;

/// The outcome of attributing a new user to a referral code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributionOutcome {
    /// The owner of the code is the referrer. Also returned, without a change, if the user already has a referrer or
    /// has referred others.
    Attributed,
    /// The code is unknown, or its owner is frozen or deleted.
    UnknownCode,
    /// The code is the new user's own.
    OwnCode,
}

/// Records the owner of `code` as the referrer of `user`, who must exist and have no referrer. [`Error::Contended`]: a
/// concurrent transaction changed the same rows.
pub(crate) async fn attribute(
    db: &mut PgConnection,
    app: AppId,
    user: UserId,
    code: &ReferralCode,
) -> Result<AttributionOutcome, Error> {
    let done = query!(
        r#"
        WITH referrer AS (
            SELECT user_id FROM users
            WHERE app_id = $1 AND referral_code = $3 AND NOT freezed AND NOT deleted
        ), recorded AS (
            UPDATE users u SET referrer_id = r.user_id, version = version + 1
            FROM referrer r
            WHERE u.app_id = $1 AND u.user_id = $2 AND u.referrer_id IS NULL AND r.user_id <> u.user_id
                AND NOT EXISTS (SELECT FROM users c WHERE c.app_id = $1 AND c.referrer_id = $2)
        )
        SELECT user_id = $2 AS "own!" FROM referrer
        "#,
        app.0,
        user.0,
        code.as_str(),
    )
    .fetch_optional(db)
    .await;
    match done.map_err(Error::of_change) {
        Ok(Some(row)) if row.own => Ok(AttributionOutcome::OwnCode),
        Ok(Some(_)) => Ok(AttributionOutcome::Attributed),
        Ok(None) => Ok(AttributionOutcome::UnknownCode),
        Err(Error::Sql(error)) if is_violation(&error, "users_referrer_leaf_check") => Err(Error::Contended),
        Err(error) => Err(error),
    }
}
