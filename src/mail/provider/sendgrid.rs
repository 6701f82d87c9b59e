//! The Event Webhook of Twilio `SendGrid`, signed with ECDSA.

use aws_lc_rs::signature::ParsedPublicKey;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Read, Refusal, check_age};
use crate::domain::mail::notification::Notification;
use crate::domain::mail::report::Kind;

/// The header with the signature.
pub const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
/// The header with the timestamp.
pub const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

/// Verifies and parses a call.
pub fn read(key: &ParsedPublicKey, signature: &[u8], timestamp: &[u8], body: &[u8], now: Timestamp) -> Read {
    let signature = STANDARD.decode(signature).map_err(|_| Refusal::Unproven)?;
    key.verify_sig(&[timestamp, body].concat(), &signature).map_err(|_| Refusal::Unproven)?;
    let signed = std::str::from_utf8(timestamp).ok().and_then(|text| text.parse().ok());
    check_age(signed.ok_or(Refusal::Malformed)?, now)?;
    let events: Vec<Value> = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
    Ok(events.into_iter().filter_map(|event| Event::deserialize(event).ok()?.notification()).collect())
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "event")]
    name: String,
    email: String,
    #[serde(default, rename = "smtp-id")]
    message_id: String,
    #[serde(default)]
    status: String,
    #[serde(default, alias = "response")]
    reason: String,
}

impl Event {
    fn notification(self) -> Option<Notification> {
        let kind = match self.name.as_str() {
            "bounce" | "dropped" => Kind::Bounced,
            "deferred" => Kind::Delayed,
            "spamreport" => Kind::Complained,
            _ => return None,
        };
        let detail = format!("{} {}", self.status, self.reason);
        Some(Notification::reported(kind, &self.message_id, [self.email], &detail))
    }
}
