//! Access tokens: which are valid, and which users they give access to.
#![allow(clippy::needless_pass_by_value, reason = "a header may be JSON or any text")]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::{Answer, App, As, DEADLINE, Test, new_id};
use userdocks::db::apps;
use userdocks::domain::credentials::access_token::NewKeyPair;
use userdocks::domain::id::UserId;

const INVALID: (u16, &str, &str) =
    (401, "invalid_token", "the access token is not valid for an app of this server");
const OUT_OF_REACH: (u16, &str, &str) = (
    403,
    "user_out_of_reach",
    "the user in the path does not exist, is frozen or deleted, or is not for this caller to act on",
);

/// A signing key that the test knows.
struct Signer {
    key: EncodingKey,
    kid: String,
}

impl Signer {
    fn of(kid: impl ToString, pkcs8: &[u8]) -> Self {
        let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", pkcs8));
        Self { key: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(), kid: kid.to_string() }
    }

    /// The app's own key.
    async fn of_app(test: &Test, app: &App) -> Self {
        let (id, sealed) = apps::private_key(&test.db, app.id).await.unwrap().unwrap();
        Self::of(
            id,
            &test
                .seal
                .open(userdocks::domain::credentials::secret_key::Purpose::SigningKey, id, &sealed)
                .unwrap(),
        )
    }

    fn header(&self) -> Value {
        json!({ "typ": "JWT", "alg": "RS256", "kid": self.kid })
    }

    /// A token of these texts, valid or not.
    fn sign(&self, header: impl ToString, claims: impl ToString) -> String {
        signed(&self.key, Algorithm::RS256, header, claims)
    }
}

fn signed(key: &EncodingKey, algorithm: Algorithm, header: impl ToString, claims: impl ToString) -> String {
    let message = unsigned(header, claims);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn unsigned(header: impl ToString, claims: impl ToString) -> String {
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}", encode(header.to_string()), encode(claims.to_string()))
}

fn now() -> i64 {
    userdocks::clock::now().as_second()
}

/// The claims of a token of this API, with these changes. A `null` removes a claim.
fn claims(test: &Test, app: &App, user: UserId, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": test.config.issuer(), "sub": user, "aud": app.id, "lng": "en", "jti": new_id(), "nonce": "n",
        "auth_time": now(), "exp": now() + 600, "scope": "openid profile email", "psc": "",
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

/// An update of `me` that changes nothing.
async fn touch(test: &Test, headers: Vec<(&str, String)>) -> Answer {
    test.call("PUT", "/v1/users/me", As::Headers(headers), Some(json!({ "user": {} }))).await
}

async fn bearer(test: &Test, token: &str) -> Answer {
    touch(test, vec![("Authorization", format!("Bearer {token}"))]).await
}

fn assert_refused(answer: &Answer, expected: (u16, &str, &str), what: &str) {
    assert_eq!(answer.refusal(), expected, "{what}");
    let challenge = Some(r#"Bearer realm="userdocks", error="invalid_token""#);
    assert_eq!(answer.header("www-authenticate"), challenge, "{what}");
}

#[tokio::test]
async fn malformed_bearer_header_is_401() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let token = test.token(user).await;
    for name in ["Authorization", "Authentication", "authorization", "AUTHENTICATION"] {
        for scheme in ["Bearer ", "bearer ", "BEARER ", "bEaReR ", "Bearer   "] {
            let answer = touch(&test, vec![(name, format!("{scheme}{token}"))]).await;
            assert_eq!(answer.success().0, 200, "{name}: {scheme}");
        }
        let canonical =
            if name.eq_ignore_ascii_case("Authorization") { "Authorization" } else { "Authentication" };
        let sentence = format!("the header `{canonical}` must be `Bearer`, a space and an access token");
        for value in [
            token.clone(),
            String::new(),
            "Bearer".to_owned(),
            format!("Bearer{token}"),
            format!("Bearer\t{token}"),
            format!("Bearer:{token}"),
            format!("Bearer={token}"),
            format!("Bearers {token}"),
            format!("Basic {token}"),
            format!("Token {token}"),
            format!("Bêarer {token}"),
        ] {
            let answer = touch(&test, vec![(name, value.clone())]).await;
            assert_refused(&answer, (401, "invalid_token", &sentence), &value);
        }
        for value in [
            "Bearer x".to_owned(),
            "Bearer .".to_owned(),
            "Bearer ..".to_owned(),
            format!("Bearer {token} {token}"),
            format!("Bearer {token},"),
            format!("Bearer \"{token}\""),
            format!("Bearer token={token}"),
            format!("Bearer Bearer {token}"),
        ] {
            assert_refused(&touch(&test, vec![(name, value.clone())]).await, INVALID, &value);
        }
    }
    test.finish().await;
}

#[tokio::test]
async fn token_not_signed_with_rs256_by_an_app_key_is_401() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let other = test.another_app().await;
    let (own, others) = (Signer::of_app(&test, &test.app).await, Signer::of_app(&test, &other).await);
    let pair = NewKeyPair::generate();
    let stranger = Signer::of(&own.kid, &pair.private);
    let good = claims(&test, &test.app, user, &json!({}));

    for header in [
        own.header(),
        json!({ "alg": "RS256", "kid": own.kid }),
        json!({ "alg": "RS256", "kid": own.kid, "typ": "at+jwt" }),
        json!({ "alg": "RS256", "typ": "JWT" }),
        json!({ "alg": "RS256", "kid": null, "x": 1 }),
        // A key URL in the token's header is ignored.
        json!({ "alg": "RS256", "kid": own.kid, "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/" }),
    ] {
        let answer = bearer(&test, &own.sign(&header, &good)).await;
        assert_eq!(answer.success().0, 200, "{header}");
    }

    for header in [
        json!({ "alg": "RS256", "kid": new_id() }),
        json!({ "alg": "RS256", "kid": others.kid }),
        json!({ "alg": "RS256", "kid": own.kid.to_uppercase() }),
        json!({ "alg": "RS256", "kid": "" }),
        json!({ "alg": "RS256", "kid": "../../dev/null" }),
        json!({ "alg": "RS256", "kid": own.kid.replace('-', "") }),
        json!({ "alg": "RS256", "kid": 7 }),
        json!({ "alg": "RS256", "kid": own.kid, "crit": ["exp"] }),
        json!({ "alg": "RS256", "kid": own.kid, "crit": [] }),
        json!({ "alg": "RS512", "kid": own.kid }),
        json!({ "alg": "HS256", "kid": own.kid }),
        json!({ "alg": "none", "kid": own.kid }),
        json!({ "alg": "rs256", "kid": own.kid }),
        json!({ "alg": 256, "kid": own.kid }),
        json!({ "kid": own.kid }),
        json!(["RS256"]),
        json!("RS256"),
        json!({}),
    ] {
        assert_refused(&bearer(&test, &own.sign(&header, &good)).await, INVALID, &header.to_string());
    }
    let twice = format!(r#"{{"alg":"HS256","alg":"RS256","kid":"{}"}}"#, own.kid);
    assert_refused(&bearer(&test, &own.sign(twice, &good)).await, INVALID, "alg twice");

    for algorithm in
        [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512]
    {
        for alg in [algorithm, Algorithm::RS256] {
            let header = json!({ "alg": alg, "kid": own.kid });
            let token = signed(&own.key, algorithm, &header, &good);
            assert_refused(&bearer(&test, &token).await, INVALID, &format!("{algorithm:?} {header}"));
        }
    }

    // The public key must not work as an HMAC secret.
    let (_, public) = apps::public_keys(&test.db, test.app.id).await.unwrap().remove(0);
    let pem = pem::encode(&pem::Pem::new("PUBLIC KEY", public.clone()));
    let secrets =
        [&public[..], pem.as_bytes(), pem.trim_end().as_bytes(), pem.replace('\r', "").as_bytes(), b""]
            .map(EncodingKey::from_secret);
    for secret in &secrets {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            for header in [json!({ "alg": algorithm, "kid": own.kid }), json!({ "alg": algorithm })] {
                let token = signed(secret, algorithm, &header, &good);
                assert_refused(&bearer(&test, &token).await, INVALID, &header.to_string());
            }
        }
    }

    for (signer, kid) in [
        (&others, Some(&own.kid)),
        (&others, Some(&others.kid)),
        (&others, None),
        (&stranger, Some(&own.kid)),
        (&stranger, None),
    ] {
        let header = json!({ "alg": "RS256", "kid": kid });
        assert_refused(&bearer(&test, &signer.sign(&header, &good)).await, INVALID, &header.to_string());
    }
    let modulus = URL_SAFE_NO_PAD.encode(&pair.public[33..289]);
    let jwk = json!({ "kty": "RSA", "e": "AQAB", "n": modulus, "alg": "RS256" });
    for header in
        [json!({ "alg": "RS256", "jwk": jwk }), json!({ "alg": "RS256", "kid": own.kid, "jwk": jwk })]
    {
        assert_refused(&bearer(&test, &stranger.sign(&header, &good)).await, INVALID, &header.to_string());
    }

    let token = own.sign(own.header(), &good);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let elsewhere = unsigned(own.header(), claims(&test, &test.app, UserId(new_id()), &json!({})));
    let none = unsigned(json!({ "alg": "none" }), &good);
    for token in [
        message.to_owned(),
        format!("{message}."),
        format!("{none}."),
        none.clone(),
        format!("{none}.{signature}"),
        format!("{}.", unsigned(json!({ "alg": "NONE", "kid": own.kid }), &good)),
        format!("{elsewhere}.{signature}"),
        format!("{message}.{}", &signature[..signature.len() - 2]),
        format!("{message}.{signature}AA"),
        format!("{message}.{signature}=="),
        format!("{message}.{}", signature.chars().rev().collect::<String>()),
        format!("{message}.{signature}.{signature}"),
        format!("{header}.{message}.{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("é.{payload}.{signature}"),
        format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(b"\xff")),
        own.sign(own.header(), "\u{feff}{}"),
        own.sign(own.header(), "[]"),
        own.sign(own.header(), "null"),
        own.sign(own.header(), ""),
        own.sign(own.header(), format!("{good}x")),
        own.sign(own.header(), "[".repeat(5000)),
        own.sign(own.header(), claims(&test, &test.app, user, &json!({ "x": "x".repeat(8000) }))),
    ] {
        assert_refused(&bearer(&test, &token).await, INVALID, &token);
    }
    test.finish().await;
}

#[tokio::test]
async fn token_signed_with_any_current_app_key_is_accepted() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let old = Signer::of_app(&test, &test.app).await;
    let pair = NewKeyPair::generate();
    sqlx::query("INSERT INTO signing_keys (app_id, key_id, public_key, private_key) VALUES ($1, $2, $3, $4)")
        .bind(test.app.id.0)
        .bind(pair.id)
        .bind(&pair.public)
        .bind(test.seal.seal(
            userdocks::domain::credentials::secret_key::Purpose::SigningKey,
            pair.id,
            &pair.private,
        ))
        .execute(&test.db)
        .await
        .unwrap();
    let new = Signer::of_app(&test, &test.app).await;
    assert_eq!(new.kid, pair.id.to_string());
    let good = claims(&test, &test.app, user, &json!({}));
    let expired = claims(&test, &test.app, user, &json!({ "exp": 1 }));
    let without_kid = json!({ "alg": "RS256" });
    for (signer, another) in [(&old, &new), (&new, &old)] {
        for header in [&signer.header(), &without_kid] {
            assert_eq!(bearer(&test, &signer.sign(header, &good)).await.success().0, 200);
            let answer = bearer(&test, &signer.sign(header, &expired)).await;
            assert_refused(
                &answer,
                (401, "token_expired", "the access token has expired"),
                &header.to_string(),
            );
        }
        assert_refused(&bearer(&test, &signer.sign(another.header(), &good)).await, INVALID, "another's kid");
    }
    test.finish().await;
}

#[tokio::test]
async fn token_with_wrong_iss_aud_sub_exp_or_nbf_is_401() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let other = test.another_app().await;
    let own = Signer::of_app(&test, &test.app).await;
    let issuer = test.config.issuer();
    assert_eq!(issuer, "https://id.example");
    let call = async |changes: &Value| {
        bearer(&test, &own.sign(own.header(), claims(&test, &test.app, user, changes))).await
    };

    for changes in [
        json!({ "exp": now() - 2 }),
        json!({}),
        json!({ "lng": null, "jti": null, "nonce": null, "auth_time": null, "scope": null, "psc": null }),
        json!({ "scope": 7, "jti": [], "azp": "x", "admin": true }),
        json!({ "sub": user.0.to_string().to_uppercase() }),
        json!({ "exp": i64::MAX }),
        json!({ "exp": 1.0e15 }),
        json!({ "nbf": now() }),
        json!({ "nbf": now() + 10 }),
        json!({ "nbf": 0 }),
        json!({ "iat": now() + 600 }),
        // RFC 7519, section 4.1.3: one of several audiences.
        json!({ "aud": [test.app.id] }),
        json!({ "aud": ["account", other.id, test.app.id] }),
    ] {
        assert_eq!(call(&changes).await.success().0, 200, "{changes}");
    }

    for changes in [
        json!({ "exp": null }),
        json!({ "iss": null }),
        json!({ "aud": null }),
        json!({ "sub": null }),
        json!({ "exp": (now() + 600).to_string() }),
        json!({ "exp": -1 }),
        json!({ "exp": true }),
        json!({ "exp": [now() + 600] }),
        json!({ "exp": 1.0e300 }),
        json!({ "nbf": "0" }),
        json!({ "nbf": -1 }),
        json!({ "nbf": [0] }),
        json!({ "iss": "https://evil.example" }),
        json!({ "iss": "https://id.example/" }),
        json!({ "iss": "https://ID.example" }),
        json!({ "iss": "" }),
        json!({ "iss": 7 }),
        json!({ "aud": other.id }),
        json!({ "aud": new_id() }),
        json!({ "aud": "" }),
        json!({ "aud": "userdocks" }),
        json!({ "aud": test.app.id.0.simple().to_string() }),
        json!({ "aud": test.app.id.0.urn().to_string() }),
        json!({ "aud": [] }),
        json!({ "aud": [other.id] }),
        json!({ "aud": [other.id, new_id(), new_id(), new_id(), test.app.id] }),
        json!({ "aud": { "app": test.app.id } }),
        json!({ "aud": 7 }),
        json!({ "sub": "me" }),
        json!({ "sub": "" }),
        json!({ "sub": "ada@example.com" }),
        json!({ "sub": user.0.simple().to_string() }),
        json!({ "sub": format!("{user} ") }),
        json!({ "sub": [user] }),
        json!({ "sub": 7 }),
    ] {
        assert_refused(&call(&changes).await, INVALID, &changes.to_string());
    }
    let just_over = userdocks::clock::now().as_duration().as_secs_f64() - 10.01;
    for exp in [json!(now() - 11), json!(just_over), json!(0), json!(1.5)] {
        let changes = json!({ "exp": exp });
        let expected = (401, "token_expired", "the access token has expired");
        assert_refused(&call(&changes).await, expected, &changes.to_string());
    }
    for changes in [json!({ "nbf": now() + 20 }), json!({ "nbf": i64::MAX }), json!({ "nbf": 1.0e15 })] {
        let expected = (401, "invalid_token", "the access token is not valid yet");
        assert_refused(&call(&changes).await, expected, &changes.to_string());
    }
    let once = claims(&test, &test.app, user, &json!({})).to_string();
    for (name, value) in
        [("sub", json!(new_id())), ("aud", json!(other.id)), ("exp", json!(1)), ("iss", json!("x"))]
    {
        let twice = once.replacen('{', &format!(r#"{{"{name}":{value},"#), 1);
        assert_refused(&bearer(&test, &own.sign(own.header(), &twice)).await, INVALID, &twice);
    }
    // Expiry is only reported for a token with a valid signature.
    let forger = Signer::of(&own.kid, &NewKeyPair::generate().private);
    for changes in [json!({ "exp": 0 }), json!({ "nbf": now() + 600 })] {
        let token = forger.sign(own.header(), claims(&test, &test.app, user, &changes));
        assert_refused(&bearer(&test, &token).await, INVALID, &changes.to_string());
    }
    test.finish().await;
}

/// Verified tokens are cached; the facts that their validity depends on are checked on every request.
#[tokio::test]
async fn cached_token_is_rechecked_on_every_request() {
    let test = Test::start().await;
    let (other, apps) = (test.another_app().await, ["https://app.example.com".to_owned()]);
    let user = test.member(&test.app, "ada@example.com", None).await;
    let signer = Signer::of_app(&test, &test.app).await;
    let good = signer.sign(signer.header(), claims(&test, &test.app, user, &json!({})));
    let ends = signer.sign(signer.header(), claims(&test, &test.app, user, &json!({ "exp": now() - 8 })));
    for _ in 0..3 {
        assert_eq!(bearer(&test, &good).await.success().0, 200);
    }

    // The origin is checked on each call, also if the token was used without one before.
    sqlx::query("UPDATE apps SET origins = $1 WHERE app_id = $2")
        .bind(&apps[..])
        .bind(test.app.id.0)
        .execute(&test.db)
        .await
        .unwrap();
    let page = async |origin: &str| {
        let authorization = ("Authorization", format!("Bearer {good}"));
        touch(&test, vec![authorization, ("Origin", origin.to_owned())]).await
    };
    within_a_second(async || page(&apps[0]).await.status == 200).await;
    assert_eq!(page("https://evil.example").await.code(), (403, "origin_not_allowed"));
    assert_eq!(page(&apps[0]).await.status, 200);

    // A cached token with another signature is not valid.
    let (head, signature) = good.rsplit_once('.').unwrap();
    let (_, others) = ends.rsplit_once('.').unwrap();
    assert_refused(&bearer(&test, &format!("{head}.{others}")).await, INVALID, "another's signature");
    assert_refused(&bearer(&test, &format!("{head}.{}", &signature[1..])).await, INVALID, "a part of it");
    let theirs = signer.sign(signer.header(), claims(&test, &other, user, &json!({})));
    assert_refused(&bearer(&test, &theirs).await, INVALID, "the key of another app");

    // Valid within the allowed clock skew, and expired after it.
    assert_eq!(bearer(&test, &ends).await.success().0, 200);
    let deadline = tokio::time::Instant::now() + DEADLINE;
    loop {
        let answer = bearer(&test, &ends).await;
        if answer.status == 401 {
            break assert_refused(&answer, (401, "token_expired", "the access token has expired"), "its end");
        }
        assert!(tokio::time::Instant::now() < deadline, "it never ends");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    for (gone, back) in [
        ("UPDATE users SET freezed = true", "UPDATE users SET freezed = false"),
        ("UPDATE users SET deleted = true", "UPDATE users SET deleted = false"),
    ] {
        assert_eq!(bearer(&test, &good).await.success().0, 200);
        test.sql(gone).await;
        assert_eq!(bearer(&test, &good).await.refusal(), OUT_OF_REACH, "{gone}");
        test.sql(back).await;
    }

    // The signing key is removed and then restored.
    assert_eq!(bearer(&test, &good).await.success().0, 200);
    test.sql("CREATE TABLE withdrawn AS SELECT * FROM signing_keys").await;
    test.sql("DELETE FROM signing_keys").await;
    within_a_second(async || bearer(&test, &good).await.status == 401).await;
    assert_refused(&bearer(&test, &good).await, INVALID, "a key that was withdrawn");
    test.sql("INSERT INTO signing_keys SELECT * FROM withdrawn").await;
    within_a_second(async || bearer(&test, &good).await.status == 200).await;
    test.finish().await;
}

/// Waits for a database change to take effect: at most the second for which results are cached, and one more
/// for a slow machine.
async fn within_a_second(so: impl AsyncFn() -> bool) {
    let changed = tokio::time::Instant::now();
    loop {
        let late = changed.elapsed() >= Duration::from_secs(2);
        if so().await {
            return;
        }
        assert!(!late, "it is still as it was");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn token_of_a_frozen_or_deleted_user_is_403() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let colleague = test.member(&test.app, "ben@example.com", Some(user)).await;
    let (token, theirs) = (test.token(user).await, test.token(colleague).await);
    let unknown = test.token(UserId(new_id())).await;
    let update = async |path: &str, token: &str| {
        let body = json!({ "user": { "nickname": "x" } });
        test.call("PUT", &format!("/v1/users/{path}"), As::Token(token.to_owned()), Some(body)).await
    };
    let refer = async |path: &str, token: &str| {
        let body = json!({ "email": "new@example.com", "language": "en" });
        let path = format!("/v1/users/{path}/referral-invites");
        test.call("POST", &path, As::Token(token.to_owned()), Some(body)).await
    };
    let (id, colleagues) = (user.0.to_string(), colleague.0.to_string());
    for path in ["me", &id, &colleagues] {
        assert_eq!(update(path, &unknown).await.refusal(), OUT_OF_REACH);
        assert_eq!(refer(path, &unknown).await.refusal(), OUT_OF_REACH);
    }
    for (gone, back) in [
        (
            "UPDATE users SET freezed = true WHERE user_id = $1",
            "UPDATE users SET freezed = false WHERE user_id = $1",
        ),
        (
            "UPDATE users SET deleted = true WHERE user_id = $1",
            "UPDATE users SET deleted = false WHERE user_id = $1",
        ),
    ] {
        assert_eq!(update("me", &token).await.success().0, 200);
        assert_eq!(update(&colleagues, &token).await.success().0, 200);
        assert_eq!(update(&id, &theirs).await.success().0, 200);
        sqlx::query(gone).bind(user.0).execute(&test.db).await.unwrap();
        let stored = test.stored(user).await;
        for path in ["me", &id, &colleagues] {
            assert_eq!(update(path, &token).await.refusal(), OUT_OF_REACH, "{gone}: {path}");
            assert_eq!(refer(path, &token).await.refusal(), OUT_OF_REACH, "{gone}: {path}");
        }
        assert_eq!(update(&id, &theirs).await.refusal(), OUT_OF_REACH, "{gone}");
        assert_eq!(refer(&id, &theirs).await.refusal(), OUT_OF_REACH, "{gone}");
        for (method, path) in
            [("PUT", format!("/v1/users/{id}")), ("POST", format!("/v1/users/{id}/referral-invites"))]
        {
            let body = if method == "PUT" {
                json!({ "user": {} })
            } else {
                json!({ "email": "c@d.co", "language": "en" })
            };
            let answer = test.call(method, &path, As::Write(&test.app), Some(body)).await;
            assert_eq!(answer.refusal(), OUT_OF_REACH, "{gone}: {method}");
        }
        assert_eq!(test.stored(user).await, stored);
        sqlx::query(back).bind(user.0).execute(&test.db).await.unwrap();
    }
    assert_eq!(test.count("SELECT count(*) FROM outbox").await, 0);
    test.finish().await;
}

#[tokio::test]
async fn token_for_a_user_of_another_tenant_is_403() {
    let test = Test::start().await;
    let user = test.member(&test.app, "ada@example.com", None).await;
    let colleague = test.member(&test.app, "ben@example.com", Some(user)).await;
    let stranger = test.member(&test.app, "eve@example.com", None).await;
    let other = test.another_app().await;
    let foreigner = test.member(&other, "zoe@example.com", None).await;
    let token = test.token(user).await;
    let call = async |method: &str, path: &str, body: &Value| {
        test.call(method, &format!("/v1/users/{path}"), As::Token(token.clone()), Some(body.clone())).await
    };
    let rename = json!({ "user": { "nickname": "x" } });
    for reached in [user, colleague] {
        assert_eq!(call("PUT", &reached.0.to_string(), &rename).await.success().0, 200);
        assert_eq!(test.stored(reached).await["nickname"], json!("x"));
        let email = format!("friend-of-{reached}@example.com");
        let body = json!({ "email": email, "language": "en" });
        assert_eq!(call("POST", &format!("{reached}/referral-invites"), &body).await.success().0, 201);
        assert_eq!(test.mail().await.to, [email]);
    }
    let before = test.stored(stranger).await;
    for beyond in [stranger, foreigner, UserId(new_id())] {
        let email = json!({ "user": { "email": "eve@example.com" } });
        for body in [&rename, &email, &json!({ "user": {} })] {
            assert_eq!(call("PUT", &beyond.0.to_string(), body).await.refusal(), OUT_OF_REACH);
        }
        for email in ["eve@example.com", "zoe@example.com", "new@example.com"] {
            let body = json!({ "email": email, "language": "en" });
            let answer = call("POST", &format!("{beyond}/referral-invites"), &body).await;
            assert_eq!(answer.refusal(), OUT_OF_REACH);
        }
    }
    assert_eq!(test.stored(stranger).await, before);

    // A token can change only its own user's address. A refused call changes nothing.
    let before = test.stored(colleague).await;
    let body = json!({ "user": { "email": "ben.new@example.com", "nickname": "y" } });
    assert_eq!(call("PUT", &colleague.0.to_string(), &body).await.refusal(), OUT_OF_REACH);
    let body = json!({ "user": { "email": "eve@example.com" } });
    assert_eq!(call("PUT", &colleague.0.to_string(), &body).await.refusal(), OUT_OF_REACH);
    assert_eq!(test.stored(colleague).await, before);
    let body = json!({ "user": { "email": "ada.new@example.com" } });
    let email = test.stored(user).await["email"].clone();
    assert_eq!(call("PUT", "me", &body).await.success().0, 200);
    // The address stays the same until the new one is confirmed.
    assert_eq!(test.stored(user).await["email"], email);
    test.pass_over_mails().await;
    test.finish().await;
}
