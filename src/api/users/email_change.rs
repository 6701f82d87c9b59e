//! Changes of e-mail addresses. An address that a backend writes counts at once, and a mail asks to confirm it; an
//! address that a user requests counts once it is confirmed. A backend can mark an address as verified. With an access
//! token, only the code in the mail verifies an address, and no response reveals whether an address is another user's.

use crate::db::outbox::NewMail;
use crate::db::users::email_change::{self, ConfirmationLimits, EmailChangeOutcome, Mails};
use crate::db::users::update::{self, Update, UpdateOutcome};
use crate::domain::email::Email;
use crate::domain::id::AppId;
use crate::domain::webhook::EventId;
use crate::http::error::Error;
use crate::http::idempotency::retry_until_known_if;
use crate::http::state::AppState;

/// Limits for access tokens. A backend is responsible for its recipients; a token may be in anyone's hands.
pub(super) const OF_A_TOKEN: ConfirmationLimits = ConfirmationLimits { per_user: 10, per_recipient: 3 };

/// Changes a profile for the app's backend, with `email` among the fields. The address that the user already has is
/// treated like any other field.
pub(crate) async fn update(
    state: &AppState,
    change: &Update,
    versions: Option<&[i64]>,
    event: Option<EventId>,
    names: &[String],
) -> Result<UpdateOutcome, Error> {
    let app = change.app;
    let kept = || async {
        let Some(event) = event else {
            return Ok(update::update_without_email(&state.store.pool, change, versions).await?);
        };
        let updated = update::update_and_publish(&state.store.pool, change, versions, event, names).await?;
        Ok(Some(updated).filter(|updated| matches!(updated, UpdateOutcome::Updated(_))))
    };
    if let Some(updated) = retry_until_known_if(versions.is_none(), kept).await? {
        return Ok(updated);
    }
    // Take the quota first: a task that holds a connection must not wait for another.
    let spending = async || state.store.mails.take(&state.store.pool, app).await.map_err(Error::from);
    let (first, second) = (spending().await?, spending().await?);
    let (confirmation, notice) =
        (&state.new_mail(app).with_quota(first), &notice(state, app).with_quota(second));
    let changed = || async {
        let mails = Mails { confirmation, notice };
        Ok(email_change::change(&state.store.pool, change, versions, mails, (event, names)).await?)
    };
    let (updated, mails) = retry_until_known_if(versions.is_none(), changed).await?;
    if mails > 0 {
        state.wake.notify_one();
    }
    Ok(updated)
}

/// Changes a user's profile for the user, who requests the address `email`.
pub(crate) async fn request(
    state: &AppState,
    (change, email): (&Update, &Email),
    versions: Option<&[i64]>,
    event: Option<EventId>,
    names: &[String],
) -> Result<UpdateOutcome, Error> {
    let app = change.app;
    let spending = state.store.mails.take(&state.store.pool, app).await?;
    let (confirmation, notice) = (&state.new_mail(app).with_quota(spending), &notice(state, app));
    let requested = || async {
        let (mails, after) = (Mails { confirmation, notice }, state.config.invite.resend_after);
        let (asked, publish) = ((change, email), (event, names));
        Ok(email_change::request(&state.store.pool, asked, versions, OF_A_TOKEN, after, mails, publish)
            .await?)
    };
    match retry_until_known_if(versions.is_none(), requested).await? {
        EmailChangeOutcome::Update(updated) => {
            if matches!(updated, UpdateOutcome::Updated(_)) {
                state.wake.notify_one();
            }
            Ok(updated)
        }
        EmailChangeOutcome::QuotaExceeded => Err(Error::ConfirmationQuotaExceeded),
    }
}

pub(crate) fn notice(state: &AppState, app: AppId) -> NewMail {
    NewMail::without_code(app, &state.seal, state.config.mail.from.email.domain())
}
