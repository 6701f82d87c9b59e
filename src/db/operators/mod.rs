//! Operators of the console: who they are, their sign-in links and sessions, and the audit events. None of it is of an
//! app, but for `app_id` of an audit event.

pub mod audit_events;
pub mod passkeys;
pub mod passwords;
pub mod sessions;

use std::time::Duration;

use sqlx::{query, query_scalar};
use uuid::Uuid;

use super::{Error, Pool};
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::email::Email;
use crate::domain::id;
use crate::domain::operators::{Operator, Role};

/// A query for [`Operator`]s. Takes the SQL after `SELECT …` and its parameters.
macro_rules! operator_rows {
    ($rest:literal, $($parameter:expr),* $(,)?) => {
        sqlx::query!(
            r#"
            SELECT o.operator_id, o.email, o.role, o.apps,
                to_char(o.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
                to_char(o.signed_in_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS signed_in_at,
                to_char(o.disabled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS disabled_at
            "# + $rest,
            $($parameter),*
        )
        .map(|row| Operator {
            id: row.operator_id,
            email: row.email,
            role: Role::parse(&row.role).unwrap_or(Role::Viewer),
            apps: row.apps,
            created_at: row.created_at,
            signed_in_at: row.signed_in_at,
            disabled_at: row.disabled_at,
        })
    };
}
use operator_rows;

/// Creates an operator. One who was disabled is enabled again, with this role and these apps. Returns `None` if an
/// enabled operator has the address.
pub async fn create(
    db: &Pool,
    email: &Email,
    role: Role,
    apps: Option<&[Uuid]>,
) -> Result<Option<Uuid>, Error> {
    let created = query_scalar!(
        "INSERT INTO operators (operator_id, email, role, apps) VALUES ($1, $2, $3, $4)
        ON CONFLICT (lower(email)) DO UPDATE SET role = EXCLUDED.role, apps = EXCLUDED.apps, disabled_at = NULL
        WHERE operators.disabled_at IS NOT NULL
        RETURNING operator_id",
        id::new(),
        email.as_str(),
        role.as_str(),
        apps,
    )
    .fetch_optional(db)
    .await?;
    Ok(created)
}

/// All operators, oldest first.
pub async fn list(db: &Pool) -> Result<Vec<Operator>, Error> {
    Ok(operator_rows!("FROM operators o ORDER BY o.operator_id",).fetch_all(db).await?)
}

pub async fn find(db: &Pool, id: Uuid) -> Result<Option<Operator>, Error> {
    Ok(operator_rows!("FROM operators o WHERE o.operator_id = $1", id).fetch_optional(db).await?)
}

/// The operator with this address, if enabled.
pub async fn by_email(db: &Pool, email: &Email) -> Result<Option<Operator>, Error> {
    let found = operator_rows!(
        "FROM operators o WHERE lower(o.email) = lower($1) AND o.disabled_at IS NULL",
        email.as_str()
    );
    Ok(found.fetch_optional(db).await?)
}

/// Disables an operator: their sessions end at once, and every way to sign in is deleted. Returns false if there is no such enabled operator.
pub async fn disable(db: &Pool, id: Uuid) -> Result<bool, Error> {
    let done = query!(
        "WITH ended AS (DELETE FROM operator_sessions WHERE operator_id = $1),
        keys AS (DELETE FROM operator_passkeys WHERE operator_id = $1)
        UPDATE operators SET disabled_at = now(), link_hash = NULL, link_expires_at = NULL, password_hash = NULL,
            totp_secret = NULL, totp_step = NULL
        WHERE operator_id = $1 AND disabled_at IS NULL",
        id,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Stores the code of a sign-in link, which replaces an earlier one. Returns false if there is no such enabled operator.
pub async fn set_link(
    db: &Pool,
    operator: Uuid,
    code: &RandomCode,
    expires_in: Duration,
) -> Result<bool, Error> {
    let done = query!(
        "UPDATE operators SET link_hash = $2, link_expires_at = now() + make_interval(secs => $3)
        WHERE operator_id = $1 AND disabled_at IS NULL",
        operator,
        &code.hash(),
        expires_in.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The operator that a sign-in link is for, without using it up.
pub async fn of_link(db: &Pool, code: &RandomCode) -> Result<Option<Operator>, Error> {
    let found = operator_rows!(
        "FROM operators o WHERE o.link_hash = $1 AND o.link_expires_at > now() AND o.disabled_at IS NULL",
        &code.hash()
    );
    Ok(found.fetch_optional(db).await?)
}

/// The operator of the trial: the first one who sees all apps. One is created if there is none.
pub async fn of_trial(db: &Pool, email: &Email) -> Result<Uuid, Error> {
    let found = query_scalar!(
        "SELECT operator_id FROM operators WHERE apps IS NULL AND role = 'admin' AND disabled_at IS NULL
        ORDER BY operator_id LIMIT 1"
    )
    .fetch_optional(db)
    .await?;
    match found {
        Some(id) => Ok(id),
        None => match create(db, email, Role::Admin, None).await? {
            Some(id) => Ok(id),
            // Another process has just created it, or it is an enabled operator with fewer rights.
            None => Err(Error::Contended),
        },
    }
}
