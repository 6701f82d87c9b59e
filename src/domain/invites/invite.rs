//! Invites and their events, as the API and `userdocks invite` show them.

use serde::Serialize;
use uuid::Uuid;

use super::State;

/// An invite.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    pub id: Uuid,
    pub app_id: Uuid,
    pub kind: String,
    pub state: String,
    pub email: String,
    pub language: String,
    pub inviter_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub created_at: String,
    pub mailed_at: String,
    pub expires_at: String,
    pub accepted_at: Option<String>,
    pub revoked_at: Option<String>,
}

impl Invite {
    /// The parsed state.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        State::parse(&self.state)
    }
}

/// One event of an invite.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEvent {
    /// RFC 3339.
    pub at: String,
    /// `queued`, `resent`, `refused`, `accepted_by_server`, `failed`, `delayed`, `bounced`, `complained`, `viewed`,
    /// `accepted`, `revoked` or `expired`.
    pub event: String,
    /// The mail, if the event is about one.
    pub mail_id: Option<Uuid>,
    /// The text of the mail server or the report.
    pub detail: Option<String>,
}
