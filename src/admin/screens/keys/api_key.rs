//! One API key: new, rotated or revoked. The key itself is shown once, on the page that answers the form.

use std::time::Duration;

use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use uuid::Uuid;

use super::{is_valid, state, valid_for, validity};
use crate::admin::error::Error;
use crate::admin::form::Submitted;
use crate::admin::layout::{self, Page, Section, token};
use crate::admin::parts::{Field, danger, optional_time, time};
use crate::admin::session::{InApp, Item};
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::db::{self, Transaction, api_keys};
use crate::domain::credentials::api_key::{ApiKey, KeyType};
use crate::domain::id::AppId;

/// How long a rotated key goes on working: the value of the field, its words, hours.
const DELAYS: [(&str, &str, u64); 3] = [("1h", "1 hour", 1), ("1d", "1 day", 24), ("7d", "7 days", 7 * 24)];

/// Creates a key.
pub async fn create(
    State(console): State<ConsoleState>,
    Submitted { at, form }: Submitted<InApp>,
) -> Result<Page, Error> {
    let key_type = KeyType::parse(form.get("type")).ok_or(Error::BadForm)?;
    let validity = validity(&form)?;
    let key = ApiKey::generate(key_type);
    audit::record(|facts| facts.subject = Some(key.id));
    let mut connection = console.db().acquire().await.map_err(db::Error::from)?;
    api_keys::create(&mut connection, at.id(), &key, validity).await?;
    Ok(created(&at, &key, None))
}

/// The page that shows a new key. `replaces`: what becomes of the one that it replaces.
fn created(at: &InApp, key: &ApiKey, replaces: Option<&Markup>) -> Page {
    let body = html! {
        p .trail { a href=(at.path("/keys")) { "Keys" } }
        div .title { h1 { "New " (key.key_type.as_str()) " key" } }
        p .notice role="status" { "Copy the key now: it is not shown again." }
        section .box {
            div .once { code data-copy { (key.expose()) } }
            p { "Its id is " code { (key.id) } ". The id is not a secret." }
            @if let Some(replaces) = replaces { p { (replaces) } }
        }
        a .button href=(at.path("/keys")) { "I have copied the key" }
    };
    layout::app_page(at, Section::Keys, "New API key", &body)
}

/// The page of a key.
pub async fn show(State(console): State<ConsoleState>, Item { at, id }: Item) -> Result<Page, Error> {
    let keys = api_keys::list(console.db(), at.id()).await?;
    let key = keys.into_iter().find(|key| key.id == id).ok_or(Error::NotFound)?;
    let path = at.path(&format!("/keys/{id}"));
    let body = html! {
        p .trail { a href=(at.path("/keys")) { "Keys" } }
        div .title {
            h1 { "API key" }
            @if key.revoked_at.is_none() {
                (danger(&at.session, &format!("{path}/revoke"), "Revoke key",
                    "Calls with this key are refused from now on. This cannot be undone; rotate it instead if a server still uses it."))
            }
        }
        section .box {
            dl {
                dt { "Id" } dd { code { (key.id) } }
                dt { "Type" } dd { (key.r#type) }
                dt { "State" } dd { (state(&key)) }
                dt { "Created" } dd { (time(&key.created_at)) }
                dt { "Expires" }
                dd { @if key.expires_at.is_none() { "never" } @else { (optional_time(key.expires_at.as_deref())) } }
                @if let Some(revoked) = &key.revoked_at { dt { "Revoked" } dd { (time(revoked)) } }
            }
        }
        @if at.session.writes() && is_valid(&key) {
            form .box method="post" action={ (path) "/rotate" } {
                h2 { "Rotate" }
                p .quiet {
                    "Makes a new " (key.r#type) " key and shows it once. This key goes on working for the time that you choose, so "
                    "that your servers can change to the new one, and expires then."
                }
                (token(&at.session))
                div .inline {
                    (Field { name: "delay", label: "This key works for", help: "", value: "1d", error: None }
                        .select(&DELAYS.map(|(value, words, _)| (value, words))))
                    (valid_for("The new key is valid"))
                    button .second { "Rotate key" }
                }
            }
        }
    };
    Ok(layout::app_page(&at, Section::Keys, "API key", &body))
}

/// Creates a key of the same type, and lets this one expire soon.
pub async fn rotate(
    State(console): State<ConsoleState>,
    Submitted { at: Item { at, id }, form }: Submitted<Item>,
) -> Result<Page, Error> {
    let validity = validity(&form)?;
    let delay = DELAYS.iter().find(|(value, ..)| *value == form.get("delay"));
    let delay = delay.map(|(_, _, hours)| Duration::from_hours(*hours)).ok_or(Error::BadForm)?;
    let mut transaction = Transaction::begin(console.db()).await?;
    let Some((key_type, expires)) = api_keys::shorten(&mut transaction, at.id(), id, delay).await? else {
        transaction.rollback().await?;
        need_key(&console, at.id(), id).await?;
        return Err(Error::Refused(
            "This key is not valid any more, so it cannot be rotated. Create a new one.".to_owned(),
        ));
    };
    let key = ApiKey::generate(key_type);
    api_keys::create(&mut transaction, at.id(), &key, validity).await?;
    transaction.commit().await?;
    let replaces = html! { "It replaces the key " code { (id) } ", which works until " (time(&expires)) "." };
    Ok(created(&at, &key, Some(&replaces)))
}

/// Revokes a key.
pub async fn revoke(
    State(console): State<ConsoleState>,
    Submitted { at: Item { at, id }, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    if !api_keys::revoke_of(console.db(), at.id(), id).await? {
        need_key(&console, at.id(), id).await?;
        audit::record(|facts| facts.unchanged = true);
    }
    Ok(Redirect::to(&at.path("/keys?done=revoked")))
}

/// Refuses the id of a key that the app does not have.
async fn need_key(console: &ConsoleState, app: AppId, id: Uuid) -> Result<(), Error> {
    let keys = api_keys::list(console.db(), app).await?;
    if keys.iter().any(|key| key.id == id) { Ok(()) } else { Err(Error::NotFound) }
}
