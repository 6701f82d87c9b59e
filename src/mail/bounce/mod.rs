//! Parses bounces, delay notices and complaints that are returned to the sender of mails. Anyone can send one, so the
//! amount of data read is bounded, and a notification has no effect unless it can be matched to a sent mail.

mod arf;
mod dsn;
mod fields;
pub mod mailbox;
mod mime;
mod text;

use std::collections::HashSet;

use mail_parser::Message;
use uuid::Uuid;

use crate::domain::email::Email;
use crate::domain::id;
use crate::domain::mail::notification::Notification;
use crate::domain::mail::report::{Kind, detail};
use mime::Part;

#[cfg(test)]
mod tests;

/// Maximum message ids, and maximum recipients, of one notification that are looked up.
const MOST: usize = 8;
/// Maximum bytes of a message id.
const LONGEST_ID: usize = 300;

/// What happened to which recipients, in any of the formats.
struct Outcome {
    kind: Kind,
    recipients: Vec<Email>,
    detail: String,
}

impl Notification {
    /// Parses a message. Returns `None` if it is not a bounce, a delay notice or a complaint.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        let parts = mime::parts(message);
        let (Outcome { kind, recipients, detail: reason }, returned) = read(&parts)?;
        let head = returned.and_then(Part::head);
        let returned_id = head.as_ref().and_then(|head| head.message_id()).map(|id| format!("<{id}>"));

        let mut message_ids: Vec<String> = returned_id.iter().filter(|id| is_ours(id)).cloned().collect();
        for part in returned.into_iter().chain(&parts) {
            message_ids.extend(ids(&part.text()).take(MOST));
        }
        let mut seen = HashSet::new();
        message_ids.retain(|id| seen.insert(id.clone()));
        message_ids.truncate(MOST);
        let mail_ids = parts.first().and_then(Part::head).map(|head| return_paths(&head)).unwrap_or_default();
        let recipients = distinct(recipients);
        Some(Self { kind, message_ids, mail_ids, returned_id, recipients, detail: detail(&reason) })
    }

    /// A mail provider's notification about the mail with this `Message-ID`, which may lack its angle brackets, be the
    /// provider's own id, or be empty.
    pub fn reported<T: AsRef<str>>(
        kind: Kind,
        message_id: &str,
        recipients: impl IntoIterator<Item = T>,
        reason: &str,
    ) -> Self {
        let message_id = message_id.trim().trim_start_matches('<').trim_end_matches('>');
        let returned_id = Some(format!("<{message_id}>")).filter(|_| !message_id.is_empty());
        let recipients =
            recipients.into_iter().take(MOST).flat_map(|one| fields::addresses(one.as_ref())).collect();
        Self {
            kind,
            message_ids: returned_id.iter().filter(|id| is_ours(id)).cloned().collect(),
            mail_ids: Vec::new(),
            returned_id,
            recipients: distinct(recipients),
            detail: detail(reason),
        }
    }
}

/// The content of the notification, and the part that returns the original mail. A machine-readable part takes
/// precedence over text: a report that a mail was delivered is not a bounce, even if its text looks like one.
fn read(parts: &[Part]) -> Option<(Outcome, Option<&Part>)> {
    let find = |kinds: &[&str]| {
        let at = parts.iter().position(|part| kinds.contains(&part.kind.as_str()))?;
        Some((&parts[at], parts[at..].iter().find(|part| part.is_mail())))
    };
    if let Some((status, returned)) = find(&dsn::KINDS) {
        return Some((dsn::read(status)?, returned));
    }
    if let Some((report, returned)) = find(&arf::KINDS) {
        return Some((arf::read(report, returned)?, returned));
    }
    let mut attached = parts.iter().skip(1).filter(|part| part.is_mail());
    let complaint = attached.find_map(|part| Some((arf::read_outlook(part)?, Some(part))));
    complaint.or_else(|| Some((text::read(parts)?, None)))
}

/// Removes duplicates and keeps the first [`MOST`].
fn distinct(mut recipients: Vec<Email>) -> Vec<Email> {
    let mut seen = HashSet::new();
    recipients.retain(|recipient| seen.insert(recipient.as_str().to_ascii_lowercase()));
    recipients.truncate(MOST);
    recipients
}

/// Headers with the address that a mail was delivered to.
const TO: [&str; 5] = ["To", "Delivered-To", "X-Original-To", "Envelope-To", "X-Delivered-To"];

/// The mail ids, 32 hex digits each, in the local parts of the addresses that a mail was delivered to.
fn return_paths(head: &Message) -> Vec<Uuid> {
    let to = head.headers_raw().filter(|(name, _)| TO.iter().any(|to| to.eq_ignore_ascii_case(name)));
    let local_parts =
        to.flat_map(|(_, value)| value.split_whitespace()).filter_map(|word| word.split_once('@'));
    local_parts
        .flat_map(|(local, _)| local.split(|c: char| !c.is_ascii_hexdigit()))
        .filter(|digits| digits.len() == 32)
        .filter_map(|digits| Uuid::try_parse(digits).ok())
        .take(MOST)
        .collect()
}

/// Each `<UUID@domain>` in a text.
fn ids(text: &str) -> impl Iterator<Item = String> {
    text.split('<').skip(1).filter_map(|rest| {
        let (id, _) = rest[..rest.floor_char_boundary(LONGEST_ID)].split_once('>')?;
        Some(format!("<{id}>")).filter(|id| is_ours(id))
    })
}

/// Whether a `Message-ID` has the form that this server generates.
fn is_ours(message_id: &str) -> bool {
    let id = message_id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
    id.and_then(|id| id.split_once('@')).is_some_and(|(local, domain)| {
        id::parse(local).is_some() && domain.bytes().all(|byte| byte.is_ascii_graphic())
    })
}
