//! `Idempotency-Key` (IETF httpapi draft): a repeated call gets the first response and has no second effect. Only
//! successes are stored: a refused call changed nothing, so its repetition is executed like a new call.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use sqlx::PgConnection;

use super::envelope::{self, Success};
use super::error::Error;
use super::headers::header;
use super::state::AppState;
use crate::audit;
use crate::db::Transaction;
use crate::db::batch::{Batchable, Batcher};
use crate::db::idempotency::{self, Call, StoredCall};
use crate::db::mail_quotas::QuotaUse;
use crate::db::users;
use crate::db::{self, Pool, PooledConnection};
use crate::domain::credentials::api_key::sha256;
use crate::domain::id::{AppId, UserId};

/// Delay before a change with an unknown outcome is retried.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// A call in execution, with or without a key, and the use of the app's mail quota by its mail.
pub enum IdempotentCall {
    /// Without a key: each statement commits on its own, over a connection that is acquired when one is needed.
    Plain(Pool, Option<PooledConnection>, QuotaUse),
    /// Without a key, in a transaction that also publishes a webhook event.
    Event(Transaction, QuotaUse),
    /// With a key: the effect and the stored response are committed together.
    Keyed(Transaction, Call, QuotaUse),
}

/// How a call proceeds.
pub enum Begin {
    /// The call is new: execute it.
    Execute(IdempotentCall),
    /// The call is a repetition: return this stored response.
    Replay(Response),
}

impl IdempotentCall {
    /// Begins a call of the app's backend, or of `caller`, the user of an access token. `request` describes the
    /// request: two calls with one key must have the same description. `with_event`: whether the call publishes a webhook
    /// event.
    pub async fn begin(
        state: &AppState,
        headers: &HeaderMap,
        app: AppId,
        caller: Option<UserId>,
        request: &str,
        with_event: bool,
    ) -> Result<Begin, Error> {
        // Take the quota first: a task that holds a connection must not wait for another.
        let spending = state.store.mails.take(&state.store.pool, app).await.map_err(Error::from);
        Self::begin_with(state, headers, (app, caller), request, with_event, spending).await
    }

    /// Like [`begin`](Self::begin), for a call that has already taken its quota, or was refused it.
    pub async fn begin_with(
        state: &AppState,
        headers: &HeaderMap,
        (app, caller): (AppId, Option<UserId>),
        request: &str,
        with_event: bool,
        spending: Result<QuotaUse, Error>,
    ) -> Result<Begin, Error> {
        let key = key(headers)?;
        let Some(key) = key else {
            let (db, spending) = (&state.store.pool, spending?);
            return Ok(Begin::Execute(if with_event {
                Self::Event(Transaction::begin(db).await?, spending)
            } else {
                Self::Plain(db.clone(), None, spending)
            }));
        };
        let call = Call { app, caller, key, request: sha256(request.as_bytes()) };
        let mut transaction = Transaction::begin(&state.store.pool).await?;
        let begun = match idempotency::begin(&mut transaction, &call).await? {
            StoredCall::New => return Ok(Begin::Execute(Self::Keyed(transaction, call, spending?))),
            StoredCall::InProgress => Err(Error::IdempotencyInProgress),
            StoredCall::RequestMismatch => Err(Error::IdempotencyKeyReused),
            StoredCall::TooMany(wait) => Err(Error::TooManyRequests(wait)),
            StoredCall::Answered { status, body } => {
                let alive = match caller {
                    Some(user) => users::language(&mut *transaction, app, user).await?.is_some(),
                    None => true,
                };
                // A frozen or erased user does not get the stored response either.
                if alive {
                    audit::record(|facts| facts.unchanged = true);
                    let status = StatusCode::from_u16(status).unwrap_or_default();
                    Ok(Begin::Replay(envelope::json(status, body)))
                } else {
                    Err(Error::UserOutOfReach)
                }
            }
        };
        // Roll back now, not when the connection is used again: the next call must not find this one in progress.
        transaction.rollback().await?;
        begun
    }

    /// The connection to execute the effect on.
    pub async fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        Ok(match self {
            Self::Plain(db, lent, _) => match lent {
                Some(lent) => lent,
                None => lent.insert(db.acquire().await.map_err(db::Error::from)?),
            },
            Self::Event(transaction, _) | Self::Keyed(transaction, ..) => transaction,
        })
    }

    /// Submits `what` to the batcher if the call can be batched. Otherwise `alone` executes it on the connection that
    /// it is given.
    pub async fn batched<T: Batchable + Clone>(
        &mut self,
        others: &Batcher<T>,
        what: &T,
        alone: impl AsyncFnOnce(&mut PgConnection) -> Result<T::Answer, db::Error>,
    ) -> Result<T::Answer, Error> {
        if let Self::Plain(_, _, spending) = self
            && let Some(answer) = others.submit(what.clone(), spending.clone()).await
        {
            return Ok(answer?);
        }
        self.unbatched(alone).await
    }

    /// Executes a statement that may queue the mail. If the request is cancelled before the result, the mail counts as
    /// used. In a transaction, the mail is sent only by [`finish`](Self::finish).
    pub async fn unbatched<T>(
        &mut self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, db::Error>,
    ) -> Result<T, Error> {
        let spending = match self {
            Self::Plain(_, _, spending) => spending.clone(),
            Self::Event(..) | Self::Keyed(..) => QuotaUse::default(),
        };
        let connection = self.connection().await?;
        spending.mark_used();
        let answer = statement(connection).await;
        if answer.as_ref().is_err_and(|error| !matches!(error, db::Error::InDoubt(_))) {
            spending.mark_unused();
        }
        Ok(answer?)
    }

    /// Ends a call that is refused: its mail does not count against the quota.
    #[must_use]
    pub fn refused(self, error: Error) -> Error {
        let (Self::Plain(_, _, spending) | Self::Event(_, spending) | Self::Keyed(_, _, spending)) = &self;
        spending.mark_unused();
        error
    }

    /// Ends a call that succeeded: commits and wakes the mail worker. `user` is the user in the response.
    pub async fn finish<T: Serialize>(
        self,
        state: &AppState,
        success: &Success<T>,
        user: Option<UserId>,
    ) -> Result<Response, Error> {
        let body = success.body();
        match self {
            Self::Plain(_, lent, spending) => {
                if let Some(lent) = lent {
                    lent.release();
                }
                spending.mark_used();
            }
            Self::Event(transaction, spending) => {
                // From here the mail counts as used, because the outcome of the commit may stay unknown.
                spending.mark_used();
                transaction.commit().await?;
            }
            Self::Keyed(mut transaction, call, spending) => {
                idempotency::store(&mut transaction, &call, success.status.as_u16(), &body, user).await?;
                spending.mark_used();
                transaction.commit().await?;
            }
        }
        state.wake.notify_one();
        Ok(envelope::json(success.status, body))
    }
}

/// Retries a change a few times while concurrent changes prevent it.
pub async fn retry_contended<T, F>(attempt: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    for _ in 0..8 {
        match attempt().await {
            Err(error) if error.is_contended() => tracing::debug!(%error, "asked again"),
            done => return done,
        }
    }
    attempt().await
}

/// Retries a change until its outcome is known. If the response of the database was lost, the change is sent again,
/// which has no second effect. The request timeout bounds the retries.
pub async fn retry_until_known<T, F>(attempt: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut in_doubt = false;
    loop {
        let done = retry_contended(&attempt).await;
        in_doubt |= matches!(done, Err(Error::TimedOut(Some(_))));
        match done {
            // Also retry if the lost session still holds the key.
            Err(
                error @ (Error::TimedOut(Some(_)) | Error::Unavailable(_) | Error::IdempotencyInProgress),
            ) if in_doubt => {
                tracing::debug!(%error, "asked again");
                tokio::time::sleep(RETRY_DELAY).await;
            }
            done => return done,
        }
    }
}

/// [`retry_until_known`] if `again` is set. A change with `If-Match` must not be sent again: the tag would not match
/// the version that the change itself has made.
pub async fn retry_until_known_if<T, F>(again: bool, attempt: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    if again { retry_until_known(attempt).await } else { retry_contended(attempt).await }
}

/// The key: a quoted string (RFC 8941, 3.3.3) or a bare token, 1 to 255 characters.
pub fn key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let Some(value) = header(headers, "Idempotency-Key")? else { return Ok(None) };
    let text =
        std::str::from_utf8(value).map_err(|_| Error::InvalidIdempotencyKey)?.trim_matches([' ', '\t']);
    let key = match text.strip_prefix('"') {
        Some(rest) => unquoted(rest.strip_suffix('"').ok_or(Error::InvalidIdempotencyKey)?)?,
        None if text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)) => {
            text.to_owned()
        }
        None => return Err(Error::InvalidIdempotencyKey),
    };
    if (1..=255).contains(&key.len()) { Ok(Some(key)) } else { Err(Error::InvalidIdempotencyKey) }
}

/// The inside of a quoted string: printable ASCII, `\"` and `\\` escaped.
fn unquoted(text: &str) -> Result<String, Error> {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => {
                characters.next().filter(|next| "\"\\".contains(*next)).ok_or(Error::InvalidIdempotencyKey)?
            }
            ' '..='~' if character != '"' => character,
            _ => return Err(Error::InvalidIdempotencyKey),
        });
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([("idempotency-key".parse().unwrap(), value.parse().unwrap())]);
        key(&headers).ok().flatten()
    }

    #[test]
    fn quoted_and_bare_idempotency_keys_are_equal() {
        for (sent, key) in [
            ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
            ("\"8e03978e\"", "8e03978e"),
            ("\"a b\"", "a b"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("a/b:c=+", "a/b:c=+"),
        ] {
            assert_eq!(read(sent).as_deref(), Some(key), "{sent}");
        }
        let long = "k".repeat(256);
        for bad in ["", "\"\"", "\"a", "a\"", "a b", "\"a\"b\"", r#""a\""#, r#""\n""#, "a,b", "a;b=1", &long]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(read(&long[1..]).is_some());
    }
}
