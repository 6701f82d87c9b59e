//! The fields of a user that an update may change. Their names and rules are one table, used by
//! [`ProfilePatch::parse`]. Read-only fields are accepted and ignored, so that a client can send a user back as it was
//! read.

use jiff::civil::Date;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::birthdate::Birthdate;
use super::phone_number::PhoneNumber;
use crate::domain::email::Email;
use crate::domain::fields::{FieldErrors, Fields, Invalid, Patch};
use crate::domain::language::{Language, Locale};
use crate::domain::text::{Text, WebUrl, Zoneinfo};

/// Read-only fields of a user. They may be sent but are never applied.
const READ_ONLY: &[&str] = &[
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

/// The fields that hold text and can be cleared.
pub const TEXT_FIELDS: [&str; 17] = [
    "salutation",
    "salutationOther",
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "gender",
    "other_gender",
    "profile",
    "picture",
    "website",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
];

/// The fields to change. Absent fields are not changed. If one field is invalid, nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(default, transform = add_read_only)]
pub struct ProfilePatch {
    /// This field cannot be cleared.
    #[schemars(example = &"ada@example.com")]
    pub email: Option<Email>,
    /// This field cannot be cleared.
    #[schemars(example = &"en-GB")]
    pub language: Option<Language>,
    /// Whether the user has accepted the newsletter. This field cannot be cleared.
    #[schemars(rename = "acceptedNewsletter", example = true)]
    pub accepted_newsletter: Option<bool>,
    #[schemars(example = &"Ms")]
    pub salutation: Patch<Text>,
    #[schemars(rename = "salutationOther", example = &"Countess")]
    pub salutation_other: Patch<Text>,
    #[schemars(example = &"Ada Lovelace")]
    pub name: Patch<Text>,
    #[schemars(example = &"Ada")]
    pub given_name: Patch<Text>,
    #[schemars(example = &"Lovelace")]
    pub family_name: Patch<Text>,
    #[schemars(example = &"King")]
    pub middle_name: Patch<Text>,
    #[schemars(example = &"Ada")]
    pub nickname: Patch<Text>,
    #[schemars(example = &"ada")]
    pub preferred_username: Patch<Text>,
    #[schemars(example = &"female")]
    pub gender: Patch<Text>,
    #[schemars(example = &"none of these")]
    pub other_gender: Patch<Text>,
    #[schemars(example = &"https://ada.example.com/about")]
    pub profile: Patch<WebUrl>,
    #[schemars(example = &"https://ada.example.com/ada.png")]
    pub picture: Patch<WebUrl>,
    #[schemars(example = &"https://ada.example.com")]
    pub website: Patch<WebUrl>,
    pub birthdate: Patch<Birthdate>,
    pub zoneinfo: Patch<Zoneinfo>,
    pub locale: Patch<Locale>,
    pub phone_number: Patch<PhoneNumber>,
}

/// Adds the read-only fields, which are ignored.
fn add_read_only(schema: &mut Schema) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let ignored = json!({ "description": "Read-only: the value is ignored." });
        properties.extend(READ_ONLY.iter().map(|field| ((*field).to_owned(), ignored.clone())));
    }
}

impl ProfilePatch {
    /// Parses the body of an update, `{"user": {…}, "test"?: bool}`. `test` is checked and ignored: it once selected a
    /// payment sandbox. A birthdate after `today` is refused.
    pub fn parse(body: Map<String, Value>, today: Date) -> Result<Self, FieldErrors> {
        let mut body = Fields::of(body, Invalid("is not a field of this body, only `user` and `test` are"));
        let patch = body.object("user", Invalid("is not a field of a user"), |user| Self {
            email: user.optional("email", Email::parse),
            ..Self::read(user, today)
        });
        body.boolean("test");
        body.finish(|| patch)
    }

    /// Parses the fields of a new user, which a body has in `user`, without the address.
    pub fn of_new(fields: Map<String, Value>, today: Date) -> Result<Self, FieldErrors> {
        let mut fields = Fields::of(fields, Invalid("is not a field of a user"));
        let patch = Self::read(&mut fields, today);
        fields.finish(|| Ok(patch))
    }

    /// Reads every field except the address.
    pub(crate) fn read(user: &mut Fields, today: Date) -> Self {
        user.ignore(READ_ONLY);
        Self {
            email: None,
            language: user.optional("language", Language::parse),
            accepted_newsletter: user.boolean("acceptedNewsletter"),
            salutation: user.patch("salutation", Text::parse),
            salutation_other: user.patch("salutationOther", Text::parse),
            name: user.patch("name", Text::parse),
            given_name: user.patch("given_name", Text::parse),
            family_name: user.patch("family_name", Text::parse),
            middle_name: user.patch("middle_name", Text::parse),
            nickname: user.patch("nickname", Text::parse),
            preferred_username: user.patch("preferred_username", Text::parse),
            gender: user.patch("gender", Text::parse),
            other_gender: user.patch("other_gender", Text::parse),
            profile: user.patch("profile", WebUrl::parse),
            picture: user.patch("picture", WebUrl::parse),
            website: user.patch("website", WebUrl::parse),
            birthdate: user.patch("birthdate", |value| Birthdate::parse(value, today)),
            zoneinfo: user.patch("zoneinfo", Zoneinfo::parse),
            locale: user.patch("locale", Locale::parse),
            phone_number: user.patch("phone_number", PhoneNumber::parse),
        }
    }

    /// Names of the fields that a valid body changes.
    #[must_use]
    pub fn names(body: &Map<String, Value>) -> Vec<String> {
        let user = body.get("user").and_then(Value::as_object);
        let names = user.into_iter().flat_map(Map::keys);
        names.filter(|name| !READ_ONLY.contains(&name.as_str())).cloned().collect()
    }

    /// Whether the patch changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(body: Value) -> Result<ProfilePatch, String> {
        match body {
            Value::Object(map) => {
                ProfilePatch::parse(map, date(2026, 11, 22)).map_err(|error| error.to_string())
            }
            other => panic!("{other} is not an object"),
        }
    }

    fn text(value: &str) -> Patch<Text> {
        Patch::Set(Text::parse(value).unwrap())
    }

    fn url(value: &str) -> Patch<WebUrl> {
        Patch::Set(WebUrl::parse(value).unwrap())
    }

    #[test]
    fn every_field_of_the_body_is_parsed_into_the_patch() {
        let body = json!({"test": true, "user": {
            "email": " Ada@example.com ", "language": "EN-gb", "acceptedNewsletter": false, "salutation": "1",
            "salutationOther": "2", "name": "3", "given_name": "4", "family_name": "5", "middle_name": "6",
            "nickname": "7", "preferred_username": "8", "gender": "9", "other_gender": "10",
            "profile": "http://profile.example", "picture": "http://picture.example",
            "website": "http://website.example", "birthdate": "1815-12-10T00:00:00Z", "zoneinfo": "europe/london",
            "locale": "en_GB", "phone_number": "+44 20 7946 0000",
        }});
        let expected = ProfilePatch {
            email: Some(Email::parse("Ada@example.com").unwrap()),
            language: Some(Language::parse("en-GB").unwrap()),
            accepted_newsletter: Some(false),
            salutation: text("1"),
            salutation_other: text("2"),
            name: text("3"),
            given_name: text("4"),
            family_name: text("5"),
            middle_name: text("6"),
            nickname: text("7"),
            preferred_username: text("8"),
            gender: text("9"),
            other_gender: text("10"),
            profile: url("http://profile.example"),
            picture: url("http://picture.example"),
            website: url("http://website.example"),
            birthdate: Patch::Set(Birthdate::parse("1815-12-10", date(2026, 11, 22)).unwrap()),
            zoneinfo: Patch::Set(Zoneinfo::parse("Europe/London").unwrap()),
            locale: Patch::Set(Locale::parse("en-GB").unwrap()),
            phone_number: Patch::Set(PhoneNumber::parse("+44 20 7946 0000").unwrap()),
        };
        assert_eq!(parse(body), Ok(expected));
    }

    #[test]
    fn absent_field_is_kept_and_null_or_blank_field_is_cleared() {
        assert!(parse(json!({"user": {}})).unwrap().is_empty());
        for blank in [json!(null), json!(""), json!(" \u{3000}\n")] {
            for field in TEXT_FIELDS {
                let patch = parse(json!({"user": {field: blank}})).unwrap();
                assert!(!patch.is_empty(), "{field}");
            }
            let user =
                Value::Object(TEXT_FIELDS.iter().map(|&field| (field.to_owned(), blank.clone())).collect());
            let expected = ProfilePatch {
                salutation: Patch::Clear,
                salutation_other: Patch::Clear,
                name: Patch::Clear,
                given_name: Patch::Clear,
                family_name: Patch::Clear,
                middle_name: Patch::Clear,
                nickname: Patch::Clear,
                preferred_username: Patch::Clear,
                gender: Patch::Clear,
                other_gender: Patch::Clear,
                profile: Patch::Clear,
                picture: Patch::Clear,
                website: Patch::Clear,
                birthdate: Patch::Clear,
                zoneinfo: Patch::Clear,
                locale: Patch::Clear,
                phone_number: Patch::Clear,
                ..ProfilePatch::default()
            };
            assert_eq!(parse(json!({"user": user})), Ok(expected));
            for field in ["email", "language", "acceptedNewsletter"] {
                let error = parse(json!({"user": {field: blank}})).unwrap_err();
                assert!(error.starts_with(&format!("`user.{field}` must be ")), "{error}");
            }
        }
    }

    #[test]
    fn read_only_fields_are_ignored_with_any_value() {
        for value in [json!(null), json!(7), json!("\u{0}"), json!({"x": []})] {
            let user =
                Value::Object(READ_ONLY.iter().map(|&field| (field.to_owned(), value.clone())).collect());
            assert!(parse(json!({"user": user})).unwrap().is_empty());
        }
    }

    #[test]
    fn every_invalid_field_is_named() {
        let body = json!({"tset": true, "test": "true", "user": {
            "email": "nobody", "nickame": "x", "name": 5, "website": "example.com", "birthdate": "2026-11-23",
        }});
        assert_eq!(
            parse(body).unwrap_err(),
            "`user.email` must be one e-mail address such as ada@example.com; `user.name` must be a string; \
             `user.website` must be an absolute http or https URL of at most 2048 characters; `user.birthdate` \
             must be a real date, YYYY-MM-DD, 0000-MM-DD or YYYY, and not in the future; `user.nickame` is not \
             a field of a user; `test` must be true or false; `tset` is not a field of this body, only `user` \
             and `test` are"
        );
        for field in TEXT_FIELDS.iter().chain(&["email", "language"]) {
            for value in [json!(1), json!(true), json!(["a"]), json!({})] {
                assert_eq!(
                    parse(json!({"user": {*field: value}})).unwrap_err(),
                    format!("`user.{field}` must be a string")
                );
            }
            let error = parse(json!({"user": {*field: "a\u{0}b"}})).unwrap_err();
            assert!(error.starts_with(&format!("`user.{field}` must be ")), "{error}");
        }
    }

    #[test]
    fn missing_or_non_object_user_is_refused() {
        assert_eq!(parse(json!({})).unwrap_err(), "`user` is required and must be an object");
        for user in [json!(null), json!("x"), json!([]), json!(1)] {
            assert_eq!(parse(json!({"user": user})).unwrap_err(), "`user` must be an object");
        }
        assert_eq!(parse(json!({"user": {}, "test": null})).unwrap_err(), "`test` must be true or false");
    }

    proptest! {
        #[test]
        fn arbitrary_fields_do_not_panic(
            fields in prop::collection::btree_map(
                prop_oneof![prop::sample::select(&TEXT_FIELDS[..]).prop_map(str::to_owned), any::<String>()],
                any::<String>(),
                0..8,
            ),
        ) {
            let _ = parse(json!({"user": fields}));
        }

        #[test]
        fn name_is_stored_trimmed_and_blank_name_is_cleared(name in any::<String>()) {
            if let Ok(patch) = parse(json!({"user": {"name": name}})) {
                prop_assert_eq!(patch.name.to_sql(), Some(name.trim()));
                prop_assert_eq!(patch.name == Patch::Clear, name.trim().is_empty());
            }
        }
    }
}
