//! Mails from their data to an SMTP server: content and delivery.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod content;
mod delivery;
#[path = "../support/smtp/mod.rs"]
mod smtp;

use std::sync::LazyLock;

use jiff::Timestamp;
use lettre::Message;
use lettre::message::Mailbox;
use userdocks::domain::brand::Brand;
use userdocks::domain::mail::kind::MailKind;
use userdocks::mail::render::render;
use userdocks::mail::{Envelope, Letter, Rendered, message};

static BRAND: LazyLock<Brand> = LazyLock::new(|| Brand::named("Müller & Söhne"));

const ID: &str = "<0195c0de@id.example>";

fn invitation(kind: MailKind, language: &'static str) -> Letter<'static> {
    Letter {
        kind,
        language,
        brand: &BRAND,
        recipient: "ada@recipient.example",
        inviter: Some("Zoë O’Hara"),
        link: Some("https://id.example/invites/V2h5IGFyZSB5b3UgcmVhZGluZyB0aGlz?referral_code=K7QF2M9X&x=1"),
        referral_code: (kind == MailKind::Referral).then_some("K7QF-2M9X"),
        expires_at: Some("2026-11-29T22:53:00Z".parse().unwrap()),
        opt_out: (kind == MailKind::Referral).then_some("https://id.example/opt-out/V2h5IG5vdD8?language=de"),
        template: None,
    }
}

fn mail(letter: &Letter) -> Message {
    sent_from(&"Müller & Söhne <no-reply@id.example>".parse().unwrap(), &render(letter).unwrap(), ID)
}

fn sent_from(from: &Mailbox, rendered: &Rendered, message_id: &str) -> Message {
    let date: Timestamp = "2026-11-22T22:53:00Z".parse().unwrap();
    let to = "ada@recipient.example".parse().unwrap();
    message(
        rendered,
        &Envelope { from, reply_to: None, return_path: None, to: &to, message_id, date, signer: None },
    )
    .unwrap()
}
