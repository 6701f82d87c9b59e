//! Mails of one app for the console: newest first, with filters, a page at a time.

use sqlx::{query, query_as, query_scalar};
use uuid::Uuid;

use crate::db::{Error, Pool};
use crate::domain::email::Email;
use crate::domain::id::AppId;
use crate::domain::mail::kind::MailKind;

/// The maximum number of mails scanned for a page.
pub const MAX_SCANNED: i64 = 10_000;

/// A mail with all that an operator may see of it. `state`: `queued`, `sent` or `failed`.
#[derive(Debug)]
pub struct Mail {
    pub id: Uuid,
    pub invite_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub to: String,
    pub kind: String,
    pub language: String,
    pub state: String,
    pub attempts: i32,
    /// Whether a worker is sending it.
    pub claimed: bool,
    pub last_reply: Option<String>,
    pub message_id: String,
    pub created_at: String,
    /// When a queued mail is tried next.
    pub next_attempt_at: Option<String>,
    pub finished_at: Option<String>,
}

/// A query for [`Mail`]s. Takes the SQL after `FROM outbox` and its parameters.
macro_rules! mails {
    ($rest:literal, $($parameter:expr),* $(,)?) => {
        query_as!(
            Mail,
            r#"
            SELECT mail_id AS id, invite_id, user_id, recipient AS "to", kind, language, state, attempts, claimed,
                last_reply, message_id,
                to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
                CASE state WHEN 'queued' THEN
                    to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') END AS next_attempt_at,
                to_char(finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS finished_at
            FROM outbox
            "# + $rest,
            $($parameter),*
        )
    };
}

/// States of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Queued,
    Sent,
    Failed,
}

impl State {
    /// The name in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }
}

/// Selects mails of an app; `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub state: Option<State>,
    pub kind: Option<MailKind>,
    /// The recipient.
    pub to: Option<Email>,
}

/// Mails of an app, newest first, and whether there are more.
pub struct Found {
    pub mails: Vec<Mail>,
    /// The `before` of the next page.
    pub next: Option<Uuid>,
}

/// The mails of an app with ids before `before`, newest first, at most `limit`. A page may have fewer mails although
/// there is a next one, since at most [`MAX_SCANNED`] are looked at. `waiting`: how many wait, as [`backlog`] counts.
pub async fn list(
    db: &Pool,
    app: AppId,
    filter: &Filter,
    waiting: i64,
    before: Uuid,
    limit: usize,
) -> Result<Found, Error> {
    // The index of waiting mails is in the order in which they are due. If there are too many to sort, they are found
    // among all mails.
    let many = waiting > MAX_SCANNED;
    let (state, kind) = (filter.state.map(State::as_str), filter.kind.map(MailKind::as_str));
    let to = filter.to.as_ref().map(Email::as_str);
    // One subquery for each index: all mails, failed ones, waiting ones, and sent ones to an address. Conditions on
    // parameters alone disable those that the filter does not need.
    let mut mails = mails!(
        r#"
        WHERE app_id = $1 AND mail_id = ANY(
            ARRAY(SELECT mail_id FROM (
                SELECT mail_id, kind, state FROM outbox
                WHERE app_id = $1 AND mail_id < $5 AND $4::text IS NULL
                    AND ($2::text IS NULL OR $2 = 'sent' OR $2 = 'queued' AND $7)
                ORDER BY mail_id DESC LIMIT $8
            ) o WHERE ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR kind = $3)
            ORDER BY mail_id DESC LIMIT $6)
            || ARRAY(SELECT mail_id FROM (
                SELECT mail_id, kind, recipient FROM outbox
                WHERE app_id = $1 AND state = 'failed' AND mail_id < $5
                    AND ($2::text = 'failed' OR $2 IS NULL AND $4::text IS NOT NULL)
                ORDER BY mail_id DESC LIMIT $8
            ) o WHERE ($3::text IS NULL OR kind = $3) AND ($4::text IS NULL OR lower(recipient) = lower($4))
            ORDER BY mail_id DESC LIMIT $6)
            || ARRAY(SELECT mail_id FROM (
                SELECT mail_id, kind, recipient FROM outbox
                WHERE app_id = $1 AND state = 'queued' AND (app_id, due_at) >= ($1, '-infinity')
                    AND ($2::text = 'queued' AND NOT ($7 AND $4::text IS NULL) OR $2 IS NULL AND $4 IS NOT NULL)
                ORDER BY app_id, due_at LIMIT $8
            ) o WHERE mail_id < $5 AND ($3::text IS NULL OR kind = $3)
                AND ($4::text IS NULL OR lower(recipient) = lower($4))
            ORDER BY mail_id DESC LIMIT $6)
            || ARRAY(SELECT mail_id FROM (
                SELECT app_id, mail_id, kind FROM outbox
                WHERE state = 'sent' AND lower(recipient) = lower($4::text) AND app_id = $1
                    AND ($2::text IS NULL OR $2 = 'sent')
                LIMIT $8
            ) o WHERE mail_id < $5 AND ($3::text IS NULL OR kind = $3)
            ORDER BY mail_id DESC LIMIT $6))
        ORDER BY mail_id DESC
        "#,
        app.0,
        state,
        kind,
        to,
        before,
        i64::try_from(limit).unwrap_or(i64::MAX),
        many,
        MAX_SCANNED,
    )
    .fetch_all(db)
    .await?;
    let bound = if filter.state.is_none() && kind.is_none() && to.is_none() {
        None
    } else {
        last_scanned(db, app, filter, many, before).await?
    };
    mails.retain(|mail| bound.is_none_or(|bound| mail.id >= bound));
    let next = if mails.len() > limit - 1 {
        mails.truncate(limit - 1);
        mails.last().map(|mail| mail.id)
    } else {
        bound
    };
    Ok(Found { mails, next })
}

/// The last mail that [`list`] looks at, if there may be more before it.
async fn last_scanned(
    db: &Pool,
    app: AppId,
    filter: &Filter,
    many: bool,
    before: Uuid,
) -> Result<Option<Uuid>, Error> {
    Ok(query_scalar!(
        r#"
        SELECT COALESCE(
            (SELECT mail_id FROM outbox
                WHERE app_id = $1 AND mail_id < $4 AND NOT $3::boolean
                    AND ($2::text IS NULL OR $2 = 'sent' OR $2 = 'queued' AND $5)
                ORDER BY mail_id DESC OFFSET $6 LIMIT 1),
            (SELECT mail_id FROM outbox
                WHERE app_id = $1 AND state = 'failed' AND mail_id < $4
                    AND ($2::text = 'failed' OR $2 IS NULL AND $3)
                ORDER BY mail_id DESC OFFSET $6 LIMIT 1))
        "#,
        app.0,
        filter.state.map(State::as_str),
        filter.to.is_some(),
        before,
        many,
        MAX_SCANNED - 1,
    )
    .fetch_one(db)
    .await?)
}

/// The mail of an app with this id.
pub async fn find(db: &Pool, app: AppId, id: Uuid) -> Result<Option<Mail>, Error> {
    Ok(mails!("WHERE app_id = $1 AND mail_id = $2", app.0, id).fetch_optional(db).await?)
}

/// The number of waiting mails of an app (counted up to [`MAX_SCANNED`] and one more), and for how many seconds the
/// oldest has been due.
pub async fn backlog(db: &Pool, app: AppId) -> Result<(i64, f64), Error> {
    // Comparing by pairs makes PostgreSQL use the index `outbox_turns`.
    let row = query!(
        r#"
        SELECT count(*) AS "waiting!", COALESCE(extract(epoch FROM now() - min(due_at)), 0)::float8 AS "oldest!"
        FROM (
            SELECT due_at FROM outbox
            WHERE app_id = $1 AND state = 'queued' AND (app_id, due_at) >= ($1, '-infinity')
            ORDER BY app_id, due_at LIMIT $2
        ) o
        "#,
        app.0,
        MAX_SCANNED + 1,
    )
    .fetch_one(db)
    .await?;
    Ok((row.waiting, row.oldest.max(0.0)))
}
