//! Referral invites: who may ask for one, how many mails a day, and the mail, in one statement.

use std::time::Duration;

use sqlx::{PgConnection, query};

use super::{Error, Pool, is_violation, outbox::NewMail};
use crate::domain::id::{AppId, UserId};
use crate::domain::invite_body::InviteBody;
use crate::domain::opt_out::AddressHash;

/// What became of a call that refers.
#[derive(Debug, PartialEq, Eq)]
pub enum Referred {
    /// Taken. Whether a mail goes out is not told: it would tell who has an account.
    Accepted,
    /// The address is the referrer's own.
    OwnAddress,
    /// The referrer's mails of today are used up.
    QuotaExceeded,
    /// The referrer is unknown, frozen or deleted, or not for this caller to act for.
    OutOfReach,
}

/// Bounds of referral mails.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Between two mails of one referrer to one address.
    pub resend_after: Duration,
    /// Of one referrer in a day.
    pub per_referrer: i32,
    /// To one address in a day, over all referrers of the app.
    pub per_recipient: i32,
}

/// Refers the address of `body`. What it costs the referrer depends on their own calls alone, not on whether a
/// mail goes out, so that the quota does not tell who has an account either, nor what becomes of the invite that
/// they may see. Where none goes out, the code of an earlier mail stays good, for as long as a new one would: an address
/// that opted out is treated as one that has an account. `address` is its hash under the app's key; `caller` as in
/// [`super::updates::update`].
#[expect(clippy::too_many_arguments, reason = "each is a value of the statement")]
pub async fn refer(
    db: &mut PgConnection,
    app: AppId,
    caller: Option<UserId>,
    referrer: UserId,
    body: &InviteBody,
    address: &AddressHash,
    bounds: Bounds,
    mail: &NewMail,
) -> Result<Referred, Error> {
    // Rows are locked in one order (invite, referrer's quota, recipient's), since each part reads the one
    // before: no two calls wait for each other. Of calls at once for one invite the first counts, and the
    // others, which know its old time, do nothing.
    let result = query!(
        r#"
        WITH referrer AS (
            SELECT r.user_id, lower(r.email) = lower($4) AS own FROM users r
            WHERE r.app_id = $1 AND r.user_id = $2 AND NOT r.freezed AND NOT r.deleted
                AND ($3::uuid IS NULL OR EXISTS (
                    SELECT FROM users c
                    WHERE c.app_id = $1 AND c.user_id = $3 AND NOT c.freezed AND NOT c.deleted
                        AND c.tenant_id = r.tenant_id))
        ), known AS (
            SELECT invite_id, mailed_at FROM invites
            WHERE app_id = $1 AND inviter_id = $2 AND lower(email) = lower($4)
                AND kind = 'referral' AND accepted_at IS NULL
        ), sendable AS (
            SELECT NOT EXISTS (SELECT FROM users WHERE app_id = $1 AND lower(email) = lower($4))
                AND NOT EXISTS (SELECT FROM opt_outs WHERE app_id = $1 AND address_hash = $16)
                AND NOT EXISTS (
                    SELECT FROM outbox o JOIN known USING (invite_id)
                    WHERE o.app_id = $1 AND (o.state = 'queued'
                        OR o.state = 'sent' AND o.finished_at > now() - make_interval(secs => $9)))
                AND $11 > COALESCE((
                    SELECT used FROM referral_quotas
                    WHERE app_id = $1 AND scope = 'recipient' AND subject = lower($4)
                        AND day = (now() AT TIME ZONE 'UTC')::date), 0) AS yes
        ), invite AS (
            INSERT INTO invites
                (app_id, invite_id, kind, inviter_id, email, address_hash, language, code_hash, expires_in, expires_at)
            SELECT $1, $5, 'referral', user_id, $4, $16, $6, $7, $15, now() + make_interval(secs => COALESCE(
                $15::integer, (SELECT invite_expires_in FROM apps WHERE app_id = $1), $8::float8))
            FROM referrer WHERE NOT own
            ON CONFLICT (app_id, inviter_id, lower(email)) WHERE kind = 'referral' AND accepted_at IS NULL
            DO UPDATE SET mailed_at = now(), revoked_at = NULL, email = EXCLUDED.email, address_hash = EXCLUDED.address_hash,
                language = EXCLUDED.language, expires_in = EXCLUDED.expires_in, expires_at = EXCLUDED.expires_at,
                code_hash = CASE WHEN (SELECT yes FROM sendable) THEN EXCLUDED.code_hash ELSE invites.code_hash END
            WHERE invites.mailed_at <= now() - make_interval(secs => $9)
                AND invites.mailed_at = (SELECT mailed_at FROM known)
            RETURNING invite_id
        ), referrer_quota AS (
            INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT $1, 'referrer', $2::uuid::text, (now() AT TIME ZONE 'UTC')::date, 1, $10 FROM invite
            ON CONFLICT (app_id, scope, subject, day)
            DO UPDATE SET used = referral_quotas.used + 1, allowed = EXCLUDED.allowed
            RETURNING app_id
        ), recipient_quota AS (
            INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT $1, 'recipient', lower($4), (now() AT TIME ZONE 'UTC')::date, 1, $11
            FROM referrer_quota, sendable WHERE yes
            ON CONFLICT (app_id, scope, subject, day)
            DO UPDATE SET used = referral_quotas.used + 1, allowed = EXCLUDED.allowed
            WHERE referral_quotas.used < EXCLUDED.allowed
            RETURNING app_id
        ), mail AS (
            INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id)
            SELECT $1, $12, invite_id, 'referral', $4, $6, $13, $14 FROM invite, recipient_quota
        )
        SELECT own AS "own!" FROM referrer
        "#,
        app.0,
        referrer.0,
        caller.map(|caller| caller.0),
        body.email.as_str(),
        crate::domain::id::new(),
        body.language.as_str(),
        &mail.code_hash,
        mail.expires_after.as_secs_f64(),
        bounds.resend_after.as_secs_f64(),
        bounds.per_referrer,
        bounds.per_recipient,
        mail.id,
        mail.secret,
        mail.message_id,
        body.expires_in,
        &address.0,
    )
    .fetch_optional(db)
    .await;
    match result {
        Ok(Some(row)) if row.own => Ok(Referred::OwnAddress),
        Ok(Some(_)) => Ok(Referred::Accepted),
        Ok(None) => Ok(Referred::OutOfReach),
        Err(error) if is_violation(&error, "referral_quotas_allowed_check") => Ok(Referred::QuotaExceeded),
        Err(error) => Err(Error::of_change(error)),
    }
}

/// Deletes the counts of days that are over.
pub async fn forget_quotas(db: &Pool) -> Result<(), Error> {
    query!("DELETE FROM referral_quotas WHERE day < (now() AT TIME ZONE 'UTC')::date").execute(db).await?;
    Ok(())
}
