//! Localized texts of pages and mails: one embedded Fluent file per language. To add a language, add its file and its
//! line in [`LANGUAGES`] and `SOURCES`; the tests below report missing texts.

use std::borrow::Cow;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::{Kwargs, Value};
use minijinja::{Error, ErrorKind, HtmlEscape};
use unic_langid::LanguageIdentifier;

use crate::domain::language::Language;

/// The supported languages as BCP 47 tags. The first is the fallback.
pub const LANGUAGES: &[&str] =
    &["en", "de", "fr", "es", "it", "pt", "pt-PT", "nl", "pl", "tr", "uk", "ar", "ja", "zh-Hans", "zh-Hant"];

/// The files, in the order of [`LANGUAGES`].
///
/// A text is plain text without markup. It is polite and does not assume a gender. Names are not declined, so each
/// text puts them where the grammar leaves them unchanged. The texts in `pt` are for Brazil.
const SOURCES: [&str; LANGUAGES.len()] = [
    include_str!("en.ftl"),
    include_str!("de.ftl"),
    include_str!("fr.ftl"),
    include_str!("es.ftl"),
    include_str!("it.ftl"),
    include_str!("pt.ftl"),
    include_str!("pt-PT.ftl"),
    include_str!("nl.ftl"),
    include_str!("pl.ftl"),
    include_str!("tr.ftl"),
    include_str!("uk.ftl"),
    include_str!("ar.ftl"),
    include_str!("ja.ftl"),
    include_str!("zh-Hans.ftl"),
    include_str!("zh-Hant.ftl"),
];

/// The languages that are written from right to left.
const RIGHT_TO_LEFT: &[&str] = &["ar"];

static TEXTS: LazyLock<Vec<Texts>> = LazyLock::new(|| {
    LANGUAGES.iter().zip(SOURCES).map(|(language, source)| Texts::read(language, source)).collect()
});

/// The texts of one language. Variables are data: [`Texts::get`] inserts them as plain text, [`Texts::rich`] escapes
/// them for HTML. Both isolate them, so that they do not change the direction of the text around them.
pub struct Texts {
    language: &'static str,
    bundle: FluentBundle<FluentResource>,
}

impl Texts {
    /// The texts of `language`, one of [`LANGUAGES`]. For any other value, the texts of the first of them.
    #[must_use]
    pub fn of(language: &str) -> &'static Self {
        TEXTS.iter().find(|texts| texts.language == language).unwrap_or(&TEXTS[0])
    }

    /// The texts in the person's language, else in the app's, else in English.
    #[must_use]
    pub fn for_person(language: &str, app_language: &str) -> &'static Self {
        let chosen = [language, app_language]
            .into_iter()
            .find_map(|language| Language::parse(language).ok()?.choose(LANGUAGES));
        Self::of(chosen.unwrap_or("en"))
    }

    /// The texts in the language that a browser prefers: the entries of `Accept-Language` (RFC 9110, 12.5.4). English if
    /// there is none of them.
    #[must_use]
    pub fn preferred<'a>(accepted: impl Iterator<Item = &'a str>) -> &'static Self {
        let mut ranges: Vec<(f32, &str)> = accepted
            .map(|range| {
                let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
                (weight.trim().trim_start_matches("q=").parse().unwrap_or_default(), tag)
            })
            .filter(|(quality, _)| *quality > 0.0)
            .take(20)
            .collect();
        ranges.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let chosen = ranges.iter().find_map(|(_, tag)| {
            // A lone language may be sent in capitals, where it is not a country.
            Language::parse(&tag.trim().to_ascii_lowercase()).ok()?.choose(LANGUAGES)
        });
        Self::of(chosen.unwrap_or("en"))
    }

    /// Ignores errors in the files: they are embedded, and the tests parse each of them strictly.
    fn read(language: &'static str, source: &str) -> Self {
        let tag: LanguageIdentifier = language.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![tag]);
        bundle.set_use_isolating(false);
        let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(good, _)| good);
        bundle.add_resource_overriding(resource);
        Self { language, bundle }
    }

    /// The BCP 47 tag, for `lang` and `Content-Language`.
    #[must_use]
    pub fn language(&self) -> &'static str {
        self.language
    }

    /// The direction of the script, `ltr` or `rtl`, for `dir`.
    #[must_use]
    pub fn dir(&self) -> &'static str {
        if self.is_rtl() { "rtl" } else { "ltr" }
    }

    fn is_rtl(&self) -> bool {
        RIGHT_TO_LEFT.contains(&self.language)
    }

    fn isolated<'a>(&self, value: &'a str) -> Cow<'a, str> {
        let other = |c: char| c.is_alphabetic() && is_rtl(c) != self.is_rtl();
        if value.contains(other) { format!("\u{2068}{value}\u{2069}").into() } else { value.into() }
    }

    /// The text `id` with `args` filled in, as plain text. Only values that are written in the other direction are
    /// isolated by marks (UAX #9). An unknown id or a missing variable is logged and leaves its name in the text.
    #[must_use]
    pub fn get(&self, id: &str, args: &[(&str, &str)]) -> String {
        let args: Vec<_> = args.iter().map(|(name, value)| (*name, self.isolated(value))).collect();
        self.format(id, args.iter().map(|(name, value)| (*name, &**value))).unwrap_or_else(|(text, slip)| {
            tracing::error!(language = self.language, id, slip, "a text has an error");
            text
        })
    }

    /// Formats a time in words, to the minute, in UTC.
    #[must_use]
    pub fn date(&self, moment: Timestamp) -> String {
        let utc = moment.to_zoned(TimeZone::UTC);
        let time = utc.strftime("%H:%M").to_string();
        let month = self.get(&format!("month-{}", utc.month()), &[]);
        let day = if utc.day() == 1 { self.get("day-1", &[]) } else { utc.day().to_string() };
        let year = utc.year().to_string();
        self.get("date", &[("day", &day), ("month", &month), ("year", &year), ("time", &time)])
    }

    /// The template function `t("id", name=value)`. It returns plain text, which the template escapes.
    #[must_use]
    pub fn plain(&'static self) -> Value {
        self.function(|texts, value| texts.isolated(value).into_owned(), Value::from)
    }

    /// The template function `rich("id", name=value)` of HTML templates. It returns HTML in which each value is
    /// escaped and isolated by `<bdi>`, and by marks for mail programs that remove that element (Gmail, Outlook).
    #[must_use]
    pub fn rich(&'static self) -> Value {
        let isolated =
            |texts: &Self, value: &str| format!("<bdi>{}</bdi>", HtmlEscape(&texts.isolated(value)));
        self.function(isolated, Value::from_safe_string)
    }

    fn function(&'static self, value: fn(&Self, &str) -> String, text: fn(String) -> Value) -> Value {
        Value::from_function(move |id: &str, named: Kwargs| {
            let filled = |name| Ok((name, value(self, named.get(name)?)));
            let args: Vec<_> = named.args().map(filled).collect::<Result<_, Error>>()?;
            self.format(id, args.iter().map(|(name, value)| (*name, value.as_str())))
                .map(text)
                .map_err(|(_, slip)| Error::new(ErrorKind::InvalidOperation, slip))
        })
    }

    /// # Errors
    /// The text as far as it could be formatted, and the problem.
    fn format<'a>(
        &self,
        id: &str,
        args: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<String, (String, String)> {
        let Some(pattern) = self.bundle.get_message(id).and_then(|message| message.value()) else {
            return Err((id.to_owned(), format!("there is no text {id}")));
        };
        let args: FluentArgs = args.collect();
        let mut slips = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(&args), &mut slips).into_owned();
        match slips.first() {
            None => Ok(text),
            Some(slip) => Err((text, format!("text {id}: {slip}"))),
        }
    }
}

/// Whether a letter belongs to a right-to-left script.
fn is_rtl(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// The variables of each text of a file.
    fn variables(source: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut all = BTreeMap::<String, BTreeSet<String>>::new();
        let mut id = String::new();
        for line in source.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, _)) = line.split_once(" = ")
                && !line.starts_with(' ')
            {
                name.clone_into(&mut id);
                assert!(all.insert(id.clone(), BTreeSet::new()).is_none(), "{id} twice");
            }
            for part in line.split('$').skip(1) {
                let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(part.len());
                all.entry(id.clone()).or_default().insert(part[..end].to_owned());
            }
        }
        all
    }

    #[test]
    fn every_language_has_all_messages_with_the_same_variables() {
        let english = variables(SOURCES[0]);
        for (language, source) in LANGUAGES.iter().zip(SOURCES) {
            assert_eq!(variables(source), english, "{language}");
            let resource = FluentResource::try_new(source.to_owned()).map_err(|(_, errors)| errors);
            assert!(resource.is_ok_and(|read| read.entries().count() == english.len()), "{language}");
        }
    }

    #[test]
    fn every_message_is_typeset_without_markup() {
        for language in LANGUAGES {
            let texts = Texts::of(language);
            assert_eq!(texts.language(), *language);
            for (id, names) in variables(SOURCES[0]) {
                let text = texts.format(&id, names.iter().map(|name| (name.as_str(), "x"))).unwrap();
                assert!(!text.contains(['<', '>', '&', '"', '\'', '{']), "{language} {id}: {text}");
                assert!(!text.contains("  ") && text.trim() == text, "{language} {id}: {text}");
                for (at, _) in text.match_indices([',', '.', ':', ';', '?', '!', '،', '؟']) {
                    let before = text[..at].chars().next_back();
                    assert_ne!(before, Some(' '), "{language} {id}: {text}");
                    let high = text[at..].starts_with([':', ';', '?', '!'])
                        && !text[at + 1..].starts_with(char::is_numeric);
                    let parted = before == Some('\u{a0}');
                    assert_eq!(parted, high && *language == "fr", "{language} {id}: {text}");
                }
            }
        }
    }

    /// Names are not declined and take no article, so some words cannot stand before them.
    #[test]
    fn no_word_before_a_name_depends_on_its_first_letter() {
        for (language, id, text) in all() {
            for (in_language, word) in [("fr", " de { $"), ("it", " a { $app"), ("ja", "あなた")] {
                assert!(in_language != language || !text.contains(word), "{language} {id}: {text}");
            }
        }
    }

    #[test]
    fn subjects_fit_into_sixty_characters() {
        for (language, id, _) in
            all().filter(|(_, id, _)| id.ends_with("-subject") || id.ends_with("-subject-from"))
        {
            let subject = Texts::of(language).get(id, &[("inviter", "Ada Lovelace"), ("app", "Userdocks")]);
            assert!(subject.chars().count() <= 60, "{language} {id}: {subject}");
        }
    }

    /// Every text of every language as it stands in its file.
    fn all() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        LANGUAGES.iter().zip(SOURCES).flat_map(|(language, source)| {
            let texts = source.lines().filter_map(|line| line.split_once(" = "));
            texts.map(|(id, text)| (*language, id, text))
        })
    }

    #[test]
    fn browser_gets_the_language_that_it_prefers_among_those_with_texts() {
        for (accepted, chosen) in [
            ("", "en"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("en;q=0.5, fr;q=0.9", "fr"),
            ("en ; q=0.5, fr ; q=0.9", "fr"),
            ("DE", "de"),
            ("ko, *;q=0.1", "en"),
            ("pt-PT,pt;q=0.9", "pt-PT"),
            ("pt-BR", "pt"),
            ("zh-TW", "zh-Hant"),
            ("de;q=0, fr;q=0.1", "fr"),
            ("fr;q=x, de;q=0.1", "de"),
            (",;q=1,=,", "en"),
        ] {
            assert_eq!(Texts::preferred(accepted.split(',')).language(), chosen, "{accepted}");
        }
    }

    #[test]
    fn unsupported_language_falls_back_to_english() {
        assert_eq!(Texts::of("tlh").language(), "en");
        assert_eq!(Texts::of("de").language(), "de");
    }

    #[test]
    fn missing_message_or_variable_does_not_panic() {
        assert_eq!(Texts::of("en").get("no-such-text", &[]), "no-such-text");
        assert_eq!(Texts::of("en").get("invite-what", &[]), "You have been invited to join {$app}.");
    }

    #[test]
    fn dates_are_formatted_in_words_in_every_language() {
        let moment: Timestamp = "2026-03-09T07:05:59+02:00".parse().unwrap();
        let first: Timestamp = "2026-08-01T00:00:00Z".parse().unwrap();
        for (language, words, first_of_month) in [
            ("en", "9_March_2026, 05:05_(UTC)", "1_August_2026, 00:00_(UTC)"),
            ("de", "9._März 2026, 05:05_Uhr (UTC)", "1._August 2026, 00:00_Uhr (UTC)"),
            ("fr", "9_mars 2026 à 05:05_(UTC)", "1er_août 2026 à 00:00_(UTC)"),
            ("es", "9_de marzo de 2026, 05:05_(UTC)", "1_de agosto de 2026, 00:00_(UTC)"),
            ("it", "9_marzo 2026, ore_05:05_(UTC)", "1º_agosto 2026, ore_00:00_(UTC)"),
            ("pt", "9_de março de 2026, 05:05_(UTC)", "1º_de agosto de 2026, 00:00_(UTC)"),
            ("pt-PT", "9_de março de 2026, 05:05_(UTC)", "1_de agosto de 2026, 00:00_(UTC)"),
            ("nl", "9_maart 2026, 05:05_uur (UTC)", "1_augustus 2026, 00:00_uur (UTC)"),
            ("pl", "9_marca 2026_r., godz._05:05 (UTC)", "1_sierpnia 2026_r., godz._00:00 (UTC)"),
            ("tr", "9_Mart 2026, saat_05:05 (UTC)", "1_Ağustos 2026, saat_00:00 (UTC)"),
            ("uk", "9_березня 2026_р., 05:05_(UTC)", "1_серпня 2026_р., 00:00_(UTC)"),
            ("ar", "9_مارس 2026، الساعة_05:05 (UTC)", "1_أغسطس 2026، الساعة_00:00 (UTC)"),
            ("ja", "2026年3月9日 05:05（UTC）", "2026年8月1日 00:00（UTC）"),
            ("zh-Hans", "2026年3月9日 05:05（UTC）", "2026年8月1日 00:00（UTC）"),
            ("zh-Hant", "2026年3月9日 05:05（UTC）", "2026年8月1日 00:00（UTC）"),
        ] {
            // `_` stands for a no-break space.
            let date = |moment| Texts::of(language).date(moment).replace('\u{a0}', "_");
            assert_eq!(date(moment), words);
            assert_eq!(date(first), first_of_month);
        }
    }

    #[test]
    fn name_of_other_text_direction_is_isolated() {
        let subject = |language: &str, inviter: &str| {
            Texts::of(language).get("invite-subject-from", &[("inviter", inviter), ("app", "Acme")])
        };
        assert_eq!(subject("en", "Ada"), "Ada has invited you to join Acme");
        assert_eq!(subject("en", "علي"), "\u{2068}علي\u{2069} has invited you to join Acme");
        assert_eq!(subject("ar", "علي"), "دعوة من علي للانضمام إلى \u{2068}Acme\u{2069}");
    }

    #[test]
    fn regional_variant_uses_the_texts_of_its_language() {
        for (requested, chosen) in [
            ("pt-BR", Some("pt")),
            ("pt-PT", Some("pt-PT")),
            ("PT", Some("pt-PT")),
            ("AO", Some("pt-PT")),
            ("pt-MZ", Some("pt-PT")),
            ("pt", Some("pt")),
            ("BR", Some("pt")),
            ("zh", Some("zh-Hans")),
            ("zh-CN", Some("zh-Hans")),
            ("SG", Some("en")),
            ("zh-TW", Some("zh-Hant")),
            ("zh-HK", Some("zh-Hant")),
            ("TW", Some("zh-Hant")),
            ("es-MX", Some("es")),
            ("fr-CA", Some("fr")),
            ("ar-EG", Some("ar")),
            ("JP", Some("ja")),
            ("UA", Some("uk")),
            ("uk-Latn", None),
            ("ko", None),
        ] {
            let language = crate::domain::language::Language::parse(requested).unwrap();
            assert_eq!(language.choose(LANGUAGES), chosen, "{requested}");
        }
    }

    #[test]
    fn texts_fall_back_to_the_app_language_then_english() {
        for (person, app, chosen) in [
            ("de-AT", "en", "de"),
            ("DE", "en", "de"),
            ("tlh", "de", "de"),
            ("tlh", "tlh", "en"),
            ("TW", "de", "zh-Hant"),
        ] {
            assert_eq!(Texts::for_person(person, app).language(), chosen, "{person} {app}");
        }
    }
}
