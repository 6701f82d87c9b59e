//! Passwords of operators: hashed by argon2id (RFC 9106) with the parameters that OWASP advises, and stored as a PHC
//! string. A hash takes 19 MiB and tens of milliseconds, so callers limit how many run at a time.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};

use super::secret_key::random;
use crate::domain::fields::Invalid;

/// Minimum length in characters.
pub const MIN: usize = 12;
/// Maximum length in bytes.
const MAX: usize = 1024;

/// Memory in KiB, passes, lanes.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// A hash with this cost that no password has: salt and hash are zeros.
const NO_PASSWORD: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password. It is never printed.
#[derive(Clone, Debug)]
pub struct Password(SecretString);

impl Password {
    /// Parses a password of at least 12 characters and at most 1024 bytes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > MAX {
            return Err(Invalid("must have at most 1024 bytes"));
        }
        if text.chars().count() < MIN {
            return Err(Invalid("must have at least 12 characters"));
        }
        Ok(Self(text.into()))
    }

    /// Whether this is the same password.
    #[must_use]
    pub fn same_as(&self, other: &str) -> bool {
        self.0.expose_secret() == other
    }

    /// A new hash with a random salt, as a PHC string.
    #[must_use]
    #[expect(clippy::expect_used, reason = "cost and salt are valid and the password is short")]
    pub fn hash(&self) -> String {
        let (memory, passes, lanes) = COST;
        let params = Params::new(memory, passes, lanes, None).expect("valid cost");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let salt = SaltString::encode_b64(&random::<16>()).expect("a salt of 16 bytes");
        argon2.hash_password(self.0.expose_secret().as_bytes(), &salt).expect("a hash").to_string()
    }
}

/// Whether the password has this hash. Without a password or a hash the answer is false and takes the same time.
#[must_use]
pub fn verify(password: Option<&Password>, hash: Option<&str>) -> bool {
    let text = password.map_or("", |password| password.0.expose_secret());
    // The cost is in the hash.
    let same = PasswordHash::new(hash.unwrap_or(NO_PASSWORD))
        .and_then(|hash| Argon2::default().verify_password(text.as_bytes(), &hash));
    same.is_ok() && password.is_some() && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_of_12_characters_to_1024_bytes_is_parsed_and_not_printed() {
        for accepted in ["twelve chars", "zwölf Zeiche", &"ä".repeat(512)] {
            assert!(Password::parse(accepted).is_ok(), "{accepted}");
        }
        for refused in ["", "eleven char", &"ä".repeat(11), &"a".repeat(1025)] {
            assert!(Password::parse(refused).is_err(), "{refused}");
        }
        let shown = format!("{:?}", Password::parse("correct horse battery").unwrap());
        assert!(!shown.contains("correct"), "{shown}");
    }

    #[test]
    fn only_the_same_password_has_the_hash() {
        let (right, wrong) =
            (Password::parse("correct horse").unwrap(), Password::parse("Correct horse").unwrap());
        let hash = right.hash();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, right.hash(), "the salt is random");
        assert!(verify(Some(&right), Some(&hash)));
        for (password, hash) in [
            (Some(&wrong), Some(hash.as_str())),
            (None, Some(&hash)),
            (Some(&right), None),
            (Some(&right), Some("damaged")),
            (Some(&right), Some(NO_PASSWORD)),
        ] {
            assert!(!verify(password, hash));
        }
    }

    #[test]
    fn refusing_without_a_hash_costs_as_much_as_with_one() {
        let fixed = PasswordHash::new(NO_PASSWORD).unwrap();
        let hash = Password::parse("correct horse").unwrap().hash();
        let real = PasswordHash::new(&hash).unwrap();
        assert_eq!(
            (fixed.algorithm, fixed.version, &fixed.params),
            (real.algorithm, real.version, &real.params)
        );
        let lengths = |hash: &PasswordHash| (hash.salt.unwrap().as_str().len(), hash.hash.unwrap().len());
        assert_eq!(lengths(&fixed), lengths(&real));
    }
}
