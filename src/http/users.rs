//! `POST` and `PUT /v1/users/{userId}`: invite a user, change a profile.

use axum::extract::State;
use axum::http::StatusCode;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::AppState;
use super::auth::{Caller, WriteKey};
use super::envelope::Success;
use super::error::Error;
use super::extract::{Json, UserPath};
use crate::db::users::{self, Invited, Resent, Updated};
use crate::domain::invite_body::InviteBody;
use crate::domain::profile::ProfilePatch;
use crate::domain::user::User;

/// `data` of the answer to an invite.
#[derive(Serialize)]
pub struct UserData {
    user: Box<User>,
}

/// Invites a user by mail (seed `POST /users/:userId`). An id that nobody has becomes the new user's; the
/// id of a user makes them the inviter, or, with their own address, sends their invite again.
pub async fn invite(
    State(state): State<AppState>,
    path: UserPath<WriteKey>,
    Json(body): Json,
) -> Result<Success<UserData>, Error> {
    let body = InviteBody::parse(body)?;
    let (app, user) = (path.caller.app, path.user);
    let (message, user) = match users::invite(&state.db, app, user, &body, &state.new_mail(app)).await? {
        Invited::Created(user) => {
            state.wake.notify_one();
            ("the user was invited", user)
        }
        Invited::Exists => {
            let after = state.config.invite.resend_after;
            let message =
                match users::resend_invite(&state.db, app, user, after, &state.new_mail(app)).await? {
                    Resent::Queued => {
                        state.wake.notify_one();
                        "the invite was sent again"
                    }
                    Resent::TooSoon => "the user was invited a short while ago, so no second mail was sent",
                    Resent::Accepted => return Err(Error::AlreadyAccepted),
                };
            (message, Box::new(users::find(&state.db, app, user).await?.ok_or(Error::UserOutOfReach)?))
        }
        Invited::EmailTaken => return Err(Error::EmailTaken("email")),
        Invited::OutOfReach => return Err(Error::UserOutOfReach),
    };
    Ok(Success { status: StatusCode::OK, message, data: UserData { user } })
}

/// Changes the fields of a profile that the body names (seed `PUT /users/:userId`), all or none.
pub async fn update(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
    Json(body): Json,
) -> Result<Success<()>, Error> {
    let today = crate::clock::now().to_zoned(TimeZone::UTC).date();
    let patch = ProfilePatch::parse(body, today)?;
    match users::update(&state.db, caller.app, caller.user, user, &patch).await? {
        Updated::Yes => Ok(Success { status: StatusCode::OK, message: "the user was updated", data: () }),
        Updated::EmailTaken => Err(Error::EmailTaken("user.email")),
        Updated::OutOfReach => Err(Error::UserOutOfReach),
    }
}
