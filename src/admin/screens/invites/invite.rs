//! One invite: what happened to it, up to the replies of mail servers; resend, revoke, extend.

use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};

use super::{inviter, kind_word};
use crate::admin::error::Error;
use crate::admin::form::{Fields, Submitted};
use crate::admin::layout::{self, Page, Section, token};
use crate::admin::parts::{action, danger, invite_badge, notice, optional_time, person, time};
use crate::admin::session::{InApp, Item};
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::db::invites::manage::{self, ResendBy, ResendInvite, ResendOutcome, RevokeInvite, RevokeOutcome};
use crate::db::invites::search::{self, ExtendInvite};
use crate::db::invites::timeline;
use crate::db::referrals::new_referral::ReferralLimits;
use crate::db::users;
use crate::domain::id::UserId;
use crate::domain::invites::State as InviteState;
use crate::domain::invites::invite::{Invite, TimelineEvent};
use crate::domain::users::User;
use crate::mail::hint::{final_hint, hint};

const DONE: [(&str, &str); 3] = [
    ("resent", "A new mail with a new link is on its way. The earlier link does not work any more."),
    ("revoked", "The invite is revoked. Its link does not work any more."),
    ("extended", "The invite has more time. Its link is the same."),
];

/// How many days an invite can be extended by.
const DAYS: [i32; 3] = [7, 30, 90];

pub async fn show(
    State(console): State<ConsoleState>,
    Item { at, id }: Item,
    query: Fields,
) -> Result<Page, Error> {
    let db = console.db();
    let invite =
        manage::find(&mut *db.acquire().await.map_err(crate::db::Error::from)?, at.id(), None, id).await?;
    let invite = invite.ok_or(Error::NotFound)?;
    let events = timeline::timeline(db, at.id(), id).await?;
    let user = person_of(&console, &at, invite.user_id).await?;
    let sender = person_of(&console, &at, invite.inviter_id).await?;
    let body = html! {
        p .trail { a href=(at.path("/invites")) { "Invites" } }
        div .title { h1 { (invite.email) } (invite_badge(&invite.state)) }
        (notice(&query, &DONE))
        div .halves {
            section .box { h2 { "What happened" } (events_list(&events)) }
            div {
                section .box { h2 { (kind_word(&invite.kind)) } (facts(&at, &invite, user.as_ref(), sender.as_ref())) }
                (actions(&at, &invite))
            }
        }
    };
    Ok(layout::app_page(&at, Section::Invites, &invite.email, &body))
}

async fn person_of(
    console: &ConsoleState,
    at: &InApp,
    id: Option<uuid::Uuid>,
) -> Result<Option<User>, Error> {
    let Some(id) = id else { return Ok(None) };
    let mut db = console.db().acquire().await.map_err(crate::db::Error::from)?;
    Ok(users::by_id(&mut *db, at.id(), None, UserId(id)).await?)
}

fn facts(at: &InApp, invite: &Invite, user: Option<&User>, sender: Option<&User>) -> Markup {
    let name = |user: Option<&User>| user.and_then(|user| user.name.clone().or_else(|| user.email.clone()));
    html! {
        dl {
            dt { "User" }
            dd { @match invite.user_id {
                Some(_) => (person(at, invite.user_id, name(user).as_deref(), None)),
                None => span .quiet { "Created when it is accepted" },
            } }
            dt { "Invited by" } dd { (inviter(at, invite.inviter_id, name(sender).as_deref())) }
            dt { "Language" } dd { (invite.language) }
            dt { "Created" } dd { (time(&invite.created_at)) }
            dt { "Last mail" } dd { (time(&invite.mailed_at)) }
            @if invite.accepted_at.is_some() { dt { "Accepted" } dd { (optional_time(invite.accepted_at.as_deref())) } }
            @else if invite.revoked_at.is_some() { dt { "Revoked" } dd { (optional_time(invite.revoked_at.as_deref())) } }
            @else { dt { "Expires" } dd { (time(&invite.expires_at)) } }
            dt { "Id" } dd { code { (invite.id) } }
        }
    }
}

fn actions(at: &InApp, invite: &Invite) -> Markup {
    let path = |what: &str| at.path(&format!("/invites/{}/{what}", invite.id));
    let open = matches!(invite.state(), Some(InviteState::Open | InviteState::Expired));
    html! {
        @if open && at.session.writes() {
            section .box {
                h2 { "Actions" }
                div .actions {
                    (action(&at.session, &path("resend"), "Send again"))
                    form .action.row method="post" action=(path("extend")) {
                        (token(&at.session))
                        label for="days" { "Let it work for" }
                        select #days name="days" { @for days in DAYS { option value=(days) { (days) " days" } } }
                        button .second { "Extend" }
                    }
                    (danger(&at.session, &path("revoke"), "Revoke",
                        "The link stops working at once, and a mail that waits is not sent. The person can be invited again."))
                }
            }
        }
    }
}

fn events_list(events: &[TimelineEvent]) -> Markup {
    html! {
        ol .timeline {
            @for event in events.iter().rev() {
                @let (class, what, means) = words(&event.event);
                li class=(class) {
                    strong { (what) } " " (time(&event.at))
                    @if !means.is_empty() { p .quiet { (means) } }
                    @if let Some(detail) = &event.detail {
                        pre { (detail) }
                        @if let Some(hint) = reply_hint(event) { p { (hint) } }
                    }
                }
            }
        }
    }
}

/// What the reply of a mail server means, where it is not good.
fn reply_hint(event: &TimelineEvent) -> Option<String> {
    let detail = event.detail.as_deref()?;
    match event.event.as_str() {
        "refused" | "delayed" => hint(detail).map(str::to_owned),
        "failed" | "bounced" => final_hint(detail),
        _ => None,
    }
}

/// Tone, name and meaning of an event of the timeline.
fn words(event: &str) -> (&'static str, &'static str, &'static str) {
    match event {
        "queued" => ("", "Mail queued", "It is sent as soon as the mail server takes it."),
        "resent" => ("", "Sent again", "Another mail with a new link was queued. The earlier link ended."),
        "refused" => {
            ("waiting", "Refused for now", "The mail server did not take it. It is tried again by itself.")
        }
        "accepted_by_server" => (
            "good",
            "Taken by the mail server",
            "It is on its way to the mailbox, or in its folder for spam.",
        ),
        "failed" => ("bad", "Failed", "The mail was not sent and is not tried again by itself."),
        "delayed" => ("waiting", "Delayed", "A mail server on the way reports that the delivery is late."),
        "bounced" => ("bad", "Bounced", "The mail came back: the mailbox did not take it."),
        "complained" => {
            ("bad", "Marked as spam", "The recipient's mail program reported the mail as unwanted.")
        }
        "viewed" => ("good", "Page opened", "The page behind the link was opened for the first time."),
        "accepted" => ("good", "Accepted", ""),
        "revoked" => ("", "Revoked", "The link does not work any more."),
        "expired" => ("", "Expired", "The link does not work any more. Send it again, or extend it."),
        _ => ("", "Event", ""),
    }
}

/// Mails the invite again, with a new link.
pub async fn resend(
    State(console): State<ConsoleState>,
    Submitted { at: Item { at, id }, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    let command = ResendInvite {
        by: ResendBy::Operator,
        invite: id,
        limits: ReferralLimits::of(&console.server.config),
        mail: console.server.new_mail(at.id()),
    };
    let decide = |outcome| match outcome {
        ResendOutcome::Resent => Ok(()),
        ResendOutcome::TooSoon => {
            Err("A mail of this invite was sent a short while ago, or waits. Try again in a few minutes.")
        }
        ResendOutcome::Ended(InviteState::Accepted) => Err("The invite has been accepted meanwhile."),
        ResendOutcome::Ended(_) => Err("The invite has been revoked meanwhile."),
        ResendOutcome::QuotaExceeded | ResendOutcome::NotAccessible => {
            Err("The user of this invite is frozen or erased.")
        }
    };
    let change = console.store.change(at.id()).with_mails(1).repeatable(false);
    change.run(manage::resend, &command, decide).await?.map_err(|why| Error::Refused(why.to_owned()))?;
    Ok(back(&at, id, "resent"))
}

/// Revokes the invite.
pub async fn revoke(
    State(console): State<ConsoleState>,
    Submitted { at: Item { at, id }, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    let decide = |outcome| match outcome {
        RevokeOutcome::Revoked => Ok(()),
        RevokeOutcome::AlreadyRevoked => {
            audit::record(|facts| facts.unchanged = true);
            Ok(())
        }
        RevokeOutcome::Accepted => Err(Error::Refused("The invite has been accepted meanwhile.".to_owned())),
        RevokeOutcome::OutOfReach => Err(Error::NotFound),
    };
    let command = RevokeInvite { caller: None, invite: id };
    console.store.change(at.id()).run(manage::revoke, &command, decide).await??;
    Ok(back(&at, id, "revoked"))
}

/// Gives the invite more time.
pub async fn extend(
    State(console): State<ConsoleState>,
    Submitted { at: Item { at, id }, form }: Submitted<Item>,
) -> Result<Redirect, Error> {
    let days = form.get("days").parse().ok().filter(|days| DAYS.contains(days)).ok_or(Error::BadForm)?;
    let ended = || Error::Refused("The invite has been accepted or revoked meanwhile.".to_owned());
    let decide = |done: bool| if done { Ok(()) } else { Err(ended()) };
    console.store.change(at.id()).run(search::extend, &ExtendInvite { invite: id, days }, decide).await??;
    Ok(back(&at, id, "extended"))
}

fn back(at: &InApp, id: uuid::Uuid, done: &str) -> Redirect {
    Redirect::to(&at.path(&format!("/invites/{id}?done={done}")))
}
