//! Transactions on a pooled connection.

use sqlx::{PgConnection, raw_sql};
use tokio::time::timeout;

use super::error::Error;
use super::pool::{CLOSE_TIMEOUT, Pool, PooledConnection};

/// A transaction. If it is dropped before the commit, it is rolled back, and the connection is reused only once the
/// rollback is certain. This also holds if it is dropped while `BEGIN` runs: sqlx's own transaction does not handle
/// that case, and later statements on the connection would be acknowledged but never committed.
pub struct Transaction(Option<PooledConnection>);

impl Transaction {
    pub async fn begin(db: &Pool) -> Result<Self, Error> {
        let mut transaction = Self(Some(db.acquire().await?));
        raw_sql("BEGIN ISOLATION LEVEL READ COMMITTED").execute(&mut *transaction).await?;
        Ok(transaction)
    }

    pub async fn commit(mut self) -> Result<(), Error> {
        raw_sql("COMMIT").execute(&mut *self).await.map_err(Error::of_change)?;
        self.release();
        Ok(())
    }

    /// Rolls back and waits for the answer.
    pub async fn rollback(mut self) -> Result<(), Error> {
        raw_sql("ROLLBACK").execute(&mut *self).await?;
        self.release();
        Ok(())
    }

    fn release(mut self) {
        if let Some(lent) = self.0.take() {
            lent.release();
        }
    }
}

#[expect(clippy::expect_used, reason = "it is there until the commit or the drop")]
mod connection_of {
    use super::{PgConnection, Transaction};

    impl std::ops::Deref for Transaction {
        type Target = PgConnection;

        fn deref(&self) -> &PgConnection {
            self.0.as_ref().expect("the connection of a transaction")
        }
    }

    impl std::ops::DerefMut for Transaction {
        fn deref_mut(&mut self) -> &mut PgConnection {
            self.0.as_mut().expect("the connection of a transaction")
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(mut lent) = self.0.take() else { return };
        tokio::spawn(async move {
            match timeout(CLOSE_TIMEOUT, raw_sql("ROLLBACK").execute(&mut *lent)).await {
                Ok(Ok(_)) => lent.release(),
                Ok(Err(_)) => lent.discard(),
                Err(_) => lent.cancel(),
            }
        });
    }
}
