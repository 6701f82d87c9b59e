//! `/v1/invites` and `/v1/invites/by-id/{inviteId}`: existing invites, for the app's backend, and for a user their own
//! referrals. Ids have a separate path, because other segments after `/v1/invites/` are codes.

pub mod accept;
pub mod bulk;
pub mod list;
pub mod preview;
pub mod resend;
pub mod revoke;
pub mod show;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use uuid::Uuid;

use crate::audit;
use crate::domain::email;
use crate::domain::id::{self, UserId};
use crate::domain::invites::invite::Invite;
use crate::http::auth::Callers;
use crate::http::error::Error;
use crate::http::extract::{self, Query};
use crate::http::operation::{Describe, Operation, Parameter, example};
use crate::http::state::AppState;

const INVITE_ID: Error = Error::InvalidPath("`inviteId` in the path must be a hyphenated UUID");

/// A caller and the invite in the path.
pub struct InvitePath<C> {
    caller: C,
    invite: Uuid,
}

impl<C: Callers> FromRequestParts<AppState> for InvitePath<C> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = C::authenticate(parts, state).await?;
        let invite = id::parse(&extract::param(parts, "inviteId").await?).ok_or(INVITE_ID)?;
        audit::record(|facts| facts.subject = Some(invite));
        Query::of(parts, &[])?;
        Ok(Self { caller, invite })
    }
}

impl<C: Callers> Describe for InvitePath<C> {
    fn describe(operation: &mut Operation) {
        operation.admit(C::ADMITS);
        let about = "The UUID of the invite, with hyphens, in upper or lower case.";
        operation.parameters.push(Parameter::path::<Uuid>("inviteId", about, example::INVITE));
        operation.refusals.extend([INVITE_ID, Error::InviteOutOfReach]);
    }
}

/// `code` in the path.
pub(crate) fn code_parameter() -> Parameter {
    Parameter::path::<String>("code", "The code in the link of the invite mail.", example::CODE)
}

/// An invite as this caller may see it: for a user, the address is masked and the recipient's id is removed.
fn shown(mut invite: Invite, caller: Option<UserId>) -> Invite {
    if caller.is_some() {
        invite.email = email::masked(&invite.email);
        invite.user_id = None;
    }
    invite
}
