//! Previews of an app's mails, with sample data.

use std::str::FromStr;

use jiff::Timestamp;
use lettre::Address;
use lettre::message::Mailbox;

use super::render::{RenderError, render};
use super::{Brand, Letter, Rendered};
use crate::db::apps::App;
use crate::domain::brand::{Color, LogoUrl};
use crate::domain::mail::kind::MailKind;

/// The appearance of an app's mails.
pub struct Look {
    name: String,
    logo: Option<LogoUrl>,
    color: Color,
    contact: Option<Address>,
}

impl Look {
    /// An app with a name and no other settings.
    #[must_use]
    pub fn sample() -> Self {
        Self { name: "Acme".to_owned(), logo: None, color: Color::DEFAULT, contact: None }
    }

    #[must_use]
    pub fn of(app: &App) -> Self {
        Self {
            name: app.name.clone(),
            logo: app.logo_url.as_deref().and_then(|logo| LogoUrl::parse(logo).ok()),
            color: Color::stored(app.color.as_deref()),
            contact: app.reply_to.as_deref().and_then(|to| Some(Mailbox::from_str(to).ok()?.email)),
        }
    }

    /// Renders a mail of this kind. `language` is one of [`crate::l10n::LANGUAGES`].
    ///
    /// # Errors
    /// See [`RenderError`].
    pub fn preview(&self, kind: MailKind, language: &str) -> Result<Rendered, RenderError> {
        let invites = matches!(kind, MailKind::Invite | MailKind::Referral);
        render(&Letter {
            kind,
            language,
            brand: Brand {
                name: &self.name,
                logo: self.logo.as_ref(),
                color: self.color,
                contact: self.contact.as_ref(),
            },
            inviter: invites.then_some("Ada Lovelace"),
            link: kind.has_link().then_some("https://id.example/invites/a-sample-that-leads-nowhere"),
            referral_code: (kind == MailKind::Referral).then_some("K7QF2M9X"),
            // 3 December 2026, 17:30
            expires_at: Timestamp::from_second(1_796_319_000).ok(),
            opt_out: (kind == MailKind::Referral)
                .then_some("https://id.example/opt-out/a-sample-that-leads-nowhere"),
        })
    }
}
