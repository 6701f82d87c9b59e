//! Settings: `config/default.toml`, a file over it, the environment over both. Each is typed and
//! checked once, here, so that a server which starts has settings that can work; unknown keys and bad
//! values stop the start with the key's name. Secrets print as `***`.

mod check;
mod secret;
mod sections;
mod variables;

use std::path::PathBuf;
use std::time::Duration;

use config::{File, FileFormat};
use serde::{Deserialize, Serialize};

pub use secret::{Secret, SecretUrl, seal, secret_key, write_private};
pub use sections::{
    Database, Invite, Limits, Log, LogFormat, Mail, Reports, Retention, Server, Token, Webhook,
};

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
