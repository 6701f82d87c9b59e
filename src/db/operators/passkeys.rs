//! Passkeys of operators, and the challenges of ceremonies that are not finished.

use std::time::Duration;

use sqlx::{query, query_as};
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::credentials::passkey::NewPasskey;
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::text::Text;

/// How long a challenge can be answered.
pub const CHALLENGE_VALID: Duration = Duration::from_mins(5);
/// Most challenges to sign in. A further one replaces the oldest.
const MAX_CHALLENGES: i64 = 1000;
/// Most challenges of an operator who adds a passkey.
const MAX_CHALLENGES_OF_OPERATOR: i64 = 10;
/// Most passkeys of an operator.
pub const MAX_PASSKEYS: i64 = 20;

/// Stores a challenge, and deletes expired ones. `operator`: who adds a passkey; `None`: somebody who signs in.
pub async fn add_challenge(db: &Pool, challenge: &RandomCode, operator: Option<Uuid>) -> Result<(), Error> {
    query!(
        r#"
        WITH past AS (
            DELETE FROM operator_challenges WHERE created_at < now() - make_interval(secs => $3)
        ), too_many AS (
            DELETE FROM operator_challenges WHERE challenge_hash IN (
                SELECT challenge_hash FROM operator_challenges WHERE operator_id IS NOT DISTINCT FROM $2
                ORDER BY created_at DESC OFFSET $4::bigint - 1
            )
        )
        INSERT INTO operator_challenges (challenge_hash, operator_id) VALUES ($1, $2)
        "#,
        &challenge.hash(),
        operator,
        CHALLENGE_VALID.as_secs_f64(),
        if operator.is_some() { MAX_CHALLENGES_OF_OPERATOR } else { MAX_CHALLENGES },
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Uses a challenge up. Returns false if it is unknown, used, expired or of another operator.
pub async fn take_challenge(
    db: &Pool,
    challenge: &RandomCode,
    operator: Option<Uuid>,
) -> Result<bool, Error> {
    let taken = query!(
        r#"
        DELETE FROM operator_challenges WHERE challenge_hash = $1 AND operator_id IS NOT DISTINCT FROM $2
        RETURNING created_at > now() - make_interval(secs => $3) AS "valid!"
        "#,
        &challenge.hash(),
        operator,
        CHALLENGE_VALID.as_secs_f64(),
    )
    .fetch_optional(db)
    .await?;
    Ok(taken.is_some_and(|row| row.valid))
}

/// A passkey in a list.
#[derive(Debug)]
pub struct PasskeyRow {
    pub credential_id: Vec<u8>,
    pub name: String,
    pub created_at: String,
    pub used_at: Option<String>,
}

/// The passkeys of an operator, oldest first.
pub async fn list(db: &Pool, operator: Uuid) -> Result<Vec<PasskeyRow>, Error> {
    Ok(query_as!(
        PasskeyRow,
        r#"
        SELECT credential_id, name,
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            to_char(used_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS used_at
        FROM operator_passkeys p WHERE operator_id = $1 ORDER BY p.created_at, credential_id
        "#,
        operator,
    )
    .fetch_all(db)
    .await?)
}

/// Stores a new passkey of an operator. Returns false if the credential id exists or the operator has
/// [`MAX_PASSKEYS`].
pub async fn add(db: &Pool, operator: Uuid, name: &Text, passkey: &NewPasskey) -> Result<bool, Error> {
    let done = query!(
        "INSERT INTO operator_passkeys (credential_id, operator_id, name, public_key, sign_count)
        SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM operator_passkeys WHERE operator_id = $2) < $6
        ON CONFLICT DO NOTHING",
        &passkey.credential_id,
        operator,
        name.as_str(),
        &passkey.public_key,
        i64::from(passkey.sign_count),
        MAX_PASSKEYS,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Deletes a passkey of an operator. Returns false if they have no such passkey.
pub async fn remove(db: &Pool, operator: Uuid, credential: &[u8]) -> Result<bool, Error> {
    let done = query!(
        "DELETE FROM operator_passkeys WHERE operator_id = $1 AND credential_id = $2",
        operator,
        credential,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A passkey of an enabled operator, to verify an answer with.
pub struct StoredPasskey {
    pub operator: Uuid,
    pub public_key: Vec<u8>,
    pub sign_count: u32,
}

pub async fn find(db: &Pool, credential: &[u8]) -> Result<Option<StoredPasskey>, Error> {
    let found = query!(
        "SELECT p.operator_id, p.public_key, p.sign_count
        FROM operator_passkeys p JOIN operators o ON o.operator_id = p.operator_id
        WHERE p.credential_id = $1 AND o.disabled_at IS NULL",
        credential,
    )
    .fetch_optional(db)
    .await?;
    Ok(found.map(|row| StoredPasskey {
        operator: row.operator_id,
        public_key: row.public_key,
        sign_count: u32::try_from(row.sign_count).unwrap_or(u32::MAX),
    }))
}

/// Stores the counter of a verified answer. Returns false if another answer with this counter or a higher one was
/// faster.
pub async fn mark_used(db: &Pool, credential: &[u8], sign_count: u32) -> Result<bool, Error> {
    let done = query!(
        "UPDATE operator_passkeys SET sign_count = $2, used_at = now()
        WHERE credential_id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0))",
        credential,
        i64::from(sign_count),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}
