//! Addresses of users. One that a backend writes counts at once and is asked to confirm; one that a user asks for waits
//! until it is confirmed. The backend can vouch for an address. Nothing lets a token say that an address is verified, but
//! the code that the address was sent, and nothing tells a token whether an address is another user's.

use crate::db::outbox::NewMail;
use crate::db::users::email_change::{self, Bounds, Mails, Requested};
use crate::db::users::update::{self, Update, Updated};
use crate::domain::email::Email;
use crate::domain::id::AppId;
use crate::domain::webhook::EventId;
use crate::http::error::Error;
use crate::http::idempotency::once_or_settled;
use crate::http::state::AppState;

/// A backend answers for whom it writes to; a token could be in anybody's hands.
pub(super) const OF_A_TOKEN: Bounds = Bounds { per_user: 10, per_recipient: 3 };

/// Changes a profile for the app's backend, whose address is among what is named. One that is the user's already is like
/// any other field.
pub(crate) async fn update(
    state: &AppState,
    change: &Update,
    versions: Option<&[i64]>,
    event: Option<EventId>,
    names: &[String],
) -> Result<Updated, Error> {
    let app = change.app;
    let kept = || async {
        let Some(event) = event else { return Ok(update::keep(&state.store.pool, change, versions).await?) };
        let updated = update::update_and_tell(&state.store.pool, change, versions, event, names).await?;
        Ok(Some(updated).filter(|updated| matches!(updated, Updated::Yes(_))))
    };
    if let Some(updated) = once_or_settled(versions.is_none(), kept).await? {
        return Ok(updated);
    }
    // Before there is a connection, of which nobody waits for a second one.
    let spending = async || state.store.mails.take(&state.store.pool, app).await.map_err(Error::from);
    let (first, second) = (spending().await?, spending().await?);
    let (confirmation, notice) =
        (&state.new_mail(app).paid_with(first), &notice(state, app).paid_with(second));
    let changed = || async {
        let mails = Mails { confirmation, notice };
        Ok(email_change::change(&state.store.pool, change, versions, mails, (event, names)).await?)
    };
    let (updated, mails) = once_or_settled(versions.is_none(), changed).await?;
    if mails > 0 {
        state.wake.notify_one();
    }
    Ok(updated)
}

/// Changes a user's profile for the user, who asks for the address `email`.
pub(crate) async fn request(
    state: &AppState,
    (change, email): (&Update, &Email),
    versions: Option<&[i64]>,
    event: Option<EventId>,
    names: &[String],
) -> Result<Updated, Error> {
    let app = change.app;
    let spending = state.store.mails.take(&state.store.pool, app).await?;
    let (confirmation, notice) = (&state.new_mail(app).paid_with(spending), &notice(state, app));
    let requested = || async {
        let (mails, after) = (Mails { confirmation, notice }, state.config.invite.resend_after);
        let (asked, told) = ((change, email), (event, names));
        Ok(email_change::request(&state.store.pool, asked, versions, OF_A_TOKEN, after, mails, told).await?)
    };
    match once_or_settled(versions.is_none(), requested).await? {
        Requested::Update(updated) => {
            if matches!(updated, Updated::Yes(_)) {
                state.wake.notify_one();
            }
            Ok(updated)
        }
        Requested::QuotaExceeded => Err(Error::ConfirmationQuotaExceeded),
    }
}

pub(crate) fn notice(state: &AppState, app: AppId) -> NewMail {
    NewMail::without_code(app, &state.seal, state.config.mail.from.email.domain())
}
