//! Who wants no referral mails of an app: hashes under a key of the app's own, which is made with the app.

use std::sync::Arc;

use quick_cache::sync::Cache;
use sqlx::{PgExecutor, query};
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::credentials::opt_out::{AddressHash, KEY, OptOutCode, OptOutKey};
use crate::domain::credentials::secret_key::{self, NotOurs, Purpose, SecretKey};
use crate::domain::id::{self, AppId};

/// The key of an app as it is stored.
pub struct SealedKey {
    id: Uuid,
    key: Vec<u8>,
}

impl SealedKey {
    pub(crate) fn new(id: Uuid, key: Vec<u8>) -> Self {
        Self { id, key }
    }

    /// The key itself.
    pub fn open(&self, seal: &SecretKey) -> Result<OptOutKey, NotOurs> {
        Ok(OptOutKey::new(&seal.open(Purpose::OptOutKey, self.id, &self.key)?))
    }
}

/// Keys that are remembered; the least used make room.
const CAPACITY: usize = 16_384;

/// The apps' keys. One never changes, so it is asked for once.
pub struct OptOutKeys(Cache<AppId, Arc<OptOutKey>>);

impl Default for OptOutKeys {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum OptOutKeyError {
    /// The database could not be asked.
    #[error(transparent)]
    Database(#[from] Error),
    /// It was sealed under another secret key.
    #[error(transparent)]
    NotOurs(#[from] NotOurs),
}

impl OptOutKeys {
    /// The key of an app that exists.
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

/// The key of an app that exists. Where the app is older than such keys, it is made. Of calls at once, one makes it.
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

/// What the link in a mail is about, for its page.
pub struct Subject {
    /// The app's name.
    pub app_name: String,
    /// The app's language.
    pub app_language: String,
    /// What tells whether the link was made here.
    pub key: SealedKey,
    /// Whether its address has opted out.
    pub out: bool,
}

/// What a code names, made up or not.
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

/// Mails this address no referrals of the app any more. False: it has opted out before.
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

/// Undoes it. False: it has not opted out.
pub async fn remove(db: &Pool, app: AppId, address: &AddressHash) -> Result<bool, Error> {
    let done = query!("DELETE FROM opt_outs WHERE app_id = $1 AND address_hash = $2", app.0, &address.0)
        .execute(db)
        .await
        .map_err(Error::of_change)?;
    Ok(done.rows_affected() == 1)
}
