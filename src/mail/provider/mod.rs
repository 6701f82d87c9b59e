//! Webhook calls of mail providers about mails that they sent for this server: how to authenticate and parse them.
//! Events other than bounces, delays and complaints are ignored.

pub mod mailgun;
pub mod postmark;
pub mod sendgrid;
pub mod ses;

use std::sync::{Arc, OnceLock};

use aws_lc_rs::signature::ParsedPublicKey;
use jiff::Timestamp;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::config;
use crate::domain::mail::notification::Notification;
use crate::domain::mail::sendgrid_key;
use crate::domain::mail::sns_topic::Topic;

/// Maximum age of a signed call, in seconds. Providers repeat an unanswered call for up to a day, with the same
/// signature. A repeated call records nothing twice.
const MAX_AGE: i64 = 24 * 3600;
/// How far the clock of a provider may be ahead, in seconds.
const MAX_AHEAD: i64 = 300;

/// Maximum bodies read at the same time. Most providers can be authenticated only by the body.
const READERS: usize = 8;
/// Maximum certificates cached. Amazon changes its certificate about once a year.
const CERTIFICATES: usize = 16;

/// The configured providers, and the certificates fetched for them.
pub struct Providers {
    /// The key that verifies the signatures of `SendGrid`.
    pub sendgrid: Option<ParsedPublicKey>,
    /// The SNS topic that SES reports to.
    pub ses: Option<Topic>,
    /// Limits the bodies read at the same time.
    pub readers: Semaphore,
    /// Fetches certificates; created on first use.
    pub client: OnceLock<reqwest::Client>,
    /// Certificates by URL.
    pub certificates: Cache<String, Arc<[u8]>>,
}

impl Providers {
    #[must_use]
    pub fn new(reports: &config::Reports) -> Self {
        Self {
            sendgrid: sendgrid_key::parse(&reports.sendgrid_public_key),
            ses: Topic::parse(&reports.ses_topic_arn),
            readers: Semaphore::new(READERS),
            client: OnceLock::new(),
            certificates: Cache::new(CERTIFICATES),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Amazon SES, through SNS.
    Ses,
    /// Twilio `SendGrid`.
    Sendgrid,
    Mailgun,
    Postmark,
}

impl Provider {
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Ses, Self::Sendgrid, Self::Mailgun, Self::Postmark]
            .into_iter()
            .find(|one| one.as_str() == name)
    }

    /// The name in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ses => "ses",
            Self::Sendgrid => "sendgrid",
            Self::Mailgun => "mailgun",
            Self::Postmark => "postmark",
        }
    }
}

/// Why a provider's call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The call is not proven to come from the provider.
    Unproven,
    /// The call is too old, or dated in the future.
    Stale,
    /// The call does not have the provider's format.
    Malformed,
}

/// The notifications in a call.
type Read = Result<Vec<Notification>, Refusal>;

/// Checks the time of a signature, in seconds since 1970.
fn check_age(signed: i64, now: Timestamp) -> Result<(), Refusal> {
    let age = now.as_second().saturating_sub(signed);
    if (-MAX_AHEAD..=MAX_AGE).contains(&age) { Ok(()) } else { Err(Refusal::Stale) }
}
