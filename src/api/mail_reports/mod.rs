//! `POST /v1/mail-reports`: reports of an app's backend or a mail provider about a mail that the mail server has
//! accepted.

mod provider;

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use schemars::{JsonSchema, json_schema};
use serde_json::{Map, Value};

use crate::api::route::{Route, post};
use crate::audit;
use crate::db::invites::timeline::{self, RecordReport, ReportOutcome};
use crate::domain::fields::FieldErrors;
use crate::domain::id::AppId;
use crate::domain::mail::report::{Kind, Report};
use crate::http::auth::{Callers, WriteKey};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, Query, RequestBody};
use crate::http::operation::{Describe, Operation, Parameter};
use crate::http::state::AppState;
use crate::mail::provider::Provider;

const MESSAGE: &str = "the report was recorded";

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

impl Describe for Reporter {
    fn describe(operation: &mut Operation) {
        operation.admit(WriteKey::ADMITS);
        operation.parameters.push(Parameter {
            schema: |_| json_schema!({ "type": "string", "enum": ["ses", "sendgrid", "mailgun", "postmark"] }),
            ..Parameter::query::<String>("provider", "The mail provider that sends the request.", "postmark")
        });
        Json::<ReportBody>::describe(operation);
    }
}

/// `{"type", "messageId" or "inviteId", "detail"?}`
#[derive(JsonSchema)]
#[schemars(transparent)]
struct ReportBody {
    report: Report,
    /// The names of the fields in the body.
    #[schemars(skip)]
    fields: Vec<String>,
}

impl RequestBody for ReportBody {
    fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors> {
        let known = |name: &&String| Report::FIELDS.contains(&name.as_str());
        let fields = body.keys().filter(known).cloned().collect();
        Ok(Self { report: Report::parse(body)?, fields })
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
    let Json(ReportBody { report, fields }) = Json::from_request(request, &state).await?;
    audit::record(|facts| facts.fields = fields);
    let opt_out = match report.kind {
        Kind::Complained => Some(state.store.opt_out_keys.of(&state.store.pool, &state.seal, app).await?),
        Kind::Bounced | Kind::Delayed => None,
    };
    let found = |outcome: Option<ReportOutcome>| outcome.ok_or(Error::MailNotFound);
    let command = RecordReport { report, opt_out };
    let reported = state.store.change(app).with_event().run(timeline::report, &command, found).await??;
    audit::record(|facts| (facts.subject, facts.unchanged) = (Some(reported.invite), !reported.first));
    Ok(Success::ok(MESSAGE, ()))
}

pub fn route() -> Route {
    post(
        "/mail-reports",
        create,
        Operation::new("reportMail", "apps", "Report a bounce or a complaint")
            .about(
                "Records a bounce, a delay or a complaint for a mail that the mail server had accepted. \
                    The mail is identified by its `Message-ID`, or as the newest mail of an invite. \
                    Repeated reports are recorded once. The event appears in the timeline of the invite. \
                    After a complaint the recipient gets no more referral mails of the app. With \
                    `provider`, the request comes from that mail provider: the body has the format of the \
                    provider, and the request is authenticated by the signature or password of the provider \
                    instead of an API key, as configured under `[mail.reports]`. Reports by a provider \
                    about unknown mails change nothing.",
            )
            .message(MESSAGE)
            .refuses([
                Error::MailNotFound,
                Error::UnprovenProvider("the signature of the provider is more than a day old"),
            ]),
    )
}
