//! Apps and their key pairs.

use serde::Serialize;
use sqlx::{PgConnection, PgPool, query, query_as, query_scalar};
use uuid::Uuid;

use super::Error;
use crate::domain::access_token::NewKeyPair;
use crate::domain::id::AppId;
use crate::domain::seal::SecretKey;

/// The settings of an app; names as in the output of `userdocks app show`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct App {
    /// `X-CLIENT-ID`
    pub app_id: Uuid,
    /// What mails call it.
    pub name: String,
    /// The language of mails to people whose own has no texts.
    pub language: String,
    /// Sender of its mails, if it has one of its own.
    pub mail_from: Option<String>,
    /// Its own landing page for invites.
    pub invite_url: Option<String>,
    /// Origins whose pages may call the API.
    pub origins: Vec<String>,
    /// `iss` of an outside issuer of access tokens.
    pub issuer: Option<String>,
    /// Where that issuer's keys are.
    pub jwks_url: Option<String>,
}

/// Stores a new app and its key pair.
pub async fn create(
    db: &mut PgConnection,
    app: &App,
    keys: &NewKeyPair,
    seal: &SecretKey,
) -> Result<(), Error> {
    query!(
        r#"
        WITH app AS (
            INSERT INTO apps (app_id, name, language, mail_from, invite_url, origins, issuer, jwks_url)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        )
        INSERT INTO signing_keys (app_id, key_id, public_key, private_key) VALUES ($1, $9, $10, $11)
        "#,
        app.app_id,
        app.name,
        app.language,
        app.mail_from,
        app.invite_url,
        &app.origins,
        app.issuer,
        app.jwks_url,
        keys.id,
        keys.public,
        seal.seal(keys.id, &keys.private),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Stores the settings of an app that exists. False: it does not.
pub async fn update(db: &PgPool, app: &App) -> Result<bool, Error> {
    let done = query!(
        "UPDATE apps SET name = $2, language = $3, mail_from = $4, invite_url = $5, origins = $6, issuer = $7,
            jwks_url = $8
        WHERE app_id = $1",
        app.app_id,
        app.name,
        app.language,
        app.mail_from,
        app.invite_url,
        &app.origins,
        app.issuer,
        app.jwks_url,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// All apps, oldest first; or the one with this id.
pub async fn list(db: &PgPool, app: Option<AppId>) -> Result<Vec<App>, Error> {
    Ok(query_as!(
        App,
        "SELECT app_id, name, language, mail_from, invite_url, origins, issuer, jwks_url FROM apps
        WHERE $1::uuid IS NULL OR app_id = $1 ORDER BY created_at, app_id",
        app.map(|app| app.0)
    )
    .fetch_all(db)
    .await?)
}

/// The public keys of an app, newest first: id and SubjectPublicKeyInfo. Empty: there is no such app.
pub async fn public_keys(db: &PgPool, app: AppId) -> Result<Vec<(Uuid, Vec<u8>)>, Error> {
    let rows =
        query!("SELECT key_id, public_key FROM signing_keys WHERE app_id = $1 ORDER BY key_id DESC", app.0)
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().map(|row| (row.key_id, row.public_key)).collect())
}

/// Whether any app lists this origin.
pub async fn has_origin(db: &PgPool, origin: &str) -> Result<bool, Error> {
    let known =
        query_scalar!(r#"SELECT EXISTS (SELECT FROM apps WHERE origins @> ARRAY[$1]) AS "known!""#, origin)
            .fetch_one(db)
            .await?;
    Ok(known)
}

/// The newest private key of an app: id and PKCS #8, sealed for that id.
pub async fn private_key(db: &PgPool, app: AppId) -> Result<Option<(Uuid, Vec<u8>)>, Error> {
    let row = query!(
        "SELECT key_id, private_key FROM signing_keys WHERE app_id = $1 ORDER BY key_id DESC LIMIT 1",
        app.0
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (row.key_id, row.private_key)))
}
