//! `POST /v1/mail-reports?provider=…`: reports of a mail provider about mails that it sent for this server, of any
//! app. The provider authenticates by a signature or a password, which is set under `[mail.reports]`. Unknown mails
//! are answered with 200 too, since the provider would repeat the report for hours after any other status.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::ParsedPublicKey;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use secrecy::ExposeSecret;
use url::Url;

use crate::audit;
use crate::clock;
use crate::db::invites::timeline::{self, RecordReport, ReportOutcome};
use crate::db::reported_mails;
use crate::domain::mail::notification::Notification;
use crate::domain::mail::report::{Kind, Report, Subject};
use crate::domain::mail::sns_topic::Topic;
use crate::http::context::RequestContext;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract;
use crate::http::headers::header as single;
use crate::http::state::AppState;
use crate::mail::provider::ses::{Message, Unverified};
use crate::mail::provider::{Provider, Refusal, mailgun, postmark, sendgrid};
use crate::webhook::receiver;

/// Longest body, bytes: `SendGrid` sends up to 768 KiB.
const MAX_BODY: usize = 1024 * 1024;
/// Longest certificate, bytes.
const MAX_CERTIFICATE: usize = 16 * 1024;
/// Timeout of one request to Amazon.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Records the reports that a provider posts.
pub async fn create(state: &AppState, provider: Provider, request: Request) -> Result<Success<()>, Error> {
    let (parts, body) = request.into_parts();
    let context = RequestContext::of(&parts.extensions);
    context.count_failure(&state.limits, &parts.headers)?;
    let proof = Proof::of(state, provider, &parts.headers)?;
    let reader = state.providers.readers.acquire().await.map_err(|_| Error::Overloaded)?;
    let headers = parts.headers.clone();
    let body = extract::bytes(Request::from_parts(parts, body), state, MAX_BODY).await;
    let body = body.map_err(|error| match error {
        Error::BodyTooLarge => Error::ReportsTooLarge,
        other => other,
    })?;
    let notifications = proof.read(state, &body).await?;
    drop(reader);
    context.forgive_failure(&state.limits, &headers);
    audit::record(|facts| (facts.authenticated, facts.provider) = (true, true));
    context.acquire_permit(&state.limits).await?;
    let (mut recorded, mut known, mut unknown) = (0, 0, 0);
    for notification in notifications {
        *match record(state, notification).await? {
            Some(true) => &mut recorded,
            Some(false) => &mut known,
            None => &mut unknown,
        } += 1;
    }
    let provider = provider.as_str();
    tracing::info!(provider, recorded, known, unknown, "a mail provider reported");
    audit::record(|facts| facts.unchanged = recorded == 0);
    Ok(Success::ok("the report was recorded", ()))
}

/// How the request of a provider is verified.
enum Proof<'a> {
    Sendgrid {
        key: &'a ParsedPublicKey,
        signature: Vec<u8>,
        timestamp: Vec<u8>,
    },
    Mailgun(&'a str),
    /// Already verified by its password.
    Postmark,
    Ses(&'a Topic),
}

impl<'a> Proof<'a> {
    /// Verifies as much as possible before the body is read.
    fn of(state: &'a AppState, provider: Provider, headers: &HeaderMap) -> Result<Self, Error> {
        let secrets = &state.config.mail.reports;
        match provider {
            Provider::Sendgrid => {
                let key = state.providers.sendgrid.as_ref().ok_or(NOT_SET_UP)?;
                let header =
                    |name| single(headers, name)?.map(<[u8]>::to_vec).ok_or(refuse(Refusal::Unproven));
                Ok(Self::Sendgrid {
                    key,
                    signature: header(sendgrid::SIGNATURE)?,
                    timestamp: header(sendgrid::TIMESTAMP)?,
                })
            }
            Provider::Mailgun => set(&secrets.mailgun_signing_key.0).map(Self::Mailgun),
            Provider::Postmark => {
                let sent = single(headers, header::AUTHORIZATION.as_str())?;
                postmark::check(set(&secrets.postmark_password.0)?, sent).map_err(refuse)?;
                Ok(Self::Postmark)
            }
            Provider::Ses => state.providers.ses.as_ref().map(Self::Ses).ok_or(NOT_SET_UP),
        }
    }

    /// Verifies the rest and parses the body.
    async fn read(self, state: &AppState, body: &[u8]) -> Result<Vec<Notification>, Error> {
        let now = clock::now();
        let topic = match self {
            Self::Sendgrid { key, signature, timestamp } => {
                return sendgrid::read(key, &signature, &timestamp, body, now).map_err(refuse);
            }
            Self::Mailgun(key) => return mailgun::read(key, body, now).map_err(refuse),
            Self::Postmark => return postmark::read(body).map_err(refuse),
            Self::Ses(topic) => topic,
        };
        let (call, certificate) = Unverified::read(topic, body, now).map_err(refuse)?;
        let certificate = certificate_at(state, &certificate).await?;
        match call.verify(topic, &certificate).map_err(refuse)? {
            Message::Notifications(notifications) => Ok(notifications),
            Message::Subscription(url) => {
                fetch(state, &url).await?;
                tracing::info!("the subscription of the topic of Amazon SES was confirmed");
                Ok(Vec::new())
            }
        }
    }
}

const NOT_SET_UP: Error = Error::UnprovenProvider(
    "the provider in the query is not set up here, under [mail.reports] of the settings",
);

/// The value of a secret. Fails if it is not set.
fn set(secret: &secrecy::SecretString) -> Result<&str, Error> {
    Some(secret.expose_secret()).filter(|secret| !secret.is_empty()).ok_or(NOT_SET_UP)
}

fn refuse(refusal: Refusal) -> Error {
    match refusal {
        Refusal::Unproven => Error::UnprovenProvider(
            "the signature or the password of the provider is missing or wrong: it must be as [mail.reports] of the settings has it",
        ),
        Refusal::Stale => Error::UnprovenProvider("the signature of the provider is more than a day old"),
        Refusal::Malformed => Error::UnsupportedBody("the body must be what the provider in the query sends"),
    }
}

/// Records a report. Returns whether it was new; `None` if it does not prove which mail it is about.
async fn record(state: &AppState, notification: Notification) -> Result<Option<bool>, Error> {
    let Some((app, message_id)) = reported_mails::find(&state.store.pool, &notification).await? else {
        return Ok(None);
    };
    let Notification { kind, detail, .. } = notification;
    let opt_out = match kind {
        Kind::Complained => Some(state.store.opt_out_keys.of(&state.store.pool, &state.seal, app).await?),
        Kind::Bounced | Kind::Delayed => None,
    };
    let report = Report { kind, subject: Subject::Message(message_id), detail: Some(detail) };
    let found = |outcome: Option<ReportOutcome>| outcome.ok_or(());
    let command = RecordReport { report, opt_out };
    let reported = state.store.change(app).with_event().run(timeline::report, &command, found).await?;
    Ok(reported.ok().map(|reported| reported.first))
}

/// The certificate at a URL of Amazon.
async fn certificate_at(state: &AppState, url: &Url) -> Result<Arc<[u8]>, Error> {
    let certificates = &state.providers.certificates;
    if let Some(certificate) = certificates.get(url.as_str()) {
        return Ok(certificate);
    }
    let certificate = fetch(state, url).await?;
    certificates.insert(url.to_string(), certificate.clone());
    Ok(certificate)
}

/// Gets a URL of Amazon. In a test, gets the same path and query from the server that stands in for Amazon.
async fn fetch(state: &AppState, url: &Url) -> Result<Arc<[u8]>, Error> {
    let test = state.config.mail.reports.ses_test_url.as_ref();
    let mut address = test.unwrap_or(url).clone();
    address.set_path(url.path());
    address.set_query(url.query());
    let unavailable = |error: reqwest::Error| Error::Unavailable(Some(Box::new(error)));
    let client = if let Some(client) = state.providers.client.get() {
        client
    } else {
        let made =
            receiver::client(FETCH_TIMEOUT, test.is_none(), test.is_some(), &state.config.server.ca_file)
                .map_err(unavailable)?;
        state.providers.client.get_or_init(|| made)
    };
    let mut response = client
        .get(address)
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(unavailable)?;
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if answer.len() + chunk.len() > MAX_CERTIFICATE {
            return Err(Error::Unavailable(Some("the answer of Amazon SNS is too long".into())));
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer.into())
}
