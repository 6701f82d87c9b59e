//! The users of an app: a list, newest first, and a search by address, name or id.

pub mod profile;
pub mod save;
pub mod user;

use axum::extract::State;
use maud::{Markup, html};
use uuid::Uuid;

use crate::admin::error::Error;
use crate::admin::form::Fields;
use crate::admin::layout::{self, Page, Section};
use crate::admin::parts::{self, PAGE, Tone, badge, choice, empty, person, search_text};
use crate::admin::session::InApp;
use crate::admin::state::ConsoleState;
use crate::db::Pool;
use crate::db::users::search::{self, Cursor, FoundUser};
use crate::domain::id::{self, AppId, UserId};

const STATES: [(&str, &str); 3] =
    [("active", "Active"), ("invited", "Not accepted yet"), ("frozen", "Frozen")];

pub async fn list(State(console): State<ConsoleState>, at: InApp, query: Fields) -> Result<Page, Error> {
    let text = query.get("q");
    let state = STATES.iter().map(|(state, _)| *state).find(|state| *state == query.get("state"));
    let (found, next) = find(console.db(), at.id(), text, state, &query).await?;
    let path = at.path("/users");
    let form = parts::search(
        &path,
        &html! {
            (search_text("q", "Beginning of the address or name, or the user id", text))
            (choice("state", "State", "All states", state.unwrap_or_default(), &STATES))
        },
    );
    let searched = !text.is_empty() || state.is_some();
    let body = html! {
        div .title { h1 { "Users" } }
        (form)
        div .box .flush {
            @if found.is_empty() { (none(searched, next.is_some())) } @else { (table(&at, &found)) }
            @if let Some((parameter, last)) = next {
                (parts::next_page(&path, &[("q", text), ("state", state.unwrap_or_default())], parameter, Some(last)))
            }
        }
    };
    Ok(layout::app_page(&at, Section::Users, "Users", &body))
}

/// The users of a page, and the parameter of the next page.
async fn find(
    db: &Pool,
    app: AppId,
    text: &str,
    state: Option<&str>,
    query: &Fields,
) -> Result<(Vec<FoundUser>, Option<(&'static str, Uuid)>), Error> {
    if text.contains(char::is_control) {
        return Ok((Vec::new(), None));
    }
    let place = |name: &str| id::parse(query.get(name));
    if text.is_empty() {
        let (found, next) = search::newest(db, app, state, place("before"), PAGE).await?;
        return Ok((found, next.map(|last| ("before", last))));
    }
    if let Some(id) = id::parse(text) {
        let found = search::by_id(db, app, UserId(id)).await?;
        return Ok((found.into_iter().collect(), None));
    }
    let from = match (place("after"), place("after-name")) {
        (_, Some(user)) => Cursor::Name(user),
        (Some(user), None) => Cursor::Email(user),
        (None, None) => Cursor::START,
    };
    let (found, next) = search::by_prefix(db, app, text, state, from, PAGE).await?;
    let next = next.map(|next| match next {
        Cursor::Email(user) => ("after", user),
        Cursor::Name(user) => ("after-name", user),
    });
    Ok((found, next))
}

fn table(at: &InApp, users: &[FoundUser]) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label="Users" {
            table {
                thead {
                    tr {
                        th scope="col" { "User" }
                        th scope="col" { "State" }
                        th scope="col" { "Language" }
                        th scope="col" { "Tenant" }
                        th scope="col" { "Invited, accepted" }
                    }
                }
                tbody {
                    @for user in users {
                        tr {
                            td { (person(at, Some(user.id), user.name.as_deref(), user.email.as_deref())) }
                            td { (state_badge(&user.state)) }
                            td { (user.language) }
                            td { @if let Some(tenant) = user.tenant_id { (short(tenant)) } }
                            td {
                                (parts::time(&user.created_at))
                                @if let Some(at) = &user.accepted_at { br; span .quiet { "accepted " (parts::time(at)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn none(searched: bool, more: bool) -> Markup {
    match (searched, more) {
        (true, true) => empty(
            "No user found so far",
            &html! { "The search looked at a part of the users. Go on with the next page." },
        ),
        (true, false) => empty(
            "No user found",
            &html! { "Search for the beginning of an address or of a name, such as " code { "ada@" } ", or for the whole id of a user." },
        ),
        (false, _) => empty(
            "No users yet",
            &html! { "A user appears here when the app invites them, or when they accept a referral." },
        ),
    }
}

/// The word for the state of a user.
#[must_use]
pub fn state_badge(state: &str) -> Markup {
    match state {
        "active" => badge(Tone::Good, "Active"),
        "invited" => badge(Tone::Waiting, "Not accepted yet"),
        "frozen" => badge(Tone::Bad, "Frozen"),
        _ => badge(Tone::Quiet, "Erased"),
    }
}

/// The beginning of an id; the whole id appears when the pointer rests on it.
fn short(id: Uuid) -> Markup {
    let whole = id.to_string();
    html! { code .short title=(whole) { (&whole[..8]) "…" } }
}
