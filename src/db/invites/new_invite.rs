//! The statement that creates invites, alone or in batches, and the deletion of ended ones.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{PgConnection, query};

use crate::db::batch::{Batchable, ConflictKeys, LOCK_TIMEOUT};
use crate::db::outbox::NewMail;
use crate::db::users;
use crate::db::{Error, Pool, is_violation};
use crate::domain::id::{self, AppId, UserId};
use crate::domain::invites::invite_body::NewUserBody;
use crate::domain::invites::referral_code::{self, ReferralCode};
use crate::domain::users::User;
use crate::metrics;

pub enum InviteOutcome {
    /// A user was created and the mail is queued.
    Created(Box<User>),
    /// The user in the path already has this address; nothing was changed.
    Exists,
    /// The address belongs to another user.
    EmailTaken,
    /// The user in the path is frozen or deleted.
    NotAccessible,
    /// The referral code is unknown, or its owner is frozen or deleted.
    UnknownReferralCode,
}

/// An invite to be created. If the user `path` does not exist, they are created with the address of `body` and a tenant
/// of their own. Otherwise a new user `fresh` is created in the tenant of `path`, who is the inviter.
pub struct NewInvite {
    pub app: AppId,
    /// The user in the path.
    pub path: UserId,
    /// The id of a new user in the inviter's tenant.
    pub fresh: UserId,
    /// The recipient and the options. The owner of the referral code becomes the referrer of a new user; an existing
    /// user is not changed.
    pub body: NewUserBody,
    pub mail: NewMail,
}

impl Batchable for Arc<NewInvite> {
    type Answer = InviteOutcome;
    const CHANGE: metrics::Batched = metrics::Batched::Invite;

    fn app(&self) -> AppId {
        self.app
    }

    fn conflict_keys(&self, names: &mut ConflictKeys) {
        names.add((self.app, self.body.invite.email.as_str().to_ascii_lowercase()));
    }

    fn sends_mail(invited: &InviteOutcome) -> bool {
        matches!(invited, InviteOutcome::Created(_))
    }

    async fn write(db: &mut PgConnection, all: &[Self]) -> Result<Vec<Option<InviteOutcome>>, Error> {
        let all: Vec<&NewInvite> = all.iter().map(AsRef::as_ref).collect();
        write(db, &all, Some(LOCK_TIMEOUT)).await
    }
}

/// Creates one invite. Repeating the call changes nothing and returns the same.
pub async fn invite(db: &mut PgConnection, new: &NewInvite) -> Result<InviteOutcome, Error> {
    // A concurrent insert that is not visible yet can stop this one; it is visible to the next attempt.
    for _ in 0..8 {
        if let Some(Some(invited)) = write(db, &[new], None).await?.pop() {
            return Ok(invited);
        }
    }
    Err(Error::Contended)
}

/// Creates invites with different addresses in one statement. `None`: the invite was stopped by a concurrent insert
/// that was not visible yet, or by another one of the batch with the same new id. Without a `lock_timeout` the
/// session's applies.
pub(crate) async fn write(
    db: &mut PgConnection,
    all: &[&NewInvite],
    lock_timeout: Option<&str>,
) -> Result<Vec<Option<InviteOutcome>>, Error> {
    fn column<'a, T>(all: &[&'a NewInvite], value: impl Fn(&'a NewInvite) -> T) -> Vec<T> {
        all.iter().map(|new| value(new)).collect()
    }
    let (tenants, codes) = (column(all, |_| id::public()), column(all, |_| referral_code::generate()));
    let rows = query!(
        r#"
        WITH requested AS MATERIALIZED (
            SELECT *, set_config('lock_timeout', $16, true) AS lock_timeout
            FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[],
                $8::uuid[], $9::bytea[], $10::integer[], $11::float8[], $12::uuid[], $13::bytea[], $14::text[],
                $15::text[])
            AS a(app_id, path, fresh, tenant_id, email, language, referral_code, invite_id, code_hash, expires_in,
                expires_after, mail_id, secret, message_id, referrer_code)
        ), looked AS MATERIALIZED (
            SELECT a.*, t.user_id AS target, r.user_id AS referrer_id,
                a.referrer_code IS NOT NULL AND r.user_id IS NULL AS stray, t.freezed OR t.deleted AS closed, h.user_id AS holder,
                CASE WHEN t.user_id IS NULL THEN a.path ELSE a.fresh END AS user_id,
                COALESCE(t.tenant_id, a.tenant_id) AS joined
            FROM requested a
            LEFT JOIN users t ON t.app_id = a.app_id AND t.user_id = a.path
            LEFT JOIN users h ON h.app_id = a.app_id AND lower(h.email) = lower(a.email)
            LEFT JOIN users r ON r.app_id = a.app_id AND r.referral_code = a.referrer_code
                AND NOT r.freezed AND NOT r.deleted
        ), new_user AS (
            INSERT INTO users (app_id, user_id, tenant_id, email, language, referral_code, referrer_id)
            SELECT app_id, user_id, joined, email, language, referral_code, referrer_id FROM looked
            WHERE holder IS NULL AND closed IS NOT TRUE AND NOT stray
            ON CONFLICT DO NOTHING
            RETURNING app_id, user_id, email
        ), made AS (
            SELECT l.* FROM looked l
            JOIN new_user n ON n.app_id = l.app_id AND n.user_id = l.user_id AND n.email = l.email
        ), new_tenant AS (
            INSERT INTO tenants (app_id, tenant_id) SELECT app_id, tenant_id FROM made WHERE joined = tenant_id
        ), new_invite AS (
            INSERT INTO invites
                (app_id, invite_id, kind, user_id, inviter_id, email, language, code_hash, expires_in, expires_at)
            SELECT app_id, invite_id, 'invite', user_id, target, email, language, code_hash, expires_in,
                now() + make_interval(secs => COALESCE(expires_in,
                    (SELECT invite_expires_in FROM apps p WHERE p.app_id = made.app_id), expires_after))
            FROM made
        ), mail AS (
            INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id)
            SELECT app_id, mail_id, invite_id, 'invite', email, language, secret, message_id FROM made
        )
        SELECT l.mail_id AS "mail_id!", l.user_id AS "user_id!", l.joined AS "tenant!", l.holder AS "holder?", l.closed AS "closed?",
            m.mail_id IS NOT NULL AS "made!", l.stray AS "stray!"
        FROM looked l LEFT JOIN made m ON m.mail_id = l.mail_id
        "#,
        &column(all, |new| new.app.0),
        &column(all, |new| new.path.0),
        &column(all, |new| new.fresh.0),
        &tenants,
        &column(all, |new| new.body.invite.email.as_str()) as &[&str],
        &column(all, |new| new.body.invite.language.as_str()) as &[&str],
        &codes,
        &column(all, |_| id::new()),
        &column(all, |new| new.mail.code_hash.as_slice()) as &[&[u8]],
        &column(all, |new| new.body.invite.expires_in) as &[Option<i32>],
        &column(all, |new| new.mail.expires_after.as_secs_f64()),
        &column(all, |new| new.mail.id),
        &column(all, |new| new.mail.secret.as_slice()) as &[&[u8]],
        &column(all, |new| new.mail.message_id.as_str()) as &[&str],
        &column(all, |new| new.body.referral_code.as_ref().map(ReferralCode::as_str)) as &[Option<&str>],
        lock_timeout,
    )
    .fetch_all(&mut *db)
    .await;
    // The tenant was concurrently erased with its last user, the inviter.
    let rows = match rows {
        Err(error) if is_violation(&error, "users_app_id_tenant_id_fkey") => return Err(Error::Contended),
        rows => rows.map_err(Error::of_change)?,
    };
    let mut answers: Vec<_> = all.iter().map(|_| None).collect();
    for row in rows {
        let Some(at) = all.iter().position(|new| new.mail.id == row.mail_id) else { continue };
        let NewInvite { app, path, fresh, body, .. } = all[at];
        answers[at] = if row.made {
            Some(InviteOutcome::Created(Box::new(User::invited(
                *app,
                UserId(row.user_id),
                row.tenant,
                &body.invite,
            ))))
        } else if row.closed == Some(true) {
            Some(InviteOutcome::NotAccessible)
        } else if row.stray {
            Some(InviteOutcome::UnknownReferralCode)
        } else if row.holder == Some(path.0) {
            Some(InviteOutcome::Exists)
        } else if row.holder == Some(fresh.0) {
            let made = users::by_id(&mut *db, *app, None, *fresh).await?;
            Some(made.map_or(InviteOutcome::NotAccessible, |user| InviteOutcome::Created(Box::new(user))))
        } else {
            row.holder.map(|_| InviteOutcome::EmailTaken)
        };
    }
    Ok(answers)
}

/// Deletes one batch of invites that ended longer ago than `kept`, with their events and mails. Returns true if there
/// are more.
pub async fn delete_expired(db: &Pool, kept: Duration) -> Result<bool, Error> {
    // Skips locked rows, so that it cannot deadlock: an invite that is being renewed, accepted or erased, or whose mail
    // is being retried, is left for later. A statement that queues a mail of an invite also renews the invite's time,
    // which is checked again once the row is locked. The lower bound is as in `outbox::delete_expired`. The CASE keeps
    // PostgreSQL from using an index over all queued mails of the app.
    let done = query!(
        "WITH ended AS MATERIALIZED (
            SELECT i.app_id, i.invite_id FROM invites i
            WHERE COALESCE(i.accepted_at, i.revoked_at, i.expires_at) > '-infinity'
                AND COALESCE(i.accepted_at, i.revoked_at, i.expires_at) <= now() - make_interval(secs => $1)
                AND (SELECT true FROM outbox o
                    WHERE o.app_id = i.app_id AND o.invite_id = i.invite_id
                        AND CASE o.state WHEN 'queued' THEN true ELSE false END LIMIT 1) IS NULL
            ORDER BY COALESCE(i.accepted_at, i.revoked_at, i.expires_at) LIMIT 1000 FOR UPDATE OF i SKIP LOCKED
        ), mails AS MATERIALIZED (
            SELECT o.app_id, o.mail_id FROM ended e
            JOIN outbox o ON o.app_id = e.app_id AND o.invite_id = e.invite_id FOR UPDATE OF o SKIP LOCKED
        ), unmailed AS (
            DELETE FROM outbox WHERE (app_id, mail_id) IN (SELECT app_id, mail_id FROM mails)
        )
        DELETE FROM invites i USING ended e
        WHERE i.app_id = e.app_id AND i.invite_id = e.invite_id AND (
            SELECT true FROM outbox o
            WHERE o.app_id = e.app_id AND o.invite_id = e.invite_id
                AND o.mail_id <> ALL (ARRAY(SELECT mail_id FROM mails)) LIMIT 1) IS NULL",
        kept.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1000)
}
