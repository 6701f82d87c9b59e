//! Access tokens: JWTs (RFC 7519). Issues tokens in this API's own format, signed with RS256 by the app's key pair,
//! and verifies tokens of this server and of external issuers. Each key has one algorithm; a token that names another
//! is refused.

use schemars::JsonSchema;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, KeyPair as _, ParsedPublicKey};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto, jwk};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::secret_key::random;
use crate::domain::id::{AppId, UserId};

/// Allowed clock skew for `exp` and `nbf`, in seconds.
const LEEWAY: u32 = 10;
/// Bytes. A longer token is refused without being parsed.
const MAX_LENGTH: usize = 8192;

/// How long clients may cache the JWK set (`max-age` of `/jwks.json`). A new key signs only after this time, so that
/// every cached set contains it.
pub const JWKS_MAX_AGE: Duration = Duration::from_mins(5);

/// An app's new RSA key pair.
pub struct NewKeyPair {
    /// `kid`
    pub id: Uuid,
    /// `SubjectPublicKeyInfo`, DER.
    pub public: Vec<u8>,
    /// PKCS #8, DER.
    pub private: Vec<u8>,
}

impl NewKeyPair {
    /// Generates a key of 2048 bits, the minimum for RS256 (RFC 7518, 3.3).
    #[must_use]
    pub fn generate() -> Self {
        #[expect(clippy::expect_used, reason = "fails only without the system's randomness or memory")]
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("an RSA key pair");
        let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map(|der| der.as_ref().to_vec());
        let public =
            AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).map(|der| der.as_ref().to_vec());
        #[expect(clippy::expect_used, reason = "a generated key has an encoding")]
        let (private, public) = (private.expect("PKCS #8"), public.expect("SubjectPublicKeyInfo"));
        Self { id: crate::domain::id::new(), public, private }
    }
}

/// A verification key and the one algorithm that it is used with.
#[derive(Clone)]
pub struct PublicKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

impl PublicKey {
    /// Builds an app's key from its `kid` and its `SubjectPublicKeyInfo` (DER).
    #[must_use]
    pub fn new(id: Uuid, spki: &[u8]) -> Self {
        let key = DecodingKey::from_rsa_der(spki);
        Self { id: Some(id.to_string()), algorithm: Algorithm::RS256, key }
    }

    /// Parses a key of an external issuer: RSA of at least 2048 bits for RS256, P-256 for ES256, Ed25519 for `EdDSA`.
    /// Returns `None` for any other key, for a key that is not for signatures, and for an invalid key. Numbers may
    /// have leading zero bytes, which Java's `BigInteger` writes.
    #[must_use]
    pub fn from_jwk(jwk: &serde_json::Value) -> Option<Self> {
        let mut jwk = jwk.clone();
        // The library does not know `Ed25519`, the name of RFC 9864.
        let declared = match jwk.as_object_mut()?.remove("alg") {
            None | Some(serde_json::Value::Null) => None,
            Some(name) => Some(algorithm(name.as_str()?)?),
        };
        let jwk: jwk::Jwk = serde_json::from_value(jwk).ok()?;
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let number = |text: &str| {
            let bytes = bytes(text)?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            Some(bytes[zeros..].to_vec())
        };
        let (algorithm, key) = match &jwk.algorithm {
            jwk::AlgorithmParameters::RSA(rsa) => {
                let (n, e) = (number(&rsa.n)?, number(&rsa.e)?);
                let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
                let usable = (256..=1024).contains(&n.len()) && odd(&n) && odd(&e);
                usable.then(|| (Algorithm::RS256, DecodingKey::from_rsa_raw_components(&n, &e)))?
            }
            jwk::AlgorithmParameters::EllipticCurve(ec) if ec.curve == jwk::EllipticCurve::P256 => {
                let coordinate = |text| {
                    let number = number(text)?;
                    Some([vec![0; 32_usize.checked_sub(number.len())?], number].concat())
                };
                let (x, y) = (coordinate(&ec.x)?, coordinate(&ec.y)?);
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], &*x, &*y].concat()).ok()?;
                let [x, y] = [x, y].map(|number| URL_SAFE_NO_PAD.encode(number));
                (Algorithm::ES256, DecodingKey::from_ec_components(&x, &y).ok()?)
            }
            jwk::AlgorithmParameters::OctetKeyPair(okp) if okp.curve == jwk::EllipticCurve::Ed25519 => {
                ParsedPublicKey::new(&ED25519, bytes(&okp.x)?).ok()?;
                (Algorithm::EdDSA, DecodingKey::from_ed_components(&okp.x).ok()?)
            }
            _ => return None,
        };
        let operations = jwk.common.key_operations.as_ref();
        let for_signatures = matches!(jwk.common.public_key_use, None | Some(jwk::PublicKeyUse::Signature))
            && operations.is_none_or(|operations| operations.contains(&jwk::KeyOperations::Verify));
        let agrees = declared.is_none_or(|declared| declared == algorithm);
        (for_signatures && agrees).then_some(Self { id: jwk.common.key_id, algorithm, key })
    }

    /// Whether this key made the signature of a JWS (base64url) with this algorithm.
    #[must_use]
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &str, signature: &str) -> bool {
        let verify = || crypto::verify(signature, message.as_bytes(), &self.key, algorithm);
        self.algorithm == algorithm && verify().is_ok_and(|signed| signed)
    }

    /// Whether a token's `kid` selects this key. A token without `kid` selects every key.
    #[must_use]
    pub fn is(&self, kid: Option<&str>) -> bool {
        kid.is_none_or(|kid| self.id.as_deref() == Some(kid))
    }
}

/// The algorithm named by `alg` (RFC 7518, 3.1; RFC 8037, 3.1; RFC 9864, 2.2), if it is supported.
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "RS256" => Some(Algorithm::RS256),
        "ES256" => Some(Algorithm::ES256),
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// A public key as a JSON Web Key (RFC 7517; RFC 7518, 6.3.1).
#[derive(Serialize, JsonSchema)]
pub struct Jwk {
    #[schemars(extend("const" = "RSA"))]
    kty: &'static str,
    #[schemars(extend("const" = "sig"))]
    r#use: &'static str,
    #[schemars(extend("const" = "RS256"))]
    alg: &'static str,
    kid: Uuid,
    /// The modulus (RFC 7518, 6.3.1.1).
    #[schemars(example = &"0vx7agoebGcQSuu…")]
    n: String,
    /// The exponent (RFC 7518, 6.3.1.2).
    #[schemars(example = &"AQAB")]
    e: String,
}

impl Jwk {
    /// Builds the JWK from its `kid` and its `SubjectPublicKeyInfo` (DER). Returns `None` if the latter is damaged.
    #[must_use]
    pub fn new(id: Uuid, spki: &[u8]) -> Option<Self> {
        let key = aws_lc_rs::rsa::PublicKey::from_der(spki).ok()?;
        let n = URL_SAFE_NO_PAD.encode(key.modulus().big_endian_without_leading_zero());
        let e = URL_SAFE_NO_PAD.encode(key.exponent().big_endian_without_leading_zero());
        Some(Self { kty: "RSA", r#use: "sig", alg: "RS256", kid: id, n, e })
    }
}

/// The signing key of an app.
pub struct PrivateKey {
    id: Uuid,
    key: EncodingKey,
}

/// The stored bytes are not a valid private key.
#[derive(Debug, thiserror::Error)]
#[error("the app's private key is damaged")]
pub struct DamagedKey;

impl PrivateKey {
    /// Builds the key from its `kid` and its PKCS #8 (DER).
    pub fn new(id: Uuid, pkcs8: &[u8]) -> Result<Self, DamagedKey> {
        let text = pem::encode(&pem::Pem::new("PRIVATE KEY", pkcs8));
        Ok(Self { id, key: EncodingKey::from_rsa_pem(text.as_bytes()).map_err(|_| DamagedKey)? })
    }

    /// Issues a token for `user`, valid from now on for the duration `valid`.
    pub fn issue(
        &self,
        issuer: &str,
        app: AppId,
        user: UserId,
        language: &str,
        valid: Duration,
    ) -> Result<String, DamagedKey> {
        let now = crate::clock::now().as_second();
        let claims = Claims {
            iss: issuer.to_owned(),
            sub: user.0.to_string(),
            aud: app.0.to_string(),
            lng: language.to_owned(),
            jti: crate::domain::id::new(),
            nonce: hex::encode(random::<16>()),
            auth_time: now,
            exp: now.saturating_add(i64::try_from(valid.as_secs()).unwrap_or(i64::MAX)),
            scope: "openid profile email".to_owned(),
            psc: String::new(),
        };
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.id.to_string());
        jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_| DamagedKey)
    }
}

/// The claims of this API's own tokens.
#[derive(Serialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    lng: String,
    jti: Uuid,
    nonce: String,
    auth_time: i64,
    exp: i64,
    scope: String,
    psc: String,
}

/// Why a token is refused. The message is for a developer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The token is not a JWT, a claim is missing, the audience is not an app of this server, or the signature is
    /// wrong.
    #[error("the access token is not valid for an app of this server")]
    Token,
    /// `exp` has passed.
    #[error("the access token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("the access token is not valid yet")]
    NotYet,
}

/// Number of apps that are considered in a token with several audiences.
const MAX_AUDIENCES: usize = 4;

/// The verified claims of a token.
pub struct Verified {
    /// `sub`
    pub subject: String,
    /// `exp`, seconds since 1970.
    pub expires: f64,
    /// The `kid` of the key that signed it.
    pub key: Option<String>,
}

/// A JWT `NumericDate` (RFC 7519, 2): seconds since 1970, not negative.
#[derive(Default, Deserialize)]
#[serde(try_from = "f64")]
struct Seconds(f64);

impl TryFrom<f64> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        if (0.0..=18_446_744_073_709_551_616.0).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err("expected seconds since 1970")
        }
    }
}

/// A parsed token whose signature is not verified yet. Its claims select the keys to verify it with.
pub struct Unverified<'a> {
    /// The signed part: the encoded header and claims as sent.
    message: &'a str,
    signature: &'a str,
    algorithm: Algorithm,
    subject: String,
    expires: f64,
    not_before: f64,
    /// `kid`, which selects a key of the issuer.
    pub kid: Option<String>,
    /// `iss`
    pub issuer: String,
    /// The apps in `aud`, at least one.
    pub apps: Vec<AppId>,
}

impl<'a> Unverified<'a> {
    /// Parses the header and the claims `iss`, `aud`, `sub`, `exp` and `nbf`.
    pub fn parse(token: &'a str) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        struct Head {
            alg: String,
            kid: Option<String>,
            crit: Option<IgnoredAny>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Audience {
            One(String),
            Many(Vec<String>),
        }
        #[derive(Deserialize)]
        struct Claimed {
            iss: String,
            aud: Audience,
            sub: String,
            exp: Seconds,
            #[serde(default)]
            nbf: Seconds,
        }
        fn part<T: DeserializeOwned>(encoded: &str) -> Result<T, Invalid> {
            let json = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| Invalid::Token)?;
            serde_json::from_slice(&json).map_err(|_| Invalid::Token)
        }
        if token.len() > MAX_LENGTH {
            return Err(Invalid::Token);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Invalid::Token)?;
        let (head, claims) = message.split_once('.').ok_or(Invalid::Token)?;
        let head: Head = part(head)?;
        if head.crit.is_some() {
            return Err(Invalid::Token); // RFC 7515, 4.1.11: an extension that is not understood
        }
        let claimed: Claimed = part(claims)?;
        let audiences = match claimed.aud {
            Audience::One(audience) => vec![audience],
            Audience::Many(audiences) => audiences,
        };
        let apps: Vec<AppId> = audiences
            .iter()
            .filter_map(|text| crate::domain::id::parse(text))
            .map(AppId)
            .take(MAX_AUDIENCES)
            .collect();
        if apps.is_empty() {
            return Err(Invalid::Token);
        }
        Ok(Self {
            message,
            signature,
            algorithm: algorithm(&head.alg).ok_or(Invalid::Token)?,
            subject: claimed.sub,
            expires: claimed.exp.0,
            not_before: claimed.nbf.0,
            kid: head.kid,
            issuer: claimed.iss,
            apps,
        })
    }

    /// Verifies the token as one for `app`: the signature against the `keys` of its issuer, `aud`, `exp` and `nbf`.
    pub fn verify(&self, keys: &[PublicKey], app: AppId) -> Result<Verified, Invalid> {
        let signed = |key: &&PublicKey| key.verifies(self.algorithm, self.message, self.signature);
        let key = keys.iter().filter(|key| key.is(self.kid.as_deref())).find(signed);
        let key = key.filter(|_| self.apps.contains(&app)).ok_or(Invalid::Token)?;
        let (now, leeway) = (crate::clock::now().as_duration().as_secs_f64(), f64::from(LEEWAY));
        // Check the times last: only a token with a valid signature gets the errors about times.
        if self.expires + leeway <= now {
            return Err(Invalid::Expired);
        }
        if self.not_before > now + leeway {
            return Err(Invalid::NotYet);
        }
        Ok(Verified { subject: self.subject.clone(), expires: self.expires, key: key.id.clone() })
    }
}
