//! Encryption at rest: AES-256-GCM (NIST SP 800-38D) under `USERDOCKS_SECRET_KEY`, a random nonce before
//! the ciphertext. The purpose is authenticated with it, so that a sealed value of one row cannot stand
//! in another's place. While the key is changed there is another that opens and never seals.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use uuid::Uuid;

/// The key that seals and opens, and the one beside it that opens, if there is one.
#[derive(Clone)]
pub struct SecretKey {
    own: Arc<RandomizedNonceKey>,
    other: Option<Arc<RandomizedNonceKey>>,
}

/// What cannot be opened: sealed under another key, for another purpose, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value does not open with this USERDOCKS_SECRET_KEY")]
pub struct NotOurs;

impl SecretKey {
    /// From the 32 bytes of the setting.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self { own: key(bytes), other: None }
    }

    /// The same, which also opens what was sealed under another key.
    #[must_use]
    pub fn or(self, other: &[u8; 32]) -> Self {
        Self { other: Some(key(other)), ..self }
    }

    /// Encrypts `plain` for the row `owner`.
    #[must_use]
    pub fn seal(&self, owner: Uuid, plain: &[u8]) -> Vec<u8> {
        let mut sealed = plain.to_vec();
        #[expect(clippy::expect_used, reason = "fails for texts of gigabytes, or without system randomness")]
        let nonce = self
            .own
            .seal_in_place_append_tag(Aad::from(owner.as_bytes()), &mut sealed)
            .expect("sealing a short text");
        sealed.splice(0..0, *nonce.as_ref());
        sealed
    }

    /// Decrypts what [`SecretKey::seal`] made for `owner`.
    pub fn open(&self, owner: Uuid, sealed: &[u8]) -> Result<Vec<u8>, NotOurs> {
        let keys = std::iter::once(&self.own).chain(&self.other);
        keys.into_iter().find_map(|key| open(key, owner, sealed).ok()).ok_or(NotOurs)
    }

    /// The same value sealed under the key that seals; `None` if it is already.
    pub fn reseal(&self, owner: Uuid, sealed: &[u8]) -> Result<Option<Vec<u8>>, NotOurs> {
        if open(&self.own, owner, sealed).is_ok() {
            return Ok(None);
        }
        Ok(Some(self.seal(owner, &self.open(owner, sealed)?)))
    }
}

fn key(bytes: &[u8; 32]) -> Arc<RandomizedNonceKey> {
    #[expect(clippy::expect_used, reason = "32 bytes are the length of the algorithm's key")]
    let key = RandomizedNonceKey::new(&AES_256_GCM, bytes).expect("a key of 32 bytes");
    Arc::new(key)
}

fn open(key: &RandomizedNonceKey, owner: Uuid, sealed: &[u8]) -> Result<Vec<u8>, NotOurs> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(NotOurs)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOurs)?;
    let mut text = text.to_vec();
    let plain = key.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut text).map_err(|_| NotOurs)?;
    Ok(plain.to_vec())
}

/// `N` bytes from the system's randomness.
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

    #[test]
    fn opens_for_its_owner_under_its_key_alone() {
        let (key, owner) = (SecretKey::new(&random()), super::super::id::new());
        let sealed = key.seal(owner, b"code");
        assert_eq!(key.open(owner, &sealed).unwrap(), b"code");
        assert_ne!(key.seal(owner, b"code"), sealed);
        assert!(key.open(super::super::id::new(), &sealed).is_err());
        assert!(SecretKey::new(&random()).open(owner, &sealed).is_err());
        for cut in 0..sealed.len() {
            assert!(key.open(owner, &sealed[..cut]).is_err());
        }
    }

    #[test]
    fn a_key_beside_it_opens_and_never_seals() {
        let (old, new, owner) = (random(), random(), super::super::id::new());
        let (before, after) = (SecretKey::new(&old), SecretKey::new(&new));
        let (preparing, changed) = (before.clone().or(&new), after.clone().or(&old));
        let sealed = preparing.seal(owner, b"code");
        assert_eq!(before.open(owner, &sealed).unwrap(), b"code");
        assert_eq!(changed.open(owner, &sealed).unwrap(), b"code");
        assert!(after.open(owner, &sealed).is_err());
        let resealed = changed.reseal(owner, &sealed).unwrap().unwrap();
        for key in [&preparing, &changed, &after] {
            assert_eq!(key.open(owner, &resealed).unwrap(), b"code");
        }
        assert!(before.open(owner, &resealed).is_err());
        assert_eq!(changed.reseal(owner, &resealed).unwrap(), None);
        assert!(after.reseal(owner, &sealed).is_err());
        assert!(changed.reseal(super::super::id::new(), &sealed).is_err());
    }
}
