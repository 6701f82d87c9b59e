//! `/invites/{code}`: the page that an invite's mail links to.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use serde_json::{Value, json};
use userdocks::domain::id::UserId;

use crate::support::smtp::{Act, Mail, Smtp, Stage};
use crate::support::{self, Answer, As, DEADLINE, SECRET_KEY, Test, code, create_app, new_app, new_id};

pub const OPEN: (u16, &str) = (200, "Your invitation to Acme");
pub const ACCEPTED: (u16, &str) = (200, "Thank you!");
pub const ALREADY: (u16, &str) = (200, "Already accepted");
pub const MEMBER: (u16, &str) = (200, "You already have an account");
pub const EXPIRED: (u16, &str) = (200, "This invitation has expired");
pub const UNKNOWN: (u16, &str) = (404, "This link does not work");

async fn page(test: &Test, method: &str, code: &str) -> Answer {
    test.call(method, &format!("/invites/{code}"), As::Nobody, None).await
}

/// Status and heading of a page. Checks the properties that every page has.
fn said(page: &Answer) -> (u16, String) {
    let html = page.body.as_str().unwrap_or_else(|| panic!("not a page: {page:?}"));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none';", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    // Every style in the page is allowed by its hash.
    for style in html.split("<style>").skip(1) {
        let style = style.split_once("</style>").unwrap().0;
        let hash = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, style.as_bytes()));
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    }
    assert!(page.header("x-request-id").is_some() && page.header("set-cookie").is_none());
    let html_low = html.to_lowercase();
    for active in ["<script", "javascript:", " onclick", " onload", " onerror=", " src=", "<iframe", "style="]
    {
        assert!(!html_low.contains(active), "{active} in {html}");
    }
    let (_, heading) = html.split_once("<h1>").unwrap();
    let (heading, _) = heading.split_once("</h1>").unwrap();
    (page.status, heading.replace("<bdi>", "").replace("</bdi>", ""))
}

pub async fn get(test: &Test, code: &str) -> (u16, String) {
    said(&page(test, "GET", code).await)
}

pub async fn post(test: &Test, code: &str) -> (u16, String) {
    said(&page(test, "POST", code).await)
}

#[track_caller]
pub fn assert_said(said: &(u16, String), expected: (u16, &str)) {
    assert_eq!((said.0, said.1.as_str()), expected);
}

/// Refers an address and reads the mail.
pub async fn referred(test: &Test, referrer: UserId, email: &str, language: &str) -> Mail {
    let body = json!({ "email": email, "language": language });
    let path = format!("/v1/users/{referrer}/referral-invites");
    assert_eq!(test.call("POST", &path, As::Write(&test.app), Some(body)).await.status, 201);
    let mail = test.mail().await;
    assert_eq!(mail.to, [email]);
    mail
}

/// Waits until a statement of the server waits for a lock.
pub async fn until_one_waits(test: &Test) {
    test.until_none(
        "SELECT 1 - count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    .await;
}

#[tokio::test]
async fn get_changes_nothing_and_post_accepts_invite_once() {
    let test = Test::start().await;
    let (ada, code) = test.invited("ada@example.com").await;
    let before = test.rows().await;
    for _ in 0..10 {
        let got = page(&test, "GET", &code).await;
        assert_said(&said(&got), OPEN);
        let html = got.body.as_str().unwrap();
        assert!(html.contains("<html lang=\"en\" dir=\"ltr\">") && html.contains("You have been invited to"));
        assert!(html.contains("<form method=\"post\"><button>Accept invitation</button></form>"));
        assert!(html.contains("a•••@example.com") && !html.contains("ada@example.com"));
        assert!(!html.contains(&code) && !html.contains(&ada.to_string()));
        let head = page(&test, "HEAD", &code).await;
        assert_eq!((head.status, &head.body), (200, &json!("")));
        for name in ["content-type", "content-security-policy", "cache-control", "content-length"] {
            assert_eq!(head.header(name), got.header(name), "{name}");
        }
    }
    assert_eq!(test.rows().await, before);

    let all = join_all((0..20).map(|_| post(&test, &code))).await;
    assert_eq!(all.iter().filter(|(status, heading)| (*status, heading.as_str()) == ACCEPTED).count(), 1);
    assert_eq!(all.iter().filter(|(status, heading)| (*status, heading.as_str()) == ALREADY).count(), 19);
    let after = test.rows().await;
    let (mut user, mut invite) = (before["users"][0].clone(), before["invites"][0].clone());
    assert!(after["users"][0]["accepted_at"].is_string());
    assert_eq!(after["users"][0]["accepted_at"], after["invites"][0]["accepted_at"]);
    user["accepted_at"] = after["users"][0]["accepted_at"].clone();
    user["email_verified"] = true.into();
    user["version"] = 2.into();
    invite["accepted_at"] = user["accepted_at"].clone();
    let expected = json!({ "users": [user], "invites": [invite], "tenants": before["tenants"],
        "quotas": null, "confirmations": null, "outbox": before["outbox"] });
    assert_eq!(after, expected);
    for _ in 0..2 {
        assert_said(&post(&test, &code).await, ALREADY);
        assert_said(&get(&test, &code).await, ALREADY);
    }
    assert_eq!(test.rows().await, after);
    test.finish().await;
}

#[tokio::test]
async fn expired_or_unknown_code_shows_error_page_and_changes_nothing() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let (_, good) = test.invited("good@example.com").await;
    let (_, expired) = test.invited("expired@example.com").await;
    let (_, frozen) = test.invited("frozen@example.com").await;
    let (_, deleted) = test.invited("deleted@example.com").await;
    let (moved, left) = test.invited("moved@example.com").await;
    let (cased, kept) = test.invited("cased@example.com").await;
    let late = code(&referred(&test, moved, "late@example.org", "de").await);
    test.sql(
        "UPDATE invites SET expires_at = now() WHERE email IN ('expired@example.com', 'late@example.org')",
    )
    .await;
    test.sql("UPDATE users SET freezed = true WHERE email = 'frozen@example.com'").await;
    test.sql("UPDATE users SET deleted = true, email = NULL WHERE email = 'deleted@example.com'").await;
    for (user, email) in [(moved, "elsewhere@example.com"), (cased, "CASED@example.com")] {
        let body = json!({ "user": { "email": email } });
        let path = format!("/v1/users/{user}");
        assert_eq!(test.call("PUT", &path, As::Write(&test.app), Some(body)).await.status, 200);
    }
    test.idle().await;
    assert_eq!(test.mail().await.to, ["elsewhere@example.com"], "asked to confirm");

    // The code of this app with the other app's id, and with changed bits.
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&good).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let flipped = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
    *bytes.last_mut().unwrap() ^= 1;
    bytes[..16].copy_from_slice(other.id.0.as_bytes());
    let foreign = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
    let late_heading = (200, "Diese Einladung ist abgelaufen");
    let long = "x".repeat(10_000);
    let before = test.rows().await;
    for (code, expected) in [
        (expired.as_str(), EXPIRED),
        (&late, late_heading),
        (&frozen, UNKNOWN),
        (&deleted, UNKNOWN),
        (&left, UNKNOWN),
        (&flipped, UNKNOWN),
        (&foreign, UNKNOWN),
        (&format!("{good}="), UNKNOWN),
        (&format!("{good}%00"), UNKNOWN),
        (&format!("%20{good}"), UNKNOWN),
        (&good[1..], UNKNOWN),
        ("x", UNKNOWN),
        ("%00", UNKNOWN),
        ("%ff", UNKNOWN),
        ("%3Cscript%3Ealert(1)%3C%2Fscript%3E", UNKNOWN),
        (&long, UNKNOWN),
    ] {
        assert_said(&get(&test, code).await, expected);
        assert_said(&post(&test, code).await, expected);
    }
    for path in ["/invites", "/invites/", "/invites/a/b", "/v1/invite/a"] {
        assert_eq!(test.call("GET", path, As::Nobody, None).await.code(), (404, "route_not_found"), "{path}");
    }
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let answer = page(&test, method, &good).await;
        assert_eq!(answer.code(), (405, "method_not_allowed"), "{method}");
        assert_eq!(answer.header("allow"), Some("GET,HEAD,POST"));
    }
    for (method, path, allow) in [
        ("PATCH", "", "POST,PUT,GET,HEAD,DELETE"),
        ("GET", "/referral-invites", "POST"),
        ("PUT", "/referral-invites", "POST"),
    ] {
        let path = format!("/v1/users/{moved}{path}");
        let answer = test.call(method, &path, As::Write(&test.app), None).await;
        assert_eq!(
            (answer.code(), answer.header("allow")),
            ((405, "method_not_allowed"), Some(allow)),
            "{path}"
        );
    }
    assert_eq!(test.rows().await, before);

    // Addresses are compared without case, and the query of the page's URL is ignored.
    assert_said(&post(&test, &format!("{kept}?referral_code=x&utm=1")).await, ACCEPTED);
    assert_eq!(test.stored(cased).await["email_verified"], true);
    test.sql("UPDATE invites SET expires_at = now() WHERE accepted_at IS NOT NULL").await;
    assert_said(&get(&test, &kept).await, ALREADY);
    test.finish().await;
}

#[tokio::test]
async fn email_change_or_freeze_during_accept_keeps_invite_unaccepted() {
    let test = Test::with(&[("USERDOCKS_INVITE__RESEND_AFTER", "0s")]).await;
    for (email, change, expected) in [
        ("a@example.com", "UPDATE users SET email = 'b@example.com' WHERE email = 'a@example.com'", UNKNOWN),
        ("c@example.com", "UPDATE users SET freezed = true WHERE email = 'c@example.com'", UNKNOWN),
        ("d@example.com", "UPDATE users SET name = 'Dora' WHERE email = 'd@example.com'", ACCEPTED),
    ] {
        let (user, code) = test.invited(email).await;
        let mut changing = userdocks::db::Transaction::begin(&test.db).await.unwrap();
        sqlx::query(change).execute(&mut *changing).await.unwrap();
        let commit = async {
            until_one_waits(&test).await;
            changing.commit().await.unwrap();
        };
        let (said, ()) = tokio::join!(post(&test, &code), commit);
        assert_said(&said, expected);
        assert_eq!(test.stored(user).await["email_verified"], expected == ACCEPTED);
    }
    assert_eq!(test.count("SELECT count(*) FROM invites WHERE accepted_at IS NOT NULL").await, 1);
    assert_eq!(test.count("SELECT count(*) FROM users WHERE accepted_at IS NOT NULL").await, 1);
    // After an unfreeze the user can accept.
    test.sql("UPDATE users SET freezed = false").await;
    assert_eq!(test.smtp.mails()[1].to, ["c@example.com"]);
    assert_said(&post(&test, &code(&test.smtp.mails()[1])).await, ACCEPTED);

    // Concurrent accepts, changes and resends do not deadlock.
    let (ada, code) = test.invited("ada@example.com").await;
    let path = format!("/v1/users/{ada}");
    let calls = join_all((0..60).map(|n| {
        let (test, path, code) = (&test, path.as_str(), code.as_str());
        let invite = json!({ "email": "ada@example.com", "language": "en" });
        let change = json!({ "user": { "language": "de", "email": "Ada@example.com" } });
        async move {
            match n % 3 {
                0 => page(test, "POST", code).await.status,
                1 => test.call("PUT", path, As::Write(&test.app), Some(change)).await.status,
                _ => test.call("POST", path, As::Write(&test.app), Some(invite)).await.status,
            }
        }
    }));
    let statuses = calls.await;
    assert!(statuses.iter().all(|status| [200, 400, 404].contains(status)), "{statuses:?}");
    let mails = test.count("SELECT count(*) FROM outbox WHERE lower(recipient) = 'ada@example.com'").await;
    test.mails(usize::try_from(mails - 1).unwrap()).await;
    test.finish().await;
}

#[tokio::test]
async fn page_without_database_is_503() {
    let mut test = Test::start().await;
    test.server.as_ref().unwrap().state.store.pool.close().await;
    let code = userdocks::domain::invites::InviteCode::generate(test.app.id);
    for method in ["GET", "POST"] {
        let page = page(&test, method, code.expose()).await;
        assert_said(&said(&page), (503, "Please try again in a moment"));
        assert_eq!(page.header("retry-after"), Some("5"));
    }
    test.server.take().unwrap().stop().await;
}

/// The link in the mail.
fn link(mail: &Mail) -> String {
    let text = mail.text();
    let link = text.lines().find(|line| line.starts_with("https://")).unwrap();
    assert!(mail.html().contains(&format!("href=\"{}\"", link.replace('&', "&amp;"))), "{}", mail.html());
    link.to_owned()
}

#[tokio::test]
async fn invite_page_uses_url_language_and_escaped_name_of_the_app() {
    let test = Test::start().await;
    let ada = test.user("ada@example.com").await;
    test.sql("UPDATE users SET referral_code = 'ADA00001'").await;
    for (own, expected) in [
        ("https://app.example", "https://app.example/?code=CODE&referral_code=ADA00001"),
        ("https://app.example/join?", "https://app.example/join?code=CODE&referral_code=ADA00001"),
        (
            "https://app.example/join?x=1&y=a%20b#/welcome?z=2",
            "https://app.example/join?x=1&y=a%20b&code=CODE&referral_code=ADA00001#/welcome?z=2",
        ),
    ] {
        sqlx::query("UPDATE apps SET invite_url = $1").bind(own).execute(&test.db).await.unwrap();
        let n = test.smtp.mails().len();
        let link = link(&referred(&test, ada, &format!("r{n}@example.com"), "en").await);
        let (_, code) = link.split_once("code=").unwrap();
        let (code, _) = code.split_once('&').unwrap();
        assert_eq!(link, expected.replace("CODE", code));
        assert_said(&post(&test, code).await, ACCEPTED);

        let body = json!({ "email": format!("i{n}@example.com"), "language": "en" });
        let answer = test.call("POST", &format!("/v1/users/{ada}"), As::Write(&test.app), Some(body)).await;
        assert_eq!(answer.status, 200);
        let invite = self::link(&test.mail().await);
        let (_, code) = invite.split_once("code=").unwrap();
        let code = code.split('#').next().unwrap();
        assert_eq!(invite, expected.replace("&referral_code=ADA00001", "").replace("CODE", code));
        assert_said(&post(&test, code).await, ACCEPTED);
    }

    // The page is in the invite's language, else in the app's, else in English.
    test.sql("UPDATE apps SET invite_url = NULL, language = 'de'").await;
    for (language, tag) in [("en-GB", "en"), ("US", "en"), ("AT", "de"), ("de", "de"), ("tlh", "de")] {
        let email = format!("{language}@example.com");
        let code = code(&referred(&test, ada, &email, language).await);
        let html = page(&test, "GET", &code).await.body;
        assert!(html.as_str().unwrap().contains(&format!("<html lang=\"{tag}\" dir=\"ltr\">")), "{language}");
    }

    test.sql("UPDATE apps SET language = 'en', name = '<script>alert(1)</script> & \"Söhne\"'").await;
    test.sql("UPDATE users SET name = '</p><img src=x onerror=alert(1)>\u{202e} evil.example' WHERE email = 'ada@example.com'")
        .await;
    let mail = referred(&test, ada, "markup@example.com", "en").await;
    let shown = "&lt;/p&gt;&lt;img src=x onerror=alert(1)&gt; evil. example".replace("</", "&lt;&#x2f;");
    for html in [mail.html(), page(&test, "GET", &code(&mail)).await.body.as_str().unwrap().to_owned()] {
        for markup in ["<script", "<img", "\u{202e}", "evil.example"] {
            assert!(!html.contains(markup), "{markup} in {html}");
        }
        let plain = html.replace("&#x2f;", "/");
        assert!(plain.contains(&shown.replace("&#x2f;", "/")), "{html}");
        assert!(plain.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;Söhne&quot;"), "{html}");
    }
    assert_eq!(
        mail.subject(),
        "</p><img src=x onerror=alert(1)> evil. example invites you to try <script>alert(1)</script> & \"Söhne\""
    );
    assert_eq!(post(&test, &code(&mail)).await.1, "Thank you!");
    test.finish().await;
}

#[tokio::test]
async fn invite_code_is_not_logged_or_stored_in_plain_text() {
    let url = support::database(true).await;
    let smtp = Smtp::start().await;
    let db = userdocks::db::Pool::new(userdocks::db::options(&url).unwrap(), 4, DEADLINE);
    let seal = userdocks::domain::credentials::secret_key::SecretKey::new(
        &hex::decode(SECRET_KEY).unwrap().try_into().unwrap(),
    );
    let app = create_app(&db, &seal, &new_app("Acme")).await;
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let mut server = Command::new(env!("CARGO_BIN_EXE_userdocks"))
        .envs(support::variables(&url, &smtp.url(), &[("USERDOCKS_MAIL__RETRY_AFTER", "10ms")]))
        .env("RUST_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
    // Stops the server also if an assertion below fails.
    let _end = End(server);

    let client = reqwest::Client::new();
    let call = async |path: &str, email: &str| {
        let body = serde_json::to_vec(&json!({ "email": email, "language": "en" })).unwrap();
        let request = client
            .post(format!("{address}{path}"))
            .header("X-API-KEY", &app.write_key)
            .header("X-API-KEY-TYPE", "write")
            .header("X-CLIENT-ID", app.id.to_string())
            .body(body);
        assert!(request.send().await.unwrap().status().is_success());
    };
    // A mail server that quotes the rejected text, first with a temporary reply, then with a permanent one.
    let ada = new_id();
    call(&format!("/v1/users/{ada}"), "ada@example.com").await;
    let first = code(&smtp.wait_for(1, DEADLINE).await[0]);
    let (quoted, second) = std::sync::mpsc::channel();
    smtp.script(move |seen| {
        if seen.stage != Stage::Final {
            return None;
        }
        let mail =
            Mail { from: String::new(), to: vec![], raw: seen.raw.clone(), connection: 0, encrypted: false };
        quoted.send(code(&mail)).unwrap();
        let status = if seen.attempt == 1 { "450 4.7.1" } else { "550 5.7.1" };
        Some(Act::Reply(format!("{status} spam: https://id.example/invites/{}?", code(&mail))))
    });
    call(&format!("/v1/users/{ada}/referral-invites"), "carl@example.com").await;
    let failed = async {
        let failed = "SELECT count(*) FROM outbox WHERE state = 'failed' AND secret IS NULL AND attempts = 2";
        while sqlx::query_scalar::<_, i64>(failed).fetch_one(&db).await.unwrap() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, failed).await.unwrap();
    let second = second.recv().unwrap();
    for (code, status) in [(&first, 200), (&second, 200), (&first[1..].to_owned(), 404)] {
        for method in ["GET", "HEAD", "POST", "PUT"] {
            let url = format!("{address}/invites/{code}?code={code}");
            let answer = client.request(method.parse().unwrap(), url).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), if method == "PUT" { 405 } else { status });
        }
    }
    let rows: Value = sqlx::query_scalar(
        "SELECT jsonb_build_array((SELECT jsonb_agg(o) FROM outbox o), (SELECT jsonb_agg(i) FROM invites i))",
    )
    .fetch_one(&db)
    .await
    .unwrap();
    // The log line follows the database write a moment later.
    let read = || std::fs::read_to_string(&log).unwrap();
    let all_told = async {
        while !["mail sent", "mail failed", "/invites/{code}"].iter().all(|told| read().contains(told)) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, all_told).await.unwrap();
    let log = read();
    for code in [&first, &second] {
        assert!(!log.contains(&code[1..]), "{log}");
        assert!(!rows.to_string().contains(&code[1..]), "{rows}");
    }
    assert!(!log.contains(&app.write_key));
}

struct End(std::process::Child);

impl Drop for End {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
