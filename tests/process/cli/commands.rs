//! The command line, row by row of the table in the documentation.

use std::path::PathBuf;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::child::{Place, postgres_of, until};
use crate::support::smtp::{Smtp, Stage};
use crate::support::{self, DEADLINE, SECRET_KEY};

/// An unused UUID.
const NOBODY: &str = "0195c0de-0000-7000-8000-000000000000";

/// The keys of an object, sorted.
fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// RFC 3339, UTC, milliseconds.
#[track_caller]
fn assert_time(value: &Value) {
    let time = text(value);
    assert!(time.len() == 24 && time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
}

/// The output of `userdocks app create --name NAME --json`.
pub struct App {
    pub id: String,
    pub read_key: String,
    pub write_key: String,
}

pub fn create_app(place: &Place, more: &[&str]) -> App {
    let made = place.json(&[&["app", "create", "--name", "Acme"], more].concat());
    assert_eq!(keys(&made), ["appId", "readKey", "writeKey"]);
    let app = App {
        id: text(&made["appId"]).to_owned(),
        read_key: text(&made["readKey"]).to_owned(),
        write_key: text(&made["writeKey"]).to_owned(),
    };
    assert!(app.id.parse::<Uuid>().is_ok());
    assert!(app.read_key.starts_with("userdocks_read_") && app.write_key.starts_with("userdocks_write_"));
    app
}

/// Every command on apps and their keys that needs no user.
pub fn on_apps(place: &Place) {
    assert_eq!(place.json(&["migrate"]), json!({ "migrated": true }));

    let settings = [
        ["--language", "DE-at"],
        ["--origin", "https://app.example.com/"],
        ["--origin", "http://localhost:3000"],
        ["--invite-url", "https://acme.example/join?x=1"],
        ["--invite-expires-in", "30d"],
        ["--mail-from", "Acme, Inc. <hello@acme.example>"],
        ["--reply-to", "Help <help@acme.example>"],
        ["--logo-url", "https://cdn.acme.example/logo.png"],
        ["--color", "#FACC15"],
        ["--home-url", "https://acme.example/start#top"],
        ["--footer", " Acme GmbH, Berlin "],
        ["--imprint-url", "https://acme.example/imprint"],
        ["--privacy-url", "http://acme.example/privacy"],
        ["--issuer", "https://id.acme.example/"],
        ["--jwks-url", "https://id.acme.example/jwks.json"],
    ];
    let app = create_app(place, settings.as_flattened());
    let mut shown = json!({
        "appId": app.id, "name": "Acme", "language": "de-AT", "mailFrom": "\"Acme, Inc.\" <hello@acme.example>",
        "replyTo": "Help <help@acme.example>", "returnPath": null, "logoUrl": "https://cdn.acme.example/logo.png", "color": "#facc15",
        "homeUrl": "https://acme.example/start#top", "footer": "Acme GmbH, Berlin",
        "imprintUrl": "https://acme.example/imprint", "privacyUrl": "http://acme.example/privacy",
        "inviteUrl": "https://acme.example/join?x=1", "inviteExpiresIn": 2_592_000,
        "origins": ["https://app.example.com", "http://localhost:3000"],
        "issuer": "https://id.acme.example/", "jwksUrl": "https://id.acme.example/jwks.json",
    });
    let mut looked_up = place.json(&["app", "show", &app.id]);
    let jwks = looked_up.as_object_mut().unwrap().remove("jwks").unwrap();
    assert!(text(&jwks["error"]).starts_with("error sending request: "), "{jwks}");
    assert_eq!(looked_up, shown);
    let listed = place.json(&["app", "list"]);
    assert_eq!(listed.as_array().unwrap().last(), Some(&shown));

    // Preview mails with that design, in the language of a reader.
    let previews = place.json(&["mail", "preview", "--app", &app.id, "--kind", "notice", "--language", "FR"]);
    let [preview] = previews.as_array().unwrap().as_slice() else { panic!("{previews}") };
    assert_eq!(
        (&preview["kind"], &preview["language"], &preview["subject"]),
        (&json!("notice"), &json!("fr"), &json!("L’adresse e-mail de votre compte Acme a été modifiée"))
    );
    assert!(text(&preview["text"]).contains("help@acme.example"), "{preview}");
    assert!(text(&preview["html"]).contains("src=\"https://cdn.acme.example/logo.png\" alt=\"Acme\""));

    // Omitted options keep their values; '' clears one.
    shown["name"] = json!("Acme & Söhne");
    assert_eq!(place.json(&["app", "update", &app.id, "--name", " Acme & Söhne "]), shown);
    let clear = |flag| [flag, ""];
    let cleared = [
        "--origin",
        "--invite-url",
        "--mail-from",
        "--reply-to",
        "--logo-url",
        "--color",
        "--home-url",
        "--footer",
        "--imprint-url",
        "--privacy-url",
        "--issuer",
    ];
    let cleared =
        [cleared.map(clear).as_flattened(), &["--invite-expires-in", "", "--jwks-url", ""]].concat();
    for name in [
        "mailFrom",
        "replyTo",
        "logoUrl",
        "color",
        "homeUrl",
        "footer",
        "imprintUrl",
        "privacyUrl",
        "inviteUrl",
        "inviteExpiresIn",
        "issuer",
        "jwksUrl",
    ] {
        shown[name] = Value::Null;
    }
    shown["origins"] = json!([]);
    assert_eq!(place.json(&[&["app", "update", &app.id][..], &cleared].concat()), shown);
    assert_eq!(place.json(&["app", "show", &app.id]), shown);

    let key = place.json(&["api-key", "create", "--app", &app.id, "--type", "write", "--expires-in", "90d"]);
    assert_eq!((keys(&key), &key["type"]), (vec!["id", "key", "type"], &json!("write")));
    assert!(text(&key["key"]).starts_with("userdocks_write_"));
    let id = text(&key["id"]);
    assert_eq!(place.json(&["api-key", "revoke", id]), json!({ "id": id, "revoked": true }));
    let listed = place.json(&["api-key", "list", "--app", &app.id]);
    let listed = listed.as_array().unwrap();
    let row = |index: usize| {
        assert_eq!(
            keys(&listed[index]),
            ["appId", "createdAt", "expiresAt", "id", "revokedAt", "type"],
            "{listed:?}"
        );
        assert_time(&listed[index]["createdAt"]);
        (text(&listed[index]["type"]), &listed[index]["expiresAt"], &listed[index]["revokedAt"])
    };
    assert_eq!(listed.len(), 3);
    assert_eq!(row(0), ("read", &Value::Null, &Value::Null));
    assert_eq!(row(1), ("write", &Value::Null, &Value::Null));
    let (kind, expires, revoked) = row(2);
    assert_eq!((kind, &listed[2]["id"], &listed[2]["appId"]), ("write", &key["id"], &json!(app.id)));
    assert_time(expires);
    assert_time(revoked);
    let whole = serde_json::to_string(listed).unwrap();
    for secret in [&app.read_key, &app.write_key, text(&key["key"])] {
        assert!(!whole.contains(secret));
    }
}

/// Every command on the users of an app and their mails; one mail was sent.
pub fn on_users(place: &Place, app: &str, user: &str) {
    let token = place.json(&["token", "issue", "--app", app, "--user", user]);
    assert_eq!(keys(&token), ["accessToken", "expiresIn", "tokenType"]);
    assert_eq!((&token["tokenType"], &token["expiresIn"]), (&json!("Bearer"), &json!(3600)));
    assert_eq!(text(&token["accessToken"]).split('.').count(), 3);
    let token = place.json(&["token", "issue", "--app", app, "--user", user, "--expires-in", "2h 1s"]);
    assert_eq!(token["expiresIn"], json!(7201));

    let mails = place.json(&["mail", "list", "--app", app]);
    for state in ["queued", "sent", "failed"] {
        let all = mails.as_array().unwrap().iter().filter(|mail| mail["state"] == state);
        let expected: Vec<&Value> = all.collect();
        assert_eq!(place.json(&["mail", "list", "--app", app, "--state", state]), json!(expected));
    }
    let mail = &mails[0];
    assert_eq!(
        mail,
        &json!({
            "id": mail["id"], "appId": app, "to": mail["to"], "kind": mail["kind"], "state": "sent", "attempts": 1,
            "lastReply": mail["lastReply"], "messageId": mail["messageId"], "createdAt": mail["createdAt"],
            "nextAttemptAt": null,
        })
    );
    assert_time(&mail["createdAt"]);
    let id = text(&mail["id"]);
    assert_eq!(&place.json(&["mail", "show", id]), mail);
    assert_eq!(
        place.failure(&["mail", "retry", id]),
        format!("the mail {id} was sent, or its invite was accepted, revoked or renewed since")
    );
}

/// The commands that a support team uses for opt-outs.
fn opt_outs(place: &Place, app: &str) {
    let run = |what: &str, email: &str| place.json(&["opt-out", what, "--app", app, "--email", email]);
    for (what, email, changed) in [
        ("remove", "carl@example.com", false),
        ("add", "carl@example.com", true),
        ("add", "CARL@example.com", false),
        ("add", "dan@example.com", true),
        ("remove", "Carl@example.com", true),
    ] {
        assert_eq!(run(what, email), json!({ "changed": changed }), "{what} {email}");
    }
    let text = place.text(&["opt-out", "add", "--app", app, "--email", "eve@example.com"]);
    assert_eq!(text, "eve@example.com is sent no referrals of the app any more.\n");
}

/// Errors are one sentence, with and without `--json`.
fn refusals(place: &Place, app: &str) {
    let no_app = format!("there is no app {NOBODY}");
    for (arguments, sentence) in [
        (&["app", "show", NOBODY][..], no_app.as_str()),
        (&["app", "update", NOBODY, "--name", "x"], &no_app),
        (
            &["app", "update", app, "--name", " "],
            "--name must be text of 1 to 256 characters without control characters",
        ),
        (
            &["app", "create", "--name", "x", "--language", "german"],
            "--language must be a BCP 47 language tag such as de or en-US, or an ISO 3166 country code such as DE",
        ),
        (
            &["app", "create", "--name", "x", "--origin", "https://app.example.com/path"],
            "--origin must look like https://app.example.com, not https://app.example.com/path",
        ),
        (
            &["app", "create", "--name", "x", "--invite-url", "/join"],
            "--invite-url must be an absolute https URL",
        ),
        (
            &["app", "create", "--name", "x", "--invite-url", "javascript:alert(1)"],
            "--invite-url must be an http or https URL",
        ),
        (
            &["app", "update", app, "--invite-url", "data:text/html,x"],
            "--invite-url must be an http or https URL",
        ),
        (
            &["app", "update", app, "--invite-url", "https://acme.example@evil.example/"],
            "--invite-url must have no user name or password",
        ),
        (
            &["app", "update", app, "--invite-url", "https:\\\\acme.example"],
            "--invite-url must have no white space, control characters or backslashes",
        ),
        (
            &["app", "update", app, "--invite-url", "https://acme.example/\tjoin"],
            "--invite-url must have no white space, control characters or backslashes",
        ),
        (
            &["app", "update", app, "--invite-url", "https://acme.example/?c%6fde=mine"],
            "--invite-url must have no `code` or `referral_code` in its query: they are added",
        ),
        (
            &["app", "update", app, "--invite-expires-in", "59s"],
            "--invite-expires-in must be a duration from 60s to 90d",
        ),
        (
            &["app", "update", app, "--invite-expires-in", "91d"],
            "--invite-expires-in must be a duration from 60s to 90d",
        ),
        (&["invite", "list", "--app", NOBODY], &no_app),
        (&["invite", "list", "--email", "x"], "--email must be one e-mail address such as ada@example.com"),
        (&["invite", "show", NOBODY], &format!("there is no invite {NOBODY}")),
        (&["invite", "revoke", NOBODY], &format!("there is no invite {NOBODY}")),
        (&["invite", "resend", NOBODY], &format!("there is no invite {NOBODY}")),
        (&["app", "create", "--name", "x", "--mail-from", "Acme"], "--mail-from must be `Name <address>`"),
        (&["app", "create", "--name", "x", "--reply-to", "Acme"], "--reply-to must be `Name <address>`"),
        (
            &["app", "create", "--name", "x", "--logo-url", "http://acme.example/logo.png"],
            "--logo-url must be an https URL of at most 2048 characters, without user and fragment",
        ),
        (&["app", "create", "--name", "x", "--color", "blue"], "--color must be a colour such as #1d4ed8"),
        (
            &["app", "update", app, "--home-url", "https://a:b@acme.example/"],
            "--home-url must have no user name or password",
        ),
        (
            &["app", "update", app, "--imprint-url", "javascript:alert(1)"],
            "--imprint-url must be an http or https URL",
        ),
        (
            &["app", "update", app, "--footer", "two\nlines"],
            "--footer must be text of 1 to 256 characters without control characters",
        ),
        (
            &["app", "create", "--name", "x", "--issuer", "https://id.example"],
            "--issuer and --jwks-url go together",
        ),
        (&["mail", "preview", "--app", NOBODY], &no_app),
        (
            &["mail", "preview", "--language", "klingon"],
            "--language must be a BCP 47 language tag such as de or en-US, or an ISO 3166 country code such as DE",
        ),
        (&["api-key", "create", "--app", NOBODY, "--type", "read"], &no_app),
        (&["api-key", "list", "--app", NOBODY], &no_app),
        (&["api-key", "revoke", NOBODY], &format!("there is no key {NOBODY} that is not revoked already")),
        (&["token", "issue", "--app", NOBODY, "--user", NOBODY], "there is no such app"),
        (
            &["token", "issue", "--app", app, "--user", NOBODY],
            "there is no such user in the app, or they are frozen or deleted",
        ),
        (&["mail", "list", "--app", NOBODY], &no_app),
        (&["opt-out", "add", "--app", NOBODY, "--email", "a@b.co"], &no_app),
        (&["mail", "show", NOBODY], &format!("there is no mail {NOBODY}")),
        (&["mail", "retry", NOBODY], &format!("there is no mail {NOBODY}")),
    ] {
        assert_eq!(place.failure(arguments), sentence, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_works_with_database_url() {
    let smtp = Smtp::start().await;
    let url = support::database(false).await;
    let place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
    ]);
    // No command needs another to have been run before it.
    assert_eq!(place.json(&["app", "list"]), json!([]));
    assert_eq!(place.json(&["mail", "list"]), json!([]));
    on_apps(&place);
    let app = create_app(&place, &[]);
    refusals(&place, &app.id);
    opt_outs(&place, &app.id);

    // The mails of a running server after changes by the command line.
    let server = place.serve();
    let client = reqwest::Client::new();
    let user = support::new_id().to_string();
    let invite = async |email: &str, key: &str| {
        let request = client
            .post(format!("{}/v1/users/{user}", server.url))
            .header("X-CLIENT-ID", &app.id)
            .header("X-API-KEY-TYPE", "write")
            .header("X-API-KEY", key)
            .body(json!({ "email": email, "language": "en" }).to_string());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(invite("ada@example.com", &app.write_key).await, 200);
    smtp.wait_for(1, DEADLINE).await;
    let sent = || place.json(&["mail", "list", "--app", &app.id])[0]["state"] == json!("sent");
    until("the mail is known to be sent", || sent().then_some(()));
    on_users(&place, &app.id, &user);

    // A command can retry a permanently refused mail, with a new link.
    smtp.refuse(Stage::Rcpt, "550 5.1.1 no such user");
    assert_eq!(invite("bob@example.com", &app.write_key).await, 200);
    let failed = || place.json(&["mail", "list", "--state", "failed"]).as_array().unwrap().first().cloned();
    let failed = until("the mail has failed", failed);
    assert_eq!(
        failed,
        json!({
            "id": failed["id"], "appId": app.id, "to": "bob@example.com", "kind": "invite", "state": "failed",
            "attempts": 1, "lastReply": "550 5.1.1 no such user", "messageId": failed["messageId"],
            "createdAt": failed["createdAt"], "nextAttemptAt": null,
        })
    );
    smtp.refuse(Stage::Rcpt, "450 4.2.1 later");
    let id = failed["id"].as_str().unwrap();
    assert_eq!(place.json(&["mail", "retry", id]), json!({ "id": id, "state": "queued" }));
    let queued = until("the mail has been put off", || {
        let mail = place.json(&["mail", "show", id]);
        (mail["lastReply"] == json!("450 4.2.1 later")).then_some(mail)
    });
    assert_time(&queued["nextAttemptAt"]);
    assert_eq!((&queued["state"], &queued["attempts"]), (&json!("queued"), &json!(2)));
    assert_eq!(place.json(&["mail", "list", "--state", "queued"]), json!([queued]));
    smtp.script(|_| None);
    assert_eq!(place.text(&["mail", "retry", id]), format!("The mail {id} is tried now.\n"));
    let mails = smtp.wait_for(2, DEADLINE).await;
    assert_eq!(mails[1].to, ["bob@example.com"]);
    assert_eq!(format!("<{}>", mails[1].message_id()), queued["messageId"].as_str().unwrap());

    // One of the two invites is revoked, the other is mailed again.
    until("the mail is known to be sent", || {
        (place.json(&["mail", "show", id])["state"] == "sent").then_some(())
    });
    let invites = place.json(&["invite", "list", "--app", &app.id, "--state", "open", "--kind", "invite"]);
    assert_eq!(invites, place.json(&["invite", "list"]));
    let [bob, ada] = invites.as_array().unwrap().as_slice() else { panic!("{invites}") };
    let mut expected = json!({
        "id": bob["id"], "appId": app.id, "kind": "invite", "state": "open", "email": "bob@example.com",
        "language": "en", "inviterId": user, "userId": bob["userId"], "acceptedAt": null, "revokedAt": null,
    });
    for time in ["createdAt", "mailedAt", "expiresAt"] {
        assert_time(&bob[time]);
        expected[time] = bob[time].clone();
    }
    assert_eq!(bob, &expected);
    let found =
        place.json(&["invite", "list", "--email", "BOB@example.com", "--inviter", &user, "--limit", "1"]);
    assert_eq!(found, json!([bob]));
    let (bob, ada) = (text(&bob["id"]), text(&ada["id"]));
    let lately = format!("the invite {bob} was mailed a short while ago");
    assert_eq!(place.failure(&["invite", "resend", bob]), lately);
    for _ in 0..2 {
        assert_eq!(place.json(&["invite", "revoke", bob]), json!({ "id": bob, "state": "revoked" }));
    }
    assert_eq!(place.failure(&["invite", "resend", bob]), format!("the invite {bob} has been revoked"));
    let mut shown = place.json(&["invite", "show", bob]);
    let timeline = shown.as_object_mut().unwrap().remove("timeline").unwrap();
    assert_eq!(timeline.as_array().unwrap().last().unwrap()["event"], json!("revoked"));
    assert_eq!(place.json(&["invite", "list", "--state", "revoked"]), json!([shown]));
    assert_time(&shown["revokedAt"]);
    let hasty = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
        ("USERDOCKS_INVITE__RESEND_AFTER", "1ms"),
    ]);
    assert_eq!(hasty.text(&["invite", "resend", ada]), format!("The invite {ada} is mailed again.\n"));
    assert_eq!(smtp.wait_for(3, DEADLINE).await[2].to, ["ada@example.com"]);
    assert!(place.text(&["invite", "list"]).contains("revoked"));

    // A new key works at once; a revoked key stops working soon after.
    let key = place.json(&["api-key", "create", "--app", &app.id, "--type", "write"]);
    assert_eq!(invite("ada@example.com", key["key"].as_str().unwrap()).await, 200);
    place.json(&["api-key", "revoke", key["id"].as_str().unwrap()]);
    let deadline = std::time::Instant::now() + DEADLINE;
    while invite("ada@example.com", key["key"].as_str().unwrap()).await != 401 {
        assert!(std::time::Instant::now() < deadline, "the key is still good");
    }
    server.stop();
    assert_eq!(smtp.mails().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn output_without_json_flag_is_readable_text() {
    let url = support::database(true).await;
    let place = Place::new(&[("DATABASE_URL", &url), ("USERDOCKS_SECRET_KEY", SECRET_KEY)]);
    assert_eq!(place.text(&["migrate"]), "The database is up to date.\n");
    assert_eq!(place.text(&["app", "list"]), "ID  LANGUAGE  NAME\n");
    let made = place.text(&["app", "create", "--name", "Acme"]);
    let word = |line: usize| made.lines().nth(line).unwrap().split(' ').next_back().unwrap().to_owned();
    let [app, read, write] = [word(0), word(1), word(2)];
    assert_eq!(
        made,
        format!(
            "app id     {app}\nread key   {read}\nwrite key  {write}\nmails from Acme <no-reply@localhost.localdomain>\n\
             The keys are not shown again.\n"
        )
    );
    assert_eq!(
        place.text(&["app", "list"]),
        format!("ID                                    LANGUAGE  NAME\n{app}  en        Acme\n")
    );
    let shown = format!(
        "{{\n  \"appId\": \"{app}\",\n  \"name\": \"Acme\",\n  \"language\": \"en\",\n  \"mailFrom\": null,\n  \
         \"replyTo\": null,\n  \"returnPath\": null,\n  \"logoUrl\": null,\n  \"color\": null,\n  \"homeUrl\": null,\n  \
         \"footer\": null,\n  \"imprintUrl\": null,\n  \"privacyUrl\": null,\n  \"inviteUrl\": null,\n  \
         \"inviteExpiresIn\": null,\n  \"origins\": [],\n  \"issuer\": null,\n  \"jwksUrl\": null\n}}\n"
    );
    assert_eq!(place.text(&["app", "show", &app]), shown);
    assert_eq!(place.text(&["app", "update", &app]), shown);
    let key = place.text(&["api-key", "create", "--app", &app, "--type", "read"]);
    let id = key.split_once("Its id is ").unwrap().1.split('.').next().unwrap();
    let secret = key.lines().next().unwrap();
    assert_eq!(key, format!("{secret}\nIts id is {id}. It is not shown again.\n"));
    assert!(secret.starts_with("userdocks_read_"));
    let listed = place.text(&["api-key", "list", "--app", &app]);
    assert_eq!(
        listed.lines().next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["ID", "TYPE", "CREATED", "EXPIRES", "REVOKED"]
    );
    assert_eq!(listed.lines().count(), 4);
    assert_eq!(place.text(&["api-key", "revoke", id]), format!("The key {id} is revoked.\n"));
    assert_eq!(place.text(&["mail", "list"]), "ID  CREATED  STATE  TRIES  KIND  TO  LAST REPLY\n");
    let settings: Value = serde_json::from_str(&place.text(&["config", "check"])).unwrap();
    assert_eq!(settings, place.json(&["config", "check"]));
}

#[test]
fn malformed_uuid_argument_is_exit_code_2() {
    let place = Place::new(&[]);
    for arguments in [
        &["app", "show", "acme"][..],
        &["app", "show", "0195c0de000070008000000000000000"],
        &["mail", "retry", "1"],
        &["mail", "list", "--app", "acme"],
        &["webhook", "replay", "--webhook", "x", "--since", "2026-01-01T00:00:00Z"],
        &["token", "issue", "--app", NOBODY, "--user", "me"],
    ] {
        let ended = place.run(arguments);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{arguments:?}");
        let expected = "expected a UUID such as 0195c0de-0000-7000-8000-000000000000";
        assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

#[test]
fn invalid_arguments_are_exit_code_2() {
    let place = Place::new(&[("DATABASE_URL", "postgres://127.0.0.1:1/nowhere")]);
    for arguments in [
        &["frobnicate"][..],
        &["--jason"],
        &["serve", "now"],
        &["app"],
        &["app", "create"],
        &["app", "show", "acme"],
        &["app", "show", NOBODY, NOBODY],
        &["api-key", "create", "--app", NOBODY],
        &["api-key", "create", "--app", NOBODY, "--type", "admin"],
        &["api-key", "create", "--app", NOBODY, "--type", "read", "--expires-in", "soon"],
        &["api-key", "create", "--app", NOBODY, "--type", "read", "--expires-in", "0s"],
        &["api-key", "create", "--app", NOBODY, "--type", "read", "--expires-in", "500y"],
        &["token", "issue", "--app", NOBODY],
        &["mail", "list", "--state", "lost"],
        &["mail", "list", "--limit", "0"],
        &["mail", "retry"],
        &["mail", "retry", NOBODY, "--all"],
        &["mail", "retry", NOBODY, "--since", "2h"],
        &["mail", "retry", "--all", "--since", "yesterday"],
        &["opt-out", "add", "--app", NOBODY, "--email", "carl"],
        &["config"],
    ] {
        for json in [&[][..], &["--json"]] {
            let ended = place.run(&[arguments, json].concat());
            assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{arguments:?}");
            assert!(
                ended.stderr.starts_with("error: ") || ended.stderr.contains("\nUsage: "),
                "{}",
                ended.stderr
            );
        }
    }
}

#[test]
fn unreachable_database_error_hides_the_password() {
    let place = Place::new(&[("DATABASE_URL", "postgres://ada:pa55word@127.0.0.1:1/nowhere")]);
    for arguments in [&["migrate"][..], &["app", "list"], &["serve"], &[]] {
        let sentence = place.failure(arguments);
        assert!(sentence.starts_with("the database at DATABASE_URL cannot be used: "), "{sentence}");
        assert!(!sentence.contains("pa55word"));
    }
}

/// `userdocks app list | head -0`
#[tokio::test(flavor = "multi_thread")]
async fn closed_stdout_pipe_is_exit_code_0_and_full_disk_is_1() {
    let url = support::database(true).await;
    let place = Place::new(&[("DATABASE_URL", &url), ("USERDOCKS_SECRET_KEY", SECRET_KEY)]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for arguments in [&["app", "list"][..], &["app", "list", "--json"]] {
        let output = place.command(arguments).stdout(writer.try_clone().unwrap()).output().unwrap();
        assert_eq!(
            (output.status.code(), String::from_utf8(output.stderr).unwrap()),
            (Some(0), String::new())
        );
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = place.command(&["app", "list"]).stdout(full).output().unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap()),
        (
            Some(1),
            "userdocks: the result cannot be written: No space left on device (os error 28)\n".to_owned()
        )
    );
}

/// Each command starts the PostgreSQL of the folder, or finds it running, and does not stop it while others use it.
#[tokio::test(flavor = "multi_thread")]
async fn concurrent_commands_share_the_embedded_postgres() {
    let place = Place::new(&[]);
    place.serve().stop();
    for _ in 0..3 {
        std::thread::scope(|scope| {
            let create = || place.json(&["app", "create", "--name", "Acme"]);
            let created: Vec<_> = (0..3).map(|_| scope.spawn(create)).collect();
            for created in created {
                created.join().unwrap();
            }
        });
    }
    assert_eq!(place.json(&["app", "list"]).as_array().unwrap().len(), 10);
    assert_eq!(postgres_of(&place.data()), Vec::<PathBuf>::new());
}
