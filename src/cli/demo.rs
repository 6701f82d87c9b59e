//! The demo app of trial mode. It is created on the first start; its credentials are kept in the data folder, so that
//! every start prints the same commands.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use super::Result;
use crate::api::users::tokens::{IssueError, issue};
use crate::audit::{self, AuditRecord};
use crate::config::{self, Config};
use crate::db::apps::{self, App};
use crate::db::referrals::opt_outs;
use crate::db::users::demo::Person;
use crate::db::{self, users};
use crate::domain::credentials::api_key::{ApiKey, KeyType};
use crate::domain::credentials::opt_out::OptOutKey;
use crate::domain::credentials::secret_key::SecretKey;
use crate::domain::email::Email;
use crate::domain::id::{self, AppId, UserId};
use crate::domain::language::Language;
use crate::server::Database;

/// Valid for a trial that runs for days.
const TOKEN_VALID: Duration = Duration::from_hours(30 * 24);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    app_id: Uuid,
    user_id: Uuid,
    read_key: String,
    write_key: String,
}

/// The demo app and an access token for its user.
pub(super) struct Demo {
    credentials: Credentials,
    access_token: String,
}

/// Reads the demo credentials from the data folder, or creates them, and creates the app if the database does not have
/// it. If the demo user was frozen or erased during the trial, a new demo app is created.
pub(super) async fn prepare(config: &Config, database: &Database, seal: &SecretKey) -> Result<Demo> {
    let path = config.data_dir.join("demo.json");
    let damaged = || format!("{} is damaged; delete it to make a new demo app", path.display());
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let credentials = serde_json::from_str(&text).map_err(|_| damaged())?;
            if let Some(demo) = open(config, database, seal, credentials).await? {
                return Ok(demo);
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("{} cannot be read: {error}", path.display()).into()),
    }
    let credentials = Credentials {
        app_id: id::public(),
        user_id: id::public(),
        read_key: ApiKey::generate(KeyType::Read).expose().to_owned(),
        write_key: ApiKey::generate(KeyType::Write).expose().to_owned(),
    };
    config::write_private(&path, &serde_json::to_vec_pretty(&credentials)?)?;
    Ok(open(config, database, seal, credentials).await?.ok_or_else(damaged)?)
}

/// Opens the demo app with these credentials and creates it if it is missing. `None` if a key is malformed or its user
/// cannot get a token.
async fn open(
    config: &Config,
    database: &Database,
    seal: &SecretKey,
    credentials: Credentials,
) -> Result<Option<Demo>> {
    let (app_id, user_id) = (AppId(credentials.app_id), UserId(credentials.user_id));
    if apps::find(&database.operator, app_id).await?.is_none() {
        let keys = [&credentials.read_key, &credentials.write_key].map(|key| ApiKey::parse(key));
        let [Some(read), Some(write)] = keys else { return Ok(None) };
        let mut demo = App::new(app_id.0);
        "Demo".clone_into(&mut demo.name);
        let email = Email::parse("demo@example.com").map_err(|error| error.0)?;
        let language = Language::parse("en").map_err(|error| error.0)?;
        let mut transaction = db::Transaction::begin(&database.operator).await?;
        apps::create_with_keys(&mut transaction, &demo, &[read, write], seal).await?;
        users::demo::create(&mut transaction, app_id, user_id, &email, &language, "Demo User").await?;
        transaction.commit().await?;
        let key = opt_outs::key(&database.operator, app_id, seal).await?.open(seal)?;
        let valid = i32::try_from(config.invite.expires_after.as_secs() / 86_400).unwrap_or(i32::MAX);
        let mut transaction = db::Transaction::begin(&database.operator).await?;
        for person in people(&key) {
            users::demo::create_person(&mut transaction, app_id, &person, valid).await?;
        }
        transaction.commit().await?;
        let facts = AuditRecord { app: Some(app_id), subject: Some(app_id.0), ..AuditRecord::default() };
        let _ = audit::command("createApp", &facts);
    }
    match issue(&database.operator, seal, &config.issuer(), app_id, user_id, TOKEN_VALID).await {
        Ok(token) => Ok(Some(Demo { credentials, access_token: token.access_token })),
        Err(IssueError::NoUser) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// People in all states that an invite can have.
fn people(key: &OptOutKey) -> Vec<Person> {
    let new = |name, email, days| Person {
        user: Some(UserId(id::public())),
        name,
        email,
        referrer: None,
        accepted: false,
        viewed: false,
        failed: None,
        bounced: None,
        days,
        address_hash: None,
    };
    let joined = |name, email, days| Person { accepted: true, viewed: true, ..new(Some(name), email, days) };
    let referred = |by: &Person, person: Person| Person {
        referrer: by.user,
        address_hash: Some(key.address(person.email).0.to_vec()),
        user: person.user.filter(|_| person.accepted),
        ..person
    };
    let grace = joined("Grace Hopper", "grace.hopper@example.com", 24);
    let barbara = referred(&grace, joined("Barbara Liskov", "barbara.liskov@example.com", 11));
    let tim = referred(&grace, Person { viewed: true, ..new(None, "tim.berners-lee@example.com", 4) });
    let donald = referred(&grace, new(None, "donald.knuth@example.com", 20));
    vec![
        grace,
        joined("Alan Turing", "alan.turing@example.com", 19),
        joined("Katherine Johnson", "katherine.johnson@example.com", 13),
        barbara,
        tim,
        donald,
        Person { viewed: true, ..new(Some("Linus Torvalds"), "linus.torvalds@example.com", 3) },
        Person {
            failed: Some(
                "550 5.1.2 <margaret.hamilton@exmaple.invalid>: Recipient address rejected: Domain not found",
            ),
            ..new(Some("Margaret Hamilton"), "margaret.hamilton@exmaple.invalid", 2)
        },
        Person {
            bounced: Some("550 5.1.1 The email account that you tried to reach does not exist"),
            ..new(Some("Edsger Dijkstra"), "edsger.dijkstra@example.com", 1)
        },
    ]
}

impl Demo {
    /// Text printed to a person who starts the server to try it. `console`: how to open the console, or empty.
    pub(super) fn instructions(&self, url: &Url, mailbox: bool, console: &str) -> String {
        let Self { credentials: Credentials { app_id, user_id, read_key, write_key }, access_token } = self;
        let url = url.as_str().trim_end_matches('/');
        // Use a new address in each run, so that the commands can be pasted repeatedly.
        let person = |name: &str| {
            format!(r#"-d "{{\"email\":\"{name}-$(date +%s%N)@example.com\",\"language\":\"en\"}}""#)
        };
        let json = "-H 'Content-Type: application/json'";
        let mails = if mailbox { format!("The mails are at {url}/mailbox\n") } else { String::new() };
        format!(
            "
A demo app is ready (a trial: set USERDOCKS_ENV=production for real users).
{console}
  app id        {app_id}
  user id       {user_id}
  read key      {read_key}
  write key     {write_key}
  access token  {access_token}

Invite a user:

curl -sS -X POST {url}/v1/users/{user_id} -H 'X-CLIENT-ID: {app_id}' -H 'X-API-KEY-TYPE: write' -H 'X-API-KEY: {write_key}' {json} {invited}

Update a profile:

curl -sS -X PUT {url}/v1/users/me -H 'Authorization: Bearer {access_token}' {json} -d '{{\"user\":{{\"given_name\":\"Ada\",\"family_name\":\"Lovelace\",\"zoneinfo\":\"Europe/London\"}}}}'

Send a referral invite:

curl -sS -X POST {url}/v1/users/me/referral-invites -H 'Authorization: Bearer {access_token}' {json} {referred}

The API is described at {url}/docs
{mails}",
            invited = person("ada"),
            referred = person("grace"),
        )
    }
}
