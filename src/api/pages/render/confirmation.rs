//! The page behind the link of a mail that confirms an address.

use minijinja::context;

use super::{masked, page};
use crate::l10n::Texts;
use crate::mail::display_name;

/// The state that the page shows. Names are as typed, not escaped.
#[derive(Clone, Copy, Debug)]
pub enum ConfirmationPage<'a> {
    /// The address can be confirmed: a button posts to the page's own URL.
    Open {
        app: &'a str,
        /// The page shows the address masked.
        address: &'a str,
    },
    /// The address has just been confirmed.
    Confirmed { app: &'a str },
    /// The address was confirmed before.
    AlreadyConfirmed { app: &'a str },
    /// The code has expired.
    Expired { app: &'a str },
    /// Another user has taken the address in the meantime.
    Taken { app: &'a str },
    /// The code does not exist, or a newer one has replaced it; the page does not say which.
    Unknown,
    /// The server cannot answer now (503).
    Trouble,
}

/// Renders the page.
#[must_use]
pub fn confirmation(texts: &'static Texts, confirming: &ConfirmationPage) -> String {
    let (heading, text, app, address) = match *confirming {
        ConfirmationPage::Open { app, address } => ("confirm-heading", "", app, Some(masked(address))),
        ConfirmationPage::Confirmed { app } => ("accepted-heading", "confirmed-text", app, None),
        ConfirmationPage::AlreadyConfirmed { app } => {
            ("confirmed-before-heading", "confirmed-before-text", app, None)
        }
        ConfirmationPage::Expired { app } => ("confirm-expired-heading", "confirm-expired-text", app, None),
        ConfirmationPage::Taken { app } => ("confirm-taken-heading", "confirm-taken-text", app, None),
        ConfirmationPage::Unknown => ("unknown-heading", "confirm-unknown-text", "", None),
        ConfirmationPage::Trouble => ("trouble-heading", "confirm-trouble-text", "", None),
    };
    page(
        "confirmation.html",
        context! {
            t => texts.plain(),
            rich => texts.rich(),
            language => texts.language(),
            dir => texts.dir(),
            app => display_name::app(app),
            heading, text, address,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l10n::LANGUAGES;

    #[test]
    fn every_state_has_a_distinct_page_in_every_language() {
        let app = "<b>Acme</b> evil.example";
        for language in LANGUAGES {
            let texts = Texts::of(language);
            let mut pages = std::collections::BTreeSet::new();
            for state in [
                ConfirmationPage::Open { app, address: "ada<i>@recipient.example" },
                ConfirmationPage::Confirmed { app },
                ConfirmationPage::AlreadyConfirmed { app },
                ConfirmationPage::Expired { app },
                ConfirmationPage::Taken { app },
                ConfirmationPage::Unknown,
                ConfirmationPage::Trouble,
            ] {
                let html = confirmation(texts, &state);
                let start = format!("<html lang=\"{language}\" dir=\"{}\">", texts.dir());
                assert!(html.contains(&start), "{state:?}: {html}");
                assert_eq!(
                    html.contains("<form method=\"post\">"),
                    matches!(state, ConfirmationPage::Open { .. })
                );
                assert_eq!(html.matches("<h1>").count(), 1);
                for no in ["<b>", "<i>", "ada&", "evil.example", "<script", " src=", "href=", "style="] {
                    assert!(!html.contains(no), "{no}: {html}");
                }
                assert!(pages.insert(html), "{state:?} reads as another");
            }
        }
    }
}
