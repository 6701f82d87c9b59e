//! The envelope sender (return path) of mails, to which bounces are sent.

use std::fmt;
use std::str::FromStr;

use lettre::Address;
use uuid::Uuid;

/// Placeholder for the mail id.
const MAIL: &str = "{mail}";

/// An address in which `{mail}` stands for the mail id, 32 hex digits. The recipient of a bounce then identifies the
/// mail (VERP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPath(String);

/// The text is not a valid return path.
#[derive(Debug, thiserror::Error)]
#[error("expected an e-mail address, such as bounces@id.example or bounces+{{mail}}@id.example")]
pub struct Invalid;

impl ReturnPath {
    /// The address for one mail.
    ///
    /// # Errors
    /// Never for a parsed value.
    pub fn address(&self, mail: Uuid) -> Result<Address, Invalid> {
        let address: Address =
            self.0.replace(MAIL, &mail.simple().to_string()).parse().map_err(|_| Invalid)?;
        let short = address.user().len() <= 64 && AsRef::<str>::as_ref(&address).len() <= 254;
        if short { Ok(address) } else { Err(Invalid) }
    }
}

impl FromStr for ReturnPath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let path = Self(text.trim().to_owned());
        let placeholders = path.0.matches(MAIL).count();
        let in_domain = path.0.rsplit_once('@').is_some_and(|(_, domain)| domain.contains(MAIL));
        if placeholders > 1 || in_domain || !path.0.is_ascii() {
            return Err(Invalid);
        }
        path.address(Uuid::nil())?;
        Ok(path)
    }
}

impl fmt::Display for ReturnPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_placeholder_is_replaced_with_the_mail_id() {
        let mail = Uuid::from_u128(0xab);
        for (text, address) in [
            ("bounces@id.example", "bounces@id.example"),
            (" bounces+{mail}@id.example ", "bounces+000000000000000000000000000000ab@id.example"),
        ] {
            let path: ReturnPath = text.parse().unwrap();
            assert_eq!(AsRef::<str>::as_ref(&path.address(mail).unwrap()), address);
        }
        for text in [
            "",
            "bounces",
            "Bounces <b@id.example>",
            "b@{mail}.example",
            "{mail}{mail}@id.example",
            "b\r\n@id.example",
            "{mail}-and-a-local-part-that-is-too-long-for-it@id.example",
        ] {
            assert!(text.parse::<ReturnPath>().is_err(), "{text}");
        }
    }
}
