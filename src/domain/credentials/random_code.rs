//! Random codes of the console: of sign-in links and of sessions. The database stores only their SHA-256, which is
//! enough for 256 random bits.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::secret_key::random;

/// A code of 32 random bytes; its text is base64url without padding, 43 characters.
#[derive(Clone)]
pub struct RandomCode(String);

impl RandomCode {
    /// Generates a code from the operating system's random source.
    #[must_use]
    pub fn generate() -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()))
    }

    /// Parses a code; whether it exists must be looked up in the database.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The code itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the code, as stored in the database.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(&[&self.0])
    }

    /// A value that only the holder of this code can compute, for the forms of a session (CSRF). It does not reveal the
    /// code.
    #[must_use]
    pub fn form_token(&self) -> String {
        self.derive("form")
    }

    /// A value for a purpose that only the holder of this code can compute, 43 characters. It reveals neither the code
    /// nor the values for other purposes.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hash(&["userdocks ", purpose, " ", &self.0]))
    }
}

fn hash(parts: &[&str]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, parts.concat().as_bytes()).as_ref());
    hash
}

impl fmt::Debug for RandomCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_32_bytes_in_base64url_are_a_code() {
        let code = RandomCode::generate();
        let parsed = RandomCode::parse(code.expose()).unwrap();
        assert_eq!(parsed.hash(), code.hash());
        assert_ne!(code.hash(), RandomCode::generate().hash());
        assert_ne!(code.form_token(), code.expose());
        for other in ["", "a", &code.expose()[1..], &format!("{}A", code.expose()), &"+".repeat(43)] {
            assert!(RandomCode::parse(other).is_none(), "{other}");
        }
        assert_eq!(format!("{code:?}"), "***");
    }
}
