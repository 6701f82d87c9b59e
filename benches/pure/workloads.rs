//! The workloads. Each has a fixed input, so that two runs count the same instructions.

use std::hint::black_box;
use std::time::Instant;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use jiff::civil::date;
use lettre::Address;
use lettre::message::Mailbox;
use userdocks::domain::brand::{Brand, Color};
use userdocks::domain::credentials::access_token::{PublicKey, Unverified};
use userdocks::domain::credentials::api_key::ApiKey;
use userdocks::domain::invites::invite_body::NewUserBody;
use userdocks::domain::json::parse_object;
use userdocks::domain::mail::kind::MailKind;
use userdocks::domain::users::profile::ProfilePatch;
use userdocks::http::auth::credentials::{PresentedCredentials, read_credentials};
use userdocks::mail::render::render;
use userdocks::mail::{Envelope, Letter, message};
use userdocks::metrics::{Batched, Cache, Histogram, PERMIT_WAITS, Responses, count_batch, count_cache};

/// A name and the function to measure.
pub type Work = (&'static str, Box<dyn Fn()>);

/// No server has an app with this id.
const KEY: &str = "userdocks_write_0194000000007000800000000000000d\
    0123456789abcdef0123456789abcdef0123456789abcdef_9ef48e9a";
/// Signed once by a key pair whose private key was discarded; valid until 2100.
const TOKEN: &str = include_str!("token.txt");
const PUBLIC_KEY: &[u8] = include_bytes!("public-key.der");
const KEY_ID: &str = "01940000-0000-7000-8000-00000000000e";

const UPDATE: &[u8] =
    br#"{"user":{"name":"Ada Lovelace","given_name":"Ada","family_name":"Lovelace","nickname":"ada",
    "phone_number":"+493012345678","zoneinfo":"Europe/London","locale":"en-GB"}}"#;
const EVERY_FIELD: &str = r#"{"user":{"email":"ada@example.com","language":"de-AT","acceptedNewsletter":true,
    "salutation":"Ms","salutationOther":"","name":"Ada Lovelace","given_name":"Ada","family_name":"Lovelace",
    "middle_name":"King","nickname":"ada","preferred_username":"ada","gender":"female","other_gender":null,
    "profile":"https://example.com/ada","picture":"https://example.com/ada.png","website":"https://example.com",
    "birthdate":"1815-12-10","zoneinfo":"Europe/London","locale":"en-GB","phone_number":"+44 20 7946 0958"},
    "test":false}"#;
const INVITE: &[u8] = br#"{"email":"Ada.Lovelace@example.com","language":"en"}"#;

fn headers<const N: usize>(headers: [(&'static str, String); N]) -> HeaderMap {
    headers
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::try_from(value).unwrap()))
        .into_iter()
        .collect()
}

/// Checks a backend's credentials, taken from request headers, against the cache.
fn api_key() -> Work {
    let headers = headers([
        ("x-api-key", KEY.to_owned()),
        ("x-api-key-type", "write".to_owned()),
        ("x-client-id", "01940000-0000-7000-8000-00000000000a".to_owned()),
    ]);
    let kept = ApiKey::parse(KEY).unwrap().hash();
    let work = move || {
        let Ok(PresentedCredentials::Key { key_type, key, .. }) = read_credentials(black_box(&headers))
        else {
            panic!("no key")
        };
        verify_slices_are_equal(&kept, &key.hash()).unwrap();
        assert_eq!(key_type, key.key_type);
    };
    ("credential check", Box::new(work))
}

/// Verifies an RS256 access token whose key is cached.
fn token() -> Work {
    let headers = headers([("authorization", format!("Bearer {}", TOKEN.trim()))]);
    let keys = [PublicKey::new(KEY_ID.parse().unwrap(), PUBLIC_KEY)];
    let work = move || {
        let Ok(PresentedCredentials::Token(token)) = read_credentials(black_box(&headers)) else {
            panic!("no token")
        };
        let token = Unverified::parse(token).unwrap();
        let verified = token.verify(&keys, token.apps[0]).unwrap();
        assert_eq!(verified.subject, "01940000-0000-7000-8000-00000000000b");
    };
    ("token verification", Box::new(work))
}

fn update(name: &'static str, body: &'static [u8]) -> Work {
    let work = move || {
        let body = parse_object(black_box(body)).unwrap();
        black_box(ProfilePatch::parse(body, date(2026, 1, 1)).unwrap());
    };
    (name, Box::new(work))
}

fn invite() -> Work {
    let work = || {
        let body = parse_object(black_box(INVITE)).unwrap();
        black_box(NewUserBody::parse(body).unwrap());
    };
    ("body of an invite", Box::new(work))
}

/// Renders an invite mail, from the outbox row to the bytes sent.
fn mail() -> Work {
    let from: Mailbox = "Acme <no-reply@id.example>".parse().unwrap();
    let to: Address = "ada@example.com".parse().unwrap();
    let date = Timestamp::from_second(1_764_000_000).unwrap();
    let color = Color::parse("#1f6feb").unwrap();
    let brand = Brand { color, contact: Some(from.email.clone()), ..Brand::named("Acme") };
    let work = move || {
        let letter = Letter {
            kind: MailKind::Invite,
            language: "en",
            brand: &brand,
            recipient: "ada@example.com",
            inviter: Some("Charles Babbage"),
            link: Some("https://id.example/invites/0123456789abcdefghijklmnopqrstuvwxyz"),
            referral_code: None,
            expires_at: Some(date),
            opt_out: Some("https://id.example/opt-out/c0de"),
            template: None,
        };
        let envelope = Envelope {
            from: &from,
            reply_to: None,
            return_path: None,
            to: &to,
            message_id: "<7@id.example>",
            date,
            signer: None,
        };
        let rendered = render(black_box(&letter)).unwrap();
        black_box(message(&rendered, &envelope).unwrap().formatted());
    };
    ("mail", Box::new(work))
}

/// The counters of one update: response, concurrency permit, connection, statement and three cache look-ups.
fn counts() -> Work {
    let (answers, connections) = (Responses::new(), Histogram::default());
    let work = move || {
        let begun = Instant::now();
        for cache in [Cache::ApiKey, Cache::App, Cache::Token] {
            count_cache(black_box(cache), true);
        }
        PERMIT_WAITS.count(begun.elapsed());
        connections.count(begun.elapsed());
        count_batch(Batched::Update, 1);
        answers.count(Some(&Method::PUT), StatusCode::OK, begun.elapsed());
    };
    ("what is counted of an update", Box::new(work))
}

pub fn all() -> Vec<Work> {
    vec![
        api_key(),
        token(),
        update("body of an update", UPDATE),
        update("body of an update, every field", EVERY_FIELD.as_bytes()),
        invite(),
        mail(),
        counts(),
    ]
}
