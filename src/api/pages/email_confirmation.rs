//! `/email-confirmations/{code}`: where the mail leads that asks an address whose it is. Looking (GET, HEAD) changes
//! nothing, since mail scanners follow links; the button (POST) confirms, once, and makes the address the user's.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::render::{self, Confirming};
use crate::api::users::email_change::notice;
use crate::audit;
use crate::db::mail_quotas::Spending;
use crate::db::users::email_confirmation;
use crate::db::users::email_confirmation::{Confirmation, State as Stands};
use crate::domain::invites::InviteCode;
use crate::http::context::RequestContext;
use crate::http::error::Error;
use crate::http::extract::CurrentRequest;
use crate::http::extract::Segment;
use crate::http::state::AppState;
use crate::l10n::Texts;

/// Shows what the code is good for.
pub async fn show(
    State(state): State<AppState>,
    Segment(code): Segment,
    CurrentRequest(context): CurrentRequest,
    headers: HeaderMap,
) -> Response {
    match enter(&state, &code, &context, &headers).await {
        Ok(Some((_, confirmation))) => shown(&confirmation),
        Ok(None) => unknown(),
        Err(error) => trouble(&error),
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
        let Some((code, confirmation)) = enter(&state, &code, &context, &headers).await? else {
            return Ok(unknown());
        };
        audit::note(|facts| (facts.app, facts.authenticated) = (Some(code.app), true));
        let event = state.listeners.event(code.app);
        let spending = match confirmation {
            Confirmation { state: Stands::Open, tells: true, .. } => {
                state.store.mails.take(&state.store.pool, code.app).await?
            }
            _ => Spending::default(),
        };
        let notice = notice(&state, code.app).paid_with(spending);
        if let Some(confirmed) = email_confirmation::confirm(&state.store.pool, &code, &notice, event).await?
        {
            if confirmed.tells {
                state.wake.notify_one();
            }
            state.listeners.told(event);
            audit::note(|facts| facts.subject = Some(confirmed.user.0));
            let texts = Texts::for_person(&confirmation.language, &confirmation.app_language);
            return Ok(page(StatusCode::OK, texts, &Confirming::Now { app: &confirmation.app_name }));
        }
        // It could be a moment ago if at all: what stands now says why.
        Ok(match email_confirmation::find(&state.store.pool, &code).await? {
            Some(confirmation) => {
                audit::note(|facts| facts.refused = Some(confirmation.state.as_str()));
                shown(&confirmation)
            }
            None => unknown(),
        })
    };
    confirmed.await.unwrap_or_else(|error| trouble(&error))
}

async fn enter(
    state: &AppState,
    code: &str,
    context: &RequestContext,
    headers: &HeaderMap,
) -> Result<Option<(InviteCode, Confirmation)>, Error> {
    context.charge(&state.limits, headers)?;
    context.enter(&state.limits).await?;
    let Some(code) = InviteCode::parse(code) else { return Ok(None) };
    Ok(email_confirmation::find(&state.store.pool, &code).await?.map(|confirmation| (code, confirmation)))
}

fn shown(confirmation: &Confirmation) -> Response {
    let (app, address) = (confirmation.app_name.as_str(), confirmation.email.as_str());
    let confirming = match confirmation.state {
        Stands::Open => Confirming::Open { app, address },
        Stands::Confirmed => Confirming::Before { app },
        Stands::Expired => Confirming::Expired { app },
        Stands::Taken => Confirming::Taken { app },
    };
    page(StatusCode::OK, Texts::for_person(&confirmation.language, &confirmation.app_language), &confirming)
}

fn unknown() -> Response {
    audit::note(|facts| facts.refused = Some("unknown"));
    page(StatusCode::NOT_FOUND, Texts::of("en"), &Confirming::Unknown)
}

fn trouble(error: &Error) -> Response {
    render::failed(error, |status| page(status, Texts::of("en"), &Confirming::Trouble))
}

fn page(status: StatusCode, texts: &'static Texts, confirming: &Confirming) -> Response {
    render::response(status, render::confirmation(texts, confirming))
}
