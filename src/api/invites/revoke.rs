//! `DELETE /v1/invites/by-id/{inviteId}`: revokes an invite.

use axum::extract::State;

use super::InvitePath;
use crate::api::route::{Route, post};
use crate::audit;
use crate::db::invites::manage::{self, RevokeInvite, RevokeOutcome};
use crate::http::auth::Caller;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::operation::Operation;
use crate::http::state::AppState;

/// Revokes an invite that was not accepted. Its code becomes invalid, and a queued mail is not sent.
pub async fn revoke(
    State(state): State<AppState>,
    InvitePath { caller: Caller { app, user }, invite }: InvitePath<Caller>,
) -> Result<Success<()>, Error> {
    let decide = |outcome| match outcome {
        RevokeOutcome::Revoked => Ok("the invite was revoked"),
        RevokeOutcome::AlreadyRevoked => {
            audit::record(|facts| facts.unchanged = true);
            Ok("the invite was revoked before")
        }
        RevokeOutcome::Accepted => Err(Error::InviteAccepted),
        RevokeOutcome::OutOfReach => Err(Error::InviteOutOfReach),
    };
    let command = RevokeInvite { caller: user, invite };
    let message = state.store.change(app).run(manage::revoke, &command, decide).await??;
    Ok(Success::ok(message, ()))
}

pub fn route() -> Route {
    post(
        "/invites/by-id/{inviteId}/revoke",
        revoke,
        Operation::new("revokeInvite", "invites", "Revoke an invite")
            .about(
                "Revokes an invite that has not been accepted. A queued mail is not sent. The user that \
                    the invite created is kept and can be invited again. If the invite was revoked before, \
                    `message` says so.",
            )
            .message("the invite was revoked")
            .refuses([Error::InviteAccepted]),
    )
}
