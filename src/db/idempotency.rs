//! First answers to calls with an `Idempotency-Key`, stored by the transaction of the call's effect: there
//! is the effect and its answer, or neither, whatever crashes and whichever replica is called.

use std::time::Duration;

use sqlx::{PgConnection, query, query_scalar};
use uuid::Uuid;

use super::{Error, Pool};
use crate::domain::id::{AppId, UserId};

/// Answers of one user's that are stored at a time, each for a day.
const MAX_PER_USER: i64 = 1000;

/// Who sent which key with which request.
#[derive(Clone, Debug)]
pub struct Call {
    /// The app of the credentials.
    pub app: AppId,
    /// The user of an access token; `None`: the app's backend.
    pub caller: Option<UserId>,
    /// The key.
    pub key: String,
    /// SHA-256 of what is asked for.
    pub request: [u8; 32],
}

impl Call {
    /// A user may have any id, so the backend is told from users by a column of its own.
    fn caller(&self) -> (Uuid, bool) {
        (self.caller.map_or(Uuid::nil(), |user| user.0), self.caller.is_none())
    }
}

/// What is known of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum StoredCall {
    /// Nothing: it is the first, and nobody else begins it before this transaction ends.
    New,
    /// The same call is being answered at this moment.
    InProgress,
    /// The key came with another request before.
    RequestMismatch,
    /// The user has as many answers stored as a user may, until the first of them is a day old.
    TooMany(Duration),
    /// It was answered.
    Answered {
        /// The status of the answer.
        status: u16,
        /// The body of the answer.
        body: Vec<u8>,
    },
}

/// Looks a call up, in the transaction that is to have its effect.
pub async fn begin(transaction: &mut PgConnection, call: &Call) -> Result<StoredCall, Error> {
    let (caller, backend) = call.caller();
    let lock = format!("{}/{backend}/{caller}/{}", call.app, call.key);
    let mine = query_scalar!(r#"SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS "mine!""#, lock)
        .fetch_one(&mut *transaction)
        .await?;
    if !mine {
        return Ok(StoredCall::InProgress);
    }
    // A statement of its own: what the lock's last holder committed must be visible to it.
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
    Ok(match row {
        None => match check_count(transaction, call).await? {
            Some(wait) => StoredCall::TooMany(wait),
            None => StoredCall::New,
        },
        Some(row) if row.request != call.request => StoredCall::RequestMismatch,
        Some(row) => StoredCall::Answered { status: row.status.unsigned_abs(), body: row.body },
    })
}

/// How long a user has to wait who has too many answers stored. A backend has as many as it likes: it has a key that
/// writes.
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

/// Stores the answer to a call; `user` is whom it shows, if anybody, with whom it is erased. That of or for a user who
/// was erased meanwhile is not stored.
pub async fn store(
    transaction: &mut PgConnection,
    call: &Call,
    status: u16,
    body: &[u8],
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
        status.cast_signed(),
        body,
        user.map(|user| user.0),
        backend,
        &people,
    )
    .execute(transaction)
    .await?;
    Ok(())
}

/// Deletes answers of more than a day ago, some at a time. True: there are more.
pub async fn delete_expired(db: &Pool) -> Result<bool, Error> {
    let done = query!(
        "DELETE FROM idempotency_keys WHERE (app_id, caller, backend, key) IN (
            SELECT app_id, caller, backend, key FROM idempotency_keys
            WHERE created_at <= now() - interval '24 hours' LIMIT 5000 FOR UPDATE SKIP LOCKED)"
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 5000)
}
