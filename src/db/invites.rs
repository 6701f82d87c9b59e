//! What becomes of an invite: its page looks it up, its button accepts it.

use sqlx::{PgPool, query};

use super::{Error, is_violation};
use crate::domain::id;
use crate::domain::invite::{InviteCode, Kind};
use crate::domain::referral_code;

/// An invite as its page shows it.
pub struct Invite {
    /// Of which kind.
    pub kind: Kind,
    /// Whether it can be accepted.
    pub state: State,
    /// The app's name.
    pub app_name: String,
    /// The app's language, for want of texts in the invite's.
    pub app_language: String,
    /// The language of the invite.
    pub language: String,
    /// Who invites, if a user with a name does.
    pub inviter: Option<String>,
    /// To whom it was mailed.
    pub email: String,
}

/// Whether an invite can be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can.
    Open,
    /// It was.
    Accepted,
    /// Its time is over.
    Expired,
}

/// The invite of this code; `None` if there is none, or its mail went to an address that is the user's no
/// more, or the user is frozen or deleted. Changes nothing.
pub async fn find(db: &PgPool, code: &InviteCode) -> Result<Option<Invite>, Error> {
    let row = query!(
        r#"
        SELECT i.kind, i.language, i.accepted_at IS NOT NULL AS "accepted!",
            i.expires_at <= now() AS "expired!", a.name AS app_name, a.language AS app_language,
            COALESCE(r.name, NULLIF(concat_ws(' ', r.given_name, r.family_name), ''), r.nickname) AS inviter,
            i.email
        FROM invites i
        JOIN apps a ON a.app_id = i.app_id
        LEFT JOIN users r ON r.app_id = i.app_id AND r.user_id = i.inviter_id
        LEFT JOIN users u ON u.app_id = i.app_id AND u.user_id = i.user_id
        WHERE i.app_id = $1 AND i.code_hash = $2
            AND (i.kind = 'referral' OR NOT u.freezed AND NOT u.deleted AND lower(u.email) = lower(i.email))
        "#,
        code.app.0,
        &code.hash(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.and_then(|row| {
        let state = match (row.accepted, row.expired) {
            (true, _) => State::Accepted,
            (false, true) => State::Expired,
            (false, false) => State::Open,
        };
        Some(Invite {
            kind: Kind::parse(&row.kind)?,
            state,
            app_name: row.app_name,
            app_language: row.app_language,
            language: row.language,
            inviter: row.inviter,
            email: row.email,
        })
    }))
}

/// What became of a press of the button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// The address is verified, the user is in; the code is spent.
    Now,
    /// It could not be: it is spent, or expired, or unknown.
    No,
    /// A referral whose address has an account by now; the code is spent.
    AccountExists,
}

/// Accepts the invite of this code, once. An invite verifies its user's address; a referral makes its user,
/// verified, in a tenant of their own, with the referrer recorded.
pub async fn accept(db: &PgPool, code: &InviteCode) -> Result<Accepted, Error> {
    // An account that was not visible yet stops the insert of the new user, and so this try.
    for _ in 0..8 {
        match try_accept(db, code).await {
            Err(Error::Sql(error)) if is_violation(&error, "invites_app_id_user_id_fkey") => {}
            done => return done,
        }
    }
    Err(Error::Contended)
}

async fn try_accept(db: &PgPool, code: &InviteCode) -> Result<Accepted, Error> {
    let (user, tenant) = (id::new(), id::new());
    // The invited user is locked first, so that a code is not spent on one who changes meanwhile.
    let row = query!(
        r#"
        WITH invited AS (
            SELECT FROM users u JOIN invites i ON i.app_id = u.app_id AND i.user_id = u.user_id
            WHERE i.app_id = $1 AND i.code_hash = $2 AND i.kind = 'invite'
                AND NOT u.freezed AND NOT u.deleted AND lower(u.email) = lower(i.email)
            FOR NO KEY UPDATE OF u
        ), spent AS (
            UPDATE invites i SET accepted_at = now(), user_id = CASE
                WHEN i.kind = 'invite' THEN i.user_id
                WHEN NOT EXISTS (SELECT FROM users h WHERE h.app_id = $1 AND lower(h.email) = lower(i.email))
                THEN $3 END
            WHERE i.app_id = $1 AND i.code_hash = $2 AND i.accepted_at IS NULL AND i.expires_at > now()
                AND (i.kind = 'referral' OR EXISTS (SELECT FROM invited))
            RETURNING i.kind, i.user_id, i.inviter_id, i.email, i.language
        ), verified AS (
            UPDATE users u SET accepted_at = COALESCE(u.accepted_at, now()), email_verified = true
            FROM spent WHERE spent.kind = 'invite' AND u.app_id = $1 AND u.user_id = spent.user_id
        ), referred AS (
            INSERT INTO users (app_id, user_id, tenant_id, email, email_verified, language, referral_code,
                referrer_id, accepted_at)
            SELECT $1, $3, $4, email, true, language, $5, inviter_id, now()
            FROM spent WHERE kind = 'referral'
            ON CONFLICT DO NOTHING
            RETURNING tenant_id
        ), tenant AS (
            INSERT INTO tenants (app_id, tenant_id) SELECT $1, tenant_id FROM referred
        )
        SELECT kind = 'referral' AND NOT EXISTS (SELECT FROM referred) AS "member!" FROM spent
        "#,
        code.app.0,
        &code.hash(),
        user,
        tenant,
        referral_code::generate(),
    )
    .fetch_optional(db)
    .await?;
    Ok(match row {
        None => Accepted::No,
        Some(row) if row.member => Accepted::AccountExists,
        Some(_) => Accepted::Now,
    })
}
