//! Tokens of an app's external issuer, whose JWK set is served on loopback.

use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::KeyPair;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use userdocks::db::apps;
use userdocks::domain::credentials::access_token::{Jwk, NewKeyPair};

use crate::support::{App, As, Test, create_app, new_app};

/// The issuer: its answer, and the number of requests that it received.
#[derive(Clone, Default)]
struct Issuer(Arc<Mutex<(u16, String, usize)>>);

impl Issuer {
    fn says(&self, status: u16, body: &str) {
        let mut state = self.0.lock().unwrap();
        (state.0, state.1) = (status, body.to_owned());
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().2
    }

    async fn serve(&self) -> String {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", socket.local_addr().unwrap());
        let issuer = self.clone();
        let router = axum::Router::new().fallback(async move || {
            let mut state = issuer.0.lock().unwrap();
            state.2 += 1;
            let location = [("location", "/elsewhere")];
            (StatusCode::from_u16(state.0).unwrap(), location, state.1.clone()).into_response()
        });
        tokio::spawn(async move { axum::serve(socket, router).await });
        url
    }
}

struct Key {
    algorithm: Algorithm,
    id: &'static str,
    secret: EncodingKey,
    jwk: Value,
}

fn rsa(id: &'static str) -> Key {
    let pair = NewKeyPair::generate();
    let text = pem::encode(&pem::Pem::new("PRIVATE KEY", pair.private));
    let mut jwk = serde_json::to_value(Jwk::new(pair.id, &pair.public).unwrap()).unwrap();
    jwk["kid"] = json!(id);
    let secret = EncodingKey::from_rsa_pem(text.as_bytes()).unwrap();
    Key { algorithm: Algorithm::RS256, id, secret, jwk }
}

fn p256(id: &'static str) -> Key {
    let rng = aws_lc_rs::rand::SystemRandom::new();
    let kind = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = aws_lc_rs::signature::EcdsaKeyPair::generate_pkcs8(kind, &rng).unwrap();
    let pair = aws_lc_rs::signature::EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref()).unwrap();
    let point: aws_lc_rs::encoding::EcPublicKeyUncompressedBin<'_> = pair.public_key().as_be_bytes().unwrap();
    let (x, y) = (&point.as_ref()[1..33], &point.as_ref()[33..]);
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": id, "use": "sig" });
    Key { algorithm: Algorithm::ES256, id, secret: EncodingKey::from_ec_der(pkcs8.as_ref()), jwk }
}

fn ed25519(id: &'static str) -> Key {
    let rng = aws_lc_rs::rand::SystemRandom::new();
    let pkcs8 = aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8(&rng).unwrap();
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": id });
    Key { algorithm: Algorithm::EdDSA, id, secret: EncodingKey::from_ed_der(pkcs8.as_ref()), jwk }
}

fn token(key: &Key, app: &App, subject: &str) -> String {
    let mut header = Header::new(key.algorithm);
    header.kid = Some(key.id.to_owned());
    let exp = userdocks::clock::now().as_second() + 60;
    let audience = json!(["account", app.id]);
    let claims = json!({ "iss": "https://issuer.example", "sub": subject, "aud": audience, "exp": exp });
    jsonwebtoken::encode(&header, &claims, &key.secret).unwrap()
}

#[tokio::test]
async fn external_issuer_tokens_verify_against_its_jwk_set() {
    let test = Test::start().await;
    let issuer = Issuer::default();
    let keys = [rsa("r"), p256("e"), ed25519("d")];
    let set = json!({ "keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>() });
    let app = apps::App {
        issuer: Some("https://issuer.example".to_owned()),
        jwks_url: Some(issuer.serve().await),
        ..new_app("Outside")
    };
    let app = create_app(&test.db, &test.seal, &app).await;
    let user = test.member(&app, "ada@example.com", None).await;
    let me = async |token: String| test.call("GET", "/v1/users/me", As::Token(token), None).await;

    // If the issuer is unavailable or redirects from the start, there are no keys, so tokens cannot be checked.
    issuer.says(302, "");
    assert_eq!(me(token(&keys[0], &app, &user.to_string())).await.code(), (503, "unavailable"));
    assert_eq!(issuer.asked(), 1, "a redirect is not followed");
    issuer.says(200, &set.to_string());
    assert_eq!(me(token(&keys[0], &app, &user.to_string())).await.code(), (503, "unavailable"));
    assert_eq!(issuer.asked(), 1, "it was asked a moment ago");

    let other = apps::App {
        issuer: Some("https://issuer.example".to_owned()),
        jwks_url: Some(issuer.serve().await),
        ..new_app("Outside too")
    };
    let other = create_app(&test.db, &test.seal, &other).await;
    let ben = test.member(&other, "ben@example.com", None).await;
    for key in &keys {
        assert_eq!(me(token(key, &other, &ben.to_string())).await.status, 200, "{:?}", key.algorithm);
        for nobody in ["auth0|1", "auth0|\0"] {
            assert_eq!(me(token(key, &other, nobody)).await.code(), (403, "user_out_of_reach"), "{nobody:?}");
        }
    }
    let path = format!("/v1/users/{ben}/external-subject");
    let body = json!({ "externalSubject": "auth0|1" });
    let recorded = test.call("PUT", &path, As::Write(&other), Some(body)).await;
    assert_eq!(recorded.success(), (200, "the subject was recorded", &Value::Null));
    assert_eq!(me(token(&keys[0], &other, "auth0|1")).await.success().2["id"], json!(ben));
    // A user's id cannot be recorded as the subject of another user.
    let cleo = test.member(&other, "cleo@example.com", None).await;
    for (subject, code) in [(cleo, (400, "external_subject_taken")), (ben, (200, ""))] {
        let body = json!({ "externalSubject": subject });
        let recorded = test.call("PUT", &path, As::Write(&other), Some(body)).await;
        assert_eq!((recorded.status, recorded.header("x-error-code").unwrap_or_default()), code);
    }
    assert_eq!(issuer.asked(), 2);

    // If the issuer sends an oversized answer, the last good keys stay in use.
    let asked = issuer.asked();
    issuer.says(200, &"x".repeat(1024 * 1024));
    assert_eq!(me(token(&keys[1], &other, &ben.to_string())).await.status, 200);
    assert_eq!(me(token(&rsa("new"), &other, &ben.to_string())).await.code(), (401, "invalid_token"));
    assert_eq!(issuer.asked(), asked, "an unknown kid does not ask more often than once in a while");
    // A signature by another key under a known kid, and a token with an outside key for an app of this
    // server's own issuer.
    assert_eq!(me(token(&rsa("r"), &other, &ben.to_string())).await.code(), (401, "invalid_token"));
    assert_eq!(me(token(&keys[0], &test.app, &ben.to_string())).await.code(), (401, "invalid_token"));
    test.finish().await;
}

#[tokio::test]
async fn jwk_with_leading_zero_bytes_verifies() {
    let test = Test::start().await;
    let issuer = Issuer::default();
    let mut keys = [rsa("r"), p256("e")];
    for key in &mut keys {
        for name in ["n", "e", "x", "y"] {
            if let Some(number) = key.jwk[name].as_str() {
                let bytes = [vec![0], URL_SAFE_NO_PAD.decode(number).unwrap()].concat();
                key.jwk[name] = json!(URL_SAFE_NO_PAD.encode(bytes));
            }
        }
    }
    issuer.says(200, &json!({ "keys": keys.iter().map(|key| &key.jwk).collect::<Vec<_>>() }).to_string());
    let (app, user) = app_of(&test, &issuer).await;
    for key in &keys {
        let answer = test.call("GET", "/v1/users/me", As::Token(token(key, &app, &user)), None).await;
        assert_eq!(answer.status, 200, "{:?}", key.algorithm);
    }
    test.finish().await;
}

/// RFC 9864 names the algorithm by its curve.
#[tokio::test]
async fn ed25519_alg_is_accepted_in_jwk_and_token_header() {
    let test = Test::start().await;
    let issuer = Issuer::default();
    let keys = [Some("Ed25519"), Some("EdDSA"), None].map(|algorithm| {
        let mut key = ed25519(algorithm.unwrap_or("none"));
        if let Some(algorithm) = algorithm {
            key.jwk["alg"] = json!(algorithm);
        }
        key
    });
    let mut other = ed25519("other");
    other.jwk["alg"] = json!("RS256");
    let set: Vec<&Value> = keys.iter().chain([&other]).map(|key| &key.jwk).collect();
    issuer.says(200, &json!({ "keys": set }).to_string());
    let (app, user) = app_of(&test, &issuer).await;
    let me = async |token: String| test.call("GET", "/v1/users/me", As::Token(token), None).await;
    for key in &keys {
        assert_eq!(me(token(key, &app, &user)).await.status, 200, "{}", key.id);
        assert_eq!(me(renamed(key, &app, &user, "Ed25519")).await.status, 200, "{}", key.id);
        for algorithm in ["Ed448", "RS256", "none", "ed25519"] {
            let answer = me(renamed(key, &app, &user, algorithm)).await;
            assert_eq!(answer.code(), (401, "invalid_token"), "{algorithm}");
        }
    }
    assert_eq!(me(renamed(&other, &app, &user, "Ed25519")).await.code(), (401, "invalid_token"));
    test.finish().await;
}

/// An app with this issuer, and the id of one of its users.
async fn app_of(test: &Test, issuer: &Issuer) -> (App, String) {
    let app = apps::App {
        issuer: Some("https://issuer.example".to_owned()),
        jwks_url: Some(issuer.serve().await),
        ..new_app("Outside")
    };
    let app = create_app(&test.db, &test.seal, &app).await;
    let user = test.member(&app, "ada@example.com", None).await;
    (app, user.to_string())
}

/// A token signed by the key with another algorithm name in its header.
fn renamed(key: &Key, app: &App, subject: &str, algorithm: &str) -> String {
    let token = token(key, app, subject);
    let claims = token.split('.').nth(1).unwrap();
    let header = json!({ "typ": "JWT", "alg": algorithm, "kid": key.id }).to_string();
    let message = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.secret, key.algorithm).unwrap();
    format!("{message}.{signature}")
}
