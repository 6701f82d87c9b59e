//! Marks addresses as verified.

use serde_json::{Value, json};
use sqlx::query;

use crate::db::Error;
use crate::db::unit_of_work::UnitOfWork;
use crate::domain::email::Email;
use crate::domain::id::UserId;
use crate::domain::webhook::EventType;

/// Event fields for an address that was verified, and changed if `is_new`.
pub(super) fn event_fields(is_new: bool) -> Value {
    if is_new {
        json!({ "fields": ["email", "email_verified"] })
    } else {
        json!({ "fields": ["email_verified"] })
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum VerifyEmailOutcome {
    /// It is verified.
    Verified,
    /// The user has a different address.
    OtherAddress,
    NotAccessible,
}

pub struct VerifyEmail {
    pub user: UserId,
    pub email: Email,
}

/// Marks the address of a user as verified, if it is `email`.
pub async fn verify_email(
    work: &mut UnitOfWork<'_>,
    VerifyEmail { user, email }: &VerifyEmail,
) -> Result<VerifyEmailOutcome, Error> {
    let row = query!(
        r#"
        WITH person AS (
            SELECT lower(email) = lower($3) AS same FROM users
            WHERE app_id = $1 AND user_id = $2 AND NOT freezed AND NOT deleted FOR NO KEY UPDATE
        ), verified AS (
            UPDATE users SET email_verified = true, version = version + 1
            WHERE app_id = $1 AND user_id = $2 AND NOT email_verified AND EXISTS (SELECT FROM person WHERE same)
            RETURNING user_id
        ), confirmed AS (
            UPDATE email_confirmations SET confirmed_at = now()
            WHERE app_id = $1 AND user_id = $2 AND lower(email) = lower($3) AND confirmed_at IS NULL
                AND EXISTS (SELECT FROM person WHERE same)
        ), void AS (
            DELETE FROM outbox
            WHERE app_id = $1 AND user_id = $2 AND kind = 'confirmation' AND state = 'queued' AND NOT claimed
                AND lower(recipient) = lower($3) AND EXISTS (SELECT FROM person WHERE same)
        )
        SELECT same AS "same!", EXISTS (SELECT FROM verified) AS "changed!" FROM person
        "#,
        work.app.0,
        user.0,
        email.as_str(),
    )
    .fetch_optional(work.connection().await?)
    .await
    .map_err(Error::of_change)?;
    if row.as_ref().is_some_and(|row| row.changed) {
        work.publish(EventType::UserUpdated, Some(*user), event_fields(false)).await?;
    }
    Ok(match row {
        None => VerifyEmailOutcome::NotAccessible,
        Some(row) if row.same => VerifyEmailOutcome::Verified,
        Some(_) => VerifyEmailOutcome::OtherAddress,
    })
}
