//! The webhooks of an app: the list, and a new one.

use std::str::FromStr;

pub mod webhook;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use uuid::Uuid;

use crate::admin::error::Error;
use crate::admin::form::{Fields, Submitted};
use crate::admin::layout::{self, Page, Section, token};
use crate::admin::parts::{Field, Tone, badge, empty, notice};
use crate::admin::session::InApp;
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::db::webhooks::manage::{self, WebhookRow};
use crate::db::webhooks::search::{self, DeliveryCounts, MAX_COUNTED};
use crate::domain::webhook::{EventType, Secret};
use crate::webhook::receiver::parse_url;

/// When each event is sent, in words.
const EVENTS: [(EventType, &str); 7] = [
    (EventType::UserInvited, "A user was invited"),
    (EventType::UserAccepted, "A user accepted an invite"),
    (EventType::UserUpdated, "The data of a user changed"),
    (EventType::UserFrozen, "A user was frozen"),
    (EventType::UserUnfrozen, "A user was unfrozen"),
    (EventType::UserDeleted, "A user was deleted"),
    (EventType::InviteBounced, "The mail of an invite bounced"),
];

const DONE: [(&str, &str); 1] = [("deleted", "The webhook is deleted.")];

pub async fn list(State(console): State<ConsoleState>, at: InApp, query: Fields) -> Result<Page, Error> {
    let webhooks = manage::list(console.db(), Some(at.id()), None).await?;
    let counts = search::counts(console.db(), at.id()).await?;
    let new = at.path("/webhooks/new");
    let body = html! {
        div .title {
            h1 { "Webhooks" }
            @if at.session.writes() { a .button href=(new) { "New webhook" } }
        }
        (notice(&query, &DONE))
        div .box .flush {
            @if webhooks.is_empty() {
                (empty("No webhooks yet", &html! {
                    "A webhook tells your own systems what happens here: each event is posted to a URL of yours, "
                    "signed as in the Standard Webhooks specification."
                }))
            } @else {
                div .scroll tabindex="0" role="region" aria-label="Webhooks" {
                    table {
                        thead { tr {
                            th scope="col" { "URL" } th scope="col" { "Events" } th scope="col" { "State" }
                            th .number scope="col" { "Waiting" } th .number scope="col" { "Failed" }
                        } }
                        tbody {
                            @for webhook in &webhooks {
                                (row(&at, webhook, counts.iter().find(|counts| counts.webhook_id == webhook.id)))
                            }
                        }
                    }
                }
            }
        }
        @if !webhooks.is_empty() {
            p .quiet { "Waiting and failed: of the newest " (MAX_COUNTED) " deliveries of each webhook." }
        }
    };
    Ok(layout::app_page(&at, Section::Webhooks, "Webhooks", &body))
}

fn row(at: &InApp, webhook: &WebhookRow, counts: Option<&DeliveryCounts>) -> Markup {
    let (waiting, failed) = counts.map_or((0, 0), |counts| (counts.waiting, counts.failed));
    html! {
        tr {
            td { a href=(at.path(&format!("/webhooks/{}", webhook.id))) { (webhook.url) } }
            td { (events(webhook)) }
            td { (state(webhook)) }
            td .number { (waiting) }
            td .number { (failed) }
        }
    }
}

/// The events of a webhook, by name.
pub(super) fn events(webhook: &WebhookRow) -> Markup {
    html! {
        @if webhook.events.is_empty() { "All" } @else { (webhook.events.join(", ")) }
    }
}

pub(super) fn state(webhook: &WebhookRow) -> Markup {
    match webhook.disabled_at {
        None => badge(Tone::Good, "Enabled"),
        Some(_) => badge(Tone::Bad, "Disabled: it answered 410"),
    }
}

/// What was typed into the form of a new webhook.
#[derive(Default)]
struct Typed {
    url: String,
    error: Option<String>,
    events: Vec<EventType>,
}

pub async fn new(at: InApp) -> Result<Page, Error> {
    if !at.session.writes() {
        return Err(Error::Forbidden("Your role is viewer: you can look, and an admin can change."));
    }
    Ok(form(&at, &Typed::default()))
}

fn form(at: &InApp, typed: &Typed) -> Page {
    let url = Field {
        name: "url",
        label: "URL",
        help: "Where events are posted, such as https://example.com/hooks/userdocks.",
        value: &typed.url,
        error: typed.error.as_deref(),
    };
    let body = html! {
        p .trail { a href=(at.path("/webhooks")) { "Webhooks" } }
        div .title { h1 { "New webhook" } }
        section .box {
            form method="post" action=(at.path("/webhooks")) {
                (token(&at.session))
                (url.input("url"))
                fieldset {
                    legend { "Events" }
                    p .quiet { "Choose none for all events, also those that later versions add." }
                    @for (event, words) in EVENTS {
                        div .choice {
                            label {
                                input type="checkbox" name="events" value=(event.as_str())
                                    checked[typed.events.contains(&event)];
                                (words) " " code { (event.as_str()) }
                            }
                        }
                    }
                }
                button { "Create webhook" }
            }
        }
    };
    layout::app_page(at, Section::Webhooks, "New webhook", &body)
}

/// Creates a webhook. The answer shows its secret, this once.
pub async fn create(
    State(console): State<ConsoleState>,
    Submitted { at, form: sent }: Submitted<InApp>,
) -> Result<Response, Error> {
    let events: Vec<EventType> =
        sent.all("events").filter_map(|name| EventType::from_str(name).ok()).collect();
    let config = &console.server.config;
    let url = match parse_url(sent.get("url"), config.production(), config.webhook.allow_private_addresses) {
        Ok(url) => url,
        Err(error) => {
            let url = sent.get("url").chars().take(4096).collect();
            let typed = Typed { url, error: Some(format!("The URL {error}.")), events };
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, form(&at, &typed)).into_response());
        }
    };
    let events: Vec<EventType> = EventType::ALL.into_iter().filter(|event| events.contains(event)).collect();
    let secret = Secret::generate();
    let id = manage::create(console.db(), at.id(), &url, &events, &secret, &console.server.seal).await?;
    audit::record(|facts| {
        facts.subject = Some(id);
        facts.fields = vec!["url".to_owned(), "events".to_owned()];
    });
    let text = html! { p { "Events of this app are posted to " strong { (url) } " from now on." } };
    Ok(secret_page(&at, id, "Webhook created", &text, &secret).into_response())
}

/// The page that shows the secret of a webhook, this once.
pub(super) fn secret_page(at: &InApp, webhook: Uuid, title: &str, text: &Markup, secret: &Secret) -> Page {
    let path = at.path(&format!("/webhooks/{webhook}"));
    let body = html! {
        p .trail { a href=(at.path("/webhooks")) { "Webhooks" } }
        div .title { h1 { (title) } }
        section .box {
            h2 { "Signing secret" }
            (text)
            div .once { code data-copy { (secret.expose()) } }
            p .after {
                "Copy it now: it is not shown again. The receiver checks the signature of each delivery with it. "
                "Do not load this page again: that would send the form again."
            }
            a .button href=(path) { "To the webhook" }
        }
    };
    layout::app_page(at, Section::Webhooks, title, &body)
}
