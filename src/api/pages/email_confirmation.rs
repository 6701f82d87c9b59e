//! `/email-confirmations/{code}`: the page behind the link that confirms an address. GET and HEAD change nothing,
//! because mail scanners follow links. POST, by the button, confirms the address once and makes it the user's.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::render::{self, ConfirmationPage};
use crate::api::route::{Route, get, post};
use crate::audit;
use crate::db::apps;
use crate::db::users::email_confirmation::{self, ConfirmEmail, Confirmation, State as Stands};
use crate::domain::brand::Brand;
use crate::domain::id::UserId;
use crate::domain::invites::InviteCode;
use crate::http::context::RequestContext;
use crate::http::error::Error;
use crate::http::extract::CurrentRequest;
use crate::http::extract::Segment;
use crate::http::operation::{Answer, Operation, Parameter, example};
use crate::http::state::AppState;
use crate::l10n::Texts;

/// Shows the confirmation of the code.
pub async fn show(
    State(state): State<AppState>,
    Segment(code): Segment,
    CurrentRequest(context): CurrentRequest,
    headers: HeaderMap,
) -> Response {
    match enter(&state, &code, &context, &headers).await {
        Ok(Some((_, confirmation, brand))) => shown(&confirmation, &brand),
        Ok(None) => unknown(&headers),
        Err(error) => trouble(&error, &headers),
    }
}

/// Confirms the address.
pub async fn confirm(
    State(state): State<AppState>,
    Segment(code): Segment,
    CurrentRequest(context): CurrentRequest,
    headers: HeaderMap,
) -> Response {
    let confirmed = async {
        let Some((code, confirmation, brand)) = enter(&state, &code, &context, &headers).await? else {
            return Ok(unknown(&headers));
        };
        audit::record(|facts| (facts.app, facts.authenticated) = (Some(code.app), true));
        let notifies = confirmation.state == Stands::Open && confirmation.notifies;
        let command = ConfirmEmail { notice: state.new_notice(code.app), code };
        // Not repeatable: the code would be used up by the first attempt.
        let change =
            state.store.change(command.code.app).with_event().with_mails(notifies.into()).repeatable(false);
        let confirmed = |user: Option<UserId>| user.ok_or(());
        if let Ok(user) = change.run(email_confirmation::confirm, &command, confirmed).await? {
            audit::record(|facts| facts.subject = Some(user.0));
            return Ok(page(&confirmation, &ConfirmationPage::Confirmed(&brand)));
        }
        // The code is not valid, or no longer; its current state gives the reason.
        Ok(match email_confirmation::find(&state.store.pool, &command.code).await? {
            Some(confirmation) => {
                audit::record(|facts| facts.refused = Some(confirmation.state.as_str()));
                shown(&confirmation, &brand)
            }
            None => unknown(&headers),
        })
    };
    confirmed.await.unwrap_or_else(|error| trouble(&error, &headers))
}

async fn enter(
    state: &AppState,
    code: &str,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<Option<(InviteCode, Confirmation, Brand)>, Error> {
    context.count_failure(&state.limits, headers)?;
    context.acquire_permit(&state.limits).await?;
    let Some(code) = InviteCode::parse(code) else { return Ok(None) };
    let Some(confirmation) = email_confirmation::find(&state.store.pool, &code).await? else {
        return Ok(None);
    };
    let app = apps::find(&state.store.pool, code.app).await?;
    Ok(app.map(|app| (code, confirmation, app.brand())))
}

fn shown(confirmation: &Confirmation, brand: &Brand) -> Response {
    let shown = match confirmation.state {
        Stands::Open => ConfirmationPage::Open { brand, address: &confirmation.email },
        Stands::Confirmed => ConfirmationPage::AlreadyConfirmed(brand),
        Stands::Expired => ConfirmationPage::Expired(brand),
        Stands::Taken => ConfirmationPage::Taken(brand),
    };
    page(confirmation, &shown)
}

/// A page in the language of the mail.
fn page(confirmation: &Confirmation, page: &ConfirmationPage<'_>) -> Response {
    let texts = Texts::for_person(&confirmation.language, &confirmation.app_language);
    render::confirmation(texts, page).response(StatusCode::OK)
}

fn unknown(headers: &HeaderMap) -> Response {
    render::unknown(headers, |texts| render::confirmation(texts, &ConfirmationPage::Unknown))
}

fn trouble(error: &Error, headers: &HeaderMap) -> Response {
    render::trouble(error, headers, |texts| render::confirmation(texts, &ConfirmationPage::Trouble))
}

fn code_parameter() -> Parameter {
    Parameter::path::<String>("code", "The code in the link of the confirmation mail.", example::CODE)
}

pub fn show_route() -> Route {
    get(
        "/email-confirmations/{code}",
        show,
        Operation::new("showConfirmation", "pages", "Show the confirmation page")
            .about("Shows the page that the link in a confirmation mail opens. It changes nothing.")
            .answer(Answer::Page(&[200, 404, 429, 500, 503]))
            .parameters([code_parameter()]),
    )
}

pub fn confirm_route() -> Route {
    post(
        "/email-confirmations/{code}",
        confirm,
        Operation::new("confirmEmail", "pages", "Confirm an address")
            .about(
                "Confirms the address, once: it becomes the user's address and is verified, unless \
                    another user has it by then. The button on the page sends this request.",
            )
            .answer(Answer::Page(&[200, 404, 429, 500, 503]))
            .parameters([code_parameter()]),
    )
}
