//! `POST /v1/mail-reports`: what an app's backend learned of a mail after the mail server took it.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::AppState;
use super::auth::{Callers, WriteKey};
use super::envelope::Success;
use super::error::Error;
use super::extract::{Json, Query};
use crate::audit;
use crate::db::invite_events;
use crate::domain::id::AppId;
use crate::domain::mail_report::{Kind, Report};

/// The app whose mail it is about.
pub struct Own(AppId);

impl FromRequestParts<AppState> for Own {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = WriteKey::authenticate(parts, state).await?;
        Query::of(parts, &[])?;
        Ok(Self(caller.app))
    }
}

/// Records a bounce, a delay or a complaint. After a complaint the recipient gets no more referrals of the app.
pub async fn create(
    State(state): State<AppState>,
    Own(app): Own,
    Json(body): Json,
) -> Result<Success<()>, Error> {
    audit::note(|facts| {
        facts.fields = body.keys().filter(|name| Report::FIELDS.contains(&name.as_str())).cloned().collect();
    });
    let report = Report::parse(body)?;
    let key = match report.kind {
        Kind::Complained => Some(state.opt_out_keys.of(&state, app).await?),
        Kind::Bounced | Kind::Delayed => None,
    };
    let event = state.listeners.event(app);
    let reported = invite_events::report(&state.db, app, &report, key.as_deref(), event).await?;
    let reported = reported.ok_or(Error::MailNotFound)?;
    state.listeners.told(event);
    audit::note(|facts| (facts.subject, facts.unchanged) = (Some(reported.invite), !reported.first));
    Ok(Success { status: StatusCode::OK, message: "the report was recorded", data: () })
}
