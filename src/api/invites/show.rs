//! `GET /v1/invites/by-id/{inviteId}`: shows an invite with its timeline.

use axum::extract::State;
use axum::http::StatusCode;
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
use crate::http::operation::{Data, Operation};
use crate::http::state::AppState;

/// An invite with its timeline. A user gets no timeline, since it would reveal whether a mail was sent, and so who has
/// an account.
#[derive(Serialize)]
pub struct InviteWithTimeline {
    #[serde(flatten)]
    invite: Invite,
    timeline: Option<Vec<TimelineEvent>>,
}

impl Data for InviteWithTimeline {
    const SCHEMA: &'static str = "InviteLife";
}

/// Shows an invite.
pub async fn show(
    State(state): State<AppState>,
    InvitePath { caller: Reader { app, user }, invite }: InvitePath<Reader>,
) -> Result<Success<InviteWithTimeline>, Error> {
    let found = manage::find(&state.store.pool, app, user, invite).await?;
    let found = shown(found.ok_or(Error::InviteOutOfReach)?, user);
    let timeline = match user {
        None => Some(timeline::timeline(&state.store.pool, app, invite).await?),
        Some(_) => None,
    };
    let data = InviteWithTimeline { invite: found, timeline };
    Ok(Success { status: StatusCode::OK, message: "the invite", data })
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
            .message("the invite"),
    )
}
