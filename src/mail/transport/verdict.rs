//! Decides whether a refusal is about the mail and its recipient, or about our sender, login, quota or account. It
//! uses the refused command, the enhanced code (RFC 3463) and, if the code is unspecific, the text.

use super::conversation::{Command, Reply};

/// Replies about our login or the connection, for any command: 503 bad sequence (some servers require a login with
/// it), 521 server does not accept mail (RFC 7504), 530, 534, 535 and 538 login (RFC 4954).
const OURS: [u16; 6] = [503, 521, 530, 534, 535, 538];

/// Enhanced codes about the sender, by their last two numbers: bad sender address (1.7, 1.8), sending limits of
/// Microsoft and Google (1.90, 4.5), "send as" denied (2.252). Codes from 7.2 on, such as 7.60 ("send as"), are about
/// the sender too, unless they are in [`RECIPIENT`].
const SENDER: [&str; 5] = ["1.7", "1.8", "1.90", "4.5", "2.252"];

/// Enhanced codes 7.x about the recipient: an account that was closed or has another owner (RFC 7293), or a recipient
/// that accepts mail from some senders only (Exchange).
const RECIPIENT: [&str; 6] = ["7.13", "7.17", "7.18", "7.124", "7.133", "7.134"];

/// Phrases about the sender that servers use with unspecific codes.
const TEXTS: [&str; 19] = [
    "sender address rejected",
    "sender rejected",
    "not owned by",
    "send as",
    "sendas",
    "not allowed to send",
    "not authorized to send",
    "not authorised to send",
    "from this sender",
    "bad outbound sender",
    "relay",
    "authentication required",
    "not verified",
    "sending limit",
    "rate limit",
    "daily limit",
    "quota for sending",
    "sending quota",
    "account is suspended",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Temporary.
    Later,
    /// About our sender, login, quota or account: other mails are refused too until the operator fixes it.
    Sender,
    /// About the mail or its recipient: it will never be accepted.
    Mail,
}

/// Classifies a reply that is not 2xx.
pub(super) fn verdict(command: Command, reply: &Reply) -> Verdict {
    if reply.code < 500 {
        return Verdict::Later;
    }
    // The server does not know the recipient before RCPT.
    if matches!(command, Command::Session | Command::Mail) || OURS.contains(&reply.code) {
        return Verdict::Sender;
    }
    let text = reply.lines.join(" ").to_ascii_lowercase();
    let detail = text.split_whitespace().next().and_then(|code| code.strip_prefix("5.")).unwrap_or_default();
    let detail = detail.trim_end_matches(|c: char| !c.is_ascii_digit());
    if SENDER.contains(&detail) {
        return Verdict::Sender;
    }
    if RECIPIENT.contains(&detail) {
        return Verdict::Mail;
    }
    let security = detail.strip_prefix("7.").and_then(|number| number.parse::<u16>().ok());
    let sender = security.is_some_and(|number| number > 1) || TEXTS.iter().any(|part| text.contains(part));
    if sender { Verdict::Sender } else { Verdict::Mail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smtp_refusal_is_classified_as_sender_mail_or_temporary() {
        use Command::{Data, Mail, Message, Rcpt, Session};
        use Verdict::{Later, Sender};
        for (command, code, text, expected) in [
            (Mail, 553, "5.7.1 <a@id.example>: Sender address rejected: not owned by user app", Sender),
            (Mail, 550, "5.1.1 nobody", Sender),
            (Mail, 550, "", Sender),
            (Session, 535, "5.7.8 no", Sender),
            (Mail, 451, "4.3.0 later", Later),
            (Message, 454, "Throttling failure: Daily message quota exceeded.", Later),
            (Rcpt, 553, "5.7.1 <a@id.example>: Sender address rejected: not owned by user app", Sender),
            (Rcpt, 554, "5.7.1 <b@x.example>: Relay access denied", Sender),
            (Rcpt, 550, "relay not permitted", Sender),
            (Rcpt, 550, "5.1.8 Access denied, bad outbound sender", Sender),
            (Rcpt, 550, "5.1.90 Your message can't be sent because you've reached your daily limit", Sender),
            (Rcpt, 530, "5.7.0 login first", Sender),
            (Message, 550, "5.4.5 Daily user sending limit exceeded.", Sender),
            (Message, 550, "5.7.60 SMTP; Client does not have permissions to send as this sender", Sender),
            (Message, 554, "5.2.252 SendAsDenied; a@x not allowed to send as b@x", Sender),
            (Message, 554, "Message rejected: Email address is not verified.", Sender),
            (Message, 550, "5.7.1 Domain id.example not allowed to send", Sender),
            (
                Message,
                550,
                "5.7.26 This mail has been blocked because the sender is unauthenticated.",
                Sender,
            ),
            (Message, 521, "5.3.2 no mail here", Sender),
            (Rcpt, 550, "5.1.1 no such user", Verdict::Mail),
            (Rcpt, 550, "", Verdict::Mail),
            (Rcpt, 551, "User not local", Verdict::Mail),
            (Rcpt, 552, "5.2.2 mailbox full", Verdict::Mail),
            (Rcpt, 550, "5.7.1 recipient not accepted", Verdict::Mail),
            (Rcpt, 550, "5.7.17 The mailbox has another owner", Verdict::Mail),
            (Rcpt, 550, "5.2.1 The account is disabled", Verdict::Mail),
            (Data, 554, "5.5.1 no valid recipients", Verdict::Mail),
            (Message, 554, "5.7.1 spam", Verdict::Mail),
            (Message, 552, "5.3.4 message too big", Verdict::Mail),
        ] {
            let reply = Reply { code, lines: vec![text.to_owned()] };
            assert_eq!(verdict(command, &reply), expected, "{command:?} {code} {text}");
        }
    }
}
