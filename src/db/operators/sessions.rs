//! Sessions of operators in the console. A session ends when it was not used for [`IDLE`], after [`ABSOLUTE`], or by
//! signing out.

use std::time::Duration;

use sqlx::{query, query_scalar};
use uuid::Uuid;

use super::operator_rows;
use crate::db::{Error, Pool};
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::operators::{Operator, Role};

/// A session ends if it is not used for so long.
pub const IDLE: Duration = Duration::from_hours(2);
/// For so long after signing in a session may change how its operator signs in.
pub const YOUNG: Duration = Duration::from_mins(15);
/// A session ends so long after signing in.
pub const ABSOLUTE: Duration = Duration::from_hours(12);

/// Begins a session with a sign-in link, which is used up. Returns the operator; `None` if the link is unknown, used or
/// expired. Deletes sessions that have ended.
pub async fn begin_with_link(
    db: &Pool,
    link: &RandomCode,
    session: &RandomCode,
) -> Result<Option<Uuid>, Error> {
    let row = query!(
        r#"
        WITH used AS (
            UPDATE operators SET link_hash = NULL, link_expires_at = NULL, signed_in_at = now()
            WHERE link_hash = $1 AND link_expires_at > now() AND disabled_at IS NULL
            RETURNING operator_id
        ), ended AS (
            DELETE FROM operator_sessions
            WHERE seen_at < now() - make_interval(secs => $3) OR created_at < now() - make_interval(secs => $4)
        )
        INSERT INTO operator_sessions (session_hash, operator_id) SELECT $2, operator_id FROM used
        RETURNING operator_id
        "#,
        &link.hash(),
        &session.hash(),
        IDLE.as_secs_f64(),
        ABSOLUTE.as_secs_f64(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| row.operator_id))
}

/// Begins a session of an operator who has proved who they are in another way. Returns false if there is no such enabled
/// operator. Deletes sessions that have ended.
pub async fn begin(db: &Pool, operator: Uuid, session: &RandomCode) -> Result<bool, Error> {
    let done = query!(
        r#"
        WITH signed_in AS (
            UPDATE operators SET signed_in_at = now() WHERE operator_id = $1 AND disabled_at IS NULL
            RETURNING operator_id
        ), ended AS (
            DELETE FROM operator_sessions
            WHERE seen_at < now() - make_interval(secs => $3) OR created_at < now() - make_interval(secs => $4)
        )
        INSERT INTO operator_sessions (session_hash, operator_id) SELECT $2, operator_id FROM signed_in
        "#,
        operator,
        &session.hash(),
        IDLE.as_secs_f64(),
        ABSOLUTE.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether a session began less than [`YOUNG`] ago. A change of how an operator signs in needs that: a stolen session must
/// not outlive itself.
pub async fn is_young(db: &Pool, session: &RandomCode) -> Result<bool, Error> {
    let young = query_scalar!(
        r#"SELECT created_at > now() - make_interval(secs => $2) AS "young!" FROM operator_sessions WHERE session_hash = $1"#,
        &session.hash(),
        YOUNG.as_secs_f64(),
    );
    Ok(young.fetch_optional(db).await?.unwrap_or(false))
}

/// The operator of a session that has not ended, which counts as used.
pub async fn find(db: &Pool, session: &RandomCode) -> Result<Option<Operator>, Error> {
    let hash = session.hash();
    let found = operator_rows!(
        "FROM operator_sessions s JOIN operators o ON o.operator_id = s.operator_id
        WHERE s.session_hash = $1 AND o.disabled_at IS NULL
            AND s.seen_at > now() - make_interval(secs => $2) AND s.created_at > now() - make_interval(secs => $3)",
        &hash,
        IDLE.as_secs_f64(),
        ABSOLUTE.as_secs_f64(),
    );
    let found = found.fetch_optional(db).await?;
    if found.is_some() {
        // Once a minute is enough for the end.
        query!(
            "UPDATE operator_sessions SET seen_at = now()
            WHERE session_hash = $1 AND seen_at < now() - interval '1 minute'",
            &hash
        )
        .execute(db)
        .await?;
    }
    Ok(found)
}

/// Ends a session.
pub async fn end(db: &Pool, session: &RandomCode) -> Result<(), Error> {
    query!("DELETE FROM operator_sessions WHERE session_hash = $1", &session.hash()).execute(db).await?;
    Ok(())
}

/// Ends all sessions of an operator.
pub async fn end_all(db: &Pool, operator: Uuid) -> Result<(), Error> {
    query!("DELETE FROM operator_sessions WHERE operator_id = $1", operator).execute(db).await?;
    Ok(())
}
