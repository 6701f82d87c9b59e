//! Encryption at rest: AES-256-GCM (NIST SP 800-38D), with a random nonce before the ciphertext. Each row has its own
//! key, derived from `USERDOCKS_SECRET_KEY` by HKDF-SHA-256 (RFC 5869) with the purpose and the row id as `info`. A
//! sealed value is therefore not valid in another row, and a key is used too rarely for its nonces to repeat.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk};
use uuid::Uuid;

/// The key that seals and opens values. During key rotation, a second key opens values but never seals.
///
/// Values that older versions sealed with the secret key itself can be opened too; [`SecretKey::reseal`] seals them
/// under the derived key.
#[derive(Clone)]
pub struct SecretKey {
    own: Arc<Secret>,
    other: Option<Arc<Secret>>,
}

struct Secret {
    derives: Prk,
    /// The secret key itself, used by older versions with the row id as associated data.
    itself: RandomizedNonceKey,
}

/// The kind of the sealed value.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// The code of a queued mail.
    Code,
    /// The private key of an app.
    SigningKey,
    WebhookSecret,
    /// The key that hashes addresses that opted out.
    OptOutKey,
    /// The secret that the authenticator app of an operator shares.
    TotpSecret,
    /// Such a secret before the operator has confirmed it. It is in a form and not stored.
    TotpDraft,
    /// A known text, to check whether the secret key is the right one.
    Check,
}

impl Purpose {
    fn name(self) -> &'static [u8] {
        match self {
            Self::Code => b"userdocks code ",
            Self::SigningKey => b"userdocks signing key ",
            Self::WebhookSecret => b"userdocks webhook secret ",
            Self::OptOutKey => b"userdocks opt-out key ",
            Self::TotpSecret => b"userdocks totp secret ",
            Self::TotpDraft => b"userdocks totp draft ",
            Self::Check => b"userdocks check ",
        }
    }
}

/// The value cannot be opened: it was sealed under another key, for another row or purpose, or it is damaged.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value does not open with this USERDOCKS_SECRET_KEY")]
pub struct NotOurs;

impl SecretKey {
    /// Builds the key from the 32 bytes of the setting.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self { own: Secret::new(bytes), other: None }
    }

    /// Adds a second key, which opens values but never seals.
    #[must_use]
    pub fn or(self, other: &[u8; 32]) -> Self {
        Self { other: Some(Secret::new(other)), ..self }
    }

    /// Encrypts `plain` for the row `owner`.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, owner: Uuid, plain: &[u8]) -> Vec<u8> {
        let mut sealed = plain.to_vec();
        #[expect(clippy::expect_used, reason = "fails for texts of gigabytes, or without system randomness")]
        let nonce = self
            .own
            .key(purpose, owner)
            .seal_in_place_append_tag(Aad::empty(), &mut sealed)
            .expect("sealing a short text");
        sealed.splice(0..0, *nonce.as_ref());
        sealed
    }

    /// Decrypts a value that [`SecretKey::seal`] made for the row `owner`.
    pub fn open(&self, purpose: Purpose, owner: Uuid, sealed: &[u8]) -> Result<Vec<u8>, NotOurs> {
        let mut secrets = std::iter::once(&self.own).chain(&self.other);
        secrets
            .find_map(|secret| {
                let derived = open(&secret.key(purpose, owner), Aad::empty(), sealed);
                derived.or_else(|_| open(&secret.itself, Aad::from(owner.as_bytes()), sealed)).ok()
            })
            .ok_or(NotOurs)
    }

    /// Seals the value again under the sealing key. Returns `None` if it is sealed under that key already.
    pub fn reseal(&self, purpose: Purpose, owner: Uuid, sealed: &[u8]) -> Result<Option<Vec<u8>>, NotOurs> {
        if open(&self.own.key(purpose, owner), Aad::empty(), sealed).is_ok() {
            return Ok(None);
        }
        Ok(Some(self.seal(purpose, owner, &self.open(purpose, owner, sealed)?)))
    }
}

#[expect(clippy::expect_used, reason = "32 bytes are what HKDF-SHA-256 gives and AES-256 takes")]
impl Secret {
    fn new(bytes: &[u8; 32]) -> Arc<Self> {
        let itself = RandomizedNonceKey::new(&AES_256_GCM, bytes).expect("a key of 32 bytes");
        Arc::new(Self { derives: Prk::new_less_safe(HKDF_SHA256, bytes), itself })
    }

    /// Derives the key of a row.
    fn key(&self, purpose: Purpose, owner: Uuid) -> RandomizedNonceKey {
        let mut bytes = [0; 32];
        let info = [purpose.name(), owner.as_bytes().as_slice()];
        let derived = self.derives.expand(&info, HKDF_SHA256).expect("32 bytes");
        derived.fill(&mut bytes).expect("32 bytes");
        RandomizedNonceKey::new(&AES_256_GCM, &bytes).expect("a key of 32 bytes")
    }
}

fn open<A: AsRef<[u8]>>(key: &RandomizedNonceKey, about: Aad<A>, sealed: &[u8]) -> Result<Vec<u8>, NotOurs> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(NotOurs)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOurs)?;
    let mut text = text.to_vec();
    let plain = key.open_in_place(nonce, about, &mut text).map_err(|_| NotOurs)?;
    Ok(plain.to_vec())
}

/// `N` bytes from the operating system's random source.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "a server without randomness must not go on")]
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: Purpose = Purpose::Code;

    #[test]
    fn sealed_value_opens_only_with_its_key_owner_and_purpose() {
        let (key, owner) = (SecretKey::new(&random()), crate::domain::id::new());
        let sealed = key.seal(CODE, owner, b"code");
        assert_eq!(key.open(CODE, owner, &sealed).unwrap(), b"code");
        assert_ne!(key.seal(CODE, owner, b"code"), sealed);
        assert!(key.open(CODE, crate::domain::id::new(), &sealed).is_err());
        assert!(SecretKey::new(&random()).open(CODE, owner, &sealed).is_err());
        assert!(key.open(Purpose::SigningKey, owner, &sealed).is_err(), "another purpose");
        for cut in 0..sealed.len() {
            assert!(key.open(CODE, owner, &sealed[..cut]).is_err());
        }
    }

    #[test]
    fn each_row_is_sealed_with_an_hkdf_derived_key() {
        // Computed with HMAC-SHA-256 alone: the random secret is the PRK (section 3.3), OKM = HMAC(PRK, info ‖ 1).
        use aws_lc_rs::hmac;

        let (secret, owner): ([u8; 32], _) = (random(), crate::domain::id::new());
        let hmac = |key: &[u8], text: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text);
        let info = [b"userdocks code ".as_slice(), owner.as_bytes(), &[1]].concat();
        let derived = RandomizedNonceKey::new(&AES_256_GCM, hmac(&secret, &info).as_ref()).unwrap();
        let sealed = SecretKey::new(&secret).seal(CODE, owner, b"code");
        assert_eq!(open(&derived, Aad::empty(), &sealed).unwrap(), b"code");
    }

    #[test]
    fn legacy_sealed_value_opens_and_is_resealed() {
        let (secret, owner): ([u8; 32], _) = (random(), crate::domain::id::new());
        let mut sealed = b"code".to_vec();
        let old = RandomizedNonceKey::new(&AES_256_GCM, &secret).unwrap();
        let nonce = old.seal_in_place_append_tag(Aad::from(owner.as_bytes()), &mut sealed).unwrap();
        sealed.splice(0..0, *nonce.as_ref());
        let key = SecretKey::new(&secret);
        assert_eq!(key.open(CODE, owner, &sealed).unwrap(), b"code");
        assert!(key.open(CODE, crate::domain::id::new(), &sealed).is_err());
        let anew = key.reseal(CODE, owner, &sealed).unwrap().unwrap();
        assert_eq!(
            (key.open(CODE, owner, &anew).unwrap(), key.reseal(CODE, owner, &anew).unwrap()),
            (b"code".to_vec(), None)
        );
    }

    #[test]
    fn secondary_key_opens_but_never_seals() {
        let (old, new, owner) = (random(), random(), crate::domain::id::new());
        let (before, after) = (SecretKey::new(&old), SecretKey::new(&new));
        let (preparing, changed) = (before.clone().or(&new), after.clone().or(&old));
        let sealed = preparing.seal(CODE, owner, b"code");
        assert_eq!(before.open(CODE, owner, &sealed).unwrap(), b"code");
        assert_eq!(changed.open(CODE, owner, &sealed).unwrap(), b"code");
        assert!(after.open(CODE, owner, &sealed).is_err());
        let resealed = changed.reseal(CODE, owner, &sealed).unwrap().unwrap();
        for key in [&preparing, &changed, &after] {
            assert_eq!(key.open(CODE, owner, &resealed).unwrap(), b"code");
        }
        assert!(before.open(CODE, owner, &resealed).is_err());
        assert_eq!(changed.reseal(CODE, owner, &resealed).unwrap(), None);
        assert!(after.reseal(CODE, owner, &sealed).is_err());
        assert!(changed.reseal(CODE, crate::domain::id::new(), &sealed).is_err());
    }
}
