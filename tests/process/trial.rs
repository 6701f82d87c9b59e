//! A first trial of the server without settings: demo, mailbox, crash and restart.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use userdocks::domain::mail::kind::MailKind;

use crate::cli::commands;
use crate::support;
use crate::support::child::{Place, Serve, until};

/// The instructions that a trial server prints.
#[derive(Clone, Debug, PartialEq)]
struct Demo {
    app: String,
    user: String,
    read_key: String,
    write_key: String,
    token: String,
    /// The command lines to paste: invite, update, referral.
    lines: [String; 3],
}

impl Demo {
    fn of(server: &Serve) -> Self {
        let told = server.instructions();
        let value = |name: &str| {
            let line = told.lines().find_map(|line| line.trim().strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {told}")).trim().to_owned()
        };
        let lines: Vec<String> =
            told.lines().filter(|line| line.starts_with("curl ")).map(str::to_owned).collect();
        assert!(told.ends_with(&format!("The mails are at {}/mailbox", server.url)), "{told}");
        Self {
            app: value("app id"),
            user: value("user id"),
            read_key: value("read key"),
            write_key: value("write key"),
            token: value("access token"),
            lines: lines.try_into().unwrap(),
        }
    }

    /// The credentials that are the same after a restart.
    fn credentials(&self) -> [&str; 4] {
        [&self.app, &self.user, &self.read_key, &self.write_key]
    }

    /// Runs the command lines, with only the address replaced.
    fn paste(&self, from: &str, to: &str) {
        let answers = self.lines.clone().map(|line| paste(&line.replace(from, to)));
        let [(invited, user), updated, referred] = answers;
        let email = user["data"]["user"]["email"].as_str().unwrap_or_else(|| panic!("{user}"));
        assert!(email.starts_with("ada-") && email.ends_with("@example.com"));
        let expected = json!({
            "success": true, "message": "the user was invited", "error": null,
            "data": { "user": user["data"]["user"] },
        });
        assert_eq!((invited, &user), (200, &expected));
        assert_eq!(
            updated,
            (200, json!({ "success": true, "message": "the user was updated", "error": null, "data": null }))
        );
        let message = &referred.1["message"];
        assert_eq!(
            referred,
            (201, json!({ "success": true, "message": message, "error": null, "data": null }))
        );
    }
}

/// Runs a command line in a shell and returns the status and the body.
fn paste(line: &str) -> (u16, Value) {
    let script = format!("{line} -w '\n%{{http_code}}'");
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap())
}

async fn get(url: &str, host: Option<&str>) -> (u16, String, String) {
    let mut request = reqwest::Client::new().get(url);
    if let Some(host) = host {
        request = request.header("host", host);
    }
    let response = request.send().await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    (response.status().as_u16(), kind, response.text().await.unwrap())
}

/// The addresses of the mails on the mailbox page, and the page of each mail.
async fn mailbox(url: &str) -> BTreeMap<String, String> {
    let (status, kind, page) = get(&format!("{url}/mailbox"), None).await;
    assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"));
    let links = page.split("class=\"subject\" href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let to = page.split("To ").skip(1).map(|rest| rest.split([' ', '<']).next().unwrap());
    let mails = to.zip(links).map(|(to, link)| (to.to_owned(), format!("{url}{link}")));
    mails.collect()
}

/// The accept link in a text or a page.
fn invite_link<'a>(url: &str, text: &'a str) -> &'a str {
    let start = text.find(&format!("{url}/invites/")).unwrap_or_else(|| panic!("no link in {text}"));
    text[start..].split([' ', '\n', '\r', '"', '<', '>']).next().unwrap()
}

/// Waits for this many mails, and reads each of them in every available way.
async fn read_mails(server: &Serve, count: usize) {
    let (url, deadline) = (&server.url, std::time::Instant::now() + support::DEADLINE);
    let mut mails = mailbox(url).await;
    while mails.len() < count {
        assert!(std::time::Instant::now() < deadline, "{} of {count} mails", mails.len());
        mails = mailbox(url).await;
    }
    assert_eq!(mails.len(), count);
    for (to, mail) in &mails {
        let (status, kind, page) = get(mail, None).await;
        assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"));
        assert!(page.contains(to.as_str()) && page.contains("<iframe"), "{page}");
        let (status, kind, html) = get(&format!("{mail}/html"), None).await;
        assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"));
        let (status, kind, text) = get(&format!("{mail}/text"), None).await;
        assert_eq!((status, kind.as_str()), (200, "text/plain; charset=utf-8"));
        let (status, kind, source) = get(&format!("{mail}/source"), None).await;
        assert_eq!((status, kind.as_str()), (200, "text/plain; charset=utf-8"));
        assert!(source.contains(&format!("To: {to}\r\n")), "{source}");
        assert!(source.starts_with("Message-ID: <"), "{source}");

        let link = invite_link(url, &text);
        assert_eq!(invite_link(url, &html), link);
        let (status, kind, page) = get(link, None).await;
        assert_eq!((status, kind.as_str()), (200, "text/html; charset=utf-8"));
        assert!(page.contains("<form method=\"post\"><button>"), "{page}");
    }
    // The mailbox is open only to this machine, not to web pages by DNS rebinding.
    let mail = mails.values().next().unwrap();
    let port = url.rsplit(':').next().unwrap();
    for path in [
        &format!("{url}/mailbox"),
        mail,
        &format!("{mail}/html"),
        &format!("{mail}/text"),
        &format!("{mail}/source"),
    ] {
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil.example:8080",
            "192.168.0.1",
            "[::2]",
            "",
        ] {
            let (status, _, body) = get(path, Some(host)).await;
            assert_eq!(status, 404, "{host}: {body}");
            assert!(body.contains("\"error\":\"there is no such route;"), "{host}: {body}");
        }
        for host in ["localhost", &format!("localhost:{port}"), "127.0.0.1", &format!("[::1]:{port}")] {
            assert_eq!(get(path, Some(host)).await.0, 200, "{host}");
        }
    }
    for kind in MailKind::ALL.map(MailKind::as_str) {
        for language in userdocks::l10n::LANGUAGES {
            let page = format!(
                "{url}/mailbox/previews?kind={kind}&language={language}&app=none&scheme=dark&width=320"
            );
            let (status, _, page) = get(&page, None).await;
            let framed = format!("/mailbox/previews/{kind}.{language}.html?app=&amp;scheme=dark");
            assert_eq!((status, page.contains(&framed)), (200, true), "{page}");
            for (form, media) in [("html", "text/html; charset=utf-8"), ("txt", "text/plain; charset=utf-8")]
            {
                let preview = format!("{url}/mailbox/previews/{kind}.{language}.{form}?scheme=dark");
                let (status, kind, body) = get(&preview, None).await;
                assert_eq!((status, kind.as_str()), (200, media), "{preview}");
                assert!(body.contains("Acme") && !body.contains("prefers-color-scheme"), "{body}");
            }
        }
    }
    for name in ["invite.tlh.html", "invite.en.pdf", "invite.en", "invite.en.html.x", "other.en.html", ""] {
        assert_eq!(get(&format!("{url}/mailbox/previews/{name}"), None).await.0, 404, "{name}");
    }
    for name in ["nothing.eml", "..%2f..%2fsecret-key", "%2e%2e%2fsecret-key", "secret-key", "a%00.eml"] {
        assert_eq!(get(&format!("{url}/mailbox/{name}/source"), None).await.0, 404, "{name}");
    }
}

/// Sends concurrent invites until the server is killed; returns the addresses answered with 200.
async fn acknowledged_until_killed(demo: &Demo, server: Serve) -> Vec<String> {
    let (acknowledged, mut count) = tokio::sync::mpsc::unbounded_channel();
    let client = reqwest::Client::new();
    for caller in 0..8 {
        let (client, acknowledged) = (client.clone(), acknowledged.clone());
        let url = format!("{}/v1/users/{}", server.url, demo.user);
        let headers =
            [("x-client-id", &demo.app), ("x-api-key", &demo.write_key)].map(|(n, v)| (n, v.clone()));
        tokio::spawn(async move {
            for number in 0.. {
                let email = format!("crash-{caller}-{number}@example.com");
                let mut request = client.post(&url).header("x-api-key-type", "write");
                for (name, value) in &headers {
                    request = request.header(*name, value);
                }
                let body = json!({ "email": email, "language": "en" }).to_string();
                match request.body(body).send().await {
                    Ok(answer) => {
                        assert_eq!(answer.status().as_u16(), 200);
                        acknowledged.send(email).unwrap();
                    }
                    Err(_) => return,
                }
            }
        });
    }
    drop(acknowledged);
    let mut emails = Vec::new();
    while emails.len() < 100 {
        emails.push(count.recv().await.unwrap());
    }
    tokio::task::block_in_place(|| server.kill());
    while let Some(email) = count.recv().await {
        emails.push(email);
    }
    emails
}

async fn execute(place: &Place, statement: &'static str) {
    let options = userdocks::postgres::running(&place.data().join("postgres")).unwrap();
    let mut database = PgConnection::connect_with(&options).await.unwrap();
    sqlx::query(statement).execute(&mut database).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn trial_keeps_credentials_and_acknowledged_mail_after_sigkill() {
    let place = Place::new(&[]);
    let server = place.serve();
    let demo = Demo::of(&server);
    demo.paste("", "");
    demo.paste("", "");
    read_mails(&server, 4).await;

    // Commands work beside the server, on its data.
    commands::on_apps(&place);
    commands::on_users(&place, &demo.app, &demo.user);

    // Only one server can use the folder at a time.
    assert_eq!(
        place.failure(&["serve"]),
        format!(
            "{} is in use by process {}: stop that first, or set USERDOCKS_DATA_DIR to another folder",
            place.data().join("postgres").canonicalize().unwrap().display(),
            server.pid()
        )
    );

    let first_url = server.url.clone();
    let acknowledged = acknowledged_until_killed(&demo, server).await;

    let server = place.serve();
    let again = Demo::of(&server);
    assert_eq!(again.credentials(), demo.credentials());
    again.paste("", "");
    // The command lines of the first start still work.
    demo.paste(&first_url, &server.url);

    // The mails that the killed process had claimed are due when its lease ends; end it now.
    execute(&place, "UPDATE outbox SET due_at = now() WHERE state = 'queued'").await;
    until("all mails are sent", || {
        (place.json(&["mail", "list", "--state", "queued"]) == json!([])).then_some(())
    });
    let mails = place.json(&["mail", "list"]);
    // Nothing was mailed to the sample people of the demo app.
    let mailed =
        mails.as_array().unwrap().iter().filter(|mail| mail["lastReply"] == "250 written to mailbox");
    let to: Vec<&str> = mailed.map(|mail| mail["to"].as_str().unwrap()).collect();
    let files = std::fs::read_dir(place.data().join("mailbox")).unwrap();
    // The killed process may have left a partly written file, under another name.
    let mails_kept =
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|kind| kind == "eml"));
    assert_eq!(mails_kept.count(), to.len());
    for email in &acknowledged {
        assert_eq!(to.iter().filter(|to| *to == email).count(), 1, "{email}");
    }
    let pasted = 8;
    let unanswered = to.len() - pasted - acknowledged.len();
    assert!(unanswered <= 8, "one per caller at most: {unanswered}");

    // Commands work on the data without a server, too.
    server.stop();
    commands::on_users(&place, &demo.app, &demo.user);
    assert_eq!(place.json(&["mail", "list"]), mails);
}

#[tokio::test(flavor = "multi_thread")]
async fn trial_with_frozen_demo_user_creates_a_new_demo() {
    let place = Place::new(&[]);
    place.serve().stop();
    assert_eq!(place.json(&["app", "list"]).as_array().unwrap().len(), 1);
    commands::on_apps(&place);
    let server = place.serve();
    let demo = Demo::of(&server);
    assert_eq!(place.json(&["app", "list"]).as_array().unwrap().len(), 2);
    execute(&place, "UPDATE users SET freezed = true").await;
    server.stop();

    let server = place.serve();
    let anew = Demo::of(&server);
    assert_ne!(anew.credentials(), demo.credentials());
    anew.paste("", "");
    server.stop();
}

#[test]
fn command_without_trial_fails_and_creates_no_data_dir() {
    let place = Place::new(&[]);
    for arguments in [&["app", "list"][..], &["migrate"], &["mail", "retry", "--all"]] {
        assert_eq!(
            place.failure(arguments),
            format!(
                "there is no trial in {}: set DATABASE_URL, or USERDOCKS_DATA_DIR to the folder of a trial, or start one \
                 with `userdocks serve`",
                place.data().display()
            )
        );
    }
    assert!(!place.data().exists());
}
