//! Invites and their events, as the API and `userdocks invite` show them.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{Kind, State};

/// An invite.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    /// The UUID of the invite.
    pub id: Uuid,
    /// The UUID of the app.
    pub app_id: Uuid,
    #[schemars(with = "Kind")]
    pub kind: String,
    #[schemars(with = "State")]
    pub state: String,
    /// The address that the last mail was sent to. With an access token it is masked to the first letters.
    #[schemars(example = &"a…@e…")]
    pub email: String,
    /// See `Language`.
    #[schemars(example = &"en")]
    pub language: String,
    /// The UUID of the inviter; `null` if no user is the inviter.
    pub inviter_id: Option<Uuid>,
    /// The UUID of the invited user. For a referral, the user that acceptance created. With an access token `null`.
    pub user_id: Option<Uuid>,
    /// Time of creation, UTC.
    #[schemars(with = "Timestamp")]
    pub created_at: String,
    /// Time when a mail was last requested, UTC.
    #[schemars(with = "Timestamp")]
    pub mailed_at: String,
    /// Time of expiry, UTC.
    #[schemars(with = "Timestamp", example = &"2026-11-29T09:30:00Z")]
    pub expires_at: String,
    /// Time of acceptance, UTC.
    #[schemars(with = "Option<Timestamp>")]
    pub accepted_at: Option<String>,
    /// Time of revocation, UTC.
    #[schemars(with = "Option<Timestamp>")]
    pub revoked_at: Option<String>,
}

impl Invite {
    /// The parsed state.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        State::parse(&self.state)
    }
}

/// What happened to an invite.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum Event {
    /// The first mail was queued.
    Queued,
    /// Another mail was queued.
    Resent,
    /// The mail server refused the mail temporarily.
    Refused,
    /// The mail server accepted the mail, which does not mean that it was delivered.
    AcceptedByServer,
    /// The mail server refused the mail permanently, or the delivery was given up.
    Failed,
    /// Reported later: the delivery is late.
    Delayed,
    /// Reported later: the mail was returned.
    Bounced,
    /// Reported later: the recipient complained.
    Complained,
    /// The invite was viewed for the first time.
    Viewed,
    Accepted,
    Revoked,
    Expired,
}

/// One event of an invite.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEvent {
    /// Time of the event, UTC.
    #[schemars(with = "Timestamp")]
    pub at: String,
    #[schemars(with = "Event")]
    pub event: String,
    /// The id of the mail, if the event is about a mail.
    pub mail_id: Option<Uuid>,
    /// The reply of the mail server, or the text of the report.
    pub detail: Option<String>,
}
