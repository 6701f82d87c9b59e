//! The page behind the link of a mail that confirms an address.

use minijinja::context;

use super::{Page, masked};
use crate::domain::brand::Brand;
use crate::l10n::Texts;

/// The state that the page shows. Names are as typed, not escaped.
#[derive(Clone, Copy, Debug)]
pub enum ConfirmationPage<'a> {
    /// The address can be confirmed: a button posts to the page's own URL.
    Open {
        brand: &'a Brand,
        /// The page shows the address masked.
        address: &'a str,
    },
    /// The address has just been confirmed.
    Confirmed(&'a Brand),
    /// The address was confirmed before.
    AlreadyConfirmed(&'a Brand),
    /// The code has expired.
    Expired(&'a Brand),
    /// Another user has taken the address in the meantime.
    Taken(&'a Brand),
    /// The code does not exist, or a newer one has replaced it; the page does not say which.
    Unknown,
    /// The server cannot answer now (503).
    Trouble,
}

/// Renders the page.
#[must_use]
pub fn confirmation(texts: &'static Texts, page: &ConfirmationPage) -> Page {
    let (heading, text, sign, brand) = match page {
        ConfirmationPage::Open { brand, .. } => ("confirm-heading", "", "", Some(*brand)),
        ConfirmationPage::Confirmed(brand) => ("accepted-heading", "confirmed-text", "check", Some(*brand)),
        ConfirmationPage::AlreadyConfirmed(brand) => {
            ("confirmed-before-heading", "confirmed-before-text", "check", Some(*brand))
        }
        ConfirmationPage::Expired(brand) => {
            ("confirm-expired-heading", "confirm-expired-text", "clock", Some(*brand))
        }
        ConfirmationPage::Taken(brand) => {
            ("confirm-taken-heading", "confirm-taken-text", "broken", Some(*brand))
        }
        ConfirmationPage::Unknown => ("unknown-heading", "confirm-unknown-text", "broken", None),
        ConfirmationPage::Trouble => ("trouble-heading", "confirm-trouble-text", "clock", None),
    };
    let address =
        if let ConfirmationPage::Open { address, .. } = page { Some(masked(address)) } else { None };
    Page::new("confirmation.html", texts, brand, context! { heading, text, sign, address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::l10n::LANGUAGES;

    #[test]
    fn every_state_has_a_distinct_page_in_every_language() {
        let brand = &Brand::named("<b>Acme</b> evil.example");
        for language in LANGUAGES {
            let texts = Texts::of(language);
            let mut pages = std::collections::BTreeSet::new();
            for state in [
                ConfirmationPage::Open { brand, address: "ada<i>@recipient.example" },
                ConfirmationPage::Confirmed(brand),
                ConfirmationPage::AlreadyConfirmed(brand),
                ConfirmationPage::Expired(brand),
                ConfirmationPage::Taken(brand),
                ConfirmationPage::Unknown,
                ConfirmationPage::Trouble,
            ] {
                let html = confirmation(texts, &state).html;
                let start = format!("<html lang=\"{language}\" dir=\"{}\">", texts.dir());
                assert!(html.contains(&start), "{state:?}: {html}");
                assert_eq!(
                    html.contains("<form method=\"post\">"),
                    matches!(state, ConfirmationPage::Open { .. })
                );
                assert_eq!(html.matches("<h1>").count(), 1);
                for no in ["<b>", "<i>", "ada&", "evil.example", "<script", " src=", "<a ", "style="] {
                    assert!(!html.contains(no), "{no}: {html}");
                }
                assert!(pages.insert(html), "{state:?} reads as another");
            }
        }
    }
}
