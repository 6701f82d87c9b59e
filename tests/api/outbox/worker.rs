//! Delivery with many mails and workers, and with workers and databases that crash: each mail is sent exactly once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use userdocks::db::outbox;
use userdocks::mail::outbox_worker::{Outage, Worker};
use userdocks::mail::transport::Transport;
use uuid::Uuid;

use crate::outbox::queue::{TAKEN, execute, hasten, invite, mails, queue, restart, server, until};
use crate::support::proxy::Proxy;
use crate::support::smtp::{Act, Mail, Stage};
use crate::support::{self, As, DEADLINE, Test};

fn addresses(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:04}@x.example")).collect()
}

/// Holds every mail to `held@x.example` at the SMTP server. Each notification lets one through.
fn gate(test: &Test) -> Arc<Notify> {
    let gate = Arc::new(Notify::new());
    let act = Act::Hold(Arc::clone(&gate));
    test.smtp.script(move |seen| {
        (seen.recipient == "held@x.example" && seen.stage == Stage::Rcpt).then(|| act.clone())
    });
    gate
}

#[track_caller]
fn assert_once(arrived: &BTreeMap<String, Vec<Mail>>, to: &[String]) {
    assert_eq!(arrived.keys().collect::<Vec<_>>(), to.iter().collect::<Vec<_>>());
    let more: Vec<_> = arrived.iter().filter(|(_, mails)| mails.len() != 1).map(|(to, _)| to).collect();
    assert_eq!(more, Vec::<&String>::new(), "more than once");
}

const CLAIMED: &str = "SELECT EXISTS (SELECT FROM outbox WHERE recipient = 'held@x.example' AND claimed)";
const ALL_SENT: &str = "SELECT NOT EXISTS (SELECT FROM outbox WHERE state <> 'sent')";
const LISTENS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'LISTEN%')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_workers_send_each_mail_once() {
    let test = Test::start().await;
    let gate = gate(&test);
    let mut to = addresses(500);
    to.push("held@x.example".to_owned());
    queue(&test, &to, 0.0).await;
    let mut servers = Vec::new();
    for _ in 0..7 {
        servers.push(server(&test, &[]).await);
    }
    // The worker is blocked on one mail until the API has answered.
    while test.count("SELECT count(*) FROM outbox WHERE state = 'queued'").await > 0 {
        let (path, body) =
            (format!("/v1/users/{}", invite_id(&test).await), json!({ "user": { "nickname": "a" } }));
        let answer = test.call("PUT", &path, As::Write(&test.app), Some(body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        gate.notify_one();
    }
    assert_once(&mails(&test, to.len()).await, &to);
    assert_eq!(test.count("SELECT count(*) FROM outbox WHERE state = 'sent' AND attempts = 1").await, 501);
    for server in servers {
        server.stop().await;
    }
    test.finish().await;
}

async fn invite_id(test: &Test) -> uuid::Uuid {
    sqlx::query_scalar("SELECT user_id FROM users LIMIT 1").fetch_one(&test.db).await.unwrap()
}

#[tokio::test]
async fn mails_are_sent_in_due_order() {
    let mut test = Test::start().await;
    restart(&mut test, &[("USERDOCKS_MAIL__CONNECTIONS", "1")]).await;
    let to = addresses(30);
    queue(&test, &to, 3600.0).await;
    execute(
        &test,
        "UPDATE outbox SET due_at = now() - make_interval(mins => (left(recipient, 4)::int * 7) % 30)",
    )
    .await;
    let mut order = Vec::new();
    for _ in &to {
        order.push(test.mail().await.to.concat());
    }
    let mut expected = to;
    expected.sort_by_key(|to| std::cmp::Reverse(to[..4].parse::<usize>().unwrap() * 7 % 30));
    assert_eq!(order, expected);
    test.finish().await;
}

#[tokio::test]
async fn bulk_of_one_app_does_not_delay_mail_of_another() {
    let mut test = Test::start().await;
    restart(&mut test, &[("USERDOCKS_MAIL__CONNECTIONS", "1")]).await;
    let gate = gate(&test);
    invite(&test, &test.app, "held@x.example").await;
    until(&test, CLAIMED).await;
    queue(&test, &addresses(4), 0.0).await;
    let other = test.another_app().await;
    for at in 0..3 {
        support::queue(&test.db, &test.seal, other.id, &[format!("other{at}@y.example")], 0.0).await;
    }
    gate.notify_one();
    let mut order = Vec::new();
    for _ in 0..8 {
        order.push(test.mail().await.to.concat());
    }
    let expected = ["held@x.example", "other0@y.example", "0000@x.example", "other1@y.example"];
    assert_eq!(order[..4], expected);
    assert_eq!(order[4..6], ["0001@x.example", "other2@y.example"]);
    // The remaining mails are those of the bulk sender.
    assert_eq!(order[6..], ["0002@x.example", "0003@x.example"]);
    test.finish().await;
}

#[tokio::test]
async fn claim_takes_equal_shares_from_all_apps() {
    let mut test = Test::start().await;
    test.server.take().unwrap().stop().await;
    let bulk = test.app.id;
    queue(&test, &addresses(100), -60.0).await;
    let mut others = Vec::new();
    // More rows than one claim looks at.
    for at in 0..50 {
        let other = test.another_app().await;
        let to = [format!("due{at}@y.example"), format!("late{at}@y.example")];
        support::queue(&test.db, &test.seal, other.id, &to, 0.0).await;
        others.push(other.id);
    }
    execute(&test, "UPDATE outbox SET due_at = now() + interval '1 hour' WHERE recipient LIKE 'late%'").await;
    let lease = Duration::from_hours(1);
    let mut turn = Uuid::nil();
    let mut at_hand = Vec::new();
    for _ in 0..17 {
        let mails = outbox::claim(&test.db, &mut turn, 3, &at_hand, true, lease).await.unwrap();
        assert_eq!(mails.len(), 3);
        at_hand.extend(mails.iter().map(|mail| (mail.app.0, mail.id)));
    }
    let mut apps: Vec<Uuid> = at_hand.iter().map(|(app, _)| *app).collect();
    apps.sort_unstable();
    let mut expected: Vec<Uuid> = others.iter().chain([&bulk]).map(|app| app.0).collect();
    expected.sort_unstable();
    assert_eq!(apps, expected, "one of each");
    // The next mails of the other apps are not due, so the only app with due mails gets all the room, oldest first.
    let rest = outbox::claim(&test.db, &mut turn, 8, &at_hand, true, lease).await.unwrap();
    assert_eq!(rest.iter().map(|mail| mail.app).collect::<Vec<_>>(), [bulk; 8]);
    // If three apps have mails queued, one claim looks at all of them.
    execute(
        &test,
        "DELETE FROM outbox WHERE recipient LIKE 'late%'
            OR recipient LIKE 'due%' AND recipient NOT IN ('due0@y.example', 'due1@y.example')",
    )
    .await;
    let two = &others[..2];
    for other in two {
        let to: Vec<_> = (0..9).map(|at| format!("more{at}@z.example")).collect();
        support::queue(&test.db, &test.seal, *other, &to, 0.0).await;
    }
    // The app with nine mails in progress has to wait.
    at_hand.extend(rest.iter().map(|mail| (mail.app.0, mail.id)));
    let next = outbox::claim(&test.db, &mut turn, 8, &at_hand, true, lease).await.unwrap();
    let of = |app| next.iter().filter(|mail| &mail.app == app).count();
    assert_eq!((of(&two[0]), of(&two[1]), of(&bulk)), (4, 4, 0));
    execute(&test, "DELETE FROM outbox").await;
    test.server = Some(server(&test, &[]).await);
    test.finish().await;
}

#[tokio::test]
async fn hanging_mail_renews_its_lease_and_does_not_block_others() {
    let mut test = Test::start().await;
    restart(&mut test, &[("USERDOCKS_MAIL__CONNECTIONS", "2")]).await;
    let gate = gate(&test);
    invite(&test, &test.app, "held@x.example").await;
    until(&test, CLAIMED).await;
    execute(&test, "CREATE TABLE lease AS SELECT due_at FROM outbox").await;
    let to = addresses(20);
    queue(&test, &to, 0.0).await;
    assert_once(&mails(&test, to.len()).await, &to);

    // Another worker waits for the lease to expire, but it is renewed.
    let other = server(&test, &[]).await;
    until(&test, "SELECT o.due_at > l.due_at FROM outbox o, lease l WHERE o.recipient = 'held@x.example'")
        .await;
    assert_eq!(test.count("SELECT count(*) FROM lease WHERE due_at > now()").await, 1);

    // If the lease expires anyway, the worker that is sending the mail does not start it again.
    other.stop().await;
    execute(&test, "UPDATE outbox SET due_at = now() - interval '1 hour' WHERE state = 'queued'").await;
    queue(&test, &["z@x.example".to_owned()], 0.0).await;
    mails(&test, 1).await;
    gate.notify_one();
    mails(&test, 1).await;
    until(&test, ALL_SENT).await;
    assert_eq!(test.count("SELECT count(*) FROM outbox WHERE attempts <> 1").await, 0);
    assert_eq!(test.smtp.connections(), 2);
    test.finish().await;
}

#[tokio::test]
async fn mail_of_a_dead_worker_is_sent_after_lease_expiry() {
    let test = Test::start().await;
    queue(&test, &["a@x.example".to_owned()], 2.0).await;
    execute(&test, "UPDATE outbox SET attempts = 1, claimed = true").await;
    execute(&test, "CREATE TABLE lease AS SELECT due_at FROM outbox").await;
    execute(&test, "NOTIFY userdocks_outbox").await;
    mails(&test, 1).await;
    until(&test, ALL_SENT).await;
    assert_eq!(
        test.count(
            "SELECT count(*) FROM outbox o, lease l
            WHERE o.attempts = 2 AND o.finished_at > l.due_at AND o.last_reply = '250 2.0.0 Ok: queued'"
        )
        .await,
        1,
        "{TAKEN}"
    );
    test.finish().await;
}

#[tokio::test]
async fn stop_finishes_the_current_mail_and_starts_no_other() {
    let mut test = Test::start().await;
    restart(&mut test, &[("USERDOCKS_MAIL__CONNECTIONS", "1")]).await;
    let gate = gate(&test);
    invite(&test, &test.app, "held@x.example").await;
    until(&test, CLAIMED).await;
    queue(&test, &["next@x.example".to_owned()], 0.0).await;
    let server = test.server.take().unwrap();
    let address = server.address;
    let stopping = tokio::spawn(server.stop());
    let deadline = Instant::now() + DEADLINE;
    while TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < deadline, "it still listens");
        sleep(Duration::from_millis(10)).await;
    }
    gate.notify_one();
    timeout(DEADLINE, stopping).await.unwrap().unwrap();
    let states: Vec<(String, String, i32, bool)> =
        sqlx::query_as("SELECT recipient, state, attempts, claimed FROM outbox ORDER BY recipient")
            .fetch_all(&test.db)
            .await
            .unwrap();
    let state =
        |to: &str, state: &str, attempts| (format!("{to}@x.example"), state.to_owned(), attempts, false);
    assert_eq!(states, [state("held", "sent", 1), state("next", "queued", 0)]);
    mails(&test, 1).await;
    test.server = Some(self::server(&test, &[]).await);
    mails(&test, 1).await;
    test.finish().await;
}

#[tokio::test]
async fn worker_exits_when_stop_channel_closes() {
    let mut test = Test::start().await;
    test.server.take().unwrap().stop().await;
    let (server, stop) = watch::channel(false);
    let worker = Worker {
        db: test.db.clone(),
        seal: test.seal.clone(),
        transport: Transport::smtp(
            &test.smtp.url(),
            None,
            DEADLINE,
            1,
            &userdocks::http_client::Authorities::default(),
        )
        .unwrap(),
        signer: None,
        public_url: "https://id.example".parse().unwrap(),
        config: test.config.clone(),
        database: Outage::default(),
        sender: Outage::default(),
        mail_server: Outage::default(),
    };
    let worker = tokio::spawn(worker.run(Arc::default(), stop));
    queue(&test, &["a@x.example".to_owned()], 0.0).await;
    mails(&test, 1).await;
    drop(server);
    timeout(DEADLINE, worker).await.unwrap().unwrap();
    until(&test, ALL_SENT).await;
    test.server = Some(self::server(&test, &[]).await);
    test.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_connections_neither_lose_nor_repeat_mail() {
    let test = Test::start().await;
    let to = addresses(100);
    queue(&test, &to, 0.0).await;
    for part in 1..5 {
        test.smtp.wait_for(part * 20, DEADLINE).await;
        let _ = sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .execute(&test.db)
        .await;
    }
    // If the reply to a claim is lost, its mails wait for their leases, so make all mails due. The worker does not
    // claim mails that it is already sending.
    let deadline = Instant::now() + DEADLINE;
    loop {
        let hastened =
            sqlx::query("UPDATE outbox SET due_at = now() WHERE state = 'queued'").execute(&test.db).await;
        if hastened.is_ok_and(|done| done.rows_affected() == 0) {
            break;
        }
        assert!(Instant::now() < deadline, "mails are still queued");
        sleep(Duration::from_millis(100)).await;
    }
    assert_once(&mails(&test, to.len()).await, &to);
    test.finish().await;
}

#[tokio::test]
async fn send_result_is_recorded_after_a_database_outage() {
    let mut test = Test::start().await;
    let (mut proxy, url) = Proxy::to_database(&test.database_url).await;
    restart(&mut test, &[("DATABASE_URL", &url)]).await;
    let gate = gate(&test);
    invite(&test, &test.app, "held@x.example").await;
    // The row is claimed before the worker learns of it, so wait for the SMTP command.
    let deadline = Instant::now() + DEADLINE;
    while !test.smtp.commands().iter().any(|line| line.contains("held@x.example")) {
        assert!(Instant::now() < deadline, "nobody sends the mail");
        sleep(Duration::from_millis(10)).await;
    }
    proxy.cut().await;
    gate.notify_one();
    mails(&test, 1).await;
    // The outage lasts longer than the lease.
    execute(&test, "UPDATE outbox SET due_at = now() - interval '1 minute'").await;
    proxy.restore().await;
    until(&test, ALL_SENT).await;
    assert_eq!(test.count("SELECT count(*) FROM outbox WHERE attempts <> 1").await, 0);
    // The pooled connection of requests was cut too. The first request detects this.
    let deadline = Instant::now() + DEADLINE;
    while test.call("GET", "/readyz", As::Nobody, None).await.status != 200 {
        assert!(Instant::now() < deadline, "the database is back and the server is not");
    }
    invite(&test, &test.app, "after@x.example").await;
    mails(&test, 1).await;
    test.finish().await;
}

#[tokio::test]
async fn notify_from_another_session_wakes_the_worker() {
    let test = Test::start().await;
    // Polling alone would take a second for each mail.
    let woken = async |name: &str| {
        let all = async {
            for number in 0..50 {
                queue(&test, &[format!("{name}-{number}@x.example")], 0.0).await;
                execute(&test, "NOTIFY userdocks_outbox").await;
                test.mail().await;
            }
        };
        timeout(DEADLINE, all).await.expect("the worker polls, but does not listen");
    };
    until(&test, LISTENS).await;
    woken("first").await;
    execute(
        &test,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND query LIKE 'LISTEN%'",
    )
    .await;
    queue(&test, &["polled@x.example".to_owned()], 0.0).await;
    mails(&test, 1).await;
    until(&test, LISTENS).await;
    woken("second").await;
    hasten(&test).await;
    test.finish().await;
}
