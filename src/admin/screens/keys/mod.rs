//! The keys of an app: API keys for servers that call the API, and key pairs that sign access tokens.

pub mod api_key;
pub mod signing_key;

use std::time::Duration;

use axum::extract::State;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::admin::error::Error;
use crate::admin::form::Fields;
use crate::admin::layout::{self, Page, Section, token};
use crate::admin::parts::{Field, Tone, badge, danger, empty, notice, optional_time, time};
use crate::admin::session::InApp;
use crate::admin::state::ConsoleState;
use crate::clock;
use crate::db::api_keys::{self, ApiKeyRow};
use crate::db::apps::{self, SigningKeyRow};

/// A key that expires within this time has a badge that says so.
const SOON: Duration = Duration::from_hours(7 * 24);

/// How long a new key is valid: the value of the field, its words, hours.
const VALIDITIES: [(&str, &str, u64); 4] = [
    ("", "For ever", 0),
    ("30d", "For 30 days", 30 * 24),
    ("90d", "For 90 days", 90 * 24),
    ("365d", "For 365 days", 365 * 24),
];

const SENTENCES: [(&str, &str); 4] = [
    ("revoked", "The key is revoked. Calls with it are refused within a second."),
    ("created", "The signing key is created. It signs when its time comes."),
    ("signs", "The signing key is created and signs from now on."),
    ("removed", "The signing key is removed. The tokens that it signed no longer work."),
];

pub async fn list(State(console): State<ConsoleState>, at: InApp, query: Fields) -> Result<Page, Error> {
    let mut keys = api_keys::list(console.db(), at.id()).await?;
    keys.reverse();
    let pairs = apps::signing_keys(console.db(), at.id()).await?;
    let body = html! {
        div .title { h1 { "Keys" } }
        (notice(&query, &SENTENCES))
        h2 .above { "API keys" }
        p .quiet { "Servers call the API with one of these. A read key may read; a write key may change, too." }
        (api_key_table(&at, &keys))
        @if at.session.writes() { (new_key(&at)) }
        h2 .above { "Signing keys" }
        p .quiet {
            "They sign the access tokens of this app's users. All of them verify tokens; the newest that has begun signs."
        }
        (signing_key_table(&at, &pairs))
        @if at.session.writes() {
            form .box method="post" action=(at.path("/signing-keys")) {
                h3 { "New signing key" }
                p .quiet {
                    "It signs from five minutes on: until then, programs may use a copy of the older keys. The older keys go on verifying."
                }
                (token(&at.session))
                p { label { input type="checkbox" name="atOnce" value="yes"; "Sign with it now; some programs refuse its tokens for up to five minutes" } }
                button .second { "Create signing key" }
            }
        }
    };
    Ok(layout::app_page(&at, Section::Keys, "Keys", &body))
}

fn api_key_table(at: &InApp, keys: &[ApiKeyRow]) -> Markup {
    html! {
        div .box .flush {
            @if keys.is_empty() { (empty("No API keys", &html! { "Create one so that a server can call the API." })) }
            @else {
                div .scroll tabindex="0" role="region" aria-label="API keys" {
                    table .keys {
                        thead {
                            tr {
                                th scope="col" { "Key" } th scope="col" { "Type" } th scope="col" { "State" }
                                th scope="col" { "Created" } th scope="col" { "Expires" }
                            }
                        }
                        tbody {
                            @for key in keys {
                                tr {
                                    td { a href=(at.path(&format!("/keys/{}", key.id))) { code { (key.id) } } }
                                    td { (key.r#type) }
                                    td {
                                        (state(key))
                                        @if let Some(revoked) = &key.revoked_at { br; span .quiet { (time(revoked)) } }
                                    }
                                    td { (time(&key.created_at)) }
                                    td { (optional_time(key.expires_at.as_deref())) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn new_key(at: &InApp) -> Markup {
    let types = [("read", "read"), ("write", "write")];
    html! {
        form .box method="post" action=(at.path("/keys")) {
            h3 { "New API key" }
            (token(&at.session))
            div .inline {
                (Field { name: "type", label: "Type", help: "", value: "read", error: None }.select(&types))
                (valid_for("Valid"))
                button .second { "Create API key" }
            }
        }
    }
}

/// The field for how long a new key is valid.
fn valid_for(label: &str) -> Markup {
    let options = VALIDITIES.map(|(value, words, _)| (value, words));
    Field { name: "validFor", label, help: "", value: "", error: None }.select(&options)
}

/// How long a new key is valid; `None`: for ever.
fn validity(form: &Fields) -> Result<Option<Duration>, Error> {
    let chosen = VALIDITIES.iter().find(|(value, ..)| *value == form.get("validFor"));
    let (_, _, hours) = chosen.ok_or(Error::BadForm)?;
    Ok((*hours > 0).then(|| Duration::from_hours(*hours)))
}

/// Whether a key is accepted now.
fn is_valid(key: &ApiKeyRow) -> bool {
    key.revoked_at.is_none() && expires(key).is_none_or(|at| at > clock::now())
}

fn expires(key: &ApiKeyRow) -> Option<Timestamp> {
    key.expires_at.as_deref()?.parse().ok()
}

fn state(key: &ApiKeyRow) -> Markup {
    let soon = |at: Timestamp| at.duration_since(clock::now()).unsigned_abs() < SOON;
    match () {
        () if key.revoked_at.is_some() => badge(Tone::Bad, "Revoked"),
        () if !is_valid(key) => badge(Tone::Quiet, "Expired"),
        () if expires(key).is_some_and(soon) => badge(Tone::Waiting, "Expires soon"),
        () => badge(Tone::Good, "Valid"),
    }
}

fn signing_key_table(at: &InApp, keys: &[SigningKeyRow]) -> Markup {
    let now = clock::now();
    let has_begun = |key: &SigningKeyRow| key.signs_from.parse().is_ok_and(|from: Timestamp| from <= now);
    html! {
        div .box .flush {
            div .scroll tabindex="0" role="region" aria-label="Signing keys" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Key" } th scope="col" { "State" } th scope="col" { "Created" }
                            th scope="col" { "Signs from" } th scope="col" { "Remove" }
                        }
                    }
                    tbody {
                        @for key in keys {
                            tr {
                                td { code { (key.id) } }
                                td {
                                    @match (key.signs, has_begun(key)) {
                                        (true, _) => (badge(Tone::Good, "Signs")),
                                        (_, true) => (badge(Tone::Quiet, "Verifies only")),
                                        (_, false) => (badge(Tone::Waiting, "Signs soon")),
                                    }
                                }
                                td { (time(&key.created_at)) }
                                td { (time(&key.signs_from)) }
                                td { (remove(at, key, has_begun(key), keys.iter().any(|other| other.id != key.id && has_begun(other)))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The button that removes a signing key, if another one signs then.
fn remove(at: &InApp, key: &SigningKeyRow, has_begun: bool, another: bool) -> Markup {
    let path = at.path(&format!("/signing-keys/{}/remove", key.id));
    let happens = match (key.signs, has_begun) {
        (true, _) => {
            "Every access token that this key signed stops working at once, also those in use now: those people have to sign in \
             again. The next newest key signs then."
        }
        (false, true) => {
            "Every access token that this key signed stops working at once: people who still use one have to sign in again. \
             Tokens of the other keys go on working."
        }
        (false, false) => "This key has not signed anything yet, so no access token stops working.",
    };
    html! {
        @if another { (danger(&at.session, &path, "Remove", happens)) }
        @else { span .quiet { "No other key signs yet" } }
    }
}
