//! Signing in and out: links, cookies, and when a session ends.

use serde_json::json;
use userdocks::domain::operators::Role;
use uuid::Uuid;

use super::{Visitor, audited, start};
use crate::support::Test;

#[tokio::test]
async fn a_sign_in_link_works_once_and_looking_at_it_does_not_use_it() {
    let test = start().await;
    let mut ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let link = ada.link().await;
    ada.cookie.clear();
    for _ in 0..2 {
        let shown = ada.get(&link).await;
        assert_eq!(shown.status, 200);
        assert!(shown.html.contains("ada@example.com"));
    }
    let begun = ada.send("POST", &link, &[], "").await;
    let cookie = begun.header("set-cookie");
    let (name, rest) = cookie.split_once('=').unwrap();
    assert_eq!(name, "__Host-userdocks-console");
    assert_eq!(rest.split_once("; ").unwrap().1, "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=43200");
    for method in ["GET", "POST"] {
        let again = ada.send(method, &link, &[], "").await;
        assert_eq!(again.code(), (403, "unknown_link"), "{method}");
        assert_eq!(again.header("set-cookie"), "");
    }
    let nil = Uuid::nil();
    let by = ada.operator;
    assert_eq!(
        audited(&test).await,
        json!([
            [nil, by, "signIn", "done", by, []],
            [nil, by, "signIn", "done", by, []],
            [nil, null, "signIn", "refused", null, []]
        ])
    );
    test.finish().await;
}

#[tokio::test]
async fn an_expired_replaced_or_invented_link_is_403() {
    let test = start().await;
    let ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    let replaced = ada.link().await;
    let expired = ada.link().await;
    test.sql("UPDATE operators SET link_expires_at = now()").await;
    for link in [&replaced, &expired, "/sign-in/x", &format!("/sign-in/{}", "A".repeat(43))] {
        for method in ["GET", "POST"] {
            assert_eq!(
                ada.send(method, link, &[], "").await.code(),
                (403, "unknown_link"),
                "{method} {link}"
            );
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn guessed_links_are_limited() {
    let test = Test::with(&[
        ("USERDOCKS_ADMIN__LISTEN", "127.0.0.1:0"),
        ("USERDOCKS_LIMITS__FAILURES_PER_ADDRESS_PER_SECOND", "3"),
    ])
    .await;
    let nobody = Visitor::nobody(&test);
    let guess = format!("/sign-in/{}", "A".repeat(43));
    let mut codes = Vec::new();
    for _ in 0..40 {
        codes.push(nobody.send("POST", &guess, &[], "").await.status);
    }
    assert_eq!(codes[0], 403);
    assert!(codes.contains(&429), "{codes:?}");
    // The refused tries beyond the limit are not stored: a flood must not fill the table.
    let stored = test.count("SELECT count(*) FROM audit_events").await;
    assert!(stored < 40, "{stored}");
    test.finish().await;
}

/// Whether the session is alive: a page is shown, and a form is taken.
async fn lives(visitor: &Visitor<'_>) -> bool {
    let shown = visitor.get("/").await;
    if shown.status == 200 {
        return true;
    }
    assert_eq!(shown.goes(), (303, "/sign-in"));
    assert_eq!(visitor.post("/operators", &[]).await.code(), (403, "forbidden"));
    false
}

#[tokio::test]
async fn a_session_ends_by_signing_out_here_or_everywhere() {
    let test = start().await;
    let mut here = Visitor::new(&test, "ada@example.com", Role::Viewer, None).await;
    let first = (here.cookie.clone(), here.token.clone());
    here.sign_in().await;
    let mut there = Visitor { cookie: first.0, token: first.1, ..Visitor::nobody(&test) };
    assert!(lives(&here).await && lives(&there).await);
    let out = there.post("/sign-out", &[]).await;
    assert_eq!(out.goes(), (303, "/sign-in"));
    assert!(
        out.header("set-cookie").starts_with("__Host-userdocks-console=; "),
        "{}",
        out.header("set-cookie")
    );
    assert!(lives(&here).await && !lives(&there).await);
    there.operator = here.operator;
    there.sign_in().await;
    assert_eq!(here.post("/sign-out-everywhere", &[]).await.goes(), (303, "/sign-in"));
    assert!(!lives(&here).await && !lives(&there).await);
    test.finish().await;
}

#[tokio::test]
async fn a_session_ends_after_two_idle_hours_twelve_hours_or_being_disabled() {
    let test = start().await;
    let root = Visitor::new(&test, "root@example.com", Role::Admin, None).await;
    let mut ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
    test.sql("UPDATE operator_sessions SET seen_at = now() - interval '119 minutes'").await;
    assert!(lives(&ada).await && lives(&root).await);
    // That was a use.
    assert_eq!(
        test.count("SELECT count(*) FROM operator_sessions WHERE seen_at < now() - interval '1 minute'")
            .await,
        0
    );
    test.sql("UPDATE operator_sessions SET seen_at = now() - interval '121 minutes'").await;
    assert!(!lives(&ada).await);
    ada.sign_in().await;
    // Signing in deletes sessions that have ended.
    assert_eq!(test.count("SELECT count(*) FROM operator_sessions").await, 1);
    test.sql("UPDATE operator_sessions SET created_at = now() - interval '721 minutes'").await;
    assert!(!lives(&ada).await);
    ada.sign_in().await;
    let mut root = root;
    root.sign_in().await;
    let link = ada.link().await;
    assert!(lives(&ada).await);
    let disabled = root.post(&format!("/operators/{}/disable", ada.operator), &[]).await;
    assert_eq!(disabled.goes(), (303, "/operators?done=disabled"));
    assert!(!lives(&ada).await);
    assert_eq!(ada.send("POST", &link, &[], "").await.code(), (403, "unknown_link"));
    assert_eq!(
        root.post(&format!("/operators/{}/disable", ada.operator), &[]).await.code(),
        (404, "not_found")
    );
    assert_eq!(
        root.post(&format!("/operators/{}/disable", root.operator), &[]).await.code(),
        (409, "refused")
    );
    test.finish().await;
}

#[tokio::test]
async fn an_audit_event_is_deleted_after_its_retention_by_a_later_one() {
    for (keep, left) in [("30d", 1), ("0s", 2)] {
        let test =
            Test::with(&[("USERDOCKS_ADMIN__LISTEN", "127.0.0.1:0"), ("USERDOCKS_RETENTION__AUDIT", keep)])
                .await;
        let mut ada = Visitor::new(&test, "ada@example.com", Role::Admin, None).await;
        test.sql("UPDATE audit_events SET created_at = now() - interval '31 days'").await;
        ada.sign_in().await;
        assert_eq!(test.count("SELECT count(*) FROM audit_events").await, left, "{keep}");
        test.finish().await;
    }
}

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_sign_in_page() {
    let test = start().await;
    let nobody = Visitor::nobody(&test);
    for path in [
        "/",
        "/operators",
        "/audit",
        &format!("/apps/{}", test.app.id),
        &format!("/apps/{}/invites", test.app.id),
    ] {
        assert_eq!(nobody.get(path).await.goes(), (303, "/sign-in"), "{path}");
    }
    let shown = nobody.get("/sign-in").await;
    assert_eq!(shown.status, 200);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(shown.header(name), value, "{name}");
    }
    let policy = shown.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(nobody.get("/no/such/page").await.code(), (404, "not_found"));
    test.finish().await;
}
