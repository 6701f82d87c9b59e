//! Opt-outs from an app's referral mails. Addresses are stored as hashes under a key of the app.

use std::sync::Arc;

use quick_cache::sync::Cache;
use sqlx::{PgExecutor, query, query_scalar};
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::credentials::opt_out::{AddressHash, KEY, OptOutCode, OptOutKey};
use crate::domain::credentials::secret_key::{self, NotOurs, Purpose, SecretKey};
use crate::domain::id::{self, AppId};

/// An app's key as stored, sealed.
pub struct SealedKey {
    id: Uuid,
    key: Vec<u8>,
}

impl SealedKey {
    pub(crate) fn new(id: Uuid, key: Vec<u8>) -> Self {
        Self { id, key }
    }

    /// Decrypts the key.
    pub fn open(&self, seal: &SecretKey) -> Result<OptOutKey, NotOurs> {
        Ok(OptOutKey::new(&seal.open(Purpose::OptOutKey, self.id, &self.key)?))
    }
}

/// Maximum number of cached keys; the least recently used are evicted.
const CAPACITY: usize = 16_384;

/// Cache of the apps' keys. A key never changes, so an entry stays valid.
pub struct OptOutKeys(Cache<AppId, Arc<OptOutKey>>);

impl Default for OptOutKeys {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum OptOutKeyError {
    /// The database query failed.
    #[error(transparent)]
    Database(#[from] Error),
    /// The key was sealed under another secret key.
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
}

impl OptOutKeys {
    /// The key of an existing app.
    pub async fn of(
        &self,
        db: &Pool,
        seal: &SecretKey,
        app: AppId,
    ) -> Result<Arc<OptOutKey>, OptOutKeyError> {
        if let Some(key) = self.0.get(&app) {
            return Ok(key);
        }
        let key = Arc::new(key(db, app, seal).await?.open(seal)?);
        self.0.insert(app, Arc::clone(&key));
        Ok(key)
    }
}

/// The key of an existing app. It is created if the app is older than opt-out keys; of concurrent calls, one creates
/// it.
pub async fn key(db: &Pool, app: AppId, seal: &SecretKey) -> Result<SealedKey, Error> {
    loop {
        let found = query!("SELECT key_id, hash_key FROM opt_out_keys WHERE app_id = $1", app.0);
        if let Some(row) = found.fetch_optional(db).await? {
            return Ok(SealedKey::new(row.key_id, row.hash_key));
        }
        let id = id::new();
        let key = seal.seal(Purpose::OptOutKey, id, &secret_key::random::<KEY>());
        query!(
            "INSERT INTO opt_out_keys (app_id, key_id, hash_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            app.0,
            id,
            key
        )
        .execute(db)
        .await?;
    }
}

/// The data of an opt-out page.
pub struct Subject {
    pub app_name: String,
    pub app_language: String,
    /// Verifies that the link was made by this server.
    pub key: SealedKey,
    /// Whether the address has opted out.
    pub out: bool,
}

/// Looks up the app and opt-out of a code, which may be forged.
pub async fn find(db: &Pool, code: &OptOutCode) -> Result<Option<Subject>, Error> {
    let row = query!(
        r#"
        SELECT a.name, a.language, k.key_id, k.hash_key, EXISTS (
            SELECT FROM opt_outs o WHERE o.app_id = $1 AND o.address_hash = $2) AS "out!"
        FROM apps a JOIN opt_out_keys k ON k.app_id = a.app_id
        WHERE a.app_id = $1
        "#,
        code.app.0,
        &code.address.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Subject {
        app_name: row.name,
        app_language: row.language,
        key: SealedKey::new(row.key_id, row.hash_key),
        out: row.out,
    }))
}

/// Opts the address out of the app's referral mails. Returns false if it already was.
pub async fn add(db: impl PgExecutor<'_>, app: AppId, address: &AddressHash) -> Result<bool, Error> {
    let done = query!(
        "INSERT INTO opt_outs (app_id, address_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        app.0,
        &address.0
    )
    .execute(db)
    .await
    .map_err(Error::of_change)?;
    Ok(done.rows_affected() == 1)
}

/// Removes an opt-out. Returns false if there was none.
pub async fn remove(db: &Pool, app: AppId, address: &AddressHash) -> Result<bool, Error> {
    let done = query!("DELETE FROM opt_outs WHERE app_id = $1 AND address_hash = $2", app.0, &address.0)
        .execute(db)
        .await
        .map_err(Error::of_change)?;
    Ok(done.rows_affected() == 1)
}

/// Whether the address has opted out of the app's referral mails.
pub async fn is_out(db: &Pool, app: AppId, address: &AddressHash) -> Result<bool, Error> {
    let found = query_scalar!(
        r#"SELECT EXISTS (SELECT FROM opt_outs WHERE app_id = $1 AND address_hash = $2) AS "out!""#,
        app.0,
        &address.0
    );
    Ok(found.fetch_one(db).await?)
}

/// The maximum that [`count`] counts.
pub const MAX_COUNTED: i64 = 10_000;

/// How many addresses opted out of the app's referral mails, counted up to [`MAX_COUNTED`] and one more.
pub async fn count(db: &Pool, app: AppId) -> Result<i64, Error> {
    let counted = query_scalar!(
        r#"
        SELECT count(*) AS "count!"
        FROM (SELECT FROM opt_outs WHERE app_id = $1 AND address_hash >= ''::bytea LIMIT $2) o
        "#,
        app.0,
        MAX_COUNTED + 1
    );
    Ok(counted.fetch_one(db).await?)
}
