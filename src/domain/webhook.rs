//! Webhook events and their signatures, as in the Standard Webhooks specification.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::id::{self, AppId, UserId};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// A user was created and the mail to them was queued.
    UserInvited,
    /// A user accepted an invite. For a referral, accepting creates the user.
    UserAccepted,
    UserUpdated,
    /// A user was locked out.
    UserFrozen,
    UserUnfrozen,
    UserDeleted,
    InviteBounced,
}

impl EventType {
    pub const ALL: [Self; 7] = [
        Self::UserInvited,
        Self::UserAccepted,
        Self::UserUpdated,
        Self::UserFrozen,
        Self::UserUnfrozen,
        Self::UserDeleted,
        Self::InviteBounced,
    ];

    /// The `type` of the payload.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserInvited => "user.invited",
            Self::UserAccepted => "user.accepted",
            Self::UserUpdated => "user.updated",
            Self::UserFrozen => "user.frozen",
            Self::UserUnfrozen => "user.unfrozen",
            Self::UserDeleted => "user.deleted",
            Self::InviteBounced => "invite.bounced",
        }
    }
}

impl std::str::FromStr for EventType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|event| event.as_str() == text)
            .ok_or_else(|| format!("expected one of {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// Identifies an event. The id is chosen before the change, so that a change that is retried because its answer was
/// lost publishes the event once.
#[derive(Clone, Copy, Debug)]
pub struct EventId(pub(crate) Uuid);

impl EventId {
    #[must_use]
    pub fn fresh() -> Self {
        Self(id::new())
    }

    /// Creates the event; `more` is added to the ids of the app and the user in `data`.
    #[must_use]
    pub fn of(self, kind: EventType, app: AppId, user: Option<UserId>, more: Value) -> Event {
        let mut data = json!({ "appId": app, "userId": user });
        if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
            data.extend(more);
        }
        Event { id: self, kind, data }
    }
}

/// A webhook event. It contains ids and field names, never field values.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: EventId,
    pub kind: EventType,
    /// `data` of the payload: `appId`, `userId` and details of the event type.
    pub data: Value,
}

/// The signing secret of a webhook. Its text form is `whsec_` and base64.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

const PREFIX: &str = "whsec_";

impl Secret {
    /// Generates 32 bytes from the operating system's random source.
    #[must_use]
    pub fn generate() -> Self {
        Self(super::credentials::secret_key::random::<32>().to_vec())
    }

    /// Builds the secret from its stored bytes.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The raw bytes, to be sealed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text form, to be shown once.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    fn sign(&self, signed: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, signed.as_bytes())))
    }
}

/// The `webhook-signature` header: one signature for each valid secret.
#[must_use]
pub fn signatures(secrets: &[Secret], id: Uuid, timestamp: i64, payload: &str) -> String {
    let signed = format!("{id}.{timestamp}.{payload}");
    secrets.iter().map(|secret| secret.sign(&signed)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_matches_the_standard_webhooks_example() {
        // Test vector of the specification's reference implementations, except that the id is a UUID.
        let secret = Secret::of(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        assert_eq!(secret.expose(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
        assert_eq!(secret.sign(signed), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let (id, old) = (Uuid::from_u128(7), Secret::generate());
        let both = signatures(&[secret.clone(), old.clone()], id, 5, "{}");
        let signed = format!("{id}.5.{{}}");
        assert_eq!(both, format!("{} {}", secret.sign(&signed), old.sign(&signed)));
        assert_eq!(old.expose().len(), "whsec_".len() + 44);
    }

    #[test]
    fn event_type_parses_back_and_wildcard_is_refused() {
        for event in EventType::ALL {
            assert_eq!(event.as_str().parse(), Ok(event));
        }
        assert!("user.*".parse::<EventType>().is_err());
    }
}
