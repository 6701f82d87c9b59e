//! The sections of the settings, as `config/default.toml` documents them.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};
use url::Url;

use super::empty_is_none;
use super::secret::{Secret, SecretUrl};
use crate::domain::mail::return_path::ReturnPath;
use crate::domain::mail::sender;
use crate::domain::network::Networks;
use crate::http_client::Authorities;

/// `[server]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// What links start with; `None`: the address listened on.
    #[serde(with = "empty_is_none")]
    pub public_url: Option<Url>,
    /// Address of the metrics endpoint, if any.
    #[serde(with = "empty_is_none")]
    pub metrics_listen: Option<SocketAddr>,
    /// Connections served at the same time.
    pub max_connections: usize,
    /// Reverse proxies whose word on who calls is believed.
    pub trusted_proxies: Networks,
    /// Certificate authorities for calls to others, beside the system's.
    pub ca_file: Authorities,
    /// Until a request's head has come.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// Until a request's body has come.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// Until a request is answered.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
}

/// `[database]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `None`: a private PostgreSQL in the data folder.
    #[serde(with = "empty_is_none")]
    pub url: Option<SecretUrl>,
    /// For LISTEN and migrations; `None`: `url`.
    #[serde(with = "empty_is_none")]
    pub direct_url: Option<SecretUrl>,
    /// Size of the pool.
    pub max_connections: u32,
}

/// `[mail]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// `None`: mails become files in the data folder.
    #[serde(with = "empty_is_none")]
    pub smtp_url: Option<SecretUrl>,
    /// Sender of mails of apps without one of their own.
    #[serde(deserialize_with = "mailbox")]
    pub from: Mailbox,
    /// A file with the access token of the user in `smtp_url`; empty: none.
    pub token_file: String,
    /// A command that prints that token; empty: none.
    pub token_command: String,
    /// Sender of the envelope, to which bounces go; `None`: the address of the mail's sender.
    #[serde(with = "empty_is_none")]
    pub return_path: Option<ReturnPath>,
    /// Delay before the first retry.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    /// How long a mail is tried.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
    /// One whole SMTP conversation.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Mails sent at the same time.
    pub connections: u32,
    /// What mail providers report.
    pub reports: Reports,
}

/// `[mail.reports]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reports {
    /// Base64 of the key that verifies calls of `SendGrid`; empty: none are taken, as below.
    pub sendgrid_public_key: String,
    /// The key that Mailgun signs its calls with.
    pub mailgun_signing_key: Secret,
    /// The password that Postmark calls with.
    pub postmark_password: Secret,
    /// The topic of Amazon SNS that SES publishes to.
    pub ses_topic_arn: String,
    /// Where a trial finds certificates instead of at Amazon; for tests.
    #[serde(with = "empty_is_none")]
    pub ses_test_url: Option<Url>,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Referral invites of one user in a day.
    pub referrals_per_user_per_day: i32,
    /// Referral mails to one address in a day.
    pub referrals_per_recipient_per_day: i32,
    /// Requests per API key or token user in a second.
    pub requests_per_key_per_second: NonZeroU32,
    /// Requests of one address in a second that prove nothing.
    pub failures_per_address_per_second: NonZeroU32,
    /// Mails of one app in a day.
    pub mails_per_app_per_day: NonZeroU32,
}

/// `[token]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub(super) issuer: String,
    /// Validity of a token unless its issuing says otherwise.
    #[serde(with = "humantime_serde")]
    pub expires_after: Duration,
}

/// `[invite]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// The same invite is not mailed again sooner than this.
    #[serde(with = "humantime_serde")]
    pub resend_after: Duration,
    /// How long the link works.
    #[serde(with = "humantime_serde")]
    pub expires_after: Duration,
}

/// `[webhook]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Delay before the first retry.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    /// How long a delivery is tried.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
    /// One whole call of a receiver.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Whether a receiver may be at an address that is not public.
    pub allow_private_addresses: bool,
}

/// `[retention]`; a duration of zero: for ever.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// A mail, after it was sent or has failed.
    #[serde(deserialize_with = "humantime_serde::deserialize", serialize_with = "days")]
    pub mails: Duration,
    /// An invite, after it was accepted or revoked, or its time was over.
    #[serde(deserialize_with = "humantime_serde::deserialize", serialize_with = "days")]
    pub invites: Duration,
    /// An audit event that is stored. None is yet: they are lines of the log.
    #[serde(deserialize_with = "humantime_serde::deserialize", serialize_with = "days")]
    pub audit: Duration,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How a log line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For log stores.
    Json,
}

impl TryFrom<String> for LogFormat {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "auto" => Ok(Self::Auto),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected auto, text or json"),
        }
    }
}

fn mailbox<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Mailbox, D::Error> {
    let text = String::deserialize(from)?;
    sender::parse(&text).ok_or_else(|| serde::de::Error::custom("expected `Name <address>`"))
}

/// `90days`, not `2months 29days 2h 52m 48s`: months are no whole days to humantime.
fn days<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    match (duration.as_secs() / 86_400, duration.as_secs() % 86_400) {
        (days @ 1.., 0) => to.collect_str(&format_args!("{days}days")),
        _ => humantime_serde::serialize(duration, to),
    }
}
