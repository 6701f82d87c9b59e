//! Complaints: feedback reports (ARF, RFC 5965), and Outlook.com's own format.

use super::Outcome;
use super::dsn::field;
use super::fields::{addresses, groups, without_comments};
use super::mime::Part;
use crate::domain::mail::report::Kind;

/// Feedback types that are not complaints: the mail is not spam (RFC 6430), or its authentication failed (RFC 6591).
const NO_COMPLAINT: [&str; 4] = ["not-spam", "auth-failure", "dkim", "dmarc"];

pub(super) const KINDS: [&str; 1] = ["message/feedback-report"];

/// Parses a feedback report about the mail in `returned`. Returns `None` if it is not a complaint.
pub(super) fn read(report: &Part, returned: Option<&Part>) -> Option<Outcome> {
    // Some senders write a blank line between the fields.
    let fields: Vec<(String, String)> = groups(&report.text()).into_iter().flatten().collect();
    let kind = without_comments(field(&fields, "feedback-type")?).to_ascii_lowercase();
    if NO_COMPLAINT.contains(&kind.as_str()) {
        return None;
    }
    let named = fields.iter().filter(|(name, _)| name == "original-rcpt-to");
    let mut recipients: Vec<_> = named.flat_map(|(_, value)| addresses(value)).collect();
    if recipients.is_empty() {
        let head = returned.and_then(Part::head);
        let to = head.as_ref().and_then(|head| head.to()?.first()?.address());
        recipients.extend(to.into_iter().flat_map(addresses));
    }
    let agent = field(&fields, "user-agent").unwrap_or_default();
    Some(Outcome { kind: Kind::Complained, recipients, detail: format!("{kind} {agent}") })
}

/// Parses a complaint of Outlook.com, which attaches the mail and names the recipient in a header of that mail.
pub(super) fn read_outlook(returned: &Part) -> Option<Outcome> {
    let head = returned.head()?;
    let recipients = addresses(head.header_raw("X-HmXmrOriginalRecipient")?).collect();
    Some(Outcome { kind: Kind::Complained, recipients, detail: "abuse".to_owned() })
}
