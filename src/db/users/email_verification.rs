//! Marks addresses as verified.

use serde_json::{Value, json};
use sqlx::query;

use crate::db::webhooks::publish::{Change, tell_of};
use crate::db::{Error, Pool};
use crate::domain::email::Email;
use crate::domain::id::{AppId, UserId};
use crate::domain::webhook::{EventId, EventType};

/// What is told of an address that is verified, and may be a new one.
pub(super) fn verified(is_new: bool) -> Value {
    if is_new {
        json!({ "fields": ["email", "email_verified"] })
    } else {
        json!({ "fields": ["email_verified"] })
    }
}

/// What became of a word that an address is a user's.
#[derive(Debug, PartialEq, Eq)]
pub enum Vouched {
    /// It is verified.
    Yes,
    /// The user has another.
    OtherAddress,
    /// The user is unknown, frozen or deleted.
    OutOfReach,
}

/// Marks the address of a user as verified, if it is `email`.
pub async fn vouch(
    db: &Pool,
    app: AppId,
    user: UserId,
    email: &Email,
    told: Option<EventId>,
) -> Result<Vouched, Error> {
    let mut change = Change::begin(db, told.is_some()).await?;
    let row = query!(
        r#"
        WITH person AS (
            SELECT lower(email) = lower($3) AS same FROM users
            WHERE app_id = $1 AND user_id = $2 AND NOT freezed AND NOT deleted FOR NO KEY UPDATE
        ), verified AS (
            UPDATE users SET email_verified = true, version = version + 1
            WHERE app_id = $1 AND user_id = $2 AND NOT email_verified AND EXISTS (SELECT FROM person WHERE same)
            RETURNING user_id
        ), asked AS (
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
        app.0,
        user.0,
        email.as_str(),
    )
    .fetch_optional(change.connection())
    .await
    .map_err(Error::of_change)?;
    if row.as_ref().is_some_and(|row| row.changed) {
        tell_of(change.connection(), told, EventType::UserUpdated, app, user, verified(false)).await?;
    }
    change.end().await?;
    Ok(match row {
        None => Vouched::OutOfReach,
        Some(row) if row.same => Vouched::Yes,
        Some(_) => Vouched::OtherAddress,
    })
}
