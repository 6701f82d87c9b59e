//! Creates referral invites: checks access and the daily quotas and queues the mail, in one statement.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, query};
use uuid::Uuid;

use crate::config::Config;
use crate::db::batch::{Batchable, ConflictKeys, LOCK_TIMEOUT};
use crate::db::outbox::NewMail;
use crate::db::{Error, Pool, is_violation};
use crate::domain::credentials::opt_out::AddressHash;
use crate::domain::id::{self, AppId, UserId};
use crate::domain::invites::invite_body::InviteBody;
use crate::metrics;

#[derive(Debug, PartialEq, Eq)]
pub enum ReferralOutcome {
    /// Accepted. The answer does not reveal whether a mail is sent, since that would reveal who has an account.
    Accepted,
    /// The address is the referrer's own.
    OwnAddress,
    /// The referrer's mails of the day are used up.
    QuotaExceeded,
    /// The referrer is unknown, frozen or deleted, or the caller may not act for them.
    NotAccessible,
}

/// Limits of referral mails.
#[derive(Clone, Copy, Debug)]
pub struct ReferralLimits {
    /// Between two mails from one referrer to one address.
    pub resend_after: Duration,
    /// Mails from one referrer per day.
    pub per_referrer: i32,
    /// Mails to one address per day, over all referrers of the app.
    pub per_recipient: i32,
}

impl ReferralLimits {
    /// Reads the limits from the settings.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            resend_after: config.invite.resend_after,
            per_referrer: config.limits.referrals_per_user_per_day,
            per_recipient: config.limits.referrals_per_recipient_per_day,
        }
    }
}

/// A referral invite to be created.
pub struct NewReferral {
    pub app: AppId,
    /// The user of the access token, if any.
    pub caller: Option<UserId>,
    pub referrer: UserId,
    /// The recipient and the options.
    pub body: InviteBody,
    /// The recipient's address, hashed under the app's key.
    pub address: AddressHash,
    /// The same for all referrals of a process.
    pub bounds: ReferralLimits,
    pub mail: NewMail,
}

impl Batchable for Arc<NewReferral> {
    type Answer = ReferralOutcome;
    const CHANGE: metrics::Batched = metrics::Batched::Referral;

    fn app(&self) -> AppId {
        self.app
    }

    fn conflict_keys(&self, names: &mut ConflictKeys) {
        names.add((self.app, self.referrer));
        names.add((self.app, self.body.email.as_str().to_ascii_lowercase()));
    }

    fn sends_mail(referred: &ReferralOutcome) -> bool {
        *referred == ReferralOutcome::Accepted
    }

    async fn write(db: &mut PgConnection, all: &[Self]) -> Result<Vec<Option<ReferralOutcome>>, Error> {
        let all: Vec<&NewReferral> = all.iter().map(AsRef::as_ref).collect();
        write(db, &all, false).await
    }
}

/// Creates a referral invite. The quota used and the visible state of the invite depend only on the referrer's own
/// calls, not on whether a mail is sent, so that they do not reveal who has an account. If no mail is sent, the code of
/// an earlier mail stays valid, for as long as a new one would be. An opted-out address is treated as one with an
/// account. A `caller` can reach the same users as in [`crate::db::users::update::update`].
pub async fn refer(db: &mut PgConnection, new: &NewReferral) -> Result<ReferralOutcome, Error> {
    match write(db, &[new], true).await {
        Ok(mut referred) => Ok(referred.pop().flatten().unwrap_or(ReferralOutcome::NotAccessible)),
        Err(Error::Sql(error)) if is_violation(&error, "referral_quotas_allowed_check") => {
            Ok(ReferralOutcome::QuotaExceeded)
        }
        Err(error) => Err(error),
    }
}

/// Creates referral invites of different referrers in one statement. `None`: left out, because it would make the whole
/// statement fail. If `alone` is set, such a referral is tried anyway.
#[expect(clippy::too_many_lines, reason = "one statement")]
async fn write(
    db: &mut PgConnection,
    all: &[&NewReferral],
    alone: bool,
) -> Result<Vec<Option<ReferralOutcome>>, Error> {
    fn column<'a, T>(all: &[&'a NewReferral], value: impl Fn(&'a NewReferral) -> T) -> Vec<T> {
        all.iter().map(|new| value(new)).collect()
    }
    let Some(bounds) = all.first().map(|new| new.bounds) else { return Ok(Vec::new()) };
    // Rows are locked in a fixed, sorted order (referrers, holders of the addresses, invites, quotas of referrers,
    // quotas of recipients), since each CTE reads the previous one; so two statements cannot deadlock. Of concurrent
    // calls for one invite the first counts; the others match on the old time, so they change nothing. The redundant
    // LIMIT 1 keeps PostgreSQL from reading all referrals if outdated statistics say that there are none.
    let rows = query!(
        r#"
        WITH requested AS MATERIALIZED (
            SELECT *, (now() AT TIME ZONE 'UTC')::date AS day, set_config('lock_timeout', $18, true) AS lock_timeout
            FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bytea[], $6::text[], $7::uuid[],
                $8::bytea[], $9::integer[], $10::float8[], $11::uuid[], $12::bytea[], $13::text[])
            AS a(app_id, caller, referrer, email, address_hash, language, invite_id, code_hash, expires_in,
                expires_after, mail_id, secret, message_id)
        ), referrer AS MATERIALIZED (
            SELECT a.mail_id, r.email FROM requested a
            JOIN users r ON r.app_id = a.app_id AND r.user_id = a.referrer
            WHERE NOT r.freezed AND NOT r.deleted AND (a.caller IS NULL OR a.caller = r.user_id OR r.tenant_id = (
                SELECT c.tenant_id FROM users c
                WHERE c.app_id = a.app_id AND c.user_id = a.caller AND NOT c.freezed AND NOT c.deleted))
            ORDER BY r.app_id, r.user_id FOR KEY SHARE OF r
        ), holder AS MATERIALIZED (
            SELECT a.mail_id FROM referrer f JOIN requested a ON a.mail_id = f.mail_id
            JOIN users h ON h.app_id = a.app_id AND lower(h.email) = lower(a.email)
            ORDER BY h.app_id, h.user_id FOR KEY SHARE OF h
        ), looked AS MATERIALIZED (
            SELECT a.*, lower(r.email) = lower(a.email) AS own, k.mailed_at AS known_at,
                NOT $17 AND $15 <= COALESCE((
                    SELECT q.used FROM referral_quotas q
                    WHERE q.app_id = a.app_id AND q.scope = 'referrer' AND q.subject = a.referrer::text
                        AND q.day = a.day), 0) AS spent,
                (SELECT true FROM holder h WHERE h.mail_id = a.mail_id) IS NULL
                AND (SELECT true FROM opt_outs n WHERE n.app_id = a.app_id AND n.address_hash = a.address_hash) IS NULL
                AND (
                    SELECT true FROM outbox o
                    WHERE o.app_id = a.app_id AND o.invite_id = k.invite_id AND CASE o.state WHEN 'queued' THEN true
                        WHEN 'sent' THEN o.finished_at > now() - make_interval(secs => $14) ELSE false END
                    LIMIT 1) IS NULL
                AND $16 > COALESCE((
                    SELECT q.used FROM referral_quotas q
                    WHERE q.app_id = a.app_id AND q.scope = 'recipient' AND q.subject = encode(a.address_hash, 'hex')
                        AND q.day = a.day), 0) AS sendable
            FROM requested a
            LEFT JOIN referrer r ON r.mail_id = a.mail_id
            LEFT JOIN LATERAL (
                SELECT i.invite_id, i.mailed_at FROM invites i
                WHERE i.app_id = a.app_id AND i.inviter_id = a.referrer AND lower(i.email) = lower(a.email)
                    AND i.kind = 'referral' AND i.accepted_at IS NULL
                LIMIT 1) k ON true
        ), invite AS (
            INSERT INTO invites
                (app_id, invite_id, kind, inviter_id, email, address_hash, language, code_hash, expires_in, expires_at)
            SELECT app_id, invite_id, 'referral', referrer, email, address_hash, language, code_hash, expires_in,
                now() + make_interval(secs => COALESCE(expires_in,
                    (SELECT invite_expires_in FROM apps p WHERE p.app_id = l.app_id), expires_after))
            FROM looked l WHERE NOT own AND NOT spent ORDER BY app_id, referrer
            ON CONFLICT (app_id, inviter_id, lower(email)) WHERE kind = 'referral' AND accepted_at IS NULL
                AND inviter_id IS NOT NULL
            DO UPDATE SET mailed_at = now(), revoked_at = NULL, email = EXCLUDED.email, address_hash = EXCLUDED.address_hash,
                language = EXCLUDED.language, expires_in = EXCLUDED.expires_in, expires_at = EXCLUDED.expires_at,
                code_hash = CASE WHEN (SELECT sendable FROM looked l WHERE l.invite_id = EXCLUDED.invite_id)
                    THEN EXCLUDED.code_hash ELSE invites.code_hash END
            WHERE invites.mailed_at <= now() - make_interval(secs => $14)
                AND invites.mailed_at = (SELECT known_at FROM looked l WHERE l.invite_id = EXCLUDED.invite_id)
            RETURNING app_id, inviter_id, invite_id
        ), made AS (
            SELECT l.app_id, l.referrer, l.email, encode(l.address_hash, 'hex') AS address, l.language, l.day,
                l.sendable, l.mail_id, l.secret, l.message_id, i.invite_id
            FROM looked l JOIN invite i ON i.app_id = l.app_id AND i.inviter_id = l.referrer
        ), referrer_quota AS (
            INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT app_id, 'referrer', referrer::text, day, 1, $15 FROM made ORDER BY app_id, referrer
            ON CONFLICT (app_id, scope, subject, day)
            DO UPDATE SET used = referral_quotas.used + 1, allowed = EXCLUDED.allowed
            RETURNING app_id, subject
        ), recipient_quota AS (
            INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT m.app_id, 'recipient', m.address, m.day, 1, $16
            FROM made m JOIN referrer_quota q ON q.app_id = m.app_id AND q.subject = m.referrer::text
            WHERE m.sendable ORDER BY m.app_id, m.address
            ON CONFLICT (app_id, scope, subject, day)
            DO UPDATE SET used = referral_quotas.used + 1, allowed = EXCLUDED.allowed
            WHERE referral_quotas.used < EXCLUDED.allowed
            RETURNING app_id, subject
        ), mail AS (
            INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id)
            SELECT m.app_id, m.mail_id, m.invite_id, 'referral', m.email, m.language, m.secret, m.message_id
            FROM made m JOIN recipient_quota q ON q.app_id = m.app_id AND q.subject = m.address
        )
        SELECT mail_id AS "mail_id!", own AS "own?", spent AS "spent!" FROM looked
        "#,
        &column(all, |new| new.app.0),
        &column(all, |new| new.caller.map(|caller| caller.0)) as &[Option<Uuid>],
        &column(all, |new| new.referrer.0),
        &column(all, |new| new.body.email.as_str()) as &[&str],
        &column(all, |new| new.address.0.as_slice()) as &[&[u8]],
        &column(all, |new| new.body.language.as_str()) as &[&str],
        &column(all, |_| id::new()),
        &column(all, |new| new.mail.code_hash.as_slice()) as &[&[u8]],
        &column(all, |new| new.body.expires_in) as &[Option<i32>],
        &column(all, |new| new.mail.expires_after.as_secs_f64()),
        &column(all, |new| new.mail.id),
        &column(all, |new| new.mail.secret.as_slice()) as &[&[u8]],
        &column(all, |new| new.mail.message_id.as_str()) as &[&str],
        bounds.resend_after.as_secs_f64(),
        bounds.per_referrer,
        bounds.per_recipient,
        alone,
        (!alone).then_some(LOCK_TIMEOUT),
    )
    .fetch_all(db)
    .await
    .map_err(Error::of_change)?;
    let mut answers: Vec<_> = all.iter().map(|_| None).collect();
    for row in rows {
        let Some(at) = all.iter().position(|new| new.mail.id == row.mail_id) else { continue };
        answers[at] = match row.own {
            None => Some(ReferralOutcome::NotAccessible),
            Some(true) => Some(ReferralOutcome::OwnAddress),
            Some(false) => (!row.spent).then_some(ReferralOutcome::Accepted),
        };
    }
    Ok(answers)
}

/// Deletes one batch of counts of past days. Returns true if there are more.
pub async fn delete_expired_quotas(db: &Pool) -> Result<bool, Error> {
    let done = query!(
        "WITH past AS MATERIALIZED (
            SELECT app_id, scope, subject, day FROM referral_quotas
            WHERE day < (now() AT TIME ZONE 'UTC')::date LIMIT 1000 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM referral_quotas
        WHERE (app_id, scope, subject, day) IN (SELECT app_id, scope, subject, day FROM past)"
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1000)
}
