//! Delivery status notifications (RFC 3464), as they come back to the sender of mails: anybody can send one, so
//! what is read of each is bounded, and nothing in it is believed but which mail it is about.

use std::io::{self, BufRead, Read};

use mail_parser::{MessageParser, MessagePart, MimeHeaders};

use crate::domain::mail_report::{Kind, detail};

/// Bytes of one message that are read; what is beyond is passed over.
const SIZE: u64 = 1024 * 1024;
/// Lines of a notification's fields that are read.
const LINES: usize = 1000;

/// What a notification says.
#[derive(Debug, PartialEq, Eq)]
pub struct Notification {
    /// Bounced if any recipient failed, else delayed.
    pub kind: Kind,
    /// `Message-ID` of the mail that it is about, in angle brackets, if it returns its head.
    pub message_id: Option<String>,
    /// To whom that mail was.
    pub recipient: Option<String>,
    /// Status and diagnosis, as [`detail`] makes them.
    pub detail: String,
}

/// The fields of one recipient.
#[derive(Default)]
struct Recipient {
    action: String,
    address: Option<String>,
    status: String,
    diagnosis: String,
}

impl Notification {
    /// Reads a message; `None` if it is no notification, or says neither that a mail failed nor that it is late.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        let message = MessageParser::new().parse(message)?;
        let is = |part: &MessagePart, kind: &str, names: &[&str]| {
            part.content_type().is_some_and(|declared| {
                declared.ctype().eq_ignore_ascii_case(kind)
                    && declared
                        .subtype()
                        .is_some_and(|subtype| names.iter().any(|name| subtype.eq_ignore_ascii_case(name)))
            })
        };
        let status = ["delivery-status", "global-delivery-status"];
        let status = message.parts.iter().find(|part| is(part, "message", &status))?;
        let recipients = recipients(&String::from_utf8_lossy(status.contents()));
        let acted = |action: &str| recipients.iter().find(|one| one.action.eq_ignore_ascii_case(action));
        let (kind, recipient) = match (acted("failed"), acted("delayed")) {
            (Some(failed), _) => (Kind::Bounced, failed),
            (None, Some(delayed)) => (Kind::Delayed, delayed),
            (None, None) => return None,
        };
        let returned = message.parts.iter().find(|part| {
            is(part, "message", &["rfc822", "global", "global-headers", "rfc822-headers"])
                || is(part, "text", &["rfc822-headers"])
        });
        let returned = returned.and_then(|part| MessageParser::new().parse_headers(part.contents()));
        let message_id = returned.and_then(|head| head.message_id().map(|id| format!("<{id}>")));
        Some(Self {
            kind,
            message_id,
            recipient: recipient.address.clone(),
            detail: detail(&format!("{} {}", recipient.status, recipient.diagnosis)),
        })
    }
}

/// The groups of fields after the first, which is about the message as a whole.
fn recipients(fields: &str) -> Vec<Recipient> {
    let mut recipients = vec![Recipient::default()];
    let mut unfolded: Vec<String> = Vec::new();
    for line in fields.lines().take(LINES) {
        match unfolded.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) && !last.is_empty() => last.push_str(line),
            _ => unfolded.push(line.trim_end().to_owned()),
        }
    }
    for line in unfolded {
        if line.is_empty() {
            recipients.push(Recipient::default());
            continue;
        }
        let (Some((name, value)), Some(last)) = (line.split_once(':'), recipients.last_mut()) else {
            continue;
        };
        let value = value.trim();
        // `rfc822; ada@example.com`, `smtp; 550 …`: the type says nothing more.
        let typed = || value.split_once(';').map_or(value, |(_, value)| value.trim()).to_owned();
        match name.trim().to_ascii_lowercase().as_str() {
            "action" => value.clone_into(&mut last.action),
            "status" => value.clone_into(&mut last.status),
            "diagnostic-code" => last.diagnosis = typed(),
            "original-recipient" => last.address = Some(typed()),
            "final-recipient" if last.address.is_none() => last.address = Some(typed()),
            _ => {}
        }
    }
    recipients
}

/// The messages of a mailbox file (mbox, RFC 4155), or the only one of what is none.
pub struct Messages<R> {
    lines: R,
    /// Whether the line that parts the next message from the last has been read.
    begun: bool,
}

impl<R: BufRead> Messages<R> {
    /// Those of `lines`.
    pub fn of(lines: R) -> Self {
        Self { lines, begun: false }
    }

    fn next_message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (mut message, mut any) = (Vec::new(), std::mem::take(&mut self.begun));
        let mut blank = !any;
        loop {
            let mut line = Vec::new();
            // A line without an end is read in parts, each as long as a message.
            if self.lines.by_ref().take(SIZE).read_until(b'\n', &mut line)? == 0 {
                return Ok(any.then_some(message));
            }
            if blank && line.starts_with(b"From ") {
                if any {
                    self.begun = true;
                    return Ok(Some(message));
                }
                (any, blank) = (true, false);
                continue;
            }
            any = true;
            blank = line.iter().all(u8::is_ascii_whitespace);
            if message.len() + line.len() <= usize::try_from(SIZE).unwrap_or(usize::MAX) {
                // What a mailbox quotes (`>From `) is in no line that is looked at.
                message.append(&mut line);
            }
        }
    }
}

impl<R: BufRead> Iterator for Messages<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_message().transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Postfix writes it, but for the status part and the part that returns the mail.
    fn notification(status: &str, returned: &str) -> String {
        format!(
            "From: MAILER-DAEMON@mx.example\r\nTo: no-reply@id.example\r\nSubject: Undelivered Mail\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"b/1\"\r\n\
             MIME-Version: 1.0\r\nMessage-Id: <own@mx.example>\r\n\r\n--b/1\r\nContent-Type: text/plain\r\n\r\n\
             I'm sorry.\r\n\r\n--b/1\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; mx.example\r\n\r\n{status}\r\n--b/1\r\n{returned}\r\n\r\n--b/1--\r\n"
        )
    }

    const HEAD: &str =
        "Content-Type: text/rfc822-headers\r\n\r\nFrom: x@id.example\r\nMessage-ID: <m1@id.example>\r\n";

    fn read(message: &str) -> Option<(&'static str, Option<String>, Option<String>, String)> {
        let read = Notification::parse(message.as_bytes())?;
        Some((read.kind.as_str(), read.message_id, read.recipient, read.detail))
    }

    #[test]
    fn a_notification_says_which_mail_failed() {
        let failed = "Final-Recipient: rfc822; ada@new.example\r\nOriginal-Recipient: rfc822;ada@x.example\r\n\
                      Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; x.example\r\n\
                      Diagnostic-Code: smtp; 550 5.1.1\r\n    no such\r\n\tuser\r\n";
        let some = |text: &str| Some(text.to_owned());
        let said = "5.1.1 550 5.1.1 no such user".to_owned();
        let expected = Some(("bounced", some("<m1@id.example>"), some("ada@x.example"), said.clone()));
        let whole = "Content-Type: message/rfc822\r\n\r\nMessage-ID:\r\n <m1@id.example>\r\nSubject: x\r\n\r\nHello\r\n";
        let encoded = "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                       Message-ID: <m1=40id.example>\r\n";
        for returned in [HEAD, whole, encoded] {
            assert_eq!(read(&notification(failed, returned)), expected, "{returned}");
        }
        let nothing = "Content-Type: text/plain\r\n\r\nMessage-ID: <m1@id.example>\r\n";
        assert_eq!(
            read(&notification(failed, nothing)),
            Some(("bounced", None, some("ada@x.example"), said))
        );
        // Unix line ends, names in any case, an order of their own.
        let bare = notification("ACTION: Failed\r\nfinal-recipient: RFC822;Ada@X.example\r\n", HEAD);
        assert_eq!(
            read(&bare.replace("\r\n", "\n")),
            Some(("bounced", some("<m1@id.example>"), some("Ada@X.example"), String::new()))
        );
    }

    #[test]
    fn only_what_failed_is_a_bounce() {
        let delayed = "Final-Recipient: rfc822; a@x.example\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n";
        let failed = "Final-Recipient: rfc822; b@x.example\r\nAction: failed\r\nStatus: 5.0.0\r\n";
        let kind = |status: &str| read(&notification(status, HEAD)).map(|(kind, ..)| kind);
        assert_eq!(kind(delayed), Some("delayed"));
        assert_eq!(kind(&format!("{delayed}{failed}")), Some("bounced"));
        for action in ["delivered", "relayed", "expanded", "failed?", ""] {
            assert_eq!(kind(&format!("Final-Recipient: rfc822; a@x.example\r\nAction: {action}\r\n")), None);
        }
        for no_report in ["", "\r\n", "Subject: failed\r\n\r\nAction: failed\r\n"] {
            assert_eq!(read(no_report), None);
        }
        // A status part that is shown in a text is none.
        let quoted = notification(failed, HEAD).replace("message/delivery-status", "text/plain");
        assert_eq!(read(&quoted), None);
    }

    fn messages(file: &[u8]) -> Vec<Vec<u8>> {
        Messages::of(file).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_mailbox_file_is_its_messages() {
        let text = |file: &[u8]| -> Vec<String> {
            messages(file).iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect()
        };
        assert_eq!(text(b""), [""; 0]);
        assert_eq!(text(b"A: b\n\nc\nFrom here\n"), ["A: b\n\nc\nFrom here\n"]);
        assert_eq!(
            text(b"From x Sun\nA: b\n\nc\n\nFrom y Mon\nD: e\n\nf\n>From g\n"),
            ["A: b\n\nc\n\n", "D: e\n\nf\n>From g\n"]
        );
        assert_eq!(text(b"From x\nFrom y\n\nFrom z\n"), ["From y\n\n", ""]);
        // Of what is too long the beginning is kept, whatever comes after is another message.
        let long =
            [b"From x\nA: b\n\n".to_vec(), vec![b'x'; 3 << 20], b"\n\nFrom y\nC: d\n\n".to_vec()].concat();
        let read = messages(&long);
        assert_eq!((read.len(), &read[1][..]), (2, &b"C: d\n\n"[..]));
        assert!(read[0].starts_with(b"A: b\n\n") && read[0].len() <= 1 << 20);
    }

    proptest! {
        #[test]
        fn bytes_never_panic(bytes in any::<Vec<u8>>(), status in any::<String>(), returned in any::<String>()) {
            for message in messages(&bytes) {
                let _ = Notification::parse(&message);
            }
            let _ = Notification::parse(notification(&status, &returned).as_bytes());
        }
    }
}
