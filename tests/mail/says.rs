//! What a mail says.

use jiff::Timestamp;
use lettre::message::Mailbox;
use mail_parser::MessageParser;
use userdocks::domain::invite::Kind;
use userdocks::mail::render::render;
use userdocks::mail::{Invitation, message};

use crate::{invitation, mail};

#[test]
fn whole_mails() {
    for (kind, name) in [(Kind::Invite, "invite"), (Kind::Referral, "referral")] {
        for language in ["en", "de"] {
            let raw = mail(&invitation(kind, language)).formatted();
            let read = MessageParser::new().parse(&raw).unwrap();
            let head =
                String::from_utf8(raw[..read.root_part().raw_body_offset() as usize].to_vec()).unwrap();
            let whole = format!(
                "{}\n{}\n\n{}\n{}",
                head.replace("\r\n", "\n"),
                read.subject().unwrap(),
                read.body_text(0).unwrap().replace("\r\n", "\n"),
                read.body_html(0).unwrap().replace("\r\n", "\n"),
            );
            insta::assert_snapshot!(format!("{name}_{language}"), whole);
        }
    }
}

#[test]
fn all_attempts_make_the_same_bytes() {
    let first = mail(&invitation(Kind::Invite, "de")).formatted();
    assert_eq!(mail(&invitation(Kind::Invite, "de")).formatted(), first);
    assert!(first.is_ascii());
}

#[test]
fn a_name_is_neither_header_nor_markup_nor_link() {
    let hostile = Invitation {
        app_name: "<script>alert(1)</script> {{ link }} evil.example",
        inviter: Some(
            "\"Ada\"\r\nBcc: eve@evil.example\r\n\r\n<a href=http://evil.example>\u{202e}click</a>\0",
        ),
        referral_code: Some("<b>\r\n.\r\n"),
        ..invitation(Kind::Referral, "en")
    };
    let raw = mail(&hostile).formatted();
    let read = MessageParser::new().parse(&raw).unwrap();
    assert_eq!(
        read.subject().unwrap(),
        "\"Ada\" Bcc: eve@evil. example <a href=http: //evil. example>click</a> recommends \
         <script>alert(1)</script> {{ link }} evil\u{200c}.\u{200c}example to you"
    );
    assert!(read.bcc().is_none());
    let (html, text) = (read.body_html(0).unwrap(), read.body_text(0).unwrap());
    for markup in ["<script", "<a href=http", "<b>", "\u{202e}", "\0"] {
        assert!(!html.contains(markup), "{markup}");
    }
    for part in [html, text] {
        assert!(!part.contains("evil.example") && !part.contains("http://evil"));
    }
}

#[test]
fn a_name_that_looks_encoded_is_not_decoded() {
    // RFC 2047: "http://evil.example/", a mark that turns the text around, a second line.
    for encoded in
        ["=?utf-8?b?aHR0cDovL2V2aWwuZXhhbXBsZS8=?=", "=?utf-8?q?=E2=80=AEevil?=", "=?utf-8?q?=0D=0ABcc:x?="]
    {
        let seen = encoded.replace("=?", "= ?");
        let hostile =
            Invitation { inviter: Some(encoded), app_name: encoded, ..invitation(Kind::Invite, "en") };
        let raw = mail(&hostile).formatted();
        let subject = MessageParser::new().parse(&raw).unwrap().subject().unwrap().to_owned();
        assert_eq!(subject, format!("{seen} invites you to {seen}"));

        let from = Mailbox::new(Some(encoded.to_owned()), "a@id.example".parse().unwrap());
        let rendered = render(&invitation(Kind::Invite, "en")).unwrap();
        let to = "ada@recipient.example".parse().unwrap();
        let raw =
            message(&rendered, &from, &to, "<a@id.example>", Timestamp::UNIX_EPOCH).unwrap().formatted();
        let read = MessageParser::new().parse(&raw).unwrap();
        assert_eq!(read.from().unwrap().first().unwrap().name(), Some(seen.as_str()));
    }
}

#[test]
fn a_sender_with_a_broken_name_is_no_panic() {
    let from = Mailbox::new(Some("A\r\nBcc: x@y.example\0".into()), "a@id.example".parse().unwrap());
    let rendered = render(&invitation(Kind::Invite, "en")).unwrap();
    let to = "ada@recipient.example".parse().unwrap();
    let raw = message(&rendered, &from, &to, "<a\r\nBcc: b@id.example>", Timestamp::UNIX_EPOCH)
        .unwrap()
        .formatted();
    let read = MessageParser::new().parse(&raw).unwrap();
    assert!(read.bcc().is_none());
    assert_eq!(read.from().unwrap().first().unwrap().name(), Some("A  Bcc: x@y.example "));
}
