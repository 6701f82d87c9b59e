//! API keys: `userdocks_<type>_<id and secret>_<checksum>`, a format that secret scanners can detect. A key is shown
//! once. The database stores only its SHA-256, which is enough for 192 random bits.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use uuid::Uuid;

/// The permission of a key, as in the header `X-API-KEY-TYPE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    Read,
    /// Reading and writing.
    Write,
}

impl KeyType {
    /// `read` or `write`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// Parses exactly `read` or `write`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Read, Self::Write].into_iter().find(|key_type| key_type.as_str() == text)
    }
}

/// A well-formed API key with a correct checksum. Whether it exists must be looked up in the database.
pub struct ApiKey {
    /// Primary key of its row.
    pub id: Uuid,
    /// The type in the key's text.
    pub key_type: KeyType,
    text: String,
}

const PREFIX: &str = "userdocks_";
const ID: usize = 32;
const SECRET: usize = 48;

impl ApiKey {
    /// Generates a key from the operating system's random source.
    #[must_use]
    pub fn generate(key_type: KeyType) -> Self {
        let id = crate::domain::id::new();
        let secret: [u8; SECRET / 2] = super::secret_key::random();
        let body = format!("{PREFIX}{}_{}{}", key_type.as_str(), id.simple(), hex::encode(secret));
        let text = format!("{body}_{:08x}", crc32fast::hash(body.as_bytes()));
        Self { id, key_type, text }
    }

    /// Parses a key. Returns `None` if its format or its checksum is wrong, which saves a database look-up.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (body, checksum) = text.rsplit_once('_')?;
        let (key_type, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
        let key_type = KeyType::parse(key_type)?;
        if secret.len() != ID + SECRET
            || !secret.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return None;
        }
        if checksum != format!("{:08x}", crc32fast::hash(body.as_bytes())) {
            return None;
        }
        let id = Uuid::try_parse(&secret[..ID]).ok()?;
        Some(Self { id, key_type, text: text.to_owned() })
    }

    /// SHA-256 of the key, as stored in the database.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.text.as_bytes())
    }

    /// The key as text, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({})", self.id)
    }
}

#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn generated_key_parses_back() {
        for key_type in [KeyType::Read, KeyType::Write] {
            let key = ApiKey::generate(key_type);
            let read = ApiKey::parse(key.expose()).unwrap();
            assert_eq!((read.id, read.key_type, read.hash()), (key.id, key_type, key.hash()));
            assert!(!format!("{key:?}").contains(&key.expose()[50..]));
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_is_refused(text in ".{0,200}") {
            prop_assert!(ApiKey::parse(&text).is_none());
        }

        #[test]
        fn key_with_one_changed_character_is_refused(at in 0usize..107, to in "[0-9a-z_]") {
            let key = ApiKey::generate(KeyType::Write).expose().to_owned();
            let at = at % key.len();
            let mut changed = key.clone();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(ApiKey::parse(&changed).is_some(), changed == key);
        }
    }
}
