//! Updates a user.

use super::email_change;
use super::update_fields::{UpdateOutcome, UpdateUser, update_fields};
use crate::db::Error;
use crate::db::unit_of_work::UnitOfWork;

/// Updates a profile and publishes an event if it has changed. A new address that a user sets for themselves waits for
/// its confirmation; one set by the app's backend takes effect at once; a user cannot change that of another user.
pub async fn update(work: &mut UnitOfWork<'_>, update: &UpdateUser) -> Result<UpdateOutcome, Error> {
    let patch = &update.change.patch;
    match (&patch.email, &update.email_change, update.change.caller) {
        (Some(email), Some(rules), Some(caller)) if caller == update.change.user => {
            email_change::request(work, update, email, rules).await
        }
        (Some(email), Some(rules), None) => email_change::change(work, update, email, rules).await,
        _ => update_fields(work, update).await,
    }
}
