//! Key rotation while servers work, and the database roles they use.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::audit::events;
use crate::cli::commands::{App, create_app};
use crate::support::child::{Place, Serve, until};
use crate::support::receiver::Receiver;
use crate::support::smtp::{Smtp, Stage};
use crate::support::{self, DEADLINE, SECRET_KEY, new_id};
use userdocks::domain::credentials::secret_key::{Purpose, SecretKey};

const NEW_KEY: &str = "1d2c3b4a5f6e7d8c9b0a1f2e3d4c5b6a79880716253443526170f8e9dacbbcad";
const WRONG_KEY: &str = "USERDOCKS_SECRET_KEY is not the key that this database is encrypted with: set it to that key, or, \
                         while you change the key, USERDOCKS_OTHER_SECRET_KEY";

/// Calls a server with the app's write key and returns the status and the body.
async fn call(server: &Serve, app: &App, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new()
        .request(method.parse().unwrap(), format!("{}{path}", server.url))
        .header("X-CLIENT-ID", &app.id)
        .header("X-API-KEY-TYPE", "write")
        .header("X-API-KEY", &app.write_key)
        .body(body.to_string());
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

async fn invite(server: &Serve, app: &App, email: &str) -> String {
    let user = new_id().to_string();
    let body = json!({ "email": email, "language": "en" });
    assert_eq!(call(server, app, "POST", &format!("/v1/users/{user}"), &body).await.0, 200);
    user
}

async fn token(server: &Serve, app: &App, user: &str) -> String {
    let (status, body) = call(server, app, "POST", &format!("/v1/users/{user}/tokens"), &Value::Null).await;
    assert_eq!(status, 200, "{body}");
    let token = body["data"]["accessToken"].as_str().unwrap();
    support::secrets::keep_token(token);
    token.to_owned()
}

/// The status of a call with a token.
async fn use_token(server: &Serve, token: &str) -> u16 {
    let request = reqwest::Client::new().get(format!("{}/v1/users/me", server.url)).bearer_auth(token);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_key_rotates_while_servers_run() {
    support::secrets::keep(NEW_KEY);
    let smtp = Smtp::start().await;
    let url = support::database(false).await;
    let place = |own: &str, other: &str| {
        Place::new(&[
            ("DATABASE_URL", &url),
            ("USERDOCKS_SECRET_KEY", own),
            ("USERDOCKS_OTHER_SECRET_KEY", other),
            ("USERDOCKS_WEBHOOK__ALLOW_PRIVATE_ADDRESSES", "true"),
            ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
        ])
    };
    let [before, preparing, changed, after] =
        [place(SECRET_KEY, ""), place(SECRET_KEY, NEW_KEY), place(NEW_KEY, SECRET_KEY), place(NEW_KEY, "")];
    let app = create_app(&before, &[]);
    // Every command detects a wrong key at its start.
    for arguments in [&["serve"][..], &["migrate"], &["app", "list"], &["mail", "list"]] {
        assert_eq!(after.failure(arguments), WRONG_KEY);
    }

    // Servers that know both keys, and seal with either one, send each other's mails.
    let servers = [preparing.serve(), changed.serve()];
    let mut user = String::new();
    for number in 0..20 {
        let server = &servers[number % 2];
        user = invite(server, &app, &format!("u{number}@example.com")).await;
        assert_eq!(use_token(server, &token(server, &app, &user).await).await, 200);
    }
    smtp.wait_for(20, DEADLINE).await;
    // The key that hashes opted-out addresses is shared as well.
    let body = json!({ "email": "carl@example.com", "language": "en" });
    let path = format!("/v1/users/{user}/referral-invites");
    assert_eq!(call(&servers[0], &app, "POST", &path, &body).await.0, 201);
    let referral = smtp.wait_for(21, DEADLINE).await.remove(20).text();
    let (_, opt_out) = referral.rsplit_once("/opt-out/").unwrap();
    let opt_out = opt_out.split_whitespace().next().unwrap();
    support::secrets::keep(opt_out);
    let listed = place(SECRET_KEY, NEW_KEY).json(&["mail", "list"]);
    assert!(listed.as_array().unwrap().iter().all(|mail| mail["attempts"] == json!(1)), "{listed}");

    // A queued mail is sealed with the old key, as are the app's private key and the secret of its webhook.
    let receiver = Receiver::start().await;
    let webhook = before.json(&["webhook", "create", "--app", &app.id, "--url", &receiver.url]);
    smtp.refuse(Stage::Rcpt, "450 4.2.1 later");
    let [old, new] = servers;
    new.stop();
    invite(&old, &app, "late@example.com").await;
    let waits =
        || changed.json(&["mail", "list", "--state", "queued"])[0]["lastReply"] == json!("450 4.2.1 later");
    until("the mail waits", || waits().then_some(()));
    old.stop();
    // So is the key of an operator's authenticator app.
    let operator = before.json(&["operator", "create", "--email", "ada@example.com", "--role", "viewer"]);
    support::secrets::keep(operator["signInLink"].as_str().unwrap().rsplit_once('/').unwrap().1);
    let id: uuid::Uuid = operator["id"].as_str().unwrap().parse().unwrap();
    let seal = |key: &str| SecretKey::new(&hex::decode(key).unwrap().try_into().unwrap());
    let totp = seal(SECRET_KEY).seal(Purpose::TotpSecret, id, &[7; 20]);
    let mut db = PgConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE operators SET password_hash = 'none', totp_step = 0, totp_secret = $1")
        .bind(totp)
        .execute(&mut db)
        .await
        .unwrap();
    let done = json!({
        "signingKeys": 1, "mails": 1, "webhookSecrets": 1, "optOutKeys": 1, "totpSecrets": 1, "unopened": 0,
    });
    assert_eq!(changed.json(&["secret-key", "reseal"]), done);
    let totp: Vec<u8> =
        sqlx::query_scalar("SELECT totp_secret FROM operators").fetch_one(&mut db).await.unwrap();
    assert_eq!(seal(NEW_KEY).open(Purpose::TotpSecret, id, &totp).unwrap(), [7; 20]);
    let nothing = json!({
        "signingKeys": 0, "mails": 0, "webhookSecrets": 0, "optOutKeys": 0, "totpSecrets": 0, "unopened": 0,
    });
    assert_eq!(changed.json(&["secret-key", "reseal"]), nothing);
    assert_eq!(
        changed.text(&["secret-key", "reseal"]),
        "0 signing keys, 0 mails, 0 webhook secrets, 0 keys of opt-outs and 0 secrets of authenticator apps were encrypted \
         anew; 0 values open with neither key and were left.\n"
    );

    // After resealing, the old key opens nothing, and the new one opens everything.
    assert_eq!(before.failure(&["serve"]), WRONG_KEY);
    smtp.script(|_| None);
    let server = after.serve();
    assert_eq!(use_token(&server, &token(&server, &app, &user).await).await, 200);
    let path = format!("/v1/users/{user}");
    assert_eq!(call(&server, &app, "DELETE", &path, &Value::Null).await.0, 200);
    let told = receiver.wait_for(1).await;
    assert!(told.iter().all(|post| post.is_signed_with(webhook["secret"].as_str().unwrap())));
    let late = after.json(&["mail", "list", "--state", "queued"])[0]["id"].clone();
    let retried = after.run(&["mail", "retry", late.as_str().unwrap()]);
    let told = events(&retried.stderr);
    assert_eq!((told.len(), &told[0]["action"], &told[0]["subject"]), (1, &json!("retryMail"), &late));
    let mails = smtp.wait_for(22, DEADLINE).await;
    let code = support::code(&mails[21]);
    let page = reqwest::get(format!("{}/invites/{code}", server.url)).await.unwrap();
    assert_eq!(page.status().as_u16(), 200);
    let page = reqwest::get(format!("{}/opt-out/{}", server.url, opt_out)).await.unwrap();
    assert_eq!(page.status().as_u16(), 200);
    server.stop();
}

/// The `kid` of a token.
fn kid(token: &str) -> String {
    let head = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&head).unwrap()["kid"].as_str().unwrap().to_owned()
}

async fn kids(server: &Serve, app: &App) -> Vec<String> {
    let answer = reqwest::get(format!("{}/v1/apps/{}/jwks.json", server.url, app.id)).await.unwrap();
    let set: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_key_rotates_with_published_overlap() {
    let smtp = Smtp::start().await;
    let url = support::database(true).await;
    let place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
    ]);
    let app = create_app(&place, &[]);
    let server = place.serve();
    let user = invite(&server, &app, "ada@example.com").await;
    let list = || place.json(&["signing-key", "list", "--app", &app.id]);
    let first = token(&server, &app, &user).await;
    let row = |id: &str, signs: bool, listed: &Value| json!({ "id": id, "appId": app.id, "createdAt": listed["createdAt"], "signsFrom": listed["signsFrom"], "signs": signs });
    let listed = list();
    assert_eq!(listed, json!([row(&kid(&first), true, &listed[0])]));
    let only = format!("no other key of the app {} signs yet: create one first", app.id);
    assert_eq!(place.failure(&["signing-key", "revoke", &kid(&first)]), only);

    // A new key is published at once, and signs after all verifiers can have fetched it.
    let made = place.json(&["signing-key", "create", "--app", &app.id]);
    let new = made["id"].as_str().unwrap().to_owned();
    assert_eq!(kids(&server, &app).await, [kid(&first), new.clone()]);
    assert_eq!(kid(&token(&server, &app, &user).await), kid(&first));
    let listed = list();
    assert_eq!(listed, json!([row(&new, false, &listed[0]), row(&kid(&first), true, &listed[1])]));
    assert_eq!(made["signsFrom"], listed[0]["signsFrom"]);
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let delay = time(&listed[0]["signsFrom"]).duration_since(time(&listed[0]["createdAt"]));
    assert_eq!(delay.as_secs(), 300);
    assert_eq!(place.failure(&["signing-key", "revoke", &kid(&first)]), only);

    // Five minutes later.
    let mut database = PgConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE signing_keys SET signs_from = signs_from - interval '5 minutes', created_at = created_at - interval '5 minutes'")
        .execute(&mut database)
        .await
        .unwrap();
    let second = token(&server, &app, &user).await;
    assert_eq!(kid(&second), new);
    for token in [&first, &second] {
        assert_eq!(use_token(&server, token).await, 200);
    }
    assert_eq!(kids(&server, &app).await, [new.clone(), kid(&first)]);

    // The old key is removed, and its tokens become invalid.
    let revoked = json!({ "id": kid(&first), "revoked": true });
    assert_eq!(place.json(&["signing-key", "revoke", &kid(&first)]), revoked);
    let gone = format!("there is no signing key {}", kid(&first));
    assert_eq!(place.failure(&["signing-key", "revoke", &kid(&first)]), gone);
    let deadline = std::time::Instant::now() + DEADLINE;
    while use_token(&server, &first).await != 401 {
        assert!(std::time::Instant::now() < deadline, "the token is still good");
    }
    assert_eq!(use_token(&server, &second).await, 200);
    assert_eq!(kids(&server, &app).await, [new]);

    // An immediate rotation.
    let made = place.json(&["signing-key", "create", "--app", &app.id, "--at-once"]);
    assert_eq!(kid(&token(&server, &app, &user).await), made["id"].as_str().unwrap());
    let text = place.text(&["signing-key", "list", "--app", &app.id]);
    assert_eq!(
        text.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" "),
        "ID CREATED SIGNS FROM SIGNS"
    );
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn server_runs_with_a_role_that_owns_no_tables() {
    let smtp = Smtp::start().await;
    let url = support::database(false).await;
    let plain = Place::new(&[
        ("DATABASE_URL", &support::served(&url)),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
    ]);
    let mut owner = Place::new(&[]);
    owner.variables.extend(plain.variables.clone());
    owner.set("USERDOCKS_DATABASE__DIRECT_URL", &url);

    // This role cannot create the schema; the owner can, and grants the required privileges.
    let sentence = plain.failure(&["migrate"]);
    assert!(sentence.contains("permission denied for schema public"), "{sentence}");
    assert_eq!(owner.json(&["migrate"]), json!({ "migrated": true }));
    let app = create_app(&owner, &[]);
    let sentence = plain.failure(&["app", "create", "--name", "x"]);
    assert!(sentence.contains("permission denied for table "), "{sentence}");

    // A server starts with and without the owner's URL.
    for (number, place) in [&owner, &plain].into_iter().enumerate() {
        let server = place.serve();
        let user = invite(&server, &app, &format!("u{number}@example.com")).await;
        assert_eq!(use_token(&server, &token(&server, &app, &user).await).await, 200);
        smtp.wait_for(number + 1, DEADLINE).await;
        assert_eq!(call(&server, &app, "DELETE", &format!("/v1/users/{user}"), &Value::Null).await.0, 200);
        server.stop();
    }
}
