//! `GET /v1/invites/by-id/{inviteId}`: shows an invite with its timeline.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::InvitePath;
use super::shown;
use crate::api::route::{Route, get};
use crate::db::invites::manage;
use crate::db::invites::timeline;
use crate::domain::invites::invite::{Invite, TimelineEvent};
use crate::http::auth::Reader;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::operation::Operation;
use crate::http::state::AppState;

const MESSAGE: &str = "the invite";

/// An invite with its timeline.
#[derive(Serialize, JsonSchema)]
pub struct InviteWithTimeline {
    #[serde(flatten)]
    invite: Invite,
    /// The events of the invite, oldest first. At most 200: the newest ones. With an access token `null`.
    #[schemars(length(max = 200))]
    timeline: Option<Vec<TimelineEvent>>,
}

/// Shows an invite.
pub async fn show(
    State(state): State<AppState>,
    InvitePath { caller: Reader { app, user }, invite }: InvitePath<Reader>,
) -> Result<Success<InviteWithTimeline>, Error> {
    let found = manage::find(&state.store.pool, app, user, invite).await?;
    let found = shown(found.ok_or(Error::InviteOutOfReach)?, user);
    // A timeline would reveal to a user whether a mail was sent, and so who has an account.
    let timeline = match user {
        None => Some(timeline::timeline(&state.store.pool, app, invite).await?),
        Some(_) => None,
    };
    let data = InviteWithTimeline { invite: found, timeline };
    Ok(Success::ok(MESSAGE, data))
}

pub fn route() -> Route {
    get(
        "/invites/by-id/{inviteId}",
        show,
        Operation::new("showInviteById", "invites", "Show an invite")
            .about(
                "Returns one invite. With an API key, any invite of the app. With an access token, the \
                    referrals of the token's user, with a masked address and without the timeline.",
            )
            .message(MESSAGE),
    )
}
