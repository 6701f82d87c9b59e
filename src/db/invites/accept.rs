//! Looks up an invite by its code and accepts it, once.

use std::sync::Arc;

use serde_json::json;
use sqlx::query;
use uuid::Uuid;

use crate::db::referrals::attribution::{AttributionOutcome, attribute};
use crate::db::unit_of_work::UnitOfWork;
use crate::db::users;
use crate::db::users::profile::{self, EmailChange, RowLock, Update};
use crate::db::{Error, Pool, is_violation};
use crate::domain::id::{self, UserId};
use crate::domain::invites::referral_code::{self, ReferralCode};
use crate::domain::invites::{InviteCode, Kind, State};
use crate::domain::users::User;
use crate::domain::users::profile::ProfilePatch;
use crate::domain::webhook::EventType;

/// An invite as shown to the holder of its code.
pub struct InviteByCode {
    pub id: Uuid,
    pub kind: Kind,
    /// Whether it can be accepted.
    pub state: State,
    pub app_name: String,
    /// The app's language, used if there are no texts in the invite's.
    pub app_language: String,
    /// Origins whose pages may call the API.
    pub app_origins: Vec<String>,
    /// Where a person goes on after accepting.
    pub home_url: Option<String>,
    pub language: String,
    /// The name of the inviter, if it is a user with a name.
    pub inviter: Option<String>,
    /// The recipient of the mail.
    pub email: String,
    /// Whether the invite was viewed before.
    pub viewed: bool,
    /// RFC 3339, UTC.
    pub expires_at: String,
}

/// The invite of this code. `None` if the code is unknown, if the user's address has changed since the mail, or if the
/// user is frozen or deleted. Read-only.
pub async fn find(db: &Pool, code: &InviteCode) -> Result<Option<InviteByCode>, Error> {
    let row = query!(
        r#"
        SELECT i.invite_id AS id, i.kind, i.language, a.name AS app_name, a.language AS app_language,
            a.origins AS app_origins, a.home_url,
            invite_state(i.accepted_at, i.revoked_at, i.expires_at) AS "state!",
            to_char(i.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "expires_at!",
            COALESCE(r.name, NULLIF(concat_ws(' ', r.given_name, r.family_name), ''), r.nickname) AS inviter,
            i.email, EXISTS (
                SELECT FROM invite_events e
                WHERE e.app_id = $1 AND e.invite_id = i.invite_id AND e.kind = 'viewed') AS "viewed!"
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
        Some(InviteByCode {
            id: row.id,
            kind: Kind::parse(&row.kind)?,
            state: State::parse(&row.state)?,
            app_name: row.app_name,
            app_language: row.app_language,
            app_origins: row.app_origins,
            home_url: row.home_url,
            language: row.language,
            inviter: row.inviter,
            email: row.email,
            viewed: row.viewed,
            expires_at: row.expires_at,
        })
    }))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptOutcome {
    /// The address is verified and the code is used up.
    Accepted(UserId),
    /// The code is unknown, used or expired.
    NotOpen,
    /// The address of the referral already has an account. The code is used up.
    AccountExists,
}

pub struct AcceptWithProfile {
    pub code: InviteCode,
    pub profile: ProfilePatch,
    pub referral_code: Option<ReferralCode>,
}

/// The outcome of accepting an invite together with a profile.
pub enum AcceptWithProfileOutcome {
    /// The user after the change. The caller may issue a token for them.
    User(Box<User>),
    /// As [`AcceptOutcome::NotOpen`].
    NotOpen,
    /// The address of the referral already has an account. Refuse the change, so that the code stays valid.
    AccountExists,
    /// The referral code is unknown or the user's own. Refuse the change, so that the code of the invite stays valid.
    Attribution(AttributionOutcome),
}

/// Accepts the invite of this code as [`accept`] does and stores the user's profile, atomically. The owner of
/// `referral_code` becomes the referrer, unless the user already has one.
pub async fn accept_with_profile(
    work: &mut UnitOfWork<'_>,
    AcceptWithProfile { code, profile, referral_code }: &AcceptWithProfile,
) -> Result<AcceptWithProfileOutcome, Error> {
    work.transaction().await?;
    let user = match accept(work, code).await? {
        AcceptOutcome::Accepted(user) => user,
        AcceptOutcome::AccountExists => return Ok(AcceptWithProfileOutcome::AccountExists),
        AcceptOutcome::NotOpen => return Ok(AcceptWithProfileOutcome::NotOpen),
    };
    let db = work.connection().await?;
    if let Some(referral_code) = referral_code {
        match attribute(db, code.app, user, referral_code).await? {
            AttributionOutcome::Attributed => {}
            refused => return Ok(AcceptWithProfileOutcome::Attribution(refused)),
        }
    }
    if !profile.is_empty() {
        let update = Update { app: code.app, caller: None, user, patch: Arc::new(profile.clone()) };
        profile::write(db, &[update], RowLock::Wait, EmailChange::Deny, None).await?;
    }
    let user = users::by_id(db, code.app, None, user).await?.ok_or(Error::Contended)?;
    Ok(AcceptWithProfileOutcome::User(Box::new(user)))
}

/// Accepts the invite of this code, once. An invite verifies its user's address; a referral creates a verified user in
/// a tenant of their own and records the referrer.
pub async fn accept(work: &mut UnitOfWork<'_>, code: &InviteCode) -> Result<AcceptOutcome, Error> {
    let (user, tenant) = (id::public(), id::public());
    // Lock the invited user or the referrer first, so that the code is not used up while a concurrent change of that
    // user makes it invalid.
    let row = query!(
        r#"
        WITH invited AS (
            SELECT FROM users u JOIN invites i ON i.app_id = u.app_id AND i.user_id = u.user_id
            WHERE i.app_id = $1 AND i.code_hash = $2 AND i.kind = 'invite'
                AND NOT u.freezed AND NOT u.deleted AND lower(u.email) = lower(i.email)
            FOR NO KEY UPDATE OF u
        ), referrer AS (
            SELECT FROM users u JOIN invites i ON i.app_id = u.app_id AND i.inviter_id = u.user_id
            WHERE i.app_id = $1 AND i.code_hash = $2 AND i.kind = 'referral'
            FOR KEY SHARE OF u
        ), spent AS (
            UPDATE invites i SET accepted_at = now(), user_id = CASE
                WHEN i.kind = 'invite' THEN i.user_id
                WHEN NOT EXISTS (SELECT FROM users h WHERE h.app_id = $1 AND lower(h.email) = lower(i.email))
                THEN $3 END
            WHERE i.app_id = $1 AND i.code_hash = $2 AND i.accepted_at IS NULL AND i.revoked_at IS NULL
                AND i.expires_at > now()
                AND (EXISTS (SELECT FROM referrer) OR EXISTS (SELECT FROM invited))
            RETURNING i.invite_id, i.kind, i.user_id, i.inviter_id, i.email, i.language
        ), verified AS (
            UPDATE users u SET accepted_at = COALESCE(u.accepted_at, now()), email_verified = true,
                version = version + 1
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
        SELECT kind = 'referral' AND NOT EXISTS (SELECT FROM referred) AS "member!", invite_id, kind, user_id
        FROM spent
        "#,
        code.app.0,
        &code.hash(),
        user,
        tenant,
        referral_code::generate(),
    )
    .fetch_optional(work.connection().await?)
    .await
    .map_err(|error| match Error::of_change(error) {
        // A concurrent insert of the same user or address is not visible yet; it is to the next attempt.
        Error::Sql(error) if is_violation(&error, "invites_app_id_user_id_fkey") => Error::Contended,
        error => error,
    })?;
    let Some(row) = row else { return Ok(AcceptOutcome::NotOpen) };
    let user = match row.user_id {
        _ if row.member => return Ok(AcceptOutcome::AccountExists),
        None => return Ok(AcceptOutcome::NotOpen),
        Some(user) => UserId(user),
    };
    let more = json!({ "inviteId": row.invite_id, "kind": row.kind });
    work.publish(EventType::UserAccepted, Some(user), more).await?;
    Ok(AcceptOutcome::Accepted(user))
}
