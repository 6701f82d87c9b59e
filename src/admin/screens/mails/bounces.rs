//! Bounces and opt-outs: mails of an app that did not arrive or were unwanted, and addresses without referral mails.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use uuid::Uuid;

use super::meaning;
use crate::admin::error::Error;
use crate::admin::form::{Fields, OwnForm, Submitted};
use crate::admin::layout::{self, Page, Section, token};
use crate::admin::parts::{self, Field, Tone, badge, cut, empty, next_page, notice, time};
use crate::admin::session::{InApp, Session};
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::db::invites::reports::{self, MailTrouble};
use crate::db::referrals::opt_outs;
use crate::domain::credentials::opt_out::AddressHash;
use crate::domain::email::Email;
use crate::domain::id;

/// Characters of a reply that the list shows; the page of the mail has all of them.
const REPLY: usize = 160;

const DONE: [(&str, &str); 4] = [
    ("out", "The address is sent no referral mails of this app any more."),
    ("already-out", "The address had opted out before. Nothing was changed."),
    ("back", "The address can be sent referral mails of this app again."),
    ("already-back", "The address had not opted out. Nothing was changed."),
];

/// The answer of the opt-out form.
#[derive(Default)]
struct Answer {
    typed: String,
    error: Option<&'static str>,
    /// Whether the address has opted out, if it was looked up.
    out: Option<bool>,
}

pub async fn list(State(console): State<ConsoleState>, at: InApp, query: Fields) -> Result<Page, Error> {
    page(&console, &at, &query, &Answer::default()).await
}

async fn page(console: &ConsoleState, at: &InApp, query: &Fields, answer: &Answer) -> Result<Page, Error> {
    let before = id::parse(query.get("before"));
    let limit = i64::try_from(parts::PAGE + 1).unwrap_or(i64::MAX);
    let mut found = reports::list(console.db(), at.id(), before.unwrap_or(Uuid::max()), limit).await?;
    let next = cut(&mut found, |report| report.id);
    let count = opt_outs::count(console.db(), at.id()).await?;
    let path = at.path("/bounces");
    let body = html! {
        div .title {
            h1 { "Bounces and opt-outs" }
            a .button .second href="#opt-outs" { "Look an opt-out up" }
        }
        (notice(query, &DONE))
        h2 .part { "Mails that did not arrive or were unwanted" }
        div .box .flush {
            @if found.is_empty() {
                @if before.is_some() {
                    (empty("No more", &html! { "There are no older ones." }))
                } @else {
                    (empty("No bounces", &html! {
                        "People are listed here whose mail failed, came back, is late, or was reported as unwanted. "
                        "Reports come from your mail provider or from " code { "userdocks mail bounces" } "."
                    }))
                }
            } @else {
                div .scroll tabindex="0" role="region" aria-label="Mails that did not arrive or were unwanted" {
                    table {
                        thead { tr {
                            th scope="col" { "Person" } th scope="col" { "What happened" } th scope="col" { "Reply" }
                            th scope="col" { "When" }
                        } }
                        tbody { @for report in &found { (row(at, report)) } }
                    }
                }
            }
            (next_page(&path, &[], "before", next))
        }
        (opt_out_box(at, count, answer))
    };
    Ok(layout::app_page(at, Section::OptOuts, "Bounces and opt-outs", &body))
}

fn row(at: &InApp, report: &MailTrouble) -> Markup {
    let (tone, word) = match report.kind.as_str() {
        "bounced" => (Tone::Bad, "Bounced"),
        "complained" => (Tone::Bad, "Reported as unwanted"),
        "delayed" => (Tone::Waiting, "Late"),
        _ => (Tone::Bad, "Failed"),
    };
    let state = if report.kind == "delayed" { "queued" } else { "failed" };
    let hint = match report.kind.as_str() {
        "complained" => Some("The person is sent no more referral mails of this app.".to_owned()),
        _ => meaning(state, report.detail.as_deref()),
    };
    html! {
        tr {
            td .address {
                @if let Some(invite) = report.invite_id {
                    a href=(at.path(&format!("/invites/{invite}"))) { (report.to) }
                } @else if let Some(user) = report.user_id {
                    a href=(at.path(&format!("/users/{user}"))) { (report.to) }
                } @else { (report.to) }
            }
            td .whole {
                (badge(tone, word))
                @if report.has_mail { br; a href=(at.path(&format!("/mails/{}", report.mail_id))) { "See the mail" } }
            }
            td .sentence {
                @if let Some(hint) = hint { (hint) br; }
                @if let Some(reply) = &report.detail { span .quiet { (shortened(reply)) } }
            }
            td { (time(&report.at)) }
        }
    }
}

/// The begin of a long reply.
fn shortened(reply: &str) -> String {
    let mut short: String = reply.chars().take(REPLY).collect();
    if short.len() < reply.len() {
        short.push('…');
    }
    short
}

fn opt_out_box(at: &InApp, count: i64, answer: &Answer) -> Markup {
    let field = Field {
        name: "email",
        label: "Address",
        help: "The whole address, such as ada@example.com.",
        value: &answer.typed,
        error: answer.error,
    };
    html! {
        section .box #opt-outs {
            h2 { "Opt-outs" }
            p {
                @match count {
                    0 => "No address has opted out of the referral mails of this app.",
                    1 => "One address has opted out of the referral mails of this app.",
                    many if many > opt_outs::MAX_COUNTED => {
                        "More than " (opt_outs::MAX_COUNTED) " addresses have opted out of the referral mails of this app."
                    }
                    many => { (many) " addresses have opted out of the referral mails of this app." }
                }
                " The addresses are not stored in readable form, so there is no list: look one up."
            }
            form method="post" action=(at.path("/bounces/opt-out/look-up#opt-outs")) {
                (token(&at.session))
                (field.input("email"))
                button .second { "Look up" }
            }
            @if let Some(out) = answer.out { (outcome(at, &answer.typed, out)) }
        }
    }
}

/// Whether an address has opted out, and the button that changes it.
fn outcome(at: &InApp, address: &str, out: bool) -> Markup {
    let session: &Session = &at.session;
    html! {
        div .result role="status" {
            p {
                strong { (address) } " "
                @if out { (badge(Tone::Waiting, "Has opted out")) } @else { (badge(Tone::Good, "Has not opted out")) }
            }
            @if session.writes() {
                @let (path, label) = if out {
                    ("/bounces/opt-out/undo", "Allow referral mails again")
                } else {
                    ("/bounces/opt-out", "Opt this address out")
                };
                @if out { p .quiet { "The person opted out, or reported a mail as unwanted. Undo this only if they wish it." } }
                form .action method="post" action=(at.path(path)) {
                    (token(session))
                    input type="hidden" name="email" value=(address);
                    button .second { (label) }
                }
            }
        }
    }
}

/// Looks an address up. The form is sent by POST, so that the address is in no log and no history.
pub async fn look_up(
    State(console): State<ConsoleState>,
    OwnForm { at, form }: OwnForm<InApp>,
) -> Result<Response, Error> {
    let Ok(address) = Email::parse(form.get("email")) else { return refused(&console, &at, &form).await };
    let hash = hash(&console, &at, &address).await?;
    let out = opt_outs::is_out(console.db(), at.id(), &hash).await?;
    let answer = Answer { typed: address.as_str().to_owned(), error: None, out: Some(out) };
    Ok(page(&console, &at, &Fields::default(), &answer).await?.into_response())
}

/// Opts an address out of the referral mails of the app.
pub async fn add(
    State(console): State<ConsoleState>,
    Submitted { at, form }: Submitted<InApp>,
) -> Result<Response, Error> {
    let Ok(address) = Email::parse(form.get("email")) else { return refused(&console, &at, &form).await };
    let hash = hash(&console, &at, &address).await?;
    let changed = opt_outs::add(console.db(), at.id(), &hash).await?;
    audit::record(|facts| facts.unchanged = !changed);
    let done = if changed { "out" } else { "already-out" };
    Ok(Redirect::to(&at.path(&format!("/bounces?done={done}"))).into_response())
}

/// Allows referral mails of the app to an address again.
pub async fn remove(
    State(console): State<ConsoleState>,
    Submitted { at, form }: Submitted<InApp>,
) -> Result<Response, Error> {
    let Ok(address) = Email::parse(form.get("email")) else { return refused(&console, &at, &form).await };
    let hash = hash(&console, &at, &address).await?;
    let changed = opt_outs::remove(console.db(), at.id(), &hash).await?;
    audit::record(|facts| facts.unchanged = !changed);
    let done = if changed { "back" } else { "already-back" };
    Ok(Redirect::to(&at.path(&format!("/bounces?done={done}"))).into_response())
}

async fn refused(console: &ConsoleState, at: &InApp, form: &Fields) -> Result<Response, Error> {
    let typed = form.get("email").chars().take(1000).collect();
    let answer = Answer { typed, error: Some("That is not an e-mail address."), out: None };
    let page = page(console, at, &Fields::default(), &answer).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

async fn hash(console: &ConsoleState, at: &InApp, address: &Email) -> Result<AddressHash, Error> {
    let seal = &console.server.seal;
    let key = opt_outs::key(console.db(), at.id(), seal).await?.open(seal);
    let key =
        key.map_err(|error| Error::Refused(format!("The key of the opt-outs cannot be used: {error}.")))?;
    Ok(key.address(address.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_reply_is_cut_between_characters() {
        assert_eq!(shortened("550 no"), "550 no");
        let short = shortened(&"ä".repeat(400));
        assert_eq!((short.chars().count(), short.ends_with('…')), (REPLY + 1, true));
    }
}
