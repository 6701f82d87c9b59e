//! `Idempotency-Key` (IETF httpapi draft): a repeated call gets the first answer and has no second effect.
//! Only successes are kept: a refused call changed nothing, so its repetition is judged anew.

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

/// Until a change whose outcome is not known is asked for again.
const RETRY_DELAY: Duration = Duration::from_millis(250);

/// The work of a call that may carry a key, and a mail of the app's.
pub enum IdempotentCall {
    /// No key: each statement stands for itself, over a connection of its own if it needs one.
    Plain(Pool, Option<PooledConnection>, QuotaUse),
    /// No key, and webhooks are told.
    Event(Transaction, QuotaUse),
    /// The effect and the answer are committed together.
    Keyed(Transaction, Call, QuotaUse),
}

/// What a call that may carry a key is to do.
pub enum Begin {
    /// Its work.
    Execute(IdempotentCall),
    /// Nothing: this is the first answer.
    Replay(Response),
}

impl IdempotentCall {
    /// Begins a call of the app's backend, or of the user `caller` of an access token. `request` says what
    /// is asked for: two calls with one key must say the same. `told`: webhooks are.
    pub async fn begin(
        state: &AppState,
        headers: &HeaderMap,
        app: AppId,
        caller: Option<UserId>,
        request: &str,
        told: bool,
    ) -> Result<Begin, Error> {
        // Before there is a connection, of which nobody waits for a second one.
        let spending = state.store.mails.take(&state.store.pool, app).await.map_err(Error::from);
        Self::begin_with(state, headers, (app, caller), request, told, spending).await
    }

    /// The same, of a call that has its mail, or was refused it.
    pub async fn begin_with(
        state: &AppState,
        headers: &HeaderMap,
        (app, caller): (AppId, Option<UserId>),
        request: &str,
        told: bool,
        spending: Result<QuotaUse, Error>,
    ) -> Result<Begin, Error> {
        let key = key(headers)?;
        let Some(key) = key else {
            let (db, spending) = (&state.store.pool, spending?);
            return Ok(Begin::Execute(if told {
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
                // A user who is frozen or erased gets nothing, not even what they got before.
                if alive {
                    audit::record(|facts| facts.unchanged = true);
                    let status = StatusCode::from_u16(status).unwrap_or_default();
                    Ok(Begin::Replay(envelope::json(status, body)))
                } else {
                    Err(Error::UserOutOfReach)
                }
            }
        };
        // Now, not once somebody needs the connection: the next call is not to find this one in progress.
        transaction.rollback().await?;
        begun
    }

    /// Where the effect is to happen.
    pub async fn connection(&mut self) -> Result<&mut PgConnection, Error> {
        Ok(match self {
            Self::Plain(db, lent, _) => match lent {
                Some(lent) => lent,
                None => lent.insert(db.acquire().await.map_err(db::Error::from)?),
            },
            Self::Event(transaction, _) | Self::Keyed(transaction, ..) => transaction,
        })
    }

    /// What this call does, together with others where that is possible: `alone` does it over the connection it is
    /// given.
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

    /// A statement that may send the mail. Who goes away before its answer has spent it; in a transaction only
    /// [finishing](Self::finish) sends it.
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

    /// The answer refuses: no mail is sent.
    #[must_use]
    pub fn refused(self, error: Error) -> Error {
        let (Self::Plain(_, _, spending) | Self::Event(_, spending) | Self::Keyed(_, _, spending)) = &self;
        spending.mark_unused();
        error
    }

    /// Ends a call that succeeded: commits and wakes the worker. `user` is whom the answer shows.
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
                // Whether it came about or not, once its commit has begun.
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

/// Attempts a change a few times, while others are in its way.
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

/// Attempts a change until it is known what became of it. Where the answer of the database was lost, the
/// change is asked for again, which has no second effect; the time of the request is the bound.
pub async fn retry_until_known<T, F>(attempt: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut in_doubt = false;
    loop {
        let done = retry_contended(&attempt).await;
        in_doubt |= matches!(done, Err(Error::TimedOut(Some(_))));
        match done {
            // Also where the session that has gone still holds the key.
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

/// [`settled`], if it may be asked for again: an `If-Match` would not match what it has changed itself.
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
