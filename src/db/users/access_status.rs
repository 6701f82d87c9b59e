//! Freezes and unfreezes users.

use serde_json::Value;
use sqlx::query_scalar;

use crate::db::webhooks::publish::{EventScope, publish_user_event};
use crate::db::{Error, Pool};
use crate::domain::id::{AppId, UserId};
use crate::domain::webhook::{EventId, EventType};

/// Freezes or unfreezes a user and returns whether they were frozen before. `None`: the user is unknown or deleted.
pub async fn set_frozen(
    db: &Pool,
    app: AppId,
    user: UserId,
    frozen: bool,
    event: Option<EventId>,
) -> Result<Option<bool>, Error> {
    let mut change = EventScope::begin(db, event.is_some()).await?;
    let was = query_scalar!(
        r#"
        WITH person AS (
            SELECT freezed FROM users WHERE app_id = $1 AND user_id = $2 AND NOT deleted FOR NO KEY UPDATE
        ), changed AS (
            UPDATE users SET freezed = $3, version = version + 1
            WHERE app_id = $1 AND user_id = $2 AND NOT deleted AND freezed <> $3
        )
        SELECT freezed FROM person
        "#,
        app.0,
        user.0,
        frozen,
    )
    .fetch_optional(change.connection())
    .await
    .map_err(Error::of_change)?;
    if was == Some(!frozen) {
        let kind = if frozen { EventType::UserFrozen } else { EventType::UserUnfrozen };
        publish_user_event(change.connection(), event, kind, app, user, Value::Null).await?;
    }
    change.end().await?;
    Ok(was)
}
