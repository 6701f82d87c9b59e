//! `userdocks mail retry`

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use uuid::Uuid;

use crate::audit::AuditRecord;
use crate::cli::{Context, Output, Result, duration};
use crate::clock;
use crate::db::operator;
use crate::db::outbox;
use crate::db::outbox::manage::MailRow;
use crate::domain::id::AppId;

#[derive(Args)]
pub(in crate::cli) struct Retry {
    /// The mail's id
    #[arg(required_unless_present = "all", value_parser = crate::cli::id)]
    id: Option<Uuid>,
    /// All that failed
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// Of those, the ones of this app only
    #[arg(long, requires = "all", conflicts_with = "id", value_parser = crate::cli::id)]
    app: Option<Uuid>,
    /// Of those, the ones that failed since then: 2h ago, a day or a time such as 2026-11-25T09:30:00Z
    #[arg(long, requires = "all", conflicts_with = "id", value_name = "DURATION|TIME", value_parser = since)]
    since: Option<Timestamp>,
}

fn since(text: &str) -> std::result::Result<Timestamp, &'static str> {
    const EXPECTED: &str =
        "expected a duration such as 2h, a day such as 2026-11-25 or a time such as 2026-11-25T09:30:00Z";
    if let Ok(duration) = duration(text) {
        let ago = SignedDuration::try_from(duration).map_err(|_| EXPECTED)?;
        return clock::now().checked_sub(ago).map_err(|_| EXPECTED);
    }
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    text.parse().ok().or_else(day).ok_or(EXPECTED)
}

pub(in crate::cli) async fn run(retry: Retry, context: &Context) -> Result<Output> {
    let db = &context.database.operator;
    let expires_after = context.config.invite.expires_after;
    if let Some(id) = retry.id {
        let mail = find(context, id).await?;
        if !outbox::manage::retry(db, &mail, &context.seal, expires_after).await? {
            return Err(format!(
                "the mail {id} was sent, or its invite was accepted, revoked or renewed since"
            )
            .into());
        }
        let text = format!("The mail {id} is tried now.");
        return Ok(Output::new(json!({ "id": id, "state": "queued" }), text)?
            .changed("retryMail", facts(mail.app_id, id)));
    }
    if let Some(id) = retry.app {
        context.app(id).await?;
    }
    let (mut retried, mut skipped, mut after) = (0_u64, 0_u64, Uuid::nil());
    loop {
        let mails = operator::failed_mails(db, retry.app.map(AppId), retry.since, after).await?;
        let Some(last) = mails.last() else { break };
        after = last.id;
        for mail in mails {
            if outbox::manage::retry(db, &mail, &context.seal, expires_after).await? {
                retried += 1;
                context.record("retryMail", &facts(mail.app_id, mail.id)).await;
            } else {
                skipped += 1;
            }
        }
    }
    let text = format!(
        "{retried} mails are tried now; {skipped} stay as they are, since an invite was accepted, revoked or renewed."
    );
    Output::new(json!({ "retried": retried, "skipped": skipped }), text)
}

fn facts(app: Uuid, id: Uuid) -> AuditRecord {
    AuditRecord { app: Some(AppId(app)), subject: Some(id), ..AuditRecord::default() }
}

pub(super) async fn find(context: &Context, id: Uuid) -> Result<MailRow> {
    let mail = outbox::manage::find(&context.database.operator, id).await?;
    mail.ok_or_else(|| format!("there is no mail {id}").into())
}
