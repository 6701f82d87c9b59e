//! What the screens show and change, each as the API or a command would.

use serde_json::{Value, json};
use userdocks::domain::operators::Role;
use uuid::Uuid;

use super::{Visitor, audited, start};
use crate::support::{As, Test, secrets};

/// The value of a hidden field.
pub fn hidden<'a>(html: &'a str, name: &str) -> &'a str {
    let field = html
        .split(&format!("name=\"{name}\" value=\""))
        .nth(1)
        .unwrap_or_else(|| panic!("no {name}: {html}"));
    field.split('"').next().unwrap()
}

/// The last stored audit event.
async fn last_event(test: &Test) -> Value {
    audited(test).await.as_array().unwrap().last().unwrap().clone()
}

#[tokio::test]
async fn a_profile_is_saved_with_the_rules_of_the_api_and_a_stale_page_saves_nothing() {
    let test = start().await;
    let user = test.user("grace@example.com").await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let path = format!("/apps/{}/users/{user}", test.app.id);
    let shown = ada.get(&path).await;
    let version = hidden(&shown.html, "version").to_owned();
    let saved = ada
        .post(
            &path,
            &[("version", &version), ("name", "Grace <Hopper>"), ("website", "https://grace.example/")],
        )
        .await;
    assert_eq!(saved.goes(), (303, format!("{path}?done=saved").as_str()));
    let stored = test.stored(user).await;
    assert_eq!(
        (&stored["name"], &stored["website"]),
        (&json!("Grace <Hopper>"), &json!("https://grace.example/"))
    );
    assert_eq!(
        last_event(&test).await,
        json!([test.app.id, ada.operator, "updateUser", "done", user, ["name", "website"]])
    );
    let shown = ada.get(&format!("{path}?done=saved")).await;
    assert!(shown.html.contains("Grace &lt;Hopper&gt;") && !shown.html.contains("<Hopper>"));
    // The page that was loaded first.
    let stale = ada.post(&path, &[("version", &version), ("name", "Somebody else")]).await;
    assert_eq!(stale.status, 409);
    assert!(
        stale.html.contains("Somebody else") && stale.html.contains("Grace &lt;Hopper&gt;"),
        "{}",
        stale.html
    );
    let version = hidden(&stale.html, "version").to_owned();
    let invalid =
        ada.post(&path, &[("version", &version), ("birthdate", "soon"), ("website", "no address")]).await;
    assert_eq!(invalid.status, 422);
    for text in ["value=\"soon\"", "value=\"no address\"", "id=\"error-birthdate\"", "id=\"error-website\""] {
        assert!(invalid.html.contains(text), "{text}: {}", invalid.html);
    }
    assert_eq!(test.stored(user).await["name"], json!("Grace <Hopper>"));
    test.finish().await;
}

#[tokio::test]
async fn a_user_is_found_frozen_unfrozen_and_erased() {
    let test = start().await;
    let user = test.user("grace@example.com").await;
    test.user("alan@example.com").await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let (users, path) =
        (format!("/apps/{}/users", test.app.id), format!("/apps/{}/users/{user}", test.app.id));
    for (query, found) in [
        ("q=grace", true),
        ("q=GRACE%40", true),
        (&*format!("q={user}"), true),
        ("q=alan", false),
        ("q=g%25", false),
        ("q=hopper", false),
        ("state=frozen", false),
        ("state=active", true),
    ] {
        let shown = ada.get(&format!("{users}?{query}")).await;
        assert_eq!(shown.html.contains(&format!("{path}\"")), found, "{query}");
    }
    assert_eq!(
        ada.post(&format!("{path}/freeze"), &[]).await.goes(),
        (303, format!("{path}?done=frozen").as_str())
    );
    assert_eq!(test.stored(user).await["freezed"], json!(true));
    assert_eq!(
        last_event(&test).await,
        json!([test.app.id, ada.operator, "freezeUser", "done", user, ["freezed"]])
    );
    ada.post(&format!("{path}/freeze"), &[]).await;
    assert_eq!(last_event(&test).await[3], "unchanged");
    assert!(ada.get(&format!("{users}?state=frozen")).await.html.contains(&format!("{path}\"")));
    ada.post(&format!("{path}/unfreeze"), &[]).await;
    assert_eq!(test.stored(user).await["freezed"], json!(false));
    assert_eq!(
        ada.post(&format!("{path}/erase"), &[]).await.goes(),
        (303, format!("{path}?done=erased").as_str())
    );
    assert_eq!(test.call("GET", &format!("/v1/users/{user}"), As::Read(&test.app), None).await.status, 403);
    let shown = ada.get(&path).await;
    assert_eq!(shown.status, 200);
    assert!(!shown.html.contains("grace@example.com"), "{}", shown.html);
    test.finish().await;
}

#[tokio::test]
async fn an_app_is_made_and_its_settings_are_saved_with_the_rules_of_the_command() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let nameless = ada.post("/apps/new", &[("name", ""), ("language", "de")]).await;
    assert_eq!(nameless.status, 422);
    let made = ada.post("/apps/new", &[("name", "Book <club>"), ("language", "de")]).await;
    assert_eq!(made.status, 200);
    let key = made.html.split("userdocks_write_").nth(1).unwrap().split('<').next().unwrap();
    secrets::keep(&format!("userdocks_write_{key}"));
    let key = made.html.split("userdocks_read_").nth(1).unwrap().split('<').next().unwrap();
    secrets::keep(&format!("userdocks_read_{key}"));
    let app: Uuid =
        sqlx::query_scalar("SELECT app_id FROM apps WHERE name = 'Book <club>' AND language = 'de'")
            .fetch_one(&test.db)
            .await
            .unwrap();
    let path = format!("/apps/{app}/settings");
    let shown = ada.get(&path).await;
    assert!(shown.html.contains("Book &lt;club&gt;") && !shown.html.contains("<club>"));
    let from = hidden(&shown.html, "from").to_owned();
    let good = [
        ("from", &*from),
        ("name", "Books"),
        ("origins", "https://a.example\nhttps://b.example"),
        ("mailFrom", "Books <b@books.example>"),
    ];
    assert_eq!(ada.post(&path, &good).await.goes(), (303, format!("{path}?done=saved").as_str()));
    let stored: Value = sqlx::query_scalar("SELECT to_jsonb(a) FROM apps a WHERE name = 'Books'")
        .fetch_one(&test.db)
        .await
        .unwrap();
    assert_eq!(
        (&stored["origins"], &stored["mail_from"]),
        (&json!(["https://a.example", "https://b.example"]), &json!("Books <b@books.example>"))
    );
    // From the page that was loaded first.
    let stale = ada.post(&path, &[("from", &from), ("name", "Other")]).await;
    assert_eq!(stale.status, 409);
    assert!(stale.html.contains("Other") && stale.html.contains("Books"), "{}", stale.html);
    let from = hidden(&ada.get(&path).await.html, "from").to_owned();
    let wrong = ada.post(&path, &[("from", &from), ("homeUrl", "nowhere"), ("name", "Typed")]).await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.html.contains("value=\"nowhere\"") && wrong.html.contains("value=\"Typed\""),
        "{}",
        wrong.html
    );
    assert_eq!(test.count("SELECT count(*) FROM apps WHERE name IN ('Other', 'Typed')").await, 0);
    test.finish().await;
}

#[tokio::test]
async fn a_preview_is_a_sandboxed_mail_with_the_values_that_are_typed() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Viewer, None).await;
    let path = format!(
        "/apps/{}/branding/mail?kind=referral&language=de&name=%3Cb%3EClub&color=%23ff0000",
        test.app.id
    );
    let mail = ada.get(&path).await;
    assert_eq!(mail.status, 200);
    let policy = mail.header("content-security-policy");
    assert!(
        policy.contains("sandbox") && policy.contains("default-src 'none'") && !policy.contains("script"),
        "{policy}"
    );
    assert!(mail.html.contains("#ff0000") && mail.html.contains("&lt;b&gt;Club"), "{}", mail.html);
    for odd in ["kind=nothing&language=xx", "color=red", "logoUrl=javascript:alert(1)", "name=%00"] {
        let mail = ada.get(&format!("/apps/{}/branding/mail?{odd}", test.app.id)).await;
        assert_eq!(mail.status, 200, "{odd}");
        assert!(!mail.html.contains("javascript:"), "{odd}");
    }
    test.finish().await;
}

#[tokio::test]
async fn keys_are_shown_once_rotated_and_revoked() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let path = format!("/apps/{}/keys", test.app.id);
    let made = ada.post(&path, &[("type", "write"), ("validFor", "30d")]).await;
    assert_eq!(made.status, 200, "{}", made.html);
    let key = made.html.split("userdocks_write_").nth(1).unwrap().split('<').next().unwrap();
    let key = format!("userdocks_write_{key}");
    secrets::keep(&key);
    let app = crate::support::App { write_key: key.clone(), ..test.app.clone() };
    assert_eq!(test.call("GET", "/v1/users", As::Write(&app), None).await.status, 200);
    assert!(!ada.get(&path).await.html.contains(&key));
    let id = userdocks::domain::credentials::api_key::ApiKey::parse(&key).unwrap().id;
    assert_eq!(last_event(&test).await, json!([test.app.id, ada.operator, "createApiKey", "done", id, []]));
    let rotated = ada.post(&format!("{path}/{id}/rotate"), &[("delay", "1h"), ("validFor", "")]).await;
    if rotated.status == 200 {
        let new = rotated.html.split("userdocks_write_").nth(1).unwrap().split('<').next().unwrap();
        secrets::keep(&format!("userdocks_write_{new}"));
    }
    for outcome in ["done", "unchanged"] {
        assert_eq!(ada.post(&format!("{path}/{id}/revoke"), &[]).await.status, 303);
        assert_eq!(
            last_event(&test).await,
            json!([test.app.id, ada.operator, "revokeApiKey", outcome, id, []])
        );
    }
    assert_eq!(test.count("SELECT count(*) FROM api_keys WHERE revoked_at IS NOT NULL").await, 1);
    test.finish().await;
}

#[tokio::test]
async fn a_failed_mail_is_explained_and_retried() {
    let test = start().await;
    test.smtp.script(|seen| {
        (seen.stage == crate::support::smtp::Stage::Rcpt && seen.attempt == 1)
            .then(|| crate::support::smtp::Act::Reply("550 5.1.1 no such <mailbox>".to_owned()))
    });
    let id = userdocks::domain::id::public();
    let body = json!({ "email": "gone@example.com", "language": "en" });
    test.call("POST", &format!("/v1/users/{id}"), As::Write(&test.app), Some(body)).await.user();
    test.idle().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let mail: Uuid = sqlx::query_scalar("SELECT mail_id FROM outbox").fetch_one(&test.db).await.unwrap();
    for screen in ["mails?state=failed", &format!("mails/{mail}"), "bounces"] {
        let shown = ada.get(&format!("/apps/{}/{screen}", test.app.id)).await;
        assert!(shown.html.contains("There is no such mailbox."), "{screen}: {}", shown.html);
        assert!(!shown.html.contains("<mailbox>"), "{screen}");
    }
    let retried = ada.post(&format!("/apps/{}/mails/{mail}/retry", test.app.id), &[]).await;
    assert_eq!(retried.status, 303);
    assert_eq!(test.mail().await.to, ["gone@example.com"]);
    assert_eq!(last_event(&test).await, json!([test.app.id, ada.operator, "retryMail", "done", mail, []]));
    test.finish().await;
}

#[tokio::test]
async fn an_address_opts_out_and_in_again() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let path = format!("/apps/{}/bounces/opt-out", test.app.id);
    let fields = [("email", "Zoe@example.com")];
    let out = "SELECT count(*) FROM opt_outs";
    let looked = ada.post(&format!("{path}/look-up"), &fields).await;
    assert_eq!((looked.status, test.count(out).await), (200, 0));
    ada.post(&path, &fields).await;
    assert_eq!(test.count(out).await, 1);
    assert!(!last_event(&test).await.to_string().to_lowercase().contains("zoe"));
    ada.post(&format!("{path}/undo"), &[("email", "zoe@example.com")]).await;
    assert_eq!(test.count(out).await, 0);
    assert_eq!(ada.post(&path, &[("email", "nobody")]).await.status, 422);
    test.finish().await;
}

#[tokio::test]
async fn a_webhook_is_made_rotated_and_deleted() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let path = format!("/apps/{}/webhooks", test.app.id);
    let wrong = ada.post(&path, &[("url", "https://user:pass@hooks.example/")]).await;
    assert_eq!(wrong.status, 422);
    let made = ada.post(&path, &[("url", "https://hooks.example/a"), ("events", "user.invited")]).await;
    assert_eq!(made.status, 200);
    let secret = |html: &str| {
        let secret = html.split("whsec_").nth(1).unwrap().split('<').next().unwrap().to_owned();
        secrets::keep(&format!("whsec_{secret}"));
        secret
    };
    let first = secret(&made.html);
    let id: Uuid = sqlx::query_scalar("SELECT webhook_id FROM webhooks").fetch_one(&test.db).await.unwrap();
    assert!(!ada.get(&format!("{path}/{id}")).await.html.contains(&first));
    let rotated = ada.post(&format!("{path}/{id}/rotate"), &[]).await;
    assert_ne!(secret(&rotated.html), first);
    assert_eq!(test.count("SELECT count(*) FROM webhook_secrets").await, 2);
    assert_eq!(ada.post(&format!("{path}/{id}/delete"), &[]).await.status, 303);
    assert_eq!(test.count("SELECT count(*) FROM webhooks").await, 0);
    test.finish().await;
}
