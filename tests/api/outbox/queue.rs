//! The state of a mail after each kind of mail server reply and of faulty row.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};
use userdocks::config::Config;
use userdocks::db::Pool;
use userdocks::db::outbox;
use userdocks::db::outbox::manage::MailRow;
use userdocks::domain::credentials::secret_key::SecretKey;
use userdocks::server::{Database, Server};
use uuid::Uuid;

use crate::support::proxy::Proxy;
use crate::support::smtp::{Act, Encryption, Mail, Smtp, Stage};
use crate::support::{self, App, As, DEADLINE, Test, code, new_id, variables};

pub(crate) const TAKEN: &str = "250 2.0.0 Ok: queued";
const NO_KEY: &str = "a sealed value does not open with this USERDOCKS_SECRET_KEY";

/// State, attempts, last reply, and whether the row still has its secret.
type Row = (String, i32, Option<String>, bool);

fn row(state: &str, attempts: i32, reply: &str, secret: bool) -> Row {
    (state.to_owned(), attempts, Some(reply.to_owned()), secret)
}

async fn rows(test: &Test) -> BTreeMap<String, Row> {
    let rows: Vec<(String, String, i32, Option<String>, bool)> =
        sqlx::query_as("SELECT recipient, state, attempts, last_reply, secret IS NOT NULL FROM outbox")
            .fetch_all(&test.db)
            .await
            .unwrap();
    rows.into_iter()
        .map(|(to, state, attempts, reply, secret)| (to, (state, attempts, reply, secret)))
        .collect()
}

/// Waits until this query returns true.
pub(crate) async fn until(test: &Test, query: &'static str) {
    let deadline = Instant::now() + DEADLINE;
    while !sqlx::query_scalar::<_, bool>(query).fetch_one(&test.db).await.unwrap() {
        assert!(Instant::now() < deadline, "never: {query}; {:#?}", rows(test).await);
        sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn execute(test: &Test, statement: &'static str) {
    sqlx::query(statement).execute(&test.db).await.unwrap();
}

/// Makes queued mails due, and wakes the workers from another session.
pub(crate) async fn hasten(test: &Test) {
    execute(test, "UPDATE outbox SET due_at = now() WHERE state = 'queued' AND NOT claimed").await;
    execute(test, "NOTIFY userdocks_outbox").await;
}

/// Invites a new user. The worker sends the mail.
pub(crate) async fn invite(test: &Test, app: &App, email: &str) -> Uuid {
    let id = new_id();
    let body = json!({ "email": email, "language": "en" });
    let answer = test.call("POST", &format!("/v1/users/{id}"), As::Write(app), Some(body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    id
}

/// Queues a mail to each of these addresses, due in `due` seconds.
pub(crate) async fn queue(test: &Test, to: &[String], due: f64) {
    support::queue(&test.db, &test.seal, test.app.id, to, due).await;
}

/// Starts another server on the test's database, with additional settings.
pub(crate) async fn server(test: &Test, more: &[(&str, &str)]) -> Server {
    let settings =
        variables(&test.database_url, &test.smtp.url(), &[("USERDOCKS_DATABASE__MAX_CONNECTIONS", "3")]);
    let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = Config::from_variables(settings.into_iter().chain(more)).unwrap();
    let seal = SecretKey::new(&config.secret_key().unwrap());
    let database = Database::open(&config, true).await.unwrap();
    Server::start(config, &database, seal).await.unwrap()
}

/// Restarts the test's server with these settings.
pub(crate) async fn restart(test: &mut Test, more: &[(&str, &str)]) {
    test.server.take().unwrap().stop().await;
    let server = server(test, more).await;
    test.url = format!("http://{}", server.address);
    test.server = Some(server);
}

/// Reads this many mails, grouped by recipient.
pub(crate) async fn mails(test: &Test, count: usize) -> BTreeMap<String, Vec<Mail>> {
    let mut mails: BTreeMap<String, Vec<Mail>> = BTreeMap::new();
    for _ in 0..count {
        let mail = test.mail().await;
        mails.entry(mail.to.join(" ")).or_default().push(mail);
    }
    mails
}

pub(crate) async fn listed(db: &Pool, to: &str) -> MailRow {
    outbox::manage::list(db, None, None, 1000).await.unwrap().into_iter().find(|mail| mail.to == to).unwrap()
}

#[tokio::test]
async fn smtp_4xx_is_retried_and_5xx_fails_the_mail() {
    use Stage::{Data, Final, Rcpt};
    let test = Test::with(&[("USERDOCKS_MAIL__RETRY_AFTER", "200ms")]).await;
    let say = |reply: &str| Act::Reply(reply.to_owned());
    let later = say("451 4.3.0 later");
    let cases = [
        ("451", Rcpt, vec![later.clone(), later.clone(), later], row("sent", 4, TAKEN, false), 1),
        ("550", Rcpt, vec![say("550 5.1.1 nobody")], row("failed", 1, "550 5.1.1 nobody", false), 0),
        ("554-data", Data, vec![say("554 5.5.1 no")], row("failed", 1, "554 5.5.1 no", false), 0),
        ("554-final", Final, vec![say("554 5.7.1 spam")], row("failed", 1, "554 5.7.1 spam", false), 0),
        ("452", Final, vec![say("452 4.3.1 no room")], row("sent", 2, TAKEN, false), 1),
        ("530", Rcpt, vec![say("530 5.7.0 login first")], row("sent", 2, TAKEN, false), 1),
        ("close-final", Final, vec![Act::Close], row("sent", 2, TAKEN, false), 1),
        ("twice", Final, vec![Act::TakeAndClose], row("sent", 2, TAKEN, false), 2),
        // PostgreSQL cannot store NUL in text. The mail must not be sent again and again for that.
        ("nul", Final, vec![say("250 2.0.0 a\0b")], row("sent", 1, "250 2.0.0 a b", false), 0),
    ];
    let acts = cases.clone().map(|(name, stage, acts, ..)| (address(name), (stage, acts)));
    let acts: BTreeMap<String, _> = acts.into();
    test.smtp.script(move |seen| {
        let (stage, acts) = acts.get(&seen.recipient)?;
        (*stage == seen.stage).then(|| acts.get(seen.attempt - 1).cloned())?
    });
    for (name, ..) in &cases {
        invite(&test, &test.app, &address(name)).await;
    }
    until(&test, "SELECT NOT EXISTS (SELECT FROM outbox WHERE state = 'queued')").await;
    let expected: BTreeMap<_, _> =
        cases.iter().map(|(name, _, _, row, _)| (address(name), row.clone())).collect();
    assert_eq!(rows(&test).await, expected);
    assert_eq!(test.count("SELECT count(*) FROM outbox WHERE claimed OR finished_at IS NULL").await, 0);

    let arrived = mails(&test, cases.iter().map(|(.., copies)| copies).sum()).await;
    for (name, .., copies) in cases {
        assert_eq!(arrived.get(&address(name)).map_or(0, Vec::len), copies, "{name}");
    }
    let twice = &arrived[&address("twice")];
    assert_eq!((&twice[0].raw, twice[0].message_id()), (&twice[1].raw, twice[1].message_id()));
    test.finish().await;
}

fn address(name: &str) -> String {
    format!("{name}@x.example")
}

#[tokio::test]
async fn unreachable_server_or_refused_login_keeps_mail_queued() {
    let quick = ("USERDOCKS_MAIL__RETRY_AFTER", "200ms");
    let mut test = Test::start().await;
    let mut proxy = Proxy::to_tcp(test.smtp.address()).await;
    proxy.cut().await;
    let url = format!("smtp://{}", proxy.address);
    restart(&mut test, &[quick, ("USERDOCKS_MAIL__SMTP_URL", &url)]).await;
    invite(&test, &test.app, "away@x.example").await;
    until(&test, "SELECT last_reply LIKE 'no connection to %refused%' AND attempts > 1 FROM outbox").await;
    proxy.restore().await;
    mails(&test, 1).await;
    until(&test, "SELECT state = 'sent' AND last_reply LIKE '250 %' FROM outbox").await;

    let strict = Smtp::with(Encryption::None, Some(("ada", "right"))).await;
    let login = |password: &str| strict.url().replace("://", &format!("://ada:{password}@"));
    restart(&mut test, &[quick, ("USERDOCKS_MAIL__SMTP_URL", &login("wrong"))]).await;
    execute(&test, "DELETE FROM outbox").await;
    invite(&test, &test.app, "login@x.example").await;
    until(&test, "SELECT attempts > 1 AND NOT claimed FROM outbox").await;
    let refused = "535 5.7.8 Authentication credentials invalid";
    let (state, _, reply, secret) = rows(&test).await.remove("login@x.example").unwrap();
    assert_eq!((state.as_str(), reply.as_deref(), secret), ("queued", Some(refused), true));
    restart(&mut test, &[quick, ("USERDOCKS_MAIL__SMTP_URL", &login("right"))]).await;
    assert_eq!(strict.wait_for(1, DEADLINE).await[0].to, ["login@x.example"]);
    test.finish().await;
    assert_eq!(strict.mails().len(), 1);
}

#[tokio::test]
async fn mail_server_outage_does_not_delay_untried_mails() {
    let mut test = Test::start().await;
    let mut proxy = Proxy::to_tcp(test.smtp.address()).await;
    proxy.cut().await;
    // A failed attempt would not be retried within this test.
    let late = ("USERDOCKS_MAIL__RETRY_AFTER", "1h");
    restart(&mut test, &[late, ("USERDOCKS_MAIL__SMTP_URL", &format!("smtp://{}", proxy.address))]).await;
    for number in 0..100 {
        invite(&test, &test.app, &format!("away{number}@x.example")).await;
    }
    until(&test, "SELECT sum(attempts) >= 24 FROM outbox").await;
    proxy.restore().await;
    until(&test, "SELECT count(*) FILTER (WHERE state = 'sent' AND attempts = 1) >= 50 FROM outbox").await;
    execute(&test, "UPDATE outbox SET due_at = now() WHERE state = 'queued'").await;
    assert_eq!(mails(&test, 100).await.len(), 100);
    test.finish().await;
}

#[tokio::test]
async fn mail_fails_with_last_reply_after_give_up_after() {
    let test = Test::with(&[
        ("USERDOCKS_MAIL__RETRY_AFTER", "200ms"),
        ("USERDOCKS_MAIL__GIVE_UP_AFTER", "1s"),
        ("USERDOCKS_MAIL__TIMEOUT", "3s"),
    ])
    .await;
    test.smtp.script(|seen| match (seen.recipient.as_str(), seen.stage) {
        ("busy@x.example", Stage::Rcpt) => Some(Act::Reply("451 4.3.0 later".to_owned())),
        ("silent@x.example", Stage::Rcpt) => Some(Act::Hang),
        _ => None,
    });
    for to in ["busy@x.example", "silent@x.example"] {
        invite(&test, &test.app, to).await;
    }
    until(&test, "SELECT NOT EXISTS (SELECT FROM outbox WHERE state = 'queued')").await;
    let ends: Vec<_> =
        rows(&test).await.into_values().map(|(state, _, reply, secret)| (state, reply, secret)).collect();
    let failed = |reply: &str| ("failed".to_owned(), Some(reply.to_owned()), false);
    assert_eq!(ends, [failed("451 4.3.0 later"), failed("no final reply of localhost within 3s")]);
    assert_eq!(
        test.count("SELECT count(*) FROM outbox WHERE finished_at IS NULL OR attempts < 1 OR claimed").await,
        0
    );
    test.finish().await;
}

#[tokio::test]
async fn retry_delay_doubles_up_to_one_hour() {
    let test = Test::start().await;
    test.smtp.refuse(Stage::Rcpt, "451 4.3.0 later");
    let now = async || {
        sqlx::query_scalar::<_, f64>("SELECT extract(epoch FROM clock_timestamp())::float8")
            .fetch_one(&test.db)
            .await
            .unwrap()
    };
    let mut before = now().await;
    invite(&test, &test.app, "a@x.example").await;
    for (attempts, delay) in (1..).zip([15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0])
    {
        let deadline = Instant::now() + DEADLINE;
        let due = loop {
            let (due, tried): (f64, bool) = sqlx::query_as(
                "SELECT extract(epoch FROM due_at)::float8, attempts = $1 AND NOT claimed FROM outbox",
            )
            .bind(attempts)
            .fetch_one(&test.db)
            .await
            .unwrap();
            if tried {
                break due;
            }
            assert!(Instant::now() < deadline, "attempt {attempts}");
            sleep(Duration::from_millis(5)).await;
        };
        let (least, most) = (before + 0.8 * delay, now().await + 1.2 * delay);
        assert!((least..=most).contains(&due), "attempt {attempts}: {least} {due} {most}");
        let shown = listed(&test.db, "a@x.example").await.next_attempt_at.unwrap();
        let shown: jiff::Timestamp = shown.parse().unwrap();
        assert!((due - shown.as_duration().as_secs_f64()).abs() <= 0.001);
        before = now().await;
        hasten(&test).await;
    }
    test.smtp.script(|_| None);
    hasten(&test).await;
    mails(&test, 1).await;
    test.finish().await;
}

#[tokio::test]
async fn unsendable_mail_does_not_block_the_outbox() {
    let test = Test::start().await;
    let cases = [
        ("good-1", "kind = kind", row("sent", 1, TAKEN, false)),
        ("no-secret", "secret = ''", row("queued", 1, NO_KEY, true)),
        ("short-secret", r"secret = '\x00ff'", row("queued", 1, NO_KEY, true)),
        (
            "damaged",
            "secret = set_byte(secret, 20, 255 - get_byte(secret, 20))",
            row("queued", 1, NO_KEY, true),
        ),
        (
            "swapped",
            "secret = (SELECT secret FROM outbox WHERE recipient = 'good-1@x.example')",
            row("queued", 1, NO_KEY, true),
        ),
        ("good-2", "kind = kind", row("sent", 1, TAKEN, false)),
        ("nobody", "recipient = 'nobody'", row("failed", 1, "the recipient is not an address", false)),
        ("empty", "recipient = ''", row("failed", 1, "the recipient is not an address", false)),
        (
            "header",
            r"recipient = E'header@x.example\r\nBcc: eve@x.example'",
            row("failed", 1, "the recipient is not an address", false),
        ),
        ("late", "created_at = '20000-01-01'", row("failed", 1, "a time is out of range", false)),
        (
            "early",
            "created_at = '1900-01-01'",
            row("failed", 1, "the mail could not be written: a fault of the server", false),
        ),
        ("tried", "attempts = 2147483647", row("sent", i32::MAX, TAKEN, false)),
        ("tongue", "language = '\u{202e}%s'", row("sent", 1, TAKEN, false)),
        ("id", r"message_id = E'<a@x.example>\r\nBcc: eve@x.example'", row("sent", 1, TAKEN, false)),
        ("good-3", "kind = kind", row("sent", 1, TAKEN, false)),
    ];
    let to: Vec<String> = cases.iter().map(|(name, ..)| address(name)).collect();
    queue(&test, &to, 3600.0).await;
    for (name, damage, _) in cases.clone() {
        let statement = format!(
            "UPDATE outbox SET {damage} WHERE mail_id = (SELECT user_id FROM users WHERE email = $1)"
        );
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(address(name)).execute(&test.db).await.unwrap();
    }
    hasten(&test).await;
    let mut expected: BTreeMap<String, Row> =
        cases.iter().map(|(name, _, row)| (address(name), row.clone())).collect();
    for (changed, stored) in
        [("nobody", "nobody"), ("empty", ""), ("header", "header@x.example\r\nBcc: eve@x.example")]
    {
        let row = expected.remove(&address(changed)).unwrap();
        expected.insert(stored.to_owned(), row);
    }

    // Values that an operator can set for an app.
    for (column, value, reply) in [
        ("mail_from", "nonsense", "the app's sender is not `Name <address>`"),
        ("invite_url", "no url", "the app's invite URL is not valid"),
        (
            "invite_url",
            "mailto:a@x.example",
            "the mail cannot be written: the link of the mail is not an http or https address",
        ),
    ] {
        let app = test.another_app().await;
        let statement = format!("UPDATE apps SET {column} = $2 WHERE app_id = $1");
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(app.id.0)
            .bind(value)
            .execute(&test.db)
            .await
            .unwrap();
        let to = format!("{}@x.example", value.len());
        invite(&test, &app, &to).await;
        expected.insert(to, row("failed", 1, reply, false));
    }
    until(&test, "SELECT NOT EXISTS (SELECT FROM outbox WHERE last_reply IS NULL OR claimed)").await;
    assert_eq!(rows(&test).await, expected);

    let arrived = mails(&test, 6).await;
    let sent: Vec<&String> = expected.iter().filter(|(_, row)| row.0 == "sent").map(|(to, _)| to).collect();
    assert_eq!(arrived.keys().collect::<Vec<_>>(), sent);
    execute(&test, "DELETE FROM outbox WHERE state = 'queued'").await;
    test.finish().await;
}

#[tokio::test]
async fn wrong_secret_key_keeps_mail_queued() {
    let quick = [("USERDOCKS_MAIL__RETRY_AFTER", "200ms"), ("USERDOCKS_MAIL__GIVE_UP_AFTER", "0s")];
    let mut test = Test::start().await;
    let other = "0123456789abcdef".repeat(4);
    restart(&mut test, &[quick[0], quick[1], ("USERDOCKS_SECRET_KEY", &other)]).await;
    queue(&test, &["a@x.example".to_owned(), "b@x.example".to_owned()], 0.0).await;
    until(&test, "SELECT bool_and(attempts > 2 AND NOT claimed) FROM outbox").await;
    for (state, _, reply, secret) in rows(&test).await.into_values() {
        assert_eq!((state.as_str(), reply.as_deref(), secret), ("queued", Some(NO_KEY), true));
    }
    restart(&mut test, &quick).await;
    hasten(&test).await;
    for (to, mail) in mails(&test, 2).await {
        let accepted = test.call("POST", &format!("/invites/{}", code(&mail[0])), As::Nobody, None).await;
        assert_eq!(accepted.status, 200, "{to}");
    }
    test.finish().await;
}

#[tokio::test]
async fn refused_mail_from_keeps_mail_queued() {
    let test = Test::with(&[("USERDOCKS_MAIL__RETRY_AFTER", "1h")]).await;
    let reply = "550 5.4.5 Daily user sending limit exceeded";
    test.smtp.refuse(Stage::Mail, reply);
    for email in ["ada@example.com", "ben@example.com"] {
        invite(&test, &test.app, email).await;
    }
    until(&test, "SELECT count(*) = 2 FROM outbox WHERE attempts = 1 AND NOT claimed").await;
    let queued = row("queued", 1, reply, true);
    assert_eq!(rows(&test).await.into_values().collect::<Vec<_>>(), [queued.clone(), queued]);
    test.smtp.script(|_| None);
    hasten(&test).await;
    test.mails(2).await;
    test.finish().await;
}

#[tokio::test]
async fn app_return_path_overrides_the_configured_one() {
    let test = Test::with(&[("USERDOCKS_MAIL__RETURN_PATH", "bounces@id.example")]).await;
    let senders = async || {
        let mails = test.mails(1).await;
        mails.into_iter().map(|mail| mail.from).collect::<Vec<_>>()
    };
    invite(&test, &test.app, "ada@example.com").await;
    assert_eq!(senders().await, ["bounces@id.example"]);
    execute(&test, "UPDATE apps SET return_path = 'b+{mail}@acme.example'").await;
    invite(&test, &test.app, "ben@example.com").await;
    let mail: Uuid = sqlx::query_scalar("SELECT mail_id FROM outbox WHERE recipient = 'ben@example.com'")
        .fetch_one(&test.db)
        .await
        .unwrap();
    assert_eq!(senders().await, [format!("b+{}@acme.example", mail.simple())]);
    test.finish().await;
}

#[tokio::test]
async fn non_ascii_recipient_fails_without_smtputf8() {
    let test = Test::start().await;
    invite(&test, &test.app, "MÜLLER@example.com").await;
    until(&test, "SELECT count(*) = 1 FROM outbox WHERE state = 'failed'").await;
    let said = "553 the mail server takes no address that is not ASCII (SMTPUTF8)";
    assert_eq!(rows(&test).await["müller@example.com"], row("failed", 1, said, false));
    test.smtp.close_connections().await;
    test.smtp
        .script(|seen| (seen.stage == Stage::Ehlo).then(|| Act::Reply("250-mx\r\n250 SMTPUTF8".to_owned())));
    invite(&test, &test.app, "संपर्क@example.com").await;
    let mail = test.mail().await;
    assert_eq!(mail.to, ["संपर्क@example.com"]);
    assert!(String::from_utf8(mail.raw).unwrap().contains("\r\nTo: संपर्क@example.com\r\n"));
    let said = test.smtp.commands();
    assert!(said.contains(&"MAIL FROM:<no-reply@id.example> SMTPUTF8".to_owned()), "{said:?}");
    test.finish().await;
}
