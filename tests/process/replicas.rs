//! Several servers on one database.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::cli::commands::create_app;
use crate::support::child::Place;
use crate::support::smtp::Smtp;
use crate::support::{self, DEADLINE, SECRET_KEY};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_replicas_migrate_and_send_each_mail_once() {
    let smtp = Smtp::start().await;
    let url = support::database(false).await;
    let variables = [
        ("DATABASE_URL", url.as_str()),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
    ];
    let places = [Place::new(&variables), Place::new(&variables)];
    let servers = places.each_ref().map(Place::spawn).map(crate::support::child::Serve::listening);

    let migrations = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations")).unwrap().count();
    let mut database = PgConnection::connect(&url).await.unwrap();
    let applied: Vec<bool> =
        sqlx::query_scalar("SELECT success FROM _sqlx_migrations").fetch_all(&mut database).await.unwrap();
    assert_eq!(applied, vec![true; migrations]);

    let app = create_app(&places[0], &[]);
    let client = reqwest::Client::new();
    let invites = (0..200).map(|number| {
        let url = format!("{}/v1/users/{}", servers[number % 2].url, support::new_id());
        let request = client
            .post(url)
            .header("X-CLIENT-ID", &app.id)
            .header("X-API-KEY-TYPE", "write")
            .header("X-API-KEY", &app.write_key)
            .body(json!({ "email": format!("u{number}@example.com"), "language": "en" }).to_string());
        async { request.send().await.unwrap().status().as_u16() }
    });
    let answers: Vec<u16> = stream::iter(invites).buffer_unordered(20).collect().await;
    assert_eq!(answers, vec![200; 200]);

    let mails = smtp.wait_for(200, DEADLINE).await;
    for server in servers {
        server.stop();
    }
    let states: Vec<(String, i64)> = sqlx::query_as("SELECT state, count(*) FROM outbox GROUP BY state")
        .fetch_all(&mut database)
        .await
        .unwrap();
    assert_eq!(states, [("sent".to_owned(), 200)]);
    assert_eq!(smtp.mails().len(), 200);
    let to: BTreeSet<String> = mails.into_iter().flat_map(|mail| mail.to).collect();
    assert_eq!(to, (0..200).map(|number| format!("u{number}@example.com")).collect());
}
