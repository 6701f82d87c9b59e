//! `POST /v1/users/{userId}`: invites a user by mail.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::audit;
use crate::db::invites::create::{self, InviteUser, InviteUserOutcome};
use crate::db::invites::new_invite::NewInvite;
use crate::domain::id::{self, UserId};
use crate::domain::invites::invite_body::NewUserBody;
use crate::domain::users::User;
use crate::http::auth::WriteKey;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, UserPath};
use crate::http::idempotency::{IdempotencyKey, idempotent};
use crate::http::state::AppState;

/// `data` of the response to an invite.
#[derive(Serialize)]
struct UserData {
    user: Box<User>,
}

/// Invites a user by mail (seed `POST /users/:userId`). An unused id in the path becomes the new user's. The id of an
/// existing user makes them the inviter; with their own address in the body, their invite is sent again.
pub async fn invite(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    key: IdempotencyKey,
    Json(json): Json,
) -> Result<Response, Error> {
    let body = NewUserBody::parse(json)?;
    audit::record(|facts| facts.fields = body.names());
    let request = format!("invite {user} {}", body.line());
    let (fresh, mail) = (UserId(id::public()), state.new_mail(app));
    let new = Arc::new(NewInvite { app, path: user, fresh, body, mail });
    let command = InviteUser { new, resend_after: state.config.invite.resend_after };
    let change = state.store.change(app).with_event().with_mails(1);
    idempotent((key, None, &request), change, create::invite, &command, |outcome| {
        let (message, user) = match outcome {
            InviteUserOutcome::Created(user) => ("the user was invited", user),
            InviteUserOutcome::Resent(user) => ("the invite was sent again", user),
            InviteUserOutcome::TooSoon(user) => {
                audit::record(|facts| facts.unchanged = true);
                ("the user was invited a short while ago, so no second mail was sent", user)
            }
            InviteUserOutcome::AlreadyAccepted => return Err(Error::AlreadyAccepted),
            InviteUserOutcome::EmailTaken => return Err(Error::EmailTaken("email")),
            InviteUserOutcome::NotAccessible => return Err(Error::UserOutOfReach),
            InviteUserOutcome::UnknownReferralCode => return Err(Error::UnknownReferralCode),
        };
        audit::record(|facts| facts.subject = Some(user.id));
        Ok(Success { status: StatusCode::OK, message, data: UserData { user } })
    })
    .await
}
