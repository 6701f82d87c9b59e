//! Referral codes: eight characters of Crockford's base 32, an alphabet without look-alikes, so that a
//! code can be read aloud. Not a secret: it only says who recommended. The store keeps it unique per app.

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A new code of 40 random bits.
#[must_use]
pub fn generate() -> String {
    let bytes: [u8; 8] = super::seal::random();
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn codes_are_short_and_readable() {
        let code = super::generate();
        assert_eq!(code.len(), 8);
        assert!(code.bytes().all(|byte| super::ALPHABET.contains(&byte)), "{code}");
        assert_ne!(code, super::generate());
    }
}
