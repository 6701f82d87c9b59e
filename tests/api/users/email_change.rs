//! Change of address: the mails to the new and the old address, the confirmation page, and other ways to
//! verify an address.

use serde_json::{Value, json};
use userdocks::domain::id::{self, UserId};

use crate::support::smtp::Mail;
use crate::support::{Answer, App, As, Test, secrets};

const ASKS: &str = "Please confirm your new email address for Acme";
const TELLS: &str = "The email address of your Acme account was changed";
const OPEN: &str = "Is this your email address?";
const CONFIRMED: &str = "Your email address is confirmed.";
const BEFORE: &str = "Already confirmed";
const EXPIRED: &str = "This link has expired";
const UNKNOWN: &str = "This link does not work";
const USED: &str = "This address cannot be used any more";
const WANTED: &str = "Your email address was entered at Acme again";

fn email(address: &str) -> Value {
    json!({ "user": { "email": address } })
}

async fn change(test: &Test, who: As<'_>, user: UserId, body: Value) -> Answer {
    test.call("PUT", &format!("/v1/users/{user}"), who, Some(body)).await
}

/// Changes an address. The answer is the same in all cases.
async fn move_to(test: &Test, who: As<'_>, user: UserId, address: &str) {
    let answer = change(test, who, user, email(address)).await;
    assert_eq!(answer.success(), (200, "the user was updated", &Value::Null));
}

/// The link to the page in a mail.
fn page_in(mail: &Mail) -> String {
    let text = mail.text();
    let link = text.lines().find_map(|line| line.strip_prefix("https://id.example"));
    let link = link.unwrap_or_else(|| panic!("no link in {text}"));
    secrets::keep(link.rsplit('/').next().unwrap());
    link.to_owned()
}

/// Checks the status of a page, and its heading or sentence.
async fn seen(test: &Test, method: &str, page: &str, says: &str) {
    let answer = test.call(method, page, As::Nobody, None).await;
    let html = answer.body.as_str().unwrap_or_default();
    assert_eq!(answer.status, if says == UNKNOWN { 404 } else { 200 }, "{answer:?}");
    assert!(html.contains(says), "{says}: {html}");
    assert_eq!(html.contains("<form method=\"post\">"), says == OPEN, "{html}");
}

async fn version(test: &Test, user: UserId) -> i64 {
    let version = "SELECT version FROM users WHERE user_id = $1";
    sqlx::query_scalar(version).bind(user.0).fetch_one(&test.db).await.unwrap()
}

async fn verified(test: &Test, user: UserId) -> (Value, Value) {
    let stored = test.stored(user).await;
    (stored["email"].clone(), stored["email_verified"].clone())
}

#[tokio::test]
async fn email_change_by_api_key_applies_at_once_unverified() {
    let test = Test::start().await;
    let user = test.user("old@example.com").await;
    let token = As::Token(test.token(user).await);
    move_to(&test, As::Write(&test.app), user, "new@example.com").await;
    assert_eq!(verified(&test, user).await, (json!("new@example.com"), json!(false)));

    let [asks, tells] = test.mails(2).await.try_into().unwrap();
    assert_eq!((asks.to.clone(), asks.subject()), (vec!["new@example.com".to_owned()], ASKS.to_owned()));
    assert_eq!((tells.to.clone(), tells.subject()), (vec!["old@example.com".to_owned()], TELLS.to_owned()));
    // The mail to the old address contains neither a link nor the new address.
    for part in [tells.text(), tells.html()] {
        assert!(!part.contains("https://") && !part.contains("new@example.com"), "{part}");
        assert!(part.contains("If you did not make this change, please contact"), "{part}");
    }

    let page = page_in(&asks);
    assert!(asks.html().contains(&page), "{}", asks.html());
    for method in ["GET", "HEAD"] {
        assert_eq!(test.call(method, &page, As::Nobody, None).await.status, 200);
    }
    seen(&test, "GET", &page, OPEN).await;
    let html = test.call("GET", &page, As::Nobody, None).await.body.to_string();
    assert!(html.contains("n•••@example.com") && !html.contains("new@"), "{html}");
    assert_eq!(verified(&test, user).await.1, json!(false));

    seen(&test, "POST", &page, CONFIRMED).await;
    assert_eq!(verified(&test, user).await, (json!("new@example.com"), json!(true)));
    let whole = test.stored(user).await;
    for method in ["POST", "GET"] {
        seen(&test, method, &page, BEFORE).await;
    }
    assert_eq!(test.stored(user).await, whole);

    // The same address in another case, or sent again, is not a change.
    for same in ["New@EXAMPLE.com", "new@example.com"] {
        let answer =
            change(&test, token.clone(), user, json!({ "user": { "email": same, "nickname": same } })).await;
        assert_eq!(answer.status, 200);
        let stored = test.stored(user).await;
        assert_eq!(
            (&stored["email"], &stored["nickname"], &stored["email_verified"]),
            (&json!(same), &json!(same), &json!(true))
        );
    }
    assert_eq!(test.count("SELECT count(*) FROM outbox WHERE secret IS NOT NULL").await, 0);
    test.finish().await;
}

#[tokio::test]
async fn email_change_by_token_applies_after_confirmation() {
    let test = Test::start().await;
    let user = test.user("old@example.com").await;
    let token = As::Token(test.token(user).await);
    let both = json!({ "user": { "email": "new@example.com", "nickname": "Ada" } });
    let answer = change(&test, token.clone(), user, both).await;
    assert_eq!(answer.success(), (200, "the user was updated", &Value::Null));
    let whole = test.stored(user).await;
    assert_eq!(
        (&whole["email"], &whole["email_verified"], &whole["nickname"]),
        (&json!("old@example.com"), &json!(true), &json!("Ada"))
    );
    assert_eq!(answer.header("etag"), Some(format!("\"{}\"", version(&test, user).await).as_str()));

    // A new address alone does not change the stored user.
    move_to(&test, token.clone(), user, "new@example.com").await;
    assert_eq!(test.stored(user).await, whole);
    let found = async |address: &str| {
        test.call("GET", &format!("/v1/users/{address}"), As::Read(&test.app), None).await.status
    };
    assert_eq!((found("old@example.com").await, found("new@example.com").await), (200, 403));
    let refer = async |address: &str| {
        let body = json!({ "email": address, "language": "en" });
        test.call("POST", "/v1/users/me/referral-invites", token.clone(), Some(body)).await.status
    };
    assert_eq!((refer("old@example.com").await, refer("new@example.com").await), (400, 201));
    let mails = test.mails(2).await;
    let asks = mails.iter().find(|mail| mail.subject() == ASKS).unwrap();
    assert_eq!(asks.to, ["new@example.com"]);

    let page = page_in(asks);
    seen(&test, "GET", &page, OPEN).await;
    assert_eq!(test.stored(user).await, whole);
    seen(&test, "POST", &page, CONFIRMED).await;
    assert_eq!(verified(&test, user).await, (json!("new@example.com"), json!(true)));
    assert_eq!((found("old@example.com").await, found("new@example.com").await), (403, 200));
    let tells = test.mail().await;
    assert_eq!((tells.to.clone(), tells.subject()), (vec!["old@example.com".to_owned()], TELLS.to_owned()));
    let whole = test.stored(user).await;
    for method in ["POST", "GET"] {
        seen(&test, method, &page, BEFORE).await;
    }
    assert_eq!(test.stored(user).await, whole);
    test.finish().await;
}

#[tokio::test]
async fn pending_email_is_not_reserved_and_first_confirmation_wins() {
    let test = Test::start().await;
    let (one, two) = (test.user("one@example.com").await, test.user("two@example.com").await);
    let (first, second) = (As::Token(test.token(one).await), As::Token(test.token(two).await));
    move_to(&test, first.clone(), one, "wanted@example.com").await;
    let of_one = page_in(&test.mail().await);
    move_to(&test, second.clone(), two, "Wanted@example.com").await;
    let of_two = page_in(&test.mail().await);
    seen(&test, "POST", &of_two, CONFIRMED).await;
    test.mail().await;
    for method in ["GET", "POST"] {
        seen(&test, method, &of_one, USED).await;
    }
    assert_eq!(verified(&test, one).await, (json!("one@example.com"), json!(true)));
    assert_eq!(verified(&test, two).await, (json!("Wanted@example.com"), json!(true)));

    // The owner of an address is invited while another user's confirmation of it is pending.
    move_to(&test, first.clone(), one, "owner@example.com").await;
    let of_one = page_in(&test.mail().await);
    let (_, code) = test.invited("owner@example.com").await;
    seen(&test, "POST", &of_one, USED).await;
    assert_eq!(test.call("POST", &format!("/invites/{code}"), As::Nobody, None).await.status, 200);

    // Two users who want each other's address get neither.
    move_to(&test, first, one, "wanted@example.com").await;
    move_to(&test, second, two, "one@example.com").await;
    for mail in test.mails(2).await {
        assert_eq!(mail.subject(), WANTED);
    }
    assert_eq!(verified(&test, one).await, (json!("one@example.com"), json!(true)));
    test.finish().await;
}

#[tokio::test]
async fn concurrent_confirmations_of_one_email_have_one_winner() {
    let test = Test::start().await;
    for round in 0..5 {
        let wanted = format!("wanted{round}@example.com");
        let mut pages = Vec::new();
        for name in ["a", "b", "c"] {
            let user = test.member(&test.app, &format!("{name}{round}@example.com"), None).await;
            move_to(&test, As::Token(test.token(user).await), user, &wanted).await;
            pages.push(page_in(&test.mail().await));
        }
        let calls = pages.iter().map(|page| test.call("POST", page, As::Nobody, None));
        let answers = futures_util::future::join_all(calls).await;
        let says = |text: &str| {
            let said = answers.iter().filter(|answer| answer.body.as_str().unwrap().contains(text));
            said.count()
        };
        assert_eq!((says(CONFIRMED), says(USED)), (1, 2), "{answers:?}");
        assert_eq!(test.mail().await.subject(), TELLS);
    }
    test.finish().await;
}

#[tokio::test]
async fn holder_of_a_requested_email_is_notified_once_a_day() {
    let test = Test::with(&[("USERDOCKS_INVITE__RESEND_AFTER", "0s")]).await;
    let holder = test.user("holder@example.com").await;
    test.sql("UPDATE users SET language = 'de'").await;
    let (one, two) = (test.user("one@example.com").await, test.user("two@example.com").await);
    let (first, second) = (As::Token(test.token(one).await), As::Token(test.token(two).await));
    let whole = test.stored(holder).await;
    for (who, user, address) in [
        (&first, one, "holder@example.com"),
        (&second, two, "HOLDER@example.com"),
        (&first, one, "holder@example.com"),
    ] {
        move_to(&test, who.clone(), user, address).await;
        let again = test.call("POST", "/v1/users/me/email-confirmation", who.clone(), None).await;
        assert_eq!(again.success(), (200, "the address was asked to confirm", &Value::Null));
    }
    let told = test.mail().await;
    let subject = "Ihre E-Mail-Adresse wurde bei Acme erneut angegeben";
    assert_eq!(
        (told.to.clone(), told.subject()),
        (vec!["holder@example.com".to_owned()], subject.to_owned())
    );
    for part in [told.text(), told.html()] {
        for no in ["https://", "one@example.com", "two@example.com", "Ada"] {
            assert!(!part.contains(no), "{no}: {part}");
        }
    }
    test.idle().await;
    test.sql("UPDATE referral_quotas SET day = day - 1").await;
    move_to(&test, second, two, "holder@example.com").await;
    assert_eq!(test.mail().await.subject(), subject);
    assert_eq!(test.stored(holder).await, whole);
    assert_eq!(test.count("SELECT count(*) FROM outbox WHERE kind = 'confirmation'").await, 0);
    test.finish().await;
}

#[tokio::test]
async fn later_email_change_cancels_pending_confirmation() {
    let test = Test::start().await;
    let user = test.user("user@example.com").await;
    let token = As::Token(test.token(user).await);
    move_to(&test, token.clone(), user, "new@example.com").await;
    let page = page_in(&test.mail().await);
    move_to(&test, token.clone(), user, "User@example.com").await;
    assert_eq!(verified(&test, user).await, (json!("User@example.com"), json!(true)));
    for method in ["GET", "POST"] {
        seen(&test, method, &page, UNKNOWN).await;
    }
    let again = test.call("POST", "/v1/users/me/email-confirmation", token.clone(), None).await;
    assert_eq!(again.code(), (400, "already_verified"));

    // Another requested address, taken or not, also ends the confirmation, and so does an address set by a backend.
    test.member(&test.app, "taken@example.com", None).await;
    move_to(&test, token.clone(), user, "new@example.com").await;
    let page = page_in(&test.mail().await);
    move_to(&test, token.clone(), user, "taken@example.com").await;
    seen(&test, "POST", &page, UNKNOWN).await;
    move_to(&test, token.clone(), user, "new@example.com").await;
    let pages = test.mails(2).await;
    let page = page_in(pages.iter().find(|mail| mail.subject() == ASKS).unwrap());
    move_to(&test, As::Write(&test.app), user, "given@example.com").await;
    seen(&test, "POST", &page, UNKNOWN).await;
    test.mails(2).await;
    assert_eq!(verified(&test, user).await, (json!("given@example.com"), json!(false)));
    test.finish().await;
}

#[tokio::test]
async fn superseded_expired_or_frozen_confirmation_does_not_verify() {
    let test = Test::start().await;
    let user = test.user("a@example.com").await;
    let key = As::Write(&test.app);
    move_to(&test, key.clone(), user, "b@example.com").await;
    let [_, first] = test.mails(2).await.try_into().unwrap();
    let first = page_in(&first);
    // The old address is not verified, so it gets no notice.
    move_to(&test, key.clone(), user, "c@example.com").await;
    let second = page_in(&test.mail().await);
    seen(&test, "GET", &first, UNKNOWN).await;
    seen(&test, "POST", &first, UNKNOWN).await;
    assert_eq!(verified(&test, user).await, (json!("c@example.com"), json!(false)));

    // Changing back to an earlier address does not make its code valid again.
    move_to(&test, key.clone(), user, "b@example.com").await;
    let third = page_in(&test.mail().await);
    for dead in [&first, &second] {
        seen(&test, "POST", dead, UNKNOWN).await;
    }

    // The code of a frozen user does not work until the user is unfrozen.
    let status = |status| format!("/v1/apps/{}/users/{user}/access-status/{status}", test.app.id);
    assert_eq!(test.call("PUT", &status(0), key.clone(), None).await.status, 200);
    for method in ["GET", "POST"] {
        seen(&test, method, &third, UNKNOWN).await;
    }
    let frozen = change(&test, key.clone(), user, email("d@example.com")).await;
    assert_eq!(frozen.code(), (403, "user_out_of_reach"));
    assert_eq!(test.call("PUT", &status(1), key.clone(), None).await.status, 200);
    seen(&test, "GET", &third, OPEN).await;

    test.sql("UPDATE email_confirmations SET expires_at = now()").await;
    for method in ["GET", "POST"] {
        seen(&test, method, &third, EXPIRED).await;
    }
    assert_eq!(verified(&test, user).await, (json!("b@example.com"), json!(false)));

    // Texts that are not codes.
    for code in ["x", "", "..%2f", "%00"] {
        let answer = test.call("GET", &format!("/email-confirmations/{code}"), As::Nobody, None).await;
        assert_eq!(answer.status, 404, "{code}");
    }
    // The code of an invite confirms nothing, and the code of a confirmation accepts nothing.
    let (_, invite) = test.invited("guest@example.com").await;
    seen(&test, "POST", &format!("/email-confirmations/{invite}"), UNKNOWN).await;
    seen(&test, "POST", &third.replace("email-confirmations", "invites"), UNKNOWN).await;
    test.finish().await;
}

#[tokio::test]
async fn two_users_can_swap_emails_one_change_at_a_time() {
    let test = Test::start().await;
    let (one, two) = (test.user("one@example.com").await, test.user("two@example.com").await);
    let key = As::Write(&test.app);
    let (first, second) = tokio::join!(
        change(&test, key.clone(), one, email("two@example.com")),
        change(&test, key.clone(), two, email("one@example.com"))
    );
    for taken in [first, second] {
        assert_eq!(taken.code(), (400, "email_taken"));
    }
    move_to(&test, key.clone(), one, "between@example.com").await;
    // Wait for these mails: the next change of `one` would cancel an unsent one.
    let mut mails = test.mails(2).await;
    move_to(&test, key.clone(), two, "one@example.com").await;
    move_to(&test, key.clone(), one, "two@example.com").await;
    mails.extend(test.mails(3).await);
    let mut pages = vec![];
    for mail in mails {
        match mail.subject().as_str() {
            ASKS => pages.push((mail.to[0].clone(), page_in(&mail))),
            subject => assert_eq!(subject, TELLS),
        }
    }
    let page = |to: &str| pages.iter().find(|(address, _)| address == to).unwrap().1.clone();
    seen(&test, "POST", &page("between@example.com"), UNKNOWN).await;
    for to in ["one@example.com", "two@example.com"] {
        seen(&test, "POST", &page(to), CONFIRMED).await;
    }
    assert_eq!(verified(&test, one).await, (json!("two@example.com"), json!(true)));
    assert_eq!(verified(&test, two).await, (json!("one@example.com"), json!(true)));
    test.finish().await;
}

#[tokio::test]
async fn refused_email_change_sends_no_mail() {
    let test = Test::start().await;
    let user = test.user("user@example.com").await;
    let colleague = test.member(&test.app, "colleague@example.com", Some(user)).await;
    let other: App = test.another_app().await;
    let token = test.token(user).await;
    let before = test.rows().await;
    for (who, whom, status) in [
        (As::Token(token.clone()), colleague, 403),
        (As::Write(&other), user, 403),
        (As::Read(&test.app), user, 403),
        (As::Nobody, user, 401),
        (As::Write(&test.app), UserId(id::public()), 403),
    ] {
        assert_eq!(change(&test, who, whom, email("new@example.com")).await.status, status);
    }
    let refused = change(&test, As::Write(&test.app), user, email("Colleague@example.com")).await;
    assert_eq!(refused.code(), (400, "email_taken"));
    let bad = change(&test, As::Token(token.clone()), user, email("new@")).await;
    assert_eq!(bad.code(), (400, "invalid_fields"));
    let content = ("content-type", "application/json".to_owned());
    let headers = [content, ("if-match", "\"99\"".to_owned())];
    let body = serde_json::to_vec(&email("new@example.com")).unwrap();
    let stale = test.raw("PUT", "/v1/users/me", As::Token(token), &headers, body).await;
    assert_eq!(stale.code(), (412, "stale"));
    assert_eq!(test.rows().await, before);
    test.finish().await;
}

#[tokio::test]
async fn confirmation_mails_are_limited_per_recipient_and_user() {
    let test = Test::start().await;
    let (user, other) = (test.user("start@example.com").await, test.user("other@example.com").await);
    let (token, others) = (As::Token(test.token(user).await), As::Token(test.token(other).await));
    // Three mails to one address, from all users together. More are not sent, and the answer does not show it.
    for (number, who) in
        [(0, (&token, user)), (1, (&others, other)), (2, (&token, user)), (3, (&others, other))]
    {
        move_to(&test, who.0.clone(), who.1, "victim@example.com").await;
        move_to(&test, who.0.clone(), who.1, &format!("away{number}@example.com")).await;
    }
    test.idle().await;
    let to_victim = "SELECT count(*) FROM outbox WHERE recipient = 'victim@example.com'";
    assert!(test.count(to_victim).await <= 3);
    let counted = "SELECT used::bigint FROM referral_quotas WHERE subject = 'victim@example.com'";
    assert_eq!(test.count(counted).await, 3);
    // Ten requests of one user for any addresses except their own.
    for number in 0..5 {
        move_to(&test, token.clone(), user, &format!("more{number}@example.com")).await;
    }
    for address in ["start@example.com", "other@example.com"] {
        move_to(&test, token.clone(), user, address).await;
    }
    let before = test.rows().await;
    for address in ["eleventh@example.com", "other@example.com"] {
        let body = json!({ "user": { "email": address, "nickname": "Ada" } });
        let over = change(&test, token.clone(), user, body).await;
        assert_eq!(over.code(), (429, "confirmation_quota_exceeded"));
    }
    assert_eq!(test.rows().await, before, "nothing changed");
    // The limits do not apply to the backend.
    move_to(&test, As::Write(&test.app), user, "victim@example.com").await;
    test.idle().await;
    let sent = test.count("SELECT count(*) FROM outbox WHERE kind <> 'invite'").await;
    test.mails(usize::try_from(sent).unwrap()).await;
    test.finish().await;
}

#[tokio::test]
async fn email_change_over_app_mail_quota_is_429() {
    let test = Test::with(&[("USERDOCKS_LIMITS__MAILS_PER_APP_PER_DAY", "3")]).await;
    let user = test.user("user@example.com").await;
    let key = As::Write(&test.app);
    move_to(&test, key.clone(), user, "new@example.com").await;
    test.mails(2).await;
    let over = change(&test, key.clone(), user, email("newer@example.com")).await;
    assert_eq!(over.code(), (429, "mail_quota_exceeded"));
    assert_eq!(verified(&test, user).await.0, json!("new@example.com"));
    let fine =
        change(&test, key, user, json!({ "user": { "email": "NEW@example.com", "name": "Ada" } })).await;
    assert_eq!(fine.status, 200, "no mail, no bound");
    test.finish().await;
}

#[tokio::test]
async fn resent_confirmation_replaces_the_code_after_the_delay() {
    let test = Test::start().await;
    let user = test.user("user@example.com").await;
    let token = As::Token(test.token(user).await);
    let ask = async |who: As<'_>, user: &str| {
        test.call("POST", &format!("/v1/users/{user}/email-confirmation"), who, None).await
    };
    assert_eq!(ask(token.clone(), "me").await.code(), (400, "already_verified"));
    move_to(&test, token.clone(), user, "new@example.com").await;
    let first = test.mail().await;
    let soon = "the address was asked a short while ago, so no second mail was sent";
    assert_eq!(ask(token.clone(), "me").await.success(), (200, soon, &Value::Null));
    test.sql("UPDATE email_confirmations SET created_at = created_at - interval '61 seconds'").await;
    let again = ask(token.clone(), "me").await;
    assert_eq!(again.success(), (200, "the address was asked to confirm", &Value::Null));
    let second = test.mail().await;
    assert_eq!((second.to.clone(), second.subject()), (vec!["new@example.com".to_owned()], ASKS.to_owned()));
    seen(&test, "POST", &page_in(&first), UNKNOWN).await;
    seen(&test, "POST", &page_in(&second), CONFIRMED).await;
    assert_eq!(test.mail().await.subject(), TELLS);
    assert_eq!(ask(token.clone(), "me").await.code(), (400, "already_verified"));

    // An address set by a backend is confirmed in the same way.
    move_to(&test, As::Write(&test.app), user, "given@example.com").await;
    test.mails(2).await;
    assert_eq!(ask(As::Write(&test.app), &user.to_string()).await.success(), (200, soon, &Value::Null));
    test.sql("UPDATE email_confirmations SET created_at = created_at - interval '61 seconds'").await;
    let again = ask(As::Write(&test.app), &user.to_string()).await;
    assert_eq!(again.success(), (200, "the address was asked to confirm", &Value::Null));
    assert_eq!(test.mail().await.to, ["given@example.com"]);

    let colleague = test.member(&test.app, "colleague@example.com", Some(user)).await;
    let other = test.another_app().await;
    for (who, whom) in [
        (token.clone(), colleague.to_string()),
        (As::Write(&other), user.to_string()),
        (As::Write(&test.app), id::public().to_string()),
    ] {
        assert_eq!(ask(who, &whom).await.code(), (403, "user_out_of_reach"));
    }
    assert_eq!(ask(As::Read(&test.app), &user.to_string()).await.code(), (403, "write_key_required"));
    test.finish().await;
}

#[tokio::test]
async fn write_key_can_mark_the_stored_email_verified() {
    let test = Test::start().await;
    let user = test.user("user@example.com").await;
    let key = As::Write(&test.app);
    move_to(&test, key.clone(), user, "new@example.com").await;
    let [asks, _] = test.mails(2).await.try_into().unwrap();
    let path = format!("/v1/users/{user}/email-verification");
    let vouch = async |who: As<'_>, body: Value| test.call("POST", &path, who, Some(body)).await;
    let whole = test.stored(user).await;
    for (who, body, code) in [
        (key.clone(), json!({ "email": "user@example.com" }), (400, "other_address")),
        (key.clone(), json!({ "email": "new@" }), (400, "invalid_fields")),
        (key.clone(), json!({}), (400, "invalid_fields")),
        (key.clone(), json!({ "email": "new@example.com", "verified": true }), (400, "invalid_fields")),
        (As::Token(test.token(user).await), json!({ "email": "new@example.com" }), (403, "api_key_required")),
        (As::Read(&test.app), json!({ "email": "new@example.com" }), (403, "write_key_required")),
        (
            As::Write(&test.another_app().await),
            json!({ "email": "new@example.com" }),
            (403, "user_out_of_reach"),
        ),
    ] {
        assert_eq!(vouch(who, body).await.code(), code);
    }
    assert_eq!(test.stored(user).await, whole);
    for _ in 0..2 {
        let done = vouch(key.clone(), json!({ "email": "New@example.com" })).await;
        assert_eq!(done.success(), (200, "the address is verified", &Value::Null));
        assert_eq!(verified(&test, user).await, (json!("new@example.com"), json!(true)));
    }
    seen(&test, "POST", &page_in(&asks), BEFORE).await;
    // A token cannot verify the address in other ways either.
    let token = As::Token(test.token(user).await);
    let body = json!({ "user": { "email": "newer@example.com", "email_verified": true } });
    assert_eq!(change(&test, token, user, body).await.status, 200);
    assert_eq!(verified(&test, user).await, (json!("new@example.com"), json!(true)));
    // Verifying the current address does not end the pending confirmation.
    assert_eq!(vouch(key.clone(), json!({ "email": "new@example.com" })).await.status, 200);
    assert_eq!(vouch(key, json!({ "email": "newer@example.com" })).await.code(), (400, "other_address"));
    let page = page_in(&test.mail().await);
    seen(&test, "POST", &page, CONFIRMED).await;
    assert_eq!(verified(&test, user).await, (json!("newer@example.com"), json!(true)));
    test.mail().await;
    test.finish().await;
}

#[tokio::test]
async fn erasure_deletes_confirmations_and_queued_mails() {
    let test = Test::start().await;
    let user = test.user("user@example.com").await;
    move_to(&test, As::Write(&test.app), user, "new@example.com").await;
    let asks = test.mails(2).await.remove(0);
    let page = page_in(&asks);
    test.smtp.refuse(crate::support::smtp::Stage::Rcpt, "450 4.2.1 later");
    // Queued mails: a confirmation to an unused address, and a notice to another user whose address was requested.
    let holder = test.member(&test.app, "holder@example.com", None).await;
    let token = As::Token(test.token(user).await);
    move_to(&test, token.clone(), user, "holder@example.com").await;
    move_to(&test, token, user, "newer@example.com").await;
    test.until_none("SELECT count(*) FROM outbox WHERE state = 'queued' AND attempts = 0").await;
    assert_eq!(test.count("SELECT count(*) FROM outbox WHERE state = 'queued'").await, 2);
    let erase = async |user: UserId| {
        let erased = test.call("DELETE", &format!("/v1/users/{user}"), As::Write(&test.app), None).await;
        assert_eq!(erased.status, 200);
    };
    erase(user).await;
    assert_eq!(test.count("SELECT count(*) FROM outbox WHERE recipient <> 'holder@example.com'").await, 0);
    erase(holder).await;
    assert_eq!(test.count("SELECT count(*) FROM outbox").await, 0);
    assert_eq!(test.count("SELECT count(*) FROM email_confirmations").await, 0);
    seen(&test, "POST", &page, UNKNOWN).await;
    test.smtp.script(|_| None);
    test.finish().await;
}
