//! Phone numbers (the `phone_number` claim of `OpenID` Connect Core 1.0, 5.1).

use crate::domain::fields::Invalid;
use crate::domain::text::{cleaned, is_pasted, text_type, trimmed};

text_type! {
    /// A phone number in free form: at most 64 digits, spaces and `+ - . ( ) /`, with at least three digits, optionally
    /// followed by an extension such as `;ext=12` (RFC 3966). Spaces and hyphens of any kind are stored as ASCII ones,
    /// and invisible characters are removed.
    PhoneNumber {
        "pattern": format!("^{BETWEEN_DIGITS}([0-9]{BETWEEN_DIGITS}){{3,}}(;ext=[0-9]+)?$"),
        "maxLength": 64,
        "examples": ["+44 20 7946 0000"],
    }
}

/// As a pattern: the characters of a phone number that [`PhoneNumber::parse`] keeps, converts or removes, without the
/// digits.
const BETWEEN_DIGITS: &str = "[+().\\-/ \\u00a0\\u00ad\\u034f\\u058a\\u061c\\u115f\\u1160\\u1680\\u180e\\u2000-\\u2015\
    \\u202a-\\u202f\\u2043\\u205f-\\u206f\\u2212\\u3000\\u3164\\ufe00-\\ufe0f\\ufe58\\ufe63\\ufeff\\uff0d\\uffa0\
    \\ufff0-\\ufffb]*";

impl PhoneNumber {
    /// Parses a phone number.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        let plain = |c: char| match c {
            _ if is_pasted(c) => None,
            '\u{58a}'
            | '\u{2010}'..='\u{2015}'
            | '\u{2043}'
            | '\u{2212}'
            | '\u{fe58}'
            | '\u{fe63}'
            | '\u{ff0d}' => Some('-'),
            '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
                Some(' ')
            }
            _ => Some(c),
        };
        let number = cleaned(value, plain);
        trimmed(&number)
            .filter(|number| number.len() <= 64 && is_phone_number(number))
            .map(|number| Self(number.to_owned()))
            .ok_or(Invalid(
                "must be a phone number such as +49 30 123456 or +49 30 123456;ext=12: at most 64 \
                 characters, at least 3 digits",
            ))
    }
}

fn is_phone_number(number: &str) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let (number, extension) = number.split_once(";ext=").unwrap_or((number, "0"));
    number.bytes().all(|b| b.is_ascii_digit() || b"+-.()/ ".contains(&b))
        && number.as_bytes().iter().filter(|b| is_digit(b)).count() >= 3
        && !extension.is_empty()
        && extension.as_bytes().iter().all(is_digit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn valid_phone_number_is_kept_as_sent_and_invalid_is_refused() {
        for good in ["110", "+49 (0)30/123-456.7", "(+1) 555 0100;ext=5678", "+1-555-0100;ext=1"] {
            assert_eq!(PhoneNumber::parse(&format!(" {good} ")).unwrap().as_str(), good);
        }
        assert!(PhoneNumber::parse(&"1".repeat(64)).is_ok());
        for bad in [
            "",
            "12",
            "+-()",
            "1-2",
            "12;ext=345",
            "110;ext=",
            "110;ext=1a",
            "110;ext=1;ext=2",
            "110;EXT=1",
            "110 x5",
            "tel:+49301",
            "110;isub=1",
            "١١٠",
            "１１０",
            "11\t0",
            &"1".repeat(65),
        ] {
            assert!(PhoneNumber::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn pasted_phone_number_is_normalized_to_ascii() {
        for (sent, stored) in [
            ("\u{202d}+49\u{a0}30\u{2011}123456\u{202c}", "+49 30-123456"),
            ("\u{feff}\u{200e}+1\u{2007}555\u{2212}0100\u{200f} ", "+1 555-0100"),
            ("\u{2066}+44\u{202f}20\u{3000}7946\u{2069}", "+44 20 7946"),
            ("\u{a0}1\u{ad}1\u{200b}0\u{200d}\u{a0}", "110"),
            ("+1\u{2013}555\u{2014}0100;ext=\u{200b}5", "+1-555-0100;ext=5"),
        ] {
            assert_eq!(PhoneNumber::parse(sent).unwrap().as_str(), stored);
        }
        for bad in ["110\u{2028}1", "\u{202d}\u{202c}", "11\u{200b}"] {
            assert!(PhoneNumber::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parse_is_idempotent(value in "[0-9+() ;ext=./-]{0,12}") {
            if let Ok(number) = PhoneNumber::parse(&value) {
                prop_assert_eq!(PhoneNumber::parse(number.as_str()), Ok(number));
            }
        }

        #[test]
        fn valid_number_is_accepted(
            number in "\\+[0-9]{1,3} \\([0-9]{2}\\) [0-9]{3,10}(;ext=[0-9]{1,6})?",
        ) {
            prop_assert_eq!(PhoneNumber::parse(&number).unwrap().to_string(), number);
        }
    }
}
