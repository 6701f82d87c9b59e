//! Test harness: the real server with a real PostgreSQL (one database per test), a real SMTP server, and an HTTP client
//! that returns complete responses. A test fails if it ends with unread mail.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a harness that cannot go on fails its test"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::OnceCell;
use userdocks::config::Config;
use userdocks::db::{api_keys, apps, users};
use userdocks::domain::credentials::access_token::{NewKeyPair, PrivateKey};
use userdocks::domain::credentials::api_key::{ApiKey, KeyType};
use userdocks::domain::credentials::secret_key::{Purpose, SecretKey};
use userdocks::domain::email::Email;
use userdocks::domain::id::{self, AppId, UserId};
use userdocks::domain::invites::InviteCode;
use userdocks::domain::language::Language;
use userdocks::postgres::{self, Durability, Embedded};
use userdocks::server::{Database, Server};
use uuid::Uuid;

pub mod child;
pub mod proxy;
pub mod receiver;
pub mod secrets;
pub mod smtp;
pub mod wire;
use smtp::{Mail, Smtp};

/// The deadline of waits in tests, far above the usual time.
pub const DEADLINE: Duration = Duration::from_secs(30);
pub const SECRET_KEY: &str = "8f3b1c5d7e9a0246813579bdf02468ace13579bd02468ace8f3b1c5d7e9a0f1e";

static POSTGRES: OnceCell<Embedded> = OnceCell::const_new();
static DATABASES: AtomicUsize = AtomicUsize::new(0);
/// Distinguishes the databases of this run from those of earlier runs.
static RUN: LazyLock<i64> = LazyLock::new(|| userdocks::clock::now().as_millisecond());

fn template() -> String {
    format!("template_{}", *RUN)
}

/// The download folder for PostgreSQL on a machine that has none, shared by all tests.
pub fn downloads() -> Option<&'static Path> {
    std::env::var_os("USERDOCKS_OFFLINE")
        .is_none()
        .then_some(Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/programs")))
}

/// The folder of the PostgreSQL programs.
pub fn programs() -> &'static Path {
    static PROGRAMS: LazyLock<PathBuf> = LazyLock::new(|| postgres::programs(downloads()).unwrap());
    &PROGRAMS
}

/// The PostgreSQL of this test binary. It ends with the process; the next run uses its folder again.
async fn postgres() -> PgConnectOptions {
    secrets::listen();
    let start = async || {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(concat!("postgres-", env!("CARGO_CRATE_NAME")));
        let start = || Embedded::start(&folder, Durability::Fast, downloads());
        let embedded = match start().await {
            // The last run used another version of PostgreSQL.
            Err(postgres::Error::Version { data, .. }) => {
                std::fs::remove_dir_all(data.canonicalize().unwrap()).unwrap();
                std::fs::remove_dir_all(&folder).unwrap();
                start().await
            }
            started => started,
        };
        let embedded = embedded.unwrap();
        let mut admin = PgConnection::connect_with(&embedded.options()).await.unwrap();
        let old: Vec<String> =
            sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname ~ '^(test|template)_'")
                .fetch_all(&mut admin)
                .await
                .unwrap();
        let template = template();
        execute(&mut admin, format!("CREATE DATABASE {template}")).await;
        userdocks::db::migrate(&embedded.options().database(&template)).await.unwrap();
        postgres::server_role(&embedded.options()).await.unwrap();
        let options = embedded.options();
        std::thread::spawn(move || drop_all(&options, old));
        embedded
    };
    POSTGRES.get_or_init(start).await.options()
}

/// Drops old databases while the tests run, because a drop can take a second on disks with TRIM. The next run drops the
/// databases that remain.
#[tokio::main(flavor = "current_thread")]
async fn drop_all(options: &PgConnectOptions, names: Vec<String>) {
    let mut admin = PgConnection::connect_with(options).await.unwrap();
    for name in names {
        let statement = sqlx::AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name}"));
        let _ = sqlx::query(statement).execute(&mut admin).await;
    }
}

async fn execute(connection: &mut PgConnection, statement: String) {
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(connection).await.unwrap();
}

/// Creates a database for one test and returns its URL. `migrated`: with the schema, else empty.
pub async fn database(migrated: bool) -> String {
    let options = postgres().await;
    let name = format!("test_{}_{}", *RUN, DATABASES.fetch_add(1, Ordering::Relaxed));
    let template = if migrated { template() } else { "template1".to_owned() };
    let mut admin = PgConnection::connect_with(&options).await.unwrap();
    // Copying the files takes half the time of writing them to the log, which PostgreSQL 14 never does.
    let strategy = if admin.server_version_num().unwrap() < 150_000 { "" } else { "STRATEGY file_copy" };
    execute(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template} {strategy}")).await;
    let socket = options.get_socket().unwrap().display().to_string();
    format!("postgres:///{name}?user=postgres&host={}", socket.replace('/', "%2F"))
}

/// The URL of the same database for the server's role, which owns nothing.
pub fn served(database_url: &str) -> String {
    database_url
        .replace("user=postgres", "user=userdocks_server")
        .replace("//postgres@", "//userdocks_server@")
}

/// The settings of a test server as environment variables: the server's role for requests, the owner's for the rest.
pub fn variables(database_url: &str, smtp_url: &str, more: &[(&str, &str)]) -> HashMap<String, String> {
    let database_url =
        more.iter().find(|(name, _)| *name == "DATABASE_URL").map_or(database_url, |(_, url)| url);
    let mut variables: HashMap<String, String> = [
        ("USERDOCKS_DATABASE__DIRECT_URL", database_url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_SERVER__LISTEN", "127.0.0.1:0"),
        ("USERDOCKS_SERVER__METRICS_LISTEN", ""),
        ("USERDOCKS_ADMIN__LISTEN", "off"),
        ("USERDOCKS_SERVER__PUBLIC_URL", "https://id.example"),
        ("USERDOCKS_DATABASE__MAX_CONNECTIONS", "4"),
        ("USERDOCKS_MAIL__SMTP_URL", smtp_url),
        ("USERDOCKS_MAIL__FROM", "Userdocks <no-reply@id.example>"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    variables.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    variables.insert("DATABASE_URL".to_owned(), served(database_url));
    variables
}

/// A server, its database, its mail server, and an app to call it with.
pub struct Test {
    pub server: Option<Server>,
    pub url: String,
    pub database_url: String,
    pub db: userdocks::db::Pool,
    pub seal: SecretKey,
    pub config: Config,
    pub smtp: Smtp,
    pub app: App,
    pub client: reqwest::Client,
    read: AtomicUsize,
}

#[derive(Clone)]
pub struct App {
    pub id: AppId,
    pub read_key: String,
    pub write_key: String,
}

/// The credentials of a call.
#[derive(Clone)]
pub enum As<'a> {
    Nobody,
    /// The three headers of an app's write key.
    Write(&'a App),
    /// The three headers of an app's read key.
    Read(&'a App),
    /// `Authorization: Bearer …`
    Token(String),
    /// Only these headers.
    Headers(Vec<(&'a str, String)>),
}

/// A complete response.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The value of a header, if present.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks the headers of every JSON response.
    fn carries_the_usual(&self) {
        for (header, value) in [
            ("content-type", "application/json"),
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(self.header(header), Some(value), "{header}: {self:?}");
        }
        assert!(self.header("x-request-id").is_some_and(|id| !id.is_empty()), "{self:?}");
    }

    /// Status, `X-Error-Code` and message of an error, whose envelope must be complete.
    pub fn refusal(&self) -> (u16, &str, &str) {
        let error = self.body["error"].as_str().unwrap_or_else(|| panic!("not a refusal: {self:?}"));
        assert_eq!(self.body, json!({ "success": false, "message": null, "error": error, "data": null }));
        assert!(!error.contains('\n') && !error.ends_with('.'), "one sentence: {error}");
        self.carries_the_usual();
        for (header, statuses) in
            [("www-authenticate", &[401][..]), ("allow", &[405]), ("retry-after", &[409, 429, 503])]
        {
            assert_eq!(self.header(header).is_some(), statuses.contains(&self.status), "{header}: {self:?}");
        }
        (self.status, self.header("x-error-code").unwrap(), error)
    }

    /// Status and `X-Error-Code` of an error.
    pub fn code(&self) -> (u16, &str) {
        let (status, code, _) = self.refusal();
        (status, code)
    }

    /// Status, message and `data` of a success, whose envelope must be complete.
    pub fn success(&self) -> (u16, &str, &Value) {
        let message = self.body["message"].as_str().unwrap_or_else(|| panic!("not a success: {self:?}"));
        let data = &self.body["data"];
        assert_eq!(self.body, json!({ "success": true, "message": message, "error": null, "data": data }));
        self.carries_the_usual();
        assert_eq!(self.header("x-error-code"), None);
        (self.status, message, data)
    }

    /// The user in the response to an invite.
    pub fn user(&self) -> &Value {
        assert_eq!(self.status, 200, "{self:?}");
        &self.success().2["user"]
    }
}

impl Test {
    /// A server with the settings of [`variables`].
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A server with additional settings.
    pub async fn with(more: &[(&str, &str)]) -> Self {
        let database_url = database(true).await;
        let smtp = Smtp::start().await;
        let config = Config::from_variables(variables(&database_url, &smtp.url(), more)).unwrap();
        let seal = SecretKey::new(&config.secret_key().unwrap());
        let database = Database::open(&config, true).await.unwrap();
        let server = Box::pin(Server::start(config.clone(), &database, seal.clone())).await.unwrap();
        let db = userdocks::db::Pool::new(database.direct.clone(), 8, DEADLINE);
        let app = create_app(&db, &seal, &new_app("Acme")).await;
        Self {
            url: format!("http://{}", server.address),
            server: Some(server),
            db,
            database_url,
            seal,
            config,
            smtp,
            app,
            client: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .tls_certs_only([])
                .build()
                .unwrap(),
            read: AtomicUsize::new(0),
        }
    }

    /// Creates another app on the same server.
    pub async fn another_app(&self) -> App {
        create_app(&self.db, &self.seal, &new_app("Other")).await
    }

    /// Sends a call with an optional JSON body.
    pub async fn call(&self, method: &str, path: &str, who: As<'_>, body: Option<Value>) -> Answer {
        let body = body.map(|body| serde_json::to_vec(&body).unwrap());
        let json = body.as_ref().map(|_| ("content-type", "application/json".to_owned()));
        self.raw(method, path, who, &json.into_iter().collect::<Vec<_>>(), body.unwrap_or_default()).await
    }

    /// Sends a call with any headers and bytes.
    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        who: As<'_>,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Answer {
        let mut request =
            self.client.request(method.parse().unwrap(), format!("{}{path}", self.url)).body(body);
        for (name, value) in credentials(who).iter().chain(headers) {
            request = request.header(*name, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    /// Invites a new user with the app's write key and reads the mail: the user, and the code in the link.
    pub async fn invited(&self, email: &str) -> (UserId, String) {
        let id = id::public();
        let path = format!("/v1/users/{id}");
        let body = json!({ "email": email, "language": "en" });
        let answer = self.call("POST", &path, As::Write(&self.app), Some(body)).await;
        assert_eq!(answer.user()["id"], json!(id));
        let mail = self.mail().await;
        assert_eq!(mail.to, [email]);
        (UserId(id), code(&mail))
    }

    /// Creates a user of the app who has accepted.
    pub async fn user(&self, email: &str) -> UserId {
        let (user, code) = self.invited(email).await;
        let answer = self.call("POST", &format!("/invites/{code}"), As::Nobody, None).await;
        assert_eq!(answer.status, 200);
        user
    }

    /// Creates an accepted user of an app without a mail, in the tenant of another user or in a new tenant.
    pub async fn member(&self, app: &App, email: &str, of: Option<UserId>) -> UserId {
        let user = UserId(id::public());
        let (email, language) = (Email::parse(email).unwrap(), Language::parse("en").unwrap());
        let mut db = self.db.acquire().await.unwrap();
        users::demo::create(&mut db, app.id, user, &email, &language, "Ada").await.unwrap();
        if let Some(of) = of {
            sqlx::query(
                "UPDATE users SET tenant_id = (SELECT tenant_id FROM users WHERE app_id = $1 AND user_id = $2)
                WHERE app_id = $1 AND user_id = $3",
            )
            .bind(app.id.0)
            .bind(of.0)
            .bind(user.0)
            .execute(&mut *db)
            .await
            .unwrap();
        }
        user
    }

    /// The user as the API returns it; for a deleted user, the database row.
    pub async fn stored(&self, user: UserId) -> Value {
        if let Some(user) = users::by_id(&self.db, self.app.id, None, user).await.unwrap() {
            return serde_json::to_value(user).unwrap();
        }
        let row = "SELECT to_jsonb(u) FROM users u WHERE app_id = $1 AND user_id = $2";
        sqlx::query_scalar(row).bind(self.app.id.0).bind(user.0).fetch_one(&self.db).await.unwrap()
    }

    /// An access token for a user of the app, as this server issues it.
    pub async fn token(&self, user: UserId) -> String {
        self.token_for(&self.app, user, Duration::from_mins(10)).await
    }

    /// An access token for a user of an app, with this lifetime.
    pub async fn token_for(&self, app: &App, user: UserId, valid: Duration) -> String {
        let (id, sealed) = apps::private_key(&self.db, app.id).await.unwrap().unwrap();
        let key = PrivateKey::new(id, &self.seal.open(Purpose::SigningKey, id, &sealed).unwrap()).unwrap();
        let token = key.issue(&self.config.issuer(), app.id, user, "en", valid).unwrap();
        secrets::keep_token(&token);
        token
    }

    /// Reads the next mail, which this test expects.
    pub async fn mail(&self) -> Mail {
        let next = self.read.fetch_add(1, Ordering::Relaxed);
        self.smtp.wait_for(next + 1, DEADLINE).await[next].clone()
    }

    /// Reads the next `count` mails, which this test expects, sorted by recipient.
    pub async fn mails(&self, count: usize) -> Vec<Mail> {
        let mut mails = Vec::new();
        for _ in 0..count {
            mails.push(self.mail().await);
        }
        mails.sort_by(|a, b| a.to.cmp(&b.to));
        mails
    }

    /// Reads all mails about changes of addresses and fails on any other. Their number varies: a change can cancel an
    /// unsent mail of an earlier change.
    pub async fn pass_over_mails(&self) {
        self.idle().await;
        let of_changes =
            "SELECT trim(message_id, '<>') FROM outbox WHERE kind IN ('confirmation', 'notice', 'taken')";
        let of_changes: Vec<String> = sqlx::query_scalar(of_changes).fetch_all(&self.db).await.unwrap();
        let mails = self.smtp.mails();
        for mail in &mails[self.read.swap(mails.len(), Ordering::Relaxed)..] {
            assert!(of_changes.contains(&mail.message_id()), "{:?}: {}", mail.to, mail.subject());
        }
    }

    /// Every row that an API call can create or change. It waits until every mail is sent or failed, because the worker
    /// changes rows too, even after a mail has arrived.
    pub async fn rows(&self) -> Value {
        self.idle().await;
        let tables = "SELECT jsonb_build_object(
            'users', (SELECT jsonb_agg(t ORDER BY t::text) FROM users t),
            'tenants', (SELECT jsonb_agg(t ORDER BY t::text) FROM tenants t),
            'invites', (SELECT jsonb_agg(t ORDER BY t::text) FROM invites t),
            'confirmations', (SELECT jsonb_agg(t ORDER BY t::text) FROM email_confirmations t),
            'quotas', (SELECT jsonb_agg(t ORDER BY t::text) FROM referral_quotas t),
            'outbox', (SELECT jsonb_agg(t ORDER BY t::text) FROM outbox t))";
        sqlx::query_scalar(tables).fetch_one(&self.db).await.unwrap()
    }

    pub async fn sql(&self, statement: &'static str) {
        sqlx::query(statement).execute(&self.db).await.unwrap();
    }

    /// The single value of a query without parameters.
    pub async fn count(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.db).await.unwrap()
    }

    /// Waits until a counting query without parameters returns 0.
    pub async fn until_none(&self, query: &'static str) {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while self.count(query).await > 0 {
            assert!(tokio::time::Instant::now() < deadline, "still there: {query}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until every mail is sent or failed.
    pub async fn idle(&self) {
        self.until_none("SELECT count(*) FROM outbox WHERE state = 'queued'").await;
    }

    /// Waits until no mail is queued, then stops the server. Mails that have arrived count as read, including those to
    /// a user who was erased at that moment.
    pub async fn finish_with_any_mail(mut self) {
        self.idle().await;
        self.server.take().unwrap().stop().await;
        self.db.close().await;
    }

    /// Waits until no mail is queued, then fails the test if there is unread mail.
    pub async fn finish(mut self) {
        self.idle().await;
        self.server.take().unwrap().stop().await;
        let unread: Vec<Vec<String>> = self
            .smtp
            .mails()
            .iter()
            .skip(self.read.load(Ordering::Relaxed))
            .map(|mail| mail.to.clone())
            .collect();
        assert_eq!(unread, Vec::<Vec<String>>::new(), "mail that the test did not expect");
        self.db.close().await;
    }
}

fn credentials(who: As<'_>) -> Vec<(&str, String)> {
    let key = |app: &App, key: &str, key_type: &str| {
        vec![
            ("X-API-KEY", key.to_owned()),
            ("X-API-KEY-TYPE", key_type.to_owned()),
            ("X-CLIENT-ID", app.id.to_string()),
        ]
    };
    match who {
        As::Nobody => vec![],
        As::Write(app) => key(app, &app.write_key, "write"),
        As::Read(app) => key(app, &app.read_key, "read"),
        As::Token(token) => vec![("Authorization", format!("Bearer {token}"))],
        As::Headers(headers) => headers,
    }
}

/// Creates an app with only a name.
pub fn new_app(name: &str) -> apps::App {
    apps::App {
        app_id: id::public(),
        name: name.to_owned(),
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
        origins: vec![],
        issuer: None,
        jwks_url: None,
    }
}

/// The key pair of the `nth` app of a database. To make one takes a tenth of a second, so tests share sixteen.
fn key_pair(nth: i64) -> NewKeyPair {
    static PAIRS: [OnceLock<NewKeyPair>; 16] = [const { OnceLock::new() }; 16];
    let pair = PAIRS[usize::try_from(nth).unwrap() % PAIRS.len()].get_or_init(NewKeyPair::generate);
    NewKeyPair { id: id::new(), public: pair.public.clone(), private: pair.private.clone() }
}

/// Stores an app with a key pair and an API key of each type.
pub async fn create_app(db: &userdocks::db::Pool, seal: &SecretKey, app: &apps::App) -> App {
    let mut db = db.acquire().await.unwrap();
    let others = sqlx::query_scalar("SELECT count(*) FROM apps").fetch_one(&mut *db).await.unwrap();
    apps::create(&mut db, app, &key_pair(others), seal).await.unwrap();
    let mut keys = Vec::new();
    for key_type in [KeyType::Read, KeyType::Write] {
        let key = ApiKey::generate(key_type);
        api_keys::create(&mut db, AppId(app.app_id), &key, None).await.unwrap();
        keys.push(key.expose().to_owned());
        secrets::keep(key.expose());
    }
    let [read_key, write_key] = keys.try_into().unwrap();
    App { id: AppId(app.app_id), read_key, write_key }
}

/// Queues a mail to each address, due in `due` seconds. Each mail belongs to an invite of its own user, as the API
/// would create it.
pub async fn queue(db: &userdocks::db::Pool, seal: &SecretKey, app: AppId, to: &[String], due: f64) {
    let ids: Vec<Uuid> = to.iter().map(|_| id::new()).collect();
    let codes: Vec<InviteCode> = to.iter().map(|_| InviteCode::generate(app)).collect();
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| code.hash().to_vec()).collect();
    let secrets: Vec<Vec<u8>> = ids
        .iter()
        .zip(&codes)
        .map(|(id, code)| seal.seal(Purpose::Code, *id, code.expose().as_bytes()))
        .collect();
    sqlx::query(
        "WITH mails AS (
            SELECT * FROM unnest($2::uuid[], $3::text[], $4::bytea[], $5::bytea[]) AS m(id, email, hash, secret)
        ), tenant AS (
            INSERT INTO tenants (app_id, tenant_id) SELECT $1, id FROM mails
        ), person AS (
            INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code)
            SELECT $1, id, id, email, 'en', id::text FROM mails
        ), invite AS (
            INSERT INTO invites (app_id, invite_id, kind, user_id, email, language, code_hash, expires_at)
            SELECT $1, id, 'invite', id, email, 'en', hash, now() + interval '1 day' FROM mails
        )
        INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id, due_at)
        SELECT $1, id, id, 'invite', email, 'en', secret, '<' || id || '@id.example>',
            now() + make_interval(secs => $6)
        FROM mails",
    )
    .bind(app.0)
    .bind(&ids)
    .bind(to)
    .bind(hashes)
    .bind(secrets)
    .bind(due)
    .execute(db)
    .await
    .unwrap();
}

/// The code in the link of an invite mail.
pub fn code(mail: &Mail) -> String {
    let text = mail.text();
    let start = text.find("/invites/").unwrap_or_else(|| panic!("no link in {text}")) + "/invites/".len();
    let code: String =
        text[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    secrets::keep(&code);
    code
}

/// A random UUID as text, for paths.
pub fn new_id() -> Uuid {
    id::public()
}
