//! Answers to a token do not reveal whether an address has an account, in this app or another.

use serde_json::{Value, json};
use userdocks::domain::id::UserId;

use crate::support::{Answer, As, Test};

/// Routes that take an address, called with a user's token.
const ROUTES: [(&str, &str); 4] = [
    ("PUT", "/v1/users/me"),
    ("POST", "/v1/users/me/email-confirmation"),
    ("POST", "/v1/users/me/referral-invites"),
    ("GET", "/v1/users/{address}"),
];

/// The parts of an answer that a caller can compare: all except those that depend on the time.
fn told(answer: &Answer) -> Value {
    let of_the_moment = ["date", "x-request-id", "retry-after", "ratelimit"];
    let headers = answer.headers.iter().map(|(name, value)| {
        let value = if of_the_moment.contains(&name.as_str()) { "" } else { value.to_str().unwrap() };
        json!([name.as_str(), value])
    });
    json!([answer.status, headers.collect::<Vec<_>>(), answer.body])
}

async fn ask(test: &Test, token: &str, (method, path): (&str, &str), address: &str) -> Value {
    let body = match (method, path) {
        ("PUT", _) => Some(json!({ "user": { "email": address, "nickname": "Ada" } })),
        ("POST", "/v1/users/me/referral-invites") => Some(json!({ "email": address, "language": "en" })),
        _ => None,
    };
    let path = path.replace("{address}", address);
    told(&test.call(method, &path, As::Token(token.to_owned()), body).await)
}

/// Sends 10 addresses below the limits and 10 above, and returns the answers.
async fn asked(test: &Test, user: UserId, addresses: &[String]) -> Vec<Value> {
    let token = test.token(user).await;
    let mut answers = Vec::new();
    for address in addresses {
        for route in ROUTES {
            answers.push(ask(test, &token, route, address).await);
        }
    }
    answers
}

#[tokio::test]
async fn taken_and_free_addresses_get_equal_replies_around_limits() {
    let test = Test::with(&[("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "10")]).await;
    let addresses = |kind: &str, round: usize| -> Vec<String> {
        (0..20).map(|number| format!("{kind}{round}-{number}@example.com")).collect()
    };
    let mut statuses = Vec::new();
    for round in 0..10 {
        let (one, other) = (format!("one{round}@example.com"), format!("other{round}@example.com"));
        let one = test.member(&test.app, &one, None).await;
        let other = test.member(&test.app, &other, None).await;
        for address in addresses("taken", round) {
            test.member(&test.app, &address, None).await;
        }
        let taken = asked(&test, one, &addresses("taken", round)).await;
        let free = asked(&test, other, &addresses("free", round)).await;
        for (at, (taken, free)) in taken.iter().zip(&free).enumerate() {
            assert_eq!(taken, free, "{:?}, {}", ROUTES[at % ROUTES.len()], at / ROUTES.len());
        }
        statuses.extend(free.iter().map(|answer| answer[0].as_u64().unwrap()));
    }
    // Half of the changes and of the referrals were below their limit, and every look-up was refused as not
    // accessible.
    let count = |status| statuses.iter().filter(|seen| **seen == status).count();
    assert_eq!((count(201), count(403), count(429)), (100, 200, 200));
    assert_eq!(count(200), 300, "changes, and what was asked again a short while after");
    test.idle().await;
    let sent = test.count("SELECT count(*) FROM outbox WHERE state = 'sent'").await;
    test.mails(usize::try_from(sent).unwrap()).await;
    let told =
        "SELECT count(DISTINCT recipient) FROM outbox WHERE recipient LIKE 'taken%' AND kind <> 'taken'";
    assert_eq!(test.count(told).await, 0);
    test.finish().await;
}

#[tokio::test]
async fn repeated_confirmation_of_taken_and_free_address_is_equal() {
    let test = Test::with(&[("USERDOCKS_INVITE__RESEND_AFTER", "0s")]).await;
    test.member(&test.app, "taken@example.com", None).await;
    let mut answers = Vec::new();
    for (name, address) in [("one", "taken@example.com"), ("other", "free@example.com")] {
        let user = test.member(&test.app, &format!("{name}@example.com"), None).await;
        let token = test.token(user).await;
        let mut told = vec![ask(&test, &token, ROUTES[0], address).await];
        // Above the mail limit of an address, and above that of the user.
        for _ in 0..12 {
            told.push(ask(&test, &token, ROUTES[1], address).await);
        }
        answers.push(told);
    }
    assert_eq!(answers[0], answers[1]);
    let statuses: Vec<_> = answers[0].iter().map(|answer| answer[0].as_u64().unwrap()).collect();
    assert_eq!(statuses, [[200; 10].as_slice(), &[429; 3]].concat());
    test.pass_over_mails().await;
    test.finish().await;
}

#[tokio::test]
async fn own_address_gets_the_same_reply_and_uses_no_quota() {
    let test = Test::start().await;
    let mut answers = Vec::new();
    for (name, asks_for) in [("one", None), ("other", Some("free@example.com"))] {
        let own = format!("{name}@example.com");
        let user = test.member(&test.app, &own, None).await;
        let token = test.token(user).await;
        let mut told = Vec::new();
        for _ in 0..12 {
            told.push(ask(&test, &token, ROUTES[0], asks_for.unwrap_or(&own)).await);
        }
        answers.push(told);
    }
    assert_eq!(answers[0][..10], answers[1][..10]);
    assert_eq!((&answers[0][11][0], &answers[1][10][0]), (&json!(200), &json!(429)));
    test.mail().await;
    test.finish().await;
}
