//! `userdocks app`

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;
use url::{Position, Url};
use uuid::Uuid;

use super::{Context, Output, Result, table, template};
use crate::audit::AuditRecord;
use crate::config::Config;
use crate::db::apps::{self, App};
use crate::db::{self, operator};
use crate::domain::brand::{Color, LogoUrl};
use crate::domain::credentials::access_token::NewKeyPair;
use crate::domain::credentials::api_key::{ApiKey, KeyType};
use crate::domain::credentials::secret_key::SecretKey;
use crate::domain::id::{self, AppId};
use crate::domain::invites::EXPIRES_IN;
use crate::domain::language::Language;
use crate::domain::mail::return_path::ReturnPath;
use crate::domain::mail::sender;
use crate::domain::text::{Text, WebUrl};
use crate::http::auth::jwks;
use crate::mail;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Create an app with a key pair and an API key of each type
    Create {
        /// What mails call it
        #[arg(long)]
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// List all apps
    List,
    /// Show one app, and whether the keys of its external issuer can be read
    Show {
        /// The app's id
        #[arg(value_parser = super::id)]
        id: Uuid,
    },
    /// Write the app's mails yourself: set, list, show, send or reset templates
    #[command(subcommand)]
    Template(template::Command),
    /// Change settings of an app; '' clears one that can be absent
    Update {
        /// The app's id
        #[arg(value_parser = super::id)]
        id: Uuid,
        /// What mails call it
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Args)]
pub(super) struct Settings {
    /// Language of mails to people whose own has no texts: en, de, fr, …
    #[arg(long)]
    language: Option<String>,
    /// An origin whose pages may call the API, such as <https://app.example.com>; may be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// The app's own landing page; `code` and `referral_code` are added to its query
    #[arg(long)]
    invite_url: Option<String>,
    /// For how long its invites can be accepted, 60s to 90d; else as the server's settings say
    #[arg(long, value_name = "DURATION")]
    invite_expires_in: Option<String>,
    /// Sender of the app's mails: Name <address>
    #[arg(long)]
    mail_from: Option<String>,
    /// Who gets the answers to the app's mails, and is named where people may want to ask: Name <address>
    #[arg(long)]
    reply_to: Option<String>,
    /// Where bounces of the app's mails go: an address, in which {mail} stands for the id of the mail
    #[arg(long, value_name = "ADDRESS")]
    return_path: Option<String>,
    /// The logo in the app's mails, an https address; loaded by mail programs as it is, the same for everybody
    #[arg(long)]
    logo_url: Option<String>,
    /// The colour of the buttons in the app's mails and pages, such as #1d4ed8
    #[arg(long)]
    color: Option<String>,
    /// Where people go on after they accept or confirm: a button of the pages leads there
    #[arg(long, value_name = "URL")]
    home_url: Option<String>,
    /// A line below the app's mails and pages, such as company and postal address
    #[arg(long, value_name = "TEXT")]
    footer: Option<String>,
    /// The app's legal notice, linked below mails and pages
    #[arg(long, value_name = "URL")]
    imprint_url: Option<String>,
    /// The app's privacy policy, linked below mails and pages
    #[arg(long, value_name = "URL")]
    privacy_url: Option<String>,
    /// `iss` of an external issuer of access tokens
    #[arg(long)]
    issuer: Option<String>,
    /// Where that issuer's keys are
    #[arg(long)]
    jwks_url: Option<String>,
}

/// The output of `app show`.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    app: App,
    /// The number of keys of the external issuer, or the reason why they cannot be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<Value>,
}

pub(super) async fn run(command: Command, context: &Context) -> Result<Output> {
    let db = &context.database.operator;
    match command {
        Command::Create { name, settings } => {
            let mut app = new(id::public());
            change(&mut app, Some(&name), settings, &context.config)?;
            let keys = [ApiKey::generate(KeyType::Read), ApiKey::generate(KeyType::Write)];
            let mut transaction = db::Transaction::begin(db).await?;
            create(&mut transaction, &app, &keys, &context.seal).await?;
            transaction.commit().await?;
            let [read, write] = keys;
            let text = format!(
                "app id     {}\nread key   {}\nwrite key  {}\nmails from {}\nThe keys are not shown again.",
                app.app_id,
                read.expose(),
                write.expose(),
                mail::sender(app.mail_from.as_deref(), &app.name, &context.config.mail.from)
                    .map_or_else(String::new, |sender| sender.to_string()),
            );
            let result = json!({ "appId": app.app_id, "readKey": read.expose(), "writeKey": write.expose() });
            let fields = changed(&new(app.app_id), &app);
            let notes = notes(&new(app.app_id), &app);
            Ok(Output { notes, ..Output::new(result, text)?.changed("createApp", facts(&app, fields)) })
        }
        Command::List => {
            let apps = operator::apps(db).await?;
            let rows =
                apps.iter().map(|app| [app.app_id.to_string(), app.language.clone(), app.name.clone()]);
            let text = table(["ID", "LANGUAGE", "NAME"], rows);
            Output::new(apps, text)
        }
        Command::Show { id } => {
            let app = context.app(id).await?;
            let jwks = match &app.jwks_url {
                None => None,
                Some(url) => Some(match jwks::check(url, &context.config.server.ca_file).await {
                    Ok(keys) => json!({ "keys": keys }),
                    Err(reason) => json!({ "error": reason }),
                }),
            };
            let shown = Shown { app, jwks };
            let text = serde_json::to_string_pretty(&shown)?;
            Output::new(shown, text)
        }
        Command::Template(command) => template::run(command, context).await,
        Command::Update { id, name, settings } => {
            let before = context.app(id).await?;
            let mut app = before.clone();
            change(&mut app, name.as_deref(), settings, &context.config)?;
            if !apps::update(db, &app).await? {
                return Err(format!("there is no app {id}").into());
            }
            let text = serde_json::to_string_pretty(&app)?;
            let (facts, notes) = (facts(&app, changed(&before, &app)), notes(&before, &app));
            Ok(Output { notes, ..Output::new(app, text)?.changed("updateApp", facts) })
        }
    }
}

/// How a new color is corrected where people would not see the shape of a button.
fn notes(before: &App, app: &App) -> Vec<String> {
    let color = Color::stored(app.color.as_deref());
    let grounds = [(Color::LIGHT, "light"), (Color::DARK, "dark")].into_iter();
    let corrected = grounds.filter(|(ground, _)| app.color != before.color && color.edge(*ground) != color);
    corrected
        .map(|(ground, mode)| {
            let (contrast, edge) = (color.contrast(ground), color.edge(ground));
            format!(
                "the contrast of {color} is {contrast:.1} in {mode} mode, less than 3: there buttons get an edge in {edge}"
            )
        })
        .collect()
}

fn facts(app: &App, fields: Vec<String>) -> AuditRecord {
    AuditRecord { app: Some(AppId(app.app_id)), subject: Some(app.app_id), fields, ..AuditRecord::default() }
}

/// Names of the settings in which two apps differ.
fn changed(one: &App, other: &App) -> Vec<String> {
    let settings = |app| match serde_json::to_value(app) {
        Ok(serde_json::Value::Object(settings)) => settings,
        _ => serde_json::Map::new(),
    };
    let (one, other) = (settings(one), settings(other));
    other.into_iter().filter(|(name, value)| one.get(name) != Some(value)).map(|(name, _)| name).collect()
}

/// An app with default settings and no name.
pub(super) fn new(app_id: Uuid) -> App {
    App {
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

/// Stores an app with a new key pair and the given API keys.
pub(super) async fn create(
    db: &mut PgConnection,
    app: &App,
    keys: &[ApiKey],
    seal: &SecretKey,
) -> Result<()> {
    apps::create(db, app, &NewKeyPair::generate(), seal).await?;
    for key in keys {
        crate::db::api_keys::create(db, AppId(app.app_id), key, None).await?;
    }
    Ok(())
}

/// Validates the settings given on the command line and applies them. Settings that are not given are unchanged.
fn change(app: &mut App, name: Option<&str>, settings: Settings, config: &Config) -> Result<()> {
    if let Some(name) = name {
        let name = Text::parse(name).map_err(|error| format!("--name {}", error.0))?;
        if name.as_str().is_empty() {
            return Err("--name must not be empty".into());
        }
        name.as_str().clone_into(&mut app.name);
    }
    if let Some(language) = settings.language {
        let language = Language::parse(&language).map_err(|error| format!("--language {}", error.0))?;
        language.as_str().clone_into(&mut app.language);
    }
    if !settings.origins.is_empty() {
        let given = settings.origins.iter().filter(|origin| !origin.is_empty());
        app.origins = given.map(|text| origin(text)).collect::<Result<_>>()?;
    }
    set(&mut app.invite_url, settings.invite_url, |text| landing_page(text, config))?;
    if let Some(text) = settings.invite_expires_in {
        app.invite_expires_in = if text.is_empty() { None } else { Some(expires_in(&text)?) };
    }
    set(&mut app.mail_from, settings.mail_from, |text| mailbox("--mail-from", text))?;
    set(&mut app.reply_to, settings.reply_to, |text| mailbox("--reply-to", text))?;
    set(&mut app.return_path, settings.return_path, |text| {
        Ok(text.parse::<ReturnPath>().map_err(|error| format!("--return-path: {error}"))?.to_string())
    })?;
    set(&mut app.logo_url, settings.logo_url, |text| {
        Ok(LogoUrl::parse(text).map_err(|error| format!("--logo-url {}", error.0))?.to_string())
    })?;
    set(&mut app.color, settings.color, |text| {
        Ok(Color::parse(text).map_err(|error| format!("--color {}", error.0))?.to_string())
    })?;
    set(&mut app.home_url, settings.home_url, |text| public_page("--home-url", text, config))?;
    set(&mut app.footer, settings.footer, |text| {
        Ok(Text::parse(text).map_err(|error| format!("--footer {}", error.0))?.to_string())
    })?;
    set(&mut app.imprint_url, settings.imprint_url, |text| public_page("--imprint-url", text, config))?;
    set(&mut app.privacy_url, settings.privacy_url, |text| public_page("--privacy-url", text, config))?;
    set(&mut app.issuer, settings.issuer, |text| Ok(text.to_owned()))?;
    set(&mut app.jwks_url, settings.jwks_url, |text| web_url("--jwks-url", text, config))?;
    if app.issuer.as_ref() == Some(&config.issuer()) {
        return Err("--issuer must not be this server's own".into());
    }
    if app.issuer.is_some() != app.jwks_url.is_some() {
        return Err("--issuer and --jwks-url go together".into());
    }
    Ok(())
}

fn set(to: &mut Option<String>, given: Option<String>, check: impl Fn(&str) -> Result<String>) -> Result<()> {
    if let Some(given) = given {
        *to = if given.is_empty() { None } else { Some(check(&given)?) };
    }
    Ok(())
}

/// Parses `Name <address>` and formats it as a mail header does.
fn mailbox(flag: &str, text: &str) -> Result<String> {
    let mailbox = sender::parse(text).ok_or_else(|| format!("{flag} must be `Name <address>`"))?;
    Ok(mailbox.to_string())
}

/// An absolute http or https URL; only https in production.
pub(super) fn web_url(flag: &str, text: &str, config: &Config) -> Result<String> {
    let url = Url::parse(text).map_err(|_| format!("{flag} must be an absolute https URL"))?;
    match url.scheme() {
        "https" => {}
        "http" if !config.production() => {}
        "http" => return Err(format!("{flag} must be https in production").into()),
        _ => return Err(format!("{flag} must be an http or https URL").into()),
    }
    Ok(url.into())
}

/// A page that people are sent to. Characters that a browser and a person read differently are rejected.
fn public_page(flag: &str, text: &str, config: &Config) -> Result<String> {
    if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(format!("{flag} must have no white space, control characters or backslashes").into());
    }
    let page = web_url(flag, text, config)?;
    let url = Url::parse(&page)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{flag} must have no user name or password").into());
    }
    WebUrl::parse(&page).map_err(|error| format!("{flag} {}", error.0))?;
    Ok(page)
}

/// The landing page that invite links lead to. Its query must not already contain the parameters that we add: a page
/// that gets two codes could pick either.
fn landing_page(text: &str, config: &Config) -> Result<String> {
    let page = public_page("--invite-url", text, config)?;
    if Url::parse(&page)?.query_pairs().any(|(name, _)| name == "code" || name == "referral_code") {
        return Err("--invite-url must have no `code` or `referral_code` in its query: they are added".into());
    }
    Ok(page)
}

fn expires_in(text: &str) -> Result<i32> {
    let seconds = super::duration(text).ok().and_then(|duration| i32::try_from(duration.as_secs()).ok());
    let seconds = seconds.filter(|seconds| EXPIRES_IN.contains(seconds));
    seconds.ok_or_else(|| "--invite-expires-in must be a duration from 60s to 90d".into())
}

/// An origin as browsers send it (RFC 6454): scheme, host, port if not the default.
fn origin(text: &str) -> Result<String> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && matches!(&url[Position::AfterPort..], "" | "/")
    });
    let url = url.ok_or_else(|| format!("--origin must look like https://app.example.com, not {text}"))?;
    Ok(url.origin().ascii_serialization())
}
