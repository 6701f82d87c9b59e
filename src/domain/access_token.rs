//! Access tokens: JWTs (RFC 7519) in this API's own format, RS256 under the key pair of an app. The
//! algorithm comes from the key, never from the token.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

use super::id::{AppId, UserId};
use super::seal::random;

/// Clock skew that `exp` and `nbf` allow for, seconds.
const LEEWAY: u64 = 10;
/// A longer token is not looked at.
const MAX_LENGTH: usize = 8192;

/// An app's new RSA key pair.
pub struct NewKeyPair {
    /// `kid`
    pub id: Uuid,
    /// SubjectPublicKeyInfo, DER.
    pub public: Vec<u8>,
    /// PKCS #8, DER.
    pub private: Vec<u8>,
}

impl NewKeyPair {
    /// 2048 bits, as RS256 wants at least (RFC 7518, 3.3).
    #[must_use]
    pub fn generate() -> Self {
        #[expect(clippy::expect_used, reason = "fails only without the system's randomness or memory")]
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("an RSA key pair");
        let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map(|der| der.as_ref().to_vec());
        let public =
            AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).map(|der| der.as_ref().to_vec());
        #[expect(clippy::expect_used, reason = "a generated key has an encoding")]
        let (private, public) = (private.expect("PKCS #8"), public.expect("SubjectPublicKeyInfo"));
        Self { id: super::id::new(), public, private }
    }
}

/// A key that verifies.
#[derive(Clone)]
pub struct PublicKey {
    id: Uuid,
    key: DecodingKey,
}

impl PublicKey {
    /// From its `kid` and its SubjectPublicKeyInfo.
    #[must_use]
    pub fn new(id: Uuid, spki: &[u8]) -> Self {
        Self { id, key: DecodingKey::from_rsa_der(spki) }
    }
}

/// A public key as a JSON Web Key (RFC 7517; RFC 7518, 6.3.1).
#[derive(Serialize)]
pub struct Jwk {
    kty: &'static str,
    r#use: &'static str,
    alg: &'static str,
    kid: Uuid,
    n: String,
    e: String,
}

impl Jwk {
    /// From its `kid` and its SubjectPublicKeyInfo; `None` if that is damaged.
    #[must_use]
    pub fn new(id: Uuid, spki: &[u8]) -> Option<Self> {
        let key = aws_lc_rs::rsa::PublicKey::from_der(spki).ok()?;
        let n = URL_SAFE_NO_PAD.encode(key.modulus().big_endian_without_leading_zero());
        let e = URL_SAFE_NO_PAD.encode(key.exponent().big_endian_without_leading_zero());
        Some(Self { kty: "RSA", r#use: "sig", alg: "RS256", kid: id, n, e })
    }
}

/// A key that signs.
pub struct PrivateKey {
    id: Uuid,
    key: EncodingKey,
}

/// The stored private key is none.
#[derive(Debug, thiserror::Error)]
#[error("the app's private key is damaged")]
pub struct DamagedKey;

impl PrivateKey {
    /// From its `kid` and its PKCS #8.
    pub fn new(id: Uuid, pkcs8: &[u8]) -> Result<Self, DamagedKey> {
        let text = pem::encode(&pem::Pem::new("PRIVATE KEY", pkcs8));
        Ok(Self { id, key: EncodingKey::from_rsa_pem(text.as_bytes()).map_err(|_| DamagedKey)? })
    }

    /// A token for `user`, valid from now.
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
            jti: super::id::new(),
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

/// Why a token proves nothing; each says it to a developer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// It is no JWT, or lacks a claim, or is for nobody here, or its signature is wrong.
    #[error("the access token is not valid for an app of this server")]
    Token,
    /// `exp` has passed.
    #[error("the access token has expired")]
    Expired,
    /// `nbf` has not come.
    #[error("the access token is not valid yet")]
    NotYet,
}

/// A token whose claims are read but not believed yet: it says where to look for the key.
pub struct Unverified<'a> {
    token: &'a str,
    kid: Option<Uuid>,
    /// The app that it says to be for.
    pub app: AppId,
}

impl<'a> Unverified<'a> {
    /// Reads the header and `aud`.
    pub fn parse(token: &'a str) -> Result<Self, Invalid> {
        #[derive(Deserialize)]
        struct Audience {
            aud: String,
        }
        if token.len() > MAX_LENGTH {
            return Err(Invalid::Token);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Invalid::Token)?;
        if header.crit.is_some() {
            return Err(Invalid::Token); // RFC 7515, 4.1.11: an extension that is not understood
        }
        let claims: Audience =
            jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| Invalid::Token)?;
        let app = AppId(super::id::parse(&claims.aud).ok_or(Invalid::Token)?);
        let kid = header.kid.as_deref().map(|kid| super::id::parse(kid).ok_or(Invalid::Token)).transpose()?;
        Ok(Self { token, kid, app })
    }

    /// Checks signature and claims against the keys of the app it names.
    pub fn verify(&self, keys: &[PublicKey], issuer: &str) -> Result<UserId, Invalid> {
        #[derive(Deserialize)]
        struct Subject {
            sub: String,
        }
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_audience(&[self.app.0]);
        validation.set_issuer(&[issuer]);
        validation.leeway = LEEWAY;
        validation.validate_nbf = true;
        let mut result = Err(Invalid::Token);
        for key in keys.iter().filter(|key| self.kid.is_none_or(|kid| kid == key.id)) {
            result =
                jsonwebtoken::decode::<Subject>(self.token, &key.key, &validation).map_err(
                    |error| match error.kind() {
                        jsonwebtoken::errors::ErrorKind::ExpiredSignature => Invalid::Expired,
                        jsonwebtoken::errors::ErrorKind::ImmatureSignature => Invalid::NotYet,
                        _ => Invalid::Token,
                    },
                );
            if result.is_ok() {
                break;
            }
        }
        super::id::parse(&result?.claims.sub).map(UserId).ok_or(Invalid::Token)
    }
}
