//! The webhooks of Postmark, which are not signed: the URL that Postmark is given has a password.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{Read, Refusal};
use crate::domain::mail::notification::Notification;
use crate::domain::mail::report::Kind;

/// Types of bounces that say nothing of whether the mail arrived.
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

/// Checks who calls, before the body is read: the password of `Authorization: Basic …`. The user name does not matter.
pub fn check(password: &str, authorization: Option<&[u8]>) -> Result<(), Refusal> {
    let sent = authorization
        .and_then(|value| std::str::from_utf8(value).ok()?.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok())
        .ok_or(Refusal::Unproven)?;
    let at = sent.iter().position(|byte| *byte == b':').ok_or(Refusal::Unproven)?;
    // Hashes have one length, so that the time tells nothing of that of the password.
    let hash = |text: &[u8]| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text);
    verify_slices_are_equal(hash(&sent[at + 1..]).as_ref(), hash(password.as_bytes()).as_ref())
        .map_err(|_| Refusal::Unproven)
}

/// Reads a call that was checked.
pub fn read(body: &[u8]) -> Read {
    let event: Event = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
    let kind = match (event.record_type.as_str(), event.r#type.as_str()) {
        ("SpamComplaint", _) | ("Bounce", "SpamComplaint") => Kind::Complained,
        ("Bounce", "Transient") => Kind::Delayed,
        ("Bounce", kind) if !PASSED_OVER.contains(&kind) => Kind::Bounced,
        _ => return Ok(Vec::new()),
    };
    let said = if event.details.is_empty() { event.description } else { event.details };
    // `MessageID` is Postmark's own.
    Ok(vec![Notification::reported(kind, "", [event.email], &said)])
}
