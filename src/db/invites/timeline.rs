//! The timeline of an invite. Most events are derived from the rows of the invite and its mails; the others are
//! recorded when they happen, here and by the statements of [`crate::db::outbox`].

use std::sync::Arc;

use serde_json::json;
use sqlx::{query, query_as};
use uuid::Uuid;

use crate::db::referrals::opt_outs;
use crate::db::unit_of_work::UnitOfWork;
use crate::db::{Error, Pool, outbox};
use crate::domain::credentials::opt_out::OptOutKey;
use crate::domain::id::{self, AppId, UserId};
use crate::domain::invites::InviteCode;
use crate::domain::invites::invite::TimelineEvent;
use crate::domain::mail::report::{Kind, Report, Subject};
use crate::domain::webhook::EventType;

/// Only the newest events are shown.
const MAX_EVENTS: i64 = 200;

/// The events of an invite, oldest first.
pub async fn timeline(db: &Pool, app: AppId, invite: Uuid) -> Result<Vec<TimelineEvent>, Error> {
    let mut events = query_as!(
        TimelineEvent,
        r#"
        WITH invite AS (
            SELECT accepted_at, revoked_at, expires_at FROM invites WHERE app_id = $1 AND invite_id = $2
        ), mails AS (
            SELECT mail_id, state, last_reply, created_at, finished_at FROM outbox
            WHERE app_id = $1 AND invite_id = $2
        ), recorded AS (
            SELECT mail_id, kind, detail, created_at FROM invite_events WHERE app_id = $1 AND invite_id = $2
        ), begun AS (
            SELECT mail_id, created_at FROM mails
            UNION ALL SELECT mail_id, created_at FROM recorded WHERE kind = 'queued'
        ), life (at, rank, event, mail_id, detail) AS (
            SELECT created_at, 0, CASE row_number() OVER (ORDER BY created_at) WHEN 1 THEN 'queued' ELSE 'resent' END,
                mail_id, NULL FROM begun
            UNION ALL SELECT created_at, 1, kind, mail_id, detail FROM recorded WHERE kind <> 'queued'
            UNION ALL
            SELECT finished_at, 1, CASE state WHEN 'sent' THEN 'accepted_by_server' ELSE 'failed' END, mail_id,
                last_reply FROM mails WHERE state <> 'queued'
            UNION ALL SELECT accepted_at, 2, 'accepted', NULL, NULL FROM invite WHERE accepted_at IS NOT NULL
            UNION ALL SELECT revoked_at, 2, 'revoked', NULL, NULL FROM invite WHERE revoked_at IS NOT NULL
            UNION ALL
            SELECT expires_at, 2, 'expired', NULL, NULL FROM invite
            WHERE accepted_at IS NULL AND revoked_at IS NULL AND expires_at <= now()
        )
        SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "at!", event AS "event!",
            mail_id, detail
        FROM life ORDER BY life.at DESC, rank DESC LIMIT $3
        "#,
        app.0,
        invite,
        MAX_EVENTS,
    )
    .fetch_all(db)
    .await?;
    events.reverse();
    Ok(events)
}

/// Records the first view of the page of this code.
pub async fn record_view(db: &Pool, code: &InviteCode) -> Result<(), Error> {
    query!(
        "INSERT INTO invite_events (app_id, invite_id, event_id, mail_id, kind)
        SELECT $1, i.invite_id, $3, o.mail_id, 'viewed'
        FROM invites i JOIN outbox o ON o.app_id = i.app_id AND o.invite_id = i.invite_id
        WHERE i.app_id = $1 AND i.code_hash = $2
        ORDER BY o.created_at DESC LIMIT 1
        ON CONFLICT DO NOTHING",
        code.app.0,
        &code.hash(),
        id::new(),
    )
    .execute(db)
    .await?;
    Ok(())
}

#[derive(Debug)]
pub struct ReportOutcome {
    /// The invite of the reported mail.
    pub invite: Uuid,
    /// Whether this is the first such report about the mail.
    pub first: bool,
}

pub struct RecordReport {
    pub report: Report,
    /// The key of the app, for complaints: the recipient is opted out of the app's referral mails.
    pub opt_out: Option<Arc<OptOutKey>>,
}

/// Records a bounce, complaint or delay of a sent mail. `None`: the app does not have this mail. With `opt_out` (the
/// key of the app, for complaints) the recipient is opted out of the app's referral mails.
pub async fn report(
    work: &mut UnitOfWork<'_>,
    RecordReport { report, opt_out }: &RecordReport,
) -> Result<Option<ReportOutcome>, Error> {
    let (mail, message_id, invite) = match &report.subject {
        Subject::Message(message_id) => {
            let Some(mail) = outbox::mail_id(message_id) else { return Ok(None) };
            (Some(mail), Some(message_id), None)
        }
        Subject::Invite(invite) => (None, None, Some(*invite)),
    };
    let app = work.app;
    let db = if opt_out.is_some() { work.transaction().await? } else { work.connection().await? };
    let row = query!(
        r#"
        WITH mail AS (
            SELECT invite_id, mail_id, recipient FROM outbox
            WHERE app_id = $1 AND invite_id IS NOT NULL AND message_id = COALESCE($3, message_id) AND mail_id = COALESCE($2, (
                SELECT mail_id FROM outbox WHERE app_id = $1 AND invite_id = $4
                ORDER BY created_at DESC LIMIT 1))
        ), event AS (
            INSERT INTO invite_events (app_id, invite_id, event_id, mail_id, kind, detail)
            SELECT $1, invite_id, $5, mail_id, $6, $7 FROM mail
            ON CONFLICT DO NOTHING
            RETURNING event_id
        )
        SELECT i.invite_id, i.kind, i.user_id, m.recipient, EXISTS (SELECT FROM event) AS "first!"
        FROM mail m JOIN invites i ON i.app_id = $1 AND i.invite_id = m.invite_id
        "#,
        app.0,
        mail,
        message_id,
        invite,
        id::new(),
        report.kind.as_str(),
        report.detail,
    )
    .fetch_optional(&mut *db)
    .await
    .map_err(Error::of_change)?;
    if let (Some(row), Some(key)) = (&row, opt_out)
        && row.first
    {
        opt_outs::add(db, app, &key.address(&row.recipient)).await?;
    }
    if let (Some(row), Kind::Bounced) = (&row, report.kind)
        && row.first
    {
        let more = json!({ "inviteId": row.invite_id, "kind": row.kind });
        work.publish(EventType::InviteBounced, row.user_id.map(UserId), more).await?;
    }
    Ok(row.map(|row| ReportOutcome { invite: row.invite_id, first: row.first }))
}
