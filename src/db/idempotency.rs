//! Stored first answers to calls with an `Idempotency-Key`. The answer is stored in the transaction of the call's
//! effect, so that both exist or neither does, after any crash and on any replica.

use std::time::Duration;

use sqlx::{PgConnection, query, query_scalar};
use uuid::Uuid;

use super::{Error, KeyRefusal, Pool, users};
use crate::domain::id::{AppId, UserId};

/// Stored answers per user, each for 24 hours.
const MAX_PER_USER: i64 = 1000;

/// A call with an `Idempotency-Key`.
#[derive(Clone, Debug)]
pub struct Call {
    /// The app of the credentials.
    pub app: AppId,
    /// The user of an access token; `None` for the app's backend.
    pub caller: Option<UserId>,
    pub key: String,
    /// SHA-256 of the request.
    pub request: [u8; 32],
}

impl Call {
    /// The stored caller id, and whether it is the backend. The flag is needed because a user may have any id.
    fn caller(&self) -> (Uuid, bool) {
        (self.caller.map_or(Uuid::nil(), |user| user.0), self.caller.is_none())
    }
}

/// The answer to a call.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Looks up a call, in the transaction of its effect. Returns the stored answer. `None`: the call is new, and no other
/// call with this key can begin before the transaction ends.
pub async fn begin(transaction: &mut PgConnection, call: &Call) -> Result<Option<Answer>, Error> {
    let (caller, backend) = call.caller();
    let lock = format!("{}/{backend}/{caller}/{}", call.app, call.key);
    let mine = query_scalar!(r#"SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS "mine!""#, lock)
        .fetch_one(&mut *transaction)
        .await?;
    if !mine {
        return Err(Error::Idempotency(KeyRefusal::InProgress));
    }
    // A separate statement, so that it sees what the previous holder of the lock committed.
    let row = query!(
        "SELECT request, status, body FROM idempotency_keys
        WHERE app_id = $1 AND caller = $2 AND backend = $4 AND key = $3 AND created_at > now() - interval '24 hours'",
        call.app.0,
        caller,
        call.key,
        backend,
    )
    .fetch_optional(&mut *transaction)
    .await?;
    let Some(row) = row else {
        return match check_count(transaction, call).await? {
            Some(wait) => Err(Error::Idempotency(KeyRefusal::TooMany(wait))),
            None => Ok(None),
        };
    };
    if row.request != call.request {
        return Err(Error::Idempotency(KeyRefusal::RequestMismatch));
    }
    if let Some(user) = call.caller
        && users::language(transaction, call.app, user).await?.is_none()
    {
        return Err(Error::Idempotency(KeyRefusal::NotAccessible));
    }
    Ok(Some(Answer { status: row.status.unsigned_abs(), body: row.body }))
}

/// If the user has too many stored answers, how long to wait until the oldest expires. Backends are not limited: they
/// authenticate with a write key.
async fn check_count(transaction: &mut PgConnection, call: &Call) -> Result<Option<Duration>, Error> {
    let Some(user) = call.caller else { return Ok(None) };
    let stored = query!(
        r#"
        SELECT count(*) AS "count!",
            COALESCE(extract(epoch FROM min(created_at) + interval '24 hours' - now()), 0)::float8 AS "wait!"
        FROM (
            SELECT created_at FROM idempotency_keys
            WHERE app_id = $1 AND caller = $2 AND NOT backend AND created_at > now() - interval '24 hours' LIMIT $3) k
        "#,
        call.app.0,
        user.0,
        MAX_PER_USER,
    )
    .fetch_one(transaction)
    .await?;
    Ok((stored.count >= MAX_PER_USER).then(|| Duration::try_from_secs_f64(stored.wait).unwrap_or_default()))
}

/// Stores the answer to a call. `user` is the user shown in the answer, if any; the answer is erased with that user. An
/// answer to or about a user who was erased meanwhile is not stored.
pub async fn store(
    transaction: &mut PgConnection,
    call: &Call,
    answer: &Answer,
    user: Option<UserId>,
) -> Result<(), Error> {
    let (caller, backend) = call.caller();
    let mut people: Vec<_> = [call.caller, user].into_iter().flatten().map(|user| user.0).collect();
    people.sort_unstable();
    people.dedup();
    query!(
        "WITH alive AS MATERIALIZED (
            SELECT user_id FROM users WHERE app_id = $1 AND user_id = ANY($9) AND NOT deleted
            ORDER BY user_id FOR KEY SHARE
        )
        INSERT INTO idempotency_keys (app_id, caller, backend, key, request, status, body, user_id)
        SELECT $1, $2, $8, $3, $4, $5, $6, $7 WHERE (SELECT count(*) FROM alive) = cardinality($9)
        ON CONFLICT (app_id, caller, backend, key) DO UPDATE SET request = EXCLUDED.request,
            status = EXCLUDED.status, body = EXCLUDED.body, user_id = EXCLUDED.user_id, created_at = now()",
        call.app.0,
        caller,
        call.key,
        &call.request,
        answer.status.cast_signed(),
        answer.body,
        user.map(|user| user.0),
        backend,
        &people,
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// Deletes one batch of answers older than 24 hours. Returns true if there are more.
pub async fn delete_expired(db: &Pool) -> Result<bool, Error> {
    let done = query!(
        "WITH past AS MATERIALIZED (
            SELECT app_id, caller, backend, key FROM idempotency_keys
            WHERE created_at <= now() - interval '24 hours' LIMIT 1000 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM idempotency_keys
        WHERE (app_id, caller, backend, key) IN (SELECT app_id, caller, backend, key FROM past)"
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1000)
}
