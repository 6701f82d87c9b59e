//! Bounces and complaints, as the command line reads them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::audit::events;
use crate::cli::commands::{App, create_app};
use crate::support::child::{Place, Serve, until};
use crate::support::smtp::Smtp;
use crate::support::{self, DEADLINE, SECRET_KEY};

/// A delivery status notification about the mail with this `Message-ID`, or one that does not return the mail.
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

/// Runs a command with this standard input and returns its output.
pub fn with_input(mut command: Command, input: &str) -> (Value, String) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    (serde_json::from_slice(&ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap())
}

/// The output of the command: counts of messages read, bounced, delayed, complained, known, unknown, other.
fn counts(counts: [u64; 7]) -> Value {
    let [read, bounced, delayed, complained, known, unknown, other] = counts;
    json!({
        "read": read, "bounced": bounced, "delayed": delayed, "complained": complained, "known": known,
        "unknown": unknown, "other": other,
    })
}

/// A server that has sent a mail to each address; `message_ids` are in the same order.
struct Sent {
    place: Place,
    url: String,
    app: App,
    smtp: Smtp,
    server: Serve,
    users: Vec<String>,
    message_ids: Vec<String>,
}

impl Sent {
    async fn to(addresses: &[&str]) -> Self {
        let smtp = Smtp::start().await;
        let url = support::database(false).await;
        let place = Place::new(&[
            ("DATABASE_URL", &url),
            ("USERDOCKS_SECRET_KEY", SECRET_KEY),
            ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
            ("USERDOCKS_INVITE__RESEND_AFTER", "0s"),
        ]);
        let app = create_app(&place, &[]);
        let server = place.serve();
        let mut sent = Self { place, url, app, smtp, server, users: Vec::new(), message_ids: Vec::new() };
        for address in addresses {
            let user = support::new_id().to_string();
            let message_id = sent.invite(&user, address).await;
            sent.users.push(user);
            sent.message_ids.push(message_id);
        }
        sent
    }

    async fn call(&self, path: &str, body: Value) -> u16 {
        let request = reqwest::Client::new()
            .post(format!("{}/v1/{path}", self.server.url))
            .header("X-CLIENT-ID", &self.app.id)
            .header("X-API-KEY-TYPE", "write")
            .header("X-API-KEY", &self.app.write_key)
            .body(body.to_string());
        request.send().await.unwrap().status().as_u16()
    }

    /// Sends an invite and waits until its mail is recorded as sent.
    async fn invite(&self, user: &str, address: &str) -> String {
        let before = self.sent();
        assert_eq!(
            self.call(&format!("users/{user}"), json!({ "email": address, "language": "en" })).await,
            200
        );
        let mails = self.smtp.wait_for(before + 1, DEADLINE).await;
        until("it is known to be sent", || (self.sent() == before + 1).then_some(()));
        format!("<{}>", mails[before].message_id())
    }

    fn sent(&self) -> usize {
        self.place.json(&["mail", "list", "--state", "sent"]).as_array().unwrap().len()
    }

    fn read(&self, path: &Path) -> Value {
        self.place.json(&["mail", "bounces", path.to_str().unwrap()])
    }

    /// The output of the command for one message in a file.
    fn read_message(&self, message: &str) -> Value {
        let file = self.place.file("bounce.eml");
        std::fs::write(&file, message).unwrap();
        self.read(&file)
    }

    fn befell(&self, address: &str) -> Vec<String> {
        let listed = self.place.json(&["invite", "list", "--email", address]);
        let shown = self.place.json(&["invite", "show", listed[0]["id"].as_str().unwrap()]);
        let events = shown["timeline"].as_array().unwrap().iter();
        events.skip(2).map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mbox_bounces_match_sent_mail_by_message_id_or_recipient() {
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

    // An id in the form of this server that belongs to no mail here, but to another database or an old mail.
    let other =
        format!("<0195c0de-0000-7000-8000-000000000000@{}", id("b1@x.example").split_once('@').unwrap().1);
    let mailbox = [
        notification("failed", Some(&id("a0@x.example")), "moved@elsewhere.example"),
        notification("delayed", Some(&id("b0@x.example")), "b0@x.example"),
        notification("failed", None, "A1@X.example"),
        notification("failed", Some(&other), "b1@x.example"),
        notification("failed", None, "nobody@x.example"),
        notification("delivered", Some(&id("b1@x.example")), "b1@x.example"),
        "Subject: on holiday\n\nI am away.\n".to_owned(),
    ]
    .map(|mail| format!("From MAILER-DAEMON Wed Nov 25 02:00:00 2026\n{mail}\n"))
    .concat();
    let file = place.file("bounces.mbox");
    std::fs::write(&file, &mailbox).unwrap();
    let read = || place.run(&["mail", "bounces", file.to_str().unwrap(), "--json"]);
    let first = read();
    assert_eq!(serde_json::from_str::<Value>(&first.stdout).unwrap(), counts([7, 2, 1, 0, 0, 2, 2]));
    let told = events(&first.stderr);
    assert_eq!((told.len(), &told[0]["action"]), (1, &json!("recordBounces")));
    // Reading them again changes nothing and publishes no event.
    let second = read();
    assert_eq!(serde_json::from_str::<Value>(&second.stdout).unwrap(), counts([7, 0, 0, 0, 3, 2, 2]));
    assert!(events(&second.stderr).is_empty());
    // One message, on standard input.
    let one = notification("failed", Some(&id("b0@x.example")), "b0@x.example");
    let (counted, _) = with_input(place.command(&["mail", "bounces", "-", "--json"]), &one);
    assert_eq!(counted, counts([1, 1, 0, 0, 0, 0, 0]));
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

const EXIM: &str = "From: MAILER-DAEMON@mx.example
To: no-reply@example.com
Subject: Mail delivery failed: returning message to sender
X-Failed-Recipients: RECIPIENT
Auto-Submitted: auto-replied
In-Reply-To: ID
Content-Type: text/plain; charset=us-ascii

The following address failed:

  RECIPIENT
    host mx.example [192.0.2.1]
    SMTP error from remote mail server after RCPT TO:<RECIPIENT>:
    550 5.1.1 unknown user

------ a copy of the message follows ------

Message-ID: ID
To: RECIPIENT
Subject: hello

body
";

const COMPLAINT: &str = "From: MAILER-DAEMON@mx.example
To: no-reply@example.com
Subject: complaint about message
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=\"f\"

--f
Content-Type: text/plain

This is an abuse report.

--f
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Example/1.0
Version: 1
Original-Rcpt-To: RECIPIENT

--f
Content-Type: message/rfc822

Message-ID: ID
To: RECIPIENT
Subject: hello

body

--f--
";

fn filled(form: &str, recipient: &str, message_id: &str) -> String {
    form.replace("RECIPIENT", recipient).replace("ID", message_id)
}

/// A delivery status notification with one recipient field and one `Message-ID` of the returned mail.
fn status(recipient: &str, action: &str, returned: &str) -> String {
    notification(action, Some(returned), "x").replace("Final-Recipient: rfc822; x", recipient)
}

#[tokio::test(flavor = "multi_thread")]
async fn dsn_exim_and_arf_reports_are_recorded_once() {
    let addresses = ["a@x.example", "b+c@x.example", "c@x.example", "d@x.example", "e@x.example"];
    let sent = Sent::to(&addresses).await;
    let foreign = "<0100019abcdef-000000@email.amazonses.com>";
    for (address, report, kind) in [
        (
            "a@x.example",
            status("Final-Recipient: rfc822; <a@x.example> (A)", "failed (no user)", foreign),
            "bounced",
        ),
        ("b+c@x.example", status("Original-Recipient: rfc822;b+2Bc@x.example", "failed", foreign), "bounced"),
        ("c@x.example", filled(EXIM, "c@x.example", "<other@x.example>"), "bounced"),
        ("d@x.example", filled(EXIM, "moved@elsewhere.example", &sent.message_ids[3]), "bounced"),
        ("e@x.example", filled(COMPLAINT, "redacted", &sent.message_ids[4]), "complained"),
    ] {
        let (bounced, complained) = (u64::from(kind == "bounced"), u64::from(kind == "complained"));
        assert_eq!(sent.read_message(&report), counts([1, bounced, 0, complained, 0, 0, 0]), "{report}");
        assert_eq!(sent.befell(address), [kind]);
        assert_eq!(sent.read_message(&report), counts([1, 0, 0, 0, 1, 0, 0]));
    }
    sent.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn bounce_that_matches_no_single_mail_is_unknown() {
    let sent = Sent::to(&["a@x.example", "b@x.example", "old@x.example"]).await;
    let unknown = counts([1, 0, 0, 0, 0, 1, 0]);
    // Two mails went to this address, so a bounce without a `Message-ID` could be about either.
    sent.invite(&sent.users[0], "a@x.example").await;
    let foreign = "<0100019abcdef-000000@email.amazonses.com>";
    let bounce = |recipient: &str, returned: &str| {
        status(&format!("Final-Recipient: rfc822; {recipient}"), "failed", returned)
    };
    assert_eq!(sent.read_message(&bounce("a@x.example", foreign)), unknown);
    assert_eq!(sent.read_message(&filled(COMPLAINT, "a@x.example", foreign)), unknown);
    // The returned mail has an id with this server's form and domain, but it is another mail.
    let (_, domain) = sent.message_ids[1].split_once('@').unwrap();
    let other = format!("<{}@{domain}", support::new_id());
    assert_eq!(sent.read_message(&bounce("b@x.example", &other)), unknown);
    // A guessed address, and a mail that is too old for a bounce.
    assert_eq!(sent.read_message(&bounce("nobody@x.example", &other)), unknown);
    let mut database = PgConnection::connect(&sent.url).await.unwrap();
    let aged = "UPDATE outbox SET finished_at = now() - interval '8 days' WHERE recipient = 'old@x.example'";
    sqlx::query(aged).execute(&mut database).await.unwrap();
    assert_eq!(sent.read_message(&bounce("old@x.example", foreign)), unknown);
    assert_eq!(
        sent.read_message(&bounce("old@x.example", &sent.message_ids[2])),
        counts([1, 1, 0, 0, 0, 0, 0])
    );
    let text = sent.place.run(&["mail", "bounces", sent.place.file("bounce.eml").to_str().unwrap()]).stdout;
    assert!(text.contains("0 that do not prove which mail of this server they are about"), "{text}");
    assert_eq!(sent.befell("b@x.example"), [""; 0]);
    sent.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn maildir_symlinks_and_fifos_are_skipped() {
    let sent = Sent::to(&["a@x.example", "b@x.example", "c@x.example"]).await;
    let maildir = sent.place.file("Maildir");
    let outside = sent.place.file("outside.eml");
    let bounce = |number: usize| notification("failed", Some(&sent.message_ids[number]), "x@x.example");
    for folder in ["cur", "new", "tmp", "cur/folder"] {
        std::fs::create_dir_all(maildir.join(folder)).unwrap();
    }
    std::fs::write(maildir.join("cur/1.M1:2,S"), bounce(0)).unwrap();
    std::fs::write(maildir.join("new/2.M2"), bounce(1)).unwrap();
    std::fs::write(maildir.join("tmp/3.M3"), bounce(2)).unwrap();
    std::fs::write(&outside, bounce(2)).unwrap();
    std::os::unix::fs::symlink(&outside, maildir.join("new/4.M4")).unwrap();
    nix::unistd::mkfifo(&maildir.join("new/5.M5"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(sent.read(&maildir), counts([2, 2, 0, 0, 0, 0, 0]));
    std::fs::remove_dir_all(maildir.join("new")).unwrap();
    std::os::unix::fs::symlink(maildir.join("tmp"), maildir.join("new")).unwrap();
    let refused = sent.place.failure(&["mail", "bounces", maildir.to_str().unwrap()]);
    assert!(refused.ends_with("the folder is not a Maildir: it needs the folders cur and new"), "{refused}");
    assert_eq!(sent.befell("c@x.example"), [""; 0]);
    sent.server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn complaint_stops_referrals_to_the_address() {
    let sent = Sent::to(&["ada@x.example", "bob@x.example", "carl@x.example"]).await;
    let referrals = format!("users/{}/referral-invites", sent.users[0]);
    let refer = async |address: &str| {
        assert_eq!(sent.call(&referrals, json!({ "email": address, "language": "en" })).await, 201);
    };
    refer("dan@x.example").await;
    refer("eve@x.example").await;
    let mails = sent.smtp.wait_for(5, DEADLINE).await;
    until("both are known to be sent", || (sent.sent() == 5).then_some(()));
    let to =
        |address: &str| format!("<{}>", mails.iter().find(|mail| mail.to == [address]).unwrap().message_id());
    assert_eq!(
        sent.read_message(&filled(COMPLAINT, "dan@x.example", &to("dan@x.example"))),
        counts([1, 0, 0, 1, 0, 0, 0])
    );
    let report = json!({ "type": "complained", "messageId": to("eve@x.example") });
    assert_eq!(sent.call("mail-reports", report.clone()).await, 200);
    // The user without a complaint is sent a mail; the others are not.
    refer("Dan@x.example").await;
    refer("eve@x.example").await;
    refer("fred@x.example").await;
    assert_eq!(sent.smtp.wait_for(6, DEADLINE).await[5].to, ["fred@x.example"]);
    until("nothing waits", || {
        sent.place.json(&["mail", "list", "--state", "queued"]).as_array().unwrap().is_empty().then_some(())
    });
    assert_eq!(sent.sent(), 6);
    // A complaint that is already known does not undo a later opt-in of the recipient.
    let allow = ["opt-out", "remove", "--app", &sent.app.id, "--email", "eve@x.example"];
    assert_eq!(sent.place.json(&allow), json!({ "changed": true }));
    assert_eq!(sent.call("mail-reports", report).await, 200);
    assert_eq!(sent.place.json(&allow), json!({ "changed": false }));
    sent.server.stop();
}

/// Amazon SES and others replace the `Message-ID`; then the recipient of the bounce identifies the mail (VERP).
#[tokio::test(flavor = "multi_thread")]
async fn bounce_to_verp_return_path_matches_its_mail() {
    let mut sent = Sent::to(&[]).await;
    let user = support::new_id().to_string();
    sent.message_ids =
        vec![sent.invite(&user, "ada@example.com").await, sent.invite(&user, "ada@example.com").await];
    let mail = sent.message_ids[0].trim_start_matches('<').split_once('@').unwrap().0.replace('-', "");
    let bounce = notification("failed", Some("<0100-ses@email.amazonses.com>"), "ada@example.com");
    assert_eq!(sent.read_message(&bounce), counts([1, 0, 0, 0, 0, 1, 0]), "two mails went there");
    let bounce = bounce.replace("To: no-reply@id.example", &format!("To: <bounces+{mail}@id.example>"));
    assert_eq!(sent.read_message(&bounce), counts([1, 1, 0, 0, 0, 0, 0]));
    assert_eq!(sent.read_message(&bounce), counts([1, 0, 0, 0, 1, 0, 0]));
    let made_up = bounce.replace(&mail, &"0123456789abcdef".repeat(2));
    assert_eq!(sent.read_message(&made_up), counts([1, 0, 0, 0, 0, 1, 0]));
}
