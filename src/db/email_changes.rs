//! A new address of a user, and how it comes to be verified: by the code in a mail to it, or by word of the
//! backend. The mails are written by the transaction that changes the address: one to the new address, and, if
//! the old one was verified, one that tells it. Of the codes of a user only the newest is good for anything.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{PgConnection, query};

use super::outbox::NewMail;
use super::updates::{self, Addresses, Locked, Update, Updated};
use super::webhooks::{Change, tell_of};
use super::{Error, Pool, Transaction, is_violation};
use crate::domain::email::Email;
use crate::domain::id::{AppId, UserId};
use crate::domain::invite::InviteCode;
use crate::domain::webhook::{EventId, EventType};

/// Confirmation mails of a day (UTC).
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// That one user asks for.
    pub per_user: i32,
    /// To one address, over all users of the app.
    pub per_recipient: i32,
}

/// What became of a change that may be one of address.
#[derive(Debug, PartialEq, Eq)]
pub enum Changed {
    /// As with any other change, and how many mails there are of it.
    Update(Updated, usize),
    /// The mails of today are used up; nothing has changed.
    QuotaExceeded,
}

/// As [`updates::update`], with a mail to a new address and one to the old. `bounds`: for the user of a token; a
/// backend answers for what it does.
pub async fn change(
    db: &Pool,
    change: &Update,
    expected: Option<&[i64]>,
    bounds: Option<Bounds>,
    (confirmation, notice): (&NewMail, &NewMail),
    (told, fields): (Option<EventId>, &[String]),
) -> Result<Changed, Error> {
    let Update { app, user, ref patch, .. } = *change;
    // Of two users who take each other's address at once, PostgreSQL ends one's wait: by the next look the
    // other has been answered.
    for _ in 0..4 {
        let mut transaction = Transaction::begin(db).await?;
        let before = query!(
            "SELECT email, email_verified FROM users WHERE app_id = $1 AND user_id = $2 AND NOT deleted
            FOR NO KEY UPDATE",
            app.0,
            user.0,
        )
        .fetch_optional(&mut *transaction)
        .await?;
        let one = std::slice::from_ref(change);
        let written = updates::write(&mut transaction, one, Locked::Wait, Addresses::Changed, expected).await;
        let version = match written.map(|mut written| written.pop()) {
            Ok(Some(written)) => written.version,
            Ok(None) => {
                transaction.rollback().await?;
                let seen = updates::look(db, change, expected).await?;
                // It was out of reach a moment ago, if it is not now.
                let refused = if seen == Updated::Stale { seen } else { Updated::OutOfReach };
                return Ok(Changed::Update(refused, 0));
            }
            Err(Error::Sql(error)) if is_violation(&error, "users_email_key") => {
                transaction.rollback().await?;
                return Ok(Changed::Update(Updated::EmailTaken, 0));
            }
            Err(error) if error.is_deadlock() => {
                transaction.rollback().await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let more = json!({ "fields": fields });
        tell_of(&mut transaction, told, EventType::UserUpdated, app, user, more).await?;
        let (old, verified) = before.map_or((None, false), |row| (row.email, row.email_verified));
        let is_new =
            |email: &Email| !old.as_deref().is_some_and(|old| old.eq_ignore_ascii_case(email.as_str()));
        if !patch.email.as_ref().is_some_and(is_new) {
            transaction.commit().await?;
            return Ok(Changed::Update(Updated::Yes(version), 0));
        }
        if !ask(&mut transaction, app, user, bounds, confirmation).await? {
            transaction.rollback().await?;
            return Ok(Changed::QuotaExceeded);
        }
        let mut mails = 1;
        if let Some(old) = old.filter(|_| verified) {
            tell(&mut transaction, app, user, &old, notice).await?;
            mails = 2;
            notice.spending.spent();
        }
        // Whether it comes about or not, once its commit has begun.
        confirmation.spending.spent();
        transaction.commit().await?;
        return Ok(Changed::Update(Updated::Yes(version), mails));
    }
    Err(Error::Contended)
}

/// Queues the mail that asks the user's address to confirm, whose row the caller has locked. What was asked before
/// is void. False: the bounds do not let it.
async fn ask(
    db: &mut PgConnection,
    app: AppId,
    user: UserId,
    bounds: Option<Bounds>,
    mail: &NewMail,
) -> Result<bool, Error> {
    let done = query!(
        r#"
        WITH person AS (
            SELECT email, language FROM users WHERE app_id = $1 AND user_id = $2 AND email IS NOT NULL
        ), changer AS (
            INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT $1, 'changer', $2::uuid::text, (now() AT TIME ZONE 'UTC')::date, 1, $8 WHERE $8::int IS NOT NULL
            ON CONFLICT (app_id, scope, subject, day)
            DO UPDATE SET used = referral_quotas.used + 1, allowed = EXCLUDED.allowed
        ), address AS (
            INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT $1, 'address', lower(email), (now() AT TIME ZONE 'UTC')::date, 1, $9 FROM person
            WHERE $9::int IS NOT NULL
            ON CONFLICT (app_id, scope, subject, day)
            DO UPDATE SET used = referral_quotas.used + 1, allowed = EXCLUDED.allowed
        ), void AS (
            DELETE FROM outbox
            WHERE app_id = $1 AND user_id = $2 AND kind = 'confirmation' AND state = 'queued' AND NOT claimed
        ), asked AS (
            INSERT INTO email_confirmations (app_id, user_id, email, code_hash, expires_at)
            SELECT $1, $2, email, $3, now() + make_interval(secs => $4) FROM person
            ON CONFLICT (app_id, user_id) DO UPDATE SET email = EXCLUDED.email, code_hash = EXCLUDED.code_hash,
                created_at = now(), expires_at = EXCLUDED.expires_at, confirmed_at = NULL
        )
        INSERT INTO outbox (app_id, mail_id, user_id, kind, recipient, language, secret, message_id)
        SELECT $1, $5, $2, 'confirmation', email, language, $6, $7 FROM person
        "#,
        app.0,
        user.0,
        &mail.code_hash,
        mail.expires_after.as_secs_f64(),
        mail.id,
        mail.secret,
        mail.message_id,
        bounds.map(|bounds| bounds.per_user),
        bounds.map(|bounds| bounds.per_recipient),
    )
    .execute(db)
    .await;
    match done {
        Ok(_) => Ok(true),
        Err(error) if is_violation(&error, "referral_quotas_allowed_check") => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Queues the mail that tells the old address of a user.
async fn tell(
    db: &mut PgConnection,
    app: AppId,
    user: UserId,
    old: &str,
    mail: &NewMail,
) -> Result<(), Error> {
    query!(
        "INSERT INTO outbox (app_id, mail_id, user_id, kind, recipient, language, secret, message_id)
        SELECT $1, $3, $2, 'notice', $4, language, $5, $6 FROM users WHERE app_id = $1 AND user_id = $2",
        app.0,
        user.0,
        mail.id,
        old,
        mail.secret,
        mail.message_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What became of a call for another mail.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// It is queued.
    Queued,
    /// One went out a short while ago, or still waits to.
    TooSoon,
    /// The address is verified.
    Verified,
    /// The mails of today are used up.
    QuotaExceeded,
    /// The user is unknown, frozen or deleted.
    OutOfReach,
}

/// Asks the address of a user once more, unless a mail to it went out less than `resend_after` ago or still waits.
pub async fn ask_again(
    db: &Pool,
    app: AppId,
    user: UserId,
    resend_after: Duration,
    bounds: Option<Bounds>,
    mail: &NewMail,
) -> Result<Asked, Error> {
    let mut transaction = Transaction::begin(db).await?;
    let person = query!(
        "SELECT email_verified FROM users
        WHERE app_id = $1 AND user_id = $2 AND NOT freezed AND NOT deleted FOR NO KEY UPDATE",
        app.0,
        user.0,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let asked = match person {
        None => Asked::OutOfReach,
        Some(person) if person.email_verified => Asked::Verified,
        Some(_) => {
            // As the row is now that it is locked.
            let recent = query!(
                r#"
                SELECT EXISTS (
                    SELECT FROM outbox o JOIN users u ON u.app_id = o.app_id AND u.user_id = o.user_id
                    WHERE o.app_id = $1 AND o.user_id = $2 AND o.kind = 'confirmation'
                        AND lower(o.recipient) = lower(u.email) AND CASE o.state WHEN 'queued' THEN true
                            WHEN 'sent' THEN o.finished_at > now() - make_interval(secs => $3) ELSE false END) AS "yes!"
                "#,
                app.0,
                user.0,
                resend_after.as_secs_f64(),
            )
            .fetch_one(&mut *transaction)
            .await?;
            if recent.yes {
                Asked::TooSoon
            } else if ask(&mut transaction, app, user, bounds, mail).await? {
                Asked::Queued
            } else {
                Asked::QuotaExceeded
            }
        }
    };
    if asked == Asked::Queued {
        mail.spending.spent();
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(asked)
}

/// What is told of an address that is verified.
fn verified() -> Value {
    json!({ "fields": ["email_verified"] })
}

/// What became of a word that an address is a user's.
#[derive(Debug, PartialEq, Eq)]
pub enum Vouched {
    /// It is verified.
    Yes,
    /// The user has another.
    OtherAddress,
    /// The user is unknown, frozen or deleted.
    OutOfReach,
}

/// Marks the address of a user as verified, if it is `email`.
pub async fn vouch(
    db: &Pool,
    app: AppId,
    user: UserId,
    email: &Email,
    told: Option<EventId>,
) -> Result<Vouched, Error> {
    let mut change = Change::begin(db, told.is_some()).await?;
    let row = query!(
        r#"
        WITH person AS (
            SELECT lower(email) = lower($3) AS same FROM users
            WHERE app_id = $1 AND user_id = $2 AND NOT freezed AND NOT deleted FOR NO KEY UPDATE
        ), verified AS (
            UPDATE users SET email_verified = true, version = version + 1
            WHERE app_id = $1 AND user_id = $2 AND NOT email_verified AND EXISTS (SELECT FROM person WHERE same)
            RETURNING user_id
        ), asked AS (
            UPDATE email_confirmations SET confirmed_at = now()
            WHERE app_id = $1 AND user_id = $2 AND lower(email) = lower($3) AND confirmed_at IS NULL
                AND EXISTS (SELECT FROM person WHERE same)
        ), void AS (
            DELETE FROM outbox
            WHERE app_id = $1 AND user_id = $2 AND kind = 'confirmation' AND state = 'queued' AND NOT claimed
                AND EXISTS (SELECT FROM person WHERE same)
        )
        SELECT same AS "same!", EXISTS (SELECT FROM verified) AS "changed!" FROM person
        "#,
        app.0,
        user.0,
        email.as_str(),
    )
    .fetch_optional(change.connection())
    .await
    .map_err(Error::of_change)?;
    if row.as_ref().is_some_and(|row| row.changed) {
        tell_of(change.connection(), told, EventType::UserUpdated, app, user, verified()).await?;
    }
    change.end().await?;
    Ok(match row {
        None => Vouched::OutOfReach,
        Some(row) if row.same => Vouched::Yes,
        Some(_) => Vouched::OtherAddress,
    })
}

/// A confirmation as its page shows it.
pub struct Confirmation {
    /// Whether it can be given.
    pub state: State,
    /// The app's name.
    pub app_name: String,
    /// The app's language, for want of texts in the user's.
    pub app_language: String,
    /// The language of the user.
    pub language: String,
    /// The address.
    pub email: String,
}

/// Whether an address can be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can.
    Open,
    /// It was.
    Confirmed,
    /// Its time is over.
    Expired,
}

impl State {
    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Confirmed => "confirmed",
            Self::Expired => "expired",
        }
    }
}

/// What this code confirms; `None` if there is none such, or the address is the user's no more, or the user is
/// frozen or deleted. Changes nothing.
pub async fn find(db: &Pool, code: &InviteCode) -> Result<Option<Confirmation>, Error> {
    let row = query!(
        r#"
        SELECT c.email, c.confirmed_at IS NOT NULL AS "confirmed!", c.expires_at <= now() AS "expired!",
            u.language, a.name AS app_name, a.language AS app_language
        FROM email_confirmations c
        JOIN apps a ON a.app_id = c.app_id
        JOIN users u ON u.app_id = c.app_id AND u.user_id = c.user_id
        WHERE c.app_id = $1 AND c.code_hash = $2 AND NOT u.freezed AND NOT u.deleted
            AND lower(u.email) = lower(c.email)
        "#,
        code.app.0,
        &code.hash(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Confirmation {
        state: match (row.confirmed, row.expired) {
            (true, _) => State::Confirmed,
            (false, true) => State::Expired,
            (false, false) => State::Open,
        },
        app_name: row.app_name,
        app_language: row.app_language,
        language: row.language,
        email: row.email,
    }))
}

/// Confirms the address of this code, once: whose it is. `None`: it could not be, as [`find`] says why.
pub async fn confirm(db: &Pool, code: &InviteCode, told: Option<EventId>) -> Result<Option<UserId>, Error> {
    let mut change = Change::begin(db, told.is_some()).await?;
    // The user is locked first, as by a change of address.
    let row = query!(
        r#"
        WITH person AS (
            SELECT u.user_id FROM users u
            JOIN email_confirmations c ON c.app_id = u.app_id AND c.user_id = u.user_id
            WHERE c.app_id = $1 AND c.code_hash = $2 AND NOT u.freezed AND NOT u.deleted
                AND lower(u.email) = lower(c.email)
            FOR NO KEY UPDATE OF u
        ), given AS (
            UPDATE email_confirmations c SET confirmed_at = now() FROM person
            WHERE c.app_id = $1 AND c.user_id = person.user_id AND c.code_hash = $2 AND c.confirmed_at IS NULL
                AND c.expires_at > now()
            RETURNING c.user_id
        ), verified AS (
            UPDATE users u SET email_verified = true, version = version + 1
            FROM given WHERE u.app_id = $1 AND u.user_id = given.user_id
        )
        SELECT user_id FROM given
        "#,
        code.app.0,
        &code.hash(),
    )
    .fetch_optional(change.connection())
    .await
    .map_err(Error::of_change)?;
    let user = row.map(|row| UserId(row.user_id));
    if let Some(user) = user {
        tell_of(change.connection(), told, EventType::UserUpdated, code.app, user, verified()).await?;
    }
    change.end().await?;
    Ok(user)
}
