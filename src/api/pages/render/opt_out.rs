//! The page behind the opt-out link of a referral mail.

use minijinja::context;

use super::Page;
use crate::domain::brand::Brand;
use crate::l10n::Texts;

/// The state that the page shows.
#[derive(Clone, Copy, Debug)]
pub enum OptOutPage<'a> {
    /// The recipient can opt out: a button posts to the page's own URL.
    Confirm(&'a Brand),
    /// The recipient has opted out; a button takes it back. The URL of the page ends with `code`.
    Done { brand: &'a Brand, code: &'a str },
    /// The recipient has taken the opt-out back.
    Undone(&'a Brand),
    /// The code is unknown.
    Unknown,
    /// The server cannot answer now (503).
    Trouble,
}

/// Renders the page.
#[must_use]
pub fn opt_out(texts: &'static Texts, page: &OptOutPage) -> Page {
    let (heading, text, sign, brand) = match page {
        OptOutPage::Confirm(brand) => ("opt-out-ask-heading", "opt-out-ask-text", "", Some(*brand)),
        OptOutPage::Done { brand, .. } => {
            ("opt-out-done-heading", "opt-out-done-text", "check", Some(*brand))
        }
        OptOutPage::Undone(brand) => ("opt-out-undone-heading", "opt-out-undone-text", "check", Some(*brand)),
        OptOutPage::Unknown => ("unknown-heading", "link-unknown-text", "broken", None),
        OptOutPage::Trouble => ("trouble-heading", "trouble-text", "clock", None),
    };
    let asks = matches!(page, OptOutPage::Confirm(_));
    let undo = if let OptOutPage::Done { code, .. } = page { Some(*code) } else { None };
    Page::new("opt_out.html", texts, brand, context! { heading, text, sign, asks, undo })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::l10n::LANGUAGES;

    #[test]
    fn every_state_has_a_distinct_page_in_every_language() {
        let brand = &Brand::named("<b>Acme</b>");
        for language in LANGUAGES {
            let mut pages = BTreeSet::new();
            for (state, forms) in [
                (OptOutPage::Confirm(brand), 1),
                (OptOutPage::Done { brand, code: "c0de" }, 1),
                (OptOutPage::Undone(brand), 0),
                (OptOutPage::Unknown, 0),
                (OptOutPage::Trouble, 0),
            ] {
                let html = opt_out(Texts::of(language), &state).html;
                assert!(!html.contains("<b>"), "{state:?}: {html}");
                assert_eq!(html.matches("<form method=\"post\"").count(), forms, "{state:?}: {html}");
                assert_eq!(html.matches("<h1>").count(), 1);
                assert!(pages.insert(html), "{state:?} reads as another");
            }
        }
    }
}
