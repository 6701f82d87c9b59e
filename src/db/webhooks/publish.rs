//! Publishes events: writes their webhook deliveries in the transaction of the change.

use serde_json::Value;
use sqlx::{PgConnection, query};

use crate::db::{Error, Pool, PooledConnection, Transaction};
use crate::domain::id::{AppId, UserId};
use crate::domain::webhook::{Event, EventId, EventType};

/// The connection of a change; a transaction if an event is published with it.
pub enum EventScope {
    /// No event: each statement commits on its own.
    WithoutEvent(PooledConnection),
    /// The change and its event are committed together.
    WithEvent(Transaction),
}

impl EventScope {
    pub async fn begin(db: &Pool, with_event: bool) -> Result<Self, Error> {
        Ok(if with_event {
            Self::WithEvent(Transaction::begin(db).await?)
        } else {
            Self::WithoutEvent(db.acquire().await?)
        })
    }

    pub fn connection(&mut self) -> &mut PgConnection {
        match self {
            Self::WithoutEvent(lent) => lent,
            Self::WithEvent(transaction) => transaction,
        }
    }

    /// Commits the transaction or releases the connection.
    pub async fn end(self) -> Result<(), Error> {
        match self {
            Self::WithoutEvent(lent) => lent.release(),
            Self::WithEvent(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

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

/// Publishes an event about a user, if the app has webhooks.
pub async fn publish_user_event(
    db: &mut PgConnection,
    event: Option<EventId>,
    kind: EventType,
    app: AppId,
    user: UserId,
    more: Value,
) -> Result<(), Error> {
    match event {
        Some(event) => publish(db, app, &event.of(kind, app, Some(user), more)).await,
        None => Ok(()),
    }
}
