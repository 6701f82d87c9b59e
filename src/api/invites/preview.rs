//! `GET /v1/invites/{code}`: shows the invite of a code.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::accept::InviteByCodePath;
use crate::api::pages::invite::record_view;
use crate::api::route::{Route, get};
use crate::domain::email;
use crate::http::envelope::Success;
use crate::http::operation::{Data, Operation};
use crate::http::state::AppState;

/// An invite as the holder of its code sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvitePreview {
    kind: &'static str,
    state: &'static str,
    app_name: String,
    inviter: Option<String>,
    language: String,
    email: String,
    expires_at: String,
}

impl Data for InvitePreview {
    const SCHEMA: &'static str = "Offer";
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
    Success { status: StatusCode::OK, message: "the invite", data }
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
            .message("the invite"),
    )
}
