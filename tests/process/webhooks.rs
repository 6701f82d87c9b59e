//! Webhooks: management by an operator, and delivery after a server is killed.

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::audit::events;
use crate::cli::commands::create_app;
use crate::support::child::{Place, until};
use crate::support::receiver::{Does, Receiver};
use crate::support::smtp::Smtp;
use crate::support::{self, SECRET_KEY, new_id};

const NOBODY: &str = "0195c0de-0000-7000-8000-000000000000";

#[tokio::test(flavor = "multi_thread")]
async fn webhook_commands_create_rotate_replay_and_delete() {
    let smtp = Smtp::start().await;
    let url = support::database(false).await;
    let place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
        ("USERDOCKS_WEBHOOK__ALLOW_PRIVATE_ADDRESSES", "true"),
        ("USERDOCKS_WEBHOOK__TIMEOUT", "10m"),
    ]);
    let strict = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
    ]);
    let receiver = Receiver::start().await;
    let app = create_app(&place, &[]);
    let create =
        |place: &Place, url: &str| place.failure(&["webhook", "create", "--app", &app.id, "--url", url]);
    for (url, sentence) in [
        ("/hook", "--url must be an absolute https URL"),
        ("ftp://x.example/", "--url must be an http or https URL"),
        (
            "https://ada:secret@x.example/",
            "--url must have no user, no password and no fragment, and at most 2048 characters",
        ),
        (
            "https://169.254.169.254/latest",
            "--url must not name a private address, unless USERDOCKS_WEBHOOK__ALLOW_PRIVATE_ADDRESSES is true",
        ),
        (
            "https://[::ffff:10.0.0.1]/",
            "--url must not name a private address, unless USERDOCKS_WEBHOOK__ALLOW_PRIVATE_ADDRESSES is true",
        ),
    ] {
        assert_eq!(create(&strict, url), sentence, "{url}");
    }
    let no_webhook = format!("there is no webhook {NOBODY}");
    for (arguments, sentence) in [
        (&["webhook", "delete", NOBODY][..], no_webhook.as_str()),
        (&["webhook", "enable", NOBODY], &no_webhook),
        (&["webhook", "rotate-secret", NOBODY], &no_webhook),
        (&["webhook", "replay", NOBODY], &format!("there is no delivery {NOBODY}")),
        (&["webhook", "replay", "--webhook", NOBODY, "--since", "2026-01-01T00:00:00Z"], &no_webhook),
        (&["webhook", "list", "--app", NOBODY], &format!("there is no app {NOBODY}")),
    ] {
        assert_eq!(place.failure(arguments), sentence, "{arguments:?}");
    }

    let made = place.run(&[
        "webhook",
        "create",
        "--app",
        &app.id,
        "--url",
        &receiver.url,
        "--event",
        "user.invited",
        "--event",
        "user.updated",
        "--json",
    ]);
    let webhook: Value = serde_json::from_str(&made.stdout).unwrap();
    let (id, secret) = (webhook["id"].as_str().unwrap(), webhook["secret"].as_str().unwrap());
    support::secrets::keep(secret);
    assert_eq!(webhook, json!({ "id": id, "url": receiver.url, "secret": secret }));
    let told = events(&made.stderr);
    assert_eq!(
        (told.len(), &told[0]["action"], &told[0]["subject"]),
        (1, &json!("createWebhook"), &webhook["id"])
    );
    let listed = place.json(&["webhook", "list", "--app", &app.id]);
    let row = json!({
        "id": id, "appId": app.id, "url": receiver.url, "events": ["user.invited", "user.updated"],
        "createdAt": listed[0]["createdAt"], "disabledAt": null,
    });
    assert_eq!(listed, json!([row]));

    // A server that is killed while the receiver delays its response loses no event.
    receiver.does(|_| Does::Waits);
    let invite = async |url: &str| {
        let request = reqwest::Client::new()
            .post(format!("{url}/v1/users/{}", new_id()))
            .header("X-CLIENT-ID", &app.id)
            .header("X-API-KEY-TYPE", "write")
            .header("X-API-KEY", &app.write_key)
            .body(json!({ "email": format!("{}@x.example", new_id()), "language": "en" }).to_string());
        assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    };
    let server = place.serve();
    invite(&server.url).await;
    let first = receiver.wait_for(1).await.remove(0);
    server.kill();
    let deliveries = || place.json(&["webhook", "deliveries", "--app", &app.id]);
    let left = deliveries();
    assert_eq!(
        left,
        json!([{
            "id": first.id, "appId": app.id, "webhookId": id, "type": "user.invited", "state": "queued", "attempts": 1,
            "lastAnswer": null, "createdAt": left[0]["createdAt"], "nextAttemptAt": left[0]["nextAttemptAt"],
        }])
    );
    let mut database = PgConnection::connect(&url).await.unwrap();
    sqlx::query("UPDATE webhook_deliveries SET due_at = now()").execute(&mut database).await.unwrap();
    receiver.release();
    let server = place.serve();
    let second = receiver.wait_for(2).await.remove(1);
    assert_eq!((&second.id, &second.body), (&first.id, &first.body));
    assert!(first.is_signed_with(secret) && second.is_signed_with(secret));
    let delivered = || (deliveries()[0]["state"] == json!("delivered")).then_some(());
    until("it is delivered", delivered);

    // A new secret; the old one signs too for a day, unless it has leaked.
    let rotated = place.json(&["webhook", "rotate-secret", id]);
    let new = rotated["secret"].as_str().unwrap();
    assert_eq!(rotated, json!({ "id": id, "secret": new }));
    assert_eq!(place.json(&["webhook", "replay", &first.id]), json!({ "replayed": 1 }));
    let third = receiver.wait_for(3).await.remove(2);
    assert!(third.is_signed_with(secret) && third.is_signed_with(new) && third.id == first.id);
    until("it is delivered", delivered);
    let last = place.json(&["webhook", "rotate-secret", id, "--at-once"]);
    let since =
        ["webhook", "replay", "--webhook", id, "--since", "2026-01-01T00:00:00Z", "--state", "delivered"];
    assert_eq!(place.json(&since), json!({ "replayed": 1 }));
    let fourth = receiver.wait_for(4).await.remove(3);
    assert!(fourth.signatures.len() == 1 && fourth.is_signed_with(last["secret"].as_str().unwrap()));
    until("it is delivered", delivered);
    assert_eq!(place.json(&["webhook", "deliveries", "--state", "failed"]), json!([]));

    let deleted = place.run(&["webhook", "delete", id]);
    assert_eq!(deleted.stdout, format!("The webhook {id} is deleted.\n"));
    assert_eq!(events(&deleted.stderr)[0]["action"], json!("deleteWebhook"));
    assert_eq!((deliveries(), place.json(&["webhook", "list"])), (json!([]), json!([])));
    server.stop();
}
