//! What mail providers post of the mails that they sent for this server: how each proves itself, and what its
//! bodies say. Events that are neither a bounce, a delay nor a complaint are passed over.

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

/// How old a signed call may be, seconds. Providers send a call that was not answered again for up to a day, with
/// the same signature. A call that is sent twice records nothing twice.
const MAX_AGE: i64 = 24 * 3600;
/// How far the clock of a provider may be ahead, seconds.
const MAX_AHEAD: i64 = 300;

/// Bodies that are read at the same time: most providers prove themselves only by what is in it.
const READERS: usize = 8;
/// Certificates that are kept. Amazon changes its own about once a year.
const CERTIFICATES: usize = 16;

/// The providers that are set up, and what was fetched of them.
pub struct Providers {
    /// The key that `SendGrid` signs with.
    pub sendgrid: Option<ParsedPublicKey>,
    /// The topic of SNS that SES reports to.
    pub ses: Option<Topic>,
    /// Who reads a body.
    pub readers: Semaphore,
    /// Fetches certificates; made when the first is needed.
    pub client: OnceLock<reqwest::Client>,
    /// Certificates, by their address.
    pub certificates: Cache<String, Arc<[u8]>>,
}

impl Providers {
    /// As the settings say.
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

/// A provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Amazon SES, by way of SNS.
    Ses,
    /// Twilio `SendGrid`.
    Sendgrid,
    /// Mailgun.
    Mailgun,
    /// Postmark.
    Postmark,
}

impl Provider {
    /// The provider of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Ses, Self::Sendgrid, Self::Mailgun, Self::Postmark]
            .into_iter()
            .find(|one| one.as_str() == name)
    }

    /// Its name, in lower case.
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

/// Why a call of a provider is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not prove that the provider sent it.
    Unproven,
    /// It is too old, or from the future.
    Stale,
    /// It is not what the provider sends.
    Malformed,
}

/// What was read of a call.
type Read = Result<Vec<Notification>, Refusal>;

/// Checks when a call was signed, in seconds since 1970.
fn check_age(signed: i64, now: Timestamp) -> Result<(), Refusal> {
    let age = now.as_second().saturating_sub(signed);
    if (-MAX_AHEAD..=MAX_AGE).contains(&age) { Ok(()) } else { Err(Refusal::Stale) }
}
