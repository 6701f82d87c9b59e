//! The content of mails.

use lettre::message::Mailbox;
use mail_parser::MessageParser;
use userdocks::domain::brand::{Brand, Color, LogoUrl};
use userdocks::domain::mail::kind::MailKind;
use userdocks::l10n::{LANGUAGES, Texts};
use userdocks::mail::render::render;
use userdocks::mail::{Envelope, Letter, message};

use crate::{ID, invitation, mail, sent_from};

#[test]
fn rendered_mails_match_snapshots() {
    for (kind, language) in [(MailKind::Invite, "en"), (MailKind::Referral, "de"), (MailKind::Referral, "ar")]
    {
        let raw = mail(&invitation(kind, language)).formatted();
        let read = MessageParser::new().parse(&raw).unwrap();
        let head = String::from_utf8(raw[..read.root_part().raw_body_offset() as usize].to_vec()).unwrap();
        let whole = format!(
            "{}\n{}\n\n{}\n{}",
            head.replace("\r\n", "\n"),
            read.subject().unwrap(),
            read.body_text(0).unwrap().replace("\r\n", "\n"),
            read.body_html(0).unwrap().replace("\r\n", "\n"),
        );
        insta::assert_snapshot!(format!("{}_{language}", kind.as_str()), whole);
    }
}

/// Every language and kind of mail uses the same layout, its own texts and its own direction, without missing texts.
#[test]
fn all_languages_share_one_html_layout() {
    let brand = Brand {
        logo: LogoUrl::parse("https://cdn.example/logo.png?a=1&b=2").ok(),
        color: Color::parse("#facc15").unwrap(),
        contact: "help@acme.example".parse().ok(),
        ..Brand::named("Acme")
    };
    let outline = |html: &str| -> Vec<String> {
        let tags = html.split('<').skip(1).filter_map(|rest| rest.split(['>', ' ']).next());
        tags.filter(|tag| !matches!(*tag, "bdi" | "/bdi")).map(str::to_owned).collect()
    };
    for kind in MailKind::ALL {
        let mut subjects = std::collections::BTreeSet::new();
        let letter = |language| Letter {
            brand: &brand,
            inviter: matches!(kind, MailKind::Invite | MailKind::Referral).then_some("Ada"),
            link: kind.has_link().then_some("https://id.example/x"),
            ..invitation(kind, language)
        };
        let english = render(&letter("en")).unwrap();
        for language in LANGUAGES {
            let mail = render(&letter(language)).unwrap();
            let dir = Texts::of(language).dir();
            assert!(mail.html.contains(&format!("<html lang=\"{language}\" dir=\"{dir}\">")));
            assert!(mail.html.contains(if dir == "rtl" { "text-align:right" } else { "text-align:left" }));
            assert_eq!(outline(&mail.html), outline(&english.html), "{language}");
            assert!(
                subjects.insert(mail.subject.clone()) || matches!(*language, "de" | "pt-PT"),
                "{language}: {}",
                mail.subject
            );
            // The logo is the only external resource, and has an alternative text.
            assert_eq!(mail.html.matches("src=").count(), 1);
            assert!(mail.html.contains("src=\"https://cdn.example/logo.png?a=1&amp;b=2\" alt=\"Acme\""));
            assert!(!mail.html.contains("url("));
            if kind.has_link() {
                assert!(mail.html.contains("background:#facc15;color:#000000;"));
            }
            assert!(!mail.text.contains("cdn.example"));
        }
    }
}

#[test]
fn repeated_rendering_is_byte_identical() {
    let first = mail(&invitation(MailKind::Invite, "de")).formatted();
    assert_eq!(mail(&invitation(MailKind::Invite, "de")).formatted(), first);
    assert!(first.is_ascii());
}

#[test]
fn names_cannot_inject_headers_markup_or_links() {
    let brand = Brand {
        footer: Some("<script>alert(2)</script>".to_owned()),
        ..Brand::named("<script>alert(1)</script> {{ link }} evil.example")
    };
    let hostile = Letter {
        brand: &brand,
        recipient: "\"<script>\r\n\"@recipient.example",
        inviter: Some("\"Ada\"\r\nBcc: eve\r\n\r\n<a href=evil.example>\u{202e}click\0"),
        referral_code: Some("<b>\r\n.\r\n"),
        ..invitation(MailKind::Referral, "en")
    };
    let raw = mail(&hostile).formatted();
    let read = MessageParser::new().parse(&raw).unwrap();
    assert_eq!(
        read.subject().unwrap(),
        "\"Ada\" Bcc: eve <a href=evil. example>click invites you to \
         try <script>alert(1)</script> {{ link }} evil\u{200c}.\u{200c}example"
    );
    assert!(read.bcc().is_none());
    let (html, text) = (read.body_html(0).unwrap(), read.body_text(0).unwrap());
    for markup in ["<script", "<a href=evil", "<b>", "\u{202e}", "\0"] {
        assert!(!html.contains(markup), "{markup}");
    }
    for part in [html, text] {
        assert!(!part.contains("evil.example") && !part.contains("http://evil"));
    }
}

#[test]
fn rfc_2047_encoded_word_in_name_is_not_decoded() {
    // RFC 2047: "http://evil.example/", a mark that turns the text around, a second line.
    for encoded in
        ["=?utf-8?b?aHR0cDovL2V2aWwuZXhhbXBsZS8=?=", "=?utf-8?q?=E2=80=AEevil?=", "=?utf-8?q?=0D=0ABcc:x?="]
    {
        let seen = encoded.replace("=?", "= ?");
        let brand = Brand::named(encoded);
        let hostile = Letter { inviter: Some(encoded), brand: &brand, ..invitation(MailKind::Invite, "en") };
        let raw = mail(&hostile).formatted();
        let subject = MessageParser::new().parse(&raw).unwrap().subject().unwrap().to_owned();
        assert_eq!(subject, format!("{seen} has invited you to join {seen}"));

        let from = Mailbox::new(Some(encoded.to_owned()), "a@id.example".parse().unwrap());
        let rendered = render(&invitation(MailKind::Invite, "en")).unwrap();
        let raw = sent_from(&from, &rendered, "<a@id.example>").formatted();
        let read = MessageParser::new().parse(&raw).unwrap();
        assert_eq!(read.from().unwrap().first().unwrap().name(), Some(seen.as_str()));
    }
}

#[test]
fn sender_name_with_control_characters_is_sanitized() {
    let from = Mailbox::new(Some("A\r\nBcc: x@y.example\0".into()), "a@id.example".parse().unwrap());
    let rendered = render(&invitation(MailKind::Invite, "en")).unwrap();
    let raw = sent_from(&from, &rendered, "<a\r\nBcc: b@id.example>").formatted();
    let read = MessageParser::new().parse(&raw).unwrap();
    assert!(read.bcc().is_none());
    assert_eq!(read.from().unwrap().first().unwrap().name(), Some("A  Bcc: x@y.example "));
}

#[test]
fn reply_to_is_the_address_of_the_app() {
    let reply_to: Mailbox = "\"Help, Acme\" <help@acme.example>".parse().unwrap();
    let envelope = Envelope {
        from: &"no-reply@id.example".parse().unwrap(),
        return_path: None,
        reply_to: Some(&reply_to),
        to: &"ada@recipient.example".parse().unwrap(),
        message_id: ID,
        date: jiff::Timestamp::UNIX_EPOCH,
        signer: None,
    };
    let raw = message(&render(&invitation(MailKind::Invite, "en")).unwrap(), &envelope).unwrap().formatted();
    let read = MessageParser::new().parse(&raw).unwrap();
    let reply_to = read.reply_to().unwrap().first().unwrap();
    assert_eq!((reply_to.name(), reply_to.address()), (Some("Help, Acme"), Some("help@acme.example")));
}

#[test]
fn return_path_is_the_envelope_sender() {
    let envelope = Envelope {
        from: &"Acme <no-reply@id.example>".parse().unwrap(),
        reply_to: None,
        return_path: Some(&"bounces+7@id.example".parse().unwrap()),
        to: &"ada@recipient.example".parse().unwrap(),
        message_id: ID,
        date: jiff::Timestamp::UNIX_EPOCH,
        signer: None,
    };
    let message = message(&render(&invitation(MailKind::Invite, "en")).unwrap(), &envelope).unwrap();
    let sent = message.envelope();
    assert_eq!(sent.from().map(AsRef::as_ref), Some("bounces+7@id.example"));
    assert_eq!(sent.to().iter().map(AsRef::<str>::as_ref).collect::<Vec<_>>(), ["ada@recipient.example"]);
    let raw = message.formatted();
    let read = MessageParser::new().parse(&raw).unwrap();
    assert_eq!(read.from().unwrap().first().unwrap().address(), Some("no-reply@id.example"));
}
