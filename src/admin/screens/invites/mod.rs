//! The invites of an app: a list, newest first.

pub mod imports;
pub mod invite;

use axum::extract::State;
use maud::{Markup, html};
use uuid::Uuid;

use crate::admin::error::Error;
use crate::admin::form::Fields;
use crate::admin::layout::{self, Page, Section};
use crate::admin::parts::{
    self, Tone, badge, before, choice, cut, empty, invite_badge, next_page, person, search, search_text, time,
};
use crate::admin::session::InApp;
use crate::admin::state::ConsoleState;
use crate::db::invites::manage::Filter;
use crate::db::invites::search::{self as invites, InviteRow};
use crate::domain::email::Email;
use crate::domain::id::{self, UserId};
use crate::domain::invites::{Kind, State as InviteState};

const STATES: [(&str, &str); 4] =
    [("open", "Open"), ("accepted", "Accepted"), ("expired", "Expired"), ("revoked", "Revoked")];
const KINDS: [(&str, &str); 2] = [("invite", "Invite"), ("referral", "Referral")];

pub async fn list(State(console): State<ConsoleState>, at: InApp, query: Fields) -> Result<Page, Error> {
    let (email, state, kind) = (query.get("email"), query.get("state"), query.get("kind"));
    let by = query.get("inviter");
    let filter = Filter {
        state: InviteState::parse(state),
        kind: Kind::parse(kind),
        inviter: id::parse(by).map(UserId),
        email: Email::parse(email).ok(),
    };
    // An address that is none has no invites.
    let readable = email.is_empty() || filter.email.is_some();
    let from = before(&query);
    let (mut rows, mut last) = (Vec::new(), None);
    if readable {
        rows = invites::page(console.db(), at.id(), &filter, from, parts::rows()).await?;
        last = cut(&mut rows, |row| row.id);
        if last.is_none() && (filter.state.is_some() || filter.kind.is_some()) {
            last = invites::last_scanned(console.db(), at.id(), &filter, from).await?;
        }
    }
    let path = at.path("/invites");
    let filtered = [email, state, kind, by].iter().any(|value| !value.is_empty());
    let body = html! {
        div .title {
            h1 { "Invites" }
            @if at.session.writes() { a .button href=(at.path("/imports/new")) { "Import a file" } }
        }
        (search(&path, &html! {
            (search_text("email", "Address", email))
            (choice("state", "State", "All", state, &STATES))
            (choice("kind", "Kind", "All", kind, &KINDS))
            @if !by.is_empty() { input type="hidden" name="inviter" value=(by); }
        }))
        @if !readable { p .notice.bad role="status" { "Search by a whole e-mail address, such as ada@example.com." } }
        @if let (Some(user), Some(row)) = (filter.inviter, rows.first()) {
            p { "Sent by " (person(&at, Some(user.0), row.inviter.as_deref(), None)) "." }
        }
        div .box.flush {
            @if rows.is_empty() {
                @if filtered && last.is_none() {
                    (empty("No such invite", &html! { "Nothing matches. " a href=(path) { "Show all invites" } }))
                } @else if last.is_some() {
                    (empty("None among these", &html! { "The newest 10,000 were searched. The next page has older ones." }))
                } @else {
                    (empty("No invites yet", &html! {
                        "Your backend invites people with " code { "POST /v1/users/{userId}" } ", or import a file of them here."
                    }))
                }
            } @else {
                (table(&at, &rows))
            }
            (next_page(&path, &[("email", email), ("state", state), ("kind", kind), ("inviter", by)], "before", last))
        }
    };
    Ok(layout::app_page(&at, Section::Invites, "Invites", &body))
}

fn table(at: &InApp, rows: &[InviteRow]) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label="Invites" {
            table {
                thead { tr { th scope="col" { "To" } th scope="col" { "State" } th scope="col" { "Last mail" } th scope="col" { "Kind" } th scope="col" { "By" } } }
                tbody {
                    @for row in rows {
                        tr {
                            td { a href=(at.path(&format!("/invites/{}", row.id))) { (row.email) } }
                            td { (invite_badge(&row.state)) }
                            td { (mail_badge(row.mail.as_deref(), row.report.as_deref())) br; span .quiet { (time(&row.mailed_at)) } }
                            td { (kind_word(&row.kind)) }
                            td { (inviter(at, row.inviter_id, row.inviter.as_deref())) }
                        }
                    }
                }
            }
        }
    }
}

/// The inviter: a user, or the app's backend.
pub fn inviter(at: &InApp, id: Option<Uuid>, name: Option<&str>) -> Markup {
    if id.is_some() {
        person(at, id, name, None)
    } else {
        html! { span .quiet { "Your backend" } }
    }
}

#[must_use]
pub fn kind_word(kind: &str) -> &'static str {
    if kind == "referral" { "Referral" } else { "Invite" }
}

/// What became of the last mail of an invite.
#[must_use]
pub fn mail_badge(mail: Option<&str>, report: Option<&str>) -> Markup {
    match (mail, report) {
        (_, Some("bounced")) => badge(Tone::Bad, "Bounced"),
        (_, Some("complained")) => badge(Tone::Bad, "Marked as spam"),
        (Some("failed"), _) => badge(Tone::Bad, "Failed"),
        (Some("queued"), _) => badge(Tone::Waiting, "Waiting"),
        (Some("sent"), Some("delayed")) => badge(Tone::Waiting, "Delayed"),
        (Some("sent"), _) => badge(Tone::Good, "Sent"),
        _ => badge(Tone::Quiet, "No mail kept"),
    }
}
