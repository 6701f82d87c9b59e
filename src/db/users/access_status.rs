//! Freezes and unfreezes users.

use serde_json::Value;
use sqlx::query_scalar;

use crate::db::Error;
use crate::db::unit_of_work::UnitOfWork;
use crate::domain::id::UserId;
use crate::domain::webhook::EventType;

pub struct SetAccessStatus {
    pub user: UserId,
    pub frozen: bool,
}

/// Freezes or unfreezes a user and returns whether they were frozen before. `None`: the user is unknown or deleted.
pub async fn set_access_status(
    work: &mut UnitOfWork<'_>,
    &SetAccessStatus { user, frozen }: &SetAccessStatus,
) -> Result<Option<bool>, Error> {
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
        work.app.0,
        user.0,
        frozen,
    )
    .fetch_optional(work.connection().await?)
    .await
    .map_err(Error::of_change)?;
    if was == Some(!frozen) {
        let kind = if frozen { EventType::UserFrozen } else { EventType::UserUnfrozen };
        work.publish(kind, Some(user), Value::Null).await?;
    }
    Ok(was)
}
