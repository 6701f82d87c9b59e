//! Users. In the usual case each API call is one statement, which checks access, changes rows and writes the mail
//! atomically.

pub mod access_status;
pub mod demo;
pub mod details;
pub mod email_change;
pub mod email_confirmation;
pub mod email_verification;
pub mod erase;
pub mod external_subject;
pub mod profile;
pub mod search;
pub mod update;
pub mod update_fields;

use sqlx::{PgExecutor, query_as, query_scalar};
use uuid::Uuid;

use super::Error;
use crate::domain::email::Email;
use crate::domain::id::{AppId, UserId};
use crate::domain::users::User;

/// Selects the columns of a [`User`], including [`User::version`], of users who are not deleted and meet a condition.
/// Each look-up is a separate statement, so that PostgreSQL has only one index to choose, with or without statistics.
macro_rules! select_users {
    ($condition:literal, $($argument:expr),*) => {
        query_as!(
            User,
            r#"
            SELECT user_id AS id, app_id, language, salutation, salutation_other, accepted_newsletter,
                to_char(accepted_newsletter_date AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
                    AS accepted_newsletter_date,
                to_char(last_asked_newsletter_sign_up AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
                    AS last_asked_newsletter_sign_up,
                mailchimp_member_id, name, given_name, family_name, middle_name, nickname, preferred_username,
                profile, picture, website, email, email_verified, gender, other_gender, birthdate, zoneinfo,
                locale, phone_number, phone_number_verified, freezed, deleted, tenant_id AS "tenant_id!",
                version
            FROM users
            WHERE app_id = $1 AND NOT deleted
            "# + $condition,
            $($argument),*
        )
    };
}

/// The user with this id. A `caller` (the user of an access token) sees users of their own tenant, if neither of the
/// two is frozen; without a caller all users of the app are visible.
pub async fn by_id(
    db: impl PgExecutor<'_>,
    app: AppId,
    caller: Option<UserId>,
    user: UserId,
) -> Result<Option<User>, Error> {
    let found = select_users!(
        "AND user_id = $2
            AND ($3::uuid IS NULL OR NOT freezed AND tenant_id = (
                SELECT c.tenant_id FROM users c
                WHERE c.app_id = $1 AND c.user_id = $3 AND NOT c.freezed AND NOT c.deleted))",
        app.0,
        user.0,
        caller.map(|caller| caller.0)
    );
    Ok(found.fetch_optional(db).await?)
}

/// The user with this address. `caller` as in [`by_id`].
pub async fn by_email(
    db: impl PgExecutor<'_>,
    app: AppId,
    caller: Option<UserId>,
    email: &Email,
) -> Result<Option<User>, Error> {
    let found = select_users!(
        "AND lower(email) = lower($2)
            AND ($3::uuid IS NULL OR NOT freezed AND tenant_id = (
                SELECT c.tenant_id FROM users c
                WHERE c.app_id = $1 AND c.user_id = $3 AND NOT c.freezed AND NOT c.deleted))",
        app.0,
        email.as_str(),
        caller.map(|caller| caller.0)
    );
    Ok(found.fetch_optional(db).await?)
}

/// The users of an app with ids greater than `after`, by id, at most `limit`.
pub async fn page(db: impl PgExecutor<'_>, app: AppId, after: Uuid, limit: i64) -> Result<Vec<User>, Error> {
    let found = select_users!("AND user_id > $2 ORDER BY app_id, user_id LIMIT $3", app.0, after, limit);
    Ok(found.fetch_all(db).await?)
}

/// The language of a user who is neither frozen nor deleted, for the `lng` claim of a token.
pub async fn language(db: impl PgExecutor<'_>, app: AppId, user: UserId) -> Result<Option<String>, Error> {
    Ok(query_scalar!(
        "SELECT language FROM users WHERE app_id = $1 AND user_id = $2 AND NOT freezed AND NOT deleted",
        app.0,
        user.0
    )
    .fetch_optional(db)
    .await?)
}
