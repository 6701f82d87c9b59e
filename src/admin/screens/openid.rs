//! Signing in with an `OpenID` provider: to the provider and back.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use maud::{Markup, html};

use crate::admin::document;
use crate::admin::error::Error;
use crate::admin::form::Fields;
use crate::admin::openid::{Failed, Flow, Provider};
use crate::admin::session::{self, Try};
use crate::admin::state::{Console, ConsoleState};
use crate::audit;
use crate::db::operators::{self, sessions};
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::email::Email;

/// Comes back with the browser from the provider, another site: `SameSite=Lax`.
const COOKIE: &str = "__Host-userdocks-openid";
/// How long signing in at the provider may take, in seconds.
const VALID: u64 = 600;

/// The part of the sign-in page.
#[must_use]
pub fn sign_in_link(console: &Console) -> Markup {
    html! {
        @if let Some(provider) = &console.openid {
            p .openid { a .button .second href="/sign-in/openid" { "Sign in with " (provider.host()) } }
        }
    }
}

/// Leads to the provider.
pub async fn begin(State(console): State<ConsoleState>, _: Try) -> Result<Response, Error> {
    let provider = provider(&console)?;
    let flow = Flow(RandomCode::generate());
    let url = provider.authorization_url(&flow, &redirect_uri(&console)).await.map_err(failed)?;
    Ok((set_cookie([cookie(flow.0.expose(), VALID)]), Redirect::to(url.as_str())).into_response())
}

/// The provider leads the browser back here. Begins a session of the operator with the address that the provider has
/// verified. The session's cookie is not sent with what another site leads to, so that a page leads on.
pub async fn callback(
    State(console): State<ConsoleState>,
    tried: Try,
    headers: HeaderMap,
    query: Fields,
) -> Result<Response, Error> {
    let operator = operator(&console, &headers, &query).await;
    let operator = match operator {
        Ok(operator) => operator,
        Err(error) => return Ok((set_cookie([cookie("", 0)]), error).into_response()),
    };
    let session = RandomCode::generate();
    if !sessions::begin(console.db(), operator, &session).await? {
        return Err(Error::NotFound);
    }
    tried.forgive(&console);
    audit::record(|facts| {
        (facts.operator, facts.subject, facts.authenticated) = (Some(operator), Some(operator), true);
    });
    let body = html! {
        meta http-equiv="refresh" content="0;url=/";
        h1 { "You are signed in" }
        p { a .button href="/" { "Go on to the console" } }
    };
    let cookies = set_cookie([session::begin_cookie(&session), cookie("", 0)]);
    Ok((cookies, document::card("You are signed in", &body)).into_response())
}

/// Checks the provider's answer. Returns the operator that it signs in.
async fn operator(console: &Console, headers: &HeaderMap, query: &Fields) -> Result<uuid::Uuid, Error> {
    let provider = provider(console)?;
    let flow = session::code_in(headers, COOKIE).map(Flow);
    let is_own =
        |flow: &Flow| verify_slices_are_equal(flow.state().as_bytes(), query.get("state").as_bytes()).is_ok();
    let flow = flow.filter(is_own).ok_or_else(|| {
        refused("unknown_state", "This was begun in another browser or more than 10 minutes ago. Try again.")
    })?;
    if !provider.is_own_answer(query.get("iss")).await.map_err(failed)? {
        return Err(refused("wrong_issuer", "The answer is of another provider. Try again."));
    }
    let code = query.get("code");
    if !query.get("error").is_empty() || code.is_empty() {
        return Err(refused("denied_by_provider", "The provider did not sign you in."));
    }
    let keys = &console.server.credentials.outside;
    let person = provider.person(keys, &flow, code, &redirect_uri(console)).await.map_err(failed)?;
    let email = person.verified_email().and_then(|email| Email::parse(email).ok()).ok_or_else(|| {
        refused("unverified_email", "The provider did not give an e-mail address that it has verified.")
    })?;
    let operator = operators::by_email(console.db(), &email).await?.ok_or_else(|| {
        refused(
            "unknown_operator",
            "No operator has the address of your account there. An admin can add you.",
        )
    })?;
    Ok(operator.id)
}

fn provider(console: &Console) -> Result<&Provider, Error> {
    console.openid.as_ref().ok_or(Error::NotFound)
}

fn redirect_uri(console: &Console) -> String {
    format!("{}sign-in/openid/callback", console.url)
}

fn cookie(value: &str, max_age: u64) -> HeaderValue {
    session::cookie(COOKIE, value, "Lax", max_age)
}

fn set_cookie<const N: usize>(values: [HeaderValue; N]) -> AppendHeaders<[(HeaderName, HeaderValue); N]> {
    AppendHeaders(values.map(|value| (SET_COOKIE, value)))
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err calls")]
fn failed(error: Failed) -> Error {
    tracing::warn!(%error, "the OpenID provider did not sign an operator in");
    refused("provider_failed", "The provider did not answer as it should. The log of this server says why.")
}

fn refused(code: &'static str, text: &'static str) -> Error {
    Error::SignInFailed { code, text: text.into() }
}
