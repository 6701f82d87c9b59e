//! `DELETE /v1/invites/by-id/{inviteId}`: revokes an invite.

use axum::extract::State;
use axum::http::StatusCode;

use super::InvitePath;
use crate::audit;
use crate::db::invites::manage::{self, RevokeInvite, RevokeOutcome};
use crate::http::auth::Caller;
use crate::http::envelope::Success;
use crate::http::error::Error;
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
    Ok(Success { status: StatusCode::OK, message, data: () })
}
