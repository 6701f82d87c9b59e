//! Invites a user, or mails the invite of a user again. Referral invites are created in
//! [`crate::db::referrals::create`]; both kinds are accepted in [`super::accept`].

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sqlx::{PgConnection, query};

use super::new_invite::{self, InviteOutcome, NewInvite};
use crate::db::Error;
use crate::db::outbox::NewMail;
use crate::db::unit_of_work::UnitOfWork;
use crate::db::users;
use crate::domain::id::{self, AppId, UserId};
use crate::domain::invites::invite_body::InviteBody;
use crate::domain::users::User;
use crate::domain::webhook::EventType;

pub struct InviteUser {
    pub new: Arc<NewInvite>,
    /// The time between two mails of an invite.
    pub resend_after: Duration,
}

/// The outcome of an invite, with the invited user.
pub enum InviteUserOutcome {
    /// A user was created and the mail is queued.
    Created(Box<User>),
    /// The user had this address already. The mail is queued again.
    Resent(Box<User>),
    /// As `Resent`, but the last mail was sent too recently or is still queued.
    TooSoon(Box<User>),
    /// The user has accepted an invite.
    AlreadyAccepted,
    /// The address belongs to another user.
    EmailTaken,
    /// The user in the path is frozen or deleted.
    NotAccessible,
    /// The referral code is unknown, or its owner is frozen or deleted.
    UnknownReferralCode,
}

/// Creates the user and queues the mail, in a batch if possible. If the user in the path already has the address, their
/// invite is mailed again, unless that was done less than `resend_after` ago. Repeating the call changes nothing.
pub async fn invite(
    work: &mut UnitOfWork<'_>,
    InviteUser { new, resend_after }: &InviteUser,
) -> Result<InviteUserOutcome, Error> {
    let batcher = &work.store.invites;
    let answer = work.batched(batcher, new).await?;
    let invited = if let Some(invited) = answer {
        invited
    } else {
        let invited = new_invite::invite(work.connection().await?, new).await?;
        if matches!(invited, InviteOutcome::Created(_)) {
            work.use_mail();
        }
        invited
    };
    let NewInvite { app, path, ref body, ref mail, .. } = **new;
    match invited {
        InviteOutcome::Created(user) => created(work, path, user).await,
        InviteOutcome::Exists => {
            let db = work.connection().await?;
            let again = resend(db, app, path, &body.invite, *resend_after, mail).await?;
            let user = users::by_id(db, app, None, path).await?.map(Box::new);
            work.user_in_answer = Some(path);
            Ok(match (again, user) {
                (ReinviteOutcome::Created, Some(user)) => {
                    work.use_mail();
                    return created(work, path, user).await;
                }
                (ReinviteOutcome::Accepted, _) => InviteUserOutcome::AlreadyAccepted,
                (ReinviteOutcome::NotAccessible, _) | (_, None) => InviteUserOutcome::NotAccessible,
                (ReinviteOutcome::TooSoon, Some(user)) => InviteUserOutcome::TooSoon(user),
                (ReinviteOutcome::Queued, Some(user)) => {
                    work.use_mail();
                    InviteUserOutcome::Resent(user)
                }
            })
        }
        InviteOutcome::EmailTaken => Ok(InviteUserOutcome::EmailTaken),
        InviteOutcome::NotAccessible => Ok(InviteUserOutcome::NotAccessible),
        InviteOutcome::UnknownReferralCode => Ok(InviteUserOutcome::UnknownReferralCode),
    }
}

async fn created(
    work: &mut UnitOfWork<'_>,
    inviter: UserId,
    user: Box<User>,
) -> Result<InviteUserOutcome, Error> {
    let id = UserId(user.id);
    let more = json!({ "inviterId": (id != inviter).then_some(inviter) });
    work.publish(EventType::UserInvited, Some(id), more).await?;
    work.user_in_answer = Some(id);
    Ok(InviteUserOutcome::Created(user))
}

/// The outcome of a repeated invite.
#[derive(Debug, PartialEq, Eq)]
enum ReinviteOutcome {
    /// An earlier attempt of this change created the user.
    Created,
    /// The mail is queued, with a new code.
    Queued,
    /// A mail was sent too recently, or is still queued.
    TooSoon,
    /// The user has already accepted.
    Accepted,
    /// The user was concurrently frozen or erased.
    NotAccessible,
}

/// Mails the invite of `user` again, in the user's stored language, unless a mail to the same address was sent less
/// than `resend_after` ago or is still queued. Earlier codes become invalid. A revoked invite is reopened, and its mail
/// is not subject to `resend_after`. An invite that was deleted after its end is created again. With the code of `mail`
/// nothing happens: the answer to an earlier attempt was lost.
async fn resend(
    db: &mut PgConnection,
    app: AppId,
    user: UserId,
    body: &InviteBody,
    resend_after: Duration,
    mail: &NewMail,
) -> Result<ReinviteOutcome, Error> {
    // Of concurrent calls the first renews the code, creates the invite or accepts it. The others match on the old
    // state, so they change nothing and see the new state in the next attempt.
    for _ in 0..8 {
        let row = query!(
            r#"
            WITH person AS (
                SELECT u.email, u.language, u.accepted_at, i.invite_id, i.code_hash,
                    COALESCE(i.code_hash = $3, false) AS own, i.mailed_at > i.created_at AS renewed,
                    i.revoked_at IS NULL AND (
                    SELECT true FROM outbox o
                    WHERE o.app_id = $1 AND o.invite_id = i.invite_id AND lower(o.recipient) = lower(u.email)
                        AND CASE o.state WHEN 'queued' THEN true
                            WHEN 'sent' THEN o.finished_at > now() - make_interval(secs => $5) ELSE false END
                    LIMIT 1) IS NOT NULL AS mailed
                FROM users u
                LEFT JOIN invites i ON i.app_id = u.app_id AND i.user_id = u.user_id AND i.kind = 'invite'
                WHERE u.app_id = $1 AND u.user_id = $2 AND NOT u.freezed AND NOT u.deleted
                FOR KEY SHARE OF u
            ), due AS (
                SELECT * FROM person WHERE accepted_at IS NULL AND NOT mailed AND NOT own AND lower(email) = lower($11)
            ), renewed AS (
                UPDATE invites i SET code_hash = $3, email = d.email, language = d.language, mailed_at = now(),
                    revoked_at = NULL, expires_in = $9, expires_at = now() + make_interval(secs => COALESCE(
                        $9::integer, (SELECT invite_expires_in FROM apps WHERE app_id = $1), $4::float8))
                FROM due d
                WHERE i.app_id = $1 AND i.invite_id = d.invite_id AND i.code_hash = d.code_hash
                    AND i.accepted_at IS NULL
                RETURNING i.invite_id, i.email, i.language
            ), remade AS (
                INSERT INTO invites (app_id, invite_id, kind, user_id, email, language, code_hash, expires_in, expires_at)
                SELECT $1, $10, 'invite', $2, email, language, $3, $9, now() + make_interval(secs => COALESCE(
                    $9::integer, (SELECT invite_expires_in FROM apps WHERE app_id = $1), $4::float8))
                FROM due WHERE invite_id IS NULL
                ON CONFLICT (app_id, user_id) WHERE kind = 'invite' AND user_id IS NOT NULL DO NOTHING
                RETURNING invite_id, email, language
            ), open AS (
                TABLE renewed UNION ALL TABLE remade
            ), mail AS (
                INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id)
                SELECT $1, $6, invite_id, 'invite', email, language, $7, $8 FROM open
            )
            SELECT own AS "own!", renewed, accepted_at IS NOT NULL AS "accepted!", mailed AS "mailed!",
                EXISTS (SELECT FROM open) AS "open!", lower(email) <> lower($11) AS "moved!"
            FROM person
            "#,
            app.0,
            user.0,
            &mail.code_hash,
            mail.expires_after.as_secs_f64(),
            resend_after.as_secs_f64(),
            mail.id,
            mail.secret,
            mail.message_id,
            body.expires_in,
            id::new(),
            body.email.as_str(),
        )
        .fetch_optional(&mut *db)
        .await
        .map_err(Error::of_change)?;
        match row {
            None => return Ok(ReinviteOutcome::NotAccessible),
            Some(row) if row.own => {
                let renewed = row.renewed == Some(true);
                return Ok(if renewed { ReinviteOutcome::Queued } else { ReinviteOutcome::Created });
            }
            // The user's address has just changed: the caller must look up its owner again.
            Some(row) if row.moved => return Err(Error::Contended),
            Some(row) if row.accepted => return Ok(ReinviteOutcome::Accepted),
            Some(row) if row.open => return Ok(ReinviteOutcome::Queued),
            Some(row) if row.mailed => return Ok(ReinviteOutcome::TooSoon),
            Some(_) => {}
        }
    }
    Err(Error::Contended)
}
