//! Mailgun's webhooks. The signature is in the body and covers a timestamp and a token, but not the event.

use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Read, Refusal, check_age};
use crate::domain::mail::notification::Notification;
use crate::domain::mail::report::Kind;

#[derive(Deserialize)]
struct Signed {
    signature: Signature,
}

#[derive(Deserialize)]
struct Signature {
    timestamp: String,
    token: String,
    #[serde(rename = "signature")]
    mac: String,
}

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "event-data")]
    event: Event,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "event")]
    name: String,
    #[serde(default)]
    severity: String,
    #[serde(default)]
    recipient: String,
    #[serde(default)]
    reason: String,
    #[serde(default, rename = "delivery-status")]
    status: Option<Status>,
    #[serde(default)]
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    code: Option<i64>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    headers: Headers,
}

#[derive(Default, Deserialize)]
struct Headers {
    #[serde(default, rename = "message-id")]
    message_id: String,
}

/// Verifies and parses a call. `key` is the HTTP webhook signing key of the account.
pub fn read(key: &str, body: &[u8], now: Timestamp) -> Read {
    let Signed { signature } = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
    let sent = hex::decode(&signature.mac).map_err(|_| Refusal::Unproven)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let text = format!("{}{}", signature.timestamp, signature.token);
    hmac::verify(&key, text.as_bytes(), &sent).map_err(|_| Refusal::Unproven)?;
    check_age(signature.timestamp.parse().map_err(|_| Refusal::Malformed)?, now)?;
    let Body { event } = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
    let kind = match (event.name.as_str(), event.severity.as_str()) {
        ("failed", "temporary") => Kind::Delayed,
        ("failed" | "rejected", _) => Kind::Bounced,
        ("complained", _) => Kind::Complained,
        _ => return Ok(Vec::new()),
    };
    let detail = event.status.map_or(event.reason, |status| {
        let text = status.message.filter(|text| !text.is_empty()).or(status.description).unwrap_or_default();
        format!("{} {text}", status.code.map_or(String::new(), |code| code.to_string()))
    });
    let message_id = event.message.map_or(String::new(), |message| message.headers.message_id);
    Ok(vec![Notification::reported(kind, &message_id, [event.recipient], &detail)])
}
