//! Mails that come back, as the command line reads them.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::audit::events;
use crate::commands::create_app;
use crate::support::child::{Place, until};
use crate::support::smtp::Smtp;
use crate::support::{self, DEADLINE, SECRET_KEY};

/// A delivery status notification about the mail with this `Message-ID`, or one that does not return it.
fn notification(action: &str, message_id: Option<&str>, recipient: &str) -> String {
    let returned = message_id.map_or("Subject: x".to_owned(), |id| format!("Message-ID: {id}"));
    format!(
        "From: MAILER-DAEMON@mx.example\nTo: no-reply@id.example\nSubject: Returned\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n--b\n\
         Content-Type: text/plain\n\nSorry.\n\n--b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; {recipient}\nAction: {action}\n\
         Status: 5.1.1\nDiagnostic-Code: smtp; 550 no such user\n\n--b\nContent-Type: text/rfc822-headers\n\n\
         {returned}\n\n--b--\n"
    )
}

/// What a command makes of this on its standard input.
pub fn with_input(mut command: Command, input: &str) -> (Value, String) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    (serde_json::from_slice(&ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_that_came_back_are_matched_to_those_that_went_out() {
    let smtp = Smtp::start().await;
    let url = support::database(false).await;
    let place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
    ]);
    let apps = [create_app(&place, &[]), create_app(&place, &[])];
    let server = place.serve();
    for (number, app) in apps.iter().enumerate() {
        for name in ["a", "b"] {
            let request = reqwest::Client::new()
                .post(format!("{}/v1/users/{}", server.url, support::new_id()))
                .header("X-CLIENT-ID", &app.id)
                .header("X-API-KEY-TYPE", "write")
                .header("X-API-KEY", &app.write_key)
                .body(json!({ "email": format!("{name}{number}@x.example"), "language": "en" }).to_string());
            assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
        }
    }
    let mails = smtp.wait_for(4, DEADLINE).await;
    let id = |to: &str| {
        let mail = mails.iter().find(|mail| mail.to == [to]).unwrap();
        format!("<{}>", mail.message_id())
    };
    let sent = || place.json(&["mail", "list", "--state", "sent"]).as_array().unwrap().len() == 4;
    until("all are known to be sent", || sent().then_some(()));

    let mailbox = [
        notification("failed", Some(&id("a0@x.example")), "moved@elsewhere.example"),
        notification("delayed", Some(&id("b0@x.example")), "b0@x.example"),
        notification("failed", None, "A1@X.example"),
        notification("failed", Some("<0195c0de-0000-7000-8000-000000000000@id.example>"), "b1@x.example"),
        notification("failed", None, "nobody@x.example"),
        notification("delivered", Some(&id("b1@x.example")), "b1@x.example"),
        "Subject: on holiday\n\nI am away.\n".to_owned(),
    ]
    .map(|mail| format!("From MAILER-DAEMON Wed Nov 25 02:00:00 2026\n{mail}\n"))
    .concat();
    let file = place.file("bounces.mbox");
    std::fs::write(&file, &mailbox).unwrap();
    let counts = |read, bounced, delayed, known, unknown, other| {
        json!({
            "read": read, "bounced": bounced, "delayed": delayed, "known": known, "unknown": unknown, "other": other,
        })
    };
    let read = || place.run(&["mail", "bounces", file.to_str().unwrap(), "--json"]);
    let first = read();
    assert_eq!(serde_json::from_str::<Value>(&first.stdout).unwrap(), counts(7, 2, 1, 0, 2, 2));
    let told = events(&first.stderr);
    assert_eq!((told.len(), &told[0]["action"]), (1, &json!("recordBounces")));
    // Again, nothing is new, and nothing is told.
    let second = read();
    assert_eq!(serde_json::from_str::<Value>(&second.stdout).unwrap(), counts(7, 0, 0, 3, 2, 2));
    assert!(events(&second.stderr).is_empty());
    // One message, on standard input.
    let one = notification("failed", Some(&id("b0@x.example")), "b0@x.example");
    let (counted, _) = with_input(place.command(&["mail", "bounces", "-", "--json"]), &one);
    assert_eq!(counted, counts(1, 1, 0, 0, 0, 0));
    let missing = place.failure(&["mail", "bounces", "/no/such/file"]);
    assert!(missing.starts_with("/no/such/file cannot be read: "), "{missing}");

    let mut database = PgConnection::connect(&url).await.unwrap();
    let recorded: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT i.email, e.kind, e.detail FROM invite_events e JOIN invites i USING (app_id, invite_id) ORDER BY 1, 2",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    let said = "5.1.1 550 no such user";
    let row = |email: &str, kind: &str| (email.to_owned(), kind.to_owned(), said.to_owned());
    assert_eq!(
        recorded,
        [
            row("a0@x.example", "bounced"),
            row("a1@x.example", "bounced"),
            row("b0@x.example", "bounced"),
            row("b0@x.example", "delayed"),
        ]
    );
    let listed = place.json(&["invite", "list", "--email", "a0@x.example"]);
    let shown = place.json(&["invite", "show", listed[0]["id"].as_str().unwrap()]);
    let befell: Vec<&Value> =
        shown["timeline"].as_array().unwrap().iter().map(|event| &event["event"]).collect();
    assert_eq!(befell, ["queued", "accepted_by_server", "bounced"]);
    assert_eq!(shown["timeline"][2]["detail"], json!(said));
    server.stop();
}
