//! `POST /v1/mail-reports?provider=…`: webhooks of mail providers, each with its own format and signature.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{encoding::AsDer, hmac};
use axum::Router;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use userdocks::db::invites::timeline;

use crate::support::{Answer, As, Test};

const SIGNING_KEY: &str = "key-0123456789abcdef";
const PASSWORD: &str = "correct-horse-battery";
const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:bounces";

/// A server that has mailed invites to `bob@example.com` and `carl@example.com`.
struct Mailed {
    test: Test,
    message_id: String,
}

impl Mailed {
    async fn with(settings: &[(&str, &str)]) -> Self {
        let test = Test::with(settings).await;
        crate::outbox::queue::invite(&test, &test.app, "bob@example.com").await;
        let message_id = test.mail().await.message_id();
        crate::outbox::queue::invite(&test, &test.app, "carl@example.com").await;
        test.mail().await;
        test.idle().await;
        Self { test, message_id }
    }

    async fn post(&self, provider: &str, headers: &[(&str, String)], body: impl Into<Vec<u8>>) -> Answer {
        let path = format!("/v1/mail-reports?provider={provider}");
        self.test.raw("POST", &path, As::Nobody, headers, body.into()).await
    }

    /// The recorded reports: recipient, type and detail.
    async fn recorded(&self) -> Vec<(String, String, String)> {
        sqlx::query_as(
            "SELECT i.email, e.kind, e.detail FROM invite_events e JOIN invites i USING (app_id, invite_id)
            ORDER BY 1, 2",
        )
        .fetch_all(&self.test.db)
        .await
        .unwrap()
    }

    async fn opted_out(&self) -> i64 {
        self.test.count("SELECT count(*) FROM opt_outs").await
    }
}

fn taken(answer: &Answer) {
    assert_eq!(answer.success(), (200, "the report was recorded", &Value::Null));
}

fn unproven(answer: &Answer) {
    assert_eq!(answer.code(), (401, "unproven_provider"));
}

fn row(email: &str, kind: &str, said: &str) -> (String, String, String) {
    (email.to_owned(), kind.to_owned(), said.to_owned())
}

/// The Unix time this many seconds ago.
fn ago(seconds: i64) -> String {
    (userdocks::clock::now().as_second() - seconds).to_string()
}

const DAY: i64 = 24 * 3600;

#[tokio::test]
async fn unknown_provider_is_400_and_unconfigured_is_401() {
    let mailed = Mailed::with(&[]).await;
    for provider in ["ses", "sendgrid", "mailgun", "postmark"] {
        let headers = [("authorization", format!("Basic {}", STANDARD.encode("x:")))];
        unproven(&mailed.post(provider, &headers, "{}").await);
    }
    for provider in ["mandrill", "", "SES"] {
        assert_eq!(mailed.post(provider, &[], "{}").await.code(), (400, "invalid_query"));
    }
    // An API key does not replace the signature, and the provider must be given once.
    let path = "/v1/mail-reports?provider=mailgun";
    unproven(&mailed.test.call("POST", path, As::Write(&mailed.test.app), Some(json!({}))).await);
    let path = "/v1/mail-reports?provider=ses&provider=ses";
    assert_eq!(mailed.test.call("POST", path, As::Nobody, Some(json!({}))).await.code().0, 401);
    assert_eq!(mailed.recorded().await, []);
    mailed.test.finish().await;
}

#[tokio::test]
async fn wrong_signatures_are_rate_limited_by_ip_address() {
    let settings = [
        ("USERDOCKS_MAIL__REPORTS__MAILGUN_SIGNING_KEY", SIGNING_KEY),
        ("USERDOCKS_LIMITS__FAILURES_PER_ADDRESS_PER_SECOND", "1"),
    ];
    let mailed = Mailed::with(&settings).await;
    let call = async |key: &str| {
        mailed.post("mailgun", &[], mailgun(key, &ago(0), &json!({ "event": "opened" }))).await
    };
    // Signed calls do not count against the address.
    for _ in 0..5 {
        taken(&call(SIGNING_KEY).await);
    }
    let statuses = [call("wrong").await.status, call("wrong").await.status, call("wrong").await.status];
    assert!(statuses.contains(&401) && statuses.contains(&429), "{statuses:?}");
    mailed.test.finish().await;
}

fn mailgun(key: &str, timestamp: &str, event: &Value) -> String {
    let token = "c1f3a7e5";
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let signature = hex::encode(hmac::sign(&key, format!("{timestamp}{token}").as_bytes()));
    json!({
        "signature": { "timestamp": timestamp, "token": token, "signature": signature },
        "event-data": event,
    })
    .to_string()
}

#[tokio::test]
async fn mailgun_report_needs_a_fresh_hmac_signature() {
    let mailed = Mailed::with(&[("USERDOCKS_MAIL__REPORTS__MAILGUN_SIGNING_KEY", SIGNING_KEY)]).await;
    let event = |event: &str, recipient: &str, message_id: &str| {
        json!({
            "event": event, "severity": "permanent", "recipient": recipient, "reason": "bounce",
            "delivery-status": { "code": 550, "message": "5.1.1 no such user", "description": "" },
            "message": { "headers": { "message-id": message_id, "to": recipient } },
        })
    };
    let bounced = event("failed", "bob@example.com", &mailed.message_id);
    for (key, timestamp) in [("wrong", ago(0)), (SIGNING_KEY, ago(DAY + 60)), (SIGNING_KEY, ago(-600))] {
        unproven(&mailed.post("mailgun", &[], mailgun(key, &timestamp, &bounced)).await);
    }
    for malformed in ["", "{", "[]", "{\"signature\":{}}"] {
        assert_eq!(mailed.post("mailgun", &[], malformed).await.code(), (400, "unsupported_body"));
    }
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(1 << 20));
    assert_eq!(mailed.post("mailgun", &[], long).await.code(), (413, "body_too_large"));
    assert_eq!(mailed.recorded().await, []);

    let mut late = event("failed", "carl@example.com", "20261127.1@mailgun.example");
    late["severity"] = json!("temporary");
    for event in [
        bounced.clone(),
        bounced,
        late,
        event("complained", "carl@example.com", "<20261127.1@mailgun.example>"),
        // A mail that does not exist, and an event without meaning here.
        event("failed", "nobody@example.com", "20261127.1@mailgun.example"),
        event("delivered", "bob@example.com", &mailed.message_id),
        json!({ "event": "unsubscribed" }),
    ] {
        taken(&mailed.post("mailgun", &[], mailgun(SIGNING_KEY, &ago(DAY - 60), &event)).await);
    }
    let said = "550 5.1.1 no such user";
    assert_eq!(
        mailed.recorded().await,
        [
            row("bob@example.com", "bounced", said),
            row("carl@example.com", "complained", said),
            row("carl@example.com", "delayed", said),
        ]
    );
    assert_eq!(mailed.opted_out().await, 1);
    mailed.test.finish().await;
}

#[tokio::test]
async fn sendgrid_report_needs_a_fresh_ecdsa_signature() {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let public = STANDARD.encode(key.public_key().as_der().unwrap().as_ref());
    let mailed = Mailed::with(&[("USERDOCKS_MAIL__REPORTS__SENDGRID_PUBLIC_KEY", &public)]).await;
    let headers = |key: &EcdsaKeyPair, timestamp: &str, body: &str| {
        let signature = key.sign(&SystemRandom::new(), format!("{timestamp}{body}").as_bytes()).unwrap();
        [
            ("x-twilio-email-event-webhook-signature", STANDARD.encode(signature)),
            ("x-twilio-email-event-webhook-timestamp", timestamp.to_owned()),
        ]
    };
    let id = format!("<{}>", mailed.message_id);
    let body = json!([
        { "event": "bounce", "email": "bob@example.com", "smtp-id": id, "status": "5.1.1", "reason": "550 no" },
        { "event": "spamreport", "email": "carl@example.com" },
        { "event": "deferred", "email": "carl@example.com", "response": "451 busy", "attempt": "5" },
        { "event": "bounce", "email": "nobody@example.com", "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>" },
        { "event": "open", "email": "bob@example.com", "smtp-id": id },
        { "event": 7 },
        "x",
    ])
    .to_string();
    let (now, earlier) = (ago(0), ago(1));
    let sent = headers(&key, &now, &body);
    unproven(&mailed.post("sendgrid", &[], body.clone()).await);
    unproven(&mailed.post("sendgrid", &sent[..1], body.clone()).await);
    unproven(&mailed.post("sendgrid", &headers(&other, &ago(0), &body), body.clone()).await);
    unproven(&mailed.post("sendgrid", &headers(&key, &ago(DAY + 60), &body), body.clone()).await);
    // A changed body and a changed time are refused.
    unproven(&mailed.post("sendgrid", &sent, body.replace("bob", "carl")).await);
    unproven(&mailed.post("sendgrid", &[sent[0].clone(), (sent[1].0, earlier)], body.clone()).await);
    let long = "x".repeat((1 << 20) + 1);
    let refused = mailed.post("sendgrid", &headers(&key, &ago(0), &long), long.clone()).await;
    assert_eq!(refused.refusal(), (413, "body_too_large", "the body must be at most 1048576 bytes long"));
    let object = "{}";
    let malformed = mailed.post("sendgrid", &headers(&key, &ago(0), object), object).await;
    assert_eq!(malformed.code(), (400, "unsupported_body"));
    assert_eq!(mailed.recorded().await, []);

    for _ in 0..2 {
        taken(&mailed.post("sendgrid", &sent, body.clone()).await);
    }
    assert_eq!(
        mailed.recorded().await,
        [
            row("bob@example.com", "bounced", "5.1.1 550 no"),
            row("carl@example.com", "complained", ""),
            row("carl@example.com", "delayed", "451 busy"),
        ]
    );
    assert_eq!(mailed.opted_out().await, 1);
    mailed.test.finish().await;
}

#[tokio::test]
async fn postmark_report_needs_the_basic_auth_password() {
    let mailed = Mailed::with(&[("USERDOCKS_MAIL__REPORTS__POSTMARK_PASSWORD", PASSWORD)]).await;
    let basic = |user: &str| [("authorization", format!("Basic {}", STANDARD.encode(user)))];
    let bounce = |record: &str, kind: &str, email: &str| {
        json!({
            "RecordType": record, "Type": kind, "TypeCode": 1, "MessageID": "00000000-0000-0000-0000-000000000000",
            "Email": email, "Description": "Unable to deliver.", "Details": "smtp;550 5.1.1", "ID": 42,
        })
        .to_string()
    };
    let bounced = bounce("Bounce", "HardBounce", "bob@example.com");
    unproven(&mailed.post("postmark", &[], bounced.clone()).await);
    for user in ["x:", "x:correct-horse-batter", "correct-horse-battery", "x:correct-horse-battery2"] {
        unproven(&mailed.post("postmark", &basic(user), bounced.clone()).await);
    }
    let bearer = [("authorization", format!("Bearer {}", STANDARD.encode(format!("x:{PASSWORD}"))))];
    unproven(&mailed.post("postmark", &bearer, bounced.clone()).await);
    let good = basic(&format!("postmark:{PASSWORD}"));
    assert_eq!(
        mailed.post("postmark", &good, vec![b' '; (1 << 20) + 1]).await.code(),
        (413, "body_too_large")
    );
    assert_eq!(mailed.post("postmark", &good, "{}").await.code(), (400, "unsupported_body"));
    assert_eq!(mailed.recorded().await, []);

    for body in [
        bounced,
        bounce("Bounce", "Transient", "carl@example.com"),
        bounce("SpamComplaint", "SpamComplaint", "Carl@example.com"),
        bounce("Bounce", "AutoResponder", "bob@example.com"),
        bounce("Bounce", "HardBounce", "nobody@example.com"),
        bounce("Delivery", "", "bob@example.com"),
    ] {
        taken(&mailed.post("postmark", &good, body).await);
    }
    assert_eq!(
        mailed.recorded().await,
        [
            row("bob@example.com", "bounced", "smtp;550 5.1.1"),
            row("carl@example.com", "complained", "smtp;550 5.1.1"),
            row("carl@example.com", "delayed", "smtp;550 5.1.1"),
        ]
    );
    assert_eq!(mailed.opted_out().await, 1);
    mailed.test.finish().await;
}

/// A stand-in for Amazon SNS: a key, its certificate, and a server that serves the certificate.
struct Sns {
    key: RsaKeyPair,
    url: String,
    /// Number of requests for the certificate.
    certificates: Arc<AtomicUsize>,
    /// Number of confirmed subscriptions.
    confirmed: Arc<AtomicUsize>,
}

impl Sns {
    async fn start() -> Self {
        let pair =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let params = rcgen::CertificateParams::new(["sns.amazonaws.com".to_owned()]).unwrap();
        let certificate = params.self_signed(&pair).unwrap().pem();
        let (certificates, confirmed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (asked, confirms) = (Arc::clone(&certificates), Arc::clone(&confirmed));
        let router = Router::new()
            .route(
                "/SimpleNotificationService-0a1b.pem",
                axum::routing::get(async move || {
                    asked.fetch_add(1, Ordering::Relaxed);
                    certificate
                }),
            )
            .route("/SimpleNotificationService-long.pem", axum::routing::get(async || "x".repeat(20_000)))
            .route(
                "/",
                axum::routing::get(async move |uri: axum::http::Uri| {
                    assert_eq!(uri.query(), Some("Action=ConfirmSubscription&Token=t"));
                    confirms.fetch_add(1, Ordering::Relaxed);
                }),
            );
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(socket, router).await });
        Self { key: RsaKeyPair::from_pkcs8(&pair.serialize_der()).unwrap(), url, certificates, confirmed }
    }

    /// A notification, changed before it is signed.
    fn call(&self, message: &str, change: impl FnOnce(&mut Value)) -> Value {
        let mut call = json!({
            "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC,
            "Message": message, "Timestamp": userdocks::clock::now().to_string(), "SignatureVersion": "2",
            "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem",
            "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
        });
        change(&mut call);
        let names: &[&str] = if call["Type"] == "Notification" {
            &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        } else {
            &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        };
        let lines = names.iter().filter_map(|name| Some(format!("{name}\n{}\n", call[*name].as_str()?)));
        let text: String = lines.collect::<Vec<_>>().concat();
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        call["Signature"] = json!(STANDARD.encode(signature));
        call
    }
}

fn ses_bounce(email: &str, message_id: &str) -> String {
    json!({
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent", "bounceSubType": "General",
            "bouncedRecipients": [{
                "emailAddress": email, "action": "failed", "status": "5.1.1", "diagnosticCode": "smtp; 550 no",
            }],
        },
        "mail": {
            "messageId": "0100019abcdef-000000", "destination": [email],
            "headers": [{ "name": "From", "value": "x" }, { "name": "Message-ID", "value": message_id }],
        },
    })
    .to_string()
}

#[tokio::test]
async fn ses_report_needs_an_sns_signature_of_the_configured_topic() {
    let sns = Sns::start().await;
    let settings = [
        ("USERDOCKS_MAIL__REPORTS__SES_TOPIC_ARN", TOPIC),
        ("USERDOCKS_MAIL__REPORTS__SES_TEST_URL", &sns.url),
    ];
    let mailed = Mailed::with(&settings).await;
    let text = [("content-type", "text/plain; charset=UTF-8".to_owned())];
    let post = async |call: Value| mailed.post("ses", &text, call.to_string()).await;
    let bounced = ses_bounce("bob@example.com", &format!("<{}>", mailed.message_id));

    // Messages that cannot be valid cause no request to Amazon.
    let old = (userdocks::clock::now() - jiff::SignedDuration::from_hours(25)).to_string();
    let certificate = |url: &str| ("SigningCertURL", json!(url));
    let bad: [(&str, Value); 10] = [
        ("TopicArn", json!("arn:aws:sns:eu-west-1:999999999999:bounces")),
        ("SignatureVersion", json!("1")),
        ("Timestamp", json!(old)),
        certificate("https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0a1b.pem"),
        certificate("http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem"),
        certificate("https://x@sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem"),
        certificate("https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0a1b.pem"),
        certificate("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b.pem"),
        certificate("https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b.pem"),
        certificate("https://sns.eu-west-1.amazonaws.com/x/SimpleNotificationService-0a1b.pem"),
    ];
    for (name, value) in bad {
        unproven(&post(sns.call(&bounced, |call| call[name] = value)).await);
    }
    assert_eq!(sns.certificates.load(Ordering::Relaxed), 0);
    // A message changed after signing, another key, and an invalid certificate.
    let mut changed = sns.call(&bounced, |_| {});
    changed["Message"] = json!(ses_bounce("carl@example.com", "<x@y>"));
    unproven(&post(changed).await);
    unproven(&post(Sns::start().await.call(&bounced, |_| {})).await);
    let long = |call: &mut Value| {
        call["SigningCertURL"] =
            json!("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-long.pem");
    };
    assert_eq!(post(sns.call(&bounced, long)).await.code(), (503, "unavailable"));
    assert_eq!(mailed.post("ses", &text, vec![b' '; (1 << 20) + 1]).await.code(), (413, "body_too_large"));
    assert_eq!(mailed.post("ses", &text, "{}").await.code(), (400, "unsupported_body"));
    assert_eq!(mailed.recorded().await, []);

    let complaint = |kind: &str| {
        json!({
            "eventType": "Complaint",
            "complaint": {
                "complainedRecipients": [{ "emailAddress": "carl@example.com" }], "complaintFeedbackType": kind,
            },
            "mail": { "messageId": "0100019abcdef-000000" },
        })
        .to_string()
    };
    let absent = bounced.replace("Permanent", "Transient").replace("\"action\":\"failed\",", "");
    for message in [
        complaint("not-spam"),
        absent,
        ses_bounce("nobody@example.com", "<x@y>"),
        "Successfully validated SNS topic for Amazon SES event publishing.".to_owned(),
    ] {
        taken(&post(sns.call(&message, |_| {})).await);
    }
    assert_eq!(mailed.recorded().await, []);
    taken(&post(sns.call(&bounced, |call| call["Subject"] = json!("Amazon SES"))).await);
    taken(&post(sns.call(&complaint("abuse"), |_| {})).await);
    assert_eq!(
        mailed.recorded().await,
        [
            row("bob@example.com", "bounced", "5.1.1 smtp; 550 no"),
            row("carl@example.com", "complained", "abuse")
        ]
    );
    assert_eq!((mailed.opted_out().await, sns.certificates.load(Ordering::Relaxed)), (1, 1));

    // A subscription is confirmed at Amazon's hosts only.
    let subscription = |url: &str| {
        sns.call("You have chosen to subscribe.", |call| {
            call["Type"] = json!("SubscriptionConfirmation");
            call["Token"] = json!("t");
            call["SubscribeURL"] = json!(url);
        })
    };
    let elsewhere = post(subscription("https://evil.example/?Action=ConfirmSubscription&Token=t")).await;
    assert_eq!(elsewhere.code(), (400, "unsupported_body"));
    assert_eq!(sns.confirmed.load(Ordering::Relaxed), 0);
    taken(
        &post(subscription("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=t")).await,
    );
    assert_eq!(sns.confirmed.load(Ordering::Relaxed), 1);
    mailed.test.finish().await;
}

#[tokio::test]
async fn provider_bounce_appears_in_the_timeline_of_any_app() {
    let mailed = Mailed::with(&[("USERDOCKS_MAIL__REPORTS__POSTMARK_PASSWORD", PASSWORD)]).await;
    let other = mailed.test.another_app().await;
    crate::outbox::queue::invite(&mailed.test, &other, "dora@example.com").await;
    mailed.test.mail().await;
    mailed.test.idle().await;
    let headers = [("authorization", format!("Basic {}", STANDARD.encode(format!("x:{PASSWORD}"))))];
    let body = json!({ "RecordType": "Bounce", "Type": "HardBounce", "Email": "dora@example.com" });
    taken(&mailed.post("postmark", &headers, body.to_string()).await);
    let invite = sqlx::query_scalar("SELECT invite_id FROM invites WHERE email = 'dora@example.com'")
        .fetch_one(&mailed.test.db)
        .await
        .unwrap();
    let life = timeline::timeline(&mailed.test.db, other.id, invite).await.unwrap();
    assert_eq!(life.last().unwrap().event, "bounced");
    mailed.test.finish().await;
}
