//! Mails from their data to a server: what they say, and what becomes of them.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod says;
mod sends;
#[path = "../support/smtp/mod.rs"]
mod smtp;

use jiff::Timestamp;
use lettre::Message;
use lettre::message::Mailbox;
use userdocks::domain::invite::Kind;
use userdocks::mail::render::render;
use userdocks::mail::{Invitation, message};

const ID: &str = "<0195c0de@id.example>";

fn invitation(kind: Kind, language: &'static str) -> Invitation<'static> {
    Invitation {
        kind,
        language,
        app_name: "Müller & Söhne",
        inviter: Some("Zoë O’Hara"),
        link: "https://id.example/invites/V2h5IGFyZSB5b3UgcmVhZGluZyB0aGlz?referral_code=K7QF2M9X&x=1",
        referral_code: (kind == Kind::Referral).then_some("K7QF-2M9X"),
        expires_at: Some("2026-11-29T22:53:00Z".parse().unwrap()),
        opt_out: (kind == Kind::Referral).then_some("https://id.example/opt-out/V2h5IG5vdD8?language=de"),
    }
}

fn mail(invitation: &Invitation) -> Message {
    let from: Mailbox = "Müller & Söhne <no-reply@id.example>".parse().unwrap();
    let date: Timestamp = "2026-11-22T22:53:00Z".parse().unwrap();
    message(&render(invitation).unwrap(), &from, &"ada@recipient.example".parse().unwrap(), ID, date).unwrap()
}
