//! Which mail a bounce or a complaint is about. It can be one of any app: mails come back to the operator's address,
//! and a mail provider reports on its account, so neither names an app.

use sqlx::{query, query_scalar};

use super::{Error, Pool, outbox};
use crate::domain::email::Email;
use crate::domain::id::AppId;
use crate::mail::bounce::Notification;

/// The mail that a notification is proven to be about: whose it is, and its `Message-ID`. Proof is a `Message-ID` of
/// ours, which cannot be guessed; or the recipient, where exactly one mail went there in the days that a bounce takes,
/// unless the returned mail has another `Message-ID` of ours.
pub async fn find(db: &Pool, notification: &Notification) -> Result<Option<(AppId, String)>, Error> {
    for message_id in &notification.message_ids {
        if let Some(app) = app_of_message(db, message_id).await? {
            return Ok(Some((app, message_id.clone())));
        }
    }
    let found = only_mail_to(db, &notification.recipients).await?;
    let domain = |id: &str| id.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
    let other = notification.returned_id.as_deref().filter(|id| outbox::mail_id(id).is_some());
    Ok(found.filter(|(_, message_id)| other.is_none_or(|other| domain(other) != domain(message_id))))
}

/// The mail with this `Message-ID`: whose it is.
async fn app_of_message(db: &Pool, message_id: &str) -> Result<Option<AppId>, Error> {
    let Some(mail) = outbox::mail_id(message_id) else { return Ok(None) };
    // By the key of the table, app by app.
    let app = query_scalar!(
        "SELECT a.app_id FROM apps a JOIN outbox o ON o.app_id = a.app_id AND o.mail_id = $1 AND o.message_id = $2",
        mail,
        message_id,
    )
    .fetch_optional(db)
    .await?;
    Ok(app.map(AppId))
}

/// The mail to these addresses that went out in the last week, if it is only one.
async fn only_mail_to(db: &Pool, recipients: &[Email]) -> Result<Option<(AppId, String)>, Error> {
    if recipients.is_empty() {
        return Ok(None);
    }
    let recipients: Vec<String> = recipients.iter().map(|email| email.as_str().to_lowercase()).collect();
    let rows = query!(
        "SELECT app_id, message_id FROM outbox
        WHERE lower(recipient) = ANY ($1) AND state = 'sent' AND finished_at > now() - interval '7 days' LIMIT 2",
        &recipients,
    )
    .fetch_all(db)
    .await?;
    Ok(<[_; 1]>::try_from(rows).ok().map(|[row]| (AppId(row.app_id), row.message_id)))
}
