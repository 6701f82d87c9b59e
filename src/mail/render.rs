//! Renders a [`Letter`] into its subject, HTML part and plain part. The templates are in `templates/`, the texts in
//! [`crate::l10n`]. A variable that a template uses and that is not defined is an error, not an empty string.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use lettre::Address;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::template::{self, Written};
use super::wrap::wrap;
use super::{Letter, Rendered, display_name};
use crate::domain::brand::{Color, LogoUrl};
use crate::domain::mail::kind::MailKind;
use crate::domain::text::WebUrl;
use crate::l10n::Texts;

/// Why a mail cannot be rendered. A retry would fail the same way.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The link is missing, is not an absolute `http` or `https` URL, or is set for a kind without a link.
    #[error("the link of the mail is not an http or https address")]
    Link,
    /// A template and its variables do not match.
    #[error("the layout of the mail is wrong: {0:#}")]
    Layout(#[from] minijinja::Error),
}

static LAYOUTS: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut layouts = Environment::new();
    layouts.set_undefined_behavior(UndefinedBehavior::Strict);
    // Nothing of the mail's text follows the preview line of an inbox.
    layouts.add_global("gap", Value::from_safe_string(" &#8199;&#847;&zwnj;".repeat(60)));
    layouts.add_template("letter.html", include_str!("templates/letter.html"))?;
    layouts.add_template("letter.txt", include_str!("templates/letter.txt"))?;
    Ok(layouts)
});

pub fn render(letter: &Letter) -> Result<Rendered, RenderError> {
    if letter.link.is_some() != letter.kind.has_link() {
        return Err(RenderError::Link);
    }
    // A parsed URL contains no white space, control characters, double quotes, < or >: the parser encodes them.
    let link = letter.link.map(web_address).transpose()?;
    let opt_out = letter.opt_out.map(web_address).transpose()?;
    let texts = Texts::of(letter.language);
    let brand = letter.brand;
    let app = display_name::app(&brand.name);
    let inviter = letter.inviter.map(display_name::person).filter(|name| !name.is_empty());
    let kind = letter.kind.as_str();
    let subject = match &inviter {
        Some(inviter) => texts.get(&format!("{kind}-subject-from"), &[("inviter", inviter), ("app", &app)]),
        None => texts.get(&format!("{kind}-subject"), &[("app", &app)]),
    };
    let contact = brand.contact.as_ref().filter(|_| !letter.kind.has_link());
    let context = context! {
        t => texts.plain(),
        rich => texts.rich(),
        language => texts.language(),
        dir => texts.dir(),
        fonts => fonts(texts.language()),
        kind,
        // Both kinds of invites share some texts.
        texts => match letter.kind {
            MailKind::Invite | MailKind::Referral => "invitation",
            MailKind::Confirmation | MailKind::Notice | MailKind::Taken => kind,
        },
        // Accepting a referral makes an account, which is said before and after.
        explained => match letter.kind {
            MailKind::Invite => "invitation",
            _ => kind,
        },
        button => match letter.kind {
            MailKind::Invite | MailKind::Referral => "invitation-open",
            _ => "confirmation-button",
        },
        subject => subject.as_str(),
        tile => initial(&app),
        app => app.as_str(),
        inviter => inviter.as_deref(),
        link => link.as_ref().map(Url::as_str),
        href => link.as_ref().map(|link| attribute(link.as_str())),
        opt_out => opt_out.as_ref().map(Url::as_str),
        opt_out_href => opt_out.as_ref().map(|link| attribute(link.as_str())),
        logo => brand.logo.as_ref().map(|logo| attribute(logo.as_str())),
        color => context! {
            fill => brand.color.to_string(),
            text => brand.color.text().to_string(),
            edge => brand.color.edge(Color::LIGHT).to_string(),
            dark_edge => brand.color.edge(Color::DARK).to_string(),
        },
        footer => brand.footer.as_deref(),
        imprint => brand.imprint.as_ref().map(WebUrl::as_str),
        imprint_href => brand.imprint.as_ref().map(|url| attribute(url.as_str())),
        privacy => brand.privacy.as_ref().map(WebUrl::as_str),
        privacy_href => brand.privacy.as_ref().map(|url| attribute(url.as_str())),
        home => brand.home.as_ref().map(WebUrl::as_str),
        recipient => letter.recipient.replace(char::is_control, ""),
        code => letter.referral_code.map(|code| code.replace(char::is_control, "")),
        expires => letter.expires_at.filter(|_| link.is_some()).map(|moment| texts.date(moment)),
        contact => contact.map(Address::to_string),
        contact_href => contact.map(|address| {
            let user: String = byte_serialize(address.user().as_bytes()).collect();
            format!("{user}@{}", address.domain())
        }),
    };
    if let Some(source) = letter.template {
        let address = |url: Option<&str>| url.map(attribute).unwrap_or_default();
        let text = |text: Option<&str>| Value::from(text.unwrap_or_default());
        let values = BTreeMap::from([
            ("address", letter.recipient.replace(char::is_control, "").into()),
            ("app", text(Some(&app))),
            ("code", text(letter.referral_code)),
            ("color", brand.color.to_string().into()),
            ("color_text", brand.color.text().to_string().into()),
            ("contact", text(brand.contact.as_ref().map(AsRef::as_ref))),
            ("date", text(letter.expires_at.map(|moment| texts.date(moment)).as_deref())),
            ("dir", texts.dir().into()),
            ("footer", text(brand.footer.as_deref())),
            ("home", address(brand.home.as_ref().map(WebUrl::as_str))),
            ("imprint", address(brand.imprint.as_ref().map(WebUrl::as_str))),
            ("inviter", text(inviter.as_deref())),
            ("language", texts.language().into()),
            ("link", address(link.as_ref().map(Url::as_str))),
            ("logo", address(brand.logo.as_ref().map(LogoUrl::as_str))),
            ("opt_out", address(opt_out.as_ref().map(Url::as_str))),
            ("privacy", address(brand.privacy.as_ref().map(WebUrl::as_str))),
        ]);
        match template::write(source, &values) {
            Ok(Written { subject, html, text }) => {
                let opt_out = opt_out.map(String::from);
                return Ok(Rendered { subject, html, text, language: texts.language(), opt_out });
            }
            // It was checked before it was stored. A mail in another look is better than none.
            Err(error) => tracing::error!(app, kind, %error, "an app's own template cannot be rendered"),
        }
    }
    let layouts = LAYOUTS.as_ref().map_err(|error| minijinja::Error::new(error.kind(), error.to_string()))?;
    let html = layouts.get_template("letter.html")?.render(&context)?;
    let text = wrap(&layouts.get_template("letter.txt")?.render(&context)?);
    Ok(Rendered { subject, html, text, language: texts.language(), opt_out: opt_out.map(String::from) })
}

/// The fonts of a mail. Outlook would choose a serif, or those of another country, for scripts that the common ones lack.
fn fonts(language: &str) -> Value {
    let first = match language {
        "ja" => "'Hiragino Sans','Yu Gothic UI',Meiryo,",
        "zh-Hans" => "'PingFang SC','Microsoft YaHei',",
        "zh-Hant" => "'PingFang TC','Microsoft JhengHei',",
        "ar" => "'Segoe UI',Tahoma,'Geeza Pro',",
        _ => "",
    };
    let common = "system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial";
    Value::from_safe_string(format!("{common},{first}sans-serif"))
}

/// The first letter or digit of a name in upper case, for the tile that stands for a logo.
#[must_use]
pub fn initial(name: &str) -> String {
    name.chars().find(|c| c.is_alphanumeric()).map(|c| c.to_uppercase().collect()).unwrap_or_default()
}

/// A parsed URL for a quoted HTML attribute. It has no double quotes, `<` and `>`.
#[must_use]
pub fn attribute(url: &str) -> Value {
    Value::from_safe_string(url.replace('&', "&amp;").replace('\'', "&#39;"))
}

fn web_address(link: &str) -> Result<Url, RenderError> {
    let link = Url::parse(link).ok().filter(|link| matches!(link.scheme(), "http" | "https"));
    link.ok_or(RenderError::Link)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::brand::Brand;
    use crate::l10n::LANGUAGES;
    use crate::mail::wrap::{WIDTH, is_wide};

    static ACME: LazyLock<Brand> = LazyLock::new(|| Brand::named("Acme"));

    fn letter(kind: MailKind) -> Letter<'static> {
        Letter {
            kind,
            language: "en",
            brand: &ACME,
            recipient: "grace@recipient.example",
            inviter: None,
            link: kind.has_link().then_some("https://id.example/invites/c0de"),
            referral_code: None,
            expires_at: None,
            opt_out: (kind == MailKind::Referral).then_some("https://id.example/opt-out/c0de"),
            template: None,
        }
    }

    fn invitation(kind: MailKind) -> Letter<'static> {
        Letter { inviter: Some("Ada Lovelace"), referral_code: Some("K7QF-2M9X"), ..letter(kind) }
    }

    #[test]
    fn every_language_and_kind_renders_with_any_optional_field() {
        let page = |path| WebUrl::parse(&format!("https://acme.example/{path}")).ok();
        let full = Brand {
            contact: "help+1@acme.example".parse().ok(),
            home: page("home"),
            footer: Some("Acme GmbH, Berlin".to_owned()),
            imprint: page("imprint"),
            privacy: page("privacy"),
            ..Brand::named("Acme")
        };
        for language in LANGUAGES {
            for kind in MailKind::ALL {
                let invites = matches!(kind, MailKind::Invite | MailKind::Referral);
                for inviter in
                    [Some("Ada"), None, Some("\u{202e} ")].into_iter().filter(|_| invites).chain([None])
                {
                    for (referral_code, expires_at, brand) in
                        [(Some("X"), None, &*ACME), (None, Some(Timestamp::UNIX_EPOCH), &full)]
                    {
                        let mail = render(&Letter {
                            language,
                            brand,
                            inviter,
                            referral_code,
                            expires_at,
                            ..letter(kind)
                        });
                        let mail = mail.unwrap();
                        assert_eq!(mail.language, *language);
                        assert_eq!(mail.text.contains("Ada"), inviter == Some("Ada"));
                        assert!(mail.subject.contains("Acme") && !mail.subject.contains('\n'));
                        let whole = expires_at.is_some();
                        let asks = !kind.has_link() && whole;
                        assert_eq!(mail.text.contains("help+1@acme.example"), asks);
                        assert_eq!(mail.html.contains("href=\"mailto:help%2B1@acme.example\""), asks);
                        for part in [&mail.html, &mail.text] {
                            assert!(part.contains("grace@recipient.example"));
                            for below in ["Acme GmbH, Berlin", "acme.example/imprint", "acme.example/privacy"]
                            {
                                assert_eq!(part.contains(below), whole, "{below}: {part}");
                            }
                        }
                        assert_eq!(mail.text.contains("acme.example/home"), whole);
                        let linked = mail.text.lines().any(|line| line == "https://id.example/invites/c0de");
                        assert_eq!(linked, kind.has_link());
                        let opt_out = mail.text.lines().any(|line| line == "https://id.example/opt-out/c0de");
                        assert_eq!(opt_out, kind == MailKind::Referral);
                        let links = 2 * usize::from(linked)
                            + usize::from(opt_out)
                            + usize::from(asks)
                            + 2 * usize::from(whole);
                        assert_eq!(mail.html.matches("<a ").count(), links);
                        let columns =
                            |line: &str| line.chars().map(|c| if is_wide(c) { 2 } else { 1 }).sum::<usize>();
                        for line in mail.text.lines() {
                            assert!(columns(line) <= WIDTH && !line.contains("--"), "{language}: {line}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn link_that_is_not_http_is_refused() {
        for link in [None, Some(""), Some("/invites/x"), Some("javascript:alert(1)"), Some("mailto:a@b.c")] {
            let refused = render(&Letter { link, ..letter(MailKind::Invite) });
            assert!(matches!(refused, Err(RenderError::Link)), "{link:?}");
        }
        let link = Some("https://id.example/x");
        assert!(matches!(render(&Letter { link, ..letter(MailKind::Notice) }), Err(RenderError::Link)));
    }

    #[test]
    fn markup_and_newlines_in_a_link_are_percent_encoded() {
        let link = Some("https://id.example/\"><script>\r\nBcc: x?a='1'&b=<2>");
        let mail = render(&Letter { link, ..invitation(MailKind::Invite) }).unwrap();
        assert!(
            mail.text.contains("\nhttps://id.example/%22%3E%3Cscript%3EBcc:%20x?a=%271%27&b=%3C2%3E\n"),
            "{}",
            mail.text
        );
        assert!(!mail.html.contains("<script"));
    }
}
