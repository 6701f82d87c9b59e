//! Personal data that remains after erasure, in all stored data: the database, webhook posts, the mailbox and the log.

use std::fmt::Write;

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::cli::commands::create_app;
use crate::support;
use crate::support::child::{Place, Serve, until};
use crate::support::receiver::Receiver;
use crate::support::{SECRET_KEY, new_id};

/// Part of all data that names the person, and of no other data.
const MARK: &str = "marked";

/// Every row of every table as text, bytes in hexadecimal digits.
async fn dump(database_url: &str) -> String {
    let mut database = PgConnection::connect(database_url).await.unwrap();
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()")
            .fetch_all(&mut database)
            .await
            .unwrap();
    let mut dump = String::new();
    for table in tables {
        let rows = AssertSqlSafe(format!("SELECT t::text FROM {table} t"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(&mut database).await.unwrap();
        for row in rows {
            writeln!(dump, "{table} {row}").unwrap();
        }
    }
    dump
}

/// The tables, mails and log lines that contain the mark, in clear or as bytes.
async fn marks(database_url: &str, place: &Place, server: &Serve) -> Vec<String> {
    let marked = |text: &str| text.to_ascii_lowercase().contains(MARK) || text.contains(&hex::encode(MARK));
    let mut found: Vec<String> = dump(database_url)
        .await
        .lines()
        .filter(|row| marked(row))
        .map(|row| row.split(' ').next().unwrap().to_owned())
        .collect();
    for mail in std::fs::read_dir(place.data().join("mailbox")).unwrap() {
        let source = String::from_utf8(std::fs::read(mail.unwrap().path()).unwrap()).unwrap();
        if marked(&source) {
            found.push("mail".to_owned());
        }
    }
    found.extend(server.said().lines().filter(|line| marked(line)).map(str::to_owned));
    found.sort();
    found.dedup();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_user_leaves_no_data_in_tables_mailbox_and_log() {
    let url = support::database(true).await;
    let place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_INVITE__RESEND_AFTER", "0s"),
        ("USERDOCKS_WEBHOOK__ALLOW_PRIVATE_ADDRESSES", "true"),
        ("RUST_LOG", "info,userdocks=debug"),
    ]);
    let app = create_app(&place, &[]);
    let receiver = Receiver::start().await;
    place.json(&["webhook", "create", "--app", &app.id, "--url", &receiver.url]);
    let server = place.serve();
    let client = reqwest::Client::new();
    let call = async |method: &str, path: &str, token: Option<&str>, key: &str, body: Option<Value>| {
        let request = client.request(method.parse().unwrap(), format!("{}{path}", server.url));
        let mut request = match token {
            Some(token) => request.bearer_auth(token),
            None => request
                .header("x-client-id", &app.id)
                .header("x-api-key-type", "write")
                .header("x-api-key", &app.write_key),
        };
        if !key.is_empty() {
            request = request.header("idempotency-key", format!("\"{key}\""));
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let to = |email: &str| Some(json!({ "email": email, "language": "en" }));
    let (person, other) = (new_id().to_string(), new_id().to_string());
    let (of_person, of_other) = (format!("/v1/users/{person}"), format!("/v1/users/{other}"));
    let (email, referrals) = ("erin.marked@example.com", format!("{of_other}/referral-invites"));
    assert_eq!(call("POST", &of_other, None, "", to("other@example.com")).await, 200);
    assert_eq!(call("POST", &referrals, None, "refer", to(email)).await, 201);
    assert_eq!(call("POST", &of_person, None, "invite", to(email)).await, 200);
    let profile = json!({ "user": { "given_name": "Erin-Marked", "website": "https://marked.example" } });
    let token = place.json(&["token", "issue", "--app", &app.id, "--user", &person])["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(call("PUT", &of_person, Some(&token), "update", Some(profile)).await, 200);
    let moved = json!({ "user": { "email": "erin@marked.example" } });
    assert_eq!(call("PUT", &of_person, Some(&token), "move", Some(moved)).await, 200);
    let mine = format!("{of_person}/referral-invites");
    assert_eq!(call("POST", &mine, Some(&token), "mine", to("friend.marked@example.org")).await, 201);
    // Refused calls, which are logged.
    let bad = json!({ "user": { "email": "erin marked" } });
    assert_eq!(call("PUT", &of_person, Some(&token), "", Some(bad)).await, 400);
    assert_eq!(call("POST", &format!("/v1/users/{}", new_id()), None, "", to(email)).await, 400);
    let found = format!("/v1/invites?email={email}&kind=marked");
    assert_eq!(call("GET", &found, None, "", None).await, 400);
    let mails = || std::fs::read_dir(place.data().join("mailbox")).unwrap().count();
    until("five mails are written", || (mails() == 5).then_some(()));
    let before = marks(&url, &place, &server).await;
    for expected in ["users", "invites", "outbox", "email_confirmations", "idempotency_keys", "mail"] {
        assert!(before.iter().any(|found| found == expected), "no {expected} in {before:?}");
    }

    assert_eq!(call("DELETE", &of_person, None, "", None).await, 200);
    assert_eq!(marks(&url, &place, &server).await, Vec::<String>::new());
    assert_eq!(mails(), 1);
    let posts = until("four events are delivered", || {
        let posts = receiver.posts();
        (posts.len() == 4).then_some(posts)
    });
    assert!(posts.iter().any(|post| post.event().0 == "user.deleted"), "{posts:?}");
    for post in posts {
        assert!(!String::from_utf8_lossy(&post.body).to_ascii_lowercase().contains(MARK), "{post:?}");
    }
    server.stop();
}
