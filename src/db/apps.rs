//! Apps and their signing key pairs. The newest key whose start time has passed signs tokens; all keys of the app
//! verify them.

use std::time::Duration;

use serde::Serialize;
use sqlx::{PgConnection, PgExecutor, query, query_as, query_scalar};
use uuid::Uuid;

use super::{Error, Pool, Transaction, api_keys};
use crate::domain::credentials::access_token::NewKeyPair;
use crate::domain::credentials::api_key::ApiKey;
use crate::domain::credentials::opt_out::KEY;
use crate::domain::credentials::secret_key::{self, Purpose, SecretKey};
use crate::domain::id::{self, AppId};

pub use crate::domain::app_settings::App;

/// Stores a new app, its key pair, and the key that hashes opted-out addresses.
pub async fn create(
    db: &mut PgConnection,
    app: &App,
    keys: &NewKeyPair,
    secret_key: &SecretKey,
) -> Result<(), Error> {
    let opt_out_key = id::new();
    query!(
        r#"
        WITH app AS (
            INSERT INTO apps
                (app_id, name, language, mail_from, invite_url, invite_expires_in, origins, issuer, jwks_url, reply_to,
                logo_url, color, return_path, home_url, footer, imprint_url, privacy_url)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $13, $14, $15, $16, $19, $20, $21, $22)
        ), opt_out_key AS (
            INSERT INTO opt_out_keys (app_id, key_id, hash_key) VALUES ($1, $17, $18)
        )
        INSERT INTO signing_keys (app_id, key_id, public_key, private_key) VALUES ($1, $10, $11, $12)
        "#,
        app.app_id,
        app.name,
        app.language,
        app.mail_from,
        app.invite_url,
        app.invite_expires_in,
        &app.origins,
        app.issuer,
        app.jwks_url,
        keys.id,
        keys.public,
        secret_key.seal(Purpose::SigningKey, keys.id, &keys.private),
        app.reply_to,
        app.logo_url,
        app.color,
        app.return_path,
        opt_out_key,
        secret_key.seal(Purpose::OptOutKey, opt_out_key, &secret_key::random::<KEY>()),
        app.home_url,
        app.footer,
        app.imprint_url,
        app.privacy_url,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Stores a new app with a new key pair and these API keys, which do not expire.
pub async fn create_with_keys(
    db: &mut PgConnection,
    app: &App,
    keys: &[ApiKey],
    secret_key: &SecretKey,
) -> Result<(), Error> {
    create(db, app, &NewKeyPair::generate(), secret_key).await?;
    for key in keys {
        api_keys::create(db, AppId(app.app_id), key, None).await?;
    }
    Ok(())
}

/// Updates the settings of an app that still has the settings `before`. Returns false if it has others now.
pub async fn update_if(db: &Pool, before: &App, app: &App) -> Result<bool, Error> {
    let mut transaction = Transaction::begin(db).await?;
    let stored = query_as!(
        App,
        "SELECT app_id, name, language, mail_from, reply_to, return_path, logo_url, color, home_url, footer,
            imprint_url, privacy_url, invite_url, invite_expires_in, origins, issuer, jwks_url
        FROM apps WHERE app_id = $1 FOR UPDATE",
        before.app_id
    )
    .fetch_optional(&mut *transaction)
    .await?;
    if stored.as_ref() != Some(before) {
        transaction.rollback().await?;
        return Ok(false);
    }
    update(&mut *transaction, app).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Updates the settings of an app. Returns false if the app does not exist.
pub async fn update(db: impl PgExecutor<'_>, app: &App) -> Result<bool, Error> {
    let done = query!(
        "UPDATE apps SET name = $2, language = $3, mail_from = $4, invite_url = $5, invite_expires_in = $6,
            origins = $7, issuer = $8, jwks_url = $9, reply_to = $10, logo_url = $11, color = $12,
            return_path = $13, home_url = $14, footer = $15, imprint_url = $16, privacy_url = $17
        WHERE app_id = $1",
        app.app_id,
        app.name,
        app.language,
        app.mail_from,
        app.invite_url,
        app.invite_expires_in,
        &app.origins,
        app.issuer,
        app.jwks_url,
        app.reply_to,
        app.logo_url,
        app.color,
        app.return_path,
        app.home_url,
        app.footer,
        app.imprint_url,
        app.privacy_url,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub async fn find(db: &Pool, app: AppId) -> Result<Option<App>, Error> {
    Ok(query_as!(
        App,
        "SELECT app_id, name, language, mail_from, reply_to, return_path, logo_url, color, home_url, footer,
            imprint_url, privacy_url, invite_url, invite_expires_in, origins, issuer, jwks_url
        FROM apps WHERE app_id = $1",
        app.0
    )
    .fetch_optional(db)
    .await?)
}

/// The public keys of an app as (id, SubjectPublicKeyInfo); the key that signs comes first. Empty if the app does not
/// exist.
pub async fn public_keys(db: &Pool, app: AppId) -> Result<Vec<(Uuid, Vec<u8>)>, Error> {
    let rows = query!(
        "SELECT key_id, public_key FROM signing_keys WHERE app_id = $1
        ORDER BY signs_from <= now() DESC, signs_from DESC, key_id DESC",
        app.0
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.key_id, row.public_key)).collect())
}

/// Whether any app lists this origin. A CORS preflight does not name the app.
pub async fn has_origin(db: &Pool, origin: &str) -> Result<bool, Error> {
    let known =
        query_scalar!(r#"SELECT EXISTS (SELECT FROM apps WHERE origins @> ARRAY[$1]) AS "known!""#, origin)
            .fetch_one(db)
            .await?;
    Ok(known)
}

/// The private key that currently signs for an app, as (id, PKCS #8); the key is sealed for that id.
pub async fn private_key(db: &Pool, app: AppId) -> Result<Option<(Uuid, Vec<u8>)>, Error> {
    let row = query!(
        "SELECT key_id, private_key FROM signing_keys WHERE app_id = $1 AND signs_from <= now()
        ORDER BY signs_from DESC, key_id DESC LIMIT 1",
        app.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (row.key_id, row.private_key)))
}

/// Adds a key pair to an app. It signs after `delay`.
pub async fn add_signing_key(
    db: &Pool,
    app: AppId,
    keys: &NewKeyPair,
    delay: Duration,
    seal: &SecretKey,
) -> Result<(), Error> {
    query!(
        "INSERT INTO signing_keys (app_id, key_id, public_key, private_key, signs_from)
        VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))",
        app.0,
        keys.id,
        keys.public,
        seal.seal(Purpose::SigningKey, keys.id, &keys.private),
        delay.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(())
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningKeyRow {
    pub id: Uuid,
    pub app_id: Uuid,
    pub created_at: String,
    pub signs_from: String,
    /// Whether this is the key that signs.
    pub signs: bool,
}

/// The signing keys of an app, newest first.
pub async fn signing_keys(db: &Pool, app: AppId) -> Result<Vec<SigningKeyRow>, Error> {
    Ok(query_as!(
        SigningKeyRow,
        r#"
        SELECT key_id AS id, app_id,
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            to_char(signs_from AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "signs_from!",
            key_id = first_value(key_id) OVER (ORDER BY signs_from <= now() DESC, signs_from DESC, key_id DESC)
                AS "signs!"
        FROM signing_keys WHERE app_id = $1 ORDER BY signs_from DESC, key_id DESC
        "#,
        app.0
    )
    .fetch_all(db)
    .await?)
}

/// Removes a signing key, which invalidates every token that it signed. Returns false if no other key of the app signs.
pub async fn remove_signing_key(db: &Pool, app: AppId, key: Uuid) -> Result<bool, Error> {
    let done = query!(
        "DELETE FROM signing_keys k WHERE k.app_id = $1 AND k.key_id = $2 AND EXISTS (
            SELECT FROM signing_keys o WHERE o.app_id = $1 AND o.key_id <> $2 AND o.signs_from <= now())",
        app.0,
        key,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}
