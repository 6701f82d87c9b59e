//! Finds the mail that a bounce or complaint is about, in any app: bounces arrive at the operator's address and mail
//! providers report on the operator's account, so neither names an app.

use sqlx::query;
use uuid::Uuid;

use super::{Error, Pool, outbox};
use crate::domain::email::Email;
use crate::domain::id::AppId;
use crate::domain::mail::notification::Notification;

/// The app and `Message-ID` of the mail that a notification is proven to be about. Proof is one of our `Message-ID`s,
/// or a return path with the id of a mail, neither of which can be guessed. Otherwise the recipient is proof if exactly
/// one mail went there in the last 7 days, unless the returned mail has a different `Message-ID` of ours.
pub async fn find(db: &Pool, notification: &Notification) -> Result<Option<(AppId, String)>, Error> {
    for message_id in &notification.message_ids {
        let Some(mail) = outbox::mail_id(message_id) else { continue };
        if let Some(found) = mail_with(db, mail, Some(message_id)).await? {
            return Ok(Some(found));
        }
    }
    for mail in &notification.mail_ids {
        if let Some(found) = mail_with(db, *mail, None).await? {
            return Ok(Some(found));
        }
    }
    let found = only_mail_to(db, &notification.recipients).await?;
    let domain = |id: &str| id.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
    let other = notification.returned_id.as_deref().filter(|id| outbox::mail_id(id).is_some());
    Ok(found.filter(|(_, message_id)| other.is_none_or(|other| domain(other) != domain(message_id))))
}

/// The app and `Message-ID` of the mail with this id and, if given, this `Message-ID`.
async fn mail_with(
    db: &Pool,
    mail: Uuid,
    message_id: Option<&str>,
) -> Result<Option<(AppId, String)>, Error> {
    // Uses the primary key, one look-up per app.
    let row = query!(
        "SELECT a.app_id, o.message_id FROM apps a
        JOIN outbox o ON o.app_id = a.app_id AND o.mail_id = $1 AND o.message_id = COALESCE($2, o.message_id)",
        mail,
        message_id,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (AppId(row.app_id), row.message_id)))
}

/// The mail to these addresses that was sent in the last 7 days, if there is exactly one.
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
