//! The invites of an app for the console: pages, newest first, with what became of the last mail.

use sqlx::{query, query_as, query_scalar};
use uuid::Uuid;

use super::manage::{Filter, MAX_SCANNED};
use crate::db::unit_of_work::UnitOfWork;
use crate::db::{Error, Pool};
use crate::domain::email::Email;
use crate::domain::id::AppId;
use crate::domain::invites::{Kind, State};

/// An invite in a list.
#[derive(Debug)]
pub struct InviteRow {
    pub id: Uuid,
    pub kind: String,
    pub state: String,
    pub email: String,
    pub user_id: Option<Uuid>,
    pub inviter_id: Option<Uuid>,
    /// The name of the inviter, or else their address.
    pub inviter: Option<String>,
    /// When a mail was last requested, UTC.
    pub mailed_at: String,
    /// `queued`, `sent` or `failed`; `None` after its retention.
    pub mail: Option<String>,
    /// `bounced`, `delayed` or `complained`, if that was reported.
    pub report: Option<String>,
}

/// The invites of an app with ids before `before`, newest first, at most `limit`. Scans at most [`MAX_SCANNED`].
pub async fn page(
    db: &Pool,
    app: AppId,
    filter: &Filter,
    before: Uuid,
    limit: i64,
) -> Result<Vec<InviteRow>, Error> {
    // A subquery per combination of filters, as in `manage::list`.
    Ok(query_as!(
        InviteRow,
        r#"
        SELECT i.invite_id AS id, i.kind, invite_state(i.accepted_at, i.revoked_at, i.expires_at) AS "state!", i.email,
            i.user_id, i.inviter_id, COALESCE(u.name, u.email) AS inviter,
            to_char(i.mailed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "mailed_at!",
            (SELECT o.state FROM outbox o WHERE o.app_id = $1 AND o.invite_id = i.invite_id
                ORDER BY o.created_at DESC LIMIT 1) AS mail,
            (SELECT e.kind FROM invite_events e WHERE e.app_id = $1 AND e.invite_id = i.invite_id
                AND e.kind IN ('bounced', 'complained', 'delayed') ORDER BY e.created_at DESC LIMIT 1) AS report
        FROM invites i LEFT JOIN users u ON u.app_id = i.app_id AND u.user_id = i.inviter_id
        WHERE i.app_id = $1 AND i.invite_id = ANY(
            ARRAY(SELECT invite_id FROM (
                SELECT * FROM invites
                WHERE app_id = $1 AND $4::text IS NULL AND $5::uuid IS NULL AND invite_id < $6
                ORDER BY invite_id DESC LIMIT 10000
            ) n WHERE ($2::text IS NULL OR kind = $2)
                AND ($3::text IS NULL OR invite_state(accepted_at, revoked_at, expires_at) = $3)
            ORDER BY invite_id DESC LIMIT $7)
            || ARRAY(SELECT invite_id FROM (
                SELECT * FROM invites
                WHERE app_id = $1 AND $4::text IS NULL AND inviter_id = $5 AND invite_id < $6
                ORDER BY invite_id DESC LIMIT 10000
            ) n WHERE ($2::text IS NULL OR kind = $2)
                AND ($3::text IS NULL OR invite_state(accepted_at, revoked_at, expires_at) = $3)
            ORDER BY invite_id DESC LIMIT $7)
            || ARRAY(SELECT invite_id FROM (
                SELECT * FROM invites
                WHERE app_id = $1 AND lower(email) = lower($4) AND invite_id < $6
                ORDER BY invite_id DESC LIMIT 10000
            ) n WHERE ($5::uuid IS NULL OR inviter_id = $5) AND ($2::text IS NULL OR kind = $2)
                AND ($3::text IS NULL OR invite_state(accepted_at, revoked_at, expires_at) = $3)
            ORDER BY invite_id DESC LIMIT $7))
        ORDER BY i.invite_id DESC
        "#,
        app.0,
        filter.kind.map(Kind::as_str),
        filter.state.map(State::as_str),
        filter.email.as_ref().map(Email::as_str),
        filter.inviter.map(|inviter| inviter.0),
        before,
        limit,
    )
    .fetch_all(db)
    .await?)
}

/// The last invite that [`page`] scans, if there may be more before it.
pub async fn last_scanned(
    db: &Pool,
    app: AppId,
    filter: &Filter,
    before: Uuid,
) -> Result<Option<Uuid>, Error> {
    Ok(query_scalar!(
        r#"
        SELECT COALESCE(
            (SELECT invite_id FROM invites
                WHERE app_id = $1 AND $2::text IS NULL AND $3::uuid IS NULL AND invite_id < $4
                ORDER BY invite_id DESC OFFSET $5 LIMIT 1),
            (SELECT invite_id FROM invites
                WHERE app_id = $1 AND $2::text IS NULL AND inviter_id = $3 AND invite_id < $4
                ORDER BY invite_id DESC OFFSET $5 LIMIT 1),
            (SELECT invite_id FROM invites
                WHERE app_id = $1 AND lower(email) = lower($2) AND invite_id < $4
                ORDER BY invite_id DESC OFFSET $5 LIMIT 1))
        "#,
        app.0,
        filter.email.as_ref().map(Email::as_str),
        filter.inviter.map(|inviter| inviter.0),
        before,
        MAX_SCANNED - 1,
    )
    .fetch_one(db)
    .await?)
}

/// What became of the invites of a kind.
#[derive(Debug, Default)]
pub struct Funnel {
    /// Invites of which a mail was sent.
    pub sent: i64,
    /// Invites whose page was opened.
    pub viewed: i64,
    pub accepted: i64,
    /// All of them, also those whose mail waits or failed.
    pub all: i64,
}

/// Most invites that [`funnels`] and [`per_day`] count. The statements have the number itself: PostgreSQL plans without
/// the values of parameters, and would read all invites.
pub const MAX_COUNTED: i64 = 5000;

/// What became of the newest invites, and of the newest referrals, of an app since an id (UUID version 7).
pub async fn funnels(db: &Pool, app: AppId, since: Uuid) -> Result<[Funnel; 2], Error> {
    let rows = query!(
        r#"
        SELECT i.kind, count(*) AS "all!", count(*) FILTER (WHERE accepted_at IS NOT NULL OR sent) AS "sent!",
            count(*) FILTER (WHERE accepted_at IS NOT NULL OR viewed) AS "viewed!",
            count(*) FILTER (WHERE accepted_at IS NOT NULL) AS "accepted!"
        FROM (
            SELECT invite_id, accepted_at, kind FROM invites WHERE app_id = $1 AND invite_id >= $2
            ORDER BY invite_id DESC LIMIT 5000
        ) i
        LEFT JOIN LATERAL (
            SELECT true AS sent FROM outbox o
            WHERE i.accepted_at IS NULL AND o.app_id = $1 AND o.invite_id = i.invite_id AND o.state = 'sent' LIMIT 1
        ) s ON true
        LEFT JOIN LATERAL (
            SELECT true AS viewed FROM invite_events e
            WHERE i.accepted_at IS NULL AND e.app_id = $1 AND e.invite_id = i.invite_id AND e.kind = 'viewed' LIMIT 1
        ) v ON true
        GROUP BY i.kind
        "#,
        app.0,
        since,
    )
    .fetch_all(db)
    .await?;
    let mut funnels = [Funnel::default(), Funnel::default()];
    for row in rows {
        let at = usize::from(row.kind == Kind::Referral.as_str());
        funnels[at] = Funnel { sent: row.sent, viewed: row.viewed, accepted: row.accepted, all: row.all };
    }
    Ok(funnels)
}

/// The invites of an app per day (UTC) and how many were accepted, newest last, from the newest [`MAX_COUNTED`] since an
/// id.
pub async fn per_day(db: &Pool, app: AppId, since: Uuid) -> Result<Vec<(String, i64, i64)>, Error> {
    let rows = query!(
        r#"
        SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS "day!", count(*) AS "all!",
            count(*) FILTER (WHERE accepted_at IS NOT NULL) AS "accepted!"
        FROM (
            SELECT invite_id, created_at, accepted_at FROM invites WHERE app_id = $1 AND invite_id >= $2
            ORDER BY invite_id DESC LIMIT 5000
        ) i GROUP BY 1 ORDER BY 1
        "#,
        app.0,
        since,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.day, row.all, row.accepted)).collect())
}

/// Sets an invite to expire in `days` days from now.
pub struct ExtendInvite {
    pub invite: Uuid,
    pub days: i32,
}

/// Extends an invite that was neither accepted nor revoked. Its link stays the same. Returns false if there is none.
pub async fn extend(
    work: &mut UnitOfWork<'_>,
    &ExtendInvite { invite, days }: &ExtendInvite,
) -> Result<bool, Error> {
    let app = work.app;
    let done = query!(
        "UPDATE invites SET expires_at = now() + make_interval(days => $3)
        WHERE app_id = $1 AND invite_id = $2 AND accepted_at IS NULL AND revoked_at IS NULL",
        app.0,
        invite,
        days,
    )
    .execute(work.connection().await?)
    .await?;
    Ok(done.rows_affected() == 1)
}
