//! Confirmations of addresses: resending the mail, showing the page of a link, and confirming.

use std::time::Duration;

use sqlx::query;

use super::email_change::{count, write_confirmation};
use super::email_verification::event_fields;
use super::update_fields::EmailChangeRules;
use crate::db::outbox::NewMail;
use crate::db::unit_of_work::UnitOfWork;
use crate::db::{Error, Pool, is_violation};
use crate::domain::id::UserId;
use crate::domain::invites::InviteCode;
use crate::domain::webhook::EventType;

/// The outcome of a request to resend a confirmation mail.
#[derive(Debug, PartialEq, Eq)]
pub enum ResendConfirmationOutcome {
    /// The mail is queued. Also returned if it is not, because the address is taken or has had its mails of the day.
    Queued,
    /// The last mail to the address was requested too recently.
    TooSoon,
    /// The address is verified and no other one is pending.
    Verified,
    /// The mails of the day are used up.
    QuotaExceeded,
    OutOfReach,
}

pub struct ResendConfirmation {
    pub user: UserId,
    /// Whether the user requests it, and not the app's backend: the limits apply.
    pub by_user: bool,
    pub rules: EmailChangeRules,
}

/// Resends the confirmation mail to the pending address of a user, or else to their current one, unless it was
/// requested a short while ago.
pub async fn resend_confirmation(
    work: &mut UnitOfWork<'_>,
    ResendConfirmation { user, by_user, rules }: &ResendConfirmation,
) -> Result<ResendConfirmationOutcome, Error> {
    let (app, user, by_user) = (work.app, *user, *by_user);
    let db = work.transaction().await?;
    let person = query!(
        r#"
        SELECT email AS "email!", email_verified FROM users
        WHERE app_id = $1 AND user_id = $2 AND NOT freezed AND NOT deleted FOR NO KEY UPDATE
        "#,
        app.0,
        user.0,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(person) = person else { return Ok(ResendConfirmationOutcome::OutOfReach) };
    // Read again now that the user is locked.
    let last = query!(
        r#"
        SELECT email, created_at > now() - make_interval(secs => $3) AS "recent!" FROM email_confirmations
        WHERE app_id = $1 AND user_id = $2 AND confirmed_at IS NULL
        "#,
        app.0,
        user.0,
        rules.resend_after.as_secs_f64(),
    )
    .fetch_optional(&mut *db)
    .await?;
    let waits = last.as_ref().is_some_and(|last| !last.email.eq_ignore_ascii_case(&person.email));
    if person.email_verified && !waits {
        return Ok(ResendConfirmationOutcome::Verified);
    }
    if last.as_ref().is_some_and(|last| last.recent) {
        return Ok(ResendConfirmationOutcome::TooSoon);
    }
    if by_user && !count(db, app, user, rules.limits.per_user).await? {
        return Ok(ResendConfirmationOutcome::QuotaExceeded);
    }
    let address = last.filter(|_| waits).map_or(person.email, |last| last.email);
    let per_recipient = by_user.then_some(rules.limits.per_recipient);
    let asks = write_confirmation(db, app, user, &address, per_recipient, Duration::ZERO, rules).await?;
    // For a user's own address the quota may be revealed.
    if !asks && !waits {
        return Ok(ResendConfirmationOutcome::QuotaExceeded);
    }
    work.use_mail();
    Ok(ResendConfirmationOutcome::Queued)
}

/// A confirmation, as its page shows it.
pub struct Confirmation {
    /// Whether the confirmation is still possible.
    pub state: State,
    pub app_name: String,
    /// The app's language, used if there are no texts in the user's.
    pub app_language: String,
    pub language: String,
    /// The address to confirm.
    pub email: String,
    /// Whether the user's old address is informed.
    pub notifies: bool,
}

/// Whether an address can be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Confirmed,
    Expired,
    /// Another user has the address.
    Taken,
}

impl State {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Confirmed => "confirmed",
            Self::Expired => "expired",
            Self::Taken => "taken",
        }
    }
}

/// The confirmation of this code; `None` if the code is unknown or the user is frozen or deleted. Read-only.
pub async fn find(db: &Pool, code: &InviteCode) -> Result<Option<Confirmation>, Error> {
    let row = query!(
        r#"
        SELECT c.email, c.confirmed_at IS NOT NULL AS "confirmed!", c.expires_at <= now() AS "expired!",
            u.language, u.email_verified AND lower(u.email) <> lower(c.email) AS "tells!",
            h.user_id IS NOT NULL AS "taken!", a.name AS app_name, a.language AS app_language
        FROM email_confirmations c
        JOIN apps a ON a.app_id = c.app_id
        JOIN users u ON u.app_id = c.app_id AND u.user_id = c.user_id
        LEFT JOIN users h ON h.app_id = c.app_id AND lower(h.email) = lower(c.email) AND h.user_id <> c.user_id
        WHERE c.app_id = $1 AND c.code_hash = $2 AND NOT u.freezed AND NOT u.deleted
        "#,
        code.app.0,
        &code.hash(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Confirmation {
        state: match (row.confirmed, row.taken, row.expired) {
            (true, ..) => State::Confirmed,
            (false, true, _) => State::Taken,
            (false, false, true) => State::Expired,
            (false, false, false) => State::Open,
        },
        app_name: row.app_name,
        app_language: row.app_language,
        language: row.language,
        email: row.email,
        notifies: row.tells,
    }))
}

pub struct ConfirmEmail {
    pub code: InviteCode,
    /// Sent to the old address if that was verified.
    pub notice: NewMail,
}

/// Confirms the address of the code, once, and makes it the user's. Returns `None` if the address could not be confirmed; [`find`] returns the reason.
pub async fn confirm(
    work: &mut UnitOfWork<'_>,
    ConfirmEmail { code, notice }: &ConfirmEmail,
) -> Result<Option<UserId>, Error> {
    // The user is locked first, as by a change of address.
    let confirmed = query!(
        r#"
        WITH person AS (
            SELECT u.user_id, u.email, u.email_verified, u.language FROM users u
            JOIN email_confirmations c ON c.app_id = u.app_id AND c.user_id = u.user_id
            WHERE c.app_id = $1 AND c.code_hash = $2 AND NOT u.freezed AND NOT u.deleted
            FOR NO KEY UPDATE OF u
        ), given AS (
            UPDATE email_confirmations c SET confirmed_at = now() FROM person
            WHERE c.app_id = $1 AND c.user_id = person.user_id AND c.code_hash = $2 AND c.confirmed_at IS NULL
                AND c.expires_at > now()
            RETURNING c.user_id, c.email, lower(c.email) <> lower(person.email) AS is_new,
                person.email AS old, person.email_verified AS was_verified, person.language
        ), verified AS (
            UPDATE users u SET email = CASE WHEN given.is_new THEN given.email ELSE u.email END,
                email_verified = true, version = version + 1
            FROM given WHERE u.app_id = $1 AND u.user_id = given.user_id
        ), notice AS (
            INSERT INTO outbox (app_id, mail_id, user_id, kind, recipient, language, secret, message_id)
            SELECT $1, $3, user_id, 'notice', old, language, $4, $5 FROM given WHERE is_new AND was_verified
        )
        SELECT user_id, is_new AS "is_new!", was_verified FROM given
        "#,
        code.app.0,
        &code.hash(),
        notice.id,
        notice.secret,
        notice.message_id,
    )
    .fetch_optional(work.connection().await?)
    .await
    .map_err(Error::of_change);
    let row = match confirmed {
        Err(Error::Sql(error)) if is_violation(&error, "users_email_key") => return Ok(None),
        confirmed => confirmed?,
    };
    let Some(row) = row else { return Ok(None) };
    if row.is_new && row.was_verified {
        work.use_mail();
    }
    let user = UserId(row.user_id);
    work.publish(EventType::UserUpdated, Some(user), event_fields(row.is_new)).await?;
    Ok(Some(user))
}
