//! Settings: `config/default.toml`, a file over it, the environment over both. Each is typed and
//! checked once, here, so that a server which starts has settings that can work; unknown keys and bad
//! values stop the start with the key's name. Secrets print as `***`.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Environment as Variables, File, FileFormat};
use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::domain::network::Networks;
use crate::domain::seal::SecretKey;

/// The file with every setting, its default and its meaning.
pub const DEFAULTS: &str = include_str!("../config/default.toml");

/// The settings in force.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Trial or production.
    pub env: Environment,
    /// Where a trial keeps its PostgreSQL, its mailbox and its secret key.
    pub data_dir: PathBuf,
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
            let ours = name.starts_with("USERDOCKS_") || name == "DATABASE_URL";
            ours.then(|| (name, value.to_string_lossy().into_owned()))
        }))
    }

    /// The settings from these environment variables; names other than ours are passed over.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let mut variables: std::collections::HashMap<_, _> = variables.into_iter().collect();
        let file = variables.remove("USERDOCKS_CONFIG").filter(|path| !path.is_empty());
        let database_url = variables.remove("DATABASE_URL");
        variables.retain(|name, _| name.starts_with("USERDOCKS_"));
        for name in variables.keys() {
            let known_top =
                ["USERDOCKS_ENV", "USERDOCKS_DATA_DIR", "USERDOCKS_SECRET_KEY", "USERDOCKS_OTHER_SECRET_KEY"];
            if !name.contains("__") && !known_top.contains(&name.as_str()) {
                return Err(Error(format!("{name} is not a setting; see `userdocks config check`")));
            }
        }

        let mut settings = config::Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if let Some(file) = &file {
            settings = settings.add_source(File::new(file, FileFormat::Toml));
        }
        let settings = settings
            .add_source(
                Variables::with_prefix("USERDOCKS")
                    .prefix_separator("_")
                    .separator("__")
                    .source(Some(variables)),
            )
            .set_override_option("database.url", database_url)
            .and_then(config::ConfigBuilder::<config::builder::DefaultState>::build)
            .map_err(|error| Error(sentence(&error)))?;
        let config: Self = settings.try_deserialize().map_err(|error| Error(sentence(&error)))?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Error> {
        let fail = |text: &str| Err(Error(text.to_owned()));
        if self.data_dir.as_os_str().is_empty() {
            return fail("USERDOCKS_DATA_DIR must be the path of a folder");
        }
        for (secret, name) in [
            (&self.secret_key, "USERDOCKS_SECRET_KEY"),
            (&self.other_secret_key, "USERDOCKS_OTHER_SECRET_KEY"),
        ] {
            if !secret.0.expose_secret().is_empty() && secret.key().is_none() {
                return fail(&format!("{name} must be 64 hex digits, as `openssl rand -hex 32` prints"));
            }
        }
        if let Some(url) = &self.server.public_url
            && (!matches!(url.scheme(), "http" | "https")
                || url.query().is_some()
                || url.fragment().is_some())
        {
            return fail("USERDOCKS_SERVER__PUBLIC_URL must be an http or https address without ? or #");
        }
        for (url, name) in [
            (&self.database.url, "DATABASE_URL"),
            (&self.database.direct_url, "USERDOCKS_DATABASE__DIRECT_URL"),
        ] {
            if url.as_ref().is_some_and(|url| !matches!(url.scheme(), "postgres" | "postgresql")) {
                return fail(&format!("{name} must start with postgres://"));
            }
        }
        if self.mail.smtp_url.as_ref().is_some_and(|url| !matches!(url.scheme(), "smtp" | "smtps")) {
            return fail("USERDOCKS_MAIL__SMTP_URL must start with smtp:// or smtps://");
        }
        for (value, name) in [
            (self.server.head_timeout, "USERDOCKS_SERVER__HEAD_TIMEOUT"),
            (self.server.body_timeout, "USERDOCKS_SERVER__BODY_TIMEOUT"),
            (self.server.request_timeout, "USERDOCKS_SERVER__REQUEST_TIMEOUT"),
            (self.mail.retry_after, "USERDOCKS_MAIL__RETRY_AFTER"),
            (self.mail.timeout, "USERDOCKS_MAIL__TIMEOUT"),
            (self.token.expires_after, "USERDOCKS_TOKEN__EXPIRES_AFTER"),
            (self.invite.expires_after, "USERDOCKS_INVITE__EXPIRES_AFTER"),
            (self.webhook.retry_after, "USERDOCKS_WEBHOOK__RETRY_AFTER"),
            (self.webhook.timeout, "USERDOCKS_WEBHOOK__TIMEOUT"),
        ] {
            if value.is_zero() || value > LONGEST {
                return fail(&format!("{name} must be more than 0s and at most 10years"));
            }
        }
        for (value, name) in [
            (self.mail.give_up_after, "USERDOCKS_MAIL__GIVE_UP_AFTER"),
            (self.invite.resend_after, "USERDOCKS_INVITE__RESEND_AFTER"),
            (self.webhook.give_up_after, "USERDOCKS_WEBHOOK__GIVE_UP_AFTER"),
        ] {
            if value > LONGEST {
                return fail(&format!("{name} must be at most 10years"));
            }
        }
        for (value, name) in [
            (self.database.max_connections as usize, "USERDOCKS_DATABASE__MAX_CONNECTIONS"),
            (self.mail.connections as usize, "USERDOCKS_MAIL__CONNECTIONS"),
            (self.server.max_connections, "USERDOCKS_SERVER__MAX_CONNECTIONS"),
        ] {
            if !(1..=1_000_000).contains(&value) {
                return fail(&format!("{name} must be at least 1 and at most 1000000"));
            }
        }
        for (value, name) in [
            (self.limits.referrals_per_user_per_day, "USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY"),
            (
                self.limits.referrals_per_recipient_per_day,
                "USERDOCKS_LIMITS__REFERRALS_PER_RECIPIENT_PER_DAY",
            ),
        ] {
            if value < 0 {
                return fail(&format!("{name} must not be negative"));
            }
        }
        if self.production() { self.check_production() } else { Ok(()) }
    }

    fn check_production(&self) -> Result<(), Error> {
        let fail = |name: &str, what: &str| Err(Error(format!("in production {name} must be {what}")));
        if self.database.url.is_none() {
            return fail("DATABASE_URL", "set: the address of a PostgreSQL server");
        }
        match self.secret_key() {
            Some(key) if is_random(&key) => {}
            _ => {
                return fail(
                    "USERDOCKS_SECRET_KEY",
                    "64 random hex digits, as `openssl rand -hex 32` prints",
                );
            }
        }
        if self.server.public_url.as_ref().is_none_or(|url| url.scheme() != "https") {
            return fail("USERDOCKS_SERVER__PUBLIC_URL", "an https address");
        }
        let Some(smtp) = &self.mail.smtp_url else {
            return fail("USERDOCKS_MAIL__SMTP_URL", "set: the address of a mail server");
        };
        if smtp.scheme() == "smtp" && !smtp.has_pair("tls", "required") {
            return fail("USERDOCKS_MAIL__SMTP_URL", "smtps://… or smtp://…?tls=required");
        }
        if self.mail.from.email.domain() == "localhost.localdomain" {
            return fail("USERDOCKS_MAIL__FROM", "set: the sender of your mails");
        }
        Ok(())
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

    /// Where mails go when there is no SMTP server.
    #[must_use]
    pub fn mailbox_folder(&self) -> PathBuf {
        self.data_dir.join("mailbox")
    }
}

/// Bounds every duration, so that no sum of one with a time overflows.
pub(crate) const LONGEST: Duration = Duration::from_hours(87_600);

/// Not a constant or a counting pattern that somebody typed in: those repeat few byte values.
fn is_random(key: &[u8; 32]) -> bool {
    key.iter().collect::<std::collections::BTreeSet<_>>().len() > 16
}

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
    text.parse().map_err(|_| serde::de::Error::custom("expected `Name <address>`"))
}

/// A text that is never printed.
#[derive(Clone, Debug, Deserialize)]
pub struct Secret(pub SecretString);

impl Secret {
    /// The 32 bytes of 64 hex digits.
    fn key(&self) -> Option<[u8; 32]> {
        let mut key = [0; 32];
        hex::decode_to_slice(self.0.expose_secret(), &mut key).ok()?;
        Some(key)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(if self.0.expose_secret().is_empty() { "" } else { "***" })
    }
}

/// A URL whose password is never printed.
#[derive(Clone)]
pub struct SecretUrl(Url);

impl SecretUrl {
    /// The whole URL, password included.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }

    /// `postgres`, `smtps`, …
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// Whether the query of the URL has `name=value`.
    #[must_use]
    pub fn has_pair(&self, name: &str, value: &str) -> bool {
        self.0.query_pairs().any(|pair| pair == (name.into(), value.into()))
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.clone();
        if shown.password().is_some() {
            // Fails only for a URL that cannot have a password.
            let _ = shown.set_password(Some("***"));
        }
        if shown.query_pairs().any(|(name, _)| name.contains("password")) {
            shown.set_query(Some("***"));
        }
        f.write_str(shown.as_str())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for SecretUrl {
    type Err = url::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
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

/// What seals and opens: [`secret_key`], and the other key while one is set.
pub fn seal(config: &Config) -> Result<SecretKey, Error> {
    let key = SecretKey::new(&secret_key(config)?);
    Ok(match config.other_secret_key.key() {
        Some(other) => key.or(&other),
        None => key,
    })
}

/// The key that encrypts at rest: the setting, or, in a trial, the one kept in the data folder, made on
/// the first start.
pub fn secret_key(config: &Config) -> Result<[u8; 32], Error> {
    if let Some(key) = config.secret_key() {
        return Ok(key);
    }
    trial_secret_key(&config.data_dir).map_err(|error| {
        Error(format!(
            "the secret key of the trial cannot be kept in {}: {error}; set USERDOCKS_SECRET_KEY or USERDOCKS_DATA_DIR",
            config.data_dir.display()
        ))
    })
}

fn trial_secret_key(folder: &Path) -> std::io::Result<[u8; 32]> {
    use std::io::{Error, ErrorKind};

    std::fs::create_dir_all(folder)?;
    let path = folder.join("secret-key");
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let mut key = [0; 32];
            hex::decode_to_slice(text.trim(), &mut key)
                .map_err(|_| Error::new(ErrorKind::InvalidData, "the file secret-key is damaged"))?;
            Ok(key)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let mut key = [0; 32];
            aws_lc_rs::rand::fill(&mut key).map_err(|_| Error::other("the system gives no randomness"))?;
            // Made whole under another name and linked: of two processes that start at once, one wins
            // and both read its key.
            let own = folder.join(format!("secret-key.{}", crate::domain::id::new()));
            write_private(&own, &hex::encode(key))?;
            let linked = std::fs::hard_link(&own, &path);
            std::fs::remove_file(&own)?;
            match linked {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
                _ => trial_secret_key(folder),
            }
        }
        Err(error) => Err(error),
    }
}

/// Writes a file that only its owner may read. It is there whole or not at all, whatever crashes, and on
/// disk before this returns.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let new = path.with_added_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |folder| std::fs::File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests;
