//! E-mail addresses (RFC 5321, 2.3.11, 4.1.2, 4.5.3.1, RFC 5322 dot-atom; RFC 6531). Comments, quoted local parts and
//! address literals are refused. The domain has at least two labels and is stored in ASCII. A non-ASCII local part is
//! stored as mapped by UTS 46, in lower case, so that case-insensitive comparison only concerns ASCII letters.

use std::borrow::Cow;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::fields::Invalid;
use super::text::{cleaned, is_invisible, is_pasted, text_type, trimmed};

/// Bytes; RFC 5321, 4.5.3.1.1.
const MAX_LOCAL: usize = 64;
/// Bytes; RFC 5321, 4.5.3.1.3, without the angle brackets.
const MAX_ADDRESS: usize = 254;
/// Bytes as sent, before the domain is converted to punycode: four for each byte of the longest address.
const MAX_SENT: usize = 4 * MAX_ADDRESS;

text_type! {
    /// One e-mail address, at most 254 bytes. International domain names are accepted and stored as punycode. Non-ASCII
    /// characters before the `@` are stored in lower case and need a mail server with SMTPUTF8. An address is unique in
    /// the app, compared without regard to case.
    Email {
        "format": "email",
        "pattern": "^[^@]+@[^@]+$",
        "maxLength": 254,
        "examples": ["ada@example.com"],
    }
}

impl Email {
    /// Parses an address. An international domain is stored as punycode (UTS 46 with its STD3 rules,
    /// non-transitional), a non-ASCII local part as mapped by UTS 46. Everything else keeps its case. Invisible
    /// characters are removed.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        stored(value).map(Self).ok_or(Invalid("must be one e-mail address such as ada@example.com"))
    }

    /// The domain, in ASCII.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }

    /// Converts the address for lettre without lettre's own check, which refuses combining marks.
    #[must_use]
    pub fn address(&self) -> lettre::Address {
        let (local, domain) = self.0.split_once('@').unwrap_or_default();
        lettre::Address::new_dangerous(local, domain)
    }

    /// Compares two addresses, ignoring ASCII case.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// Masks an address so that only its owner can recognize it: `a…@e…`. A part of one character is masked entirely.
#[must_use]
pub fn masked(address: &str) -> String {
    let first =
        |part: &str| part.chars().take(usize::from(part.chars().nth(1).is_some())).collect::<String>();
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    format!("{}…@{}…", first(local), first(domain))
}

fn stored(value: &str) -> Option<String> {
    let sent = trimmed(value).filter(|sent| sent.len() <= MAX_SENT)?;
    let mut value = cleaned(sent, |c| (!is_pasted(c)).then_some(c));
    if !value.is_ascii() {
        // An international domain may contain joiners (RFC 5892, appendix A).
        value = cleaned(sent, |c| (!is_invisible(c)).then_some(c));
    }
    let value = trimmed(&value)?;
    let (local, sent_domain) = value.split_once('@')?;
    // An ASCII local part keeps its case, before an international domain, too.
    let mut local_part = cleaned(local, |c| (!is_pasted(c)).then_some(c));
    if !local_part.is_ascii() {
        let (mapped, valid) = Uts46::new().to_unicode(local.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
        valid.ok()?;
        local_part = Cow::Owned(mapped.into_owned());
    }
    let local = local_part;
    if local.len() > MAX_LOCAL || !local.split('.').all(is_atom) {
        return None;
    }
    let domain = Uts46::new()
        .to_ascii(sent_domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .ok()?;
    let (_, top) = domain.rsplit_once('.')?;
    if top.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let domain = if sent_domain.is_ascii() { sent_domain } else { &domain };
    Some(format!("{local}@{domain}")).filter(|address| address.len() <= MAX_ADDRESS)
}

/// One or more `atext` characters (RFC 5322, 3.2.3; RFC 6531, 3.3).
fn is_atom(atom: &str) -> bool {
    let special = |c: char| "!#$%&'*+-/=?^_`{|}~".contains(c);
    !atom.is_empty() && atom.chars().all(|c| c.is_ascii_alphanumeric() || special(c) || !c.is_ascii())
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn address_keeps_its_case_and_gets_a_punycode_domain() {
        for (sent, stored) in [
            ("ada@example.com", "ada@example.com"),
            ("\u{a0}Ada.Lovelace+x@Example.COM\r\n", "Ada.Lovelace+x@Example.COM"),
            ("!#$%&'*+-/=?^_`{|}~@a-b.c--d.example", "!#$%&'*+-/=?^_`{|}~@a-b.c--d.example"),
            ("a@1.example", "a@1.example"),
            ("a\u{200d}da@exam\u{200c}ple.com", "ada@example.com"),
            ("\u{202a}\u{feff}ada\u{200b}@exa\u{ad}mple.com\u{202c}\u{200e}", "ada@example.com"),
            ("a@MÜLLER.Example", "a@xn--mller-kva.example"),
            ("a@faß.de", "a@xn--fa-hia.de"),
            ("a@例え。テスト", "a@xn--r8jz45g.xn--zckzah"),
            ("a@مثال.إختبار", "a@xn--mgbh0fb.xn--kgbechtv"),
            ("a@XN--MLLER-KVA.example", "a@XN--MLLER-KVA.example"),
            ("MÜLLER@Example.com", "müller@Example.com"),
            ("mu\u{308}ller.x@example.com", "müller.x@example.com"),
            ("A\u{fe0e}d\u{200d}a@例え。テスト", "Ada@xn--r8jz45g.xn--zckzah"),
            ("संपर्क@डाटामेल.भारत", "संपर्क@xn--c2bd4bq1db8d.xn--h2brj9c"),
            ("用户@例え。テスト", "用户@xn--r8jz45g.xn--zckzah"),
        ] {
            assert_eq!(Email::parse(sent).unwrap().as_str(), stored);
        }
    }

    #[test]
    fn masked_address_shows_only_first_letters() {
        assert_eq!(masked("ada@example.com"), "a…@e…");
        assert_eq!(masked("a@example.com"), "…@e…");
    }

    #[test]
    fn length_limits_apply_to_the_stored_form() {
        let label = "a".repeat(63);
        let local = "l".repeat(64);
        let longest = format!("{local}@{label}.{label}.{}", "b".repeat(61));
        assert_eq!(longest.len(), 254);
        assert_eq!(Email::parse(&longest).unwrap().as_str(), longest);
        assert!(Email::parse(&format!("{longest}b")).is_err());
        assert!(Email::parse(&format!("l{local}@example.com")).is_err());
        assert!(Email::parse(&format!("a@a{label}.com")).is_err());
        assert!(Email::parse(&format!("a@{}.com", "ü".repeat(63))).is_err());
        assert!(Email::parse(&format!("a@{}.com", "ü".repeat(30_000))).is_err());
        // UTS 46 removes soft hyphens. The result would be short enough, but processing the long input is expensive.
        assert!(Email::parse(&format!("a@ü{}.com", "\u{ad}".repeat(20))).is_ok());
        assert!(Email::parse(&format!("a@ü{}.com", "\u{ad}".repeat(30_000))).is_err());
        let many = vec!["ü"; 40].join(".");
        assert!(many.len() < 254 && Email::parse(&format!("a@{many}.com")).is_err());
    }

    #[test]
    fn undeliverable_address_is_refused() {
        for bad in [
            "",
            "@",
            "a",
            "a@",
            "@b.c",
            "a@b",
            "a@b.",
            "a@.b.c",
            "a@b..c",
            "a@b.c.",
            ".a@b.co",
            "a.@b.co",
            "a..b@c.co",
            "a@b@c.co",
            "\"a b\"@c.co",
            "a b@c.co",
            "a@c.co, b@c.co",
            "a@c.co b@c.co",
            "Ada <a@c.co>",
            "<a@c.co>",
            "a(x)@c.co",
            "a\\@c.co",
            "ä..b@c.co",
            "ä b@c.co",
            "ä\"b@c.co",
            "ä＠b@c.co",
            "ä\u{0}@c.co",
            "\u{301}a@c.co",
            "ä\u{e000}@c.co",
            "ä\u{fffd}@c.co",
            "a@[127.0.0.1]",
            "a@[IPv6:::1]",
            "a@127.0.0.1",
            "a@b.42",
            "a@-b.co",
            "a@b-.co",
            "a@b.-co",
            "a@b.co-",
            "a@b_c.co",
            "a@b!.co",
            "a@b.co:25",
            "a@b/c.co",
            "a@xn--a.co",
            "a@xn--.co",
            "a@xn--zzzzzzzz99.co",
            "a@xn--mller-kva-.co",
            "a@b\u{ad}.",
            "a@\u{ad}.co",
            "a@ü_x.co",
            "a@ü＠b.co",
            "a@１.２",
            "a@ü.１２",
            "a\n@b.co",
            "a@b\0.co",
            "a@b.co\u{85}x",
            "a@b\u{80}.co",
            "mailto:a@b@c.co",
            "a@b\u{fffd}.co",
            "a@אa.co",
            "a%\r\nBcc:x@b.co",
        ] {
            assert_eq!(
                Email::parse(bad),
                Err(Invalid("must be one e-mail address such as ada@example.com")),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn same_as_ignores_case() {
        let ada = Email::parse("Ada@Example.com").unwrap();
        assert_eq!(ada.domain(), "Example.com");
        assert!(ada.same_as(&Email::parse("aDA@exAMPLE.com").unwrap()));
        assert!(!ada.same_as(&Email::parse("ada@example.org").unwrap()));
    }

    fn nearly_an_address() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "\\PC{0,8}@\\PC{0,12}\\.\\PC{1,6}", "[a-z.]{1,4}@[a-zü。٣xn.0-9-]{1,14}"]
    }

    proptest! {
        #[test]
        fn accepted_address_is_idempotent_and_valid_in_lettre(value in nearly_an_address()) {
            if let Ok(email) = Email::parse(&value) {
                prop_assert!(email.domain().is_ascii());
                let address = email.address();
                prop_assert_eq!(address.to_string(), email.as_str());
                if email.as_str().is_ascii() {
                    prop_assert_eq!(lettre::Address::from_str(email.as_str()), Ok(address));
                }
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
            }
        }

        #[test]
        fn valid_addresses_are_accepted_as_sent(
            address in "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\\.[a-z0-9]{1,9}){0,3}@([a-z0-9]([a-z0-9-]?[a-zA-Z0-9]){0,9}\\.){1,3}[a-zA-Z]{2,9}",
        ) {
            prop_assert_eq!(Email::parse(&address).unwrap().to_string(), address.as_str());
            prop_assert!(lettre::Address::from_str(&address).is_ok());
        }

        #[test]
        fn international_domains_are_accepted(label in "[a-zäöüßéñçœžłøåа-яα-ω]{1,20}", top in "[a-z]{2,5}|рф|中国") {
            let email = Email::parse(&format!("a@{label}.{top}")).unwrap();
            prop_assert_eq!(lettre::Address::from_str(email.as_str()).unwrap().to_string(), email.as_str());
            prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
        }
    }
}
