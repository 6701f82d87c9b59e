//! The key that verifies webhook requests from Twilio `SendGrid`.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Parses the verification key of an account, as its settings show it: base64 of a P-256 key (SPKI, DER).
#[must_use]
pub fn parse(text: &str) -> Option<ParsedPublicKey> {
    ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, STANDARD.decode(text.trim()).ok()?).ok()
}
