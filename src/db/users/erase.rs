//! Erases a user. The remaining data does not identify a person.

use serde_json::Value;
use sqlx::{query, query_scalar};

use crate::db::Error;
use crate::db::unit_of_work::UnitOfWork;
use crate::domain::id::UserId;
use crate::domain::webhook::EventType;

#[derive(Debug, PartialEq, Eq)]
pub enum EraseOutcome {
    Erased {
        /// `Message-ID`s of all mails to the user, including sent ones.
        message_ids: Vec<String>,
    },
    /// The user's version is not one of those expected.
    Stale,
    /// Unknown, frozen or deleted, or the caller may not erase the user.
    NotAccessible,
}

pub struct EraseUser {
    /// The user of an access token.
    pub caller: Option<UserId>,
    pub user: UserId,
    /// The user must have one of these versions (`If-Match`).
    pub expected: Option<Vec<i64>>,
}

/// Erases a user: all columns with personal data, the invites to them, the referrals of their address and their own
/// open ones with all mails, and their tenant if it has no other user. The row itself stays, since other users may
/// refer to it as their referrer. Statements that write data of a user lock the user's row first, so that the data is
/// either erased or not written. A `caller` can erase only themselves, while not frozen.
pub async fn erase(
    work: &mut UnitOfWork<'_>,
    EraseUser { caller, user, expected }: &EraseUser,
) -> Result<EraseOutcome, Error> {
    if caller.is_some_and(|caller| caller != *user) {
        return Ok(EraseOutcome::NotAccessible);
    }
    let app = work.app;
    let db = work.transaction().await?;
    let row = query!(
        r#"
        SELECT tenant_id AS "tenant_id!", version, email FROM users
        WHERE app_id = $1 AND user_id = $2 AND NOT deleted AND NOT ($3 AND freezed) FOR UPDATE
        "#,
        app.0,
        user.0,
        caller.is_some(),
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(EraseOutcome::NotAccessible) };
    if expected.as_ref().is_some_and(|expected| !expected.contains(&row.version)) {
        return Ok(EraseOutcome::Stale);
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
    .fetch_all(&mut *db)
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
    .execute(&mut *db)
    .await?;
    // A user who joins the tenant concurrently holds a lock on its row; then the tenant stays.
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
    .execute(&mut *db)
    .await?;
    work.publish(EventType::UserDeleted, Some(*user), Value::Null).await?;
    Ok(EraseOutcome::Erased { message_ids })
}
