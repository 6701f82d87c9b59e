//! ID tokens of an `OpenID` provider (OpenID Connect Core 1.0, sections 2 and 3.1.3.7): who has signed in there.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use super::access_token::{PublicKey, algorithm};

/// Allowed clock skew, in seconds.
const LEEWAY: f64 = 60.0;
/// Oldest `iat`, in seconds. The token is made while the browser comes back.
const MAX_AGE: f64 = 600.0;
/// Bytes. A longer token is refused without being parsed.
const MAX_LENGTH: usize = 32 * 1024;

/// Why a token is refused; for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("the ID token is not a JWT with the claims that it must have")]
    Format,
    #[error("the ID token is signed with an algorithm other than RS256, ES256 and EdDSA")]
    Algorithm,
    #[error("the ID token is not signed by a key of the provider")]
    Signature,
    #[error("the ID token is of another issuer")]
    Issuer,
    #[error("the ID token is for another client")]
    Audience,
    #[error("the ID token has expired")]
    Expired,
    #[error("the ID token was issued too long ago, or in the future")]
    IssuedAt,
    #[error("the ID token is of another sign-in (nonce)")]
    Nonce,
}

/// What the token must say.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
}

/// The claims about the person, in an ID token or from the `UserInfo` endpoint.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Person {
    pub sub: String,
    pub email: Option<String>,
    email_verified: Option<Value>,
}

impl Person {
    /// The address, if the provider has verified it: `email_verified` is `true`, not a text.
    #[must_use]
    pub fn verified_email(&self) -> Option<&str> {
        self.email.as_deref().filter(|_| self.email_verified == Some(Value::Bool(true)))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nonce: Option<String>,
    #[serde(flatten)]
    person: Person,
}

/// A parsed token whose signature is not verified yet.
pub struct Unverified<'a> {
    message: &'a str,
    signature: &'a str,
    algorithm: Algorithm,
    /// `kid`, which selects a key of the provider.
    pub kid: Option<String>,
    claims: Claims,
}

impl<'a> Unverified<'a> {
    pub fn parse(token: &'a str) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        struct Head {
            alg: String,
            kid: Option<String>,
            crit: Option<IgnoredAny>,
        }
        fn part<T: DeserializeOwned>(encoded: &str) -> Result<T, Invalid> {
            let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Invalid::Format)?;
            serde_json::from_slice(&json).map_err(|_| Invalid::Format)
        }
        if token.len() > MAX_LENGTH {
            return Err(Invalid::Format);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Invalid::Format)?;
        let (head, claims) = message.split_once('.').ok_or(Invalid::Format)?;
        let head: Head = part(head)?;
        if head.crit.is_some() {
            return Err(Invalid::Format); // RFC 7515, 4.1.11: an extension that is not understood
        }
        let algorithm = algorithm(&head.alg).ok_or(Invalid::Algorithm)?;
        Ok(Self { message, signature, algorithm, kid: head.kid, claims: part(claims)? })
    }

    /// Verifies the signature against the provider's `keys`, and the claims.
    pub fn verify(self, keys: &[PublicKey], expected: &Expected) -> Result<Person, Invalid> {
        let mut keys = keys.iter().filter(|key| key.is(self.kid.as_deref()));
        if !keys.any(|key| key.verifies(self.algorithm, self.message, self.signature)) {
            return Err(Invalid::Signature);
        }
        let claims = self.claims;
        if claims.iss != expected.issuer {
            return Err(Invalid::Issuer);
        }
        let is_us = |client: &String| client == expected.client_id;
        // With several audiences, `azp` must name the client that the token was issued to.
        let authorized = claims.azp.as_ref().map(is_us);
        let for_us = match &claims.aud {
            Audience::One(client) => is_us(client) && authorized != Some(false),
            Audience::Many(clients) if clients.len() == 1 => is_us(&clients[0]) && authorized != Some(false),
            Audience::Many(clients) => clients.iter().any(is_us) && authorized == Some(true),
        };
        if !for_us {
            return Err(Invalid::Audience);
        }
        let now = crate::clock::now().as_duration().as_secs_f64();
        if claims.exp + LEEWAY <= now {
            return Err(Invalid::Expired);
        }
        if !(now - MAX_AGE..=now + LEEWAY).contains(&claims.iat) {
            return Err(Invalid::IssuedAt);
        }
        if claims.nonce.as_deref() != Some(expected.nonce) {
            return Err(Invalid::Nonce);
        }
        Ok(claims.person)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::json;

    use super::*;
    use crate::domain::credentials::access_token::{Jwk, NewKeyPair};

    const EXPECTED: Expected =
        Expected { issuer: "https://id.example", client_id: "console", nonce: "the nonce" };

    struct Issuer {
        pair: NewKeyPair,
        keys: Vec<PublicKey>,
    }

    impl Issuer {
        fn new() -> Self {
            let pair = NewKeyPair::generate();
            let jwk = serde_json::to_value(Jwk::new(pair.id, &pair.public).unwrap()).unwrap();
            let keys = vec![PublicKey::from_jwk(&jwk).unwrap()];
            Self { pair, keys }
        }

        fn sign(&self, claims: &Value) -> String {
            let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", self.pair.private.as_slice()));
            let mut header = Header::new(Algorithm::RS256);
            header.kid = Some(self.pair.id.to_string());
            jsonwebtoken::encode(&header, claims, &EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap())
                .unwrap()
        }

        fn verify(&self, token: &str) -> Result<Person, Invalid> {
            Unverified::parse(token)?.verify(&self.keys, &EXPECTED)
        }
    }

    fn claims() -> Value {
        let now = crate::clock::now().as_second();
        json!({
            "iss": "https://id.example", "sub": "7", "aud": "console", "exp": now + 60, "iat": now,
            "nonce": "the nonce", "email": "ada@example.com", "email_verified": true,
        })
    }

    #[test]
    fn token_with_all_claims_gives_the_verified_address() {
        let issuer = Issuer::new();
        let person = issuer.verify(&issuer.sign(&claims())).unwrap();
        assert_eq!((person.sub.as_str(), person.verified_email()), ("7", Some("ada@example.com")));
    }

    #[test]
    fn address_that_is_not_verified_is_not_given() {
        let issuer = Issuer::new();
        for (email, verified) in [
            (json!("ada@example.com"), json!(false)),
            (json!("ada@example.com"), json!(null)),
            (json!("ada@example.com"), json!("true")),
            (json!("ada@example.com"), json!(1)),
            (json!(null), json!(true)),
        ] {
            let mut claims = claims();
            (claims["email"], claims["email_verified"]) = (email, verified);
            assert_eq!(issuer.verify(&issuer.sign(&claims)).unwrap().verified_email(), None, "{claims}");
        }
    }

    #[test]
    fn audiences_must_be_this_client() {
        let issuer = Issuer::new();
        for (aud, azp, accepted) in [
            (json!("console"), json!(null), true),
            (json!("console"), json!("console"), true),
            (json!(["console"]), json!(null), true),
            (json!(["console", "api"]), json!("console"), true),
            (json!(["console", "api"]), json!(null), false),
            (json!(["api", "other"]), json!("console"), false),
            (json!("other"), json!("console"), false),
            (json!("console"), json!("other"), false),
            (json!([]), json!("console"), false),
        ] {
            let mut claims = claims();
            (claims["aud"], claims["azp"]) = (aud, azp);
            let result = issuer.verify(&issuer.sign(&claims)).map(drop);
            assert_eq!(result, if accepted { Ok(()) } else { Err(Invalid::Audience) }, "{claims}");
        }
    }

    #[test]
    fn wrong_or_missing_claim_is_refused() {
        let (issuer, now) = (Issuer::new(), crate::clock::now().as_second());
        for (name, value, refused) in [
            ("iss", json!("https://id.example/"), Invalid::Issuer),
            ("iss", json!(null), Invalid::Format),
            ("sub", json!(null), Invalid::Format),
            ("aud", json!(null), Invalid::Format),
            ("exp", json!(now - 61), Invalid::Expired),
            ("exp", json!("soon"), Invalid::Format),
            ("iat", json!(now - 700), Invalid::IssuedAt),
            ("iat", json!(now + 120), Invalid::IssuedAt),
            ("iat", json!(null), Invalid::Format),
            ("nonce", json!("another"), Invalid::Nonce),
            ("nonce", json!(null), Invalid::Nonce),
        ] {
            let mut claims = claims();
            claims[name] = value;
            assert_eq!(issuer.verify(&issuer.sign(&claims)), Err(refused), "{claims}");
        }
    }

    #[test]
    fn token_of_another_key_or_algorithm_or_changed_is_refused() {
        let (issuer, other) = (Issuer::new(), Issuer::new());
        let token = issuer.sign(&claims());
        assert_eq!(other.verify(&token), Err(Invalid::Signature));
        let (message, signature) = token.rsplit_once('.').unwrap();
        let claims_part = message.split_once('.').unwrap().1;
        for alg in ["none", "HS256", "RS512", "PS256", "rs256", ""] {
            let head = URL_SAFE_NO_PAD.encode(json!({ "alg": alg }).to_string());
            for signature in ["", signature] {
                let forged = format!("{head}.{claims_part}.{signature}");
                assert_eq!(issuer.verify(&forged), Err(Invalid::Algorithm), "{alg}");
            }
        }
        // HMAC with the public key as the secret.
        let head = Header { kid: None, ..Header::new(Algorithm::HS256) };
        let forged = jsonwebtoken::encode(&head, &claims(), &EncodingKey::from_secret(&issuer.pair.public));
        assert_eq!(issuer.verify(&forged.unwrap()), Err(Invalid::Algorithm));
        let head = URL_SAFE_NO_PAD.encode(json!({ "alg": "ES256" }).to_string());
        assert_eq!(issuer.verify(&format!("{head}.{claims_part}.{signature}")), Err(Invalid::Signature));
        let head = URL_SAFE_NO_PAD.encode(json!({ "alg": "RS256", "crit": ["x"] }).to_string());
        assert_eq!(issuer.verify(&format!("{head}.{claims_part}.{signature}")), Err(Invalid::Format));
        for at in (0..token.len() - 1).step_by(7) {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(issuer.verify(std::str::from_utf8(&changed).unwrap()).is_err(), "{at}");
        }
        for text in ["", ".", "..", "a.b.c", &"x".repeat(MAX_LENGTH + 1)] {
            assert_eq!(issuer.verify(text), Err(Invalid::Format));
        }
    }
}
