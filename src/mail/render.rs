//! From an [`Invitation`] to its subject and parts. The layouts are in `templates/`, the words in
//! [`crate::l10n`]; a variable that a layout lacks is an error, never a gap in a mail.

use std::sync::LazyLock;

use minijinja::{Environment, UndefinedBehavior, Value, context};
use url::Url;

use super::{Invitation, Rendered, name};
use crate::l10n::Texts;

/// Columns of the plain part (RFC 3676 advises 78 at most).
const WIDTH: usize = 72;

/// Why a mail cannot be made. Trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The link is not an absolute `http` or `https` URL.
    #[error("the link of the mail is not an http or https address")]
    Link,
    /// A layout and its texts do not fit together.
    #[error("the layout of the mail is wrong: {0:#}")]
    Layout(#[from] minijinja::Error),
}

static LAYOUTS: LazyLock<Result<Environment<'static>, minijinja::Error>> = LazyLock::new(|| {
    let mut layouts = Environment::new();
    layouts.set_undefined_behavior(UndefinedBehavior::Strict);
    layouts.add_template("invitation.html", include_str!("templates/invitation.html"))?;
    layouts.add_template("invitation.txt", include_str!("templates/invitation.txt"))?;
    Ok(layouts)
});

/// Renders the mail.
///
/// # Errors
/// See [`RenderError`].
pub fn render(invitation: &Invitation) -> Result<Rendered, RenderError> {
    // A parsed address holds no white space, control character, double quote, < or >: they are encoded.
    let link = web_address(invitation.link)?;
    let opt_out = invitation.opt_out.map(web_address).transpose()?;
    let texts = Texts::of(invitation.language);
    let app = name::app(invitation.app_name);
    let inviter = invitation.inviter.map(name::person).filter(|name| !name.is_empty());
    let kind = invitation.kind.as_str();
    let subject = match &inviter {
        Some(inviter) => texts.get(&format!("{kind}-subject-from"), &[("inviter", inviter), ("app", &app)]),
        None => texts.get(&format!("{kind}-subject"), &[("app", &app)]),
    };
    let context = context! {
        t => texts.plain(),
        rich => texts.rich(),
        language => texts.language(),
        dir => texts.dir(),
        kind,
        subject => subject.as_str(),
        app,
        inviter,
        link => link.as_str(),
        href => href(&link),
        opt_out => opt_out.as_ref().map(Url::as_str),
        opt_out_href => opt_out.as_ref().map(href),
        code => invitation.referral_code.map(|code| code.replace(char::is_control, "")),
        expires => invitation.expires_at.map(|moment| texts.date(moment)),
    };
    let layouts = LAYOUTS.as_ref().map_err(|error| minijinja::Error::new(error.kind(), error.to_string()))?;
    let html = layouts.get_template("invitation.html")?.render(&context)?;
    let text = wrap(&layouts.get_template("invitation.txt")?.render(&context)?);
    Ok(Rendered { subject, html, text, language: texts.language(), opt_out: opt_out.map(String::from) })
}

fn web_address(link: &str) -> Result<Url, RenderError> {
    let link = Url::parse(link).map_err(|_| RenderError::Link)?;
    if matches!(link.scheme(), "http" | "https") { Ok(link) } else { Err(RenderError::Link) }
}

/// An address as an attribute.
fn href(link: &Url) -> Value {
    Value::from_safe_string(link.as_str().replace('&', "&amp;").replace('\'', "&#39;"))
}

/// Breaks lines at spaces; a word longer than a line, such as a link, stays whole.
fn wrap(text: &str) -> String {
    let mut wrapped = String::with_capacity(text.len() + 16);
    for line in text.lines() {
        let mut column = 0;
        for word in line.split_ascii_whitespace() {
            let width = word.chars().count();
            if column > 0 {
                let fits = column + 1 + width <= WIDTH;
                wrapped.push(if fits { ' ' } else { '\n' });
                column = if fits { column + 1 } else { 0 };
            }
            wrapped.push_str(word);
            column += width;
        }
        wrapped.push('\n');
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::invite::Kind;
    use crate::l10n::LANGUAGES;

    fn invitation(kind: Kind) -> Invitation<'static> {
        Invitation {
            kind,
            language: "en",
            app_name: "Acme",
            inviter: Some("Ada Lovelace"),
            link: "https://id.example/invites/c0de",
            referral_code: Some("K7QF-2M9X"),
            expires_at: Some(Timestamp::UNIX_EPOCH),
            opt_out: Some("https://id.example/opt-out/c0de"),
        }
    }

    #[test]
    fn every_language_kind_and_gap_renders() {
        for language in LANGUAGES {
            for kind in [Kind::Invite, Kind::Referral] {
                for inviter in [Some("Ada"), None, Some("\u{202e} ")] {
                    for (referral_code, expires_at) in
                        [(Some("X"), None), (None, Some(Timestamp::UNIX_EPOCH))]
                    {
                        let mail =
                            Invitation { language, inviter, referral_code, expires_at, ..invitation(kind) };
                        let mail = render(&mail).unwrap();
                        assert_eq!(mail.language, *language);
                        assert_eq!(mail.text.contains("Ada"), inviter == Some("Ada"));
                        assert!(mail.text.lines().any(|line| line == "https://id.example/invites/c0de"));
                        assert!(
                            mail.text
                                .lines()
                                .all(|line| line.chars().count() <= WIDTH && !line.contains("--"))
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn only_a_web_address_is_a_link() {
        for link in ["", "/invites/x", "javascript:alert(1)", "mailto:a@b.c", "id.example/x"] {
            let refused = render(&Invitation { link, ..invitation(Kind::Invite) });
            assert!(matches!(refused, Err(RenderError::Link)), "{link}");
        }
    }

    #[test]
    fn a_link_cannot_leave_its_place() {
        let link = "https://id.example/\"><script>\r\nBcc: x?a='1'&b=<2>";
        let mail = render(&Invitation { link, ..invitation(Kind::Invite) }).unwrap();
        assert!(
            mail.text.contains("\nhttps://id.example/%22%3E%3Cscript%3EBcc:%20x?a=%271%27&b=%3C2%3E\n"),
            "{}",
            mail.text
        );
        assert!(!mail.html.contains("<script"));
    }

    #[test]
    fn lines_break_at_spaces_only() {
        let long = "x".repeat(100);
        assert_eq!(wrap(&format!("a {long}\n\nb  c")), format!("a\n{long}\n\nb c\n"));
        let words = "word ".repeat(40);
        assert_eq!(wrap(&words).lines().map(str::len).collect::<Vec<_>>(), [69, 69, 59]);
    }
}
