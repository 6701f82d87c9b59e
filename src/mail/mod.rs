//! Mail: what is to be said, to whom, in which language ([`Invitation`]), made into a subject and two
//! parts ([`render::render`]), then into a message ([`message`]), then sent ([`transport`]).
//!
//! Rendering and sending know nothing of the outbox. All attempts of one mail make the same bytes, so a
//! server that has taken it before can tell.

use aws_lc_rs::digest;
use jiff::Timestamp;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use crate::domain::invite::Kind;

pub mod bounce;
pub mod mailbox;
pub mod name;
pub mod render;
pub mod transport;
pub mod worker;

/// What an invite mail says. Every string is data, whatever it looks like.
#[derive(Clone, Copy, Debug)]
pub struct Invitation<'a> {
    /// What it is for.
    pub kind: Kind,
    /// One of [`crate::l10n::LANGUAGES`].
    pub language: &'a str,
    /// The name of the app.
    pub app_name: &'a str,
    /// The name of who invites, if they have one.
    pub inviter: Option<&'a str>,
    /// Where the button leads: an absolute `http` or `https` URL.
    pub link: &'a str,
    /// The referral code to print.
    pub referral_code: Option<&'a str>,
    /// When the invitation ends.
    pub expires_at: Option<Timestamp>,
    /// Where the recipient says that they want no such mail again: an absolute `http` or `https` URL.
    pub opt_out: Option<&'a str>,
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
    /// [`Invitation::opt_out`]
    pub opt_out: Option<String>,
}

/// Text that no mail program decodes: what looks like an encoded word (RFC 2047) is none.
fn unencoded(text: &str) -> String {
    text.replace("=?", "= ?")
}

/// Makes the message out of a rendered mail. `message_id` (`<local@domain>`) and `date` belong to the mail,
/// not to the attempt; the date is one from 1970 to 9999. Automatic answers are asked not to come (RFC 3834, and the header Exchange reads);
/// reports of failed delivery may. Mail programs show a button to opt out, and press it without a visit (RFC 2369,
/// 3.2; RFC 8058).
///
/// # Errors
/// What lettre refuses; nothing that a caller's data could cause.
pub fn message(
    rendered: &Rendered,
    from: &Mailbox,
    to: &Address,
    message_id: &str,
    date: Timestamp,
) -> Result<Message, lettre::error::Error> {
    // lettre panics on a control character in a display name.
    let sender = from.name.as_deref().map(|name| unencoded(&name.replace(char::is_control, " ")));
    let id: String = message_id.chars().filter(char::is_ascii_graphic).collect();
    let boundary = hex::encode(digest::digest(&digest::SHA256, id.as_bytes()));
    let header = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
    let mut builder = Message::builder();
    if let Some(link) = &rendered.opt_out {
        builder = builder
            .raw_header(header("List-Unsubscribe", &format!("<{link}>")))
            .raw_header(header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"));
    }
    builder
        .message_id(Some(id))
        .date(date.into())
        .from(Mailbox::new(sender, from.email.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(unencoded(&rendered.subject))
        .raw_header(header("Content-Language", rendered.language))
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "OOF, AutoReply"))
        .multipart(
            MultiPart::alternative()
                .boundary(format!("=_{}", &boundary[..32]))
                .singlepart(SinglePart::plain(rendered.text.clone()))
                .singlepart(SinglePart::html(rendered.html.clone())),
        )
}
