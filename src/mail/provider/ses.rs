//! Notifications of Amazon SES. Amazon SNS posts them and signs them with an X.509 certificate.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use serde::Deserialize;
use url::Url;

use super::{Refusal, check_age};
use crate::domain::mail::notification::Notification;
use crate::domain::mail::report::Kind;
use crate::domain::mail::sns_topic::Topic;

/// A call whose signature has not been verified yet.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Unverified {
    r#type: String,
    message_id: String,
    topic_arn: String,
    message: String,
    #[serde(default)]
    subject: Option<String>,
    timestamp: String,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    certificate: String,
    #[serde(default, rename = "SubscribeURL")]
    subscribe: Option<String>,
    #[serde(default)]
    token: Option<String>,
}

/// The content of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    Notifications(Vec<Notification>),
    /// The topic requests a confirmation of the subscription; a GET request to this URL confirms it.
    Subscription(Url),
}

impl Unverified {
    /// Parses a call of this topic. The second value is the URL of the signing certificate.
    pub fn read(topic: &Topic, body: &[u8], now: Timestamp) -> Result<(Self, Url), Refusal> {
        let call: Self = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
        // Anyone can create another topic, and Amazon signs its calls too.
        if call.topic_arn != topic.arn || call.signature_version != "2" {
            return Err(Refusal::Unproven);
        }
        let url = Url::parse(&call.certificate).map_err(|_| Refusal::Unproven)?;
        let name = url.path().strip_prefix("/SimpleNotificationService-");
        let of_sns = name.is_some_and(|name| !name.contains('/'));
        if !topic.is_amazon(&url) || !of_sns || url.query().is_some() {
            return Err(Refusal::Unproven);
        }
        let signed: Timestamp = call.timestamp.parse().map_err(|_| Refusal::Malformed)?;
        check_age(signed.as_second(), now)?;
        Ok((call, url))
    }

    /// Verifies the signature with the certificate (PEM) and parses the message.
    pub fn verify(self, topic: &Topic, certificate: &[u8]) -> Result<Message, Refusal> {
        let certificate = pem::parse(certificate).map_err(|_| Refusal::Unproven)?;
        let certificate = CertificateDer::from(certificate.contents());
        let certificate = webpki::EndEntityCert::try_from(&certificate).map_err(|_| Refusal::Unproven)?;
        let signature = STANDARD.decode(&self.signature).map_err(|_| Refusal::Unproven)?;
        let text = self.signed_text().ok_or(Refusal::Malformed)?;
        certificate
            .verify_signature(webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256, text.as_bytes(), &signature)
            .map_err(|_| Refusal::Unproven)?;
        match self.r#type.as_str() {
            "Notification" => Ok(Message::Notifications(read(&self.message))),
            "SubscriptionConfirmation" => {
                let url = self.subscribe.and_then(|url| Url::parse(&url).ok());
                url.filter(|url| topic.is_amazon(url)).map(Message::Subscription).ok_or(Refusal::Malformed)
            }
            _ => Ok(Message::Notifications(Vec::new())),
        }
    }

    /// The signed text: each name and each value on its own line.
    fn signed_text(&self) -> Option<String> {
        let mut lines = vec![("Message", self.message.as_str()), ("MessageId", &self.message_id)];
        if self.r#type == "Notification" {
            lines.extend(self.subject.as_deref().map(|subject| ("Subject", subject)));
        } else {
            lines.push(("SubscribeURL", self.subscribe.as_deref()?));
        }
        lines.push(("Timestamp", &self.timestamp));
        if self.r#type != "Notification" {
            lines.push(("Token", self.token.as_deref()?));
        }
        lines.extend([("TopicArn", self.topic_arn.as_str()), ("Type", &self.r#type)]);
        Some(lines.into_iter().flat_map(|(name, value)| [name, "\n", value, "\n"]).collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(alias = "eventType")]
    notification_type: String,
    mail: Mail,
    #[serde(default)]
    bounce: Option<Bounce>,
    #[serde(default)]
    complaint: Option<Complaint>,
    #[serde(default)]
    delivery_delay: Option<DeliveryDelay>,
}

#[derive(Deserialize)]
struct Mail {
    /// The headers that this server sent, if the topic is set to include them.
    #[serde(default)]
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    #[serde(default)]
    bounced_recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    #[serde(default)]
    complained_recipients: Vec<Recipient>,
    #[serde(default)]
    complaint_feedback_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryDelay {
    #[serde(default)]
    delayed_recipients: Vec<Recipient>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: String,
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    diagnostic_code: Option<String>,
}

fn read(message: &str) -> Vec<Notification> {
    // A newly configured topic sends one plain-text message, which is not JSON.
    let Ok(event) = serde_json::from_str::<Event>(message) else { return Vec::new() };
    let (kind, recipients, detail) = match (event.bounce, event.complaint, event.delivery_delay) {
        (Some(bounce), ..) if event.notification_type == "Bounce" => {
            // A transient bounce without an action may be an out-of-office reply.
            let failed = |one: &Recipient| one.action.as_deref() == Some("failed");
            if bounce.bounce_type == "Transient" && !bounce.bounced_recipients.iter().any(failed) {
                return Vec::new();
            }
            (Kind::Bounced, bounce.bounced_recipients, None)
        }
        (_, Some(complaint), _) if event.notification_type == "Complaint" => {
            if complaint.complaint_feedback_type.as_deref() == Some("not-spam") {
                return Vec::new();
            }
            (Kind::Complained, complaint.complained_recipients, complaint.complaint_feedback_type)
        }
        (.., Some(delay)) if event.notification_type == "DeliveryDelay" => {
            (Kind::Delayed, delay.delayed_recipients, None)
        }
        _ => return Vec::new(),
    };
    let first = recipients.first();
    let detail = detail.unwrap_or_else(|| {
        let text = |of: fn(&Recipient) -> &Option<String>| {
            first.and_then(|one| of(one).as_deref()).unwrap_or_default()
        };
        format!("{} {}", text(|one| &one.status), text(|one| &one.diagnostic_code))
    });
    let header = event.mail.headers.iter().find(|header| header.name.eq_ignore_ascii_case("message-id"));
    let message_id = header.map_or("", |header| header.value.as_str());
    let recipients = recipients.iter().map(|one| one.email_address.as_str());
    vec![Notification::reported(kind, message_id, recipients, &detail)]
}
