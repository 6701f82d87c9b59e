//! Signing in with a password and a code of an authenticator app, setting both, and sign-in links by mail.

use std::collections::BTreeMap;

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use serde_json::json;
use userdocks::db::operators;
use userdocks::domain::email::Email;
use userdocks::domain::operators::Role;
use uuid::Uuid;

use super::screens::hidden;
use super::{Shown, Visitor, audited, start};
use crate::support::smtp::Mail;
use crate::support::{Test, secrets};

const PASSWORD: &str = "seven-Owls-count-the-Stars";
const OTHER_PASSWORD: &str = "nine-Foxes-read-the-Paper";
const OLD: &str = "UPDATE operator_sessions SET created_at = now() - interval '16 minutes'";
const NO_CODE_USED: &str = "UPDATE operators SET totp_step = 0";

/// An authenticator app that knows one key.
struct Authenticator {
    key: Vec<u8>,
}

impl Authenticator {
    /// Takes the key that a page shows in base32.
    fn scan(html: &str) -> Self {
        let shown = html.split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
        secrets::keep(shown);
        let shown = shown.replace(' ', "");
        secrets::keep(&shown);
        let (mut key, mut bits, mut length) = (Vec::new(), 0_u32, 0);
        for letter in shown.bytes() {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'2'..=b'7' => letter - b'2' + 26,
                other => panic!("not base32: {other}"),
            };
            bits = bits << 5 | u32::from(value);
            length += 5;
            if length >= 8 {
                length -= 8;
                key.push(u8::try_from(bits >> length & 0xff).unwrap());
            }
        }
        assert_eq!(key.len(), 20);
        Self { key }
    }

    /// The code so many steps of 30 seconds after the current one (RFC 6238). The server accepts those of -1, 0 and 1.
    fn code(&self, ahead: i64) -> String {
        let step = userdocks::clock::now().as_second() / 30 + ahead;
        let tag = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.key), &step.to_be_bytes());
        let offset = usize::from(tag.as_ref()[19] & 15);
        let number = u32::from_be_bytes(tag.as_ref()[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

/// The form of a new password, with the key that it shows.
struct Form {
    secret: String,
    app: Authenticator,
}

impl Form {
    async fn open(visitor: &Visitor<'_>) -> Self {
        secrets::keep(PASSWORD);
        secrets::keep(OTHER_PASSWORD);
        let shown = visitor.get("/account/password").await;
        assert_eq!(shown.status, 200);
        let secret = hidden(&shown.html, "secret").to_owned();
        secrets::keep(&secret);
        Self { secret, app: Authenticator::scan(&shown.html) }
    }

    /// Sends the form as a person fills it in, with other or more fields.
    async fn send(&self, visitor: &Visitor<'_>, other: &[(&str, &str)]) -> Shown {
        let code = self.app.code(0);
        let mut fields: BTreeMap<&str, &str> =
            [("secret", &*self.secret), ("password", PASSWORD), ("again", PASSWORD), ("code", &*code)].into();
        fields.extend(other.iter().copied());
        visitor.post("/account/password", &fields.into_iter().collect::<Vec<_>>()).await
    }
}

const SET: (u16, &str) = (303, "/account?done=password");

/// Sets [`PASSWORD`] in the session of an operator.
async fn set_password(visitor: &Visitor<'_>) -> Authenticator {
    let form = Form::open(visitor).await;
    assert_eq!(form.send(visitor, &[]).await.goes(), SET);
    form.app
}

/// Tries to sign in.
async fn try_password(test: &Test, email: &str, password: &str, code: &str) -> Shown {
    let fields = [("email", email), ("password", password), ("code", code)];
    Visitor::nobody(test).post("/sign-in", &fields).await
}

const WRONG: (u16, &str) = (403, "wrong_credentials");

#[tokio::test]
async fn set_password_and_code_then_sign_in_with_them() {
    let test = start().await;
    let mut ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    assert!(ada.get("/account").await.html.contains("Set a password"));
    let app = set_password(&ada).await;
    assert!(ada.get("/account").await.html.contains("Change password"));
    assert_eq!(ada.post("/sign-out", &[]).await.goes(), (303, "/sign-in"));
    assert_eq!(ada.get("/").await.goes(), (303, "/sign-in"));

    // The code that confirmed the key is used up.
    let code = app.code(1);
    let begun = try_password(&test, "Ada@example.com", PASSWORD, &code).await;
    ada.take_session(&begun);
    let again = try_password(&test, "ada@example.com", PASSWORD, &code).await;
    assert_eq!((again.code(), again.header("set-cookie")), (WRONG, ""));
    assert_eq!(ada.get("/operators").await.status, 200);
    assert_eq!(ada.post("/sign-out", &[]).await.goes(), (303, "/sign-in"));

    let (nil, by) = (Uuid::nil(), ada.operator);
    assert_eq!(
        audited(&test).await,
        json!([
            [nil, by, "signIn", "done", by, []],
            [nil, by, "setPassword", "done", by, ["password", "authenticator"]],
            [nil, by, "signOut", "done", null, []],
            [nil, by, "signIn", "done", by, []],
            [nil, null, "signIn", "refused", by, []],
            [nil, by, "signOut", "done", null, []]
        ])
    );
    test.finish().await;
}

#[tokio::test]
async fn code_that_confirmed_the_key_does_not_sign_in() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let form = Form::open(&ada).await;
    let code = form.app.code(0);
    assert_eq!(form.send(&ada, &[("code", &code)]).await.goes(), SET);
    assert_eq!(try_password(&test, "ada@example.com", PASSWORD, &code).await.code(), WRONG);
    test.finish().await;
}

#[tokio::test]
async fn unknown_address_no_password_wrong_password_wrong_code_and_lock_have_the_same_answer() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let app = set_password(&ada).await;
    let locked = Visitor::new(&test, "locked@example.com", Role::Admin, None).await;
    let locked_app = set_password(&locked).await;
    test.sql(
        "UPDATE operators SET locked_until = now() + interval '1 hour' WHERE email = 'locked@example.com'",
    )
    .await;
    Visitor::new(&test, "new@example.com", Role::Admin, None).await;
    let mut answers = Vec::new();
    for (email, password, code) in [
        ("nobody@example.com", PASSWORD, app.code(1)),
        ("new@example.com", PASSWORD, app.code(1)),
        ("ada@example.com", OTHER_PASSWORD, app.code(1)),
        ("ada@example.com", "short", app.code(1)),
        ("ada@example.com", PASSWORD, app.code(10)),
        ("ada@example.com", PASSWORD, String::new()),
        ("locked@example.com", PASSWORD, locked_app.code(1)),
    ] {
        let shown = try_password(&test, email, password, &code).await;
        let typed = format!("value=\"{email}\"");
        assert!(shown.html.contains(&typed), "{email}: {}", shown.html);
        assert!(!shown.html.contains(password), "{email}: {}", shown.html);
        let mut headers = shown.headers.clone();
        for name in ["date", "x-request-id", "content-length"] {
            headers.remove(name);
        }
        answers.push((email, (shown.status, headers, shown.html.replace(&typed, ""))));
    }
    assert_eq!(
        (answers[0].1.0, &answers[0].1.1["x-error-code"]),
        (403, &"wrong_credentials".parse().unwrap())
    );
    for (email, answer) in &answers {
        assert_eq!(answer, &answers[0].1, "{email}");
    }
    test.finish().await;
}

#[tokio::test]
async fn five_wrong_tries_lock_also_the_right_password_until_the_time_is_over() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let app = set_password(&ada).await;
    let wrong = async || {
        assert_eq!(try_password(&test, "ada@example.com", OTHER_PASSWORD, &app.code(0)).await.code(), WRONG);
    };
    let right = async || {
        test.sql(NO_CODE_USED).await;
        try_password(&test, "ada@example.com", PASSWORD, &app.code(0)).await
    };
    // A success resets the count: twice four wrong tries do not lock.
    for _ in 0..2 {
        for _ in 0..4 {
            wrong().await;
        }
        assert_eq!(right().await.goes(), (303, "/"));
    }
    for _ in 0..5 {
        wrong().await;
    }
    assert_eq!(right().await.code(), WRONG);
    test.sql("UPDATE operators SET locked_until = now()").await;
    assert_eq!(right().await.goes(), (303, "/"));
    // A lock does not end sessions, and a link still signs in.
    let mut ada = ada;
    for _ in 0..5 {
        wrong().await;
    }
    assert_eq!(ada.get("/").await.status, 200);
    ada.sign_in().await;
    test.finish().await;
}

#[tokio::test]
async fn first_password_in_a_session_of_16_minutes_is_403() {
    let test = start().await;
    let mut ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let form = Form::open(&ada).await;
    test.sql(OLD).await;
    assert_eq!(form.send(&ada, &[]).await.code(), (403, "forbidden"));
    assert_eq!(
        form.send(&ada, &[("current", PASSWORD), ("current-code", &form.app.code(0))]).await.code(),
        (403, "forbidden")
    );
    assert_eq!(test.count("SELECT count(password_hash) FROM operators").await, 0);
    ada.sign_in().await;
    assert_eq!(form.send(&ada, &[]).await.goes(), SET);
    test.finish().await;
}

#[tokio::test]
async fn change_in_a_session_of_16_minutes_needs_current_password_and_code() {
    let test = start().await;
    let mut ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let there = Visitor { cookie: ada.cookie.clone(), token: ada.token.clone(), ..Visitor::nobody(&test) };
    ada.sign_in().await;
    let app = set_password(&ada).await;
    // Setting the password ended the session that began before.
    assert_eq!(there.get("/").await.goes(), (303, "/sign-in"));
    let mut there = Visitor::nobody(&test);
    there.operator = ada.operator;
    there.sign_in().await;
    test.sql(OLD).await;

    let form = Form::open(&ada).await;
    let change = [("password", OTHER_PASSWORD), ("again", OTHER_PASSWORD)];
    for (current, code) in [("", String::new()), (PASSWORD, app.code(10)), (OTHER_PASSWORD, app.code(1))] {
        let fields = [&change[..], &[("current", current), ("current-code", &code)]].concat();
        let refused = form.send(&ada, &fields).await;
        assert_eq!(refused.status, 403, "{current}");
        assert!(refused.html.contains("id=\"error-current\""), "{}", refused.html);
        assert_eq!(hidden(&refused.html, "secret"), form.secret);
    }
    assert_eq!(there.get("/").await.status, 200);
    let code = app.code(1);
    let fields = [&change[..], &[("current", PASSWORD), ("current-code", &code)]].concat();
    assert_eq!(form.send(&ada, &fields).await.goes(), SET);
    assert_eq!(ada.get("/").await.status, 200);
    assert_eq!(there.get("/").await.goes(), (303, "/sign-in"));

    test.sql(NO_CODE_USED).await;
    for (password, of) in [(PASSWORD, &form.app), (OTHER_PASSWORD, &app)] {
        let shown = try_password(&test, "ada@example.com", password, &of.code(0)).await;
        assert_eq!(shown.code(), WRONG, "{password}");
    }
    let begun = try_password(&test, "ada@example.com", OTHER_PASSWORD, &form.app.code(0)).await;
    ada.take_session(&begun);
    test.finish().await;
}

#[tokio::test]
async fn removed_password_does_not_sign_in_and_removing_needs_a_young_session_or_the_password() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let app = set_password(&ada).await;
    test.sql(OLD).await;
    assert_eq!(ada.post("/account/password/remove", &[]).await.code(), (403, "forbidden"));
    let current = [("current", PASSWORD), ("current-code", &app.code(1))];
    assert_eq!(
        ada.post("/account/password/remove", &current).await.goes(),
        (303, "/account?done=password-removed")
    );
    assert_eq!(
        test.count(
            "SELECT count(*) FROM operators WHERE num_nonnulls(password_hash, totp_secret, totp_step) > 0"
        )
        .await,
        0
    );
    assert_eq!(try_password(&test, "ada@example.com", PASSWORD, &app.code(1)).await.code(), WRONG);
    test.finish().await;
}

#[tokio::test]
async fn viewer_sets_their_own_password() {
    let test = start().await;
    let mut vera = Visitor::new(&test, "vera@example.com", Role::Viewer, Some(&[test.app.id.0])).await;
    let app = set_password(&vera).await;
    let begun = try_password(&test, "vera@example.com", PASSWORD, &app.code(1)).await;
    vera.take_session(&begun);
    assert_eq!(vera.get("/account").await.status, 200);
    test.finish().await;
}

#[tokio::test]
async fn secret_field_of_another_operator_is_422_with_a_new_key() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let mallory = Visitor::new(&test, "mallory@example.com", Role::Viewer, None).await;
    let form = Form::open(&mallory).await;
    for secret in [&*form.secret, "", "AAAA", &form.secret[1..]] {
        let refused = form.send(&ada, &[("secret", secret)]).await;
        assert_eq!(refused.status, 422, "{secret}");
        assert!(refused.html.contains("id=\"error-code\""), "{}", refused.html);
        let new = hidden(&refused.html, "secret");
        secrets::keep(new);
        assert_ne!(new, secret);
        assert_ne!(Authenticator::scan(&refused.html).key, form.app.key);
    }
    assert_eq!(test.count("SELECT count(password_hash) FROM operators").await, 0);
    test.finish().await;
}

#[tokio::test]
async fn invalid_field_is_422_with_its_error_and_the_same_key() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let form = Form::open(&ada).await;
    let wrong_code = form.app.code(10);
    for (fields, error) in [
        (&[("password", "elevenchars"), ("again", "elevenchars")][..], "password"),
        (&[("again", OTHER_PASSWORD)], "again"),
        (&[("code", &*wrong_code)], "code"),
    ] {
        let refused = form.send(&ada, fields).await;
        assert_eq!(refused.status, 422, "{error}");
        let shown: Vec<&str> =
            refused.html.split("id=\"error-").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(shown, [error], "{}", refused.html);
        assert_eq!(hidden(&refused.html, "secret"), form.secret);
        assert_eq!(Authenticator::scan(&refused.html).key, form.app.key);
        assert!(!refused.html.contains(PASSWORD) && !refused.html.contains("elevenchars"));
    }
    assert_eq!(form.send(&ada, &[]).await.goes(), SET);
    test.finish().await;
}

#[tokio::test]
async fn disabled_and_enabled_again_operator_has_only_a_link_to_sign_in() {
    let test = start().await;
    let root = Visitor::new(&test, "root@example.com", Role::Admin, None).await;
    let mut ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let app = set_password(&ada).await;
    test.sql(
        "INSERT INTO operator_passkeys (credential_id, operator_id, name, public_key, sign_count)
        SELECT 'x', operator_id, 'Laptop', 'x', 0 FROM operators WHERE email = 'ada@example.com'",
    )
    .await;
    let link = ada.link().await;
    assert!(ada.get("/account").await.html.contains("Laptop"));
    let disabled = root.post(&format!("/operators/{}/disable", ada.operator), &[]).await;
    assert_eq!(disabled.goes(), (303, "/operators?done=disabled"));
    let left = "SELECT count(*) FROM operators
        WHERE num_nonnulls(password_hash, totp_secret, totp_step, link_hash, link_expires_at) > 0";
    assert_eq!(test.count(left).await, 0);
    assert_eq!(test.count("SELECT count(*) FROM operator_passkeys").await, 0);

    let email = Email::parse("ada@example.com").unwrap();
    let enabled = operators::create(&test.db, &email, Role::Admin, None).await.unwrap();
    assert_eq!(enabled, Some(ada.operator));
    assert_eq!(try_password(&test, "ada@example.com", PASSWORD, &app.code(1)).await.code(), WRONG);
    assert_eq!(ada.get("/").await.goes(), (303, "/sign-in"));
    ada.cookie.clear();
    assert_eq!(ada.send("POST", &link, &[], "").await.code(), (403, "unknown_link"));
    ada.sign_in().await;
    let account = ada.get("/account").await.html;
    assert!(account.contains("Set a password") && !account.contains("Laptop"), "{account}");
    test.finish().await;
}

/// The path of the link in a mail.
fn mailed_link(mail: &Mail, console: &str) -> String {
    let text = mail.text();
    let start = format!("{console}/sign-in/");
    let rest = text.split(&start).nth(1).unwrap_or_else(|| panic!("no {start} in {text}"));
    let code = rest.split_whitespace().next().unwrap();
    secrets::keep(code);
    assert!(mail.html().contains(&format!("{start}{code}")));
    format!("/sign-in/{code}")
}

#[tokio::test]
async fn sign_in_link_is_mailed_once_a_minute_and_only_to_an_enabled_operator() {
    let test = start().await;
    let mut ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let bob = Visitor::new(&test, "bob@example.com", Role::Viewer, None).await;
    let gone = Visitor::new(&test, "gone@example.com", Role::Viewer, None).await;
    assert!(operators::disable(&test.db, gone.operator).await.unwrap());
    let nobody = Visitor::nobody(&test);
    let ask = async |address: &str| {
        let shown = nobody.post("/sign-in/link", &[("address", address)]).await;
        assert_eq!(shown.code(), (200, ""), "{address}");
        shown.html
    };
    let answer = ask("ada@example.com").await;
    let mail = test.mail().await;
    assert_eq!(mail.to, ["ada@example.com"]);
    let link = mailed_link(&mail, &ada.url);
    for address in ["nobody@example.com", "gone@example.com", "no address", "ADA@example.com"] {
        assert_eq!(ask(address).await, answer, "{address}");
    }
    // Another operator's mail is next, so the others made none.
    assert_eq!(ask("bob@example.com").await, answer);
    let mail = test.mail().await;
    assert_eq!(mail.to, ["bob@example.com"]);
    mailed_link(&mail, &ada.url);
    // The second try did not replace the link.
    ada.cookie.clear();
    let begun = ada.send("POST", &link, &[], "").await;
    ada.take_session(&begun);
    assert_eq!(ada.get("/").await.status, 200);
    test.sql("UPDATE operators SET link_sent_at = link_sent_at - interval '1 minute'").await;
    assert_eq!(ask("ada@example.com").await, answer);
    let mail = test.mail().await;
    assert_eq!(mail.to, ["ada@example.com"]);
    assert_ne!(mailed_link(&mail, &ada.url), link);

    let nil = Uuid::nil();
    let event =
        |outcome: &str, subject: Option<Uuid>| json!([nil, null, "mailSignInLink", outcome, subject, []]);
    let events = audited(&test).await;
    let mailed: Vec<_> =
        events.as_array().unwrap().iter().filter(|event| event[2] == json!("mailSignInLink")).collect();
    assert_eq!(
        json!(mailed),
        json!([
            event("done", Some(ada.operator)),
            event("unchanged", None),
            event("unchanged", None),
            event("unchanged", None),
            event("done", Some(ada.operator)),
            event("done", Some(bob.operator)),
            event("done", Some(ada.operator)),
        ])
    );
    test.finish().await;
}
