//! The embedded PostgreSQL and `pgbench` runs on it.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use userdocks::postgres::{Durability, Embedded};

use crate::Plan;
use crate::figure::{Figure, cpu_with_children};

/// The id of the user with this number. Ids are scattered over the index; the SQL and Lua code below use the same
/// formula.
const ID: &str = "lpad(to_hex(({i}::bigint * 1000003) % 4294967296), 8, '0')
    || '-0000-4000-8000-' || lpad(to_hex({i}::bigint), 12, '0')";

pub fn id(number: &str) -> String {
    format!("({})::uuid", ID.replace("{i}", number))
}

/// The embedded database and its address for `pgbench`.
pub struct Store {
    _embedded: Embedded,
    pub options: PgConnectOptions,
    pub folder: PathBuf,
    postmaster: u32,
    settings: Settings,
}

/// PostgreSQL settings that differ from their defaults: names and values.
pub type Settings = Vec<(String, String)>;

impl Store {
    /// Starts it in a folder with these settings.
    pub async fn start(folder: &Path, settings: Settings) -> Self {
        let postgres = folder.join("postgres");
        let mut embedded = Embedded::start(&postgres, Durability::Durable, None).await.unwrap();
        if !settings.is_empty() {
            let mut database = PgConnection::connect_with(&embedded.options()).await.unwrap();
            for (name, value) in &settings {
                let statement = format!("ALTER SYSTEM SET {name} = '{value}'");
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut database).await.unwrap();
            }
            embedded.stop().await;
            embedded = Embedded::start(&postgres, Durability::Durable, None).await.unwrap();
        }
        let options = embedded.options();
        let folder = folder.to_owned();
        let mut store = Self { options, _embedded: embedded, folder, postmaster: 0, settings };
        let file: String = store.value("SELECT pg_read_file('postmaster.pid')").await;
        store.postmaster = file.lines().next().unwrap().parse().unwrap();
        store
    }

    /// The URL for a superuser.
    pub fn url(&self) -> String {
        let socket = self.options.get_socket().unwrap().display().to_string().replace('/', "%2F");
        format!("postgres:///postgres?user=postgres&host={socket}")
    }

    /// CPU time used by PostgreSQL, milliseconds.
    pub fn cpu(&self) -> f64 {
        cpu_with_children(self.postmaster)
    }

    /// Runs a query and returns its text output.
    pub async fn value(&self, query: &str) -> String {
        let mut database = PgConnection::connect_with(&self.options).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut database).await.unwrap()
    }

    /// Runs maintenance (vacuum, checkpoint), so that new rows perform like old ones.
    pub async fn settle(&self) {
        for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
            self.sql(statement).await;
        }
    }

    /// Adds users of an app by their numbers. Their referral codes contain a U, which the server never generates.
    /// Meanwhile, `max_wal_size` is raised to 4 GB: otherwise checkpoint waits of this set-up would be measured.
    pub async fn add_users(&self, app: &str, numbers: RangeInclusive<u64>) {
        const AT_ONCE: u64 = 500_000;
        let usual = |name: &str| !self.settings.iter().any(|(set, _)| set == name);
        if usual("max_wal_size") {
            self.sql("ALTER SYSTEM SET max_wal_size = '4GB'").await;
            self.sql("SELECT pg_reload_conf()").await;
        }
        let (mut from, end) = numbers.into_inner();
        while from <= end {
            let to = end.min(from + AT_ONCE - 1);
            self.sql(&format!(
                "WITH t AS (INSERT INTO tenants (app_id, tenant_id)
                    SELECT '{app}', {id} FROM generate_series({from}, {to}) i)
                INSERT INTO users (app_id, user_id, tenant_id, email, email_verified, language, name, given_name,
                    family_name, referral_code, accepted_at, website, zoneinfo, locale, phone_number)
                SELECT '{app}', {id}, {id}, 'user' || i || '@example.com', true, 'en', 'First Last ' || i, 'First' || i,
                    'Last' || i, 'U' || i, now(), 'https://example.com', 'Europe/Berlin', 'de-DE', '+4930' || i
                FROM generate_series({from}, {to}) i",
                id = id("i"),
            ))
            .await;
            from = to + 1;
        }
        if usual("max_wal_size") {
            self.sql("ALTER SYSTEM RESET max_wal_size").await;
            self.sql("SELECT pg_reload_conf()").await;
        }
        self.settle().await;
    }

    pub async fn sql(&self, statement: &str) {
        let mut database = PgConnection::connect_with(&self.options).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut database).await.unwrap();
    }

    /// Runs `pgbench -M prepared` with a script.
    pub fn pgbench(&self, plan: &Plan, script: &str) -> Figure {
        let logs = tempfile::tempdir_in(&self.folder).unwrap();
        let file = logs.path().join("script.sql");
        std::fs::write(&file, script).unwrap();
        let socket = self.options.get_socket().unwrap();
        let before = self.cpu();
        let output = Command::new("pgbench")
            .args(["-M", "prepared", "-n", "-l", "-j", "2", "-U", "postgres"])
            .args(["-c", &plan.connections.to_string(), "-T", &plan.seconds.to_string(), "-f"])
            .arg(&file)
            .arg("--log-prefix")
            .arg(logs.path().join("log"))
            .args(["-h", socket.to_str().unwrap(), "postgres"])
            .output()
            .expect("pgbench must be installed");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let (_, rest) = text.split_once("tps = ").unwrap();
        let per_second = rest.split_whitespace().next().unwrap().parse().unwrap();
        let mut times: Vec<u64> = Vec::new();
        for entry in std::fs::read_dir(logs.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("log") {
                let lines = std::fs::read_to_string(path).unwrap();
                times.extend(
                    lines.lines().map(|line| line.split(' ').nth(2).unwrap().parse::<u64>().unwrap()),
                );
            }
        }
        let postgres_ms = (self.cpu() - before) / times.len() as f64;
        times.sort_unstable();
        let at = |percent: usize| times[times.len() * percent / 100] as f64 / 1000.0;
        Figure {
            per_second,
            p50_ms: at(50),
            p99_ms: at(99),
            cpu_ms: 0.0,
            postgres_ms,
            refused: 0.0,
            requests: times.len() as f64,
        }
    }
}
