//! An operator of some apps sees nothing of the others, and nothing that is of no app.

use serde_json::json;
use userdocks::domain::operators::Role;
use uuid::Uuid;

use super::{Visitor, start};
use crate::support::As;

/// Screens of an app: below `/apps/{app}`.
const SCREENS: [&str; 14] = [
    "",
    "/users",
    "/invites",
    "/imports/new",
    "/mails",
    "/referrals",
    "/bounces",
    "/webhooks",
    "/webhooks/new",
    "/keys",
    "/settings",
    "/branding",
    "/branding/mail",
    "/audit",
];

/// Rows of an app: the screen, a statement for an id of the other app, and the changes.
const ROWS: [(&str, &str, &[&str]); 8] = [
    (
        "users",
        "SELECT user_id FROM users WHERE app_id = $1",
        &["", "freeze", "unfreeze", "verify-email", "erase"],
    ),
    ("invites", "SELECT invite_id FROM invites WHERE app_id = $1", &["resend", "extend", "revoke"]),
    ("mails", "SELECT mail_id FROM outbox WHERE app_id = $1", &["retry"]),
    (
        "webhooks",
        "SELECT webhook_id FROM webhooks WHERE app_id = $1",
        &["enable", "rotate", "replay", "delete"],
    ),
    ("deliveries", "SELECT delivery_id FROM webhook_deliveries WHERE app_id = $1", &["replay"]),
    ("keys", "SELECT key_id FROM api_keys WHERE app_id = $1", &["rotate", "revoke"]),
    ("signing-keys", "SELECT key_id FROM signing_keys WHERE app_id = $1", &["remove"]),
    ("imports", "SELECT import_id FROM imports WHERE app_id = $1", &["check", "start"]),
];

#[tokio::test]
async fn an_app_of_others_is_not_found_and_its_rows_are_not_found_in_ones_own_app() {
    let test = start().await;
    let other = test.another_app().await;
    let id = userdocks::domain::id::public();
    let body = json!({ "email": "secret@example.com", "language": "en" });
    test.call("POST", &format!("/v1/users/{id}"), As::Write(&other), Some(body)).await.user();
    test.mail().await;
    test.idle().await;
    for statement in [
        "INSERT INTO webhooks (app_id, webhook_id, url, events, disabled_at)
            SELECT app_id, gen_random_uuid(), 'https://secret.example', '{}', now() FROM apps WHERE name = 'Other'",
        "INSERT INTO webhook_deliveries (app_id, delivery_id, webhook_id, type, payload, state, finished_at)
            SELECT app_id, gen_random_uuid(), webhook_id, 'user.invited', 'secret', 'failed', now() FROM webhooks",
        "INSERT INTO imports (app_id, import_id, file_name, file, names, state)
            SELECT app_id, gen_random_uuid(), 'secret.csv', 'email', '{email}', 'checked' FROM apps WHERE name = 'Other'",
        "UPDATE outbox SET state = 'failed'",
    ] {
        test.sql(statement).await;
    }
    let own = [test.app.id.0];
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, Some(&own)).await;
    let all = Visitor::new(&test, "root@example.com", Role::Admin, None).await;
    for screen in SCREENS {
        let (mine, others) =
            (format!("/apps/{}{screen}", test.app.id), format!("/apps/{}{screen}", other.id));
        let shown = ada.get(&mine).await;
        assert_eq!(shown.status, 200, "{mine}");
        assert!(!shown.html.contains("secret"), "{mine}");
        assert!(shown.html.len() < 50_000, "{mine}: {} bytes", shown.html.len());
        if screen != "/branding/mail" {
            assert!(!shown.html.contains(" style=") && !shown.html.contains("<script>"), "{mine}");
        }
        assert_eq!(ada.get(&others).await.code(), (404, "not_found"), "{others}");
        assert_eq!(all.get(&others).await.status, 200, "{others}");
    }
    let before = test.rows().await;
    for (screen, statement, changes) in ROWS {
        let row: Uuid = sqlx::query_scalar(statement).bind(other.id.0).fetch_one(&test.db).await.unwrap();
        let (mine, others) =
            (format!("/apps/{}/{screen}/{row}", test.app.id), format!("/apps/{}/{screen}/{row}", other.id));
        if !["deliveries", "signing-keys"].contains(&screen) {
            assert_eq!(ada.get(&mine).await.code(), (404, "not_found"), "{mine}");
            assert_eq!(all.get(&others).await.status, 200, "{others}");
        }
        for change in changes {
            let fields = [
                ("version", "1"),
                ("email", "secret@example.com"),
                ("days", "7"),
                ("delay", "1h"),
                ("since", "24h"),
                ("column", "email"),
                ("validFor", ""),
            ];
            let end = if change.is_empty() { String::new() } else { format!("/{change}") };
            for path in [&mine, &others] {
                let refused = ada.post(&format!("{path}{end}"), &fields).await;
                assert!(
                    matches!(refused.status, 404 | 409),
                    "{path}{end}: {} {}",
                    refused.status,
                    refused.html
                );
                assert!(!refused.html.contains("secret"), "{path}{end}");
            }
        }
    }
    assert_eq!(test.rows().await, before);
    for path in ["/operators", "/audit", "/apps/new"] {
        assert_eq!(ada.get(path).await.code(), (403, "forbidden"), "{path}");
        assert_eq!(all.get(path).await.status, 200, "{path}");
    }
    let apps = ada.get("/").await;
    assert!(apps.html.contains(&test.app.id.to_string()) && !apps.html.contains(&other.id.to_string()));
    test.finish().await;
}
