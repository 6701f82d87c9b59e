//! Overload tests of the real program: the effect of refused requests on accepted ones. Figures are printed; only
//! ratios within a run are asserted, with a margin for a busy machine. Not part of `cargo test`, because they need the
//! machine for some minutes:
//!
//!     cargo test --release --test overload -- --nocapture --test-threads 1
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures"
)]

mod load;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use userdocks::db::Pool;
use userdocks::domain::credentials::api_key::{ApiKey, KeyType};
use userdocks::domain::credentials::secret_key::SecretKey;
use userdocks::domain::invites::InviteCode;
use uuid::Uuid;

use load::{Callers, Seen};
use support::child::{Place, Serve};
use support::smtp::Smtp;
use support::{App, DEADLINE, SECRET_KEY, create_app, new_app, new_id};

const LASTING: Duration = Duration::from_secs(8);
/// The number of clients that keep the server fully busy.
const CAPACITY: usize = 32;

/// More clients than the server accepts and queues.
const OVERLOAD: usize = 3_000;

/// A server with production settings, an app and some users.
struct World {
    server: Serve,
    _place: Place,
    smtp: Smtp,
    db: Pool,
    seal: SecretKey,
    app: App,
    users: Vec<Uuid>,
}

impl World {
    async fn new() -> Self {
        let url = support::database(true).await;
        let smtp = Smtp::start().await;
        let place = Place::new(&[
            ("DATABASE_URL", url.as_str()),
            ("USERDOCKS_SECRET_KEY", SECRET_KEY),
            ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
            ("USERDOCKS_LIMITS__REQUESTS_PER_KEY_PER_SECOND", "1000000"),
            ("RUST_LOG", "warn"),
        ]);
        let server = place.serve();
        let db = Pool::new(userdocks::db::options(&url).unwrap(), 4, Duration::from_secs(600));
        let seal = SecretKey::new(&hex::decode(SECRET_KEY).unwrap().try_into().unwrap());
        let app = create_app(&db, &seal, &new_app("Acme")).await;
        let users: Vec<Uuid> = (0..OVERLOAD).map(|_| new_id()).collect();
        sqlx::query(
            "WITH tenant AS (INSERT INTO tenants (app_id, tenant_id) SELECT $1, unnest($2::uuid[]))
            INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code)
            SELECT $1, id, id, id || '@example.com', 'en', id::text FROM unnest($2::uuid[]) AS id",
        )
        .bind(app.id.0)
        .bind(&users)
        .execute(&db)
        .await
        .unwrap();
        Self { server, _place: place, smtp, db, seal, app, users }
    }

    fn address(&self) -> SocketAddr {
        self.server.url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    fn update(&self, user: Uuid, key: &str) -> Vec<u8> {
        let body = r#"{"user":{"nickname":"ada","given_name":"Ada"}}"#;
        format!(
            "PUT /v1/users/{user} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {key}\r\nX-API-KEY-TYPE: write\r\n\
             X-CLIENT-ID: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.app.id,
            body.len()
        )
        .into_bytes()
    }

    /// Updates of users by this many clients.
    fn updates(&self, callers: usize) -> Callers {
        let requests = self.users[..callers].iter();
        Callers {
            address: self.address(),
            requests: requests.map(|user| Arc::new(vec![self.update(*user, &self.app.write_key)])).collect(),
            pause: Duration::ZERO,
            pause_refused: Duration::from_millis(100),
            lasting: LASTING,
            unseen: Duration::ZERO,
        }
    }

    /// Resident memory of the server, KiB.
    fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn end(self) {
        self.server.stop();
    }
}

/// `GET` of a path on a new connection: its status and its time.
async fn get(address: SocketAddr, path: &str) -> (u16, Duration) {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    (answer[9..12].parse().unwrap(), begun.elapsed())
}

/// Polls `/healthz` while a future runs, and returns the longest response time, milliseconds.
async fn alive_while<T>(address: SocketAddr, work: impl Future<Output = T>) -> (T, f64) {
    let mut longest = Duration::ZERO;
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return (done, longest.as_secs_f64() * 1000.0),
            (status, time) = get(address, "/healthz") => {
                assert_eq!(status, 200);
                longest = longest.max(time);
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// The median.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn p99(seen: &Seen) -> f64 {
    seen.quantile(200, 0.99)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overload_sheds_requests_with_503_and_bounds_p99() {
    let world = World::new().await;
    world.updates(CAPACITY).call().await;
    let (mut before, mut over, mut refused, mut goodput) = (vec![], vec![], vec![], vec![]);
    for _ in 0..3 {
        let capacity = world.updates(CAPACITY).call().await;
        println!("{}", capacity.line("32 callers"));
        capacity.assert_only(&[200]);
        let memory = world.memory();
        // A burst may wait longer for two seconds: this load lasts longer.
        let more = Callers { unseen: Duration::from_secs(3), ..world.updates(OVERLOAD) };
        let (overload, health) = alive_while(world.address(), more.call()).await;
        println!("{}", overload.line("3,000 callers"));
        println!(
            "    slowest /healthz {health:.0} ms, memory {memory:.0} KiB before, {:.0} KiB after",
            world.memory()
        );
        overload.assert_only(&[200, 503]);
        assert!(overload.count(503) > 0, "no overload");
        before.push(p99(&capacity));
        over.push(p99(&overload));
        refused.push(overload.quantile(503, 0.5));
        goodput.push(overload.rate(200) / capacity.rate(200));
    }
    let (before, over, goodput) = (median(before), median(over), median(goodput));
    println!("p99 of the admitted: {:.1} times that at capacity; goodput {goodput:.2}", over / before);
    // A request may wait in the queue for 100 ms.
    assert!(over < 100.0 + before * 12.0, "{over} ms, {before} ms at capacity");
    assert!(goodput > 0.25, "{goodput}");
    // A refusal is sent sooner than the delay of its `Retry-After`.
    assert!(median(refused) < 1000.0, "a refusal waits too long");
    // The overload ends with the load.
    let after = world.updates(CAPACITY).call().await;
    println!("{}", after.line("32 callers, after"));
    after.assert_only(&[200]);
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn million_due_mails_do_not_slow_requests() {
    let world = World::new().await;
    let steady = || Callers { pause: Duration::from_millis(10), ..world.updates(8) };
    steady().call().await;
    let due: i64 = sqlx::query_scalar("SELECT extract(epoch FROM now())::bigint + 120")
        .fetch_one(&world.db)
        .await
        .unwrap();
    fill(&world, due).await;
    let mut before = Vec::new();
    for _ in 0..3 {
        let seen = steady().call().await;
        println!("{}", seen.line("8 callers, no mail due"));
        before.push(p99(&seen));
    }
    let memory = world.memory();
    assert_eq!(
        world.smtp.mails().len(),
        0,
        "released before its time: the machine is too slow for this test"
    );
    world.smtp.wait_for(1, Duration::from_mins(3)).await;
    let mut during = Vec::new();
    for _ in 0..3 {
        let (sent, begun) = (world.smtp.mails().len(), Instant::now());
        let seen = steady().call().await;
        let mails = world.smtp.mails().len() - sent;
        println!(
            "{}  and {:.0} mails/s",
            seen.line("8 callers, a million mails due"),
            mails as f64 / begun.elapsed().as_secs_f64()
        );
        assert!(mails > 0);
        seen.assert_only(&[200]);
        during.push(p99(&seen));
    }
    let (before, during, grown) = (median(before), median(during), world.memory() - memory);
    println!(
        "p99 {during:.1} ms, {:.2} times that without; memory {memory:.0} KiB and {grown:.0} KiB more",
        during / before
    );
    assert!(during < before * 3.0, "{during} ms, {before} ms without");
    assert!(grown < 16.0 * 1024.0, "{grown} KiB");
    world.end();
}

/// Queues a million mails that are due at the same time. Only the first of them can be sent in the time of the test.
async fn fill(world: &World, due: i64) {
    let invite = new_id();
    sqlx::query(
        "INSERT INTO invites (app_id, invite_id, kind, user_id, email, language, code_hash, expires_at)
        VALUES ($1, $2, 'invite', $3, 'ada@example.com', 'en', '\\x00', now() + interval '1 day')",
    )
    .bind(world.app.id.0)
    .bind(invite)
    .bind(world.users[0])
    .execute(&world.db)
    .await
    .unwrap();
    let insert = "INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id, due_at)
        SELECT $1, id, $2, 'invite', id || '@x.example', 'en', secret, '<' || id || '@id.example>', to_timestamp($3)
        FROM unnest($4::uuid[], $5::bytea[]) AS m(id, secret)";
    let mut sealed = 0;
    for part in 0..100 {
        let ids: Vec<Uuid> = (0..10_000).map(|_| new_id()).collect();
        let secrets: Vec<Vec<u8>> = ids
            .iter()
            .map(|id| {
                // A third of them get a real code, sealed.
                if part < 34 {
                    sealed += 1;
                    world.seal.seal(
                        userdocks::domain::credentials::secret_key::Purpose::Code,
                        *id,
                        InviteCode::generate(world.app.id).expose().as_bytes(),
                    )
                } else {
                    vec![0]
                }
            })
            .collect();
        sqlx::query(insert)
            .bind(world.app.id.0)
            .bind(invite)
            .bind((due - i64::from(part < 34)) as f64)
            .bind(&ids)
            .bind(&secrets)
            .execute(&world.db)
            .await
            .unwrap();
    }
    sqlx::query("ANALYZE outbox").execute(&world.db).await.unwrap();
    println!("1,000,000 mails wait, {sealed} of which can be sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_use_little_memory_and_block_no_requests() {
    let world = World::new().await;
    let before = world.updates(8).call().await;
    println!("{}", before.line("8 callers"));
    for (what, sent) in [("silent", ""), ("idle after a request", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")]
    {
        let memory = world.memory();
        let mut connections = Vec::new();
        for _ in 0..5000 {
            let mut stream = TcpStream::connect(world.address()).await.unwrap();
            stream.write_all(sent.as_bytes()).await.unwrap();
            if !sent.is_empty() {
                stream.readable().await.unwrap();
            }
            connections.push(stream);
        }
        let with = world.memory();
        println!("5,000 connections, {what}: {:.1} KiB each, {with:.0} KiB in all", (with - memory) / 5000.0);
        assert!((with - memory) / 5000.0 < 24.0);
        let beside = Callers { lasting: Duration::from_secs(2), ..world.updates(8) }.call().await;
        println!("{}", beside.line(&format!("8 callers beside 5,000 {what}")));
        beside.assert_only(&[200]);
        assert!(p99(&beside) < p99(&before) * 5.0);
        // The server closes them itself.
        let deadline = Instant::now() + DEADLINE;
        for mut stream in connections {
            let mut rest = Vec::new();
            let end = tokio::time::timeout_at(deadline, stream.read_to_end(&mut rest)).await;
            assert!(end.is_ok(), "an idle connection is kept");
        }
    }
    world.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_key_flood_does_not_slow_valid_keys() {
    let world = World::new().await;
    let steady = || Callers { pause: Duration::from_millis(10), ..world.updates(8) };
    let keys: Vec<Arc<Vec<Vec<u8>>>> = (0..64)
        .map(|_| {
            let key = || ApiKey::generate(KeyType::Write).expose().to_owned();
            Arc::new((0..200).map(|_| world.update(world.users[0], &key())).collect())
        })
        .collect();
    steady().call().await;
    let (mut before, mut during) = (vec![], vec![]);
    for _ in 0..3 {
        let alone = steady().call().await;
        println!("{}", alone.line("8 callers"));
        before.push(p99(&alone));
        let flood = Callers { requests: keys.clone(), pause_refused: Duration::ZERO, ..world.updates(0) };
        let (good, bad) = tokio::join!(steady().call(), flood.call());
        println!("{}", good.line("8 callers beside the flood"));
        println!("{}", bad.line("64 callers with made-up keys"));
        good.assert_only(&[200]);
        bad.assert_only(&[401, 429]);
        assert!(bad.rate(401) < 1100.0, "look-ups are not bounded");
        during.push(p99(&good));
    }
    let (before, during) = (median(before), median(during));
    println!("p99 {during:.1} ms, {:.2} times that without", during / before);
    assert!(during < before * 3.0, "{during} ms, {before} ms without");
    world.end();
}
