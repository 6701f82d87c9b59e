//! Files of people that operators import in the console, and how far each import is.

use sqlx::types::Json;
use sqlx::{query, query_as, query_scalar};
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::id::{self, AppId};

/// How long an import is kept, in days.
const KEPT: i32 = 30;

/// An import without its file.
#[derive(Debug)]
pub struct ImportRow {
    pub id: Uuid,
    pub file_name: String,
    /// The column of each header; `None`: ignored.
    pub names: Vec<Option<String>>,
    /// `new`, `checking`, `checked`, `running` or `done`.
    pub state: String,
    /// Rows read so far, and in the whole file as far as it was checked.
    pub lines: i64,
    pub total: i64,
    pub created: i64,
    pub existing: i64,
    pub rejected_count: i64,
    /// The first rejected rows, as `import::people::Rejected`.
    pub rejected: Json<serde_json::Value>,
    pub created_at: String,
    /// Whether it is at work and its server went away.
    pub interrupted: bool,
}

/// Stores a file, and deletes old imports of the app. Returns its id.
pub async fn create(
    db: &Pool,
    app: AppId,
    file_name: &str,
    file: &[u8],
    names: &[Option<String>],
) -> Result<Uuid, Error> {
    let id = id::new();
    query!(
        "WITH past AS (
            DELETE FROM imports WHERE app_id = $1 AND created_at < now() - make_interval(days => $6)
        )
        INSERT INTO imports (app_id, import_id, file_name, file, names) VALUES ($1, $2, $3, $4, $5)",
        app.0,
        id,
        file_name,
        file,
        names as &[Option<String>],
        KEPT,
    )
    .execute(db)
    .await?;
    Ok(id)
}

pub async fn find(db: &Pool, app: AppId, id: Uuid) -> Result<Option<ImportRow>, Error> {
    Ok(query_as!(
        ImportRow,
        r#"
        SELECT import_id AS id, file_name, names AS "names: Vec<Option<String>>", state, lines, total, created, existing,
            rejected_count, rejected AS "rejected: Json<serde_json::Value>",
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            state IN ('checking', 'running') AND updated_at < now() - interval '1 minute' AS "interrupted!"
        FROM imports WHERE app_id = $1 AND import_id = $2
        "#,
        app.0,
        id,
    )
    .fetch_optional(db)
    .await?)
}

/// The file of an import that is not done.
pub async fn file(db: &Pool, app: AppId, id: Uuid) -> Result<Option<Vec<u8>>, Error> {
    let file = query_scalar!("SELECT file FROM imports WHERE app_id = $1 AND import_id = $2", app.0, id);
    Ok(file.fetch_optional(db).await?.flatten())
}

/// The newest imports of an app, at most `limit`.
pub async fn list(db: &Pool, app: AppId, limit: i64) -> Result<Vec<ImportRow>, Error> {
    Ok(query_as!(
        ImportRow,
        r#"
        SELECT import_id AS id, file_name, names AS "names: Vec<Option<String>>", state, lines, total, created, existing,
            rejected_count, '[]'::jsonb AS "rejected!: Json<serde_json::Value>",
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            state IN ('checking', 'running') AND updated_at < now() - interval '1 minute' AS "interrupted!"
        FROM imports WHERE app_id = $1 ORDER BY import_id DESC LIMIT $2
        "#,
        app.0,
        limit,
    )
    .fetch_all(db)
    .await?)
}

/// Begins a dry run with these columns. Returns false if the import is at work or done.
pub async fn begin_check(db: &Pool, app: AppId, id: Uuid, names: &[Option<String>]) -> Result<bool, Error> {
    let begun = query!(
        "UPDATE imports SET state = 'checking', names = $3, lines = 0, updated_at = now()
        WHERE app_id = $1 AND import_id = $2 AND (state IN ('new', 'checked')
            OR state = 'checking' AND updated_at < now() - interval '1 minute')",
        app.0,
        id,
        names as &[Option<String>],
    )
    .execute(db)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// Begins the import of a file that was checked, or continues one that was interrupted. Returns false if it is at work,
/// done, or not checked.
pub async fn begin(db: &Pool, app: AppId, id: Uuid) -> Result<bool, Error> {
    let begun = query!(
        "UPDATE imports SET state = 'running', lines = 0, updated_at = now()
        WHERE app_id = $1 AND import_id = $2 AND (state = 'checked'
            OR state = 'running' AND updated_at < now() - interval '1 minute')",
        app.0,
        id,
    )
    .execute(db)
    .await?;
    Ok(begun.rows_affected() == 1)
}

/// Says how far an import is.
pub async fn progress(db: &Pool, app: AppId, id: Uuid, lines: i64) -> Result<(), Error> {
    query!(
        "UPDATE imports SET lines = $3, updated_at = now() WHERE app_id = $1 AND import_id = $2",
        app.0,
        id,
        lines,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The result of an import or of its dry run.
#[derive(Debug)]
pub struct ImportResult {
    pub lines: i64,
    pub created: i64,
    pub existing: i64,
    pub rejected_count: i64,
    pub rejected: serde_json::Value,
}

/// Stores the result. After an import, as against a dry run, the file is deleted.
pub async fn finish(
    db: &Pool,
    app: AppId,
    id: Uuid,
    result: &ImportResult,
    dry_run: bool,
) -> Result<(), Error> {
    query!(
        "UPDATE imports SET state = CASE WHEN $3 THEN 'checked' ELSE 'done' END,
            file = CASE WHEN $3 THEN file END, lines = $4, total = $4, created = $5, existing = $6,
            rejected_count = $7, rejected = $8, updated_at = now()
        WHERE app_id = $1 AND import_id = $2",
        app.0,
        id,
        dry_run,
        result.lines,
        result.created,
        result.existing,
        result.rejected_count,
        result.rejected,
    )
    .execute(db)
    .await?;
    Ok(())
}
