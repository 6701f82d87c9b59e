//! One user: who they are, the invites to them, their referrals, and what an admin can do.

use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};

use super::profile::{self, ProfileForm};
use super::state_badge;
use crate::admin::error::Error;
use crate::admin::form::{Fields, Submitted};
use crate::admin::layout::{self, Page, Section, token};
use crate::admin::parts::{self, Tone, badge, danger, invite_badge, person};
use crate::admin::screens::invites::mail_badge;
use crate::admin::session::{InApp, Item};
use crate::admin::state::ConsoleState;
use crate::api::pages::mailbox;
use crate::audit;
use crate::db::referrals::recent::{self, RecentReferral};
use crate::db::users;
use crate::db::users::access_status::{SetAccessStatus, set_access_status};
use crate::db::users::details::{self, InviteToUser, UserDetails};
use crate::db::users::email_verification::{self, VerifyEmail, VerifyEmailOutcome};
use crate::db::users::erase::{self, EraseOutcome, EraseUser};
use crate::domain::email::Email;
use crate::domain::id::UserId;
use crate::domain::users::User;

/// Rows of the tables of this page.
const SHOWN: i64 = 10;

const DONE: [(&str, &str); 6] = [
    ("saved", "The profile was saved."),
    ("unchanged", "Nothing was changed: the profile was already so."),
    ("frozen", "The user was frozen. Their access tokens are refused from now on."),
    ("unfrozen", "The user was unfrozen and may use the app again."),
    ("verified", "The address is verified."),
    ("erased", "The user was erased."),
];

const ERASE: &str = "The name, the address and the whole profile are deleted, and so are the invites and mails to this \
    person and the referrals they sent that were not accepted. Their access tokens stop working at once. Only the id \
    remains, so that others who were referred by them keep their referrer. The address can be invited again, as a new \
    user. This cannot be undone.";

pub async fn show(State(console): State<ConsoleState>, item: Item, query: Fields) -> Result<Page, Error> {
    let user = UserId(item.id);
    if let Some(found) = users::by_id(console.db(), item.at.id(), None, user).await? {
        return page(&console, &item, &found, &ProfileForm::of(&found), &query).await;
    }
    let known = details::find(console.db(), item.at.id(), user).await?.ok_or(Error::NotFound)?;
    Ok(erased(&item, &known, &query))
}

/// The page of a user, with this profile form.
pub async fn page(
    console: &ConsoleState,
    item: &Item,
    user: &User,
    form: &ProfileForm,
    query: &Fields,
) -> Result<Page, Error> {
    let (db, app, id) = (console.db(), item.at.id(), UserId(item.id));
    let known = details::find(db, app, id).await?.ok_or(Error::NotFound)?;
    let invites = details::invites(db, app, id, SHOWN).await?;
    let referrals = recent::of_user(db, app, id, SHOWN).await?;
    let at = &item.at;
    let title = user.name.as_deref().or(user.email.as_deref()).unwrap_or("User");
    let body = html! {
        p .trail { a href=(at.path("/users")) { "Users" } }
        div .title {
            div .person {
                h1 { bdi { (title) } }
                (state_badge(&known.state))
                @if let (Some(_), Some(email)) = (&user.name, &user.email) { p .quiet { (email) } }
            }
            (actions(item, user))
        }
        (parts::notice(query, &DONE))
        (form.problem())
        div .halves {
            section .box { h2 { "Facts" } (facts(at, user, &known)) }
            section .box .flush { h2 .box-head { "Invites to this person" } (invite_table(at, &invites)) }
        }
        section .box .flush { h2 .box-head { "Referrals" } (referral_table(at, &referrals, known.referred)) }
        section .box { h2 { "Profile" } (profile::show(item, user, form)) }
    };
    Ok(layout::app_page(at, Section::Users, title, &body))
}

fn actions(item: &Item, user: &User) -> Markup {
    let session = &item.at.session;
    let path = |action: &str| item.at.path(&format!("/users/{}/{action}", item.id));
    html! {
        @if session.writes() {
            div .actions {
                @if user.freezed { (parts::action(session, &path("unfreeze"), "Unfreeze")) }
                @else { (parts::action(session, &path("freeze"), "Freeze")) }
                (danger(session, &path("erase"), "Erase", ERASE))
            }
        }
    }
}

fn facts(at: &InApp, user: &User, known: &UserDetails) -> Markup {
    html! {
        dl {
            dt { "User id" } dd { code { (user.id) } }
            dt { "Tenant id" } dd { code { (user.tenant_id) } }
            @if let Some(subject) = &known.external_subject { dt { "External subject" } dd { code { (subject) } } }
            dt { "Invited" } dd { (parts::time(&known.created_at)) }
            dt { "Accepted" } dd { (parts::optional_time(known.accepted_at.as_deref())) }
            dt { "Address" } dd { (address(at, user, known)) }
            dt { "Language" } dd { (user.language) }
            dt { "Referral code" } dd { code { (known.referral_code) } }
            dt { "Referred by" }
            dd { (person(at, known.referrer_id, known.referrer_name.as_deref(), known.referrer_email.as_deref())) }
        }
    }
}

/// The address, whether it is verified, and a button that says so.
fn address(at: &InApp, user: &User, known: &UserDetails) -> Markup {
    html! {
        @if let Some(email) = &user.email {
            (email) " "
            @if user.email_verified { (badge(Tone::Good, "Verified")) } @else { (badge(Tone::Waiting, "Not verified")) }
            @if !user.email_verified && !user.freezed && at.session.writes() {
                form .address-form method="post" action=(at.path(&format!("/users/{}/verify-email", user.id))) {
                    (token(&at.session))
                    input type="hidden" name="email" value=(email);
                    button .second .small { "Mark as verified" }
                }
            }
        }
        @if let Some(pending) = &known.pending_email {
            p .quiet { "Waits for confirmation: " (pending) }
        }
    }
}

fn invite_table(at: &InApp, invites: &[InviteToUser]) -> Markup {
    html! {
        @if invites.is_empty() {
            p .quiet .box-note { "There is none. Invites are deleted some time after their end." }
        } @else {
            div .scroll tabindex="0" role="region" aria-label="Invites to this person" {
                table {
                    thead {
                        tr { th scope="col" { "Invite" } th scope="col" { "State" } th scope="col" { "Last mail" } }
                    }
                    tbody {
                        @for invite in invites {
                            tr {
                                td {
                                    a href=(at.path(&format!("/invites/{}", invite.id))) { (parts::time(&invite.created_at)) }
                                    @if invite.kind == "referral" { br; span .quiet { "by a referral" } }
                                }
                                td { (invite_badge(&invite.state)) }
                                td { (last_mail(at, invite)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn last_mail(at: &InApp, invite: &InviteToUser) -> Markup {
    let (Some(mail), Some(state)) = (invite.mail_id, invite.mail_state.as_deref()) else {
        return html! { span .quiet { "–" } };
    };
    html! { a href=(at.path(&format!("/mails/{mail}"))) { (mail_badge(Some(state), None)) } }
}

fn referral_table(at: &InApp, referrals: &[RecentReferral], accepted: i64) -> Markup {
    html! {
        p .quiet .box-note {
            @match (accepted, referrals.is_empty()) {
                (0, true) => "This person has referred nobody yet.",
                (0, false) => "Nobody has accepted yet.",
                (1, _) => "1 person has accepted.",
                (count, _) => { (count) " people have accepted." }
            }
        }
        @if !referrals.is_empty() {
            div .scroll tabindex="0" role="region" aria-label="Latest referrals" {
                table {
                    thead {
                        tr { th scope="col" { "Person" } th scope="col" { "State" } th scope="col" { "By" } }
                    }
                    tbody {
                        @for referral in referrals {
                            tr {
                                td { (person(at, referral.user_id, referral.user_name.as_deref(), referral.email.as_deref())) }
                                td { (invite_badge(&referral.state)) }
                                td {
                                    @match referral.invite_id {
                                        Some(invite) => a href=(at.path(&format!("/invites/{invite}"))) {
                                            "Invite of " (parts::time(&referral.created_at))
                                        },
                                        None => { "Code, " (parts::time(&referral.created_at)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn erased(item: &Item, known: &UserDetails, query: &Fields) -> Page {
    let at = &item.at;
    let body = html! {
        p .trail { a href=(at.path("/users")) { "Users" } }
        div .title { h1 { "Erased user" } (state_badge(&known.state)) }
        (parts::notice(query, &DONE))
        section .box {
            p { "This user was erased: the name, the address and the profile are deleted, and cannot be restored." }
            dl {
                dt { "User id" } dd { code { (item.id) } }
                dt { "Invited" } dd { (parts::time(&known.created_at)) }
                dt { "Accepted" } dd { (parts::optional_time(known.accepted_at.as_deref())) }
                dt { "Referral code" } dd { code { (known.referral_code) } }
                dt { "Accepted referrals" } dd { (known.referred) }
            }
        }
    };
    layout::app_page(at, Section::Users, "Erased user", &body)
}

/// To the page of a user, which shows a sentence for `done`.
pub fn back(item: &Item, done: &str) -> Redirect {
    Redirect::to(&item.at.path(&format!("/users/{}?done={done}", item.id)))
}

pub async fn freeze(
    State(console): State<ConsoleState>,
    Submitted { at, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    set_frozen(&console, &at, true).await
}

pub async fn unfreeze(
    State(console): State<ConsoleState>,
    Submitted { at, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    set_frozen(&console, &at, false).await
}

async fn set_frozen(console: &ConsoleState, item: &Item, frozen: bool) -> Result<Redirect, Error> {
    audit::record(|facts| facts.fields = vec!["freezed".to_owned()]);
    let change = console.store.change(item.at.id()).with_event();
    let command = SetAccessStatus { user: UserId(item.id), frozen };
    let was =
        change.run(set_access_status, &command, |was: Option<bool>| was.ok_or(Error::NotFound)).await??;
    audit::record(|facts| facts.unchanged = was == frozen);
    Ok(back(item, if frozen { "frozen" } else { "unfrozen" }))
}

/// Marks the address that the page showed as verified.
pub async fn verify_email(
    State(console): State<ConsoleState>,
    Submitted { at: item, form }: Submitted<Item>,
) -> Result<Redirect, Error> {
    audit::record(|facts| facts.fields = vec!["email_verified".to_owned()]);
    let email = Email::parse(form.get("email")).map_err(|_| Error::BadForm)?;
    let change = console.store.change(item.at.id()).with_event();
    let decide = |outcome| match outcome {
        VerifyEmailOutcome::Verified => Ok(()),
        VerifyEmailOutcome::OtherAddress => Err(Error::Refused(
            "The address has changed since the page was loaded. Nothing was changed; look at the user again."
                .to_owned(),
        )),
        VerifyEmailOutcome::NotAccessible => Err(not_accessible()),
    };
    let command = VerifyEmail { user: UserId(item.id), email };
    change.run(email_verification::verify_email, &command, decide).await??;
    Ok(back(&item, "verified"))
}

/// Erases a user.
pub async fn erase(
    State(console): State<ConsoleState>,
    Submitted { at: item, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    // Not repeatable: after an unknown outcome the user may be gone.
    let change = console.store.change(item.at.id()).with_event().repeatable(false);
    let decide = |outcome| match outcome {
        EraseOutcome::Erased { message_ids } => Ok(message_ids),
        EraseOutcome::Stale | EraseOutcome::NotAccessible => Err(Error::NotFound),
    };
    let command = EraseUser { caller: None, user: UserId(item.id), expected: None };
    let message_ids = change.run(erase::erase, &command, decide).await??;
    mailbox::delete(&console.server, message_ids).await;
    Ok(back(&item, "erased"))
}

/// The refusal of a change of a user who is frozen or erased.
#[must_use]
pub fn not_accessible() -> Error {
    Error::Refused("The user is frozen or erased, so nothing was changed.".to_owned())
}
