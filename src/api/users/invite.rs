//! `POST /v1/users/{userId}`: invites a user by mail.

use schemars::JsonSchema;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::api::route::{Route, post};
use crate::audit;
use crate::db::invites::create::{self, InviteUser, InviteUserOutcome};
use crate::db::invites::new_invite::NewInvite;
use crate::domain::fields::FieldErrors;
use crate::domain::id::{self, UserId};
use crate::domain::invites::invite_body::NewUserBody;
use crate::domain::users::User;
use crate::http::auth::WriteKey;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, RequestBody, UserPath};
use crate::http::idempotency::{IdempotencyKey, IdempotentResponse, idempotent};
use crate::http::operation::Operation;
use crate::http::state::AppState;

/// An invited user.
#[derive(Serialize, JsonSchema)]
pub struct UserData {
    user: Box<User>,
}

/// Invites a user by mail (seed `POST /users/:userId`). An unused id in the path becomes the new user's. The id of an
/// existing user makes them the inviter; with their own address in the body, their invite is sent again.
pub async fn invite(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    key: IdempotencyKey,
    Json(body): Json<NewUserBody>,
) -> Result<IdempotentResponse<UserData>, Error> {
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
        Ok(Success::ok(message, UserData { user }))
    })
    .await
}

impl RequestBody for NewUserBody {
    fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors> {
        Self::parse(body)
    }
}

pub fn route() -> Route {
    post(
        "/users/{userId}",
        invite,
        Operation::new("inviteUser", "users", "Invite a user")
            .about(
                "Sends an invite mail to `email` and returns the new user. If the id in the path is \
                    unused, it becomes the id of the new user, who gets a new tenant. If it is the id of an \
                    existing user, that user is the inviter: the new user gets a new id and joins the \
                    inviter's tenant. If `email` is the existing user's own address, their invite is sent \
                    again, unless a mail was sent less than `invite.resend_after` ago.",
            )
            .message("the user was invited")
            .refuses([
                Error::EmailTaken("email"),
                Error::AlreadyAccepted,
                Error::UnknownReferralCode,
                Error::MailQuotaExceeded(Duration::ZERO),
            ])
            .links(&["updateUser", "showUser", "createToken", "eraseUser", "createReferralInvite"]),
    )
}
