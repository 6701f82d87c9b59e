//! A report about a mail from a mail server or a provider.

use uuid::Uuid;

use super::report::Kind;
use crate::domain::email::Email;

/// The contents of such a report: a bounce, a delay or a complaint.
#[derive(Debug, PartialEq, Eq)]
pub struct Notification {
    pub kind: Kind,
    /// Each `<UUID@domain>` in the report, the form of our `Message-ID`s, with that of the returned mail first. They
    /// cannot be guessed, so one that is ours proves which mail the report is about.
    pub message_ids: Vec<String>,
    /// Mail ids in the addresses that the report was sent to (VERP return paths). They cannot be guessed either.
    pub mail_ids: Vec<Uuid>,
    /// The `Message-ID` of the returned mail in any form, in angle brackets.
    pub returned_id: Option<String>,
    /// Recipients of the mail that the report is about.
    pub recipients: Vec<Email>,
    /// Status and diagnosis, as formatted by [`detail`](super::report::detail).
    pub detail: String,
}
