//! `userdocks app`

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Context, Output, Result, table, template};
use crate::audit::AuditRecord;
use crate::config::Config;
use crate::db::apps::{self, App};
use crate::db::{self, operator};
use crate::domain::app_settings::{IssuerError, Setting};
use crate::domain::credentials::api_key::{ApiKey, KeyType};
use crate::domain::id::{self, AppId};
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
            let mut app = App::new(id::public());
            change(&mut app, Some(name), settings, &context.config)?;
            let keys = [ApiKey::generate(KeyType::Read), ApiKey::generate(KeyType::Write)];
            let mut transaction = db::Transaction::begin(db).await?;
            apps::create_with_keys(&mut transaction, &app, &keys, &context.seal).await?;
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
            let default = App::new(app.app_id);
            let (fields, notes) = (app.changed(&default), notes(&default, &app));
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
            change(&mut app, name, settings, &context.config)?;
            if !apps::update(db, &app).await? {
                return Err(format!("there is no app {id}").into());
            }
            let text = serde_json::to_string_pretty(&app)?;
            let (facts, notes) = (facts(&app, app.changed(&before)), notes(&before, &app));
            Ok(Output { notes, ..Output::new(app, text)?.changed("updateApp", facts) })
        }
    }
}

/// Notes on the color, if it is a new one.
fn notes(before: &App, app: &App) -> Vec<String> {
    if app.color == before.color { Vec::new() } else { app.color_notes() }
}

fn facts(app: &App, fields: Vec<String>) -> AuditRecord {
    AuditRecord { app: Some(AppId(app.app_id)), subject: Some(app.app_id), fields, ..AuditRecord::default() }
}

/// Validates the settings given on the command line and applies them. Settings that are not given are unchanged.
fn change(app: &mut App, name: Option<String>, settings: Settings, config: &Config) -> Result<()> {
    let rules = config.app_rules();
    let set = |app: &mut App, given: Vec<(Setting, &str, Option<String>)>| {
        for (setting, option, text) in given {
            if let Some(text) = text {
                app.set(setting, &text, &rules).map_err(|error| format!("{option} {error}"))?;
            }
        }
        Ok::<_, String>(())
    };
    set(app, vec![(Setting::Name, "--name", name), (Setting::Language, "--language", settings.language)])?;
    if !settings.origins.is_empty() {
        let origins = settings.origins.iter().map(String::as_str);
        app.set_origins(origins).map_err(|error| format!("--origin {error}"))?;
    }
    let others = vec![
        (Setting::InviteUrl, "--invite-url", settings.invite_url),
        (Setting::InviteExpiresIn, "--invite-expires-in", settings.invite_expires_in),
        (Setting::MailFrom, "--mail-from", settings.mail_from),
        (Setting::ReplyTo, "--reply-to", settings.reply_to),
        (Setting::ReturnPath, "--return-path:", settings.return_path),
        (Setting::LogoUrl, "--logo-url", settings.logo_url),
        (Setting::Color, "--color", settings.color),
        (Setting::HomeUrl, "--home-url", settings.home_url),
        (Setting::Footer, "--footer", settings.footer),
        (Setting::ImprintUrl, "--imprint-url", settings.imprint_url),
        (Setting::PrivacyUrl, "--privacy-url", settings.privacy_url),
        (Setting::Issuer, "--issuer", settings.issuer),
        (Setting::JwksUrl, "--jwks-url", settings.jwks_url),
    ];
    set(app, others)?;
    match app.check_issuer(&rules) {
        Ok(()) => Ok(()),
        Err(IssuerError::Own) => Err("--issuer must not be this server's own".into()),
        Err(IssuerError::Incomplete) => Err("--issuer and --jwks-url go together".into()),
    }
}
