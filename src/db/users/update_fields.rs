//! The command to update a user, and the updates that do not change the address.

use std::time::Duration;

use serde_json::json;

use super::by_id;
use super::profile::{self, EmailChange, RowLock, Update, UpdatedRow};
use crate::db::Error;
use crate::db::outbox::NewMail;
use crate::db::unit_of_work::UnitOfWork;
use crate::domain::email::Email;
use crate::domain::webhook::EventType;

/// An update of one user.
pub struct UpdateUser {
    pub change: Update,
    /// The user must have one of these versions (`If-Match`).
    pub expected: Option<Vec<i64>>,
    /// The names of the fields in the request, for the event.
    pub fields: Vec<String>,
    /// How to change the address; set if the patch has one.
    pub email_change: Option<EmailChangeRules>,
}

/// The mails and limits of a change of address.
pub struct EmailChangeRules {
    /// Asks the new address to confirm.
    pub confirmation: NewMail,
    /// Informs the old address, or the user who already has the new one.
    pub notice: NewMail,
    pub limits: ConfirmationLimits,
    /// An address that was asked to confirm less than this ago is not mailed again.
    pub resend_after: Duration,
}

/// Daily (UTC) limits of access tokens. A backend is responsible for its recipients.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmationLimits {
    /// Address changes and repeated confirmation mails of one user.
    pub per_user: i32,
    /// Confirmation mails to one address, over all users of the app. Mails above the limit are silently not sent.
    pub per_recipient: i32,
}

#[derive(Debug, PartialEq, Eq)]
pub enum UpdateOutcome {
    /// Stored, with the new [`User::version`](crate::domain::users::User::version). A requested address awaits
    /// confirmation.
    Updated(i64),
    /// The user's version is not one of those expected.
    Stale,
    /// The new address belongs to another user.
    EmailTaken,
    /// The user has used up the address changes of the day. Nothing has changed.
    QuotaExceeded,
    /// Unknown, frozen or deleted, or the caller may not change the user.
    NotAccessible,
}

/// Updates the profile of a user except the address, in a batch if possible. A `caller` (the user of an access token)
/// can reach users of their own tenant while neither is frozen or deleted.
pub(super) async fn update_fields(
    work: &mut UnitOfWork<'_>,
    update: &UpdateUser,
) -> Result<UpdateOutcome, Error> {
    if update.change.patch.is_empty() {
        return unchanged_outcome(work, update).await;
    }
    let batcher = &work.store.updates;
    if update.expected.is_none()
        && let Some(written) = work.batched(batcher, &update.change).await?
    {
        return Ok(UpdateOutcome::Updated(written.version));
    }
    match write(work, update, &update.change, &update.fields, EmailChange::Deny).await? {
        Some(written) => Ok(UpdateOutcome::Updated(written.version)),
        None if update.expected.is_some() => unchanged_outcome(work, update).await,
        None => Ok(UpdateOutcome::NotAccessible),
    }
}

/// Writes `change`, which is `update` or a part of it, and publishes an event with `fields` if a column has changed.
/// `None`: the user was not accessible, stale, or has another address.
pub(super) async fn write(
    work: &mut UnitOfWork<'_>,
    update: &UpdateUser,
    change: &Update,
    fields: &[String],
    email_change: EmailChange,
) -> Result<Option<UpdatedRow>, Error> {
    let expected = update.expected.as_deref();
    let one = std::slice::from_ref(change);
    let db = work.connection().await?;
    let written = profile::write(db, one, RowLock::Wait, email_change, expected).await?.pop();
    if written.as_ref().is_some_and(|written| written.changed) {
        work.publish(EventType::UserUpdated, Some(change.user), json!({ "fields": fields })).await?;
    }
    Ok(written)
}

/// The outcome of an update that leaves the row unchanged.
pub(super) async fn unchanged_outcome(
    work: &mut UnitOfWork<'_>,
    update: &UpdateUser,
) -> Result<UpdateOutcome, Error> {
    work.rollback().await?;
    let Update { app, caller, user, patch } = &update.change;
    let found = by_id(&work.store.pool, *app, *caller, *user).await?;
    let Some(found) = found.filter(|found| !found.freezed) else { return Ok(UpdateOutcome::NotAccessible) };
    let own = caller.is_none_or(|caller| caller == *user);
    let same =
        |email: &Email| found.email.as_deref().is_some_and(|old| old.eq_ignore_ascii_case(email.as_str()));
    if !own && !patch.email.as_ref().is_none_or(same) {
        return Ok(UpdateOutcome::NotAccessible);
    }
    match &update.expected {
        Some(expected) if !expected.contains(&found.version) => Ok(UpdateOutcome::Stale),
        _ => Ok(UpdateOutcome::Updated(found.version)),
    }
}
