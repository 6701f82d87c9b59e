//! The sender of mails, written `Name <address>`.

use lettre::Address;
use lettre::message::Mailbox;

/// Parses an address, `Name <address>` or `"Name" <address>`. A name without quotes may contain characters that RFC
/// 5322 requires to be quoted: commas, brackets, colons, `@`. Returns `None` for anything else.
#[must_use]
pub fn parse(text: &str) -> Option<Mailbox> {
    let text = text.trim();
    if text.contains(char::is_control) {
        return None;
    }
    text.parse().ok().or_else(|| {
        let (name, address) = text.strip_suffix('>')?.rsplit_once('<')?;
        let name = name.trim();
        let plain = !name.is_empty() && !name.contains(['<', '>', '"', '\\']);
        plain.then_some(Mailbox::new(Some(name.to_owned()), address.trim().parse().ok()?))
    })
}

/// The address of a stored mailbox, if there is one.
#[must_use]
pub fn stored_address(mailbox: Option<&str>) -> Option<Address> {
    Some(mailbox?.parse::<Mailbox>().ok()?.email)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sender_name_with_special_characters_round_trips() {
        for name in [
            "ACME",
            "ACME, Inc.",
            "ACME (Europe)",
            "ACME: Accounts; all",
            "ACME @ Work",
            "[ACME]",
            "a@x.example, ACME",
            "Zoë & Söhne, GmbH",
            "株式会社, 日本",
        ] {
            let mailbox = parse(&format!("{name} <a@id.example>")).unwrap();
            assert_eq!((mailbox.name.as_deref(), mailbox.email.as_ref()), (Some(name), "a@id.example"));
            assert_eq!(parse(&mailbox.to_string()), Some(mailbox.clone()), "{mailbox}");
            assert_eq!(mailbox.to_string().parse().ok(), Some(mailbox.clone()), "{mailbox}");
            let quoted = parse(&format!("\"{name}\" <a@id.example>")).unwrap();
            assert_eq!(quoted, mailbox);
        }
        assert_eq!(parse("a@id.example").unwrap().name, None);
        assert_eq!(parse("<a@id.example>").unwrap().name, None);
    }

    #[test]
    fn invalid_sender_is_refused() {
        for text in [
            "",
            "ACME",
            "ACME, Inc.",
            "ACME, Inc. a@id.example",
            "ACME, Inc. <>",
            "ACME, Inc. <a@>",
            "ACME, Inc. <a@id.example",
            "ACME, Inc. <a@id.example> x",
            "A <a@id.example>, B <b@id.example>",
            "a@id.example, b@id.example",
            "\"ACME, Inc. <a@id.example>",
            "ACME,\r\nBcc: x <a@id.example>",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
