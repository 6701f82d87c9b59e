//! Referrals of an app: who referred most users, and the latest referral invites.

use axum::extract::State;
use maud::{Markup, html};
use uuid::Uuid;

use crate::admin::error::Error;
use crate::admin::form::Fields;
use crate::admin::layout::{self, Page, Section};
use crate::admin::parts::{self, choice, empty, invite_badge, person};
use crate::admin::session::InApp;
use crate::admin::state::ConsoleState;
use crate::db::referrals::leaderboard::{self, NamedPlace};
use crate::db::referrals::recent::{self, RecentReferral};
use crate::domain::id;
use crate::domain::invites;

/// Places of the leaderboard.
const PLACES: i64 = 10;

const STATES: [(&str, &str); 4] =
    [("open", "Open"), ("accepted", "Accepted"), ("revoked", "Revoked"), ("expired", "Expired")];

pub async fn show(State(console): State<ConsoleState>, at: InApp, query: Fields) -> Result<Page, Error> {
    let state = invites::State::parse(query.get("state"));
    let before = id::parse(query.get("before"));
    let from = before.unwrap_or(Uuid::max());
    let limit = parts::rows();
    let mut found = recent::of_app(console.db(), at.id(), state, from, limit).await?;
    // Every row has an invite.
    let next = match parts::cut(&mut found, |referral| referral.invite_id.unwrap_or_default()) {
        Some(last) => Some(last),
        None => recent::last_scanned(console.db(), at.id(), from).await?,
    };
    let places = match before {
        None => leaderboard::named(console.db(), at.id(), PLACES).await?,
        Some(_) => Vec::new(),
    };
    let path = at.path("/referrals");
    let word = state.map(invites::State::as_str).unwrap_or_default();
    let body = html! {
        div .title { h1 { "Referrals" } }
        @if before.is_none() { (top(&at, &places)) }
        div .title .section { h2 { "Latest referral invites" } }
        (parts::search(&path, &choice("state", "State", "All states", word, &STATES)))
        div .box .flush {
            @if found.is_empty() { (none(state.is_some() || before.is_some(), next.is_some())) } @else { (table(&at, &found)) }
            (parts::next_page(&path, &[("state", word)], "before", next))
        }
    };
    Ok(layout::app_page(&at, Section::Referrals, "Referrals", &body))
}

fn top(at: &InApp, places: &[NamedPlace]) -> Markup {
    html! {
        div .title .section {
            h2 { "Top referrers" }
            p .quiet { "By the number of people who accepted, since the beginning." }
        }
        div .box .flush {
            @if places.is_empty() {
                (empty("No referral was accepted yet", &html! { "The users who referred most people appear here." }))
            } @else {
                div .scroll tabindex="0" role="region" aria-label="Top referrers" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Place" }
                                th scope="col" { "Referrer" }
                                th scope="col" { "Code" }
                                th scope="col" .number { "Accepted" }
                            }
                        }
                        tbody {
                            @for (index, place) in places.iter().enumerate() {
                                tr {
                                    td { (index + 1) }
                                    td { (person(at, Some(place.user_id), place.name.as_deref(), place.email.as_deref())) }
                                    td { code { (place.referral_code) } }
                                    td .number { (place.accepted) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn table(at: &InApp, referrals: &[RecentReferral]) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label="Latest referral invites" {
            table {
                thead {
                    tr {
                        th scope="col" { "Invited" }
                        th scope="col" { "Recipient" }
                        th scope="col" { "State" }
                        th scope="col" { "Referrer" }
                        th scope="col" { "Accepted" }
                    }
                }
                tbody { @for referral in referrals { (row(at, referral)) } }
            }
        }
    }
}

fn row(at: &InApp, referral: &RecentReferral) -> Markup {
    let had_account = referral.accepted_at.is_some() && referral.user_id.is_none();
    html! {
        tr {
            td {
                @match referral.invite_id {
                    Some(invite) => a href=(at.path(&format!("/invites/{invite}"))) { (parts::time(&referral.created_at)) },
                    None => (parts::time(&referral.created_at)),
                }
            }
            td {
                (person(at, referral.user_id, referral.user_name.as_deref(), referral.email.as_deref()))
                @if had_account { br; span .quiet { "had an account already" } }
            }
            td { (invite_badge(&referral.state)) }
            td {
                (person(at, referral.referrer_id, referral.referrer_name.as_deref(), referral.referrer_email.as_deref()))
            }
            td { (parts::optional_time(referral.accepted_at.as_deref())) }
        }
    }
}

fn none(searched: bool, more: bool) -> Markup {
    match (searched, more) {
        (_, true) => empty(
            "No referral found so far",
            &html! { "The search looked at a part of the invites. Go on with the next page." },
        ),
        (true, false) => empty("No referral found", &html! { "Choose another state." }),
        (false, false) => empty(
            "No referrals yet",
            &html! { "A referral appears here when a user recommends the app to somebody by mail." },
        ),
    }
}
