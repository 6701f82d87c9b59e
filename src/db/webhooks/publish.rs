//! Publishes events: writes their webhook deliveries in the transaction of the change.

use sqlx::{PgConnection, query};

use crate::db::Error;
use crate::domain::id::AppId;
use crate::domain::webhook::Event;

/// Queues an event for the subscribed webhooks of the app, within the caller's transaction. Repeating the same event
/// changes nothing.
pub async fn publish(db: &mut PgConnection, app: AppId, event: &Event) -> Result<(), Error> {
    query!(
        r#"
        INSERT INTO webhook_deliveries (app_id, delivery_id, webhook_id, type, payload)
        SELECT $1, md5($2::uuid::text || webhook_id::text)::uuid, webhook_id, $3,
            json_build_object(
                'type', $3::text,
                'timestamp', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
                'data', $4::text::json)::text
        FROM webhooks WHERE app_id = $1 AND disabled_at IS NULL AND (events = '{}' OR $3 = ANY(events))
        ON CONFLICT DO NOTHING
        "#,
        app.0,
        event.id.0,
        event.kind.as_str(),
        event.data.to_string(),
    )
    .execute(db)
    .await
    .map_err(Error::of_change)?;
    Ok(())
}
