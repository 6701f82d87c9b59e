//! Parses a text as an email address.
#![no_main]

use libfuzzer_sys::fuzz_target;
use userdocks::domain::email::Email;
use userdocks::domain::text::is_invisible;
use userdocks_fuzz::{assert_clean, is_address};

fuzz_target!(|text: &str| {
    match Email::parse(text) {
        Ok(email) => {
            let stored = email.as_str();
            assert_clean(stored);
            assert!(is_address(stored), "{text:?} is stored as {stored:?}");
            let again = Email::parse(stored);
            assert_eq!(again.as_ref(), Ok(&email));
            assert!(email.same_as(
                &Email::parse(&stored.to_ascii_uppercase()).unwrap_or_else(|_| panic!("{stored:?}"))
            ));
            assert_eq!(stored.rsplit_once('@').map(|(_, domain)| domain), Some(email.domain()));
            // An ASCII address is stored unchanged, without invisible characters; so is the ASCII local part of any
            // other address.
            let sent: String = text
                .trim()
                .chars()
                .filter(|c| {
                    !is_invisible(*c) && !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}')
                })
                .collect();
            let sent = sent.trim();
            assert!(!sent.is_ascii() || sent == stored, "{text:?} is stored as {stored:?}");
            if let Some(local) = sent.split('@').next().filter(|local| local.is_ascii()) {
                assert_eq!(Some(local), stored.split('@').next());
            }
            // The mail library (lettre) reads the address the same way.
            assert_eq!(<lettre::Address as AsRef<str>>::as_ref(&email.address()), stored);
            assert!(!stored.is_ascii() || stored.parse::<lettre::Address>().is_ok(), "{stored:?}");
        }
        Err(_) => assert!(!(is_address(text) && is_plain(text)), "{text:?} is refused"),
    }
});

/// ASCII, without punycode labels, which have rules of their own, and without hyphens in their place.
fn is_plain(text: &str) -> bool {
    let domain = text.split('@').nth(1).unwrap_or_default();
    text.is_ascii()
        && domain.split('.').all(|label| label.as_bytes().get(2..4) != Some(b"--"))
        && domain.len() <= 253
}
