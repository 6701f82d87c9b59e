//! Referral codes: eight characters of Crockford's base 32, an alphabet without look-alikes, so that a code can be
//! read aloud. A code is unique per app and not secret: it only identifies the referring user. It has no check
//! character: with 2^40 codes and a million users, only one in a million mistyped codes is another user's, and adding
//! one would change the codes in sent mails.

use crate::domain::fields::Invalid;
use crate::domain::text::text_type;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 8;
/// Maximum number of characters of the input, which may have spaces or hyphens between those of the code.
const MOST: usize = 64;

text_type! {
    /// Referral code of the user who recommended the app. Case, spaces and hyphens are ignored; `O` is read as 0, `I` and
    /// `L` as 1. The owner of the code permanently becomes the referrer of the user, unless the user already has one or
    /// has referred others.
    ReferralCode {
        "pattern": "^[ \\u2010-\\u2015-]*([0-9A-TV-Za-tv-z][ \\u2010-\\u2015-]*){8}$",
        "maxLength": MOST,
        "examples": ["K7QF2M9X"],
    }
}

impl ReferralCode {
    /// Parses a code in any case, with spaces and hyphens, `O` for 0, `I` and `L` for 1.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        const NONE: Invalid = Invalid("must be a referral code such as K7QF2M9X");
        if value.chars().count() > MOST {
            return Err(NONE);
        }
        let written = value.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{2010}'..='\u{2015}'));
        let read = |c: char| match c.to_ascii_uppercase() {
            'O' => Some('0'),
            'I' | 'L' => Some('1'),
            c => u8::try_from(c).ok().filter(|c| ALPHABET.contains(c)).map(char::from),
        };
        let code: Option<String> = written.map(read).collect();
        code.filter(|code| code.len() == LENGTH).map(Self).ok_or(NONE)
    }
}

/// Generates a code of 40 random bits.
#[must_use]
pub fn generate() -> String {
    let bytes: [u8; LENGTH] = crate::domain::credentials::secret_key::random();
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_code_is_short_and_parses_back() {
        let code = generate();
        assert_eq!(code.len(), LENGTH);
        assert!(code.bytes().all(|byte| ALPHABET.contains(&byte)), "{code}");
        assert_ne!(code, generate());
        assert_eq!(ReferralCode::parse(&code).unwrap().as_str(), code);
    }

    #[test]
    fn case_separators_and_lookalike_letters_are_normalized() {
        for written in ["K7QF2M9X", "k7qf-2m9x", " K7 QF 2M 9X ", "K7QF–2M9X", "k-7-q-f-2-m-9-x"] {
            assert_eq!(ReferralCode::parse(written).unwrap().as_str(), "K7QF2M9X", "{written}");
        }
        let spread = format!("{}K7QF2M9X", "–".repeat(56));
        assert_eq!(ReferralCode::parse(&spread).unwrap().as_str(), "K7QF2M9X");
        assert_eq!(ReferralCode::parse("oOiIlL01").unwrap().as_str(), "00111101");
        let long = format!("{}K7QF2M9X", " ".repeat(57));
        for bad in [
            "",
            "K7QF2M9",
            "K7QF2M9X1",
            "K7QF2M9U",
            "K7QF_2M9X",
            "K7QF2M9\u{17f}",
            "ｋ7QF2M9X",
            "K7QF2M9\0",
            &long,
        ] {
            assert!(ReferralCode::parse(bad).is_err(), "{bad:?}");
        }
    }
}
