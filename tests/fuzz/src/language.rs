//! Parses a text as a language and as a locale, and chooses texts for it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use userdocks::domain::language::{Language, Locale};
use userdocks_fuzz::{is_country, is_tag};

const TEXTS: [&str; 8] = ["en", "de", "en-GB", "pt-BR", "zh-Hans", "zh-Hant", "sr-Latn", "nb"];

fuzz_target!(|text: &str| {
    let language = Language::parse(text);
    if let Ok(language) = &language {
        let stored = language.as_str();
        assert!(is_tag(stored) != is_country(stored), "{text:?} is stored as {stored:?}");
        assert!(stored.eq_ignore_ascii_case(text.trim()), "{text:?} is stored as {stored:?}");
        assert_eq!(Language::parse(stored).as_ref(), Ok(language));
        let chosen = language.choose(&TEXTS);
        assert!(chosen.is_none_or(|chosen| TEXTS.contains(&chosen)));
        assert_eq!(chosen, language.choose(&TEXTS));
        assert_eq!(language.choose(&[]), None);
        if let (Some(chosen), Some(wanted)) = (chosen, language.mail_language()) {
            let written = Language::parse(chosen).ok().and_then(|chosen| chosen.mail_language());
            let written = written.unwrap_or_else(|| panic!("{chosen}"));
            assert_eq!((written.language, written.script), (wanted.language, wanted.script), "{text:?}");
        }
        if is_country(stored) {
            // The country, or the one that it is an alias of.
            let region = language.mail_language().and_then(|id| id.region);
            assert!(region.is_some_and(|region| is_country(region.as_str())), "{stored:?}");
        }
    }
    let locale = Locale::parse(text);
    if let Ok(locale) = &locale {
        let stored = locale.as_str();
        assert!(is_tag(stored), "{text:?} is stored as {stored:?}");
        assert!(stored.eq_ignore_ascii_case(&text.trim().replace('_', "-")));
        assert_eq!(Locale::parse(stored).as_ref(), Ok(locale));
        assert_eq!(Locale::parse(&stored.replace('-', "_")).as_ref(), Ok(locale));
        // Every locale with hyphens is a language, except two capitals, which are a country.
        assert!(text.contains('_') || is_country(text.trim()) || language.is_ok(), "{text:?}");
    }
    // Every language that is not a country is also a locale, with the same text.
    if let Ok(language) = language.as_ref().map(Language::as_str).map_err(|_| ())
        && !is_country(language)
    {
        assert_eq!(locale.map(|locale| locale.to_string()).as_deref(), Ok(language));
    }
});
