//! Saving the profile form of a user, with the rules of `PUT /v1/users/{userId}` and an API key. A form whose user has
//! changed since it was loaded is not saved.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::profile::{ProfileForm, changes, errors, fields, parse, stored, text};
use super::user::{self, back, not_accessible};
use crate::admin::error::Error;
use crate::admin::form::{Fields, Submitted};
use crate::admin::session::Item;
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::db;
use crate::db::users::profile::Update;
use crate::db::users::update;
use crate::db::users::update_fields::{UpdateOutcome, UpdateUser};
use crate::domain::id::UserId;
use crate::domain::users::User;

/// Saves the form.
pub async fn save(
    State(console): State<ConsoleState>,
    Submitted { at: item, form }: Submitted<Item>,
) -> Result<Response, Error> {
    let version: i64 = form.get("version").parse().map_err(|_| Error::BadForm)?;
    let (app, id) = (item.at.id(), UserId(item.id));
    let user = db::users::by_id(console.db(), app, None, id).await?.ok_or(Error::NotFound)?;
    let now = stored(&user);
    let changes = changes(|name| form.all(name).next(), &now);
    audit::record(|facts| facts.fields = changes.keys().cloned().collect());
    if user.freezed {
        return Err(not_accessible());
    }
    if user.version != version {
        return conflict(&console, &item, &user, &changes).await;
    }
    if changes.is_empty() {
        audit::record(|facts| facts.unchanged = true);
        return Ok(back(&item, "unchanged").into_response());
    }
    let Ok(patch) = parse(changes.clone()) else {
        let errors = errors(&changes);
        return invalid(&console, &item, &user, changes, errors).await;
    };
    let names = changes.keys().cloned().collect();
    let email_change = patch.email.as_ref().map(|_| console.server.email_change(app));
    let change = Update { app, caller: None, user: id, patch: Arc::new(patch) };
    let command = UpdateUser { change, expected: Some(vec![version]), fields: names, email_change };
    // Not repeatable: the version would not match the one that the change has made itself.
    let change = console.store.change(app).with_event().repeatable(false);
    let decide = |outcome| match outcome {
        UpdateOutcome::Updated(version) => Ok(version),
        refused => Err(refused),
    };
    let problem = match change.run(update::update, &command, decide).await {
        Ok(Ok(after)) => {
            audit::record(|facts| facts.unchanged = after == version);
            return Ok(back(&item, "saved").into_response());
        }
        Ok(Err(UpdateOutcome::Stale)) => {
            let user = db::users::by_id(console.db(), app, None, id).await?.ok_or(Error::NotFound)?;
            return conflict(&console, &item, &user, &changes).await;
        }
        Ok(Err(UpdateOutcome::EmailTaken)) => "This address belongs to another user.",
        Ok(Err(UpdateOutcome::QuotaExceeded)) | Err(db::Error::MailQuotaExceeded(_)) => {
            "A new address needs a mail, and the mails of today are used up. Try again tomorrow."
        }
        Ok(Err(_)) => return Err(not_accessible()),
        Err(error) => return Err(error.into()),
    };
    invalid(&console, &item, &user, changes, vec![("email", problem.to_owned())]).await
}

/// The page with what was typed, and the errors at their fields.
async fn invalid(
    console: &ConsoleState,
    item: &Item,
    user: &User,
    changes: Map<String, Value>,
    errors: Vec<(&'static str, String)>,
) -> Result<Response, Error> {
    let mut form = ProfileForm { errors, ..ProfileForm::of(user) };
    form.values.extend(changes);
    let page = user::page(console, item, user, &form, &Fields::default()).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The page with the user as they are now, and what was typed beside it.
async fn conflict(
    console: &ConsoleState,
    item: &Item,
    user: &User,
    typed: &Map<String, Value>,
) -> Result<Response, Error> {
    let mut form = ProfileForm::of(user);
    let differences = fields().filter(|(name, _)| typed.contains_key(*name));
    let differences = differences.map(|(name, label)| (label, text(typed, name), text(&form.values, name)));
    form.conflict = Some(differences.collect());
    let page = user::page(console, item, user, &form, &Fields::default()).await?;
    Ok((StatusCode::CONFLICT, page).into_response())
}
