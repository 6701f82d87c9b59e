//! The people of the trial's demo app: its user, and some who were invited in the last weeks, so that no screen of the
//! console is empty. Nothing is mailed to them.

use sqlx::{PgConnection, query};

use crate::db::Error;
use crate::domain::email::Email;
use crate::domain::id::{self, AppId, UserId};
use crate::domain::invites::referral_code;
use crate::domain::language::Language;

/// Creates the user of the demo app, in a tenant of their own, as if they had accepted an invite.
pub async fn create(
    db: &mut PgConnection,
    app: AppId,
    user: UserId,
    email: &Email,
    language: &Language,
    name: &str,
) -> Result<(), Error> {
    query!(
        r#"
        WITH tenant AS (INSERT INTO tenants (app_id, tenant_id) VALUES ($1, $2))
        INSERT INTO users
            (app_id, user_id, tenant_id, email, email_verified, language, name, referral_code, accepted_at)
        VALUES ($1, $3, $2, $4, true, $5, $6, $7, now())
        "#,
        app.0,
        id::public(),
        user.0,
        email.as_str(),
        language.as_str(),
        name,
        referral_code::generate(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A person of the demo app.
#[derive(Debug)]
pub struct Person {
    /// `None`: invited by a referral and not accepted.
    pub user: Option<UserId>,
    pub name: Option<&'static str>,
    pub email: &'static str,
    /// The user who referred them; `None`: an invite of the backend.
    pub referrer: Option<UserId>,
    pub accepted: bool,
    /// Whether the page of the invite was opened.
    pub viewed: bool,
    /// Why the mail was not sent.
    pub failed: Option<&'static str>,
    /// Why the mail came back.
    pub bounced: Option<&'static str>,
    /// Days since the invite.
    pub days: i64,
    /// Keyed hash of the address, of a referral.
    pub address_hash: Option<Vec<u8>>,
}

/// Creates a person with their invite, its mail and what happened to it.
pub async fn create_person(
    db: &mut PgConnection,
    app: AppId,
    person: &Person,
    valid_days: i32,
) -> Result<(), Error> {
    let at =
        crate::clock::now() - std::time::Duration::from_hours(24) * u32::try_from(person.days).unwrap_or(0);
    let (tenant, mail, code) = (id::public(), id::at(at), id::public());
    query!(
        r#"
        WITH time AS (SELECT now() - make_interval(days => $5) AS at), tenant AS (
            INSERT INTO tenants (app_id, tenant_id, created_at) SELECT $1, $2, at FROM time WHERE $3::uuid IS NOT NULL
        ), person AS (
            INSERT INTO users (app_id, user_id, tenant_id, email, email_verified, language, name, referral_code,
                referrer_id, created_at, accepted_at)
            SELECT $1, $3, $2, $6, $7, 'en', $8, $9, $10::uuid, at, CASE WHEN $7 THEN at + interval '3 hours' END
            FROM time WHERE $3::uuid IS NOT NULL
        ), invite AS (
            INSERT INTO invites (app_id, invite_id, kind, user_id, inviter_id, email, language, code_hash, address_hash,
                created_at, mailed_at, expires_at, accepted_at)
            SELECT $1, $4, CASE WHEN $10::uuid IS NULL THEN 'invite' ELSE 'referral' END, $3, $10, $6, 'en', $11, $12, at, at,
                at + make_interval(days => $13), CASE WHEN $7 THEN at + interval '3 hours' END
            FROM time
        ), mail AS (
            INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, message_id, state, attempts,
                last_reply, due_at, created_at, finished_at)
            SELECT $1, $14, $4, CASE WHEN $10::uuid IS NULL THEN 'invite' ELSE 'referral' END, $6, 'en', $15,
                CASE WHEN $16::text IS NULL THEN 'sent' ELSE 'failed' END, 1, COALESCE($16, '250 2.0.0 Ok: queued'), at, at,
                at + interval '2 seconds'
            FROM time
        )
        INSERT INTO invite_events (app_id, invite_id, event_id, mail_id, kind, detail, created_at)
        SELECT $1, $4, e.id, $14, e.kind, e.detail, at + e.after
        FROM time CROSS JOIN (VALUES ($17::uuid, 'viewed', NULL, interval '2 hours', $18::boolean),
            ($19::uuid, 'bounced', $20::text, interval '1 minute', $20::text IS NOT NULL)) AS e (id, kind, detail, after, so)
        WHERE e.so
        "#,
        app.0,
        tenant,
        person.user.map(|user| user.0),
        id::at(at),
        i32::try_from(person.days).unwrap_or(0),
        person.email,
        person.accepted,
        person.name,
        referral_code::generate(),
        person.referrer.map(|referrer| referrer.0),
        code.as_bytes().as_slice(),
        person.address_hash,
        valid_days,
        mail,
        format!("<{mail}@demo.example.com>"),
        person.failed,
        id::at(at),
        person.viewed,
        id::at(at),
        person.bounced,
    )
    .execute(db)
    .await?;
    Ok(())
}
