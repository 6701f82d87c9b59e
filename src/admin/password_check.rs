//! Checks passwords and codes. At most two hashes run at a time, since each takes 19 MiB.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use uuid::Uuid;

use super::error::Error;
use super::state::ConsoleState;
use crate::clock;
use crate::db::operators::passwords::{self, StoredPassword};
use crate::domain::credentials::password::{self, Password};
use crate::domain::credentials::secret_key::Purpose;
use crate::domain::credentials::totp::TotpSecret;

static HASHING: Semaphore = Semaphore::const_new(2);
/// How long a request waits for others' hashes.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

async fn permit() -> Result<SemaphorePermit<'static>, Error> {
    let permit = timeout(ACQUIRE_TIMEOUT, HASHING.acquire()).await;
    permit.ok().and_then(Result::ok).ok_or(Error::TooManyTries)
}

/// Runs on a thread of its own. The permit is held until the work ends, also if the client disconnects.
async fn hashing<T: Send + 'static>(
    permit: SemaphorePermit<'static>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let done = spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    done.await.map_err(|_| Error::Refused("Something went wrong here. Try again.".to_owned()))
}

/// The hash of a new password.
pub async fn hash(password: Password) -> Result<String, Error> {
    hashing(permit().await?, move || password.hash()).await
}

/// A password and a code that are right. The code is not used up yet.
pub struct Checked {
    pub stored: StoredPassword,
    /// The time step of the code.
    pub step: i64,
}

/// Checks the password and the code of an operator; `None`: of an unknown one. The try is counted. An unknown operator,
/// one without a password and a locked one cost the same time as a wrong password.
pub async fn check(
    console: &ConsoleState,
    operator: Option<Uuid>,
    password: &str,
    code: &str,
) -> Result<Option<Checked>, Error> {
    let permit = permit().await?;
    let stored = passwords::begin_try(console.db(), operator.unwrap_or(Uuid::nil())).await?;
    let password = Password::parse(password).ok();
    let hash = stored.as_ref().map(|stored| stored.password_hash.clone());
    let right = hashing(permit, move || password::verify(password.as_ref(), hash.as_deref())).await?;
    let Some(stored) = stored.filter(|_| right) else { return Ok(None) };
    let secret = console.server.seal.open(Purpose::TotpSecret, stored.operator_id, &stored.totp_secret);
    let Some(secret) = secret.ok().and_then(|secret| TotpSecret::stored(&secret)) else {
        tracing::error!(operator = %stored.operator_id, "the secret of an authenticator app does not open");
        return Ok(None);
    };
    let step = secret.step_of(code, clock::now(), Some(stored.totp_step));
    Ok(step.map(|step| Checked { stored, step }))
}
