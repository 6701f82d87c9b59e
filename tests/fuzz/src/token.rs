//! Parses and verifies an access token. Input of several lines is a header and its claims; the target signs them with
//! its own key, to reach the code after the signature check. A single line is an unsigned token.
#![no_main]

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use userdocks::domain::credentials::access_token::{PublicKey, Unverified, Verified};
use userdocks::domain::id::AppId;
use userdocks_fuzz::{has_a_key_twice, is_uuid};

/// The app that receives the token.
const APP: &str = "01a205b3-1874-7e70-b0a6-00c8bb7a1552";
const KID: &str = "k1";
/// Clock skew that the server allows, seconds.
const LEEWAY: f64 = 10.0;

static KEY: LazyLock<Ed25519KeyPair> =
    LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap_or_else(|error| panic!("{error}")));
static PUBLIC: LazyLock<[PublicKey; 1]> = LazyLock::new(|| {
    let x = URL_SAFE_NO_PAD.encode(KEY.public_key().as_ref());
    let key = PublicKey::from_jwk(&json!({ "kty": "OKP", "crv": "Ed25519", "kid": KID, "x": x }));
    [key.unwrap_or_else(|| panic!("a key"))]
});

fuzz_target!(|text: &str| {
    let Some((header, claims)) = text.split_once('\n') else {
        if let Some((token, _, _)) = read(text) {
            assert!(token.verify(&*PUBLIC, app()).is_err(), "a forged signature: {text}");
        }
        return;
    };
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = KEY.sign(signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()));
    let good = is_good(header, claims);
    let Some((unverified, header, claims)) = read(&token) else { return assert!(!good, "{text}") };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    match unverified.verify(&*PUBLIC, app()) {
        Ok(Verified { subject, .. }) => {
            assert_eq!(header["alg"], "EdDSA", "{text}");
            assert!([Value::Null, KID.into()].contains(&header["kid"]), "{text}");
            assert_eq!(claims["sub"], subject.as_str(), "{text}");
            let audiences = claims["aud"].as_array().cloned().unwrap_or_else(|| vec![claims["aud"].clone()]);
            let is_app = |audience: &Value| audience.as_str().is_some_and(|it| it.eq_ignore_ascii_case(APP));
            assert!(audiences.iter().any(is_app), "{text}");
            // The server checked it a moment before `now`, and numbers are rounded to seconds.
            assert!(claims["exp"].as_f64().is_some_and(|exp| exp >= now - LEEWAY - 2.0), "{text}");
            let nbf = &claims["nbf"];
            assert!(nbf.is_null() || nbf.as_f64().is_some_and(|nbf| nbf <= now + LEEWAY + 1.0), "{text}");
        }
        Err(error) => assert!(!good, "{error}: {text}"),
    }
});

fn app() -> AppId {
    AppId(APP.parse().unwrap_or_else(|error| panic!("{error}")))
}

/// The server's result for a token, with the header and claims decoded independently.
fn read(token: &str) -> Option<(Unverified<'_>, Value, Value)> {
    let unverified = Unverified::parse(token).ok()?;
    assert!(token.len() <= 8192);
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, _] = <[&str; 3]>::try_from(parts).unwrap_or_else(|parts| panic!("{parts:?}"));
    let (header, claims) = (decode(header)?, decode(claims)?);
    assert!(header.is_object() && header["crit"].is_null(), "{header}");
    assert_eq!(header["kid"].as_str(), unverified.kid.as_deref());
    assert_eq!(claims["iss"], unverified.issuer.as_str(), "{claims}");
    let audiences = match &claims["aud"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => {
            many.iter().map(|one| one.as_str().unwrap_or_else(|| panic!("{claims}"))).collect()
        }
        other => panic!("{other}"),
    };
    let apps = audiences.into_iter().filter(|text| is_uuid(text)).map(str::to_ascii_lowercase).take(4);
    assert!(apps.eq(unverified.apps.iter().map(ToString::to_string)), "{claims}");
    Some((unverified, header, claims))
}

/// None if a claim that the server ignores is a number too large or nested too deeply for serde_json.
fn decode(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part).unwrap_or_else(|error| panic!("{part:?}: {error}"));
    serde_json::from_slice(&bytes).ok()
}

/// Whether this is an ordinary token, which must be accepted.
fn is_good(header: &str, claims: &str) -> bool {
    let object = |text: &str, names: &[&str]| {
        let value = serde_json::from_str::<Value>(text).ok()?;
        let plain = value.as_object()?.keys().all(|key| names.contains(&key.as_str()));
        (plain && !has_a_key_twice(text, &value)).then_some(value)
    };
    let header = object(header, &["alg", "kid", "typ"]);
    let claims = object(claims, &["iss", "sub", "aud", "exp", "nbf"]);
    header.zip(claims).is_some_and(|(header, claims)| {
        header["alg"] == "EdDSA"
            && header["typ"] == "JWT"
            && header["kid"] == KID
            && claims["iss"].is_string()
            && claims["sub"].is_string()
            && (claims["aud"] == APP || claims["aud"] == json!([APP]))
            && claims["exp"].as_u64().is_some_and(|exp| (1 << 32..1 << 40).contains(&exp))
            && (claims.get("nbf").is_none() || claims["nbf"].as_u64().is_some_and(|nbf| nbf < 1 << 30))
    })
}
