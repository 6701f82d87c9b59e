//! Parses bytes as a JSON body, and the object as an invite, a profile update and an external subject.
#![no_main]

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};
use userdocks::api::users::external_subject::ExternalSubjectBody;
use userdocks::domain::invites::invite_body::{InviteBody, NewUserBody};
use userdocks::domain::invites::referral_code::ReferralCode;
use userdocks::domain::json::parse_object;
use userdocks::domain::users::profile::ProfilePatch;
use userdocks::http::extract::RequestBody;
use userdocks_fuzz::{assert_clean, assert_sentence, has_a_key_twice, is_address, is_country, is_tag};

const TODAY: Date = date(2026, 11, 24);
const READ_ONLY: [&str; 11] = [
    "id",
    "appId",
    "tenantId",
    "freezed",
    "deleted",
    "email_verified",
    "phone_number_verified",
    "acceptedNewsletterDate",
    "lastAskedNewsletterSignUp",
    "mailchimpMemberId",
    "kind",
];

fuzz_target!(|body: &[u8]| {
    let object = match parse_object(body) {
        Ok(object) => object,
        Err(error) => return assert_sentence(&error.to_string()),
    };
    let text = std::str::from_utf8(body).unwrap_or_else(|error| panic!("{error}"));
    let value = Value::Object(object.clone());
    assert_eq!(serde_json::from_str::<Value>(text).ok().as_ref(), Some(&value));
    assert!(!has_a_key_twice(text, &value), "{text}");
    // serde_json may round fractions. No field takes a number, so values with fractions are skipped.
    if is_exact(&value) {
        assert_eq!(parse_object(value.to_string().as_bytes()).ok().as_ref(), Some(&object));
    }
    invite(&object);
    subject(&object);
    profile(&object);
});

fn is_exact(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.values().all(is_exact),
        Value::Array(items) => items.iter().all(is_exact),
        value => !value.is_f64(),
    }
}

/// An invite by the app's backend, and a referral, which has no `referralCode`.
fn invite(object: &Map<String, Value>) {
    let referral = InviteBody::parse(object.clone());
    match NewUserBody::parse(object.clone()) {
        Ok(new) => {
            let NewUserBody { invite, referral_code } = &new;
            let (email, language) = (invite.email.as_str(), invite.language.as_str());
            assert!(is_address(email) && (is_tag(language) || is_country(language)), "{object:?}");
            assert!(
                invite.expires_in.is_none_or(|seconds| (60..=7_776_000).contains(&seconds)),
                "{object:?}"
            );
            let code = referral_code.as_ref().map(ReferralCode::as_str);
            let mut canonical = map(json!({ "email": email, "language": language }));
            canonical.extend(invite.expires_in.map(|seconds| ("expiresIn".to_owned(), seconds.into())));
            canonical.extend(code.map(|code| ("referralCode".to_owned(), code.into())));
            // The parser takes every field of the input and adds none.
            assert!(object.keys().eq(canonical.keys()), "{object:?}");
            assert_eq!(referral.is_ok(), code.is_none(), "{object:?}");
            assert!(referral.is_err() || referral.as_ref() == Ok(invite), "{object:?}");
            assert_eq!(NewUserBody::parse(canonical), Ok(new));
        }
        Err(error) => {
            assert_sentence(&error.to_string());
            assert_sentence(&referral.err().unwrap_or_else(|| panic!("{object:?}")).to_string());
        }
    }
}

fn subject(object: &Map<String, Value>) {
    match ExternalSubjectBody::parse(object.clone()) {
        Ok(ExternalSubjectBody(subject)) => {
            assert!(object.keys().eq(["externalSubject"]), "{object:?}");
            let text = subject.as_ref().map(|subject| subject.as_str());
            if let Some(text) = text {
                assert_clean(text);
                assert!(text.chars().count() <= 256);
            }
            let again = ExternalSubjectBody::parse(map(json!({ "externalSubject": text })));
            assert_eq!(again.map(|ExternalSubjectBody(subject)| subject), Ok(subject));
        }
        Err(error) => assert_sentence(&error.to_string()),
    }
}

fn profile(object: &Map<String, Value>) {
    let patch = match ProfilePatch::parse(object.clone(), TODAY) {
        Ok(patch) => patch,
        Err(error) => return assert_sentence(&error.to_string()),
    };
    let empty = Map::new();
    let sent = object.get("user").and_then(Value::as_object).unwrap_or(&empty);
    assert!(object.keys().all(|key| ["user", "test"].contains(&key.as_str())), "{object:?}");
    assert!(object.get("test").is_none_or(Value::is_boolean), "{object:?}");

    // The parsed texts by name: None keeps the value, "" clears it.
    let text = |name: &'static str, value: Option<&str>| (name, value.map(str::to_owned));
    let texts = [
        text("salutation", patch.salutation.to_sql()),
        text("salutationOther", patch.salutation_other.to_sql()),
        text("name", patch.name.to_sql()),
        text("given_name", patch.given_name.to_sql()),
        text("family_name", patch.family_name.to_sql()),
        text("middle_name", patch.middle_name.to_sql()),
        text("nickname", patch.nickname.to_sql()),
        text("preferred_username", patch.preferred_username.to_sql()),
        text("gender", patch.gender.to_sql()),
        text("other_gender", patch.other_gender.to_sql()),
        text("profile", patch.profile.to_sql()),
        text("picture", patch.picture.to_sql()),
        text("website", patch.website.to_sql()),
        text("birthdate", patch.birthdate.to_sql()),
        text("zoneinfo", patch.zoneinfo.to_sql()),
        text("locale", patch.locale.to_sql()),
        text("phone_number", patch.phone_number.to_sql()),
    ];
    let mut user = Map::new();
    for (name, value) in &texts {
        let Some(value) = value else { continue };
        if !value.is_empty() {
            assert_clean(value);
            assert!(obeys(name, value), "{name}: {value:?}");
        }
        user.insert((*name).to_owned(), value.as_str().into());
    }
    if let Some(email) = &patch.email {
        assert!(is_address(email.as_str()));
        user.insert("email".to_owned(), email.as_str().into());
    }
    if let Some(language) = &patch.language {
        assert!(is_tag(language.as_str()) || is_country(language.as_str()));
        user.insert("language".to_owned(), language.as_str().into());
    }
    if let Some(accepted) = patch.accepted_newsletter {
        user.insert("acceptedNewsletter".to_owned(), accepted.into());
    }
    // The parser takes every field of the input that is not read-only, and adds none.
    let writable = sent.keys().map(String::as_str).filter(|name| !READ_ONLY.contains(name));
    assert_eq!(writable.collect::<BTreeSet<_>>(), user.keys().map(String::as_str).collect(), "{object:?}");
    assert_eq!(patch.is_empty(), user.is_empty());
    assert_eq!(ProfilePatch::parse(map(json!({ "user": user })), TODAY), Ok(patch));
}

/// The rule of the contract's table, implemented independently.
fn obeys(name: &str, value: &str) -> bool {
    let characters = value.chars().count();
    match name {
        "profile" | "picture" | "website" => {
            let low = value.to_ascii_lowercase();
            let rest = low.strip_prefix("http://").or(low.strip_prefix("https://"));
            characters <= 2048
                && rest.is_some_and(|rest| rest.starts_with(|c: char| c != '/' && c != '?' && c != '#'))
                && !value.contains(|c: char| c.is_whitespace() || "\"<>`\\".contains(c))
        }
        "birthdate" => {
            let digits =
                |text: &str, length| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
            match *value.split('-').collect::<Vec<_>>() {
                [year] => digits(year, 4) && ("0001"..="2026").contains(&year),
                [year, month, day] => {
                    let shape = digits(year, 4) && digits(month, 2) && digits(day, 2);
                    let real = ("01"..="12").contains(&month) && ("01"..="31").contains(&day);
                    let leap = |year: u32| {
                        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
                    };
                    let short = matches!(month, "04" | "06" | "09" | "11") && day == "31"
                        || month == "02" && (day > "29" || day == "29" && !year.parse().is_ok_and(leap));
                    shape && real && !short && value <= "2026-11-24"
                }
                _ => false,
            }
        }
        "zoneinfo" => value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(&byte)),
        "locale" => is_tag(value),
        "phone_number" => {
            let (number, extension) = value.split_once(";ext=").unwrap_or((value, "1"));
            value.len() <= 64
                && number.chars().all(|c| c.is_ascii_digit() || "+-.()/ ".contains(c))
                && number.chars().filter(char::is_ascii_digit).count() >= 3
                && !extension.is_empty()
                && extension.chars().all(|c| c.is_ascii_digit())
        }
        _ => characters <= 256,
    }
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}
