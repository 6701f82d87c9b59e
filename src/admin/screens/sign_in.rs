//! Signing in and out.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use tokio::time::{Instant, sleep_until};

use super::passwords::{self, Typed};
use super::{link_mails, openid, passkeys};
use crate::admin::document::{self, Page};
use crate::admin::error::Error;
use crate::admin::form::{OwnForm, PublicForm};
use crate::admin::session::{self, LinkCode, Session, Try};
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::db::operators::{self, sessions};
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::email::Email;

/// One sentence for all reasons, so that it does not reveal which addresses are operators'.
const WRONG: &str = "The address, the password or the code is wrong. A code works once; after five wrong tries, signing \
    in with the password is locked for 15 minutes.";
/// A refusal takes at least so long: storing the count of tries takes time only for addresses of operators.
const REFUSED_AFTER: Duration = Duration::from_millis(250);

/// How to get in.
pub async fn form(State(console): State<ConsoleState>) -> Page {
    page(&console, &Typed::default())
}

/// The sign-in page: a form for each way.
#[must_use]
pub fn page(console: &ConsoleState, typed: &Typed) -> Page {
    let body = html! {
        h1 { "Sign in" }
        (passkeys::sign_in_form(console))
        (openid::sign_in_link(console))
        (passwords::form(typed))
        (link_mails::form())
        p .quiet .after {
            "A trial prints a link each time it starts. On a server, its admin makes one with "
            code { "userdocks operator sign-in-link ID" } "."
        }
    };
    document::card("Sign in", &body)
}

/// The page of a sign-in link. It does not use the link up, so that a program that looks at links cannot.
pub async fn link(
    State(console): State<ConsoleState>,
    tried: Try,
    LinkCode(code): LinkCode,
) -> Result<Page, Error> {
    let operator = operators::of_link(console.db(), &code).await?.ok_or(Error::UnknownLink)?;
    tried.forgive(&console);
    let body = html! {
        h1 { "Sign in" }
        p { "You sign in to the console of Userdocks as " strong { (operator.email) } "." }
        form method="post" { button { "Sign in" } }
    };
    Ok(document::card("Sign in", &body))
}

/// Uses a sign-in link up and begins a session.
pub async fn sign_in(
    State(console): State<ConsoleState>,
    tried: Try,
    LinkCode(code): LinkCode,
    _: PublicForm,
) -> Result<Response, Error> {
    let session = RandomCode::generate();
    let begun = sessions::begin_with_link(console.db(), &code, &session).await?;
    let operator = begun.ok_or(Error::UnknownLink)?;
    tried.forgive(&console);
    audit::record(|facts| {
        (facts.operator, facts.subject, facts.authenticated) = (Some(operator), Some(operator), true);
    });
    Ok(([(header::SET_COOKIE, session::begin_cookie(&session))], Redirect::to("/")).into_response())
}

/// Begins a session with a password and a code.
pub async fn with_password(
    State(console): State<ConsoleState>,
    tried: Try,
    PublicForm(form): PublicForm,
) -> Result<Response, Error> {
    let refused_at = Instant::now() + REFUSED_AFTER;
    let operator = match Email::parse(form.get("email")) {
        Ok(email) => operators::by_email(console.db(), &email).await?.map(|operator| operator.id),
        Err(_) => None,
    };
    if operator.is_some() {
        audit::record(|facts| facts.subject = operator);
    }
    let session = RandomCode::generate();
    let Some(operator) = passwords::begin(&console, operator, &form, &session).await? else {
        sleep_until(refused_at).await;
        let page = page(&console, &Typed { email: form.get("email"), error: Some(WRONG) });
        let code = [(HeaderName::from_static("x-error-code"), "wrong_credentials")];
        return Ok((StatusCode::FORBIDDEN, code, page).into_response());
    };
    tried.forgive(&console);
    audit::record(|facts| (facts.operator, facts.authenticated) = (Some(operator), true));
    Ok(([(header::SET_COOKIE, session::begin_cookie(&session))], Redirect::to("/")).into_response())
}

/// Ends the session.
pub async fn sign_out(
    State(console): State<ConsoleState>,
    OwnForm { at, .. }: OwnForm<Session>,
) -> Result<Response, Error> {
    sessions::end(console.db(), &at.code).await?;
    Ok(signed_out())
}

/// Ends all sessions of the operator.
pub async fn sign_out_everywhere(
    State(console): State<ConsoleState>,
    OwnForm { at, .. }: OwnForm<Session>,
) -> Result<Response, Error> {
    sessions::end_all(console.db(), at.operator.id).await?;
    Ok(signed_out())
}

fn signed_out() -> Response {
    ([(header::SET_COOKIE, session::end_cookie())], Redirect::to("/sign-in")).into_response()
}
