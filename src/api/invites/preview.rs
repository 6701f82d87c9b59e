//! `GET /v1/invites/{code}`: shows what a code is good for.

use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

use super::accept::Holder;
use crate::api::pages::invite::looked;
use crate::domain::email;
use crate::http::envelope::Success;
use crate::http::state::AppState;

/// An invite as the holder of its code sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    kind: &'static str,
    state: &'static str,
    app_name: String,
    inviter: Option<String>,
    language: String,
    email: String,
    expires_at: String,
}

/// Shows what the code is good for.
pub async fn show(State(state): State<AppState>, Holder { code, invite }: Holder) -> Success<Offer> {
    looked(&state, &code, &invite).await;
    let data = Offer {
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
