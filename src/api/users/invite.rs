//! `POST /v1/users/{userId}`: invites a user by mail.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use crate::audit;
use crate::db::invites::create::{self, Invited, NewInvite, Resent};
use crate::db::users;
use crate::db::webhooks::publish::tell_of;
use crate::domain::id::{self, UserId};
use crate::domain::invites::invite_body::NewUserBody;
use crate::domain::users::User;
use crate::domain::webhook::{EventId, EventType};
use crate::http::auth::WriteKey;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, UserPath};
use crate::http::idempotency::{Begun, Once, settled};
use crate::http::state::AppState;

/// `data` of the answer to an invite.
#[derive(Serialize)]
struct UserData {
    user: Box<User>,
}

/// Invites a user by mail (seed `POST /users/:userId`). An id that nobody has becomes the new user's; the
/// id of a user makes them the inviter, or, with their own address, sends their invite again.
pub async fn invite(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    headers: HeaderMap,
    Json(json): Json,
) -> Result<Response, Error> {
    let body = NewUserBody::parse(json)?;
    audit::note(|facts| facts.fields = body.names());
    let request = format!("invite {user} {}", body.line());
    let (fresh, mail, event) = (UserId(id::public()), state.new_mail(app), state.listeners.event(app));
    let new = Arc::new(NewInvite { app, path: user, fresh, body, mail });
    let invited = settled(|| invite_once(&state, &headers, &new, &request, event)).await;
    state.listeners.told(event);
    invited
}

async fn invite_once(
    state: &AppState,
    headers: &HeaderMap,
    new: &Arc<NewInvite>,
    request: &str,
    event: Option<EventId>,
) -> Result<Response, Error> {
    let NewInvite { app, path: user, ref body, .. } = **new;
    let mut once = match Once::begin(state, headers, app, None, request, event.is_some()).await? {
        Begun::Replay(answer) => return Ok(answer),
        Begun::Work(once) => once,
    };
    let invited = once.together(&state.store.invites, new, async |db| create::invite(db, new).await).await?;
    let (message, user) = match invited {
        Invited::Created(created) => {
            if event.is_some() {
                let who = UserId(created.id);
                let more = json!({ "inviterId": (created.id != user.0).then_some(user) });
                tell_of(once.connection().await?, event, EventType::UserInvited, app, who, more).await?;
            }
            ("the user was invited", created)
        }
        Invited::Exists => {
            let after = state.config.invite.resend_after;
            let again = state.new_mail(app);
            let message = match once
                .alone(async |db| create::resend(db, app, user, &body.invite, after, &again).await)
                .await?
            {
                Resent::Queued => "the invite was sent again",
                Resent::TooSoon => {
                    audit::note(|facts| facts.unchanged = true);
                    "the user was invited a short while ago, so no second mail was sent"
                }
                Resent::Accepted => return Err(once.refused(Error::AlreadyAccepted)),
                Resent::OutOfReach => return Err(once.refused(Error::UserOutOfReach)),
            };
            let stored = users::by_id(once.connection().await?, app, None, user).await?;
            (message, Box::new(stored.ok_or(Error::UserOutOfReach)?))
        }
        Invited::EmailTaken => return Err(once.refused(Error::EmailTaken("email"))),
        Invited::OutOfReach => return Err(once.refused(Error::UserOutOfReach)),
        Invited::UnknownReferralCode => return Err(once.refused(Error::UnknownReferralCode)),
    };
    let shown = UserId(user.id);
    audit::note(|facts| facts.subject = Some(user.id));
    let success = Success { status: StatusCode::OK, message, data: UserData { user } };
    once.finish(state, &success, Some(shown)).await
}
