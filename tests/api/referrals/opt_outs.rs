//! `/opt-out/{code}`: recipients opt out of referral mail.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use userdocks::domain::id::UserId;

use crate::support::smtp::{Mail, Stage};
use crate::support::{Answer, App, As, Test, new_id, secrets};

async fn refer(test: &Test, app: &App, referrer: UserId, email: &str) -> Answer {
    let body = serde_json::to_vec(&json!({ "email": email, "language": "de" })).unwrap();
    let path = format!("/v1/users/{referrer}/referral-invites");
    let headers = [("x-request-id", "same".to_owned())];
    let mut answer = test.raw("POST", &path, As::Write(app), &headers, body).await;
    assert_eq!(answer.success(), (201, "the referral invite was taken", &Value::Null));
    answer.headers.remove("date");
    answer
}

/// A header of a mail, unfolded.
fn header(mail: &Mail, name: &str) -> Option<String> {
    let raw = String::from_utf8(mail.raw.clone()).unwrap();
    let (head, _) = raw.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", " ");
    let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.map(|value| value.trim().to_owned())
}

/// The path of the opt-out link, which is in the header and in both parts.
fn opt_out(mail: &Mail) -> String {
    let listed = header(mail, "List-Unsubscribe").unwrap();
    let link = listed.strip_prefix('<').unwrap().strip_suffix('>').unwrap();
    assert_eq!(header(mail, "List-Unsubscribe-Post").as_deref(), Some("List-Unsubscribe=One-Click"));
    assert!(mail.text().lines().any(|line| line == link), "{}", mail.text());
    assert!(mail.html().contains(&format!("href=\"{link}\"")), "{}", mail.html());
    let path = link.strip_prefix("https://id.example").unwrap();
    secrets::keep(code(path));
    path.to_owned()
}

fn code(path: &str) -> &str {
    path.strip_prefix("/opt-out/").unwrap().strip_suffix("?language=de").unwrap()
}

/// The heading of a page.
async fn heading(test: &Test, method: &str, path: &str) -> String {
    let form = [("content-type", "application/x-www-form-urlencoded".to_owned())];
    let body = if method == "POST" { b"List-Unsubscribe=One-Click".to_vec() } else { vec![] };
    let page = test.raw(method, path, As::Nobody, &form, body).await;
    assert_eq!(page.status, 200, "{page:?}");
    let html = page.body.as_str().unwrap();
    assert!(html.contains("<html lang=\"de\"") && !html.contains("carl"), "{html}");
    html.split_once("<h1>").unwrap().1.split_once("</h1>").unwrap().0.replace("<bdi>Acme</bdi>", "Acme")
}

const ASK: &str = "Keine Einladungen zu Acme mehr?";
const DONE: &str = "Sie werden nicht mehr eingeladen";
const UNDONE: &str = "Einladungen sind wieder erlaubt";

#[tokio::test]
async fn opt_out_stops_all_referral_mail_of_one_app_until_undone() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let bob = test.member(&test.app, "bob@example.com", None).await;
    let abroad = test.member(&other, "ada@example.com", None).await;
    refer(&test, &test.app, ada, "carl@example.com").await;
    let link = opt_out(&test.mail().await);
    test.idle().await;

    // Viewing the page changes nothing.
    for _ in 0..2 {
        assert_eq!(heading(&test, "GET", &link).await, ASK);
    }
    assert_eq!(test.raw("HEAD", &link, As::Nobody, &[], vec![]).await.status, 200);
    assert_eq!(test.count("SELECT count(*) FROM opt_outs").await, 0);

    // A mail queued for a retry is not sent.
    test.smtp.refuse(Stage::Rcpt, "450 4.2.1 greylisted");
    refer(&test, &test.app, bob, "Carl@Example.com").await;
    test.until_none(
        "SELECT 1 - count(*) FROM outbox WHERE last_reply = '450 4.2.1 greylisted' AND NOT claimed",
    )
    .await;
    for _ in 0..2 {
        assert_eq!(heading(&test, "POST", &link).await, DONE);
    }
    assert_eq!(heading(&test, "GET", &link).await, DONE);
    test.smtp.script(|_| None);
    test.sql("UPDATE outbox SET due_at = now() WHERE state = 'queued'").await;
    test.idle().await;
    let state = "SELECT count(*) FROM outbox WHERE state = 'failed' AND secret IS NULL
        AND last_reply = 'not sent: the recipient has opted out of referrals'";
    assert_eq!(test.count(state).await, 1);

    // A referrer of the address gets the same answer and uses the same quota as for any other address.
    let eve = test.member(&test.app, "eve@example.com", None).await;
    let dan = test.member(&test.app, "dan@example.com", None).await;
    let refused = refer(&test, &test.app, eve, "carl@example.com").await;
    assert_eq!(refused, refer(&test, &test.app, dan, "fred@example.com").await);
    assert_eq!(test.mail().await.to, ["fred@example.com"]);
    for referrer in [eve, dan] {
        let used = "SELECT used FROM referral_quotas WHERE scope = 'referrer' AND subject = $1";
        let used: i32 =
            sqlx::query_scalar(used).bind(referrer.to_string()).fetch_one(&test.db).await.unwrap();
        assert_eq!(used, 1);
    }
    let hashes: Vec<u8> =
        sqlx::query_scalar("SELECT address_hash FROM opt_outs").fetch_one(&test.db).await.unwrap();
    assert_eq!(hashes.len(), 32);

    // Mails of another app, and invites by this app's backend, are still sent.
    refer(&test, &other, abroad, "carl@example.com").await;
    assert_eq!(test.mail().await.to, ["carl@example.com"]);

    // The opt-out outlives the invite and its sender, and can be undone.
    let gone = test.call("DELETE", &format!("/v1/users/{ada}"), As::Write(&test.app), None).await;
    assert_eq!(gone.status, 200);
    assert_eq!(heading(&test, "GET", &link).await, DONE);
    let undo = link.replace("?language", "/undo?language");
    for _ in 0..2 {
        assert_eq!(heading(&test, "POST", &undo).await, UNDONE);
    }
    assert_eq!(test.call("GET", &undo, As::Nobody, None).await.code(), (405, "method_not_allowed"));
    assert_eq!(heading(&test, "GET", &link).await, ASK);
    test.sql("UPDATE invites SET mailed_at = mailed_at - interval '1 hour'").await;
    refer(&test, &test.app, eve, "carl@example.com").await;
    assert_eq!(opt_out(&test.mail().await), link);

    assert_eq!(heading(&test, "POST", &link).await, DONE);
    let body = json!({ "email": "carl@example.com", "language": "en" });
    let path = format!("/v1/users/{}", new_id());
    test.call("POST", &path, As::Write(&test.app), Some(body)).await.user();
    let invite = test.mail().await;
    assert_eq!(
        (invite.to.clone(), header(&invite, "List-Unsubscribe")),
        (vec!["carl@example.com".into()], None)
    );
    test.finish().await;
}

#[tokio::test]
async fn one_click_unsubscribe_post_accepts_multipart_and_empty_body() {
    let test = Test::start().await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    refer(&test, &test.app, ada, "carl@example.com").await;
    let link = opt_out(&test.mail().await);
    let multipart =
        "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    for (content_type, body) in [("multipart/form-data; boundary=x", multipart), ("", "")] {
        let headers = [("content-type", content_type.to_owned())];
        let page = test.raw("POST", &link, As::Nobody, &headers, body.into()).await;
        assert_eq!((page.status, page.header("location")), (200, None));
        assert_eq!(test.count("SELECT count(*) FROM opt_outs").await, 1);
        test.sql("DELETE FROM opt_outs").await;
    }
    test.finish().await;
}

#[tokio::test]
async fn forged_opt_out_link_is_404() {
    let test = Test::start().await;
    let other = test.another_app().await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let abroad = test.member(&other, "ada@example.com", None).await;
    let mut links = Vec::new();
    for (app, referrer) in [(&test.app, ada), (&other, abroad)] {
        refer(&test, app, referrer, "carl@example.com").await;
        links.push(opt_out(&test.mail().await));
    }
    let [ours, theirs] = [0, 1].map(|at: usize| BASE64_URL_SAFE_NO_PAD.decode(code(&links[at])).unwrap());
    assert!(!ours.windows(4).any(|part| part.eq_ignore_ascii_case(b"carl")));
    assert_ne!(ours[16..48], theirs[16..48]);
    let mut forged = vec![
        [&theirs[..16], &ours[16..]].concat(),
        [&ours[..16], &theirs[16..]].concat(),
        [&ours[..16], &theirs[16..48], &ours[48..]].concat(),
        [new_id().as_bytes(), &ours[16..]].concat(),
        ours[..63].to_vec(),
        [&ours[..], &[0]].concat(),
        vec![],
    ];
    for at in [16, 47, 48, 63] {
        let mut bytes = ours.clone();
        bytes[at] ^= 0x80;
        forged.push(bytes);
    }
    let mut codes: Vec<String> = forged.iter().map(|bytes| BASE64_URL_SAFE_NO_PAD.encode(bytes)).collect();
    codes.retain(|code| !code.is_empty());
    codes.extend(["x".to_owned(), "%00".to_owned(), "%FF".to_owned(), "A".repeat(4000)]);
    for code in codes {
        for (method, end) in [("GET", ""), ("POST", ""), ("POST", "/undo")] {
            let page = test.call(method, &format!("/opt-out/{code}{end}"), As::Nobody, None).await;
            assert_eq!(page.status, 404, "{method} {code}{end}");
            assert!(page.body.as_str().unwrap().contains("This link does not work"));
        }
    }
    assert_eq!(test.count("SELECT count(*) FROM opt_outs").await, 0);
    test.finish().await;
}

#[tokio::test]
async fn refused_referral_writes_no_opt_out_key() {
    let test = Test::start().await;
    let keys = async || {
        let keys = sqlx::query_scalar::<_, uuid::Uuid>("SELECT key_id FROM opt_out_keys WHERE app_id = $1");
        keys.bind(test.app.id.0).fetch_all(&test.db).await.unwrap()
    };
    let made = keys().await;
    assert_eq!(made.len(), 1, "it is made with the app");
    let ada = test.user("ada@example.com").await;
    let body = json!({ "email": "ada@example.com", "language": "de" });
    let path = format!("/v1/users/{ada}/referral-invites");
    let answer = test.call("POST", &path, As::Write(&test.app), Some(body)).await;
    assert_eq!(answer.code(), (400, "own_address"));
    assert_eq!(keys().await, made);
    test.finish().await;
}
