//! The language of a user. A stored language is a BCP 47 tag (RFC 5646) in canonical case or, as the public clients
//! send it, a country code of two upper-case letters. A tag in canonical case never begins with an upper-case letter,
//! so the two are unambiguous.

use icu_locale::fallback::LocaleFallbackConfig;
use icu_locale::subtags::{Region, language};
use icu_locale::{
    LanguageIdentifier, Locale as IcuLocale, LocaleCanonicalizer, LocaleExpander, LocaleFallbacker,
};
use oxilangtag::LanguageTag;

use super::fields::Invalid;
use super::text::text_type;

/// Maximum length of a tag in bytes. RFC 5646, 4.4.1 requires at least 35.
const MAX_TAG: usize = 64;

/// The officially assigned codes of ISO 3166-1 alpha-2.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN \
    BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC \
    EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR \
    HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT \
    LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP \
    NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL \
    SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE \
    VG VI VN VU WF WS YE YT ZA ZM ZW";

text_type! {
    /// A BCP 47 language tag in any case (`de`, `en-US`, `zh-Hant`), or an ISO 3166 country code in upper case (`DE`),
    /// which stands for the most likely language of that country. Two upper-case letters are always read as a country,
    /// or as an alias of a country in CLDR (`UK`). A tag is stored in canonical case.
    Language {
        "format": "language",
        "pattern": "^[A-Za-z]{1,3}(-[A-Za-z0-9]{1,8})*$",
        "maxLength": MAX_TAG,
        "examples": ["en-GB"],
    }
}

impl Language {
    /// Parses a country code in upper case, or a CLDR alias of one (`UK`), else a tag in any case. `_` is not accepted
    /// as a separator.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        let value = value.trim();
        let capitals = value.len() == 2 && value.bytes().all(|byte| byte.is_ascii_uppercase());
        let country = if capitals { country(value).map(|_| value.to_owned()) } else { None };
        country.or_else(|| canonical_tag(value)).map(Self).ok_or(Invalid(
            "must be a BCP 47 language tag such as de or en-US, or an ISO 3166 country code such as DE",
        ))
    }

    /// The language for mails to this user, with its likely script and region (CLDR likely subtags): the language of
    /// the tag, or the likeliest of the country. Returns `None` for a tag without a language, such as `und` or a
    /// private-use tag. A country without likely subtags in CLDR gets English, the fallback of CLDR.
    #[must_use]
    pub fn mail_language(&self) -> Option<LanguageIdentifier> {
        let Self(value) = self;
        if self.is_country() {
            maximized(&format!("und-{value}")).or_else(|| maximized(&format!("en-{value}")))
        } else {
            maximized(value)
        }
    }

    /// The best of the `available` BCP 47 tags: the same tag, else a tag of the same language and script, preferably
    /// for the same region, then for one that CLDR names as its parent (Portugal for Angola). A tag of another script is
    /// never chosen: a reader of Traditional Chinese may not read Simplified.
    #[must_use]
    pub fn choose<'a>(&self, available: &[&'a str]) -> Option<&'a str> {
        let is_it = |tag: &&&str| !self.is_country() && tag.eq_ignore_ascii_case(&self.0);
        if let Some(tag) = available.iter().find(is_it) {
            return Some(tag);
        }
        let requested = self.mail_language()?;
        let parents = parents(&requested);
        let readable = available.iter().filter_map(|tag| {
            let language = maximized(tag)?;
            let same = language.language == requested.language && language.script == requested.script;
            let near = parents.iter().position(|parent| *parent == language.region);
            same.then_some((near.unwrap_or(usize::MAX), tag.len(), *tag))
        });
        readable.min_by_key(|&(near, len, _)| (near, len)).map(|(_, _, tag)| tag)
    }

    fn is_country(&self) -> bool {
        self.0.starts_with(|c: char| c.is_ascii_uppercase())
    }
}

text_type! {
    /// A BCP 47 language tag in any case. `_` is read as `-`. It is stored in canonical case.
    Locale {
        "format": "locale",
        "pattern": "^[A-Za-z]{1,3}([-_][A-Za-z0-9]{1,8})*$",
        "maxLength": MAX_TAG,
        "examples": ["en-GB"],
    }
}

impl Locale {
    /// Parses a tag in any case. `_` is accepted for `-`, as `OpenID` Connect Core 1.0, 5.1 suggests.
    pub fn parse(value: &str) -> Result<Self, Invalid> {
        canonical_tag(&value.trim().replace('_', "-"))
            .map(Self)
            .ok_or(Invalid("must be a BCP 47 language tag such as de or en-US"))
    }
}

/// The region of a language and those of its parents in CLDR, nearest first.
fn parents(language: &LanguageIdentifier) -> Vec<Option<Region>> {
    let fallbacker = LocaleFallbacker::new().for_config(LocaleFallbackConfig::default());
    let mut steps = fallbacker.fallback_for(language.into());
    let mut regions = Vec::new();
    while !steps.get().is_unknown() {
        regions.push(steps.get().region);
        steps.step();
    }
    regions
}

/// The country of a two-letter upper-case code. A code that is not in [`COUNTRIES`] is looked up as a CLDR alias.
fn country(code: &str) -> Option<&'static str> {
    let mut region =
        IcuLocale::from(LanguageIdentifier { region: code.parse().ok(), ..LanguageIdentifier::UNKNOWN });
    if !COUNTRIES.split(' ').any(|country| country == code) {
        LocaleCanonicalizer::new_extended().canonicalize(&mut region);
    }
    let region = region.id.region?;
    COUNTRIES.split(' ').find(|country| *country == region.as_str())
}

/// Converts a well-formed tag to canonical case. Primary subtags of four or more letters are refused: the grammar
/// allows them, but none was ever registered, and English words would pass for languages.
fn canonical_tag(value: &str) -> Option<String> {
    if value.len() > MAX_TAG {
        return None;
    }
    let tag = LanguageTag::parse_and_normalize(value).ok()?.into_inner();
    tag.split('-').next().is_some_and(|primary| primary.len() <= 3).then_some(tag)
}

/// Replaces CLDR aliases (`iw` by `he`, `zh-cmn` by `zh`), then adds likely subtags. Bokmål (`nb`) becomes Norwegian
/// (`no`), the code that CLDR uses for its texts.
fn maximized(tag: &str) -> Option<LanguageIdentifier> {
    let tag = LanguageTag::parse(tag).ok()?;
    let language = tag.extended_language_subtags().next().unwrap_or(tag.primary_language());
    let mut locale = IcuLocale::from(LanguageIdentifier {
        language: language.parse().ok()?,
        script: tag.script().map(str::parse).transpose().ok()?,
        region: tag.region().map(str::parse).transpose().ok()?,
        ..LanguageIdentifier::UNKNOWN
    });
    LocaleCanonicalizer::new_extended().canonicalize(&mut locale);
    LocaleExpander::new_extended().maximize(&mut locale.id);
    if locale.id.language == language!("nb") {
        locale.id.language = language!("no");
    }
    (!locale.id.language.is_unknown()).then_some(locale.id)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn language(value: &str) -> Language {
        Language::parse(value).unwrap()
    }

    fn mail_language(value: &str) -> Option<String> {
        language(value).mail_language().map(|id| id.to_string())
    }

    #[test]
    fn language_tags_get_canonical_case_and_country_codes_stay() {
        for (sent, stored) in [
            ("de", "de"),
            (" EN-us ", "en-US"),
            ("ZH-HANT-tw", "zh-Hant-TW"),
            ("zh-cmn-hans", "zh-cmn-Hans"),
            ("sl-ROZAJ-Biske", "sl-rozaj-biske"),
            ("de-DE-U-co-phonebk-X-Foo", "de-DE-u-co-phonebk-x-foo"),
            ("es-419", "es-419"),
            ("haw", "haw"),
            ("I-Klingon", "i-klingon"),
            ("EN-gb-OED", "en-GB-oed"),
            ("X-whatever", "x-whatever"),
            ("DE", "DE"),
            ("US", "US"),
            ("SV", "SV"),
            ("sv", "sv"),
            ("Sv", "sv"),
            ("UK", "UK"),
            ("uk", "uk"),
            ("YU", "YU"),
            ("EN", "en"),
            ("JA", "ja"),
        ] {
            assert_eq!(language(sent).as_str(), stored);
        }
        for bad in [
            "",
            "d",
            "de_DE",
            "german",
            "engl",
            "deutsch",
            "de-",
            "-de",
            "de--DE",
            "de DE",
            "de-D",
            "dé",
            "d\0e",
            "i-a",
            "x-",
            "x",
            "de-u",
            "DEU-",
            "de,en",
            "de;q=1",
            "en-US-toolongsubtag",
            "D E",
        ] {
            assert!(Language::parse(bad).is_err(), "{bad:?}");
        }
        assert!(Language::parse(&format!("de{}", "-abcdefgh".repeat(6))).is_ok());
        assert!(Language::parse(&format!("de{}", "-abcdefgh".repeat(7))).is_err());
    }

    #[test]
    fn locale_accepts_underscores() {
        for (sent, stored) in
            [("en_us", "en-US"), ("zh_Hant-TW\n", "zh-Hant-TW"), ("DE", "de"), ("de-AT", "de-AT")]
        {
            assert_eq!(Locale::parse(sent).unwrap().as_str(), stored);
        }
        for bad in ["", "_", "de_", "en_US.UTF-8", "de_DE@euro", "C", "POSIX", "german"] {
            assert!(Locale::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn mail_language_follows_the_tag_or_the_country() {
        for (value, expected) in [
            ("de", "de-Latn-DE"),
            ("de-AT", "de-Latn-AT"),
            ("zh-CN", "zh-Hans-CN"),
            ("zh-TW", "zh-Hant-TW"),
            ("sr-Latn", "sr-Latn-RS"),
            ("iw", "he-Hebr-IL"),
            ("zh-cmn-Hant", "zh-Hant-TW"),
            ("zh-yue", "yue-Hant-HK"),
            ("de-DE-u-co-phonebk", "de-Latn-DE"),
            ("DE", "de-Latn-DE"),
            ("CH", "de-Latn-CH"),
            ("AT", "de-Latn-AT"),
            ("BR", "pt-Latn-BR"),
            ("TW", "zh-Hant-TW"),
            ("US", "en-Latn-US"),
            ("GB", "en-Latn-GB"),
            ("JP", "ja-Jpan-JP"),
            ("nb", "no-Latn-NO"),
            ("NO", "no-Latn-NO"),
            ("SV", "es-Latn-SV"),
            ("sv", "sv-Latn-SE"),
        ] {
            assert_eq!(mail_language(value).as_deref(), Some(expected), "{value}");
        }
        for unknown in ["und", "x-whatever", "i-klingon", "en-GB-oed", "und-001"] {
            assert_eq!(mail_language(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn every_country_code_has_a_mail_language() {
        assert_eq!(COUNTRIES.split(' ').count(), 249);
        for country in COUNTRIES.split(' ') {
            let language = language(country).mail_language().unwrap();
            assert!(language.script.is_some(), "{country}");
            assert_eq!(language.region.unwrap().as_str(), country);
        }
        for country in ["AU", "CA", "GB", "IE", "NG", "NZ", "SG", "ZA"] {
            assert_eq!(mail_language(country), Some(format!("en-Latn-{country}")));
        }
    }

    #[test]
    fn choose_picks_the_best_available_language() {
        const TEXTS: &[&str] =
            &["en", "de", "pt-PT", "pt", "zh-Hans", "zh-Hant", "sr", "he", "en-GB", "x-own"];
        for (value, expected) in [
            ("de", Some("de")),
            ("de-AT", Some("de")),
            ("AT", Some("de")),
            ("pt-BR", Some("pt")),
            ("pt-PT", Some("pt-PT")),
            ("PT", Some("pt-PT")),
            ("AO", Some("pt-PT")),
            ("BR", Some("pt")),
            ("zh-CN", Some("zh-Hans")),
            ("zh", Some("zh-Hans")),
            ("zh-HK", Some("zh-Hant")),
            ("TW", Some("zh-Hant")),
            ("sr-Latn", None),
            ("iw", Some("he")),
            ("IL", Some("he")),
            ("en-AU", Some("en")),
            ("GB", Some("en-GB")),
            ("US", Some("en")),
            ("x-own", Some("x-own")),
            ("tlh", None),
            ("und", None),
        ] {
            assert_eq!(language(value).choose(TEXTS), expected, "{value}");
        }
        assert_eq!(language("TW").choose(&["en", "zh-Hans", "zh"]), None);
        assert_eq!(language("SV").choose(&["sv", "es"]), Some("es"));
        for norwegian in ["nb", "no", "NO"] {
            assert_eq!(language(norwegian).choose(&["en", "nb"]), Some("nb"), "{norwegian}");
            assert_eq!(language(norwegian).choose(&["en", "no"]), Some("no"), "{norwegian}");
        }
        assert_eq!(language("PH").choose(&["en", "tl"]), Some("tl"));
        assert_eq!(language("sh").choose(&["sr", "sr-Latn"]), Some("sr-Latn"));
        assert_eq!(language("de").choose(&[]), None);
        assert_eq!(language("de").choose(&["not a tag", "de-CH"]), Some("de-CH"));
    }

    fn nearly_a_tag() -> impl Strategy<Value = String> {
        prop_oneof![any::<String>(), "[a-zA-Z]{1,4}([_-][a-zA-Z0-9]{1,9}){0,5}", "[A-Z]{2}"]
    }

    proptest! {
        #[test]
        fn parse_is_idempotent(value in nearly_a_tag()) {
            if let Ok(language) = Language::parse(&value) {
                let _ = language.choose(&["en", &value]);
                prop_assert_eq!(Language::parse(language.as_str()), Ok(language));
            }
            if let Ok(locale) = Locale::parse(&value) {
                prop_assert_eq!(Locale::parse(locale.as_str()), Ok(locale));
            }
        }

        #[test]
        fn valid_tags_are_accepted_in_any_case(
            tag in "[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2}|-[0-9]{3})?(-[a-z]{5,8})?(-u(-[a-z]{3,8}){1,2})?",
            upper in any::<bool>(),
        ) {
            prop_assert_eq!(Language::parse(&tag).unwrap().to_string(), tag.as_str());
            let sent = if upper { tag.to_uppercase().replace('-', "_") } else { tag.to_lowercase() };
            prop_assert_eq!(Locale::parse(&sent).unwrap().to_string(), tag.as_str());
        }
    }
}
