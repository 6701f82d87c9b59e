//! Signs mails by DKIM (RFC 6376; Ed25519: RFC 8463), for mail servers that do not sign themselves. The key is the
//! operator's. A receiver reads its public half in DNS, at `<selector>._domainkey.<domain>`.

use std::fmt::Write;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, error::KeyRejected};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::{Address, Message};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::config::{Config, Dkim};

/// The fields that are signed. `From` is named twice, so that a second one cannot be added (RFC 6376, 8.15).
const FIELDS: [&str; 13] = [
    "from",
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "mime-version",
    "content-type",
    "content-language",
    "auto-submitted",
    "list-unsubscribe",
    "list-unsubscribe-post",
];

/// Columns of a line of the signature.
const WIDTH: usize = 70;

/// Why the settings of `[mail.dkim]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("USERDOCKS_MAIL__DKIM__PRIVATE_KEY_FILE: {0} cannot be read: {1}")]
    File(String, std::io::Error),
    #[error(
        "USERDOCKS_MAIL__DKIM__PRIVATE_KEY_FILE: {0} must be a private key in PEM form, RSA of 2048 bits or more or Ed25519"
    )]
    Key(String),
}

/// Signs the mails from one domain.
pub struct Signer {
    domain: String,
    selector: String,
    key: Key,
}

enum Key {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    /// The signer of the settings; `None` if they name no key.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn of(config: &Config) -> Result<Option<Self>, Error> {
        let Dkim { domain, selector, private_key_file: file } = &config.mail.dkim;
        if file.is_empty() {
            return Ok(None);
        }
        let pem = std::fs::read(file).map_err(|error| Error::File(file.clone(), error))?;
        let key = Key::parse(&pem).ok_or_else(|| Error::Key(file.clone()))?;
        Ok(Some(Self { domain: domain.clone(), selector: selector.clone(), key }))
    }

    /// Adds a `DKIM-Signature` to a mail from the domain or one below it. Other mails are left as they are: a signature of
    /// a domain that is not the sender's proves nothing (DMARC, RFC 7489, 3.1.1).
    pub fn sign(&self, message: &mut Message, from: &Address) {
        let sender = from.domain().to_ascii_lowercase();
        if !sender.strip_suffix(&self.domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
            return;
        }
        let bytes = message.formatted();
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return };
        let fields = fields(head);
        let mut signed = Vec::new();
        let mut input = String::new();
        for name in FIELDS {
            // From the last to the first of a name (RFC 6376, 5.4.2). A name without a field counts as empty.
            let earlier = signed.iter().filter(|earlier| **earlier == name).count();
            let field = fields.iter().rev().filter(|(field, _)| field == name).nth(earlier);
            if field.is_some() || name == "from" {
                signed.push(name);
            }
            if let Some((name, value)) = field {
                let _ = write!(input, "{name}:{value}\r\n");
            }
        }
        let hash = BASE64_STANDARD.encode(digest::digest(&digest::SHA256, relaxed_body(body).as_bytes()));
        let value = format!(
            "v=1; a={}; c=relaxed/relaxed; d={};\r\n s={}; h={};\r\n bh={hash};\r\n b=",
            self.key.algorithm(),
            self.domain,
            self.selector,
            signed.chunks(6).map(|names| names.join(":")).collect::<Vec<_>>().join(":\r\n ")
        );
        let _ = write!(input, "dkim-signature:{}", relaxed(&value));
        let Some(signature) = self.key.sign(input.as_bytes()) else { return };
        let signature = BASE64_STANDARD.encode(signature);
        let lines: Vec<_> = signature.as_bytes().chunks(WIDTH).map(String::from_utf8_lossy).collect();
        let value = format!("{value}{}", lines.join("\r\n "));
        let name = HeaderName::new_from_ascii_str("DKIM-Signature");
        message.headers_mut().insert_raw(HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value));
    }
}

impl Key {
    fn parse(pem: &[u8]) -> Option<Self> {
        let rsa = |key: Result<RsaKeyPair, KeyRejected>| key.ok().map(Self::Rsa);
        match PrivateKeyDer::from_pem_slice(pem).ok()? {
            PrivateKeyDer::Pkcs1(key) => rsa(RsaKeyPair::from_der(key.secret_pkcs1_der())),
            PrivateKeyDer::Pkcs8(key) => {
                let der = key.secret_pkcs8_der();
                let ed25519 = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Self::Ed25519);
                ed25519.or_else(|| rsa(RsaKeyPair::from_pkcs8(der)))
            }
            _ => None,
        }
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "rsa-sha256",
            Self::Ed25519(_) => "ed25519-sha256",
        }
    }

    /// `None` if there is no memory.
    fn sign(&self, input: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature).ok()?;
                Some(signature)
            }
            // RFC 8463, 3: Ed25519 signs the hash.
            Self::Ed25519(key) => {
                Some(key.sign(digest::digest(&digest::SHA256, input).as_ref()).as_ref().to_vec())
            }
        }
    }
}

/// The fields of a head as (name, value) in the relaxed form.
fn fields(head: &str) -> Vec<(String, String)> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", "\t");
    let fields = unfolded.split("\r\n").filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.trim().to_ascii_lowercase(), relaxed(value))).collect()
}

/// A value in the relaxed form (RFC 6376, 3.4.2).
fn relaxed(value: &str) -> String {
    value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A body in the relaxed form (RFC 6376, 3.4.4).
fn relaxed_body(body: &str) -> String {
    let mut relaxed = String::with_capacity(body.len() + 2);
    for line in body.trim_end_matches("\r\n").split("\r\n") {
        let mut gap = false;
        for c in line.trim_end_matches([' ', '\t']).chars() {
            let blank = matches!(c, ' ' | '\t');
            if !(blank && gap) {
                relaxed.push(if blank { ' ' } else { c });
            }
            gap = blank;
        }
        relaxed.push_str("\r\n");
    }
    let end = relaxed.trim_end_matches("\r\n").len();
    relaxed.truncate(if end == 0 { 0 } else { end + 2 });
    relaxed
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, KeyPair, UnparsedPublicKey};
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm};
    use lettre::message::Mailbox;

    use super::*;

    #[test]
    fn relaxed_forms_are_those_of_rfc_6376() {
        // RFC 6376, 3.4.5.
        let head = "A: X\r\nB : Y\t\r\n\tZ  ";
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(fields(head), [pair("a", "X"), pair("b", "Y Z")]);
        assert_eq!(relaxed_body(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
        for (body, canonical) in [
            ("", ""),
            ("\r\n\r\n", ""),
            (" \r\n", ""),
            ("x \t\r\n", "x\r\n"),
            ("x", "x\r\n"),
            ("a\r\n\r\nb", "a\r\n\r\nb\r\n"),
        ] {
            assert_eq!(relaxed_body(body), canonical, "{body:?}");
        }
    }

    fn mail(from: &Address) -> Message {
        let builder =
            Message::builder().from(Mailbox::new(None, from.clone())).to("b@other.example".parse().unwrap());
        let builder = builder.subject("Grüße  und   mehr").date(std::time::SystemTime::UNIX_EPOCH);
        builder.body("Hello \r\n  you.\r\n\r\n".to_owned()).unwrap()
    }

    /// Verifies a signature as a receiver does, from the bytes of the mail.
    fn verify(message: &Message, algorithm: &'static dyn VerificationAlgorithm, public: &[u8]) -> bool {
        let bytes = String::from_utf8(message.formatted()).unwrap();
        let (head, body) = bytes.split_once("\r\n\r\n").unwrap();
        let all = fields(head);
        let (_, signature) = all.iter().find(|(name, _)| name == "dkim-signature").unwrap();
        let tag = |name: &str| {
            let tags = signature.split(';').map(str::trim);
            tags.filter_map(|tag| tag.split_once('='))
                .find(|(tag, _)| *tag == name)
                .unwrap()
                .1
                .replace(' ', "")
        };
        let hash = digest::digest(&digest::SHA256, relaxed_body(body).as_bytes());
        if tag("bh") != BASE64_STANDARD.encode(hash) {
            return false;
        }
        let mut input = String::new();
        let mut rest = all.clone();
        for name in tag("h").split(':') {
            if let Some(at) = rest.iter().rposition(|(field, _)| field == name) {
                let (name, value) = rest.remove(at);
                let _ = write!(input, "{name}:{value}\r\n");
            }
        }
        let without = signature.rsplit_once("b=").unwrap().0;
        let _ = write!(input, "dkim-signature:{without}b=");
        let hashed = digest::digest(&digest::SHA256, input.as_bytes());
        let input = if tag("a") == "ed25519-sha256" { hashed.as_ref() } else { input.as_bytes() };
        let key = UnparsedPublicKey::new(algorithm, public);
        key.verify(input, &BASE64_STANDARD.decode(tag("b")).unwrap()).is_ok()
    }

    #[test]
    fn signature_covers_the_head_and_the_body() {
        let ed25519 = Ed25519KeyPair::generate().unwrap();
        let rsa = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let publics = [ed25519.public_key().as_ref().to_vec(), rsa.public_key().as_ref().to_vec()];
        let algorithms: [&'static dyn VerificationAlgorithm; 2] = [&ED25519, &RSA_PKCS1_2048_8192_SHA256];
        for ((key, public), algorithm) in
            [Key::Ed25519(ed25519), Key::Rsa(rsa)].into_iter().zip(publics).zip(algorithms)
        {
            let signer = Signer { domain: "acme.example".to_owned(), selector: "s1".to_owned(), key };
            for from in ["a@acme.example", "a@mail.ACME.example"].map(|from| from.parse().unwrap()) {
                let mut message = mail(&from);
                signer.sign(&mut message, &from);
                assert!(verify(&message, algorithm, &public), "{message:?}");
                message.headers_mut().set(lettre::message::header::Subject::from("Other".to_owned()));
                assert!(!verify(&message, algorithm, &public));
                assert!(message.formatted().split(|byte| *byte == b'\n').all(|line| line.len() <= 79));
            }
            for from in ["a@other.example", "a@notacme.example", "a@acme.example.org"] {
                let from = from.parse().unwrap();
                let mut message = mail(&from);
                let before = message.formatted();
                signer.sign(&mut message, &from);
                assert_eq!(message.formatted(), before);
            }
        }
    }
}
