//! `kill -9` at exact points: a proxy to the database, or the SMTP server, holds the server there.

use nix::sys::signal::Signal;
use tokio::time::sleep;
use uuid::Uuid;

use crate::check::Report;
use crate::load::{Kind, Outcome};
use crate::scenario::Scenario;
use crate::support::child::Place;
use crate::support::proxy::{Proxy, Way};
use crate::support::smtp::{Act, Smtp, Stage};
use crate::support::{self, SECRET_KEY, new_id};

impl Scenario {
    /// Kills the only server when a message of this call with these bytes reaches the proxy; starts another.
    async fn kill_at(
        &mut self,
        way: Way,
        bytes: impl Into<Vec<u8>>,
        (kind, user, email, key): (Kind, Uuid, &str, Option<&str>),
        committed: bool,
    ) {
        self.line.hold(way, bytes);
        let call = self.load.call(kind, user, email, key);
        self.line.held().await;
        self.kill().await;
        self.line.release();
        let call = call.await;
        self.expect(matches!(call.outcome, Outcome::Lost(_)), format!("I1: not lost: {call:?}"));
        let stored = self.count(&format!("SELECT count(*) FROM outbox WHERE recipient = '{email}'")).await;
        self.expect(stored == i64::from(committed), format!("I1: {stored} mails after {call:?}"));
        self.serve();
        self.recovers().await;
    }
}

pub async fn before_commit() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.serve();
    let by = scenario.load.person(0);
    for (number, key) in [None, Some("a"), None, Some("b")].into_iter().enumerate() {
        let (email, kind) =
            (format!("before-{number}@load.example"), [Kind::Invite, Kind::Referral][number / 2]);
        let user = if kind == Kind::Invite { new_id() } else { by };
        let bytes = if key.is_some() { "COMMIT" } else { &email };
        scenario.kill_at(Way::Up, bytes, (kind, user, &email, key), false).await;
    }
    scenario.load.start();
    scenario.load.flows(40).await;
    scenario.over().await
}

pub async fn after_commit() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.serve();
    let by = scenario.load.person(0);
    let user = new_id();
    scenario
        .kill_at(Way::Down, *user.as_bytes(), (Kind::Invite, user, "after@load.example", None), true)
        .await;
    for (kind, user, key) in
        [(Kind::Invite, new_id(), "a"), (Kind::InviteBy, by, "b"), (Kind::Referral, by, "c")]
    {
        let email = format!("after-{key}@load.example");
        scenario.kill_at(Way::Down, "COMMIT", (kind, user, &email, Some(key)), true).await;
    }
    scenario.load.start();
    scenario.load.flows(40).await;
    scenario.over().await
}

pub async fn after_claim() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.smtp.script(|seen| {
        (seen.stage == Stage::Rcpt && seen.recipient.starts_with("claimed")).then_some(Act::Hang)
    });
    scenario.under_load().await;
    let call = scenario.load.call(Kind::Invite, new_id(), "claimed@load.example", None).await;
    scenario.expect(matches!(call.outcome, Outcome::Acknowledged(_)), format!("I1: {call:?}"));
    scenario.until_none("SELECT count(*) FROM outbox WHERE recipient LIKE 'claimed%' AND NOT claimed").await;
    scenario.kill().await;
    scenario.smtp.script(|_| None);
    scenario.serve();
    scenario.over().await
}

pub async fn after_250() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.serve();
    for number in 0..2 {
        let email = format!("taken-{number}@load.example");
        scenario.line.hold(Way::Up, "250 2.0.0 Ok: queued");
        let call = scenario.load.call(Kind::Invite, new_id(), &email, None).await;
        scenario.expect(matches!(call.outcome, Outcome::Acknowledged(_)), format!("I1: {call:?}"));
        scenario.line.held().await;
        scenario.kill().await;
        scenario.line.release();
        scenario.expect(scenario.lost.contains_key(&email), "the kill came too late");
        scenario.serve();
        scenario
            .until_none(&format!(
                "SELECT count(*) FROM outbox WHERE recipient = '{email}' AND state = 'queued'"
            ))
            .await;
    }
    scenario.load.start();
    scenario.load.flows(40).await;
    let report = scenario.over().await;
    assert_eq!(report.copies, 2, "the fault was not made");
    report
}

pub async fn during_migration() -> Report {
    let smtp = Smtp::start().await;
    let url = support::database(false).await;
    let (line, through) = Proxy::to_database(&url).await;
    let place = Place::new(&[
        ("DATABASE_URL", &through),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
    ]);
    let points = [
        (Way::Up, "CREATE TABLE users"),
        (Way::Down, "CREATE TABLE"),
        (Way::Up, "CREATE TABLE idempotency_keys"),
        (Way::Up, "COMMIT"),
        (Way::Down, "COMMIT"),
    ];
    for (way, bytes) in points {
        line.hold(way, bytes);
        let mut server = place.spawn();
        line.held().await;
        server.signal(Signal::SIGKILL);
        server.ended();
        line.release();
    }
    let server = place.serve();
    let migrations = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap().count();
    let mut scenario = Scenario::along(&url, line, &through, smtp).await;
    scenario.injected = points.len();
    let applied = scenario.count("SELECT count(*) FROM _sqlx_migrations WHERE success").await;
    scenario.expect(usize::try_from(applied) == Ok(migrations), format!("I5: {applied} migrations applied"));
    scenario.servers.push(server);
    scenario.aim();
    scenario.load.start();
    scenario.load.flows(40).await;
    scenario.over().await
}

/// Kills at a random point, three times, under load, while another server works.
pub async fn anywhere() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.serve();
    scenario.under_load().await;
    for _ in 0..3 {
        scenario.load.flows(50).await;
        scenario.kill().await;
        scenario.aim();
        scenario.load.flows(20).await;
        scenario.serve();
    }
    sleep(std::time::Duration::from_millis(200)).await;
    scenario.over().await
}
