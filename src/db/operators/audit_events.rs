//! Stored audit events: what operators did in the console and by commands. Calls of the API are log lines only.

use std::time::Duration;

use serde::Serialize;
use sqlx::{query, query_as};
use uuid::Uuid;

use crate::audit::AuditEvent;
use crate::db::{Error, Pool};
use crate::domain::id::{self, AppId};

/// Most expired events that one new event deletes.
const MAX_DELETED: i64 = 1000;

/// Stores an event, and deletes expired ones. `keep`: the retention; zero keeps all.
pub async fn store(db: &Pool, event: &AuditEvent, keep: Duration) -> Result<(), Error> {
    query!(
        r#"
        WITH past AS MATERIALIZED (
            SELECT app_id, event_id FROM audit_events
            WHERE $8::float8 > 0 AND created_at < now() - make_interval(secs => $8::float8) LIMIT $9
        ), deleted AS (
            DELETE FROM audit_events a USING past p WHERE a.app_id = p.app_id AND a.event_id = p.event_id
        )
        INSERT INTO audit_events (app_id, event_id, operator_id, action, outcome, subject, fields)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        "#,
        event.record.app.map_or(Uuid::nil(), |app| app.0),
        id::new(),
        event.record.operator,
        event.action,
        event.outcome,
        event.record.subject,
        &event.record.fields,
        keep.as_secs_f64(),
        MAX_DELETED,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A stored event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEventRow {
    pub id: Uuid,
    /// `None`: a command.
    pub operator_id: Option<Uuid>,
    /// The operator's address.
    pub operator: Option<String>,
    pub action: String,
    pub outcome: String,
    pub subject: Option<Uuid>,
    pub fields: Vec<String>,
    pub created_at: String,
}

/// Events of an app, or with the nil UUID those of no app, newest first, at most `limit`: before the event `before`, and
/// of one operator or about one subject only, if given.
pub async fn list(
    db: &Pool,
    app: AppId,
    operator: Option<Uuid>,
    subject: Option<Uuid>,
    before: Uuid,
    limit: i64,
) -> Result<Vec<AuditEventRow>, Error> {
    Ok(query_as!(
        AuditEventRow,
        r#"
        SELECT a.event_id AS id, a.operator_id, o.email AS "operator?", a.action, a.outcome, a.subject, a.fields,
            to_char(a.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!"
        FROM audit_events a LEFT JOIN operators o ON o.operator_id = a.operator_id
        WHERE a.app_id = $1 AND a.event_id < $4 AND ($2::uuid IS NULL OR a.operator_id = $2)
            AND ($3::uuid IS NULL OR a.subject = $3)
        ORDER BY a.event_id DESC LIMIT $5
        "#,
        app.0,
        operator,
        subject,
        before,
        limit,
    )
    .fetch_all(db)
    .await?)
}
