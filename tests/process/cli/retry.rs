//! `userdocks mail retry --all`

use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::cli::commands::{App, create_app};
use crate::support::child::{Place, until};
use crate::support::smtp::{Smtp, Stage};
use crate::support::{self, DEADLINE, SECRET_KEY, new_id};

const NOBODY: &str = "0195c0de-0000-7000-8000-000000000000";

#[tokio::test(flavor = "multi_thread")]
async fn mail_retry_all_skips_revoked_invites() {
    let smtp = Smtp::start().await;
    let url = support::database(false).await;
    let place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
    ]);
    let (one, other) = (create_app(&place, &[]), create_app(&place, &[]));
    let server = place.serve();
    let client = reqwest::Client::new();
    let invite = async |app: &App, email: &str| {
        let request = client
            .post(format!("{}/v1/users/{}", server.url, new_id()))
            .header("X-CLIENT-ID", &app.id)
            .header("X-API-KEY-TYPE", "write")
            .header("X-API-KEY", &app.write_key)
            .json(&json!({ "email": email, "language": "en" }));
        assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    };
    smtp.refuse(Stage::Rcpt, "550 5.1.1 no such user");
    for (app, email) in
        [(&one, "a@x.example"), (&one, "b@x.example"), (&one, "c@x.example"), (&other, "d@x.example")]
    {
        invite(app, email).await;
    }
    let failed = || place.json(&["mail", "list", "--state", "failed"]).as_array().unwrap().clone();
    until("all have failed", || (failed().len() == 4).then_some(()));
    smtp.script(|_| None);

    // One failed two days ago; the invite of another was revoked.
    let mut database = PgConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE outbox SET finished_at = now() - interval '2 days' WHERE recipient = 'a@x.example'")
        .execute(&mut database)
        .await
        .unwrap();
    let invites = place.json(&["invite", "list", "--email", "b@x.example"]);
    place.json(&["invite", "revoke", invites[0]["id"].as_str().unwrap()]);

    let retry = |more: &[&str]| place.json(&[&["mail", "retry", "--all"], more].concat());
    let came = |retried: u64, skipped: u64| json!({ "retried": retried, "skipped": skipped });
    assert_eq!(
        place.failure(&["mail", "retry", "--all", "--app", NOBODY]),
        format!("there is no app {NOBODY}")
    );
    assert_eq!(retry(&["--app", &one.id, "--since", "1d"]), came(1, 1));
    assert_eq!(retry(&["--since", "2100-01-01"]), came(0, 0));
    assert_eq!(retry(&["--since", "2100-01-01T00:00:00Z"]), came(0, 0));
    assert_eq!(retry(&["--since", "2020-01-01"]), came(2, 1));
    let mails = smtp.wait_for(3, DEADLINE).await;
    let mut to: Vec<&str> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
    to.sort_unstable();
    assert_eq!(to, ["a@x.example", "c@x.example", "d@x.example"]);
    assert_eq!(
        place.text(&["mail", "retry", "--all"]),
        "0 mails are tried now; 1 stay as they are, since an invite was accepted, revoked or renewed.\n"
    );
    server.stop();
}
