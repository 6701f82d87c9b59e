//! Branding of an app's mails: color and logo URL.

use url::Url;

use super::fields::Invalid;
use super::text::{WebUrl, text_type};

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
    const BLACK: Self = Self([0x11, 0x18, 0x27]);

    /// Parses `#rrggbb`.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        let digits = value.strip_prefix('#').unwrap_or_default();
        let mut bytes = [0; 3];
        hex::decode_to_slice(digits, &mut bytes)
            .map(|()| Self(bytes))
            .map_err(|_| Invalid("must be a colour such as #1d4ed8"))
    }

    /// The text color on this background: white or nearly black, the one with more contrast. The contrast is at least
    /// 4.2 for every color.
    #[must_use]
    pub fn text(self) -> Self {
        if self.contrast(Self::LIGHT) >= self.contrast(Self::BLACK) { Self::LIGHT } else { Self::BLACK }
    }

    /// The border color that makes a shape of this color visible on `ground`: the color itself if its contrast is at
    /// least 3, else a gray.
    #[must_use]
    pub fn edge(self, ground: Self) -> Self {
        /// A gray that is visible on the light and on the dark background.
        const LINE: Color = Color([0x7b, 0x83, 0x91]);
        // WCAG 2.2, 1.4.11.
        if self.contrast(ground) >= 3.0 { self } else { LINE }
    }

    /// The contrast ratio of WCAG 2.2, from 1 to 21.
    fn contrast(self, other: Self) -> f64 {
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
            ("#ffffff", "#111827"),
            ("#facc15", "#111827"),
            ("#22d3ee", "#111827"),
        ] {
            assert_eq!(Color::parse(color).unwrap().text().to_string(), text, "{color}");
        }
    }

    proptest! {
        #[test]
        fn button_contrast_is_sufficient_for_every_color(bytes: [u8; 3]) {
            let color = Color(bytes);
            prop_assert!(color.contrast(color.text()) >= 4.2);
            for ground in [Color::LIGHT, Color::DARK] {
                prop_assert!(color.edge(ground).contrast(ground) >= 3.0);
            }
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
