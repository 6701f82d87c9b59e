//! A new address of a user, and how it comes to be verified: by the code in a mail to it, or by word of the backend.
//!
//! An address that the backend writes counts at once. One that a user asks for waits for its confirmation, and nothing
//! that the user can see tells whether it is free, another user's, or their own: what is counted, and what is stored of
//! it, is the same. The mails are written by the transaction of the change. Of the codes of a user only the newest is
//! good for anything.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{PgConnection, query};

use super::update::{self, Addresses, Locked, Update, Updated};
use crate::db::outbox::NewMail;
use crate::db::webhooks::{Change, tell_of};
use crate::db::{Error, Pool, Transaction, is_violation};
use crate::domain::email::Email;
use crate::domain::id::{AppId, UserId};
use crate::domain::invites::InviteCode;
use crate::domain::users::profile::ProfilePatch;
use crate::domain::webhook::{EventId, EventType};

/// What users ask for in a day (UTC).
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Changes of address of one user, and confirmations once more.
    pub per_user: i32,
    /// Confirmations to one address, over all users of the app; more are not sent, in silence.
    pub per_recipient: i32,
}

/// The two mails that a new address may take.
#[derive(Clone, Copy)]
pub struct Mails<'a> {
    /// Asks the new address to confirm.
    pub confirmation: &'a NewMail,
    /// Tells the old address, or who has the new one.
    pub notice: &'a NewMail,
}

/// As [`update::update`] for the app's backend, with a mail to a new address and one to the old: what became of it, and
/// how many mails there are.
pub async fn change(
    db: &Pool,
    change: &Update,
    expected: Option<&[i64]>,
    mails: Mails<'_>,
    (told, fields): (Option<EventId>, &[String]),
) -> Result<(Updated, usize), Error> {
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
        let written = update::write(&mut transaction, one, Locked::Wait, Addresses::Changed, expected).await;
        let version = match written.map(|mut written| written.pop()) {
            Ok(Some(written)) => written.version,
            Ok(None) => {
                transaction.rollback().await?;
                let seen = update::look(db, change, expected).await?;
                // It was out of reach a moment ago, if it is not now.
                let refused = if seen == Updated::Stale { seen } else { Updated::OutOfReach };
                return Ok((refused, 0));
            }
            Err(Error::Sql(error)) if is_violation(&error, "users_email_key") => {
                transaction.rollback().await?;
                return Ok((Updated::EmailTaken, 0));
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
            |email: &&Email| !old.as_deref().is_some_and(|old| old.eq_ignore_ascii_case(email.as_str()));
        let Some(email) = patch.email.as_ref().filter(is_new) else {
            transaction.commit().await?;
            return Ok((Updated::Yes(version), 0));
        };
        ask(&mut transaction, app, user, email.as_str(), None, Duration::ZERO, mails).await?;
        let mut written = 1;
        if let Some(old) = old.filter(|_| verified) {
            tell(&mut transaction, app, user, &old, mails.notice).await?;
            mails.notice.spending.spent();
            written = 2;
        }
        // Whether it comes about or not, once its commit has begun.
        mails.confirmation.spending.spent();
        transaction.commit().await?;
        return Ok((Updated::Yes(version), written));
    }
    Err(Error::Contended)
}

/// What became of a user's own call for another address.
#[derive(Debug, PartialEq, Eq)]
pub enum Requested {
    /// As with any other change; the address waits.
    Update(Updated),
    /// The user has asked for all of today's; nothing has changed.
    QuotaExceeded,
}

/// Has `email` wait until it confirms that it is the user's, who asks for it; what else they ask for is stored. Their own
/// address ends what waits, and its case counts at once. Where the same address was asked for less than `again_after` ago, no second
/// mail is sent.
pub async fn request(
    db: &Pool,
    (change, email): (&Update, &Email),
    expected: Option<&[i64]>,
    bounds: Bounds,
    again_after: Duration,
    mails: Mails<'_>,
    (told, fields): (Option<EventId>, &[String]),
) -> Result<Requested, Error> {
    let Update { app, user, ref patch, .. } = *change;
    let mut transaction = Transaction::begin(db).await?;
    let person = query!(
        r#"
        SELECT email AS "email!", version FROM users
        WHERE app_id = $1 AND user_id = $2 AND NOT freezed AND NOT deleted FOR NO KEY UPDATE
        "#,
        app.0,
        user.0,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(person) = person else {
        transaction.rollback().await?;
        return Ok(Requested::Update(Updated::OutOfReach));
    };
    if expected.is_some_and(|expected| !expected.contains(&person.version)) {
        transaction.rollback().await?;
        return Ok(Requested::Update(Updated::Stale));
    }
    let own = person.email.eq_ignore_ascii_case(email.as_str());
    // Before anything is asked about an address that is not the user's own, which a page may send along with each change.
    if !own && !count(&mut transaction, app, user, bounds.per_user).await? {
        transaction.rollback().await?;
        return Ok(Requested::QuotaExceeded);
    }
    let mut version = person.version;
    let kept = Some(email.clone()).filter(|email| own && email.as_str() != person.email);
    let rest = ProfilePatch { email: kept, ..ProfilePatch::clone(patch) };
    if !rest.is_empty() {
        let fields: Vec<_> =
            fields.iter().filter(|field| *field != "email" || rest.email.is_some()).collect();
        let more = json!({ "fields": fields });
        let rest = [Update { patch: Arc::new(rest), ..change.clone() }];
        let written =
            update::write(&mut transaction, &rest, Locked::Wait, Addresses::Kept, None).await?.pop();
        let Some(written) = written else { return Ok(Requested::Update(Updated::OutOfReach)) };
        version = written.version;
        tell_of(&mut transaction, told, EventType::UserUpdated, app, user, more).await?;
    }
    if own {
        withdraw(&mut transaction, app, user, email).await?;
    } else {
        let bound = Some(bounds.per_recipient);
        ask(&mut transaction, app, user, email.as_str(), bound, again_after, mails).await?;
    }
    // Whether or not there is a mail, which the bound of the app is not to tell.
    mails.confirmation.spending.spent();
    transaction.commit().await?;
    Ok(Requested::Update(Updated::Yes(version)))
}

/// Counts one call of today. False: there were as many as the user may make, and the transaction is lost.
async fn count(db: &mut PgConnection, app: AppId, user: UserId, per_user: i32) -> Result<bool, Error> {
    let done = query!(
        "INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
        VALUES ($1, 'changer', $2::uuid::text, (now() AT TIME ZONE 'UTC')::date, 1, $3)
        ON CONFLICT (app_id, scope, subject, day)
        DO UPDATE SET used = referral_quotas.used + 1, allowed = EXCLUDED.allowed",
        app.0,
        user.0,
        per_user,
    )
    .execute(db)
    .await;
    match done {
        Ok(_) => Ok(true),
        Err(error) if is_violation(&error, "referral_quotas_allowed_check") => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Ends what waits, since `email`, the user's own, is to stay.
async fn withdraw(db: &mut PgConnection, app: AppId, user: UserId, email: &Email) -> Result<(), Error> {
    query!(
        "WITH void AS (
            DELETE FROM outbox
            WHERE app_id = $1 AND user_id = $2 AND kind = 'confirmation' AND state = 'queued' AND NOT claimed
                AND lower(recipient) <> lower($3)
        )
        DELETE FROM email_confirmations WHERE app_id = $1 AND user_id = $2 AND lower(email) <> lower($3)",
        app.0,
        user.0,
        email.as_str(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Has an address wait for the user, whose row the caller has locked, or asks the user's own, and queues the mail that
/// asks it to confirm; what was asked before is void. Where another user has the address, they are told instead, once a day;
/// then, and where the address had its mails of today, the row is written all the same, and the code of an earlier mail to
/// the same address stays good. Nothing is done where that address was asked less than `again_after` ago, or by
/// this very mail. False: no mail asks the address.
async fn ask(
    db: &mut PgConnection,
    app: AppId,
    user: UserId,
    email: &str,
    per_recipient: Option<i32>,
    again_after: Duration,
    Mails { confirmation, notice }: Mails<'_>,
) -> Result<bool, Error> {
    // The holder is locked, so that they are not erased while a mail to them is written.
    let row = query!(
        r#"
        WITH person AS (
            SELECT language FROM users WHERE app_id = $1 AND user_id = $2
        ), holder AS (
            SELECT user_id, email, language FROM users
            WHERE app_id = $1 AND lower(email) = lower($3) AND user_id <> $2 FOR KEY SHARE
        ), recent AS (
            SELECT FROM email_confirmations
            WHERE app_id = $1 AND user_id = $2 AND lower(email) = lower($3) AND confirmed_at IS NULL
                AND (created_at > now() - make_interval(secs => $6) OR code_hash = $4)
        ), address AS (
            INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT $1, 'address', lower($3), (now() AT TIME ZONE 'UTC')::date, 1, $7
            WHERE $7::int IS NOT NULL AND NOT EXISTS (SELECT FROM holder) AND NOT EXISTS (SELECT FROM recent)
            ON CONFLICT (app_id, scope, subject, day)
            DO UPDATE SET used = referral_quotas.used + 1, allowed = EXCLUDED.allowed
            WHERE referral_quotas.used < EXCLUDED.allowed
            RETURNING subject
        ), sendable AS (
            SELECT language FROM person
            WHERE NOT EXISTS (SELECT FROM holder) AND NOT EXISTS (SELECT FROM recent)
                AND ($7::int IS NULL OR EXISTS (SELECT FROM address))
        ), void AS (
            DELETE FROM outbox
            WHERE app_id = $1 AND user_id = $2 AND kind = 'confirmation' AND state = 'queued' AND NOT claimed
                AND (lower(recipient) <> lower($3) OR EXISTS (SELECT FROM sendable))
        ), asked AS (
            INSERT INTO email_confirmations (app_id, user_id, email, code_hash, expires_at)
            SELECT $1, $2, $3, $4, now() + make_interval(secs => $5) WHERE NOT EXISTS (SELECT FROM recent)
            ON CONFLICT (app_id, user_id) DO UPDATE SET (email, created_at, confirmed_at, code_hash, expires_at) = (
                SELECT EXCLUDED.email, now(), NULL::timestamptz,
                    CASE WHEN kept THEN email_confirmations.code_hash ELSE EXCLUDED.code_hash END,
                    CASE WHEN kept THEN email_confirmations.expires_at ELSE EXCLUDED.expires_at END
                FROM (SELECT lower(email_confirmations.email) = lower(EXCLUDED.email)
                        AND email_confirmations.confirmed_at IS NULL
                    AND NOT EXISTS (SELECT FROM sendable) AS kept) k)
        ), told AS (
            INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT $1, 'holder', lower(email), (now() AT TIME ZONE 'UTC')::date, 1, 1 FROM holder
            WHERE NOT EXISTS (SELECT FROM recent)
            ON CONFLICT DO NOTHING
            RETURNING subject
        ), notice AS (
            INSERT INTO outbox (app_id, mail_id, user_id, kind, recipient, language, secret, message_id)
            SELECT $1, $11, user_id, 'taken', email, language, $12, $13 FROM holder
            WHERE EXISTS (SELECT FROM told)
        ), mail AS (
            INSERT INTO outbox (app_id, mail_id, user_id, kind, recipient, language, secret, message_id)
            SELECT $1, $8, $2, 'confirmation', $3, language, $9, $10 FROM sendable
        )
        SELECT EXISTS (SELECT FROM sendable) OR EXISTS (SELECT FROM recent) AS "asks!"
        "#,
        app.0,
        user.0,
        email,
        &confirmation.code_hash,
        confirmation.expires_after.as_secs_f64(),
        again_after.as_secs_f64(),
        per_recipient,
        confirmation.id,
        confirmation.secret,
        confirmation.message_id,
        notice.id,
        notice.secret,
        notice.message_id,
    )
    .fetch_one(db)
    .await?;
    Ok(row.asks)
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
    /// It is queued, or would be, if the address were free and had not had its mails of today.
    Queued,
    /// The address was asked a short while ago.
    TooSoon,
    /// The address is verified, and none waits.
    Verified,
    /// The mails of today are used up.
    QuotaExceeded,
    /// The user is unknown, frozen or deleted.
    OutOfReach,
}

/// Asks the address once more that waits for the user, or else their own, unless it was asked less than `resend_after` ago.
pub async fn ask_again(
    db: &Pool,
    app: AppId,
    user: UserId,
    resend_after: Duration,
    bounds: Option<Bounds>,
    mails: Mails<'_>,
) -> Result<Asked, Error> {
    let mut transaction = Transaction::begin(db).await?;
    let asked = ask_locked(&mut transaction, app, user, resend_after, bounds, mails).await?;
    if asked == Asked::Queued {
        mails.confirmation.spending.spent();
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(asked)
}

async fn ask_locked(
    db: &mut PgConnection,
    app: AppId,
    user: UserId,
    resend_after: Duration,
    bounds: Option<Bounds>,
    mails: Mails<'_>,
) -> Result<Asked, Error> {
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
    let Some(person) = person else { return Ok(Asked::OutOfReach) };
    // As the row is now that the user is locked.
    let last = query!(
        r#"
        SELECT email, created_at > now() - make_interval(secs => $3) AS "recent!" FROM email_confirmations
        WHERE app_id = $1 AND user_id = $2 AND confirmed_at IS NULL
        "#,
        app.0,
        user.0,
        resend_after.as_secs_f64(),
    )
    .fetch_optional(&mut *db)
    .await?;
    let waits = last.as_ref().is_some_and(|last| !last.email.eq_ignore_ascii_case(&person.email));
    if person.email_verified && !waits {
        return Ok(Asked::Verified);
    }
    if last.as_ref().is_some_and(|last| last.recent) {
        return Ok(Asked::TooSoon);
    }
    if let Some(bounds) = bounds
        && !count(db, app, user, bounds.per_user).await?
    {
        return Ok(Asked::QuotaExceeded);
    }
    let address = last.filter(|_| waits).map_or(person.email, |last| last.email);
    let bound = bounds.map(|bounds| bounds.per_recipient);
    let asks = ask(db, app, user, &address, bound, Duration::ZERO, mails).await?;
    // Of their own address the user may know.
    Ok(if asks || waits { Asked::Queued } else { Asked::QuotaExceeded })
}

/// What is told of an address that is verified, and may be a new one.
fn verified(is_new: bool) -> Value {
    if is_new {
        json!({ "fields": ["email", "email_verified"] })
    } else {
        json!({ "fields": ["email_verified"] })
    }
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
                AND lower(recipient) = lower($3) AND EXISTS (SELECT FROM person WHERE same)
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
        tell_of(change.connection(), told, EventType::UserUpdated, app, user, verified(false)).await?;
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
    /// Whether the user's old address is to be told.
    pub tells: bool,
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
    /// Another user has it.
    Taken,
}

impl State {
    /// In a word.
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

/// What this code confirms; `None` if there is none such, or the user is frozen or deleted. Changes nothing.
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
        tells: row.tells,
    }))
}

/// An address that was confirmed.
#[derive(Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// Whose it is.
    pub user: UserId,
    /// Whether a mail tells their old address.
    pub tells: bool,
}

/// Confirms the address of this code, once; from then on it is the user's. `notice`: tells the old one, if that was
/// verified. `None`: it could not be, as [`find`] says why.
pub async fn confirm(
    db: &Pool,
    code: &InviteCode,
    notice: &NewMail,
    told: Option<EventId>,
) -> Result<Option<Confirmed>, Error> {
    // As in a change by the backend, for two who take each other's address.
    for _ in 0..4 {
        let confirmed = confirm_once(db, code, notice, told).await;
        match confirmed {
            Err(Error::Sql(error)) if is_violation(&error, "users_email_key") => return Ok(None),
            Err(error) if error.is_deadlock() => {}
            confirmed => return confirmed,
        }
    }
    Err(Error::Contended)
}

async fn confirm_once(
    db: &Pool,
    code: &InviteCode,
    notice: &NewMail,
    told: Option<EventId>,
) -> Result<Option<Confirmed>, Error> {
    let mut change = Change::begin(db, told.is_some()).await?;
    notice.spending.spent();
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
        ), told AS (
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
    .fetch_optional(change.connection())
    .await
    .map_err(Error::of_change);
    let tells = match &confirmed {
        Ok(row) => row.as_ref().is_some_and(|row| row.is_new && row.was_verified),
        Err(error) => matches!(error, Error::InDoubt(_)),
    };
    if !tells {
        notice.spending.unspent();
    }
    let Some(row) = confirmed? else {
        change.end().await?;
        return Ok(None);
    };
    let (user, more) = (UserId(row.user_id), verified(row.is_new));
    tell_of(change.connection(), told, EventType::UserUpdated, code.app, user, more).await?;
    change.end().await?;
    Ok(Some(Confirmed { user, tells }))
}
