//! Maps users to the `sub` of the app's external issuer.

use serde_json::json;
use sqlx::{query, query_scalar};

use crate::db::unit_of_work::UnitOfWork;
use crate::db::{Error, Pool, is_violation};
use crate::domain::id::{self, AppId, UserId};
use crate::domain::text::Text;
use crate::domain::webhook::EventType;

/// The user for the `sub` of an external issuer: the user with that id, or else the user it was recorded for.
pub async fn by_subject(db: &Pool, app: AppId, subject: &str) -> Result<Option<UserId>, Error> {
    // PostgreSQL text cannot contain NUL.
    if subject.contains('\0') {
        return Ok(None);
    }
    let user = query_scalar!(
        "SELECT user_id FROM users WHERE app_id = $1 AND (user_id = $2 OR external_subject = $3)
        ORDER BY user_id = $2 DESC NULLS LAST LIMIT 1",
        app.0,
        id::parse(subject),
        subject,
    )
    .fetch_optional(db)
    .await?;
    Ok(user.map(UserId))
}

#[derive(Debug, PartialEq, Eq)]
pub enum ExternalSubjectOutcome {
    Recorded,
    /// The `sub` is recorded for another user or is another user's id.
    Taken,
    /// The user is unknown or deleted.
    NotAccessible,
}

pub struct SetExternalSubject {
    pub user: UserId,
    /// `None` removes it.
    pub subject: Option<Text>,
}

/// Records the `sub` of the app's external issuer for a user.
pub async fn set_external_subject(
    work: &mut UnitOfWork<'_>,
    SetExternalSubject { user, subject }: &SetExternalSubject,
) -> Result<ExternalSubjectOutcome, Error> {
    let (app, subject) = (work.app, subject.as_ref().map(Text::as_str));
    let another = subject.and_then(id::parse).filter(|id| *id != user.0);
    if let Some(another) = another {
        // Includes erased users: ids take precedence in look-ups.
        let theirs = query_scalar!(
            r#"SELECT EXISTS (SELECT FROM users WHERE app_id = $1 AND user_id = $2) AS "theirs!""#,
            app.0,
            another,
        )
        .fetch_one(work.connection().await?)
        .await?;
        if theirs {
            return Ok(ExternalSubjectOutcome::Taken);
        }
    }
    let done = query!(
        "UPDATE users SET external_subject = $3, version = version + 1 WHERE app_id = $1 AND user_id = $2 AND NOT deleted",
        app.0,
        user.0,
        subject,
    )
    .execute(work.connection().await?)
    .await;
    match done {
        Ok(done) if done.rows_affected() == 1 => {
            let more = json!({ "fields": ["externalSubject"] });
            work.publish(EventType::UserUpdated, Some(*user), more).await?;
            Ok(ExternalSubjectOutcome::Recorded)
        }
        Ok(_) => Ok(ExternalSubjectOutcome::NotAccessible),
        Err(error) if is_violation(&error, "users_external_subject_key") => Ok(ExternalSubjectOutcome::Taken),
        Err(error) => Err(Error::of_change(error)),
    }
}
