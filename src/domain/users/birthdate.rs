//! A birthdate as in `OpenID` Connect Core 1.0, 5.1: a date, a date without its year, or a year.

use jiff::civil::Date;

use crate::domain::fields::Invalid;
use crate::domain::text::{text_type, trimmed};

/// Any leap year, because a birthday without a year may be February 29.
const SOME_LEAP_YEAR: i16 = 2000;

text_type! {
    /// `YYYY-MM-DD`, `0000-MM-DD` (without the year) or `YYYY`, as in OpenID Connect. Of an RFC 3339 date-time only the
    /// date is stored. It must be a valid date that is not in the future.
    Birthdate {
        "format": "birthdate",
        "pattern": "^[0-9]{4}(-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))?)?$",
        "examples": ["1815-12-10"],
    }
}

impl Birthdate {
    /// Parses a birthdate. From an RFC 3339 date-time, the date is kept as written, without time zone conversion. It
    /// must be a real date, and not after `today`.
    pub fn parse(value: &str, today: Date) -> Result<Self, Invalid> {
        trimmed(value)
            .and_then(|value| date_of(value, today))
            .map(|date| Self(date.to_owned()))
            .ok_or(Invalid("must be a real date, YYYY-MM-DD, 0000-MM-DD or YYYY, and not in the future"))
    }
}

fn date_of(value: &str, today: Date) -> Option<&str> {
    if value.len() == 4 {
        let year = number(value)?;
        return (1..=today.year()).contains(&year).then_some(value);
    }
    let (date, time) = value.split_at_checked(10)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let shown_year = if year == 0 { SOME_LEAP_YEAR } else { year };
    let real = Date::new(shown_year, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    let past = year == 0 || real <= today;
    (past && (time.is_empty() || is_time(time))).then_some(date)
}

/// Whether this is the time part of an RFC 3339 date-time: `T23:59:60.5+01:00`.
fn is_time(text: &str) -> bool {
    let Some((time, rest)) = text.strip_prefix(['T', 't', ' ']).and_then(|text| text.split_at_checked(8))
    else {
        return false;
    };
    let zone = match rest.strip_prefix('.') {
        None => Some(rest),
        Some(fraction) => Some(fraction.trim_start_matches(|c: char| c.is_ascii_digit()))
            .filter(|zone| zone.len() < fraction.len()),
    };
    let is_zone = |zone: &str| {
        let offset = zone.strip_prefix(['+', '-']).and_then(|offset| numbers(offset, ':', [2, 2]));
        matches!(zone, "Z" | "z") || offset.is_some_and(|[hour, minute]| hour < 24 && minute < 60)
    };
    numbers(time, ':', [2, 2, 2])
        .is_some_and(|[hour, minute, second]| hour < 24 && minute < 60 && second <= 60)
        && zone.is_some_and(is_zone)
}

/// Parses separated numbers, each with exactly the given number of digits.
fn numbers<const N: usize>(text: &str, separator: char, digits: [usize; N]) -> Option<[i16; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (slot, digits) in numbers.iter_mut().zip(digits) {
        *slot = number(parts.next().filter(|part| part.len() == digits)?)?;
    }
    parts.next().is_none().then_some(numbers)
}

fn number(digits: &str) -> Option<i16> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn parse(value: &str) -> Result<Birthdate, Invalid> {
        Birthdate::parse(value, date(2026, 11, 22))
    }

    #[test]
    fn openid_birthdate_and_rfc3339_date_time_are_accepted() {
        for (sent, stored) in [
            ("1815-12-10", "1815-12-10"),
            (" 2026-11-22\n", "2026-11-22"),
            ("0000-02-29", "0000-02-29"),
            ("0000-12-31", "0000-12-31"),
            ("2024-02-29", "2024-02-29"),
            ("1990", "1990"),
            ("2026", "2026"),
            ("0001", "0001"),
            ("1990-05-01T23:30:00-08:00", "1990-05-01"),
            ("1990-05-01T00:00:00.000Z", "1990-05-01"),
            ("1990-05-01t00:00:00z", "1990-05-01"),
            ("1990-12-31 23:59:60.123456789+00:00", "1990-12-31"),
        ] {
            assert_eq!(parse(sent).unwrap().as_str(), stored);
        }
    }

    #[test]
    fn invalid_or_future_birthdate_is_refused() {
        for bad in [
            "",
            "0000",
            "0000-00-00",
            "0000-02-30",
            "0000-13-01",
            "2023-02-29",
            "1900-02-29",
            "2026-11-23",
            "2027",
            "9999-12-31",
            "1990-5-1",
            "90-05-01",
            "1990-05",
            "19900501",
            "01.05.1990",
            "05/01/1990",
            "-1990",
            "+1990",
            "-001-01-01",
            "+199-01-01",
            "1990-+5-01",
            "199０-05-01",
            "١٩٩٠",
            "1990-05-01T",
            "1990-05-01T00:00",
            "1990-05-01T00:00:00",
            "1990-05-01T24:00:00Z",
            "1990-05-01T00:60:00Z",
            "1990-05-01T00:00:61Z",
            "1990-05-01T00:00:00.Z",
            "1990-05-01T00:00:00+0100",
            "1990-05-01T00:00:00+24:00",
            "1990-05-01T00:00:00ZZ",
            "1990-05-01T00:00:00Z[UTC]",
            "1990-05-01Z",
            "1990-05-01é",
            "1990-05-0é",
            "2027-01-01T00:00:00+14:00",
            "1990-05-01T00:00:00\0Z",
            "1990-W18-2",
            "1990-121",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn parse_is_idempotent(
            value in prop_oneof![any::<String>(), "[0-9]{4}(-[01][0-9]-[0-3][0-9])?([T ][0-9:.]{0,12}[Z+-]?.{0,5})?"],
        ) {
            if let Ok(birthdate) = parse(&value) {
                prop_assert_eq!(parse(birthdate.as_str()), Ok(birthdate));
            }
        }

        #[test]
        fn past_date_is_accepted_and_future_date_is_refused(days in -600_000_i32..600_000) {
            let today = date(2026, 11, 22);
            let day = today.saturating_add(jiff::Span::new().days(days));
            prop_assume!(day.year() > 0);
            let parsed = parse(&day.to_string());
            prop_assert_eq!(parsed.is_ok(), day <= today, "{}", day);
        }
    }
}
