//! The page behind the link of an invite.

use minijinja::context;

use super::{Page, masked};
use crate::domain::brand::Brand;
use crate::domain::invites::Kind;
use crate::l10n::Texts;
use crate::mail::display_name;

/// The state that the page shows. Names are as typed, not escaped.
#[derive(Clone, Copy, Debug)]
pub enum InvitePage<'a> {
    /// The invite can be accepted: a button posts to the page's own URL.
    Open {
        brand: &'a Brand,
        /// The name of the inviter, if they have one.
        inviter: Option<&'a str>,
        kind: Kind,
        /// The recipient's address, which the page shows masked.
        address: &'a str,
    },
    /// The invite has just been accepted.
    Accepted(&'a Brand),
    /// The invite was accepted before.
    AlreadyAccepted(&'a Brand),
    /// The invite has expired.
    Expired(&'a Brand),
    /// A new mail was requested.
    Renewed(&'a Brand),
    /// The recipient of a referral has got an account in the meantime.
    Member(&'a Brand),
    /// The invite does not exist or was revoked; the page does not say which.
    Unknown,
    /// The server cannot answer now (503).
    Trouble,
}

/// Renders the page.
#[must_use]
pub fn invite(texts: &'static Texts, page: &InvitePage) -> Page {
    let (state, sign, brand) = match page {
        InvitePage::Open { brand, .. } => ("open", "", Some(*brand)),
        InvitePage::Accepted(brand) => ("accepted", "check", Some(*brand)),
        InvitePage::AlreadyAccepted(brand) => ("already", "check", Some(*brand)),
        InvitePage::Expired(brand) => ("expired", "clock", Some(*brand)),
        InvitePage::Renewed(brand) => ("renewed", "mail", Some(*brand)),
        InvitePage::Member(brand) => ("member", "check", Some(*brand)),
        InvitePage::Unknown => ("unknown", "broken", None),
        InvitePage::Trouble => ("trouble", "clock", None),
    };
    let (kind, inviter, address) = match page {
        InvitePage::Open { inviter, kind, address, .. } => (
            kind.as_str(),
            inviter.map(display_name::person).filter(|name| !name.is_empty()),
            masked(address),
        ),
        _ => ("", None, String::new()),
    };
    Page::new("invite.html", texts, brand, context! { state, sign, kind, inviter, address })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::text::WebUrl;
    use crate::l10n::LANGUAGES;

    #[test]
    fn every_state_has_a_distinct_page_in_every_language() {
        let brand = &Brand::named("Acme");
        let open =
            |kind, inviter| InvitePage::Open { brand, inviter, kind, address: "ada@recipient.example" };
        for language in LANGUAGES {
            let texts = Texts::of(language);
            let mut pages = BTreeSet::new();
            for state in [
                open(Kind::Invite, None),
                open(Kind::Invite, Some("Ada")),
                open(Kind::Referral, None),
                open(Kind::Referral, Some("Ada")),
                InvitePage::Accepted(brand),
                InvitePage::AlreadyAccepted(brand),
                InvitePage::Expired(brand),
                InvitePage::Renewed(brand),
                InvitePage::Unknown,
                InvitePage::Member(brand),
                InvitePage::Trouble,
            ] {
                let html = invite(texts, &state).html;
                assert!(
                    html.contains(&format!("<html lang=\"{language}\" dir=\"{}\">", texts.dir())),
                    "{state:?}: {html}"
                );
                assert_eq!(html.contains("<form method=\"post\">"), matches!(state, InvitePage::Open { .. }));
                let renews = html.contains("<form method=\"post\" action=\"?renew\">");
                assert_eq!(renews, matches!(state, InvitePage::Expired(_)));
                assert_eq!(html.matches("<h1>").count(), 1);
                assert!(!html.contains("ada@") && !html.contains("<script"));
                assert!(pages.insert(html), "{state:?} reads as another");
            }
        }
    }

    #[test]
    fn html_and_links_in_names_are_neutralized() {
        let brand = &Brand::named("<b>Acme</b> evil.example");
        let state = InvitePage::Open {
            brand,
            inviter: Some("<script>\u{202e}http://evil.example"),
            kind: Kind::Referral,
            address: "\"<i>\"@x.example",
        };
        let html = invite(Texts::of("en"), &state).html;
        for markup in ["<b>", "<script", "<i>", "\u{202e}", "evil.example"] {
            assert!(!html.contains(markup), "{markup}");
        }
    }

    #[test]
    fn a_finished_page_leads_home_or_says_that_it_can_be_closed() {
        let home = "https://app.acme.example/start?a=1&b='2'";
        let brand = Brand { home: WebUrl::parse(home).ok(), ..Brand::named("Acme") };
        for (state, leads) in [
            (InvitePage::Accepted(&brand), true),
            (InvitePage::AlreadyAccepted(&brand), true),
            (InvitePage::Member(&brand), true),
            (InvitePage::Expired(&brand), true),
            (InvitePage::Renewed(&brand), false),
        ] {
            let html = invite(Texts::of("en"), &state).html;
            let link = "href=\"https://app.acme.example/start?a=1&amp;b=&#39;2&#39;\"";
            assert_eq!(html.contains(link), leads, "{state:?}: {html}");
            assert!(!html.contains("You can close this page now."), "{state:?}: {html}");
        }
        let without = invite(Texts::of("en"), &InvitePage::Accepted(&Brand::named("Acme"))).html;
        assert!(without.contains("You can close this page now.") && !without.contains("<a "), "{without}");
    }
}
