//! Users. Each call of the API is one statement where nothing is in its way: it checks who may reach
//! whom, changes, and writes the mail, together or not at all.

pub mod email_change;
pub mod update;

use serde_json::{Value, json};
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use uuid::Uuid;

use super::webhooks::{Change, tell_of};
use super::{Error, Pool, Transaction, is_violation};
use crate::domain::email::Email;
use crate::domain::id::{self, AppId, UserId};
use crate::domain::invites::referral_code;
use crate::domain::language::Language;
use crate::domain::users::User;
use crate::domain::webhook::{EventId, EventType};

/// The columns of a [`User`] with [`User::version`], of those who are not deleted and meet a condition. Each look-up is
/// a statement of its own, so that PostgreSQL has one index to choose, with statistics or without.
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

/// The user with an id. A `caller` (the user of an access token) sees the users of their own tenant while neither is
/// frozen; without one, all of the app are seen.
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

/// The user with an address, for a `caller` as in [`by_id`].
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

/// The users of an app by id, at most `limit` of those after `after`.
pub async fn page(db: impl PgExecutor<'_>, app: AppId, after: Uuid, limit: i64) -> Result<Vec<User>, Error> {
    let found = select_users!("AND user_id > $2 ORDER BY app_id, user_id LIMIT $3", app.0, after, limit);
    Ok(found.fetch_all(db).await?)
}

/// Whom an outside issuer's `sub` stands for: the user with that id, else the one it was recorded for.
pub async fn by_subject(db: &Pool, app: AppId, subject: &str) -> Result<Option<UserId>, Error> {
    // No text of PostgreSQL's has it.
    if subject.contains('\0') {
        return Ok(None);
    }
    let user = query_scalar!(
        "SELECT user_id FROM users WHERE app_id = $1 AND (user_id = $2 OR external_subject = $3)
        ORDER BY user_id = $2 DESC NULLS LAST LIMIT 1",
        app.0,
        id::parse(subject),
        subject,
    )
    .fetch_optional(db)
    .await?;
    Ok(user.map(UserId))
}

/// What became of the recording of an outside issuer's `sub`.
#[derive(Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Stored.
    Yes,
    /// It is another user's, or another user's id.
    Taken,
    /// Nobody of the app has this id, or they are deleted.
    OutOfReach,
}

/// Records which `sub` of the app's outside issuer is this user; `None` forgets it.
pub async fn set_external_subject(
    db: &Pool,
    app: AppId,
    user: UserId,
    subject: Option<&str>,
    told: Option<EventId>,
) -> Result<Recorded, Error> {
    let mut change = Change::begin(db, told.is_some()).await?;
    let another = subject.and_then(id::parse).filter(|id| *id != user.0);
    if let Some(another) = another {
        // Also one who was erased: ids are looked for first.
        let theirs = query_scalar!(
            r#"SELECT EXISTS (SELECT FROM users WHERE app_id = $1 AND user_id = $2) AS "theirs!""#,
            app.0,
            another,
        )
        .fetch_one(change.connection())
        .await?;
        if theirs {
            return Ok(Recorded::Taken);
        }
    }
    let done = query!(
        "UPDATE users SET external_subject = $3, version = version + 1 WHERE app_id = $1 AND user_id = $2 AND NOT deleted",
        app.0,
        user.0,
        subject,
    )
    .execute(change.connection())
    .await;
    match done {
        Ok(done) if done.rows_affected() == 1 => {
            let more = json!({ "fields": ["externalSubject"] });
            tell_of(change.connection(), told, EventType::UserUpdated, app, user, more).await?;
            change.end().await?;
            Ok(Recorded::Yes)
        }
        Ok(_) => Ok(Recorded::OutOfReach),
        Err(error) if is_violation(&error, "users_external_subject_key") => Ok(Recorded::Taken),
        Err(error) => Err(Error::of_change(error)),
    }
}

/// Freezes or unfreezes a user: whether they were frozen before; `None`: nobody of the app has this id, or they are
/// deleted.
pub async fn set_frozen(
    db: &Pool,
    app: AppId,
    user: UserId,
    frozen: bool,
    told: Option<EventId>,
) -> Result<Option<bool>, Error> {
    let mut change = Change::begin(db, told.is_some()).await?;
    let was = query_scalar!(
        r#"
        WITH person AS (
            SELECT freezed FROM users WHERE app_id = $1 AND user_id = $2 AND NOT deleted FOR NO KEY UPDATE
        ), changed AS (
            UPDATE users SET freezed = $3, version = version + 1
            WHERE app_id = $1 AND user_id = $2 AND NOT deleted AND freezed <> $3
        )
        SELECT freezed FROM person
        "#,
        app.0,
        user.0,
        frozen,
    )
    .fetch_optional(change.connection())
    .await
    .map_err(Error::of_change)?;
    if was == Some(!frozen) {
        let kind = if frozen { EventType::UserFrozen } else { EventType::UserUnfrozen };
        tell_of(change.connection(), told, kind, app, user, Value::Null).await?;
    }
    change.end().await?;
    Ok(was)
}

/// What became of an erasure.
#[derive(Debug, PartialEq, Eq)]
pub enum Erased {
    /// Nothing is left of the person.
    Yes {
        /// Of their mails, sent ones too.
        message_ids: Vec<String>,
    },
    /// The user has another version than the caller expects.
    Stale,
    /// Unknown, frozen or deleted, or not for this caller to erase.
    OutOfReach,
}

/// Erases a user: every column that says something of the person, the invites to them, the referrals of their address
/// and their own open ones with the mails of all, and their tenant if nobody else is in it. The row stays, since others
/// can have been referred by them. Whoever writes something of a user locks their row first, so that it is erased or
/// not written. A `caller` (the user of an access token) erases nobody but themselves,
/// while not frozen. Only if they have one of the versions `expected`, where some are.
pub async fn erase(
    db: &Pool,
    app: AppId,
    caller: Option<UserId>,
    user: UserId,
    expected: Option<&[i64]>,
    told: Option<EventId>,
) -> Result<Erased, Error> {
    if caller.is_some_and(|caller| caller != user) {
        return Ok(Erased::OutOfReach);
    }
    let mut transaction = Transaction::begin(db).await?;
    let row = query!(
        r#"
        SELECT tenant_id AS "tenant_id!", version, email FROM users
        WHERE app_id = $1 AND user_id = $2 AND NOT deleted AND NOT ($3 AND freezed) FOR UPDATE
        "#,
        app.0,
        user.0,
        caller.is_some(),
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(row) = row else { return Ok(Erased::OutOfReach) };
    if expected.is_some_and(|expected| !expected.contains(&row.version)) {
        return Ok(Erased::Stale);
    }
    let message_ids = query_scalar!(
        r#"
        WITH gone AS (
            SELECT invite_id FROM invites WHERE app_id = $1 AND user_id = $2 AND kind = 'invite'
            UNION
            SELECT invite_id FROM invites WHERE app_id = $1 AND user_id = $2 AND kind = 'referral'
            UNION
            SELECT invite_id FROM invites
            WHERE app_id = $1 AND inviter_id = $2 AND kind = 'referral' AND accepted_at IS NULL
            UNION
            SELECT invite_id FROM invites
            WHERE app_id = $1 AND lower(email) = lower($3) AND kind = 'referral' AND user_id IS NULL
        ), mails AS (
            DELETE FROM outbox WHERE app_id = $1 AND invite_id IN (SELECT invite_id FROM gone) RETURNING message_id
        ), notices AS (
            DELETE FROM outbox WHERE app_id = $1 AND user_id = $2 RETURNING message_id
        ), confirmation AS (
            DELETE FROM email_confirmations WHERE app_id = $1 AND user_id = $2
        ), counts AS (
            DELETE FROM referral_quotas WHERE app_id = $1 AND scope IN ('address', 'holder') AND subject IN (
                lower($3), (SELECT lower(email) FROM email_confirmations WHERE app_id = $1 AND user_id = $2))
        ), answers AS (
            DELETE FROM idempotency_keys WHERE app_id = $1 AND user_id = $2
        ), own_answers AS (
            DELETE FROM idempotency_keys
            WHERE app_id = $1 AND caller = $2 AND NOT backend AND user_id IS DISTINCT FROM $2
        ), invites AS (
            DELETE FROM invites WHERE app_id = $1 AND invite_id IN (SELECT invite_id FROM gone)
        )
        SELECT message_id AS "message_id!" FROM mails UNION ALL SELECT message_id FROM notices
        "#,
        app.0,
        user.0,
        row.email,
    )
    .fetch_all(&mut *transaction)
    .await?;
    query!(
        r#"
        UPDATE users SET deleted = true, freezed = false, tenant_id = NULL, email = NULL, email_verified = false,
            language = 'und', salutation = NULL, salutation_other = NULL, accepted_newsletter = false,
            accepted_newsletter_date = NULL, last_asked_newsletter_sign_up = NULL, mailchimp_member_id = NULL,
            name = NULL, given_name = NULL, family_name = NULL, middle_name = NULL, nickname = NULL,
            preferred_username = NULL, profile = NULL, picture = NULL, website = NULL, gender = NULL,
            other_gender = NULL, birthdate = NULL, zoneinfo = NULL, locale = NULL, phone_number = NULL,
            phone_number_verified = false, external_subject = NULL, version = version + 1
        WHERE app_id = $1 AND user_id = $2
        "#,
        app.0,
        user.0,
    )
    .execute(&mut *transaction)
    .await?;
    // Somebody who joins the tenant at this moment holds its row; then it stays.
    query!(
        r#"
        DELETE FROM tenants WHERE app_id = $1 AND tenant_id IN (
            SELECT t.tenant_id FROM tenants t WHERE t.app_id = $1 AND t.tenant_id = $2
                AND NOT EXISTS (SELECT FROM users u WHERE u.app_id = $1 AND u.tenant_id = $2)
            FOR UPDATE SKIP LOCKED)
        "#,
        app.0,
        row.tenant_id,
    )
    .execute(&mut *transaction)
    .await?;
    tell_of(&mut transaction, told, EventType::UserDeleted, app, user, Value::Null).await?;
    transaction.commit().await?;
    Ok(Erased::Yes { message_ids })
}

/// The language of a user who is neither frozen nor deleted: the `lng` of a token for them.
pub async fn language(db: impl PgExecutor<'_>, app: AppId, user: UserId) -> Result<Option<String>, Error> {
    Ok(query_scalar!(
        "SELECT language FROM users WHERE app_id = $1 AND user_id = $2 AND NOT freezed AND NOT deleted",
        app.0,
        user.0
    )
    .fetch_optional(db)
    .await?)
}

/// Makes the user of the trial's demo app, in a tenant of their own, as one who has accepted.
pub async fn create_demo(
    db: &mut PgConnection,
    app: AppId,
    user: UserId,
    email: &Email,
    language: &Language,
    name: &str,
) -> Result<(), Error> {
    query!(
        r#"
        WITH tenant AS (INSERT INTO tenants (app_id, tenant_id) VALUES ($1, $2))
        INSERT INTO users
            (app_id, user_id, tenant_id, email, email_verified, language, name, referral_code, accepted_at)
        VALUES ($1, $3, $2, $4, true, $5, $6, $7, now())
        "#,
        app.0,
        id::public(),
        user.0,
        email.as_str(),
        language.as_str(),
        name,
        referral_code::generate(),
    )
    .execute(db)
    .await?;
    Ok(())
}
