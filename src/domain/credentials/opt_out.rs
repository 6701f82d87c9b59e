//! Opt-out from invites by users of an app. The database stores a hash of each address, keyed for the app, so that it
//! does not reveal the address. The link in a mail carries this hash, authenticated under the same key: recipients can
//! opt out as long as the app exists, even if the invite does not, and links cannot be forged.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::domain::id::AppId;

/// Length of an app's key in bytes.
pub const KEY: usize = 32;
const HASH: usize = 32;
const TAG: usize = 16;

/// The HMAC key of an app.
pub struct OptOutKey(hmac::Key);

/// The keyed hash of an address, as stored in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressHash(pub [u8; HASH]);

/// The code in the opt-out link of a mail.
pub struct OptOutCode {
    pub app: AppId,
    pub address: AddressHash,
    tag: [u8; TAG],
}

impl OptOutKey {
    /// Builds the key from its stored bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Hashes an address, ignoring ASCII case.
    #[must_use]
    pub fn address(&self, email: &str) -> AddressHash {
        AddressHash(self.sign(b"address", email.to_ascii_lowercase().as_bytes()))
    }

    /// Creates the code for the link in a mail to this address.
    #[must_use]
    pub fn code(&self, app: AppId, address: AddressHash) -> OptOutCode {
        OptOutCode { app, address, tag: self.tag(&address) }
    }

    /// Whether the code was signed with this key. Compares in constant time.
    #[must_use]
    pub fn is_authentic(&self, code: &OptOutCode) -> bool {
        verify_slices_are_equal(&self.tag(&code.address), &code.tag).is_ok()
    }

    fn tag(&self, address: &AddressHash) -> [u8; TAG] {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&self.sign(b"code", &address.0)[..TAG]);
        tag
    }

    /// The MAC of a text. A MAC for one purpose is not valid for another.
    fn sign(&self, purpose: &[u8], text: &[u8]) -> [u8; HASH] {
        let mut mac = hmac::Context::with_key(&self.0);
        mac.update(purpose);
        mac.update(&[0]);
        mac.update(text);
        let mut signed = [0; HASH];
        signed.copy_from_slice(mac.sign().as_ref());
        signed
    }
}

impl OptOutCode {
    /// Parses a code. Returns `None` if its format is wrong; [`OptOutKey::is_authentic`] checks its authenticity.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (app, rest) = bytes.split_at_checked(16)?;
        let (address, tag) = rest.split_at_checked(HASH)?;
        Some(Self {
            app: AppId(Uuid::from_slice(app).ok()?),
            address: AddressHash(address.try_into().ok()?),
            tag: tag.try_into().ok()?,
        })
    }

    /// The code as base64url, for a link.
    #[must_use]
    pub fn expose(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.app.0.as_bytes().as_slice(), &self.address.0, &self.tag].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opt_out_code_verifies_only_with_its_own_key() {
        let (key, other) = (OptOutKey::new(&[1; KEY]), OptOutKey::new(&[2; KEY]));
        let (app, address) = (AppId(Uuid::from_u128(7)), key.address("Ada@Example.com"));
        assert_eq!(address, key.address("ada@example.COM"));
        assert_ne!(address, key.address("ada@example.org"));
        assert_ne!(address, other.address("ada@example.com"));
        let text = key.code(app, address).expose();
        let read = OptOutCode::parse(&text).unwrap();
        assert_eq!((read.app, read.address), (app, address));
        assert!(key.is_authentic(&read) && !other.is_authentic(&read));
        for at in 16..64 {
            let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            bytes[at] ^= 1;
            assert!(!key.is_authentic(&OptOutCode::parse(&URL_SAFE_NO_PAD.encode(bytes)).unwrap()), "{at}");
        }
        for cut in 0..text.len() {
            assert!(OptOutCode::parse(&text[..cut]).is_none(), "{cut}");
        }
        assert!(OptOutCode::parse(&format!("{text}AAAA")).is_none());
    }
}
