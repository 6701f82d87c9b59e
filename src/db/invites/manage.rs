//! Lists, resends and revokes invites by id. The app's backend can manage all invites of its app, the user of an access
//! token their own referrals. The holder of a mailed code can request another mail to the same address.

use sqlx::{PgExecutor, query, query_scalar};
use uuid::Uuid;

use crate::db::outbox::NewMail;
use crate::db::referrals::new_referral::ReferralLimits;
use crate::db::unit_of_work::UnitOfWork;
use crate::db::{Error, is_violation};
use crate::domain::email::Email;
use crate::domain::id::{AppId, UserId};
use crate::domain::invites::invite::Invite;
use crate::domain::invites::{Kind, State};

/// A query for [`Invite`]s. Takes the SQL after `FROM invites` and its parameters.
macro_rules! invite_rows {
    ($rest:literal, $($parameter:expr),* $(,)?) => {
        sqlx::query_as!(
            Invite,
            r#"
            SELECT invite_id AS id, app_id, kind, invite_state(accepted_at, revoked_at, expires_at) AS "state!", email,
                language, inviter_id, user_id,
                to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
                to_char(mailed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "mailed_at!",
                to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "expires_at!",
                to_char(accepted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS accepted_at,
                to_char(revoked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS revoked_at
            FROM invites
            "# + $rest,
            $($parameter),*
        )
    };
}
pub(crate) use invite_rows;

/// Selects invites of an app; `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<State>,
    pub kind: Option<Kind>,
    pub inviter: Option<UserId>,
    /// The recipient.
    pub email: Option<Email>,
}

/// The maximum number of invites scanned for a page that is filtered by state or kind.
pub const MAX_SCANNED: i64 = 10_000;

/// The invites of an app with ids after `after`, by id, at most `limit`. Scans at most [`MAX_SCANNED`].
pub async fn list(
    db: impl PgExecutor<'_>,
    app: AppId,
    filter: &Filter,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Invite>, Error> {
    // One subquery per combination of filters, so that each uses its own index. Conditions on parameters alone disable
    // the others.
    Ok(invite_rows!(
        r#"
        WHERE app_id = $1 AND invite_id = ANY(
            ARRAY(SELECT invite_id FROM (
                SELECT * FROM invites
                WHERE app_id = $1 AND $4::text IS NULL AND $5::uuid IS NULL AND invite_id > $6
                ORDER BY invite_id LIMIT $8
            ) i WHERE ($2::text IS NULL OR kind = $2)
                AND ($3::text IS NULL OR invite_state(accepted_at, revoked_at, expires_at) = $3)
            ORDER BY invite_id LIMIT $7)
            || ARRAY(SELECT invite_id FROM (
                SELECT * FROM invites
                WHERE app_id = $1 AND $4::text IS NULL AND inviter_id = $5 AND invite_id > $6
                ORDER BY invite_id LIMIT $8
            ) i WHERE ($2::text IS NULL OR kind = $2)
                AND ($3::text IS NULL OR invite_state(accepted_at, revoked_at, expires_at) = $3)
            ORDER BY invite_id LIMIT $7)
            || ARRAY(SELECT invite_id FROM (
                SELECT * FROM invites
                WHERE app_id = $1 AND lower(email) = lower($4) AND invite_id > $6
                ORDER BY invite_id LIMIT $8
            ) i WHERE ($5::uuid IS NULL OR inviter_id = $5) AND ($2::text IS NULL OR kind = $2)
                AND ($3::text IS NULL OR invite_state(accepted_at, revoked_at, expires_at) = $3)
            ORDER BY invite_id LIMIT $7))
        ORDER BY invite_id
        "#,
        app.0,
        filter.kind.map(Kind::as_str),
        filter.state.map(State::as_str),
        filter.email.as_ref().map(Email::as_str),
        filter.inviter.map(|inviter| inviter.0),
        after,
        limit,
        MAX_SCANNED,
    )
    .fetch_all(db)
    .await?)
}

/// The last invite that [`list`] scans, if there may be more after it.
pub async fn last_scanned(
    db: impl PgExecutor<'_>,
    app: AppId,
    filter: &Filter,
    after: Uuid,
) -> Result<Option<Uuid>, Error> {
    Ok(query_scalar!(
        r#"
        SELECT COALESCE(
            (SELECT invite_id FROM invites
                WHERE app_id = $1 AND $2::text IS NULL AND $3::uuid IS NULL AND invite_id > $4
                ORDER BY invite_id OFFSET $5 LIMIT 1),
            (SELECT invite_id FROM invites
                WHERE app_id = $1 AND $2::text IS NULL AND inviter_id = $3 AND invite_id > $4
                ORDER BY invite_id OFFSET $5 LIMIT 1),
            (SELECT invite_id FROM invites
                WHERE app_id = $1 AND lower(email) = lower($2) AND invite_id > $4
                ORDER BY invite_id OFFSET $5 LIMIT 1))
        "#,
        app.0,
        filter.email.as_ref().map(Email::as_str),
        filter.inviter.map(|inviter| inviter.0),
        after,
        MAX_SCANNED - 1,
    )
    .fetch_one(db)
    .await?)
}

/// The invite with this id, if it is visible to `caller`, the user of an access token.
pub async fn find(
    db: impl PgExecutor<'_>,
    app: AppId,
    caller: Option<UserId>,
    id: Uuid,
) -> Result<Option<Invite>, Error> {
    Ok(invite_rows!(
        r#"
        WHERE app_id = $1 AND invite_id = $2 AND ($3::uuid IS NULL OR kind = 'referral' AND inviter_id = $3
            AND EXISTS (SELECT FROM users c WHERE c.app_id = $1 AND c.user_id = $3 AND NOT c.freezed AND NOT c.deleted))
        "#,
        app.0,
        id,
        caller.map(|caller| caller.0),
    )
    .fetch_optional(db)
    .await?)
}

/// The caller of [`resend`].
pub enum ResendBy {
    Backend,
    /// The user of an access token, for their own referrals.
    Referrer(UserId),
    /// The operator; the referrer's quota does not apply.
    Operator,
    /// The holder of the code with this hash; the referrer's quota does not apply.
    Holder([u8; 32]),
}

impl ResendBy {
    fn caller(&self) -> Option<UserId> {
        match self {
            Self::Referrer(user) => Some(*user),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendOutcome {
    /// The invite was renewed.
    Resent,
    /// A mail was requested too recently, or is still queued.
    TooSoon,
    /// The invite was accepted or revoked.
    Ended(State),
    /// The referrer's mails of the day are used up.
    QuotaExceeded,
    /// Unknown, not accessible to this caller, or of a user who is frozen or deleted.
    NotAccessible,
}

pub struct ResendInvite {
    pub by: ResendBy,
    pub invite: Uuid,
    pub limits: ReferralLimits,
    pub mail: NewMail,
}

/// Mails an invite again, with a new code and its full validity, unless this was requested less than
/// `limits.resend_after` ago. Referrals use the quotas of [`crate::db::referrals::create::create`]; as there, the
/// referrer cannot see whether a mail is sent.
#[expect(clippy::too_many_lines, reason = "one statement")]
pub async fn resend(
    work: &mut UnitOfWork<'_>,
    ResendInvite { by, invite, limits, mail }: &ResendInvite,
) -> Result<ResendOutcome, Error> {
    let (app, id) = (work.app, *invite);
    let db = work.connection().await?;
    // Of concurrent calls the first renews the invite; the others match on the old code and time, so they change
    // nothing. Rows are locked in the same order as by a referral. If no mail can be sent, an existing code is renewed
    // only for a referral, and not on request of the code's holder.
    let result = query!(
        r#"
        WITH invite AS MATERIALIZED (
            SELECT i.invite_id, i.kind, i.inviter_id, i.code_hash, i.mailed_at, i.address_hash,
                CASE i.kind WHEN 'invite' THEN u.email ELSE i.email END AS email,
                CASE i.kind WHEN 'invite' THEN u.language ELSE i.language END AS language,
                u.freezed OR u.deleted AS closed
            FROM invites i
            JOIN users u ON u.app_id = i.app_id
                AND u.user_id = CASE i.kind WHEN 'invite' THEN i.user_id ELSE i.inviter_id END
            WHERE i.app_id = $1 AND i.invite_id = $2 AND ($3::uuid IS NULL OR i.kind = 'referral' AND i.inviter_id = $3)
                AND ($4::bytea IS NULL OR i.code_hash = $4)
            FOR KEY SHARE OF u
        ), holder AS MATERIALIZED (
            SELECT FROM invite n JOIN users h ON h.app_id = $1 AND lower(h.email) = lower(n.email)
            WHERE n.kind = 'referral' FOR KEY SHARE OF h
        ), sendable AS (
            SELECT NOT EXISTS (
                    SELECT FROM outbox o
                    WHERE o.app_id = $1 AND o.invite_id = n.invite_id AND lower(o.recipient) = lower(n.email)
                        AND CASE o.state WHEN 'queued' THEN true
                            WHEN 'sent' THEN o.finished_at > now() - make_interval(secs => $6) ELSE false END)
                AND (n.kind = 'invite'
                    OR NOT EXISTS (SELECT FROM holder)
                        AND (SELECT true FROM opt_outs d
                            WHERE d.app_id = $1 AND d.address_hash = n.address_hash) IS NULL
                        AND $8 > COALESCE((
                            SELECT used FROM referral_quotas
                            WHERE app_id = $1 AND scope = 'recipient' AND subject = encode(n.address_hash, 'hex')
                                AND day = (now() AT TIME ZONE 'UTC')::date), 0)) AS yes
            FROM invite n
        ), renewed AS (
            UPDATE invites i SET mailed_at = now(), email = n.email, language = n.language,
                code_hash = CASE WHEN s.yes THEN $5 ELSE i.code_hash END,
                expires_at = now() + make_interval(secs => COALESCE(
                    i.expires_in, (SELECT invite_expires_in FROM apps WHERE app_id = $1), $9::float8))
            FROM invite n, sendable s
            WHERE i.app_id = $1 AND i.invite_id = n.invite_id AND i.code_hash = n.code_hash
                AND i.mailed_at = n.mailed_at AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND NOT n.closed
                AND (CASE WHEN n.kind = 'invite' OR $4 IS NOT NULL THEN s.yes
                    ELSE i.mailed_at <= now() - make_interval(secs => $6) END)
            RETURNING i.invite_id, i.kind, i.inviter_id, i.email, i.address_hash, i.language, s.yes
        ), referrer_quota AS (
            INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT $1, 'referrer', inviter_id::text, (now() AT TIME ZONE 'UTC')::date, 1, $7
            FROM renewed WHERE kind = 'referral' AND $10
            ON CONFLICT (app_id, scope, subject, day)
            DO UPDATE SET used = referral_quotas.used + 1, allowed = EXCLUDED.allowed
            RETURNING app_id
        ), recipient_quota AS (
            INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
            SELECT $1, 'recipient', encode(address_hash, 'hex'), (now() AT TIME ZONE 'UTC')::date, 1, $8
            FROM renewed WHERE kind = 'referral' AND yes AND (SELECT count(*) FROM referrer_quota) >= 0
            ON CONFLICT (app_id, scope, subject, day)
            DO UPDATE SET used = referral_quotas.used + 1, allowed = EXCLUDED.allowed
            WHERE referral_quotas.used < EXCLUDED.allowed
            RETURNING app_id
        ), mail AS (
            INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id)
            SELECT $1, $11, invite_id, kind, email, language, $12, $13
            FROM renewed WHERE yes AND (kind = 'invite' OR EXISTS (SELECT FROM recipient_quota))
        )
        SELECT closed AS "closed!", EXISTS (SELECT FROM renewed) AS "renewed!" FROM invite
        "#,
        app.0,
        id,
        by.caller().map(|caller| caller.0),
        match by {
            ResendBy::Holder(code_hash) => Some(code_hash.to_vec()),
            _ => None,
        },
        &mail.code_hash,
        limits.resend_after.as_secs_f64(),
        limits.per_referrer,
        limits.per_recipient,
        mail.expires_after.as_secs_f64(),
        matches!(by, ResendBy::Backend | ResendBy::Referrer(_)),
        mail.id,
        mail.secret,
        mail.message_id,
    )
    .fetch_optional(&mut *db)
    .await;
    match result {
        Ok(Some(row)) if row.closed => Ok(ResendOutcome::NotAccessible),
        Ok(Some(row)) if row.renewed => {
            work.use_mail();
            Ok(ResendOutcome::Resent)
        }
        // The state may have changed since the statement read it.
        Ok(Some(_)) => Ok(match find(db, app, by.caller(), id).await?.and_then(|row| row.state()) {
            Some(State::Open | State::Expired) => ResendOutcome::TooSoon,
            Some(state) => ResendOutcome::Ended(state),
            None => ResendOutcome::NotAccessible,
        }),
        Ok(None) => Ok(ResendOutcome::NotAccessible),
        Err(error) if is_violation(&error, "referral_quotas_allowed_check") => {
            Ok(ResendOutcome::QuotaExceeded)
        }
        Err(error) => Err(Error::of_change(error)),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeOutcome {
    /// Revoked. A queued mail is not sent.
    Revoked,
    AlreadyRevoked,
    Accepted,
    OutOfReach,
}

pub struct RevokeInvite {
    /// As in [`find`].
    pub caller: Option<UserId>,
    pub invite: Uuid,
}

/// Revokes an invite that was not accepted and cancels its mail, unless the mail server is just receiving it.
pub async fn revoke(
    work: &mut UnitOfWork<'_>,
    &RevokeInvite { caller, invite: id }: &RevokeInvite,
) -> Result<RevokeOutcome, Error> {
    let app = work.app;
    let db = work.transaction().await?;
    let revoked = query!(
        r#"
        UPDATE invites SET revoked_at = now()
        WHERE app_id = $1 AND invite_id = $2 AND accepted_at IS NULL AND revoked_at IS NULL
            AND ($3::uuid IS NULL OR kind = 'referral' AND inviter_id = $3
                AND EXISTS (SELECT FROM users c WHERE c.app_id = $1 AND c.user_id = $3 AND NOT c.freezed AND NOT c.deleted))
        "#,
        app.0,
        id,
        caller.map(|caller| caller.0),
    )
    .execute(&mut *db)
    .await?;
    if revoked.rows_affected() == 0 {
        let found = find(&mut *db, app, caller, id).await?;
        return Ok(match found.and_then(|row| row.state()) {
            None => RevokeOutcome::OutOfReach,
            Some(State::Accepted) => RevokeOutcome::Accepted,
            Some(State::Revoked) => RevokeOutcome::AlreadyRevoked,
            // It was concurrently reopened.
            Some(State::Open | State::Expired) => return Err(Error::Contended),
        });
    }
    // A separate statement: a concurrent resend held the invite's row until now, so only a new snapshot sees its mail.
    // `claimed` is kept, so that a mail that is being sent can still be recorded as sent.
    query!(
        "UPDATE outbox SET state = 'failed', secret = NULL, finished_at = now(), last_reply = 'the invite was revoked'
        WHERE app_id = $1 AND invite_id = $2 AND state = 'queued'",
        app.0,
        id,
    )
    .execute(&mut *db)
    .await?;
    Ok(RevokeOutcome::Revoked)
}
