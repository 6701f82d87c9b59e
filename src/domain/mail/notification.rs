//! What a mail server or a provider reports of a mail.

use uuid::Uuid;

use super::report::Kind;
use crate::domain::email::Email;

/// What a mail that came back says.
#[derive(Debug, PartialEq, Eq)]
pub struct Notification {
    /// What became of the mail.
    pub kind: Kind,
    /// Each `<UUID@domain>` in it, the form of our `Message-ID`s, that of the returned mail first. They cannot be
    /// guessed, so one that is ours proves which mail it is about.
    pub message_ids: Vec<String>,
    /// The ids of mails in the addresses that it came to (VERP): those of return paths, which cannot be guessed either.
    pub mail_ids: Vec<Uuid>,
    /// The `Message-ID` of the mail that it returns, whatever its form, in angle brackets.
    pub returned_id: Option<String>,
    /// To whom the mail was.
    pub recipients: Vec<Email>,
    /// Status and diagnosis, as [`detail`](super::report::detail) makes them.
    pub detail: String,
}
