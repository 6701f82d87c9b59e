//! `DELETE /v1/invites/by-id/{inviteId}`: revokes an invite.

use axum::extract::State;
use axum::http::StatusCode;
use uuid::Uuid;

use super::InvitePath;
use crate::audit;
use crate::db::invites::manage::{self, RevokeOutcome};
use crate::domain::id::{AppId, UserId};
use crate::http::auth::Caller;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::idempotency::retry_until_known;
use crate::http::state::AppState;

/// Revokes an invite that was not accepted. Its code becomes invalid, and a queued mail is not sent.
pub async fn revoke(
    State(state): State<AppState>,
    InvitePath { caller: Caller { app, user }, invite }: InvitePath<Caller>,
) -> Result<Success<()>, Error> {
    let message = match retry_until_known(|| revoke_once(&state, app, user, invite)).await? {
        RevokeOutcome::Revoked => "the invite was revoked",
        RevokeOutcome::AlreadyRevoked => {
            audit::record(|facts| facts.unchanged = true);
            "the invite was revoked before"
        }
        RevokeOutcome::Accepted => return Err(Error::InviteAccepted),
        RevokeOutcome::OutOfReach => return Err(Error::InviteOutOfReach),
    };
    Ok(Success { status: StatusCode::OK, message, data: () })
}

async fn revoke_once(
    state: &AppState,
    app: AppId,
    user: Option<UserId>,
    invite: Uuid,
) -> Result<RevokeOutcome, Error> {
    Ok(manage::revoke(&state.store.pool, app, user, invite).await?)
}
