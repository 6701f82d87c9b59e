//! `GET /v1/invites/{code}`: shows the invite of a code.

use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::accept::InviteByCodePath;
use crate::api::pages::invite::record_view;
use crate::api::route::{Route, get};
use crate::domain::email;
use crate::domain::invites::{Kind, State as InviteState};
use crate::http::envelope::Success;
use crate::http::operation::Operation;
use crate::http::state::AppState;

const MESSAGE: &str = "the invite";

/// An invite as the holder of its code sees it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitePreview {
    #[schemars(with = "Kind")]
    kind: &'static str,
    #[schemars(with = "InviteState")]
    state: &'static str,
    #[schemars(example = &"Acme")]
    app_name: String,
    /// The name of the inviter, as entered in their profile. `null` if there is no inviter or the inviter has no name.
    #[schemars(example = &"Ada Lovelace")]
    inviter: Option<String>,
    /// See `Language`.
    #[schemars(example = &"en")]
    language: String,
    /// The invited address, masked to the first letters so that only its owner can recognize it.
    #[schemars(example = &"a…@e…")]
    email: String,
    /// Time of expiry, UTC.
    #[schemars(with = "Timestamp", example = &"2026-11-29T09:30:00Z")]
    expires_at: String,
}

/// Shows the invite of the code in the path.
pub async fn show(
    State(state): State<AppState>,
    InviteByCodePath { code, invite }: InviteByCodePath,
) -> Success<InvitePreview> {
    record_view(&state, &code, &invite).await;
    let data = InvitePreview {
        kind: invite.kind.as_str(),
        state: invite.state.as_str(),
        app_name: invite.app_name,
        inviter: invite.inviter,
        language: invite.language,
        email: email::masked(&invite.email),
        expires_at: invite.expires_at,
    };
    Success::ok(MESSAGE, data)
}

pub fn route() -> Route {
    get(
        "/invites/{code}",
        show,
        Operation::new("showInviteByCode", "invites", "Show an invite by its code")
            .about(
                "Returns the invite for the landing page of the app. The code in the mailed link is the \
                    credential, and this call does not use it up. `state` says whether the invite can be \
                    accepted.",
            )
            .message(MESSAGE),
    )
}
