//! Changes of a user's address. An address set by the backend takes effect at once; one that a user requests takes
//! effect when it is confirmed. A user cannot see whether the requested address is free or belongs to another user:
//! quota use and stored data are the same. Mails are written in the transaction of the change, and only the newest code
//! of a user is valid.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, query};

use super::profile::{EmailChange, Update};
use super::update_fields::{self, EmailChangeRules, UpdateOutcome, UpdateUser, unchanged_outcome};
use crate::db::outbox::NewMail;
use crate::db::unit_of_work::UnitOfWork;
use crate::db::{Error, is_violation};
use crate::domain::email::Email;
use crate::domain::id::{AppId, UserId};
use crate::domain::users::profile::ProfilePatch;

/// Updates a user for the app's backend, with `email` among the fields. A new address is mailed, and so is the old one
/// if it was verified. The address that the user already has is a field like any other.
pub(super) async fn change(
    work: &mut UnitOfWork<'_>,
    update: &UpdateUser,
    email: &Email,
    rules: &EmailChangeRules,
) -> Result<UpdateOutcome, Error> {
    let UpdateUser { change, fields, .. } = update;
    let Update { app, user, .. } = *change;
    if let Some(kept) = update_fields::write(work, update, change, fields, EmailChange::Deny).await? {
        return Ok(UpdateOutcome::Updated(kept.version));
    }
    work.rollback().await?;
    work.take_mails(2).await?;
    let before = query!(
        "SELECT email, email_verified FROM users WHERE app_id = $1 AND user_id = $2 AND NOT deleted
        FOR NO KEY UPDATE",
        app.0,
        user.0,
    )
    .fetch_optional(work.transaction().await?)
    .await?;
    let version = match update_fields::write(work, update, change, fields, EmailChange::Allow).await {
        Ok(Some(written)) => written.version,
        // The user may have become accessible since; report the state that the update saw.
        Ok(None) => {
            return Ok(match unchanged_outcome(work, update).await? {
                UpdateOutcome::Stale => UpdateOutcome::Stale,
                _ => UpdateOutcome::NotAccessible,
            });
        }
        Err(Error::Sql(error)) if is_violation(&error, "users_email_key") => {
            return Ok(UpdateOutcome::EmailTaken);
        }
        // If two users swap addresses at the same time, PostgreSQL ends one transaction with a deadlock error. It is
        // retried after the other has committed.
        Err(error) => return Err(error),
    };
    let (old, verified): (Option<String>, bool) =
        before.map_or((None, false), |row| (row.email, row.email_verified));
    if old.as_deref().is_some_and(|old| old.eq_ignore_ascii_case(email.as_str())) {
        return Ok(UpdateOutcome::Updated(version));
    }
    let db = work.connection().await?;
    write_confirmation(db, app, user, email.as_str(), None, Duration::ZERO, rules).await?;
    work.use_mail();
    if let Some(old) = old.filter(|_| verified) {
        write_notice(work.connection().await?, app, user, &old, &rules.notice).await?;
        work.use_mail();
    }
    Ok(UpdateOutcome::Updated(version))
}

/// Updates a user for the user. `email` is stored as the pending address until it is confirmed; the other fields are
/// stored at once. If `email` is the user's current address, the pending one is discarded and a change of case is stored
/// at once.
pub(super) async fn request(
    work: &mut UnitOfWork<'_>,
    update: &UpdateUser,
    email: &Email,
    rules: &EmailChangeRules,
) -> Result<UpdateOutcome, Error> {
    let UpdateUser { change, expected, fields, .. } = update;
    let Update { app, user, ref patch, .. } = *change;
    work.take_mails(1).await?;
    let db = work.transaction().await?;
    let person = query!(
        r#"
        SELECT email AS "email!", version FROM users
        WHERE app_id = $1 AND user_id = $2 AND NOT freezed AND NOT deleted FOR NO KEY UPDATE
        "#,
        app.0,
        user.0,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(person) = person else { return Ok(UpdateOutcome::NotAccessible) };
    if expected.as_ref().is_some_and(|expected| !expected.contains(&person.version)) {
        return Ok(UpdateOutcome::Stale);
    }
    let own = person.email.eq_ignore_ascii_case(email.as_str());
    // Count before looking up an address that is not the user's own. A page may send the user's own address with every
    // change, so that one is not counted.
    if !own && !count(db, app, user, rules.limits.per_user).await? {
        return Ok(UpdateOutcome::QuotaExceeded);
    }
    let mut version = person.version;
    let kept = Some(email.clone()).filter(|email| own && email.as_str() != person.email);
    let rest = ProfilePatch { email: kept, ..ProfilePatch::clone(patch) };
    if !rest.is_empty() {
        let with_email = rest.email.is_some();
        let fields: Vec<String> =
            fields.iter().filter(|field| *field != "email" || with_email).cloned().collect();
        let rest = Update { patch: Arc::new(rest), ..change.clone() };
        match update_fields::write(work, update, &rest, &fields, EmailChange::Deny).await? {
            Some(written) => version = written.version,
            None => return Ok(UpdateOutcome::NotAccessible),
        }
    }
    let db = work.connection().await?;
    if own {
        withdraw(db, app, user, email).await?;
    } else {
        let per_recipient = Some(rules.limits.per_recipient);
        write_confirmation(db, app, user, email.as_str(), per_recipient, rules.resend_after, rules).await?;
    }
    // Counted whether or not a mail is sent: the app's quota must not reveal it.
    work.use_mail();
    Ok(UpdateOutcome::Updated(version))
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
    EmailChangeRules { confirmation, notice, .. }: &EmailChangeRules,
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
        ), pending AS (
            INSERT INTO email_confirmations (app_id, user_id, email, code_hash, expires_at)
            SELECT $1, $2, $3, $4, now() + make_interval(secs => $5) WHERE NOT EXISTS (SELECT FROM recent)
            ON CONFLICT (app_id, user_id) DO UPDATE SET (email, created_at, confirmed_at, code_hash, expires_at) = (
                SELECT EXCLUDED.email, now(), NULL::timestamptz,
                    CASE WHEN kept THEN email_confirmations.code_hash ELSE EXCLUDED.code_hash END,
                    CASE WHEN kept THEN email_confirmations.expires_at ELSE EXCLUDED.expires_at END
                FROM (SELECT lower(email_confirmations.email) = lower(EXCLUDED.email)
                        AND email_confirmations.confirmed_at IS NULL
                    AND NOT EXISTS (SELECT FROM sendable) AS kept) k)
        ), notified AS (
            INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT $1, 'holder', lower(email), (now() AT TIME ZONE 'UTC')::date, 1, 1 FROM holder
            WHERE NOT EXISTS (SELECT FROM recent)
            ON CONFLICT DO NOTHING
            RETURNING subject
        ), notice AS (
            INSERT INTO outbox (app_id, mail_id, user_id, kind, recipient, language, secret, message_id)
            SELECT $1, $11, user_id, 'taken', email, language, $12, $13 FROM holder
            WHERE EXISTS (SELECT FROM notified)
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
