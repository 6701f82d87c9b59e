//! Previews of an app's mails, with sample data.

use jiff::Timestamp;

use super::render::{RenderError, render};
use super::{Letter, Rendered};
use crate::domain::brand::Brand;
use crate::domain::mail::kind::MailKind;

/// Renders a mail of this kind in the look of an app. `language` is one of [`crate::l10n::LANGUAGES`], and `template` the
/// app's own for both.
///
/// # Errors
/// See [`RenderError`].
pub fn preview(
    brand: &Brand,
    kind: MailKind,
    language: &str,
    template: Option<&str>,
) -> Result<Rendered, RenderError> {
    let invites = matches!(kind, MailKind::Invite | MailKind::Referral);
    render(&Letter {
        kind,
        language,
        brand,
        recipient: "grace@example.com",
        inviter: invites.then_some("Ada Lovelace"),
        link: kind.has_link().then_some("https://id.example/invites/a-sample-that-leads-nowhere"),
        referral_code: (kind == MailKind::Referral).then_some("K7QF2M9X"),
        // 3 December 2026, 17:30
        expires_at: Timestamp::from_second(1_796_319_000).ok(),
        opt_out: (kind == MailKind::Referral)
            .then_some("https://id.example/opt-out/a-sample-that-leads-nowhere"),
        template,
    })
}
