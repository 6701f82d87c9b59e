//! The sections of the settings, as `config/default.toml` documents them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
    pub listen: SocketAddr,
    /// Base URL of links; `None`: the listen address.
    #[serde(with = "empty_is_none")]
    pub public_url: Option<Url>,
    /// Listen address of the metrics endpoint; `None`: disabled.
    #[serde(with = "empty_is_none")]
    pub metrics_listen: Option<SocketAddr>,
    /// Maximum number of simultaneous connections.
    pub max_connections: usize,
    /// Reverse proxies whose forwarding headers are trusted.
    pub trusted_proxies: Networks,
    /// Certificate authorities for outgoing calls, in addition to the system's.
    pub ca_file: Authorities,
    /// Time limit to receive the head of a request.
    #[serde(with = "humantime_serde")]
    pub head_timeout: Duration,
    /// Time limit to receive the body of a request.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// Time limit to answer a request.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
}

/// `[admin]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    pub(super) listen: AdminListen,
    /// Base URL of the console; `None`: the listen address.
    #[serde(with = "empty_is_none")]
    pub public_url: Option<Url>,
    /// The `OpenID` provider that operators can sign in with; empty: none. All three are set or none.
    pub oidc_issuer: String,
    pub oidc_client_id: String,
    pub oidc_client_secret: Secret,
}

/// Where the console listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum AdminListen {
    /// As the environment says: on [`TRIAL`](Self::TRIAL), or off.
    Default,
    Off,
    At(SocketAddr),
}

impl AdminListen {
    /// The address in a trial.
    pub const TRIAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
}

impl TryFrom<String> for AdminListen {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "" => Ok(Self::Default),
            "off" => Ok(Self::Off),
            text => {
                text.parse().map(Self::At).map_err(|_| "expected an IP address and a port, off, or nothing")
            }
        }
    }
}

impl From<AdminListen> for String {
    fn from(listen: AdminListen) -> Self {
        match listen {
            AdminListen::Default => Self::new(),
            AdminListen::Off => "off".to_owned(),
            AdminListen::At(address) => address.to_string(),
        }
    }
}

/// `[database]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `None`: an embedded PostgreSQL in the data folder.
    #[serde(with = "empty_is_none")]
    pub url: Option<SecretUrl>,
    /// For LISTEN and migrations; `None`: same as `url`.
    #[serde(with = "empty_is_none")]
    pub direct_url: Option<SecretUrl>,
    /// Maximum size of the connection pool.
    pub max_connections: u32,
}

/// `[mail]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// `None`: mails are written to files in the data folder.
    #[serde(with = "empty_is_none")]
    pub smtp_url: Option<SecretUrl>,
    /// Sender for apps that do not set their own.
    #[serde(deserialize_with = "mailbox")]
    pub from: Mailbox,
    /// File with the access token of the user in `smtp_url`; empty: not used.
    pub token_file: String,
    /// Command that prints that token; empty: not used.
    pub token_command: String,
    /// Envelope sender, which receives bounces; `None`: the address in the mail's `From`.
    #[serde(with = "empty_is_none")]
    pub return_path: Option<ReturnPath>,
    /// Delay before the first retry.
    #[serde(with = "humantime_serde")]
    pub retry_after: Duration,
    /// A mail is retried for this long.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
    /// Time limit of a whole SMTP conversation.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Mails sent at the same time.
    pub connections: u32,
    /// Signatures on mails.
    pub dkim: Dkim,
    /// Delivery reports from mail providers.
    pub reports: Reports,
}

/// `[mail.dkim]`; all or none is set.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dkim {
    /// Mails from this domain and those below it are signed. In lower case.
    pub domain: String,
    /// The name of the key in DNS.
    pub selector: String,
    /// A PEM file.
    pub private_key_file: String,
}

/// `[mail.reports]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Reports {
    /// Base64 of the public key that verifies calls from `SendGrid`. Empty, here and below: calls are rejected.
    pub sendgrid_public_key: String,
    /// The key with which Mailgun signs its calls.
    pub mailgun_signing_key: Secret,
    /// The password that Postmark sends with its calls.
    pub postmark_password: Secret,
    /// The Amazon SNS topic to which SES publishes.
    pub ses_topic_arn: String,
    /// Where a trial gets SNS certificates instead of from Amazon; for tests.
    #[serde(with = "empty_is_none")]
    pub ses_test_url: Option<Url>,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Referral invites per user and day.
    pub referrals_per_user_per_day: i32,
    /// Referral mails per address and day.
    pub referrals_per_recipient_per_day: i32,
    /// Requests per API key or token user and second.
    pub requests_per_key_per_second: NonZeroU32,
    /// Requests per client address and second with bad or missing credentials, or that look up invites and public keys.
    pub failures_per_address_per_second: NonZeroU32,
    /// Mails per app and day.
    pub mails_per_app_per_day: NonZeroU32,
}

/// `[token]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    pub(super) issuer: String,
    /// Default validity of a token.
    #[serde(with = "humantime_serde")]
    pub expires_after: Duration,
}

/// `[invite]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    /// Minimum time between two mails of the same invite.
    #[serde(with = "humantime_serde")]
    pub resend_after: Duration,
    /// How long the link is valid.
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
    /// A delivery is retried for this long.
    #[serde(with = "humantime_serde")]
    pub give_up_after: Duration,
    /// Time limit of a whole call to a receiver.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Whether a receiver may have an address that is not public.
    pub allow_private_addresses: bool,
}

/// `[retention]`; zero keeps records for ever.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Counted from when a mail was sent or failed.
    #[serde(deserialize_with = "humantime_serde::deserialize", serialize_with = "days")]
    pub mails: Duration,
    /// Counted from when an invite was accepted, revoked or expired.
    #[serde(deserialize_with = "humantime_serde::deserialize", serialize_with = "days")]
    pub invites: Duration,
    /// Audit events of operators.
    #[serde(deserialize_with = "humantime_serde::deserialize", serialize_with = "days")]
    pub audit: Duration,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    Text,
    /// One JSON object per line, for log stores.
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

/// Formats whole days as `90days`. humantime would print `2months 29days 2h 52m 48s`, since its months are not whole
/// days.
fn days<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    match (duration.as_secs() / 86_400, duration.as_secs() % 86_400) {
        (days @ 1.., 0) => to.collect_str(&format_args!("{days}days")),
        _ => humantime_serde::serialize(duration, to),
    }
}
