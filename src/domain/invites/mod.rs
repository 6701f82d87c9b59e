//! Invites: kinds, states, lifetimes, and the secret code in the mail.

pub mod invite;
pub mod invite_body;
pub mod referral_code;
pub mod requested_invite;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use schemars::JsonSchema;
use uuid::Uuid;

use super::credentials::api_key::sha256;
use super::id::AppId;

/// The kind of an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
pub enum Kind {
    /// Sent by the app, or by a user of the tenant that the invited user joins.
    Invite,
    /// Sent by a user who recommends the app.
    Referral,
}

impl Kind {
    /// `invite` or `referral`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "invite",
            Self::Referral => "referral",
        }
    }

    /// Parses exactly `invite` or `referral`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Invite, Self::Referral].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The state of an invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
pub enum State {
    /// The invite can be accepted.
    Open,
    /// Final.
    Accepted,
    /// The invite opens again if the address is invited again.
    Revoked,
    /// The invite opens again if it is sent again.
    Expired,
}

impl State {
    pub const ALL: [Self; 4] = [Self::Open, Self::Accepted, Self::Revoked, Self::Expired];

    /// Parses a word of [`State::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Accepted => "accepted",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// Lifetimes of an invite, in seconds, that an app or a request can set: one minute to 90 days.
pub const EXPIRES_IN: std::ops::RangeInclusive<i32> = 60..=90 * 86_400;

/// The unguessable code of an invite, which proves access to the mailbox of the invited address. It contains the app
/// id, so that the look-up is limited to the app, and 192 random bits. The database stores only its hash.
pub struct InviteCode {
    pub app: AppId,
    text: String,
}

const RANDOM: usize = 24;

impl InviteCode {
    /// Generates a code from the operating system's random source.
    #[must_use]
    pub fn generate(app: AppId) -> Self {
        let mut bytes = app.0.as_bytes().to_vec();
        bytes.extend(super::credentials::secret_key::random::<RANDOM>());
        Self { app, text: URL_SAFE_NO_PAD.encode(bytes) }
    }

    /// Parses a code. Returns `None` if its format is wrong.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (app, secret) = bytes.split_at_checked(16)?;
        (secret.len() == RANDOM).then_some(())?;
        Some(Self { app: AppId(Uuid::from_slice(app).ok()?), text: text.to_owned() })
    }

    /// SHA-256 of the code, as stored in the database.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.text.as_bytes())
    }

    /// The code as text, for the mail.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn generated_code_parses_back() {
        let app = AppId(super::super::id::new());
        let code = InviteCode::generate(app);
        let read = InviteCode::parse(code.expose()).unwrap();
        assert_eq!((read.app, read.hash()), (app, code.hash()));
        assert_ne!(InviteCode::generate(app).hash(), code.hash());
        assert!(InviteCode::parse(&code.expose()[1..]).is_none());
    }

    proptest! {
        #[test]
        fn only_canonical_base64url_is_parsed(text in "[A-Za-z0-9_-]{50,58}") {
            if let Some(code) = InviteCode::parse(&text) {
                prop_assert_eq!(code.expose(), &text);
                prop_assert_eq!(URL_SAFE_NO_PAD.encode(URL_SAFE_NO_PAD.decode(&text).unwrap()), text);
            }
        }
    }
}
