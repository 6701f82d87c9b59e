//! `POST /v1/mail-reports`: reports of an app's backend or a mail provider about a mail that the mail server has
//! accepted.

mod provider;

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::audit;
use crate::db::invites::timeline::{self, RecordReport, ReportOutcome};
use crate::domain::id::AppId;
use crate::domain::mail::report::{Kind, Report};
use crate::http::auth::{Callers, WriteKey};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, Query};
use crate::http::state::AppState;
use crate::mail::provider::Provider;

/// The sender of a report.
pub enum Reporter {
    /// The backend of an app, about the app's mails.
    App(AppId),
    /// A caller that claims to be this provider; not verified yet.
    Provider(Provider),
}

impl FromRequestParts<AppState> for Reporter {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        // Read the query first, since a provider has credentials of its own. Without `provider`, the contract's order
        // holds.
        if let Some(name) =
            Query::of(parts, &["provider"]).ok().as_ref().and_then(|query| query.get("provider"))
        {
            return Provider::parse(name).map(Self::Provider).ok_or(Error::InvalidQuery(
                "`provider` in the query must be `ses`, `sendgrid`, `mailgun` or `postmark`",
            ));
        }
        let caller = WriteKey::authenticate(parts, state).await?;
        Query::of(parts, &["provider"])?;
        Ok(Self::App(caller.app))
    }
}

/// Records bounces, delays and complaints. After a complaint the recipient gets no more referral mail of the app.
pub async fn create(
    State(state): State<AppState>,
    who: Reporter,
    request: Request,
) -> Result<Success<()>, Error> {
    let app = match who {
        Reporter::App(app) => app,
        Reporter::Provider(provider) => return provider::create(&state, provider, request).await,
    };
    let Json(body) = Json::from_request(request, &state).await?;
    audit::record(|facts| {
        facts.fields = body.keys().filter(|name| Report::FIELDS.contains(&name.as_str())).cloned().collect();
    });
    let report = Report::parse(body)?;
    let opt_out = match report.kind {
        Kind::Complained => Some(state.store.opt_out_keys.of(&state.store.pool, &state.seal, app).await?),
        Kind::Bounced | Kind::Delayed => None,
    };
    let found = |outcome: Option<ReportOutcome>| outcome.ok_or(Error::MailNotFound);
    let command = RecordReport { report, opt_out };
    let reported = state.store.change(app).with_event().run(timeline::report, &command, found).await??;
    audit::record(|facts| (facts.subject, facts.unchanged) = (Some(reported.invite), !reported.first));
    Ok(Success { status: StatusCode::OK, message: "the report was recorded", data: () })
}
