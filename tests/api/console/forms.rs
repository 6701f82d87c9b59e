//! Forms: only from the console's own pages, only by admins, and what they change.

use serde_json::json;
use userdocks::domain::operators::Role;
use uuid::Uuid;

use super::{Visitor, audited, form_urlencoded, start};
use crate::support::As;

#[tokio::test]
async fn a_form_of_another_site_or_session_or_of_a_viewer_is_403_and_changes_nothing() {
    let test = start().await;
    let (user, _) = test.invited("grace@example.com").await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let viewer = Visitor::new(&test, "vic@example.com", Role::Viewer, None).await;
    let before = test.rows().await;
    let invite: Uuid = sqlx::query_scalar("SELECT invite_id FROM invites").fetch_one(&test.db).await.unwrap();
    let path = format!("/apps/{}/invites/{invite}/revoke", test.app.id);
    let good = form_urlencoded(&[("token", &ada.token)]);
    let of_viewer = form_urlencoded(&[("token", &viewer.token)]);
    for (what, by, headers, form) in [
        ("another site", &ada, &[("sec-fetch-site", "cross-site")][..], &good),
        ("a sibling site", &ada, &[("sec-fetch-site", "same-site")], &good),
        ("another origin", &ada, &[("origin", "https://evil.example")], &good),
        ("an opaque origin", &ada, &[("origin", "null")], &good),
        ("no token", &ada, &[("sec-fetch-site", "same-origin")], &String::new()),
        ("the token of another session", &ada, &[("sec-fetch-site", "same-origin")], &of_viewer),
        ("a viewer", &viewer, &[("sec-fetch-site", "same-origin")], &of_viewer),
    ] {
        let refused = by.send("POST", &path, headers, form).await;
        assert_eq!(refused.code(), (403, "forbidden"), "{what}");
        let events = audited(&test).await;
        let last = events.as_array().unwrap().last().unwrap();
        assert_eq!(last, &json!([test.app.id, by.operator, "revokeInvite", "refused", invite, []]), "{what}");
    }
    assert_eq!(test.rows().await, before);
    let done = ada.post(&path, &[]).await;
    assert_eq!(done.goes(), (303, format!("/apps/{}/invites/{invite}?done=revoked", test.app.id).as_str()));
    let events = audited(&test).await;
    assert_eq!(
        events.as_array().unwrap().last().unwrap(),
        &json!([test.app.id, ada.operator, "revokeInvite", "done", invite, []])
    );
    assert_eq!(test.stored(user).await["freezed"], json!(false));
    test.finish().await;
}

#[tokio::test]
async fn an_invite_is_resent_extended_and_revoked_as_by_the_api() {
    let test = start().await;
    test.invited("grace@example.com").await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let id: Uuid = sqlx::query_scalar("SELECT invite_id FROM invites").fetch_one(&test.db).await.unwrap();
    let path = format!("/apps/{}/invites/{id}", test.app.id);
    // The last mail was sent just now.
    let early = ada.post(&format!("{path}/resend"), &[]).await;
    assert_eq!(early.code(), (409, "refused"));
    assert!(early.html.contains("a short while ago"), "{}", early.html);
    test.sql(
        "UPDATE invites SET mailed_at = now() - interval '1 day', created_at = now() - interval '1 day'",
    )
    .await;
    test.sql(
        "UPDATE outbox SET finished_at = now() - interval '1 day', created_at = now() - interval '1 day'",
    )
    .await;
    assert_eq!(
        ada.post(&format!("{path}/resend"), &[]).await.goes(),
        (303, format!("{path}?done=resent").as_str())
    );
    assert_eq!(test.mail().await.to, ["grace@example.com"]);
    assert_eq!(ada.post(&format!("{path}/extend"), &[("days", "31")]).await.code(), (400, "bad_form"));
    let extended = ada.post(&format!("{path}/extend"), &[("days", "30")]).await;
    assert_eq!(extended.goes(), (303, format!("{path}?done=extended").as_str()));
    let days = "SELECT round(extract(epoch FROM expires_at - now()) / 86400)::bigint FROM invites";
    assert_eq!(test.count(days).await, 30);
    let shown = ada.get(&path).await;
    assert_eq!(shown.status, 200);
    for text in ["grace@example.com", "Sent again", "Taken by the mail server", "Revoke", "Extend"] {
        assert!(shown.html.contains(text), "{text}: {}", shown.html);
    }
    for _ in 0..2 {
        assert_eq!(
            ada.post(&format!("{path}/revoke"), &[]).await.goes(),
            (303, format!("{path}?done=revoked").as_str())
        );
    }
    let answer = test.call("GET", &format!("/v1/invites/by-id/{id}"), As::Write(&test.app), None).await;
    assert_eq!(answer.success().2["state"], json!("revoked"));
    assert_eq!(ada.post(&format!("{path}/extend"), &[("days", "7")]).await.code(), (409, "refused"));
    test.finish().await;
}

#[tokio::test]
async fn a_new_operator_gets_a_link_and_a_wrong_address_is_kept_with_its_error() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let app = test.app.id.to_string();
    let wrong = ada.post("/operators", &[("email", "<b>nobody"), ("role", "admin"), ("app", &app)]).await;
    assert_eq!(wrong.status, 422);
    for text in [
        "value=\"&lt;b&gt;nobody\"",
        "aria-invalid=\"true\"",
        "<option value=\"admin\" selected>",
        "value=\"{app}\" checked",
    ] {
        assert!(wrong.html.contains(&text.replace("{app}", &app)), "{text}: {}", wrong.html);
    }
    // An app that is none is not left out: no apps would mean all.
    let unknown =
        ada.post("/operators", &[("email", "vic@example.com"), ("role", "viewer"), ("app", "none")]).await;
    assert_eq!(unknown.status, 422);
    assert!(unknown.html.contains("id=\"error-app\""), "{}", unknown.html);
    assert_eq!(test.count("SELECT count(*) FROM operators").await, 1);
    let made =
        ada.post("/operators", &[("email", "vic@example.com"), ("role", "viewer"), ("app", &app)]).await;
    assert_eq!(made.status, 200);
    let link = made.html.split("/sign-in/").nth(1).unwrap().split('<').next().unwrap();
    crate::support::secrets::keep(link);
    let mut vic = Visitor::nobody(&test);
    let begun = vic.send("POST", &format!("/sign-in/{link}"), &[], "").await;
    assert_eq!(begun.goes(), (303, "/"));
    begun.header("set-cookie").split(';').next().unwrap().clone_into(&mut vic.cookie);
    crate::support::secrets::keep(vic.cookie.split_once('=').unwrap().1);
    // A viewer of one app sees no operators.
    assert_eq!(vic.get("/operators").await.code(), (403, "forbidden"));
    let again = ada.post("/operators", &[("email", "VIC@example.com"), ("role", "admin")]).await;
    assert_eq!(again.status, 422);
    assert!(
        again.html.contains("an operator&#39;s already") || again.html.contains("an operator's already"),
        "{}",
        again.html
    );
    test.finish().await;
}
