//! Changes of a user's address. An address set by the backend takes effect at once; one that a user requests takes
//! effect when it is confirmed. A user cannot see whether the requested address is free or belongs to another user:
//! quota use and stored data are the same. Mails are written in the transaction of the change, and only the newest code
//! of a user is valid.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sqlx::{PgConnection, query};

use super::update::{self, EmailChange, RowLock, Update, UpdateOutcome};
use crate::db::outbox::NewMail;
use crate::db::webhooks::publish::publish_user_event;
use crate::db::{Error, Pool, Transaction, is_violation};
use crate::domain::email::Email;
use crate::domain::id::{AppId, UserId};
use crate::domain::users::profile::ProfilePatch;
use crate::domain::webhook::{EventId, EventType};

/// Daily (UTC) limits.
#[derive(Clone, Copy, Debug)]
pub struct ConfirmationLimits {
    /// Address changes and repeated confirmation mails of one user.
    pub per_user: i32,
    /// Confirmation mails to one address, over all users of the app. Mails above the limit are silently not sent.
    pub per_recipient: i32,
}

/// The two mails that a change of address may send.
#[derive(Clone, Copy)]
pub struct Mails<'a> {
    /// Asks the new address to confirm.
    pub confirmation: &'a NewMail,
    /// Informs the old address, or the user who already has the new one.
    pub notice: &'a NewMail,
}

/// Changes a profile as [`update::update`] does, for the app's backend. A new address is mailed, and so is the old one
/// if it was verified. Returns the outcome and the number of mails.
pub async fn change(
    db: &Pool,
    change: &Update,
    expected: Option<&[i64]>,
    mails: Mails<'_>,
    (event, fields): (Option<EventId>, &[String]),
) -> Result<(UpdateOutcome, usize), Error> {
    let Update { app, user, ref patch, .. } = *change;
    // If two users swap addresses at the same time, PostgreSQL ends one transaction with a deadlock error. It is
    // retried after the other has committed.
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
        let written = update::write(&mut transaction, one, RowLock::Wait, EmailChange::Allow, expected).await;
        let version = match written.map(|mut written| written.pop()) {
            Ok(Some(written)) => written.version,
            Ok(None) => {
                transaction.rollback().await?;
                let seen = update::unchanged_outcome(db, change, expected).await?;
                // The user may have become accessible since; report the state that the update saw.
                let refused = if seen == UpdateOutcome::Stale { seen } else { UpdateOutcome::NotAccessible };
                return Ok((refused, 0));
            }
            Err(Error::Sql(error)) if is_violation(&error, "users_email_key") => {
                transaction.rollback().await?;
                return Ok((UpdateOutcome::EmailTaken, 0));
            }
            Err(error) if error.is_deadlock() => {
                transaction.rollback().await?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let more = json!({ "fields": fields });
        publish_user_event(&mut transaction, event, EventType::UserUpdated, app, user, more).await?;
        let (old, verified) = before.map_or((None, false), |row| (row.email, row.email_verified));
        let is_new =
            |email: &&Email| !old.as_deref().is_some_and(|old| old.eq_ignore_ascii_case(email.as_str()));
        let Some(email) = patch.email.as_ref().filter(is_new) else {
            transaction.commit().await?;
            return Ok((UpdateOutcome::Updated(version), 0));
        };
        write_confirmation(&mut transaction, app, user, email.as_str(), None, Duration::ZERO, mails).await?;
        let mut written = 1;
        if let Some(old) = old.filter(|_| verified) {
            write_notice(&mut transaction, app, user, &old, mails.notice).await?;
            mails.notice.spending.mark_used();
            written = 2;
        }
        // Once the commit begins, the mail counts even if its outcome is unknown.
        mails.confirmation.spending.mark_used();
        transaction.commit().await?;
        return Ok((UpdateOutcome::Updated(version), written));
    }
    Err(Error::Contended)
}

/// The outcome of a user's request for a new address.
#[derive(Debug, PartialEq, Eq)]
pub enum EmailChangeOutcome {
    /// As for any other update; the new address awaits confirmation.
    Update(UpdateOutcome),
    /// The user has used up the requests of the day. Nothing has changed.
    QuotaExceeded,
}

/// Stores `email` as a user's pending address until it is confirmed; the other fields of the change are stored at once.
/// If `email` is the user's current address, the pending one is discarded and a change of case is stored at once. If
/// the same address was requested less than `again_after` ago, no second mail is sent.
pub async fn request(
    db: &Pool,
    (change, email): (&Update, &Email),
    expected: Option<&[i64]>,
    bounds: ConfirmationLimits,
    again_after: Duration,
    mails: Mails<'_>,
    (event, fields): (Option<EventId>, &[String]),
) -> Result<EmailChangeOutcome, Error> {
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
        return Ok(EmailChangeOutcome::Update(UpdateOutcome::NotAccessible));
    };
    if expected.is_some_and(|expected| !expected.contains(&person.version)) {
        transaction.rollback().await?;
        return Ok(EmailChangeOutcome::Update(UpdateOutcome::Stale));
    }
    let own = person.email.eq_ignore_ascii_case(email.as_str());
    // Count before looking up an address that is not the user's own. A page may send the user's own address with every
    // change, so that one is not counted.
    if !own && !count(&mut transaction, app, user, bounds.per_user).await? {
        transaction.rollback().await?;
        return Ok(EmailChangeOutcome::QuotaExceeded);
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
            update::write(&mut transaction, &rest, RowLock::Wait, EmailChange::Deny, None).await?.pop();
        let Some(written) = written else {
            return Ok(EmailChangeOutcome::Update(UpdateOutcome::NotAccessible));
        };
        version = written.version;
        publish_user_event(&mut transaction, event, EventType::UserUpdated, app, user, more).await?;
    }
    if own {
        withdraw(&mut transaction, app, user, email).await?;
    } else {
        let bound = Some(bounds.per_recipient);
        write_confirmation(&mut transaction, app, user, email.as_str(), bound, again_after, mails).await?;
    }
    // Counted whether or not a mail is sent: the app's quota must not reveal it.
    mails.confirmation.spending.mark_used();
    transaction.commit().await?;
    Ok(EmailChangeOutcome::Update(UpdateOutcome::Updated(version)))
}

/// Counts one request of the day. Returns false if the user's limit was reached; the transaction must be rolled back
/// then.
pub(super) async fn count(
    db: &mut PgConnection,
    app: AppId,
    user: UserId,
    per_user: i32,
) -> Result<bool, Error> {
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

/// Discards the pending address, since the user keeps their own (`email`).
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

/// Stores a pending address of a user, whose row the caller has locked, or one to verify if it is the user's own, and
/// queues the confirmation mail. Earlier pending addresses are discarded. If another user has the address, that user is
/// informed instead, once a day. Then, and if the address has had its mails of the day, the row is still written, and
/// the code of an earlier mail to the same address stays valid. Nothing happens if the address was requested less than
/// `again_after` ago, or with this very mail. Returns false if the address is not asked to confirm.
pub(super) async fn write_confirmation(
    db: &mut PgConnection,
    app: AppId,
    user: UserId,
    email: &str,
    per_recipient: Option<i32>,
    again_after: Duration,
    Mails { confirmation, notice }: Mails<'_>,
) -> Result<bool, Error> {
    // Lock the holder, so that they are not erased while a mail to them is written.
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

/// Queues the mail that informs the old address of a user.
async fn write_notice(
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
