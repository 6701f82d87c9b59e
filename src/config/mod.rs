//! Settings: `config/default.toml`, overridden by a file, overridden by the environment. Settings are typed and checked
//! once, here. An unknown key or an invalid value stops the start with an error that names the key. Secrets print as
//! `***`.

mod check;
mod secret;
mod sections;
mod variables;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use config::{File, FileFormat};
use serde::{Deserialize, Serialize};

use crate::domain::app_settings::Rules;

pub use secret::{Secret, SecretUrl, seal, secret_key, write_private};
pub use sections::{
    Admin, AdminListen, Database, Dkim, Invite, Limits, Log, LogFormat, Mail, Reports, Retention, Server,
    Token, Webhook,
};

/// The file with every setting, its default and its description.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The effective settings.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub env: Environment,
    /// The folder of a trial for its PostgreSQL, its mailbox and its secret key.
    pub data_dir: PathBuf,
    /// Forbids a trial to download PostgreSQL if none is installed.
    pub offline: bool,
    /// 64 hex digits, or empty: a trial then creates its own.
    pub secret_key: Secret,
    /// A second key, in the same format, that only decrypts; may be empty.
    pub other_secret_key: Secret,
    pub server: Server,
    /// The console.
    pub admin: Admin,
    pub database: Database,
    pub mail: Mail,
    /// Rate limits and quotas.
    pub limits: Limits,
    /// Access tokens that this server issues.
    pub token: Token,
    pub invite: Invite,
    pub webhook: Webhook,
    /// How long finished records are kept.
    pub retention: Retention,
    pub log: Log,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Environment {
    /// On one machine, for evaluation or development.
    Trial,
    /// For real users. Settings that only suit a trial are rejected.
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

/// Why the settings are invalid: one sentence that names the key.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Config {
    /// Loads the settings from the environment of this process and from the file that it names.
    pub fn load() -> Result<Self, Error> {
        Self::from_variables(std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            variables::is_ours(&name).then(|| (name, value.to_string_lossy().into_owned()))
        }))
    }

    /// Loads the settings from these environment variables. Names that do not belong to userdocks are ignored.
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

    #[must_use]
    pub fn production(&self) -> bool {
        self.env == Environment::Production
    }

    /// What the rules for the settings of apps depend on.
    #[must_use]
    pub fn app_rules(&self) -> Rules {
        Rules { https_only: self.production(), own_issuer: self.issuer() }
    }

    /// The 32 bytes of `secret_key`, if it is set.
    #[must_use]
    pub fn secret_key(&self) -> Option<[u8; 32]> {
        self.secret_key.key()
    }

    /// `iss` of the tokens that this server issues: the setting, else the public URL, else `userdocks`. The listen
    /// address is not used, since it differs between replicas and commands.
    #[must_use]
    pub fn issuer(&self) -> String {
        if !self.token.issuer.is_empty() {
            return self.token.issuer.clone();
        }
        let public = self.server.public_url.as_ref();
        public.map_or_else(|| "userdocks".to_owned(), |url| url.as_str().trim_end_matches('/').to_owned())
    }

    /// The retention times. Mails and invites are kept at least for `invite.resend_after`, since the time of the last
    /// mail decides whether another may be sent.
    #[must_use]
    pub fn retention(&self) -> Retention {
        let at_least =
            |kept: Duration| if kept.is_zero() { kept } else { kept.max(self.invite.resend_after) };
        let Retention { mails, invites, audit } = self.retention;
        Retention { mails: at_least(mails), invites: at_least(invites), audit }
    }

    /// Where the console listens, if it does.
    #[must_use]
    pub fn admin_listen(&self) -> Option<SocketAddr> {
        match self.admin.listen {
            AdminListen::At(address) => Some(address),
            AdminListen::Default if !self.production() => Some(AdminListen::TRIAL),
            AdminListen::Default | AdminListen::Off => None,
        }
    }

    /// The folder for mails if no SMTP server is set.
    #[must_use]
    pub fn mailbox_folder(&self) -> PathBuf {
        self.data_dir.join("mailbox")
    }
}

/// Upper bound of every duration, equal to `10years`, so that adding one to a time does not overflow.
pub(crate) const LONGEST: Duration = Duration::from_hours(87_660);

/// The error as one line. The source excerpt that the parser prints behind a line number and a bar is removed, since it
/// may contain a password.
fn sentence(error: &config::ConfigError) -> String {
    let text = error.to_string();
    let drawn =
        |line: &&str| line.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()).starts_with('|');
    let lines: Vec<&str> = text.lines().filter(|line| !drawn(line)).collect();
    format!("the settings cannot be used: {}", lines.join(" "))
}

/// (De)serializes an optional setting as a string; the empty string is `None`, since an environment variable has no
/// other way to express it.
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
