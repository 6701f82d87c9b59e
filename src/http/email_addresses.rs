//! Addresses of users: a new one is asked to confirm, at once and again on demand, or the backend vouches for it.
//! Nothing lets a token say that an address is verified, but the code that the address was sent.

use axum::extract::State;
use axum::http::StatusCode;

use super::AppState;
use super::auth::{Caller, WriteKey};
use super::envelope::Success;
use super::error::Error;
use super::extract::{Json, UserPath};
use super::idempotency::{once_or_settled, settled};
use crate::audit;
use crate::db::email_changes::{self, Asked, Bounds, Changed, Vouched};
use crate::db::outbox::NewMail;
use crate::db::updates::{self, Update, Updated};
use crate::db::webhooks;
use crate::domain::email_body;
use crate::domain::id::{AppId, UserId};
use crate::domain::webhook::EventId;

/// A backend answers for whom it writes to; a token could be in anybody's hands.
const OF_A_TOKEN: Bounds = Bounds { per_user: 10, per_recipient: 3 };

fn bounds(caller: Option<UserId>) -> Option<Bounds> {
    caller.map(|_| OF_A_TOKEN)
}

/// Changes a profile, whose address is among what is named. One that is the user's already is like any other field.
pub(super) async fn update(
    state: &AppState,
    change: &Update,
    versions: Option<&[i64]>,
    event: Option<EventId>,
    names: &[String],
) -> Result<Updated, Error> {
    let app = change.app;
    let kept = || async {
        let Some(event) = event else { return Ok(updates::keep(&state.db, change, versions).await?) };
        let updated = webhooks::update_user(&state.db, change, versions, event, names).await?;
        Ok(Some(updated).filter(|updated| matches!(updated, Updated::Yes(_))))
    };
    if let Some(updated) = once_or_settled(versions.is_none(), kept).await? {
        return Ok(updated);
    }
    // Before there is a connection, of which nobody waits for a second one.
    let spending = async || state.limits.mails.take(&state.db, app).await;
    let (first, second) = (spending().await?, spending().await?);
    let mails = (state.new_mail(app).paid_with(first), notice(state, app).paid_with(second));
    let changed = || async {
        let (mails, bounds) = ((&mails.0, &mails.1), bounds(change.caller));
        Ok(email_changes::change(&state.db, change, versions, bounds, mails, (event, names)).await?)
    };
    match once_or_settled(versions.is_none(), changed).await? {
        Changed::Update(updated, mails) => {
            if mails > 0 {
                state.wake.notify_one();
            }
            Ok(updated)
        }
        Changed::QuotaExceeded => Err(Error::ConfirmationQuotaExceeded),
    }
}

fn notice(state: &AppState, app: AppId) -> NewMail {
    NewMail::without_code(app, &state.seal, state.config.mail.from.email.domain())
}

/// Sends the mail once more that asks the user's address to confirm: for the app's backend, or for the user.
pub async fn ask_again(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
) -> Result<Success<()>, Error> {
    if caller.user.is_some_and(|caller| caller != user) {
        return Err(Error::UserOutOfReach);
    }
    let spending = state.limits.mails.take(&state.db, caller.app).await?;
    let (after, mail) = (state.config.invite.resend_after, state.new_mail(caller.app).paid_with(spending));
    let (db, mail) = (&state.db, &mail);
    let ask = || async move {
        Ok(email_changes::ask_again(db, caller.app, user, after, bounds(caller.user), mail).await?)
    };
    let message = match settled(ask).await? {
        Asked::Queued => {
            state.wake.notify_one();
            "the address was asked to confirm"
        }
        Asked::TooSoon => {
            audit::note(|facts| facts.unchanged = true);
            "the address was asked a short while ago, so no second mail was sent"
        }
        Asked::Verified => return Err(Error::AlreadyVerified),
        Asked::QuotaExceeded => return Err(Error::ConfirmationQuotaExceeded),
        Asked::OutOfReach => return Err(Error::UserOutOfReach),
    };
    Ok(Success { status: StatusCode::OK, message, data: () })
}

/// Marks the user's address as verified, by word of the app's backend, if it is the one in the body.
pub async fn vouch(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    Json(body): Json,
) -> Result<Success<()>, Error> {
    let email = email_body::parse(body)?;
    audit::note(|facts| facts.fields = vec!["email_verified".to_owned()]);
    let (db, email) = (&state.db, &email);
    let event = state.listeners.event(app);
    match settled(|| async move { Ok(email_changes::vouch(db, app, user, email, event).await?) }).await? {
        Vouched::Yes => {
            state.listeners.told(event);
            Ok(Success { status: StatusCode::OK, message: "the address is verified", data: () })
        }
        Vouched::OtherAddress => Err(Error::OtherAddress),
        Vouched::OutOfReach => Err(Error::UserOutOfReach),
    }
}
