//! A scenario: one or more real servers on a real PostgreSQL and a real SMTP server, under load, with proxies that can
//! break every connection between them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use userdocks::db::{Pool, users};
use userdocks::domain::credentials::secret_key::SecretKey;
use userdocks::domain::email::Email;
use userdocks::domain::id::UserId;
use userdocks::domain::language::Language;

use crate::check::{self, Report};
use crate::load::{Kind, Load, Outcome};
use crate::support::child::{Place, Serve};
use crate::support::proxy::Proxy;
use crate::support::smtp::Smtp;
use crate::support::{self, App, DEADLINE, SECRET_KEY, new_id};

/// The longest time until the server works again after a fault (I5).
pub const RECOVERY: Duration = Duration::from_secs(30);

pub struct Scenario {
    pub smtp: Smtp,
    /// The proxy between the servers and the database.
    pub line: Proxy,
    /// The test's own connections to the database.
    pub db: Pool,
    pub place: Place,
    pub app: App,
    pub seal: SecretKey,
    pub load: Load,
    pub servers: Vec<Serve>,
    /// How often the fault was injected.
    pub injected: usize,
    /// By recipient, acknowledgements of mails that did not reach a server, or that it could not record.
    pub lost: BTreeMap<String, usize>,
    /// The longest recovery time.
    pub recovery: Duration,
    /// Breaches found during the fault.
    pub breaches: Vec<String>,
}

/// The settings of a server under test: the usual ones, with quick retries and without rate limits.
fn variables(database_url: &str, smtp_url: &str) -> Vec<(&'static str, String)> {
    [
        ("DATABASE_URL", database_url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", smtp_url),
        ("USERDOCKS_MAIL__RETRY_AFTER", "1s"),
        ("USERDOCKS_DATABASE__MAX_CONNECTIONS", "8"),
        ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "1000000"),
        ("USERDOCKS_LIMITS__REQUESTS_PER_KEY_PER_SECOND", "1000000"),
        ("USERDOCKS_LOG__FORMAT", "text"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

impl Scenario {
    /// Uses a migrated database of the PostgreSQL that all tests share. No server runs yet.
    pub async fn new() -> Self {
        Self::on(&support::database(true).await, Smtp::start().await).await
    }

    /// Uses the migrated database of this URL, which leads to a socket.
    pub async fn on(url: &str, smtp: Smtp) -> Self {
        let (line, through) = Proxy::to_database(url).await;
        Self::along(url, line, &through, smtp).await
    }

    /// Uses this proxy, and the URL by which a server reaches it.
    pub async fn along(url: &str, line: Proxy, through: &str, smtp: Smtp) -> Self {
        let mut place = Place::new(&[]);
        for (name, value) in variables(through, &smtp.url()) {
            place.set(name, &value);
        }
        let options = userdocks::db::options(url).unwrap().application_name("test");
        let db = Pool::new(options, 4, Duration::from_secs(30));
        let seal = SecretKey::new(&hex::decode(SECRET_KEY).unwrap().try_into().unwrap());
        let app = support::create_app(&db, &seal, &support::new_app("Acme")).await;
        let mut people = Vec::new();
        let mut connection = db.acquire().await.unwrap();
        for number in 0..Load::people() {
            let (user, email) = (UserId(new_id()), format!("caller-{number}@load.example"));
            let (email, language) = (Email::parse(&email).unwrap(), Language::parse("en").unwrap());
            users::demo::create(&mut connection, app.id, user, &email, &language, "Ada").await.unwrap();
            people.push(user);
        }
        drop(connection);
        let load = Load::new(app.clone(), people);
        Self {
            smtp,
            line,
            db,
            place,
            app,
            seal,
            load,
            servers: Vec::new(),
            injected: 0,
            lost: BTreeMap::new(),
            recovery: Duration::ZERO,
            breaches: Vec::new(),
        }
    }

    /// Starts a server and adds it to the targets of the load.
    pub fn serve(&mut self) {
        self.servers.push(self.place.serve());
        self.aim();
    }

    /// Starts a server and the load, and waits until calls succeed.
    pub async fn under_load(&mut self) {
        self.serve();
        self.load.start();
        self.load.flows(40).await;
    }

    /// Directs the load to the running servers.
    pub fn aim(&self) {
        self.load.to(self.servers.iter().map(|server| server.url.clone()).collect());
    }

    /// Kills the oldest server with SIGKILL, and lists the mails that it had sent but not marked as sent.
    pub async fn kill(&mut self) {
        self.injected += 1;
        self.servers.remove(0).kill();
        if self.servers.is_empty() {
            self.sessions_end().await;
        }
        self.note_unrecorded().await;
    }

    /// Waits until PostgreSQL has ended the sessions of a killed server.
    async fn sessions_end(&self) {
        let sessions = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'userdocks'";
        self.until_none(sessions).await;
    }

    /// Waits until a counting query returns 0.
    pub async fn until_none(&self, query: &str) {
        let begun = Instant::now();
        while self.count(query).await > 0 {
            assert!(begun.elapsed() < DEADLINE, "still there: {query}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Records the mails that the SMTP server accepted and that are still queued: the acknowledgement was lost with the
    /// server that received it.
    pub async fn note_unrecorded(&mut self) {
        let queued: Vec<String> = sqlx::query_scalar("SELECT recipient FROM outbox WHERE state = 'queued'")
            .fetch_all(&self.db)
            .await
            .unwrap();
        for to in queued {
            let copies = self.smtp.copies(&to);
            if copies > 0 {
                self.lost.insert(to, copies);
            }
        }
    }

    pub async fn execute(&self, statement: &str) {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&self.db).await.unwrap();
    }

    pub async fn count(&self, query: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned())).fetch_one(&self.db).await.unwrap()
    }

    /// Ends the fault: measures the time until an invite is answered and its mail arrives (I5).
    pub async fn recovers(&mut self) {
        let over = Instant::now();
        let give_up = 2 * RECOVERY;
        loop {
            let email = format!("after-{}@load.example", new_id());
            let call = self.load.call(Kind::Invite, new_id(), &email, None).await;
            let arrived = || self.smtp.copies(&email) > 0;
            if matches!(call.outcome, Outcome::Acknowledged(_)) {
                while !arrived() && over.elapsed() < give_up {
                    sleep(Duration::from_millis(20)).await;
                }
            }
            if arrived() || over.elapsed() >= give_up {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.recovery = self.recovery.max(over.elapsed());
    }

    /// Ends the load and checks every invariant.
    pub async fn ends(mut self) -> Report {
        self.load.stop().await;
        check::whole(&mut self).await
    }

    /// Ends the scenario: measures the recovery time, then checks every invariant.
    pub async fn over(mut self) -> Report {
        self.recovers().await;
        self.ends().await
    }

    /// Adds a breach if a condition of the fault does not hold.
    pub fn expect(&mut self, so: bool, what: impl Into<String>) {
        if !so {
            self.breaches.push(what.into());
        }
    }
}
