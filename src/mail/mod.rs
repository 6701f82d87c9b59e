//! Mail: a [`Letter`] (content and language) is rendered into a subject and two parts ([`render::render`]), made into
//! a [`message`] with an [`Envelope`], and sent by [`transport`]. Rendering and sending do not depend on the outbox.
//! All attempts of one mail produce the same bytes, so that a server can detect a mail that it already accepted.

pub mod bounce;
pub mod display_name;
pub mod dkim;
pub mod hint;
pub mod mailbox;
pub mod outbox_worker;
pub mod preview;
pub mod provider;
pub mod render;
mod reply;
pub mod sign_in_link;
pub mod template;
pub mod transport;
mod wrap;

use aws_lc_rs::digest;
use jiff::Timestamp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::domain::brand::Brand;
use crate::domain::mail::kind::MailKind;
use dkim::Signer;

/// The content of a mail. Every string is treated as data, even if it looks like markup.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    pub kind: MailKind,
    /// One of [`crate::l10n::LANGUAGES`].
    pub language: &'a str,
    /// The app that the mail is from.
    pub brand: &'a Brand,
    /// The address that the mail is sent to.
    pub recipient: &'a str,
    /// The name of the inviting user, if they have one.
    pub inviter: Option<&'a str>,
    /// The URL of the button, absolute, `http` or `https`. Required exactly for the kinds that
    /// [have a link](MailKind::has_link).
    pub link: Option<&'a str>,
    /// The referral code to print.
    pub referral_code: Option<&'a str>,
    /// When the link expires.
    pub expires_at: Option<Timestamp>,
    /// The URL to opt out of such mails, absolute, `http` or `https`.
    pub opt_out: Option<&'a str>,
    /// The app's own template for this kind and language, if it has one.
    pub template: Option<&'a str>,
}

/// Addresses, message id and date of a mail.
pub struct Envelope<'a> {
    pub from: &'a Mailbox,
    /// Receives replies, if not the sender.
    pub reply_to: Option<&'a Mailbox>,
    /// Receives bounces, if not the sender.
    pub return_path: Option<&'a Address>,
    pub to: &'a Address,
    /// `<local@domain>`, the same for all attempts of a mail.
    pub message_id: &'a str,
    /// When the mail was created, from 1970 to 9999.
    pub date: Timestamp,
    pub signer: Option<&'a Signer>,
}

/// A rendered mail in one language, without addresses.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// A single line.
    pub subject: String,
    pub html: String,
    /// The plain part; lines end with `\n`.
    pub text: String,
    /// The BCP 47 tag of the language.
    pub language: &'static str,
    /// [`Letter::opt_out`]
    pub opt_out: Option<String>,
}

/// The sender of an app's mails: its own in the form of a header, or the server's address under the name of the app.
/// `None` if its own is not valid.
#[must_use]
pub fn sender(own: Option<&str>, app: &str, server: &Mailbox) -> Option<Mailbox> {
    let Some(own) = own else {
        let name = Some(display_name::app(app)).filter(|name| !name.is_empty()).or(server.name.clone());
        return Some(Mailbox::new(name, server.email.clone()));
    };
    own.parse().ok()
}

/// Breaks up text that looks like an encoded word (RFC 2047), so that mail programs do not decode it.
fn unencoded(text: &str) -> String {
    text.replace("=?", "= ?")
}

/// Builds the message of a rendered mail. Headers suppress automatic replies (RFC 3834, and the header that Exchange
/// uses), but not reports of failed delivery. A link to opt out gets `List-Unsubscribe` headers, so that mail programs
/// show a button that opts out without opening a page (RFC 2369, 3.2; RFC 8058).
///
/// # Errors
/// If lettre refuses the message. Data of callers cannot cause this.
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
    let mut message = message.envelope(sent).multipart(
        MultiPart::alternative()
            .boundary(format!("=_{}", &boundary[..32]))
            .singlepart(SinglePart::plain(rendered.text.clone()))
            .singlepart(SinglePart::html(rendered.html.clone())),
    )?;
    if let Some(signer) = envelope.signer {
        signer.sign(&mut message, &envelope.from.email);
    }
    Ok(message)
}

/// Replaces control characters in the name, on which lettre panics, and breaks up encoded words.
fn legible(mailbox: &Mailbox) -> Mailbox {
    let name = mailbox.name.as_deref().map(|name| unencoded(&name.replace(char::is_control, " ")));
    Mailbox::new(name, mailbox.email.clone())
}
