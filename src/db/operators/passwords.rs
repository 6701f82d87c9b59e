//! Passwords of operators, with the secrets of their authenticator apps, and how often links are mailed.
//! A try to sign in is counted before it is checked, so that many tries at once are no more than the limit.

use std::time::Duration;

use sqlx::{query, query_as, query_scalar};
use uuid::Uuid;

use super::sessions::{ABSOLUTE, IDLE, YOUNG};
use crate::db::{Error, Pool};
use crate::domain::credentials::random_code::RandomCode;

/// Wrong tries in a row until an operator is locked.
const MAX_TRIES: i32 = 5;
/// How long an operator is locked.
const LOCKED: Duration = Duration::from_mins(15);
/// Time between two mails with a link to the same operator.
const LINK_INTERVAL: Duration = Duration::from_mins(1);

/// What a try to sign in is checked against.
pub struct StoredPassword {
    pub operator_id: Uuid,
    pub password_hash: String,
    /// Sealed.
    pub totp_secret: Vec<u8>,
    /// The time step of the last accepted code.
    pub totp_step: i64,
}

/// Counts a try, and locks the operator if it is the fifth since the last success. Returns what to check it against;
/// `None` if there is no such enabled operator with a password, or if they are locked.
pub async fn begin_try(db: &Pool, operator: Uuid) -> Result<Option<StoredPassword>, Error> {
    Ok(query_as!(
        StoredPassword,
        r#"
        UPDATE operators SET
            failed_tries = CASE WHEN locked_until IS NULL THEN failed_tries + 1 ELSE 1 END,
            locked_until = CASE
                WHEN locked_until IS NULL AND failed_tries + 1 >= $2 THEN now() + make_interval(secs => $3)
            END
        WHERE operator_id = $1 AND password_hash IS NOT NULL AND disabled_at IS NULL
            AND (locked_until IS NULL OR locked_until <= now())
        RETURNING operator_id, password_hash AS "password_hash!", totp_secret AS "totp_secret!", totp_step AS "totp_step!"
        "#,
        operator,
        MAX_TRIES,
        LOCKED.as_secs_f64(),
    )
    .fetch_optional(db)
    .await?)
}

/// Uses a code up, `step`, after the password was right: no try counts any more. Returns false if the code was used or
/// the password changed meanwhile.
pub async fn accept(db: &Pool, checked: &StoredPassword, step: i64) -> Result<bool, Error> {
    let done = query!(
        "UPDATE operators SET totp_step = $3, failed_tries = 0, locked_until = NULL
        WHERE operator_id = $1 AND password_hash = $2 AND totp_step < $3 AND disabled_at IS NULL",
        checked.operator_id,
        checked.password_hash,
        step,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// [`accept`], and begins a session. Deletes sessions that have ended.
pub async fn begin_session(
    db: &Pool,
    checked: &StoredPassword,
    step: i64,
    session: &RandomCode,
) -> Result<bool, Error> {
    let done = query!(
        r#"
        WITH accepted AS (
            UPDATE operators SET totp_step = $3, failed_tries = 0, locked_until = NULL, signed_in_at = now()
            WHERE operator_id = $1 AND password_hash = $2 AND totp_step < $3 AND disabled_at IS NULL
            RETURNING operator_id
        ), ended AS (
            DELETE FROM operator_sessions
            WHERE seen_at < now() - make_interval(secs => $5) OR created_at < now() - make_interval(secs => $6)
        )
        INSERT INTO operator_sessions (session_hash, operator_id) SELECT $4, operator_id FROM accepted
        "#,
        checked.operator_id,
        checked.password_hash,
        step,
        &session.hash(),
        IDLE.as_secs_f64(),
        ABSOLUTE.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether an operator has a password, and whether the session is [`YOUNG`].
pub struct PasswordState {
    pub exists: bool,
    pub session_is_young: bool,
}

pub async fn state(db: &Pool, operator: Uuid, session: &RandomCode) -> Result<PasswordState, Error> {
    let found = query_as!(
        PasswordState,
        r#"
        SELECT o.password_hash IS NOT NULL AS "exists!",
            s.created_at > now() - make_interval(secs => $3) AS "session_is_young!"
        FROM operators o JOIN operator_sessions s ON s.operator_id = o.operator_id
        WHERE o.operator_id = $1 AND s.session_hash = $2
        "#,
        operator,
        &session.hash(),
        YOUNG.as_secs_f64(),
    );
    // The session has just ended.
    Ok(found.fetch_optional(db).await?.unwrap_or(PasswordState { exists: true, session_is_young: false }))
}

/// Sets the password and the secret of the authenticator app, and ends all sessions of the operator but `session`.
/// `step`: of the code that confirmed the secret, which is used up. Returns false if there is no such enabled operator.
pub async fn set(
    db: &Pool,
    operator: Uuid,
    session: &RandomCode,
    password_hash: &str,
    totp_secret: &[u8],
    step: i64,
) -> Result<bool, Error> {
    let done = query!(
        "WITH ended AS (DELETE FROM operator_sessions WHERE operator_id = $1 AND session_hash <> $2)
        UPDATE operators
        SET password_hash = $3, totp_secret = $4, totp_step = $5, failed_tries = 0, locked_until = NULL
        WHERE operator_id = $1 AND disabled_at IS NULL",
        operator,
        &session.hash(),
        password_hash,
        totp_secret,
        step,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes the password and the secret, and ends all sessions of the operator but `session`. Returns false if there was
/// no password.
pub async fn remove(db: &Pool, operator: Uuid, session: &RandomCode) -> Result<bool, Error> {
    let done = query!(
        "WITH ended AS (DELETE FROM operator_sessions WHERE operator_id = $1 AND session_hash <> $2)
        UPDATE operators
        SET password_hash = NULL, totp_secret = NULL, totp_step = NULL, failed_tries = 0, locked_until = NULL
        WHERE operator_id = $1 AND password_hash IS NOT NULL",
        operator,
        &session.hash(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Claims the right to mail a link to an enabled operator; false within a minute of the last one.
pub async fn claim_link_mail(db: &Pool, operator: Uuid) -> Result<bool, Error> {
    let claimed = query_scalar!(
        "UPDATE operators SET link_sent_at = now()
        WHERE operator_id = $1 AND disabled_at IS NULL
            AND (link_sent_at IS NULL OR link_sent_at <= now() - make_interval(secs => $2))
        RETURNING operator_id",
        operator,
        LINK_INTERVAL.as_secs_f64(),
    );
    Ok(claimed.fetch_optional(db).await?.is_some())
}
