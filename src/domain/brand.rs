//! The brand of an app: how its mails and the pages behind their links look, and what stands below them.

use lettre::Address;
use url::Url;

use super::fields::Invalid;
use super::text::{WebUrl, text_type};

/// The brand of an app.
#[derive(Clone, Debug)]
pub struct Brand {
    /// As the operator typed it.
    pub name: String,
    pub logo: Option<LogoUrl>,
    /// The background of buttons.
    pub color: Color,
    /// The app's address for questions.
    pub contact: Option<Address>,
    /// Where a person goes on after accepting or confirming.
    pub home: Option<WebUrl>,
    /// One line: company, postal address.
    pub footer: Option<String>,
    pub imprint: Option<WebUrl>,
    pub privacy: Option<WebUrl>,
}

impl Brand {
    /// The brand of an app that has set nothing but its name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            logo: None,
            color: Color::DEFAULT,
            contact: None,
            home: None,
            footer: None,
            imprint: None,
            privacy: None,
        }
    }
}

/// A CSS color in six-digit notation, displayed in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color([u8; 3]);

impl Color {
    /// The stored color of an app, or [`Self::DEFAULT`] if it has none.
    #[must_use]
    pub fn stored(color: Option<&str>) -> Self {
        color.and_then(|color| Self::parse(color).ok()).unwrap_or(Self::DEFAULT)
    }

    /// The color of an app that has not set one.
    pub const DEFAULT: Self = Self([0x1d, 0x4e, 0xd8]);
    /// Background of a mail in light mode.
    pub const LIGHT: Self = Self([0xff; 3]);
    /// Background of a mail in dark mode.
    pub const DARK: Self = Self([0x1f, 0x29, 0x37]);
    const BLACK: Self = Self([0; 3]);

    /// Parses `#rrggbb`.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        let digits = value.strip_prefix('#').unwrap_or_default();
        let mut bytes = [0; 3];
        hex::decode_to_slice(digits, &mut bytes)
            .map(|()| Self(bytes))
            .map_err(|_| Invalid("must be a colour such as #1d4ed8"))
    }

    /// The text color on this background: white or black, the one with more contrast. The contrast is at least 4.5 for
    /// every color (WCAG 2.2, 1.4.3, level AA).
    #[must_use]
    pub fn text(self) -> Self {
        if self.contrast(Self::LIGHT) >= self.contrast(Self::BLACK) { Self::LIGHT } else { Self::BLACK }
    }

    /// The border color that makes a shape of this color visible on `ground`: the color itself if its contrast is at
    /// least 3 (WCAG 2.2, 1.4.11), else the nearest darker or lighter shade of it with that contrast.
    #[must_use]
    pub fn edge(self, ground: Self) -> Self {
        let away = ground.text();
        let shade = |percent: u16| {
            let mixed = std::array::from_fn(|at| {
                let (own, away) = (u16::from(self.0[at]), u16::from(away.0[at]));
                u8::try_from((own * (100 - percent) + away * percent) / 100).unwrap_or(u8::MAX)
            });
            Self(mixed)
        };
        let mut shades = (0..=100).step_by(5).map(shade);
        shades.find(|shade| shade.contrast(ground) >= 3.0).unwrap_or(away)
    }

    /// The contrast ratio of WCAG 2.2, from 1 to 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, other) = (self.luminance(), other.luminance());
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|byte| {
            let part = f64::from(byte) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl std::fmt::Display for Color {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "#{}", hex::encode(self.0))
    }
}

text_type! {
    /// An absolute `https` URL of an image, stored as sent.
    LogoUrl
}

impl LogoUrl {
    /// The stored URL of an app, if it has one.
    #[must_use]
    pub fn stored(url: Option<&str>) -> Option<Self> {
        url.and_then(|url| Self::parse(url).ok())
    }

    /// Parses a URL. It must be an `https` URL without user and fragment.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        let plain = |url: Url| {
            url.scheme() == "https"
                && url.username().is_empty()
                && url.password().is_none()
                && url.fragment().is_none()
        };
        WebUrl::parse(value)
            .ok()
            .filter(|url| Url::parse(url.as_str()).is_ok_and(plain))
            .map(|url| Self(url.as_str().to_owned()))
            .ok_or(Invalid("must be an https URL of at most 2048 characters, without user and fragment"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_six_digit_hex_colors_are_accepted() {
        assert_eq!(Color::parse("#1D4ed8").unwrap(), Color::DEFAULT);
        assert_eq!(Color::DEFAULT.to_string(), "#1d4ed8");
        for bad in
            ["", "#", "1d4ed8", "#1d4", "#1d4ed8ff", "#1d4edg", "red", "#1d4ed8;", " #1d4ed8", "##1d4e"]
        {
            assert!(Color::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn light_color_gets_dark_text_and_dark_color_white_text() {
        for (color, text) in [
            ("#000000", "#ffffff"),
            ("#1d4ed8", "#ffffff"),
            ("#dc2626", "#ffffff"),
            ("#ffffff", "#000000"),
            ("#facc15", "#000000"),
            ("#22d3ee", "#000000"),
            ("#777777", "#000000"),
        ] {
            assert_eq!(Color::parse(color).unwrap().text().to_string(), text, "{color}");
        }
    }

    proptest! {
        #[test]
        fn button_contrast_is_sufficient_for_every_color(bytes: [u8; 3]) {
            let color = Color(bytes);
            prop_assert!(color.contrast(color.text()) >= 4.5);
            for ground in [Color::LIGHT, Color::DARK] {
                prop_assert!(color.edge(ground).contrast(ground) >= 3.0);
            }
        }
    }

    #[test]
    fn edge_keeps_the_hue_of_a_color_that_the_ground_swallows() {
        for (color, light, dark) in [
            ("#1d4ed8", "#1d4ed8", "#4a71df"),
            ("#facc15", "#af8e0e", "#facc15"),
            ("#ffffff", "#8c8c8c", "#ffffff"),
        ] {
            let color = Color::parse(color).unwrap();
            let edges = [Color::LIGHT, Color::DARK].map(|ground| color.edge(ground).to_string());
            assert_eq!(edges, [light, dark], "{color}");
        }
    }

    #[test]
    fn logo_url_must_be_https_without_userinfo_or_fragment() {
        for good in ["https://cdn.example/logo.png", "https://x.example:8443/a?b=c&d=%20"] {
            assert_eq!(LogoUrl::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "http://cdn.example/logo.png",
            "//cdn.example/logo.png",
            "data:image/png;base64,AA",
            "javascript:alert(1)",
            "https://user@cdn.example/logo.png",
            "https://:secret@cdn.example/logo.png",
            "https://cdn.example/logo.png#x",
            "https://cdn.example/\"><script>",
            "https:cdn.example",
        ] {
            assert!(LogoUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
