//! Lists and searches the users of an app, for operators. A search has an index of its own (`migrations/0013_search.sql`)
//! and a statement of its own, whose plan is the same for all values. Of the states only `frozen` has an index: a page that
//! is filtered by another scans at most [`MAX_SCANNED`] users and says where to go on.

use sqlx::{PgExecutor, query_as, query_scalar};
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::id::{AppId, UserId};

/// The maximum number of users scanned for a page.
pub const MAX_SCANNED: i64 = 5_000;

/// A user in a list.
#[derive(Debug)]
pub struct FoundUser {
    pub id: Uuid,
    pub name: Option<String>,
    pub email: Option<String>,
    pub tenant_id: Option<Uuid>,
    pub language: String,
    /// UTC, as all times here.
    pub created_at: String,
    pub accepted_at: Option<String>,
    /// `active`, `invited` (not accepted yet), `frozen` or `erased`.
    pub state: String,
}

/// A query for [`FoundUser`]s. Takes the SQL after the columns and its parameters.
macro_rules! found_users {
    ($rest:literal, $($parameter:expr),* $(,)?) => {
        query_as!(
            FoundUser,
            r#"
            SELECT user_id AS id, name, email, tenant_id, language,
                to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
                to_char(accepted_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS accepted_at,
                CASE WHEN deleted THEN 'erased' WHEN freezed THEN 'frozen' WHEN accepted_at IS NULL THEN 'invited'
                    ELSE 'active' END AS "state!"
            "# + $rest,
            $($parameter),*
        )
    };
}

/// Where the next page of a search goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// Among the users found by their address, after this one.
    Email(Uuid),
    /// Among those found by their name, after this one.
    Name(Uuid),
}

impl Cursor {
    /// The first page.
    pub const START: Self = Self::Email(Uuid::nil());
}

/// The user with this id, also if erased.
pub async fn by_id(db: &Pool, app: AppId, user: UserId) -> Result<Option<FoundUser>, Error> {
    let found = found_users!("FROM users WHERE app_id = $1 AND user_id = $2", app.0, user.0);
    Ok(found.fetch_optional(db).await?)
}

/// The users of an app in this state, newest first, after the user `before`, and the user to go on after if there may be
/// more. `None` matches all states; at most `limit` users. Erased users are left out.
pub async fn newest(
    db: &Pool,
    app: AppId,
    state: Option<&str>,
    before: Option<Uuid>,
    limit: usize,
) -> Result<(Vec<FoundUser>, Option<Uuid>), Error> {
    let before = before.unwrap_or(Uuid::max());
    if state == Some("frozen") {
        let mut found = newest_frozen(db, app, before, rows(limit)).await?;
        let next = cut(&mut found, limit);
        return Ok((found, next));
    }
    let mut found = found_users!(
        r#"
        FROM (
            SELECT * FROM users
            WHERE app_id = $1 AND NOT deleted AND created_at <= COALESCE(
                    (SELECT c.created_at FROM users c WHERE c.app_id = $1 AND c.user_id = $2), 'infinity')
                AND (created_at, user_id) < (COALESCE(
                    (SELECT c.created_at FROM users c WHERE c.app_id = $1 AND c.user_id = $2), 'infinity'), $2)
            ORDER BY created_at DESC, user_id DESC LIMIT $5
        ) u
        WHERE $3::text IS NULL OR $3 = CASE WHEN freezed THEN 'frozen' WHEN accepted_at IS NULL THEN 'invited'
            ELSE 'active' END
        ORDER BY created_at DESC, user_id DESC LIMIT $4
        "#,
        app.0,
        before,
        state,
        rows(limit),
        MAX_SCANNED,
    )
    .fetch_all(db)
    .await?;
    if let Some(last) = cut(&mut found, limit) {
        return Ok((found, Some(last)));
    }
    let scanned = match state {
        None => None,
        Some(_) => last_of_newest(db, app, before).await?,
    };
    Ok((found, scanned))
}

async fn newest_frozen(db: &Pool, app: AppId, before: Uuid, limit: i64) -> Result<Vec<FoundUser>, Error> {
    Ok(found_users!(
        "FROM users
        WHERE app_id = $1 AND freezed AND NOT deleted AND created_at <= COALESCE(
                (SELECT c.created_at FROM users c WHERE c.app_id = $1 AND c.user_id = $2), 'infinity')
            AND (created_at, user_id) < (COALESCE(
                (SELECT c.created_at FROM users c WHERE c.app_id = $1 AND c.user_id = $2), 'infinity'), $2)
        ORDER BY created_at DESC, user_id DESC LIMIT $3",
        app.0,
        before,
        limit,
    )
    .fetch_all(db)
    .await?)
}

/// The last user that [`newest`] scans, if there may be more.
async fn last_of_newest(db: impl PgExecutor<'_>, app: AppId, before: Uuid) -> Result<Option<Uuid>, Error> {
    Ok(query_scalar!(
        "SELECT user_id FROM users
        WHERE app_id = $1 AND NOT deleted AND created_at <= COALESCE(
                (SELECT c.created_at FROM users c WHERE c.app_id = $1 AND c.user_id = $2), 'infinity')
            AND (created_at, user_id) < (COALESCE(
                (SELECT c.created_at FROM users c WHERE c.app_id = $1 AND c.user_id = $2), 'infinity'), $2)
        ORDER BY created_at DESC, user_id DESC OFFSET $3 LIMIT 1",
        app.0,
        before,
        MAX_SCANNED - 1,
    )
    .fetch_optional(db)
    .await?)
}

/// The users of an app in this state whose address or name begins with `text`, in any case: first those found by their
/// address, then the others, each in the order of what was found. Returns also where to go on if there may be more. `None`
/// matches all states; at most `limit` users.
pub async fn by_prefix(
    db: &Pool,
    app: AppId,
    text: &str,
    state: Option<&str>,
    from: Cursor,
    limit: usize,
) -> Result<(Vec<FoundUser>, Option<Cursor>), Error> {
    let mut found = Vec::new();
    let mut after = Uuid::nil();
    match from {
        Cursor::Name(user) => after = user,
        Cursor::Email(user) => {
            found = by_email_prefix(db, app, text, state, user, rows(limit)).await?;
            if let Some(last) = cut(&mut found, limit) {
                return Ok((found, Some(Cursor::Email(last))));
            }
            if state.is_some()
                && let Some(last) = last_by_email_prefix(db, app, text, user).await?
            {
                return Ok((found, Some(Cursor::Email(last))));
            }
        }
    }
    let left = limit - found.len();
    let mut named = by_name_prefix(db, app, text, state, after, rows(left)).await?;
    let next = if named.len() > left {
        Some(cut(&mut named, left).unwrap_or(after))
    } else {
        last_by_name_prefix(db, app, text, after).await?
    };
    found.append(&mut named);
    Ok((found, next.map(Cursor::Name)))
}

// U+10FFFF is the greatest character and belongs to no text, so that the texts with a prefix are those from the prefix to
// the prefix and U+10FFFF.

async fn by_email_prefix(
    db: &Pool,
    app: AppId,
    text: &str,
    state: Option<&str>,
    after: Uuid,
    limit: i64,
) -> Result<Vec<FoundUser>, Error> {
    Ok(found_users!(
        r#"
        FROM (
            SELECT *, lower(email) AS key FROM users
            WHERE app_id = $1 AND email IS NOT NULL AND NOT deleted
                AND lower(email) ~>=~ lower($2) AND lower(email) ~<~ (lower($2) || U&'\+10FFFF')
                AND lower(email) ~>~ COALESCE(
                    (SELECT lower(c.email) FROM users c WHERE c.app_id = $1 AND c.user_id = $4), '')
            ORDER BY lower(email) USING ~<~ LIMIT $6
        ) u
        WHERE $3::text IS NULL OR $3 = CASE WHEN freezed THEN 'frozen' WHEN accepted_at IS NULL THEN 'invited'
            ELSE 'active' END
        ORDER BY key USING ~<~ LIMIT $5
        "#,
        app.0,
        text,
        state,
        after,
        limit,
        MAX_SCANNED,
    )
    .fetch_all(db)
    .await?)
}

/// The last user that [`by_email_prefix`] scans, if there may be more.
async fn last_by_email_prefix(db: &Pool, app: AppId, text: &str, after: Uuid) -> Result<Option<Uuid>, Error> {
    Ok(query_scalar!(
        r#"
        SELECT user_id FROM users
        WHERE app_id = $1 AND email IS NOT NULL AND NOT deleted
            AND lower(email) ~>=~ lower($2) AND lower(email) ~<~ (lower($2) || U&'\+10FFFF')
            AND lower(email) ~>~ COALESCE(
                (SELECT lower(c.email) FROM users c WHERE c.app_id = $1 AND c.user_id = $3), '')
        ORDER BY lower(email) USING ~<~ OFFSET $4 LIMIT 1
        "#,
        app.0,
        text,
        after,
        MAX_SCANNED - 1,
    )
    .fetch_optional(db)
    .await?)
}

/// Those whose name begins with `text`, but not the address. The index is read from one lower bound, the comparison of
/// rows, which is why it includes the prefix.
async fn by_name_prefix(
    db: &Pool,
    app: AppId,
    text: &str,
    state: Option<&str>,
    after: Uuid,
    limit: i64,
) -> Result<Vec<FoundUser>, Error> {
    Ok(found_users!(
        r#"
        FROM (
            SELECT *, lower(name) COLLATE "C" AS key FROM users
            WHERE app_id = $1 AND name IS NOT NULL AND NOT deleted
                AND lower(name) COLLATE "C" < lower($2) || U&'\+10FFFF'
                AND (lower(name) COLLATE "C", user_id) > (GREATEST(lower($2) COLLATE "C",
                    (SELECT lower(c.name) FROM users c WHERE c.app_id = $1 AND c.user_id = $4)), $4)
            ORDER BY lower(name) COLLATE "C", user_id LIMIT $6
        ) u
        WHERE NOT starts_with(lower(email), lower($2))
            AND ($3::text IS NULL OR $3 = CASE WHEN freezed THEN 'frozen' WHEN accepted_at IS NULL THEN 'invited'
                ELSE 'active' END)
        ORDER BY key, user_id LIMIT $5
        "#,
        app.0,
        text,
        state,
        after,
        limit,
        MAX_SCANNED,
    )
    .fetch_all(db)
    .await?)
}

/// The last user that [`by_name_prefix`] scans, if there may be more.
async fn last_by_name_prefix(db: &Pool, app: AppId, text: &str, after: Uuid) -> Result<Option<Uuid>, Error> {
    Ok(query_scalar!(
        r#"
        SELECT user_id FROM users
        WHERE app_id = $1 AND name IS NOT NULL AND NOT deleted
            AND lower(name) COLLATE "C" < lower($2) || U&'\+10FFFF'
            AND (lower(name) COLLATE "C", user_id) > (GREATEST(lower($2) COLLATE "C",
                (SELECT lower(c.name) FROM users c WHERE c.app_id = $1 AND c.user_id = $3)), $3)
        ORDER BY lower(name) COLLATE "C", user_id OFFSET $4 LIMIT 1
        "#,
        app.0,
        text,
        after,
        MAX_SCANNED - 1,
    )
    .fetch_optional(db)
    .await?)
}

/// A page and one row more, which says that there is a next page.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX - 1) + 1
}

/// Cuts the row beyond the page. Returns the last row's id if there was one.
fn cut(found: &mut Vec<FoundUser>, limit: usize) -> Option<Uuid> {
    let more = found.len() > limit;
    found.truncate(limit);
    if more { found.last().map(|user| user.id) } else { None }
}
