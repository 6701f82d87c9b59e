//! Notifications in the formats of real servers, and hostile ones.

use proptest::prelude::*;

use super::*;

const OURS: &str = "<0195c0de-0000-7000-8000-000000000001@id.example>";

/// A bounce in the format of Postfix, with the given status part and returned mail.
fn notification(status: &str, returned: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nTo: no-reply@id.example\r\nSubject: Undelivered Mail\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"b/1\"\r\n\
         MIME-Version: 1.0\r\nMessage-Id: <own@mx.example>\r\n\r\n--b/1\r\nContent-Type: text/plain\r\n\r\n\
         I'm sorry.\r\n\r\n--b/1\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example\r\n\r\n{status}\r\n--b/1\r\n{returned}\r\n\r\n--b/1--\r\n"
    )
}

fn head() -> String {
    format!("Content-Type: text/rfc822-headers\r\n\r\nFrom: x@id.example\r\nMessage-ID: {OURS}\r\n")
}

/// Kind, message ids, recipients and detail.
type Read = (&'static str, Vec<String>, Vec<String>, String);

fn read(message: &str) -> Option<Read> {
    let read = Notification::parse(message.as_bytes())?;
    let recipients = read.recipients.iter().map(|email| email.as_str().to_owned()).collect();
    Some((read.kind.as_str(), read.message_ids, recipients, read.detail))
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what `read` gives")]
fn expected(kind: &'static str, ids: &[&str], recipients: &[&str], detail: &str) -> Option<Read> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Some((kind, owned(ids), owned(recipients), detail.to_owned()))
}

const FAILED: &str = "Final-Recipient: rfc822; ada@new.example\r\nOriginal-Recipient: rfc822;ada@x.example\r\n\
                      Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; x.example\r\n\
                      Diagnostic-Code: smtp; 550 5.1.1\r\n    no such\r\n\tuser\r\n";

#[test]
fn dsn_gives_message_id_recipients_and_diagnostic() {
    let to = ["ada@x.example", "ada@new.example"];
    let detail = "5.1.1 550 5.1.1 no such user";
    let whole =
        format!("Content-Type: message/rfc822\r\n\r\nMessage-ID:\r\n {OURS}\r\nSubject: x\r\n\r\nHello\r\n");
    let encoded = format!(
        "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         Message-ID: {}\r\n",
        OURS.replace('@', "=40")
    );
    let text = format!("Content-Type: text/plain\r\n\r\nMessage-ID: {OURS}\r\n");
    for returned in [head(), whole, encoded, text] {
        let read = read(&notification(FAILED, &returned));
        assert_eq!(read, expected("bounced", &[OURS], &to, detail), "{returned}");
    }
    // Amazon SES replaces the message id.
    let foreign = "Content-Type: message/rfc822\r\n\r\nMessage-ID: <0100019ab-0@email.amazonses.com>\r\n";
    assert_eq!(read(&notification(FAILED, foreign)), expected("bounced", &[], &to, detail));
    assert_eq!(
        Notification::parse(notification(FAILED, foreign).as_bytes()).unwrap().returned_id.as_deref(),
        Some("<0100019ab-0@email.amazonses.com>")
    );
    // Unix line ends, names in any case, comments, another order of fields, missing blank line between the groups.
    let bare = notification(
        "ACTION: Failed (user\r\n unknown)\r\nfinal-recipient: RFC822;<Ada@X.example> (A)\r\n",
        &head(),
    );
    for bare in [bare.replace("\r\n", "\n"), bare.replace("mx.example\r\n\r\nACTION", "mx.example\r\nACTION")]
    {
        assert_eq!(read(&bare), expected("bounced", &[OURS], &["Ada@X.example"], ""));
    }
}

#[test]
fn dsn_is_a_bounce_only_if_a_recipient_failed() {
    let delayed = "Final-Recipient: rfc822; a@x.example\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n";
    let failed = "Final-Recipient: rfc822; b@x.example\r\nAction: failed\r\nStatus: 5.0.0\r\n";
    let kind = |status: &str| read(&notification(status, &head())).map(|(kind, ..)| kind);
    assert_eq!(kind(delayed), Some("delayed"));
    assert_eq!(kind(&format!("{delayed}{failed}")), Some("bounced"));
    for action in ["delivered", "relayed", "expanded (failed)", "failed?", ""] {
        let status = format!("Final-Recipient: rfc822; a@x.example\r\nAction: {action}\r\n");
        assert_eq!(kind(&status), None, "{action}");
    }
    for no_report in ["", "\r\n", "Subject: failed\r\n\r\nAction: failed\r\n"] {
        assert_eq!(read(no_report), None);
    }
}

/// A person's mail with another mail attached.
fn forwarded(mail: &str, encoding: &str) -> String {
    let mail = match encoding {
        "base64" => {
            let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, mail);
            encoded.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\r\n").collect()
        }
        _ => mail.to_owned(),
    };
    format!(
        "From: eve@id.example\r\nTo: ops@id.example\r\nSubject: Fwd: look\r\n\
         Content-Type: multipart/mixed; boundary=outer\r\n\r\n--outer\r\n\r\nsee below\r\n--outer\r\n\
         Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{mail}\r\n--outer--\r\n"
    )
}

#[test]
fn report_inside_a_forwarded_mail_is_read() {
    for report in [notification(FAILED, &head()), qmail(), complaint("abuse", &format!("Message-ID: {OURS}"))]
    {
        let plain = read(&report).unwrap();
        let (mut once, mut encoded) = (report.clone(), report);
        for _ in 0..3 {
            once = forwarded(&once, "7bit");
            encoded = forwarded(&encoded, "base64");
            assert_eq!(read(&once), Some(plain.clone()));
            assert_eq!(read(&encoded), Some(plain.clone()));
        }
    }
}

fn complaint(kind: &str, head: &str) -> String {
    format!(
        "From: fbl@mx.example\r\nSubject: FW: hello\r\nContent-Type: multipart/report;\r\n report-type=feedback-report; \
         boundary=f\r\n\r\n--f\r\n\r\nA complaint.\r\n--f\r\nContent-Type: message/feedback-report\r\n\r\n\
         Feedback-Type: {kind}\r\nUser-Agent: Mx/1.0\r\nOriginal-Rcpt-To: <ada@x.example>\r\n\r\n--f\r\n\
         Content-Type: text/rfc822-headers\r\n\r\n{head}\r\n\r\n--f--\r\n"
    )
}

#[test]
fn feedback_report_is_a_complaint_unless_not_spam_or_auth() {
    let ours = format!("Message-ID: {OURS}");
    for kind in ["abuse", "fraud", "Other", "opt-out", "new-in-2040", "abuse (spam)"] {
        let detail = format!("{} Mx/1.0", kind.split(' ').next().unwrap().to_lowercase());
        assert_eq!(
            read(&complaint(kind, &ours)),
            expected("complained", &[OURS], &["ada@x.example"], &detail),
            "{kind}"
        );
    }
    for kind in ["not-spam", "auth-failure"] {
        assert_eq!(read(&complaint(kind, &ours)), None, "{kind}");
    }
    // If the report does not name a recipient, the `To` address of the mail is used.
    let to_in_head =
        complaint("abuse", "To: Ada <ada@x.example>").replace("Original-Rcpt-To: <ada@x.example>\r\n", "");
    assert_eq!(read(&to_in_head), expected("complained", &[], &["ada@x.example"], "abuse Mx/1.0"));
    let outlook =
        forwarded(&format!("X-HmXmrOriginalRecipient: ada@x.example\r\n{ours}\r\n\r\nHello\r\n"), "7bit");
    assert_eq!(read(&outlook), expected("complained", &[OURS], &["ada@x.example"], "abuse"));
}

fn qmail() -> String {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nTo: no-reply@id.example\r\nSubject: failure notice\r\n\r\n\
         Hi. This is the qmail-send program at mx.example.\r\n\
         I'm afraid I wasn't able to deliver your message to the following addresses.\r\n\
         This is a permanent error; I've given up. Sorry it didn't work out.\r\n\r\n<ada@x.example>:\r\n\
         Sorry, no mailbox here by that name. (#5.1.1)\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n\
         Return-Path: <no-reply@id.example>\r\nReceived: from id.example by mx.example\r\nMessage-ID: {OURS}\r\n\
         To: ada@x.example\r\nCc: other@x.example\r\n\r\nHello\r\n"
    )
}

fn plain(from: &str, more: &str, subject: &str, text: &str) -> String {
    format!("From: {from}\r\nTo: no-reply@id.example\r\nSubject: {subject}\r\n{more}\r\n{text}\r\n")
}

#[test]
fn plain_text_bounces_of_mail_servers_are_parsed() {
    assert_eq!(
        read(&qmail()),
        expected("bounced", &[OURS], &["ada@x.example"], "Sorry, no mailbox here by that name. (#5.1.1)")
    );
    let daemon = "Mail Delivery System <Mailer-Daemon@mx.example>";
    let exim = "A message that you sent could not be delivered to one or more of its\r\nrecipients.\r\n\r\n  \
                ada@x.example\r\n    Unrouteable address\r\n\r\n------ This is a copy of the message ------\r\n";
    assert_eq!(
        read(&plain(daemon, "X-Failed-Recipients: ada@x.example\r\n", "Mail delivery failed", exim)),
        expected("bounced", &[], &["ada@x.example"], "Unrouteable address")
    );
    let warning = "A message that you sent has not yet been delivered to one or more of its recipients\r\n\
                   after more than 24 hours on the queue.\r\n  ada@x.example\r\n    Delay reason: 550 later\r\n";
    assert_eq!(
        read(&plain(daemon, "", "Warning: message delayed 24 hours", warning)),
        expected("delayed", &[], &["ada@x.example"], "Delay reason: 550 later")
    );
    // German, Japanese in its own charset, and French in HTML are recognized by the server's reply.
    let german = "Ihre Nachricht konnte nicht zugestellt werden.\r\n\r\nada@x.example:\r\n    \
                  Antwort des Servers: 550-5.1.1 Empf\u{e4}nger unbekannt\r\n";
    assert_eq!(
        read(&plain(daemon, "Content-Type: text/plain; charset=utf-8\r\n", "Unzustellbar", german)),
        expected(
            "bounced",
            &[],
            &["ada@x.example"],
            "Antwort des Servers: 550-5.1.1 Empf\u{e4}nger unbekannt"
        )
    );
    let japanese = b"From: postmaster@mx.example\r\nContent-Type: text/plain; charset=iso-2022-jp\r\n\r\n\
                     \x1b$BAw?.$G$-$^$;$s\x1b(B\r\n<ada@x.example>: 550 Unknown user\r\n";
    let read_japanese = Notification::parse(japanese).unwrap();
    assert_eq!(
        (read_japanese.kind, read_japanese.recipients[0].as_str(), read_japanese.detail.as_str()),
        (Kind::Bounced, "ada@x.example", "<ada@x.example>: 550 Unknown user")
    );
    let french = format!(
        "<html><body><p>Adresse refus\u{e9}e&nbsp;: &lt;ada@x.example&gt;</p><p>452 4.2.2 bo\u{ee}te pleine</p>\
         <pre>Message-ID: {}</pre></body></html>",
        OURS.replace('<', "&lt;").replace('>', "&gt;")
    );
    let html = "Content-Type: text/html; charset=utf-8\r\n";
    let (kind, ids, recipients, _) = read(&plain(daemon, html, "Retard", &french)).unwrap();
    assert_eq!(
        (kind, &ids[..], &recipients[..]),
        ("delayed", &[OURS.to_owned()][..], &["ada@x.example".to_owned()][..])
    );
}

#[test]
fn replies_and_auto_replies_are_not_bounces() {
    let references = format!("In-Reply-To: {OURS}\r\nReferences: {OURS}\r\n");
    let away = "Auto-Submitted: auto-replied\r\nReturn-Path: <>\r\n";
    let quoted = format!("I got this:\r\n> 550 5.1.1 unknown user\r\n> Message-ID: {OURS}\r\n");
    for (from, more, text) in [
        ("ada@x.example", references.as_str(), "No, thanks. 550 5.1.1\r\n"),
        ("ada@x.example", away, "I am away until 5.1.2027.\r\n"),
        ("ada@x.example", "", quoted.as_str()),
        ("postmaster@x.example", references.as_str(), "We are closed. Version 5.1.1.2, 500 MB.\r\n"),
    ] {
        assert_eq!(read(&plain(from, more, "Re: hello", text)), None, "{from} {text}");
    }
    // A status part with the type text/plain is not a report.
    let shown = notification(FAILED, &head()).replace("message/delivery-status", "text/plain");
    assert_eq!(read(&shown.replace("MAILER-DAEMON", "eve")), None);
}

/// Each of these mails overflowed the stack of a parser that follows attached mails, or took it minutes.
#[test]
fn hostile_mails_are_parsed_within_bounds() {
    let size = usize::try_from(mailbox::SIZE).unwrap();
    let fill = |text: &str| text.repeat(size / text.len());
    let base64 = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let report = notification(FAILED, &head());
    for hostile in [
        fill("Content-Type: message/rfc822\n\n"),
        fill("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"),
        format!(
            "Content-Type: multipart/mixed; boundary=a\n\n{}",
            fill("--a\nContent-Type: multipart/mixed; boundary=b\n\n")
        ),
        fill("Content-Type: multipart/mixed; boundary=a\n\n--a\n"),
        format!("Content-Type: multipart/digest; boundary=a\n\n{}", fill("--a\n\n")),
        format!(
            "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{}",
            base64(&fill("Content-Type: message/rfc822\n\n"))
        ),
        format!("Content-Type: multipart/mixed{}", fill("; boundary*0=a")),
        format!("X-Failed-Recipients: {}\n\n", fill("((((\"")),
        format!("From: {}\n\n", fill("a: b:")),
        format!("Content-Type: text/html\n\n{}", fill("<<&lt;<a ")),
        fill("\n"),
        fill("From "),
    ] {
        let _ = Notification::parse(hostile.as_bytes());
    }
    // Of many recipients and ids, only the first few are looked up.
    let many: Vec<String> = (0..20_000)
        .map(|number| format!("Final-Recipient: rfc822; a{number}@x.example\r\nAction: failed\r\n\r\n"))
        .collect();
    let ids: Vec<String> =
        (0..20_000).map(|number| format!("<0195c0de-0000-7000-8000-{number:012}@id.example>\r\n ")).collect();
    let read = Notification::parse(
        notification(
            &many.concat(),
            &format!("Content-Type: text/rfc822-headers\r\n\r\nReferences: {}\r\n", ids.concat()),
        )
        .as_bytes(),
    )
    .unwrap();
    assert_eq!((read.recipients.len(), read.message_ids.len()), (MOST, MOST));
    // A report nested deeper than the limit is ignored.
    let deep = (0..40).fold(report, |mail, _| forwarded(&mail, "7bit").replace("outer", "o"));
    assert_eq!(Notification::parse(deep.as_bytes()), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in any::<Vec<u8>>(), status in any::<String>(), returned in any::<String>()) {
        let _ = Notification::parse(&bytes);
        let _ = Notification::parse(notification(&status, &returned).as_bytes());
        let _ = Notification::parse(plain("postmaster@x.example", &returned, &status, &status).as_bytes());
    }
}
