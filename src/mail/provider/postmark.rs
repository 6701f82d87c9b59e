//! Postmark's webhooks. They are not signed: the URL that is configured at Postmark contains a password.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{Read, Refusal};
use crate::domain::mail::notification::Notification;
use crate::domain::mail::report::Kind;

/// Types of bounces that do not show whether the mail arrived.
const PASSED_OVER: [&str; 6] =
    ["AutoResponder", "AddressChange", "ChallengeVerification", "OpenRelayTest", "Subscribe", "Unsubscribe"];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    record_type: String,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    details: String,
    #[serde(default)]
    description: String,
}

/// Checks the password of `Authorization: Basic …`, before the body is read. The user name is ignored.
pub fn check(password: &str, authorization: Option<&[u8]>) -> Result<(), Refusal> {
    let sent = authorization
        .and_then(|value| std::str::from_utf8(value).ok()?.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok())
        .ok_or(Refusal::Unproven)?;
    let at = sent.iter().position(|byte| *byte == b':').ok_or(Refusal::Unproven)?;
    // Hashes have the same length, so that the time of the comparison does not reveal the length of the password.
    let hash = |text: &[u8]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text);
    verify_slices_are_equal(hash(&sent[at + 1..]).as_ref(), hash(password.as_bytes()).as_ref())
        .map_err(|_| Refusal::Unproven)
}

/// Parses a call that [`check`] has accepted.
pub fn read(body: &[u8]) -> Read {
    let event: Event = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
    let kind = match (event.record_type.as_str(), event.r#type.as_str()) {
        ("SpamComplaint", _) | ("Bounce", "SpamComplaint") => Kind::Complained,
        ("Bounce", "Transient") => Kind::Delayed,
        ("Bounce", kind) if !PASSED_OVER.contains(&kind) => Kind::Bounced,
        _ => return Ok(Vec::new()),
    };
    let detail = if event.details.is_empty() { event.description } else { event.details };
    // `MessageID` is Postmark's own id, not the `Message-ID` of the mail.
    Ok(vec![Notification::reported(kind, "", [event.email], &detail)])
}
