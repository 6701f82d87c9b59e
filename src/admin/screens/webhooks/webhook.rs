//! One webhook: its deliveries, sending them again, its secret, enabling and deleting it.

use std::time::Duration;

use axum::extract::State;
use axum::response::Redirect;
use jiff::SignedDuration;
use maud::{Markup, html};
use uuid::Uuid;

use super::{events, secret_page, state};
use crate::admin::error::Error;
use crate::admin::form::{Fields, Submitted};
use crate::admin::layout::{self, Page, Section, token};
use crate::admin::parts::{
    self, Field, Tone, action, badge, choice, cut, danger, empty, next_page, notice, optional_time, search,
    time,
};
use crate::admin::session::{InApp, Item};
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::clock;
use crate::db::webhooks::deliveries::{self, DeliveryRow, Replay};
use crate::db::webhooks::manage::{self, OVERLAP, WebhookRow};
use crate::db::webhooks::search as found;
use crate::domain::id;
use crate::domain::webhook::Secret;

const STATES: [(&str, &str); 3] = [("queued", "Waiting"), ("delivered", "Delivered"), ("failed", "Failed")];
/// Choices of `since`, with their hours.
const SINCE: [(&str, &str, i64); 4] = [
    ("hour", "The last hour", 1),
    ("day", "The last 24 hours", 24),
    ("week", "The last 7 days", 7 * 24),
    ("month", "The last 30 days", 30 * 24),
];
const DONE: [(&str, &str); 4] = [
    ("enabled", "The webhook is enabled. Events from now on are posted to it."),
    ("replayed", "The delivery is sent again now."),
    ("all-replayed", "The failed deliveries of that time are sent again now."),
    ("none-replayed", "No delivery failed in that time. Nothing was changed."),
];
const DISABLED: &str = "This webhook is disabled. Enable it first, then send its deliveries again.";

pub async fn show(State(console): State<ConsoleState>, item: Item, query: Fields) -> Result<Page, Error> {
    let webhook = find(&console, &item).await?;
    let Item { at, id } = item;
    let state_name = query.get("state");
    let filter = STATES.iter().find(|(name, _)| *name == state_name).map(|(name, _)| *name);
    let before = id::parse(query.get("before"));
    let limit = i64::try_from(parts::PAGE + 1).unwrap_or(i64::MAX);
    let db = console.db();
    let mut rows = found::deliveries(db, at.id(), id, filter, before, limit).await?;
    let mut next = cut(&mut rows, |delivery| delivery.id);
    if next.is_none() && filter.is_some() {
        next = found::last_scanned(db, at.id(), id, before).await?;
    }
    let path = at.path(&format!("/webhooks/{id}"));
    let filters = [("state", filter.unwrap_or_default())];
    let body = html! {
        p .trail { a href=(at.path("/webhooks")) { "Webhooks" } }
        div .title { h1 { "Webhook" } }
        (notice(&query, &DONE))
        div .halves {
            section .box { h2 { "Facts" } (facts(&webhook)) }
            (sending(&at, &webhook))
        }
        h2 .part { "Deliveries" }
        (search(&path, &choice("state", "State", "All", filter.unwrap_or_default(), &STATES)))
        div .box .flush {
            @if rows.is_empty() {
                (nothing(filter.is_some(), before.is_some(), next.is_some()))
            } @else {
                div .scroll tabindex="0" role="region" aria-label="Deliveries" {
                    table {
                        thead { tr {
                            th scope="col" { "Event" } th scope="col" { "State" } th .number scope="col" { "Attempts" }
                            th scope="col" { "Last answer" } th scope="col" { "Created" }
                            @if at.session.writes() { th scope="col" { "Action" } }
                        } }
                        tbody { @for delivery in &rows { (row(&at, &webhook, delivery)) } }
                    }
                }
            }
            (next_page(&path, &filters, "before", next))
        }
        (changes(&at, &webhook))
    };
    Ok(layout::app_page(&at, Section::Webhooks, "Webhook", &body))
}

fn facts(webhook: &WebhookRow) -> Markup {
    html! {
        dl {
            dt { "URL" } dd { (webhook.url) }
            dt { "Events" } dd { (events(webhook)) }
            dt { "State" } dd { (state(webhook)) }
            dt { "Created" } dd { (time(&webhook.created_at)) }
            @if webhook.disabled_at.is_some() {
                dt { "Disabled" } dd { (optional_time(webhook.disabled_at.as_deref())) }
            }
            dt { "ID" } dd { code { (webhook.id) } }
        }
    }
}

/// The form that sends failed deliveries again, or the one that enables the webhook.
fn sending(at: &InApp, webhook: &WebhookRow) -> Markup {
    let path = |rest: &str| at.path(&format!("/webhooks/{}/{rest}", webhook.id));
    let since: Vec<(&str, &str)> = SINCE.iter().map(|(name, words, _)| (*name, *words)).collect();
    let field = Field {
        name: "since",
        label: "Events of",
        help: "Those that were delivered are not sent again.",
        value: "day",
        error: None,
    };
    html! {
        @if at.session.writes() {
            @if webhook.disabled_at.is_some() {
                section .box {
                    h2 { "Enable" }
                    p {
                        "The receiver answered 410 (gone), so nothing is posted to it. Enable it once its URL works "
                        "again. Events that happened meanwhile were not kept for it."
                    }
                    (action(&at.session, &path("enable"), "Enable"))
                }
            } @else {
                section .box {
                    h2 { "Send failed deliveries again" }
                    form method="post" action=(path("replay")) {
                        (token(&at.session))
                        (field.select(&since))
                        button .second { "Replay failed" }
                    }
                }
            }
        }
    }
}

/// The forms that rotate the secret and delete the webhook.
fn changes(at: &InApp, webhook: &WebhookRow) -> Markup {
    let path = |rest: &str| at.path(&format!("/webhooks/{}/{rest}", webhook.id));
    html! {
        @if at.session.writes() {
            section .box {
                h2 { "Secret and deletion" }
                div .actions {
                    details .danger {
                        summary .button .second { "Rotate secret" }
                        form method="post" action=(path("rotate")) {
                            p { "The webhook gets a new secret, which is shown once. For a day, the old one signs too." }
                            (token(&at.session))
                            p {
                                label {
                                    input type="checkbox" name="at_once" value="yes";
                                    "End the old secret at once, since it has leaked"
                                }
                            }
                            button .destroy { "Rotate secret" }
                        }
                    }
                    (danger(&at.session, &path("delete"), "Delete webhook",
                        "The webhook, its secrets and its deliveries are deleted. Nothing is posted to it any more."))
                }
            }
        }
    }
}

fn row(at: &InApp, webhook: &WebhookRow, delivery: &DeliveryRow) -> Markup {
    let replay = at.path(&format!("/deliveries/{}/replay", delivery.id));
    html! {
        tr {
            td .address { (delivery.r#type) br; span .quiet { (delivery.id) } }
            td {
                @match delivery.state.as_str() {
                    "delivered" => (badge(Tone::Good, "Delivered")),
                    "failed" => (badge(Tone::Bad, "Failed")),
                    _ => {
                        (badge(Tone::Waiting, "Waiting"))
                        @if let Some(next) = &delivery.next_attempt_at { br; span .quiet { "next " (time(next)) } }
                    }
                }
            }
            td .number { (delivery.attempts) }
            td .answer { @match &delivery.last_answer { Some(answer) => (answer), None => span .quiet { "–" } } }
            td { (time(&delivery.created_at)) }
            @if at.session.writes() {
                td .whole { @if webhook.disabled_at.is_none() { (action(&at.session, &replay, "Replay")) } }
            }
        }
    }
}

fn nothing(filtered: bool, later: bool, more: bool) -> Markup {
    if more {
        let text = html! { "None of the " (found::MAX_SCANNED) " deliveries up to here fits. The next page looks further back." };
        return empty("Nothing on this page", &text);
    }
    if filtered {
        return empty(
            "No such deliveries",
            &html! { "Choose another state. Finished ones are deleted after 30 days." },
        );
    }
    if later {
        return empty(
            "No more",
            &html! { "There are no older ones. Finished ones are deleted after 30 days." },
        );
    }
    empty(
        "No deliveries yet",
        &html! { "Each event that is posted to this webhook is listed here for 30 days." },
    )
}

/// The webhook in the path, if it is of the app in the path.
async fn find(console: &ConsoleState, item: &Item) -> Result<WebhookRow, Error> {
    webhook(console, &item.at, item.id).await
}

async fn webhook(console: &ConsoleState, at: &InApp, id: Uuid) -> Result<WebhookRow, Error> {
    let found = manage::list(console.db(), Some(at.id()), Some(id)).await?;
    found.into_iter().next().ok_or(Error::NotFound)
}

/// Enables a webhook that was disabled.
pub async fn enable(
    State(console): State<ConsoleState>,
    Submitted { at: item, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    let webhook = find(&console, &item).await?;
    manage::enable(console.db(), &webhook).await?;
    audit::record(|facts| facts.unchanged = webhook.disabled_at.is_none());
    Ok(to(&item.at, webhook.id, "enabled"))
}

/// Deletes a webhook with its deliveries.
pub async fn delete(
    State(console): State<ConsoleState>,
    Submitted { at: item, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    let webhook = find(&console, &item).await?;
    manage::delete(console.db(), &webhook).await?;
    Ok(Redirect::to(&item.at.path("/webhooks?done=deleted")))
}

/// Gives a webhook a new secret. The answer shows it, this once.
pub async fn rotate(
    State(console): State<ConsoleState>,
    Submitted { at: item, form }: Submitted<Item>,
) -> Result<Page, Error> {
    let webhook = find(&console, &item).await?;
    let at_once = !form.get("at_once").is_empty();
    let (secret, overlap) = (Secret::generate(), if at_once { Duration::ZERO } else { OVERLAP });
    manage::rotate(console.db(), &webhook, &secret, overlap, &console.server.seal).await?;
    let text = html! {
        p {
            "This is the new secret of the webhook for " strong { (webhook.url) } ". "
            @if at_once { "The old one does not sign any more." } @else { "For a day, the old one signs too." }
        }
    };
    Ok(secret_page(&item.at, webhook.id, "Secret rotated", &text, &secret))
}

/// Sends one delivery again.
pub async fn replay(
    State(console): State<ConsoleState>,
    Submitted { at: item, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    let Item { at, id } = item;
    let of = found::webhook_of(console.db(), at.id(), id).await?.ok_or(Error::NotFound)?;
    let webhook = webhook(&console, &at, of).await?;
    if webhook.disabled_at.is_some() {
        return Err(Error::Refused(DISABLED.to_owned()));
    }
    if deliveries::replay(console.db(), at.id(), &Replay::One(id)).await? == 0 {
        return Err(Error::Refused("This delivery is being sent right now.".to_owned()));
    }
    Ok(to(&at, of, "replayed"))
}

/// Sends the deliveries of a webhook again that failed and were written since a time.
pub async fn replay_failed(
    State(console): State<ConsoleState>,
    Submitted { at: item, form }: Submitted<Item>,
) -> Result<Redirect, Error> {
    let webhook = find(&console, &item).await?;
    if webhook.disabled_at.is_some() {
        return Err(Error::Refused(DISABLED.to_owned()));
    }
    let hours = SINCE.iter().find(|(name, ..)| *name == form.get("since")).map(|(.., hours)| *hours);
    let since = hours.and_then(|hours| clock::now().checked_sub(SignedDuration::from_hours(hours)).ok());
    let since = since.ok_or(Error::BadForm)?;
    let again = Replay::Since(webhook.id, since.to_string(), Some("failed".to_owned()));
    let replayed = deliveries::replay(console.db(), item.at.id(), &again).await?;
    audit::record(|facts| facts.unchanged = replayed == 0);
    Ok(to(&item.at, webhook.id, if replayed == 0 { "none-replayed" } else { "all-replayed" }))
}

fn to(at: &InApp, webhook: Uuid, done: &str) -> Redirect {
    Redirect::to(&at.path(&format!("/webhooks/{webhook}?done={done}")))
}
