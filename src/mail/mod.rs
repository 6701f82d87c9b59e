//! Mail: what is to be said, in which language ([`Letter`]), made into a subject and two parts
//! ([`render::render`]), then into a message ([`message`]) to somebody ([`Envelope`]), then sent ([`transport`]).
//!
//! Rendering and sending know nothing of the outbox. All attempts of one mail make the same bytes, so a
//! server that has taken it before can tell.

pub mod bounce;
pub mod display_name;
pub mod mailbox;
pub mod outbox_worker;
pub mod preview;
pub mod provider;
pub mod render;
mod reply;
pub mod transport;

use aws_lc_rs::digest;
use jiff::Timestamp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::domain::brand::{Color, LogoUrl};
use crate::domain::mail::kind::MailKind;

/// What a mail says. Every string is data, whatever it looks like.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// What it is about.
    pub kind: MailKind,
    /// One of [`crate::l10n::LANGUAGES`].
    pub language: &'a str,
    /// Whose mail it is.
    pub brand: Brand<'a>,
    /// The name of who invites, if they have one.
    pub inviter: Option<&'a str>,
    /// Where the button leads, an absolute `http` or `https` URL: in every mail that
    /// [has one](MailKind::has_link).
    pub link: Option<&'a str>,
    /// The referral code to print.
    pub referral_code: Option<&'a str>,
    /// When the link ends.
    pub expires_at: Option<Timestamp>,
    /// Where the recipient says that they want no such mail again: an absolute `http` or `https` URL.
    pub opt_out: Option<&'a str>,
}

/// An app as its mails show it.
#[derive(Clone, Copy, Debug)]
pub struct Brand<'a> {
    /// Its name.
    pub name: &'a str,
    /// The address of its logo.
    pub logo: Option<&'a LogoUrl>,
    /// What buttons are filled with.
    pub color: Color,
    /// Where people can reach it.
    pub contact: Option<&'a Address>,
}

/// Who writes to whom, and which mail it is.
pub struct Envelope<'a> {
    /// The sender.
    pub from: &'a Mailbox,
    /// Who gets the answers, if not the sender.
    pub reply_to: Option<&'a Mailbox>,
    /// Who gets the bounces, if not the sender.
    pub return_path: Option<&'a Address>,
    /// The recipient.
    pub to: &'a Address,
    /// `<local@domain>`, of the mail, not of the attempt.
    pub message_id: &'a str,
    /// When the mail was written, from 1970 to 9999.
    pub date: Timestamp,
}

/// A mail in one language, without addresses.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The HTML part.
    pub html: String,
    /// The plain part, lines ended by `\n`.
    pub text: String,
    /// The BCP 47 tag of what it is written in.
    pub language: &'static str,
    /// [`Letter::opt_out`]
    pub opt_out: Option<String>,
}

/// Text that no mail program decodes: what looks like an encoded word (RFC 2047) is none.
fn unencoded(text: &str) -> String {
    text.replace("=?", "= ?")
}

/// Makes the message out of a rendered mail. Automatic answers are asked not to come (RFC 3834, and the header
/// Exchange reads); reports of failed delivery may. Where there is a link to opt out, mail programs show a button for it
/// and press it without a visit (RFC 2369, 3.2; RFC 8058).
///
/// # Errors
/// What lettre refuses; nothing that a caller's data could cause.
pub fn message(rendered: &Rendered, envelope: &Envelope) -> Result<Message, lettre::error::Error> {
    let id: String = envelope.message_id.chars().filter(char::is_ascii_graphic).collect();
    let boundary = hex::encode(digest::digest(&digest::SHA256, id.as_bytes()));
    let header = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
    let mut message = Message::builder()
        .message_id(Some(id))
        .date(envelope.date.into())
        .from(legible(envelope.from))
        .to(Mailbox::new(None, envelope.to.clone()))
        .subject(unencoded(&rendered.subject))
        .raw_header(header("Content-Language", rendered.language))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "OOF, AutoReply"));
    if let Some(reply_to) = envelope.reply_to {
        message = message.reply_to(legible(reply_to));
    }
    if let Some(link) = &rendered.opt_out {
        message = message
            .raw_header(header("List-Unsubscribe", &format!("<{link}>")))
            .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
    }
    let return_path = envelope.return_path.unwrap_or(&envelope.from.email).clone();
    let sent = lettre::address::Envelope::new(Some(return_path), vec![envelope.to.clone()])?;
    message.envelope(sent).multipart(
        MultiPart::alternative()
            .boundary(format!("=_{}", &boundary[..32]))
            .singlepart(SinglePart::plain(rendered.text.clone()))
            .singlepart(SinglePart::html(rendered.html.clone())),
    )
}

/// With a name that says what it seems to. lettre panics on a control character in it.
fn legible(mailbox: &Mailbox) -> Mailbox {
    let name = mailbox.name.as_deref().map(|name| unencoded(&name.replace(char::is_control, " ")));
    Mailbox::new(name, mailbox.email.clone())
}
