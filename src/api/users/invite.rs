//! `POST /v1/users/{userId}`: invites a user by mail.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use crate::audit;
use crate::db::invites::create::{self, InviteOutcome, NewInvite, ReinviteOutcome};
use crate::db::users;
use crate::db::webhooks::publish::publish_user_event;
use crate::domain::id::{self, UserId};
use crate::domain::invites::invite_body::NewUserBody;
use crate::domain::users::User;
use crate::domain::webhook::{EventId, EventType};
use crate::http::auth::WriteKey;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, UserPath};
use crate::http::idempotency::{Begin, IdempotentCall, retry_until_known};
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
    headers: HeaderMap,
    Json(json): Json,
) -> Result<Response, Error> {
    let body = NewUserBody::parse(json)?;
    audit::record(|facts| facts.fields = body.names());
    let request = format!("invite {user} {}", body.line());
    let (fresh, mail, event) =
        (UserId(id::public()), state.new_mail(app), state.subscriptions.event_for(app));
    let new = Arc::new(NewInvite { app, path: user, fresh, body, mail });
    let invited = retry_until_known(|| invite_once(&state, &headers, &new, &request, event)).await;
    state.subscriptions.notify(event);
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
    let mut once = match IdempotentCall::begin(state, headers, app, None, request, event.is_some()).await? {
        Begin::Replay(answer) => return Ok(answer),
        Begin::Execute(once) => once,
    };
    let invited = once.batched(&state.store.invites, new, async |db| create::invite(db, new).await).await?;
    let (message, user) = match invited {
        InviteOutcome::Created(created) => {
            if event.is_some() {
                let who = UserId(created.id);
                let more = json!({ "inviterId": (created.id != user.0).then_some(user) });
                publish_user_event(once.connection().await?, event, EventType::UserInvited, app, who, more)
                    .await?;
            }
            ("the user was invited", created)
        }
        InviteOutcome::Exists => {
            let after = state.config.invite.resend_after;
            let again = state.new_mail(app);
            let message = match once
                .unbatched(async |db| create::resend(db, app, user, &body.invite, after, &again).await)
                .await?
            {
                ReinviteOutcome::Queued => "the invite was sent again",
                ReinviteOutcome::TooSoon => {
                    audit::record(|facts| facts.unchanged = true);
                    "the user was invited a short while ago, so no second mail was sent"
                }
                ReinviteOutcome::Accepted => return Err(once.refused(Error::AlreadyAccepted)),
                ReinviteOutcome::OutOfReach => return Err(once.refused(Error::UserOutOfReach)),
            };
            let stored = users::by_id(once.connection().await?, app, None, user).await?;
            (message, Box::new(stored.ok_or(Error::UserOutOfReach)?))
        }
        InviteOutcome::EmailTaken => return Err(once.refused(Error::EmailTaken("email"))),
        InviteOutcome::NotAccessible => return Err(once.refused(Error::UserOutOfReach)),
        InviteOutcome::UnknownReferralCode => return Err(once.refused(Error::UnknownReferralCode)),
    };
    let shown = UserId(user.id);
    audit::record(|facts| facts.subject = Some(user.id));
    let success = Success { status: StatusCode::OK, message, data: UserData { user } };
    once.finish(state, &success, Some(shown)).await
}
