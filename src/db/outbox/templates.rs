//! Mails that apps have written themselves.

use serde::Serialize;
use sqlx::{query, query_as, query_scalar};

use crate::db::{Error, Pool};
use crate::domain::id::AppId;
use crate::domain::mail::kind::MailKind;

/// Stores the template of an app for a kind and a language, in place of an earlier one.
pub async fn set(db: &Pool, app: AppId, kind: MailKind, language: &str, html: &str) -> Result<(), Error> {
    query!(
        "INSERT INTO mail_templates (app_id, kind, language, html) VALUES ($1, $2, $3, $4)
        ON CONFLICT (app_id, kind, language) DO UPDATE SET html = excluded.html, updated_at = now()",
        app.0,
        kind.as_str(),
        language,
        html,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes a template. Returns false if there is none.
pub async fn reset(db: &Pool, app: AppId, kind: MailKind, language: &str) -> Result<bool, Error> {
    let done = query!(
        "DELETE FROM mail_templates WHERE app_id = $1 AND kind = $2 AND language = $3",
        app.0,
        kind.as_str(),
        language,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The template of an app for a kind and a language, if it has one.
pub async fn find(db: &Pool, app: AppId, kind: MailKind, language: &str) -> Result<Option<String>, Error> {
    let html = query_scalar!(
        "SELECT html FROM mail_templates WHERE app_id = $1 AND kind = $2 AND language = $3",
        app.0,
        kind.as_str(),
        language,
    )
    .fetch_optional(db)
    .await?;
    Ok(html)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateRow {
    pub kind: String,
    pub language: String,
    /// RFC 3339, UTC.
    pub updated_at: String,
}

/// The kinds and languages for which an app has templates.
pub async fn list(db: &Pool, app: AppId) -> Result<Vec<TemplateRow>, Error> {
    Ok(query_as!(
        TemplateRow,
        r#"
        SELECT kind, language, to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "updated_at!"
        FROM mail_templates WHERE app_id = $1 ORDER BY kind, language
        "#,
        app.0
    )
    .fetch_all(db)
    .await?)
}
