//! PostgreSQL in common configurations: database defaults, encodings, URL forms, certificates.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, UnixStream};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use userdocks::db;

use crate::support::child::Place;
use crate::support::{self, DEADLINE, SECRET_KEY};

async fn execute(options: &PgConnectOptions, sql: String) {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn session_settings_override_database_defaults() {
    let options = PgConnectOptions::from_str(&support::database(false).await).unwrap();
    let name = options.get_database().unwrap();
    for setting in [
        "default_transaction_isolation = 'serializable'",
        "TimeZone = 'Asia/Kolkata'",
        "search_path = 'nowhere'",
        "lock_timeout = '1ms'",
        "idle_session_timeout = '1min'",
        "statement_timeout = '1min'",
    ] {
        execute(&options, format!("ALTER DATABASE {name} SET {setting}")).await;
    }
    db::migrate(&options).await.unwrap();
    let pool = db::Pool::new(options.clone(), 1, Duration::from_secs(24));
    for (setting, value) in [
        ("default_transaction_isolation", "read committed"),
        ("TimeZone", "UTC"),
        ("search_path", "public"),
        ("lock_timeout", "0"),
        ("idle_session_timeout", "0"),
        ("statement_timeout", "24s"),
    ] {
        let mut connection = pool.acquire().await.unwrap();
        let show = sqlx::query_scalar::<_, String>(AssertSqlSafe(format!("SHOW {setting}")));
        assert_eq!(show.fetch_one(&mut *connection).await.unwrap(), value, "{setting}");
        connection.release();
    }
    let mut begun = db::Transaction::begin(&pool).await.unwrap();
    let show = sqlx::query_scalar::<_, String>("SHOW transaction_isolation");
    assert_eq!(show.fetch_one(&mut *begun).await.unwrap(), "read committed");
}

/// The migrations of development versions, as they were recorded.
const DEVELOPMENT: &str = "DELETE FROM _sqlx_migrations;
    INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
    SELECT v, CASE v WHEN 1 THEN 'initial' ELSE 'later' END, true, '', 0
    FROM unnest(ARRAY[1, 2, 3, 5, 6, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 23, 24, 25, 26, 29, 30]) v";

#[tokio::test(flavor = "multi_thread")]
async fn development_database_is_adopted_or_refused_with_a_hint() {
    let options = PgConnectOptions::from_str(&support::database(true).await).unwrap();
    let pool = db::Pool::new(options.clone(), 1, Duration::from_secs(24));
    let recorded = async || {
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        sqlx::query_as::<_, (i64, String)>(
            "SELECT version, description FROM _sqlx_migrations ORDER BY version",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap()
    };
    let migrated = recorded().await;
    assert_eq!(migrated[0], (1, "apps".to_owned()));
    // What later migrations have added.
    let added = "ALTER TABLE apps DROP home_url, DROP footer, DROP imprint_url, DROP privacy_url;
        DROP TABLE mail_templates, operator_challenges, operator_passkeys, operator_sessions, operators, audit_events, imports;
        DROP INDEX users_name_prefix, users_newest, users_frozen, invite_events_reports, outbox_failed,
            webhook_deliveries_newest";
    execute(&options, format!("{added}; {DEVELOPMENT}")).await;
    let (one, other) = tokio::join!(db::migrate(&options), db::migrate(&options));
    one.and(other).unwrap();
    assert_eq!(recorded().await, migrated);
    assert!(db::is_ready(&pool).await.unwrap());

    execute(&options, format!("{DEVELOPMENT} WHERE v <> 29")).await;
    let before = recorded().await;
    assert_eq!(
        db::migrate(&options).await.unwrap_err().to_string(),
        "the database was made by a development version and lacks its last migrations: run `userdocks migrate` of \
         commit 38e86ae, then of this version"
    );
    assert_eq!(recorded().await, before);
}

/// A role whose search path leads to a schema of its own, which holds the tables.
#[tokio::test(flavor = "multi_thread")]
async fn tables_in_a_non_public_search_path_schema_are_found() {
    let options = PgConnectOptions::from_str(&support::database(true).await).unwrap();
    let name = options.get_database().unwrap();
    execute(&options, "ALTER SCHEMA public RENAME TO \"Own\"; CREATE SCHEMA public".to_owned()).await;
    execute(&options, format!("ALTER DATABASE {name} SET search_path = '$user', \"Own\"")).await;
    db::migrate(&options).await.unwrap();
    let pool = db::Pool::new(options, 1, Duration::from_secs(24));
    assert!(db::is_ready(&pool).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn latin1_database_is_refused() {
    let options = PgConnectOptions::from_str(&support::database(false).await).unwrap();
    let name = format!("{}_latin1", options.get_database().unwrap());
    execute(
        &options,
        format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C'"),
    )
    .await;
    let socket = options.get_socket().unwrap().display();
    let url = format!("postgres:///{name}?user=postgres&host={socket}");
    let place = Place::new(&[("DATABASE_URL", &url), ("USERDOCKS_SECRET_KEY", SECRET_KEY)]);
    for command in ["serve", "migrate"] {
        assert_eq!(
            place.failure(&[command]),
            "the database at DATABASE_URL cannot be used: the encoding of the database is LATIN1 and must be UTF8: \
             make it with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_database_url_form_connects() {
    let options = PgConnectOptions::from_str(&support::database(true).await).unwrap();
    let (name, socket) =
        (options.get_database().unwrap(), options.get_socket().unwrap().display().to_string());
    let encoded = socket.replace('/', "%2F");
    let front = front(options.get_socket().unwrap().clone(), None, "[::1]:0").await;
    for url in [
        format!("postgres://postgres:p%40ss%2Bw+d@/{name}?host={socket}"),
        format!("postgresql://postgres@/{name}?host={socket}"),
        format!("postgres://postgres@:5432/{name}?host={socket}"),
        format!("postgres:///{name}?host={socket}&user=postgres"),
        format!("postgres://postgres@{encoded}/{name}"),
        format!("postgres://postgres@[::1]:{front}/{name}"),
        format!("postgres://postgres@localhost:{front}/{name}?host=::1"),
    ] {
        let place = Place::new(&[("DATABASE_URL", &url), ("USERDOCKS_SECRET_KEY", SECRET_KEY)]);
        assert_eq!(place.json(&["app", "list"]), json!([]), "{url}");
        assert!(!place.text(&["config", "check"]).contains("ss%2Bw"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_certificate_is_checked_only_with_sslmode_verify() {
    let url = support::database(true).await;
    let options = PgConnectOptions::from_str(&url).unwrap();
    let name = options.get_database().unwrap();
    let key = KeyPair::generate().unwrap();
    let names = ["localhost".to_owned()];
    let self_signed = CertificateParams::new(names).unwrap().self_signed(&key).unwrap().der().to_vec();
    for (certificate, cause) in
        [(version_1(&self_signed), "UnsupportedCertVersion"), (self_signed, "UnknownIssuer")]
    {
        let socket = options.get_socket().unwrap().clone();
        let port = front(socket, Some((certificate, &key)), "127.0.0.1:0").await;
        for (mode, verified) in [
            ("", false),
            ("?sslmode=prefer", false),
            ("?sslmode=require", false),
            ("?sslmode=verify-ca", true),
            ("?sslmode=verify-full", true),
        ] {
            let url = format!("postgres://postgres@localhost:{port}/{name}{mode}");
            let mut place = Place::new(&[("DATABASE_URL", &url), ("USERDOCKS_SECRET_KEY", SECRET_KEY)]);
            let temporary = place.file("temporary");
            std::fs::create_dir(&temporary).unwrap();
            place.set("TMPDIR", temporary.to_str().unwrap());
            if verified {
                let sentence = place.failure(&["app", "list"]);
                assert!(sentence.contains(cause) && sentence.contains("sslrootcert=FILE"), "{sentence}");
            } else {
                assert_eq!(place.json(&["app", "list"]), json!([]), "{cause} {mode}");
                // No files of a relay remain.
                assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
            }
        }
        // A server works through the relay, with another URL for its session features.
        let in_its_role = format!("postgres://userdocks_server@localhost:{port}/{name}");
        let place = Place::new(&[
            ("DATABASE_URL", &in_its_role),
            ("USERDOCKS_SECRET_KEY", SECRET_KEY),
            ("USERDOCKS_DATABASE__DIRECT_URL", &format!("postgres://postgres@localhost:{port}/{name}")),
        ]);
        let server = place.serve();
        let ready = reqwest::get(format!("{}/readyz", server.url)).await.unwrap();
        assert_eq!(ready.status(), 200);
        server.stop();
    }
}

/// Listens in front of the socket of a PostgreSQL, with TLS if there is a certificate; returns the port.
async fn front(socket: PathBuf, tls: Option<(Vec<u8>, &KeyPair)>, listen: &str) -> u16 {
    let listener = TcpListener::bind(listen).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tls.map(|(certificate, key)| {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
        let certified = CertifiedKey::new(vec![CertificateDer::from(certificate)], key);
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        TlsAcceptor::from(Arc::new(config))
    });
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (acceptor, socket) = (acceptor.clone(), socket.join(".s.PGSQL.5432"));
            tokio::spawn(async move {
                let mut server = UnixStream::connect(socket).await.unwrap();
                let mut request = [0; 8];
                client.read_exact(&mut request).await.unwrap();
                let Some(acceptor) = acceptor else {
                    client.write_all(b"N").await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                    return;
                };
                client.write_all(b"S").await.unwrap();
                // The test includes a client that refuses the certificate.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

/// The same certificate as X.509 version 1, which has neither the version field nor extensions. It keeps the signature
/// of the original.
fn version_1(certificate: &[u8]) -> Vec<u8> {
    let (_, outer) = elements(certificate).remove(0);
    let mut parts = elements(outer);
    let (_, to_be_signed) = parts.remove(0);
    let kept: Vec<u8> = elements(to_be_signed)
        .into_iter()
        .filter(|(element, _)| !matches!(element[0], 0xa0 | 0xa3))
        .flat_map(|(element, _)| element.to_vec())
        .collect();
    let mut all = sequence(&kept);
    for (element, _) in parts {
        all.extend_from_slice(element);
    }
    sequence(&all)
}

fn sequence(content: &[u8]) -> Vec<u8> {
    let length = match u16::try_from(content.len()).unwrap().to_be_bytes() {
        [0, low @ ..0x80] => vec![low],
        [0, low] => vec![0x81, low],
        [high, low] => vec![0x82, high, low],
    };
    [&[0x30], length.as_slice(), content].concat()
}

/// The consecutive DER elements of some bytes: each element and its content.
fn elements(mut der: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    while !der.is_empty() {
        let bytes = if der[1] < 0x80 { 0 } else { usize::from(der[1] & 0x7f) };
        let length = match bytes {
            0 => usize::from(der[1]),
            _ => der[2..2 + bytes].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
        };
        let start = 2 + bytes;
        found.push((&der[..start + length], &der[start..start + length]));
        der = &der[start + length..];
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn migration_blocked_by_a_lock_is_retried() {
    let options = PgConnectOptions::from_str(&support::database(false).await).unwrap();
    let mut holder = PgConnection::connect_with(&options).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("CREATE TABLE users ()").execute(&mut *lock).await.unwrap();
    let migrating = std::thread::spawn({
        let options = options.clone();
        move || tokio::runtime::Runtime::new().unwrap().block_on(db::migrate(&options))
    });
    let mut watch = PgConnection::connect_with(&options).await.unwrap();
    let waiting = "SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let (mut tries, deadline) = (BTreeSet::new(), Instant::now() + DEADLINE);
    while tries.len() < 2 {
        assert!(Instant::now() < deadline, "{} tries", tries.len());
        let now: Vec<i32> = sqlx::query_scalar(waiting).fetch_all(&mut watch).await.unwrap();
        tries.extend(now);
        sleep(Duration::from_millis(20)).await;
    }
    lock.rollback().await.unwrap();
    tokio::task::spawn_blocking(|| migrating.join()).await.unwrap().unwrap().unwrap();
}
