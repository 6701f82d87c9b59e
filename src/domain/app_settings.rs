//! The settings of an app, and how each is parsed from the text that an operator writes. The command line and the
//! console share these rules. A message is the rest of a sentence that begins with the setting's name.

use humantime_serde::re::humantime;
use serde::Serialize;
use url::{Position, Url};
use uuid::Uuid;

use super::brand::{Brand, Color, LogoUrl};
use super::fields::Invalid;
use super::invites::EXPIRES_IN;
use super::language::Language;
use super::mail::return_path::{self, ReturnPath};
use super::mail::sender;
use super::text::{Text, WebUrl};

/// The settings of an app, named as in the output of `userdocks app show`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct App {
    /// The value of `X-CLIENT-ID`.
    pub app_id: Uuid,
    /// The name shown in mails.
    pub name: String,
    /// The language of mails if there are no texts in the recipient's language.
    pub language: String,
    /// The app's own sender address, if any.
    pub mail_from: Option<String>,
    /// The `Reply-To` address, if it differs from the sender.
    pub reply_to: Option<String>,
    /// Where bounces go, in the text form of `ReturnPath`.
    pub return_path: Option<String>,
    pub logo_url: Option<String>,
    /// `#rrggbb`
    pub color: Option<String>,
    /// Where a person goes on after accepting or confirming.
    pub home_url: Option<String>,
    /// One line below mails and pages: company, postal address.
    pub footer: Option<String>,
    pub imprint_url: Option<String>,
    pub privacy_url: Option<String>,
    /// The app's own landing page for invites.
    pub invite_url: Option<String>,
    /// Seconds for which an invite can be accepted, if the app sets it.
    pub invite_expires_in: Option<i32>,
    /// Origins whose pages may call the API (CORS).
    pub origins: Vec<String>,
    /// `iss` of an external issuer of access tokens.
    pub issuer: Option<String>,
    /// The URL of that issuer's JWK set.
    pub jwks_url: Option<String>,
}

impl App {
    /// The brand in the settings. A stored value that is not valid any more is left out.
    #[must_use]
    pub fn brand(&self) -> Brand {
        Brand {
            name: self.name.clone(),
            logo: LogoUrl::stored(self.logo_url.as_deref()),
            color: Color::stored(self.color.as_deref()),
            contact: sender::stored_address(self.reply_to.as_deref()),
            home: WebUrl::stored(self.home_url.as_deref()),
            footer: self.footer.clone(),
            imprint: WebUrl::stored(self.imprint_url.as_deref()),
            privacy: WebUrl::stored(self.privacy_url.as_deref()),
        }
    }

    /// An app with default settings and no name.
    #[must_use]
    pub fn new(app_id: Uuid) -> Self {
        Self {
            app_id,
            name: String::new(),
            language: "en".to_owned(),
            mail_from: None,
            reply_to: None,
            return_path: None,
            logo_url: None,
            color: None,
            home_url: None,
            footer: None,
            imprint_url: None,
            privacy_url: None,
            invite_url: None,
            invite_expires_in: None,
            origins: Vec::new(),
            issuer: None,
            jwks_url: None,
        }
    }

    /// Parses a text and stores it in a setting. An empty text clears a setting that can be absent.
    ///
    /// # Errors
    /// If the text is not valid for the setting, which then is unchanged.
    pub fn set(&mut self, setting: Setting, text: &str, rules: &Rules) -> Result<(), Problem> {
        let (place, parse): (_, Parser) = match setting {
            Setting::Name => {
                Text::parse(text)?.as_str().clone_into(&mut self.name);
                return Ok(());
            }
            Setting::Language => {
                Language::parse(text)?.as_str().clone_into(&mut self.language);
                return Ok(());
            }
            Setting::Origins => return self.set_origins(text.lines().map(str::trim)),
            Setting::InviteExpiresIn => {
                self.invite_expires_in = if text.is_empty() { None } else { Some(expires_in(text)?) };
                return Ok(());
            }
            Setting::MailFrom => (&mut self.mail_from, |text, _| mailbox(text)),
            Setting::ReplyTo => (&mut self.reply_to, |text, _| mailbox(text)),
            Setting::ReturnPath => {
                (&mut self.return_path, |text, _| Ok(text.parse::<ReturnPath>()?.to_string()))
            }
            Setting::LogoUrl => (&mut self.logo_url, |text, _| Ok(LogoUrl::parse(text)?.to_string())),
            Setting::Color => (&mut self.color, |text, _| Ok(Color::parse(text)?.to_string())),
            Setting::HomeUrl => (&mut self.home_url, public_page),
            Setting::Footer => (&mut self.footer, |text, _| Ok(Text::parse(text)?.to_string())),
            Setting::ImprintUrl => (&mut self.imprint_url, public_page),
            Setting::PrivacyUrl => (&mut self.privacy_url, public_page),
            Setting::InviteUrl => (&mut self.invite_url, landing_page),
            Setting::Issuer => (&mut self.issuer, |text, _| Ok(text.to_owned())),
            Setting::JwksUrl => (&mut self.jwks_url, |text, rules| web_url(text, rules.https_only)),
        };
        *place = if text.is_empty() { None } else { Some(parse(text, rules)?) };
        Ok(())
    }

    /// Parses and stores the origins. Empty texts are left out.
    ///
    /// # Errors
    /// If one is not an origin.
    pub fn set_origins<'a>(&mut self, origins: impl Iterator<Item = &'a str>) -> Result<(), Problem> {
        self.origins = origins.filter(|text| !text.is_empty()).map(origin).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Checks the external issuer, which has two settings.
    ///
    /// # Errors
    /// If the two do not go together.
    pub fn check_issuer(&self, rules: &Rules) -> Result<(), IssuerError> {
        if self.issuer.as_ref() == Some(&rules.own_issuer) {
            return Err(IssuerError::Own);
        }
        if self.issuer.is_some() != self.jwks_url.is_some() {
            return Err(IssuerError::Incomplete);
        }
        Ok(())
    }

    /// A setting as text, which [`Self::set`] parses to the same value.
    #[must_use]
    pub fn text(&self, setting: Setting) -> String {
        let optional = match setting {
            Setting::Name => return self.name.clone(),
            Setting::Language => return self.language.clone(),
            Setting::Origins => return self.origins.join("\n"),
            Setting::InviteExpiresIn => return self.invite_expires_in.map_or_else(String::new, duration),
            Setting::MailFrom => &self.mail_from,
            Setting::ReplyTo => &self.reply_to,
            Setting::ReturnPath => &self.return_path,
            Setting::LogoUrl => &self.logo_url,
            Setting::Color => &self.color,
            Setting::HomeUrl => &self.home_url,
            Setting::Footer => &self.footer,
            Setting::ImprintUrl => &self.imprint_url,
            Setting::PrivacyUrl => &self.privacy_url,
            Setting::InviteUrl => &self.invite_url,
            Setting::Issuer => &self.issuer,
            Setting::JwksUrl => &self.jwks_url,
        };
        optional.clone().unwrap_or_default()
    }

    /// Names of the settings in which the app differs from `before`, in alphabetical order.
    #[must_use]
    pub fn changed(&self, before: &Self) -> Vec<String> {
        let changed = Setting::ALL.into_iter().filter(|setting| self.text(*setting) != before.text(*setting));
        let mut names: Vec<String> = changed.map(|setting| setting.name().to_owned()).collect();
        names.sort_unstable();
        names
    }

    /// How the color is corrected where people would not see the shape of a button.
    #[must_use]
    pub fn color_notes(&self) -> Vec<String> {
        let color = Color::stored(self.color.as_deref());
        let grounds = [(Color::LIGHT, "light"), (Color::DARK, "dark")].into_iter();
        let corrected = grounds.filter(|(ground, _)| color.edge(*ground) != color);
        corrected
            .map(|(ground, mode)| {
                let (contrast, edge) = (color.contrast(ground), color.edge(ground));
                format!(
                    "the contrast of {color} is {contrast:.1} in {mode} mode, less than 3: there buttons get an edge in {edge}"
                )
            })
            .collect()
    }
}

/// What the rules depend on.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whether URLs must be `https`, as in production.
    pub https_only: bool,
    /// `iss` of the access tokens of this server.
    pub own_issuer: String,
}

/// Parses the text of a setting, and formats it as it is stored.
type Parser = fn(&str, &Rules) -> Result<String, Problem>;

/// A setting of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Name,
    Language,
    MailFrom,
    ReplyTo,
    ReturnPath,
    LogoUrl,
    Color,
    HomeUrl,
    Footer,
    ImprintUrl,
    PrivacyUrl,
    InviteUrl,
    InviteExpiresIn,
    /// One a line.
    Origins,
    Issuer,
    JwksUrl,
}

impl Setting {
    pub const ALL: [Self; 16] = [
        Self::Name,
        Self::Language,
        Self::MailFrom,
        Self::ReplyTo,
        Self::ReturnPath,
        Self::LogoUrl,
        Self::Color,
        Self::HomeUrl,
        Self::Footer,
        Self::ImprintUrl,
        Self::PrivacyUrl,
        Self::InviteUrl,
        Self::InviteExpiresIn,
        Self::Origins,
        Self::Issuer,
        Self::JwksUrl,
    ];

    /// The name in the JSON form of [`App`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Language => "language",
            Self::MailFrom => "mailFrom",
            Self::ReplyTo => "replyTo",
            Self::ReturnPath => "returnPath",
            Self::LogoUrl => "logoUrl",
            Self::Color => "color",
            Self::HomeUrl => "homeUrl",
            Self::Footer => "footer",
            Self::ImprintUrl => "imprintUrl",
            Self::PrivacyUrl => "privacyUrl",
            Self::InviteUrl => "inviteUrl",
            Self::InviteExpiresIn => "inviteExpiresIn",
            Self::Origins => "origins",
            Self::Issuer => "issuer",
            Self::JwksUrl => "jwksUrl",
        }
    }
}

/// Why a setting is not valid, such as "must be an absolute https URL".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub String);

impl From<&str> for Problem {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<Invalid> for Problem {
    fn from(Invalid(text): Invalid) -> Self {
        text.into()
    }
}

impl From<return_path::Invalid> for Problem {
    fn from(error: return_path::Invalid) -> Self {
        Self(error.to_string())
    }
}

/// Why the settings of an external issuer are not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerError {
    /// The issuer is this server's own.
    Own,
    /// One of `issuer` and `jwks_url` is missing.
    Incomplete,
}

/// Parses `Name <address>` and formats it as a mail header does.
fn mailbox(text: &str) -> Result<String, Problem> {
    Ok(sender::parse(text).ok_or("must be `Name <address>`")?.to_string())
}

/// Parses an absolute URL. `https_only`: no http.
///
/// # Errors
/// If it is another text.
pub fn web_url(text: &str, https_only: bool) -> Result<String, Problem> {
    let url = Url::parse(text).map_err(|_| "must be an absolute https URL")?;
    match url.scheme() {
        "https" => {}
        "http" if !https_only => {}
        "http" => return Err("must be https in production".into()),
        _ => return Err("must be an http or https URL".into()),
    }
    Ok(url.into())
}

/// A page that people are sent to. Characters that a browser and a person read differently are rejected.
fn public_page(text: &str, rules: &Rules) -> Result<String, Problem> {
    if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err("must have no white space, control characters or backslashes".into());
    }
    let page = web_url(text, rules.https_only)?;
    if Url::parse(&page).is_ok_and(|url| !url.username().is_empty() || url.password().is_some()) {
        return Err("must have no user name or password".into());
    }
    WebUrl::parse(&page)?;
    Ok(page)
}

/// The landing page that invite links lead to. Its query must not already contain the parameters that we add: a page
/// that gets two codes could pick either.
fn landing_page(text: &str, rules: &Rules) -> Result<String, Problem> {
    let page = public_page(text, rules)?;
    let taken = |url: Url| url.query_pairs().any(|(name, _)| name == "code" || name == "referral_code");
    if Url::parse(&page).is_ok_and(taken) {
        return Err("must have no `code` or `referral_code` in its query: they are added".into());
    }
    Ok(page)
}

fn expires_in(text: &str) -> Result<i32, Problem> {
    let duration: Option<humantime::Duration> = text.parse().ok();
    let seconds = duration.and_then(|duration| i32::try_from(duration.as_secs()).ok());
    let seconds = seconds.filter(|seconds| EXPIRES_IN.contains(seconds));
    seconds.ok_or_else(|| "must be a duration from 60s to 90d".into())
}

/// Seconds in the largest unit that needs no fraction, such as `30d`.
#[must_use]
pub fn duration(seconds: i32) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(unit, _)| seconds % unit == 0);
    unit.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}

/// An origin as browsers send it (RFC 6454): scheme, host, port if not the default.
fn origin(text: &str) -> Result<String, Problem> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && matches!(&url[Position::AfterPort..], "" | "/")
    });
    let url = url.ok_or_else(|| Problem(format!("must look like https://app.example.com, not {text}")))?;
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests;
