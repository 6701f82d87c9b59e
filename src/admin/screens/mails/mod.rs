//! The mails of an app: the list, one mail, and another attempt to send it.

pub mod bounces;

use axum::extract::State as Extract;
use axum::response::Redirect;
use maud::{Markup, html};
use uuid::Uuid;

use crate::admin::error::Error;
use crate::admin::form::{Fields, Submitted};
use crate::admin::layout::{self, Page, Section};
use crate::admin::parts::{
    self, Tone, action, badge, choice, empty, next_page, notice, optional_time, search, search_text, time,
};
use crate::admin::session::{InApp, Item};
use crate::admin::state::ConsoleState;
use crate::db::outbox::manage;
use crate::db::outbox::search::{self as mails, Filter, MAX_SCANNED, Mail, State};
use crate::domain::email::Email;
use crate::domain::id;
use crate::domain::mail::kind::MailKind;
use crate::mail::hint::{final_hint, hint};

/// From how many waiting mails on the list says so.
const MANY: i64 = 100;
/// From how many seconds on the list says that a mail is overdue.
const LONG: f64 = 300.0;

const KINDS: [(&str, &str); 5] = [
    ("invite", "Invite"),
    ("referral", "Referral"),
    ("confirmation", "Confirm address"),
    ("notice", "Address changed"),
    ("taken", "Address in use"),
];
const STATES: [(&str, &str); 3] = [("waiting", "Waiting"), ("sent", "Sent"), ("failed", "Failed")];

pub async fn list(Extract(console): Extract<ConsoleState>, at: InApp, query: Fields) -> Result<Page, Error> {
    let state = match query.get("state") {
        "waiting" => Some(State::Queued),
        "sent" => Some(State::Sent),
        "failed" => Some(State::Failed),
        _ => None,
    };
    let kind = MailKind::parse(query.get("kind"));
    let to = Some(query.get("to")).filter(|to| !to.is_empty());
    let (address, wrong) = match to.map(Email::parse) {
        None => (None, false),
        Some(Ok(address)) => (Some(address), false),
        Some(Err(_)) => (None, true),
    };
    let before = id::parse(query.get("before")).unwrap_or(Uuid::max());
    let (waiting, oldest) = mails::backlog(console.db(), at.id()).await?;
    let filter = Filter { state, kind, to: address };
    let (mails, next) = if wrong {
        (Vec::new(), None)
    } else {
        let found = mails::list(console.db(), at.id(), &filter, waiting, before, parts::PAGE + 1).await?;
        (found.mails, found.next)
    };
    let (state, kind) = (state.map_or("", |_| query.get("state")), kind.map_or("", MailKind::as_str));
    let filters = [("state", state), ("kind", kind), ("to", query.get("to"))];
    let filtered = filters.iter().any(|(_, value)| !value.is_empty());
    let path = at.path("/mails");
    let body = html! {
        div .title { h1 { "Mails" } }
        (backlog(waiting, oldest))
        (search(&path, &html! {
            (search_text("to", "Recipient, the whole address", query.get("to")))
            (choice("state", "State", "All", state, &STATES))
            (choice("kind", "Kind", "All", kind, &KINDS))
        }))
        div .box .flush {
            @if mails.is_empty() {
                (nothing(wrong, filtered, next.is_some()))
            } @else {
                div .scroll tabindex="0" role="region" aria-label="Mails" {
                    table {
                        thead { tr {
                            th scope="col" { "Recipient" } th scope="col" { "Kind" } th scope="col" { "State" }
                            th scope="col" { "Created" }
                        } }
                        tbody { @for mail in &mails { (row(&at, mail)) } }
                    }
                }
            }
            (next_page(&path, &filters, "before", next))
        }
    };
    Ok(layout::app_page(&at, Section::Mails, "Mails", &body))
}

fn row(at: &InApp, mail: &Mail) -> Markup {
    html! {
        tr {
            td .address { a href=(at.path(&format!("/mails/{}", mail.id))) { (mail.to) } }
            td .whole { (kind_in_words(&mail.kind)) }
            td .sentence {
                (state(mail))
                @if let Some(text) = meaning(&mail.state, mail.last_reply.as_deref()) { br; span .quiet { (text) } }
            }
            td { (time(&mail.created_at)) }
        }
    }
}

/// A sentence if many mails wait, or if one waits for long although it is due.
fn backlog(waiting: i64, oldest: f64) -> Markup {
    let count = if waiting > MAX_SCANNED { format!("More than {MAX_SCANNED}") } else { waiting.to_string() };
    html! {
        @if oldest >= LONG {
            p .notice .bad {
                (count) @if waiting == 1 { " mail waits" } @else { " mails wait" }
                ", and the oldest has been due for " (lasting(oldest))
                ". Check that the server runs and reaches its mail server."
            }
        } @else if waiting >= MANY {
            p .notice { (count) " mails wait to be sent." }
        }
    }
}

/// A number of seconds in words.
fn lasting(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round();
    if minutes < 120.0 {
        return format!("{minutes} minutes");
    }
    let hours = (minutes / 60.0).round();
    if hours < 48.0 { format!("{hours} hours") } else { format!("{} days", (hours / 24.0).round()) }
}

fn nothing(wrong: bool, filtered: bool, more: bool) -> Markup {
    if wrong {
        return empty(
            "That is not an address",
            &html! { "Enter the whole address, such as ada@example.com." },
        );
    }
    if more {
        let text =
            html! { "There are none among the newest " (MAX_SCANNED) ". The next page looks further back." };
        return empty("Nothing on this page", &text);
    }
    if filtered {
        let text = html! { "Choose another state or kind, or leave the address out. Old mails are deleted." };
        return empty("No such mails", &text);
    }
    let text = html! { "Every mail to people of this app is listed here, with what became of it." };
    empty("No mails yet", &text)
}

/// A kind of mail in words.
pub(super) fn kind_in_words(kind: &str) -> &str {
    KINDS.iter().find(|(name, _)| *name == kind).map_or(kind, |(_, words)| words)
}

/// The state as a badge.
fn status(mail: &Mail) -> Markup {
    match (mail.state.as_str(), mail.claimed) {
        ("queued", true) => badge(Tone::Waiting, "Being sent"),
        ("queued", false) => badge(Tone::Waiting, "Waiting"),
        ("sent", _) => badge(Tone::Good, "Sent"),
        _ => badge(Tone::Bad, "Failed"),
    }
}

/// The state with attempts and, of a waiting mail, when it is tried next.
fn state(mail: &Mail) -> Markup {
    let attempts = match mail.attempts {
        1 => "1 attempt".to_owned(),
        many => format!("{many} attempts"),
    };
    html! {
        (status(mail))
        @match (mail.state.as_str(), &mail.next_attempt_at) {
            ("queued", Some(next)) if !mail.claimed => { br; span .quiet { (attempts) ", next " (time(next)) } }
            ("failed", _) if mail.attempts > 1 => { " " span .quiet { "after " (attempts) } }
            _ => {}
        }
    }
}

/// What the last reply of a mail that waits or failed means.
pub(super) fn meaning(state: &str, reply: Option<&str>) -> Option<String> {
    match state {
        "sent" => None,
        "queued" => hint(reply?).map(str::to_owned),
        _ => final_hint(reply?),
    }
}

pub async fn show(Extract(console): Extract<ConsoleState>, item: Item, query: Fields) -> Result<Page, Error> {
    let Item { at, id } = item;
    let mail = mails::find(console.db(), at.id(), id).await?.ok_or(Error::NotFound)?;
    let done = [("retry", "The mail is tried now. Load the page again to see what became of it.")];
    let hint = meaning(&mail.state, mail.last_reply.as_deref());
    let body = html! {
        p .trail { a href=(at.path("/mails")) { "Mails" } }
        div .title { h1 { (kind_in_words(&mail.kind)) " to " (mail.to) } }
        (notice(&query, &done))
        div .halves {
            section .box { h2 { "Facts" } (facts(&at, &mail)) }
            section .box {
                h2 { "Last reply of the mail server" }
                @match &mail.last_reply {
                    Some(reply) => pre .reply { (reply) },
                    None => p .quiet { "There is none yet: the mail was not tried." },
                }
                @if let Some(hint) = hint { p { (hint) } }
                @else if mail.state == "sent" {
                    p .quiet {
                        "The mail server accepted the mail. If it comes back later, that is under "
                        a href=(at.path("/bounces")) { "Bounces and opt-outs" } "."
                    }
                }
            }
        }
        (again(&at, &mail))
    };
    let title = format!("Mail to {}", mail.to);
    Ok(layout::app_page(&at, Section::Mails, &title, &body))
}

fn facts(at: &InApp, mail: &Mail) -> Markup {
    html! {
        dl {
            dt { "Recipient" } dd { (mail.to) }
            dt { "Kind" } dd { (kind_in_words(&mail.kind)) }
            @if let Some(invite) = mail.invite_id {
                dt { "Belongs to" } dd { a href=(at.path(&format!("/invites/{invite}"))) { "The invite of this mail" } }
            }
            @if let Some(user) = mail.user_id {
                dt { "Belongs to" } dd { a href=(at.path(&format!("/users/{user}"))) { "The user of this mail" } }
            }
            dt { "State" } dd { (status(mail)) }
            dt { "Attempts" } dd { (mail.attempts) }
            dt { "Created" } dd { (time(&mail.created_at)) }
            @match mail.state.as_str() {
                "queued" => { dt { "Next attempt" } dd { (optional_time(mail.next_attempt_at.as_deref())) } }
                "sent" => { dt { "Sent" } dd { (optional_time(mail.finished_at.as_deref())) } }
                _ => { dt { "Failed" } dd { (optional_time(mail.finished_at.as_deref())) } }
            }
            dt { "Language" } dd { (mail.language) }
            dt { "Message-ID" } dd { code { (mail.message_id) } }
        }
    }
}

/// The button that sends a mail again, if that is possible, and what it does.
fn again(at: &InApp, mail: &Mail) -> Markup {
    let path = at.path(&format!("/mails/{}/retry", mail.id));
    html! {
        @if at.session.writes() {
            @match (mail.state.as_str(), mail.invite_id, mail.claimed) {
                ("queued", _, false) => section .box {
                    h2 { "Try now" }
                    p { "The mail is tried at once instead of at its next attempt. Its link stays the same." }
                    (action(&at.session, &path, "Try now"))
                },
                ("failed", Some(_), _) => section .box {
                    h2 { "Send again" }
                    p {
                        "The mail gets a new link and is sent to " strong { (mail.to) } " now. The invite is valid "
                        "for its full time again. An invite that was accepted, revoked or mailed again since stays "
                        "as it is."
                    }
                    (action(&at.session, &path, "Retry"))
                },
                ("failed", None, _) => p .quiet {
                    "This mail cannot be sent again from here: the person can ask for another one in the app."
                },
                _ => {}
            }
        }
    }
}

/// Makes a waiting mail due, or sends a failed one again with a new code.
pub async fn retry(
    Extract(console): Extract<ConsoleState>,
    Submitted { at: item, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    let Item { at, id } = item;
    let mail = manage::find_in(console.db(), at.id(), id).await?.ok_or(Error::NotFound)?;
    let expires_after = console.server.config.invite.expires_after;
    if !manage::retry(console.db(), &mail, &console.server.seal, expires_after).await? {
        return Err(Error::Refused(
            "This mail was sent already, or its invite was accepted, revoked or mailed again since. Look at the invite."
                .to_owned(),
        ));
    }
    Ok(Redirect::to(&at.path(&format!("/mails/{id}?done=retry"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_minutes_hours_or_days() {
        for (seconds, words) in
            [(300.0, "5 minutes"), (7199.0, "2 hours"), (3600.0, "60 minutes"), (1e6, "12 days")]
        {
            assert_eq!(lasting(seconds), words);
        }
    }

    #[test]
    fn every_kind_has_words() {
        for kind in MailKind::ALL {
            assert_ne!(kind_in_words(kind.as_str()), kind.as_str());
        }
    }
}
