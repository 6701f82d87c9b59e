//! Settings: `config/default.toml`, a file over it, the environment over both. Each is typed and
//! checked once, here, so that a server which starts has settings that can work; unknown keys and bad
//! values stop the start with the key's name. Secrets print as `***`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use config::{File, FileFormat};
use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::domain::mail::return_path::ReturnPath;
use crate::domain::mail::sender;
use crate::domain::network::Networks;
use crate::http_client::Authorities;

mod check;
mod secret;
mod variables;

pub use secret::{Secret, SecretUrl, seal, secret_key, write_private};

/// The file with every setting, its default and its meaning.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The settings in force.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Trial or production.
    pub env: Environment,
    /// Where a trial keeps its PostgreSQL, its mailbox and its secret key.
    pub data_dir: PathBuf,
    /// Whether a trial may not download PostgreSQL where none is installed.
    pub offline: bool,
    /// 64 hex digits, or empty: a trial makes its own.
    pub secret_key: Secret,
    /// The same, of a key that opens and never seals; or empty.
    pub other_secret_key: Secret,
    /// The HTTP server.
    pub server: Server,
    /// The database.
    pub database: Database,
    /// Sending mail.
    pub mail: Mail,
    /// Bounds against abuse.
    pub limits: Limits,
    /// Access tokens that this server issues.
    pub token: Token,
    /// Invites.
    pub invite: Invite,
    /// Webhooks.
    pub webhook: Webhook,
    /// How long what has ended is kept.
    pub retention: Retention,
    /// Logs.
    pub log: Log,
}

/// What the server is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Environment {
    /// On one machine, to try or develop against it.
    Trial,
    /// For real users: what only suits a trial is refused.
    Production,
}

impl TryFrom<String> for Environment {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "trial" => Ok(Self::Trial),
            "production" => Ok(Self::Production),
            _ => Err("expected trial or production"),
        }
    }
}

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
    issuer: String,
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

/// Why the settings cannot be used: one sentence that names the key.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Config {
    /// The settings from the environment of this process and the file that it names.
    pub fn load() -> Result<Self, Error> {
        Self::from_variables(std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            variables::is_ours(&name).then(|| (name, value.to_string_lossy().into_owned()))
        }))
    }

    /// The settings from these environment variables; names other than ours are passed over.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let environment = variables::Environment::read(variables)?;
        let mut settings = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = &environment.file {
            settings = settings.add_source(File::new(file, FileFormat::Toml));
        }
        let settings = settings
            .add_source(
                config::Environment::with_prefix("USERDOCKS")
                    .prefix_separator("_")
                    .separator("__")
                    .source(Some(environment.settings)),
            )
            .set_override_option("database.url", environment.database_url)
            .and_then(config::ConfigBuilder::<config::builder::DefaultState>::build)
            .map_err(|error| Error(sentence(&error)))?;
        let config: Self = settings.try_deserialize().map_err(|error| Error(sentence(&error)))?;
        config.check()?;
        Ok(config)
    }

    /// Whether this is production.
    #[must_use]
    pub fn production(&self) -> bool {
        self.env == Environment::Production
    }

    /// The 32 bytes of `secret_key`, if set.
    #[must_use]
    pub fn secret_key(&self) -> Option<[u8; 32]> {
        self.secret_key.key()
    }

    /// `iss` of the tokens that this server issues: the setting, else the public URL, else `userdocks`
    /// (never the address listened on, which differs between replicas and commands).
    #[must_use]
    pub fn issuer(&self) -> String {
        if !self.token.issuer.is_empty() {
            return self.token.issuer.clone();
        }
        let public = self.server.public_url.as_ref();
        public.map_or_else(|| "userdocks".to_owned(), |url| url.as_str().trim_end_matches('/').to_owned())
    }

    /// How long what has ended is kept. The last mail decides whether another may follow, so it is kept that long.
    #[must_use]
    pub fn retention(&self) -> Retention {
        let at_least =
            |kept: Duration| if kept.is_zero() { kept } else { kept.max(self.invite.resend_after) };
        let Retention { mails, invites, audit } = self.retention;
        Retention { mails: at_least(mails), invites: at_least(invites), audit }
    }

    /// Where mails go when there is no SMTP server.
    #[must_use]
    pub fn mailbox_folder(&self) -> PathBuf {
        self.data_dir.join("mailbox")
    }
}

/// Bounds every duration, so that no sum of one with a time overflows: what `10years` says.
pub(crate) const LONGEST: Duration = Duration::from_hours(87_660);

/// One line. The line at fault of a file, which the parser draws behind its number and a bar, is left out:
/// it may be the one with the password.
fn sentence(error: &config::ConfigError) -> String {
    let text = error.to_string();
    let drawn =
        |line: &&str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|');
    let lines: Vec<&str> = text.lines().filter(|line| !drawn(line)).collect();
    format!("the settings cannot be used: {}", lines.join(" "))
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

/// Optional settings are empty texts, since the environment knows no other "none".
mod empty_is_none {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn deserialize<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
    where
        D: Deserializer<'de>,
        T: FromStr<Err: Display>,
    {
        let text = String::deserialize(from)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(D::Error::custom)
    }

    #[expect(clippy::ref_option, reason = "the form that serde's `with` calls")]
    pub(super) fn serialize<S: Serializer, T: Display>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_str(""),
        }
    }
}

#[cfg(test)]
mod tests;
