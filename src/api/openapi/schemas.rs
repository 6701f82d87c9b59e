//! Schemas of request and response bodies, in JSON Schema 2020-12. A rule that a schema cannot express in full (a valid
//! date, a known time zone) is a `format` with a description. A `pattern` matches everything that the parsers of
//! `domain` accept. The tests check every field against those parsers.

use serde_json::{Map, Value, json};

use super::{invites, referrals};
use crate::http::operation::Body;

/// The id of the user in examples.
pub(crate) const USER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// The id of the user's app.
pub(crate) const APP: &str = "018f2f3e-6c1b-7d3a-9e4f-2a1b3c4d5e6f";
/// The id of the invite in examples.
pub(crate) const INVITE: &str = "01890a5d-ac96-774b-bcce-b302099a8060";
/// The id of the user's tenant.
const TENANT: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

/// The writable fields of a user: name, schema, example.
const PROFILE: [(&str, &str, &str); 19] = [
    ("email", "Email", "ada@example.com"),
    ("language", "Language", "en-GB"),
    ("salutation", "Text", "Ms"),
    ("salutationOther", "Text", "Countess"),
    ("name", "Text", "Ada Lovelace"),
    ("given_name", "Text", "Ada"),
    ("family_name", "Text", "Lovelace"),
    ("middle_name", "Text", "King"),
    ("nickname", "Text", "Ada"),
    ("preferred_username", "Text", "ada"),
    ("gender", "Text", "female"),
    ("other_gender", "Text", "none of these"),
    ("profile", "WebUrl", "https://ada.example.com/about"),
    ("picture", "WebUrl", "https://ada.example.com/ada.png"),
    ("website", "WebUrl", "https://ada.example.com"),
    ("birthdate", "Birthdate", "1815-12-10"),
    ("zoneinfo", "Zoneinfo", "Europe/London"),
    ("locale", "Locale", "en-GB"),
    ("phone_number", "PhoneNumber", "+44 20 7946 0000"),
];

/// The pattern of a phone number: digits, and between them the characters that `PhoneNumber` accepts or removes.
fn phone_number() -> String {
    const BETWEEN: &str = "[+().\\-/ \\u00a0\\u00ad\\u034f\\u058a\\u061c\\u115f\\u1160\\u1680\\u180e\\u2000-\\u2015\\u202a-\\u202f\\u2043\
        \\u205f-\\u206f\\u2212\\u3000\\u3164\\ufe00-\\ufe0f\\ufe58\\ufe63\\ufeff\\uff0d\\uffa0\\ufff0-\\ufffb]*";
    format!("^{BETWEEN}([0-9]{BETWEEN}){{3,}}(;ext=[0-9]+)?$")
}

/// The read-only fields of a user: name, schema, example, description.
fn read_only() -> [(&'static str, Value, Value, &'static str); 10] {
    let id = || json!({ "type": "string", "format": "uuid" });
    let flag = || json!({ "type": "boolean" });
    let time = || json!({ "type": ["string", "null"], "format": "date-time" });
    [
        ("id", id(), json!(USER), "The UUID of the user."),
        ("appId", id(), json!(APP), "The app of the user: `X-CLIENT-ID`, and `aud` of access tokens."),
        ("tenantId", id(), json!(TENANT), "The UUID of the tenant within the app that the user belongs to."),
        ("freezed", flag(), json!(false), "Whether the app's backend has frozen the user."),
        ("deleted", flag(), json!(false), "Whether the user has been erased."),
        ("email_verified", flag(), json!(true), "Whether `email` is verified."),
        ("phone_number_verified", flag(), json!(false), "Whether `phone_number` is verified."),
        ("acceptedNewsletterDate", time(), json!("2026-11-22T09:30:00Z"), "Time of acceptance, UTC."),
        (
            "lastAskedNewsletterSignUp",
            time(),
            json!("2026-11-22T09:30:00Z"),
            "Time of the last update with `acceptedNewsletter`, UTC.",
        ),
        ("mailchimpMemberId", json!({ "type": ["string", "null"] }), json!(null), "Not used by this server."),
    ]
}

const NEWSLETTER: &str = "Whether the user has accepted the newsletter.";

pub(crate) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object with exactly these fields, all required.
pub(crate) fn exact(properties: Value) -> Value {
    let names: Vec<String> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let mut object = json!({ "type": "object", "required": names, "additionalProperties": false });
    object["properties"] = properties;
    object
}

/// The body of a successful response with `data` of this schema.
pub(crate) fn success(data: &str) -> Value {
    let data = self::data(data);
    let message = json!({ "type": "string", "description": "The result, for a developer." });
    exact(json!({
        "success": { "const": true },
        "message": message,
        "error": { "type": "null" },
        "data": data,
    }))
}

/// The schema of `data`: a reference to the named schema of `components`, or null for `Null`.
pub(crate) fn data(name: &str) -> Value {
    if name == "Null" { json!({ "type": "null" }) } else { reference(name) }
}

/// An example of a request body. That of an update sets every field.
pub(crate) fn body_example(body: Body) -> Value {
    match body {
        Body::Bulk => return referrals::bulk_example(),
        Body::Invite | Body::Referral => return json!({ "email": "ada@example.com", "language": "en" }),
        Body::Verification => return json!({ "email": "ada@example.com" }),
        Body::ExternalSubject => return json!({ "externalSubject": "auth0|5f7c8ec7c33c6c004bbafe82" }),
        Body::MailReport => {
            return json!({
                "type": "bounced", "messageId": format!("<{USER}@id.example.com>"), "detail": "550 5.1.1 no such user",
            });
        }
        Body::Accept => return json!({ "user": { "given_name": "Ada", "family_name": "Lovelace" } }),
        Body::Update => {}
    }
    let mut user: Map<String, Value> =
        PROFILE.iter().map(|(field, _, example)| ((*field).to_owned(), json!(example))).collect();
    user.insert("acceptedNewsletter".to_owned(), json!(true));
    json!({ "user": user, "test": true })
}

pub(crate) fn user_example() -> Map<String, Value> {
    let body = body_example(Body::Update);
    let mut user = body["user"].as_object().cloned().unwrap_or_default();
    user.extend(read_only().map(|(field, _, example, _)| (field.to_owned(), example)));
    user
}

/// An example of `data` in a successful response, for the schema of that name.
pub(crate) fn data_example(name: &str) -> Value {
    let resource = || {
        let mut user = user_example();
        user.insert("kind".to_owned(), json!("user"));
        user
    };
    match name {
        "InvitedUser" => json!({ "user": user_example() }),
        "UserResource" => json!(resource()),
        "UserPage" => {
            json!({ "kind": "users", "itemsLength": 1, "items": [resource()], "nextCursor": USER })
        }
        "AccessToken" => json!({ "tokenType": "Bearer", "accessToken": "eyJhbGciOi…", "expiresIn": 900 }),
        "PublicKey" => json!({
            "kind": "publicKey",
            "publicKey": "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq…\n-----END PUBLIC KEY-----\n",
        }),
        "JwkSet" => json!({ "keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "01890a5d-ac96-774b-bcce-b302099a8059",
            "n": "0vx7agoebGcQSuu…", "e": "AQAB",
        }] }),
        name => invites::data_example(name).or_else(|| referrals::data_example(name)).unwrap_or_default(),
    }
}

/// All named schemas. `codes`: the values of `X-Error-Code`.
pub(crate) fn schemas(codes: &[&str]) -> Value {
    let mut schemas = json!({
        "Refusal": exact(json!({
            "success": { "const": false },
            "message": { "type": "null" },
            "error": {
                "type": "string",
                "description": "One sentence for a developer, which names the invalid fields or header. The \
                    text can change; `X-Error-Code` is stable.",
            },
            "data": { "type": "null" },
        })),
        "ErrorCode": {
            "type": "string",
            "enum": codes,
            "description": "All values of `X-Error-Code`.",
            "examples": ["invalid_fields"],
        },
        "Invite": referrals::invite(true),
        "Referral": referrals::invite(false),
        "Bulk": referrals::bulk(),
        "Update": update(),
        "ExternalSubject": {
            "type": "object",
            "required": ["externalSubject"],
            "additionalProperties": false,
            "properties": {
                "externalSubject": {
                    "anyOf": [reference("Text"), reference("Cleared")],
                    "description": "The `sub` of the user at the app's external issuer. `null` or an empty \
                        string removes it.",
                    "examples": ["auth0|5f7c8ec7c33c6c004bbafe82"],
                },
            },
        },
        "Verification": {
            "type": "object",
            "required": ["email"],
            "additionalProperties": false,
            "properties": { "email": reference("Email") },
        },
        "MailReport": mail_report(),
        "User": user(),
        "InvitedUser": exact(json!({ "user": reference("User") })),
        "UserResource": resource(),
        "UserPage": exact(json!({
            "kind": { "const": "users" },
            "itemsLength": { "type": "integer", "minimum": 0, "maximum": 100 },
            "items": { "type": "array", "maxItems": 100, "items": reference("UserResource") },
            "nextCursor": {
                "type": ["string", "null"],
                "format": "uuid",
                "description": "The value of `after` for the next page; `null` on the last page.",
            },
        })),
        "AccessToken": exact(access_token()),
        "PublicKey": exact(json!({
            "kind": { "const": "publicKey" },
            "publicKey": {
                "type": "string",
                "description": "The public key as SubjectPublicKeyInfo in PEM (RFC 7468).",
            },
        })),
        "JwkSet": exact(json!({
            "keys": {
                "type": "array",
                "items": exact(json!({
                    "kty": { "const": "RSA" }, "use": { "const": "sig" }, "alg": { "const": "RS256" },
                    "kid": { "type": "string", "format": "uuid" },
                    "n": { "type": "string", "description": "The modulus (RFC 7518, 6.3.1.1)." },
                    "e": { "type": "string", "description": "The exponent (RFC 7518, 6.3.1.2)." },
                })),
            },
        })),
    });
    if let Value::Object(schemas) = &mut schemas {
        schemas.extend(values());
        schemas.extend(invites::schemas(update()));
        schemas.extend(referrals::schemas());
    }
    schemas
}

/// The fields of a response with an access token.
pub(crate) fn access_token() -> Value {
    json!({
        "tokenType": { "const": "Bearer" },
        "accessToken": {
            "type": "string",
            "description": "A JWT (RFC 7519), signed with RS256. Claims: `iss`, `aud` (the app), `sub` (the \
                user), `exp`.",
        },
        "expiresIn": { "type": "integer", "minimum": 1, "description": "Lifetime in seconds." },
    })
}

/// The schemas of text values.
fn values() -> Map<String, Value> {
    let values = json!({
        "Email": {
            "type": "string",
            "format": "email",
            "pattern": "^[^@]+@[^@]+$",
            "maxLength": 254,
            "description": "One e-mail address, at most 254 bytes. International domain names are accepted \
                and stored as punycode. Non-ASCII characters before the `@` are stored in lower case and \
                need a mail server with SMTPUTF8. An address is unique in the app, compared without regard \
                to case.",
            "examples": ["ada@example.com"],
        },
        "Language": {
            "type": "string",
            "format": "language",
            "pattern": "^[A-Za-z]{1,3}(-[A-Za-z0-9]{1,8})*$",
            "maxLength": 64,
            "description": "A BCP 47 language tag in any case (`de`, `en-US`, `zh-Hant`), or an ISO 3166 \
                country code in upper case (`DE`), which stands for the most likely language of that \
                country. Two upper-case letters are always read as a country, or as an alias of a country \
                in CLDR (`UK`).",
            "examples": ["en-GB"],
        },
        "Text": {
            "type": "string",
            "pattern": "^[\\t-\\r\\u0085]*[^\\u0000-\\u001f\\u007f-\\u009f]*[\\t-\\r\\u0085]*$",
            "maxLength": 256,
            "description": "Unicode text of at most 256 characters, without control characters. Leading and \
                trailing white space is removed.",
            "examples": ["Ada Lovelace"],
        },
        "WebUrl": {
            "type": "string",
            "format": "uri",
            "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^/\\s\"`<>\\\\][^\\s\"`<>\\\\]*$",
            "maxLength": 2048,
            "description": "An absolute `http` or `https` URL of at most 2048 characters.",
            "examples": ["https://ada.example.com"],
        },
        "Birthdate": {
            "type": "string",
            "format": "birthdate",
            "pattern": "^[0-9]{4}(-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?\
                ([Zz]|[+-][0-9]{2}:[0-9]{2}))?)?$",
            "description": "`YYYY-MM-DD`, `0000-MM-DD` (without the year) or `YYYY`, as in OpenID Connect. \
                Of an RFC 3339 date-time only the date is stored. It must be a valid date that is not in \
                the future.",
            "examples": ["1815-12-10"],
        },
        "Zoneinfo": {
            "type": "string",
            "format": "time-zone",
            "pattern": "^[A-Za-z0-9_+/-]+$",
            "maxLength": 64,
            "description": "A time zone name of the IANA database, in any case.",
            "examples": ["Europe/London"],
        },
        "Locale": {
            "type": "string",
            "format": "locale",
            "pattern": "^[A-Za-z]{1,3}([-_][A-Za-z0-9]{1,8})*$",
            "maxLength": 64,
            "description": "A BCP 47 language tag in any case. `_` is read as `-`.",
            "examples": ["en-GB"],
        },
        "PhoneNumber": {
            "type": "string",
            "pattern": phone_number(),
            "maxLength": 64,
            "description": "A phone number in free form: at most 64 digits, spaces and `+ - . ( ) /`, with \
                at least three digits, optionally followed by an extension such as `;ext=12`. Spaces and \
                hyphens of any kind are stored as ASCII ones, and invisible characters are removed.",
            "examples": ["+44 20 7946 0000"],
        },
        "Cleared": {
            "enum": ["", null],
            "description": "`null` or an empty string clears the field.",
        },
    });
    if let Value::Object(values) = values { values } else { Map::new() }
}

pub(crate) fn with(mut schema: Value, description: &str, example: &Value) -> Value {
    schema["description"] = json!(description);
    schema["examples"] = json!([example]);
    schema
}

/// The body of an update.
fn update() -> Value {
    let cannot_be_cleared = ["email", "language"];
    let mut fields: Map<String, Value> = PROFILE
        .iter()
        .map(|&(field, schema, example)| {
            let (schema, description) = if cannot_be_cleared.contains(&field) {
                (reference(schema), "This field cannot be cleared.")
            } else {
                (json!({ "anyOf": [reference(schema), reference("Cleared")] }), "`null` or `\"\"` clears it.")
            };
            (field.to_owned(), with(schema, description, &json!(example)))
        })
        .collect();
    let newsletter = format!("{NEWSLETTER} This field cannot be cleared.");
    fields.insert(
        "acceptedNewsletter".to_owned(),
        with(json!({ "type": "boolean" }), &newsletter, &json!(true)),
    );
    let ignored = json!({ "description": "Read-only: the value is ignored." });
    for (field, ..) in read_only() {
        fields.insert(field.to_owned(), ignored.clone());
    }
    fields.insert("kind".to_owned(), ignored);
    json!({
        "type": "object",
        "required": ["user"],
        "additionalProperties": false,
        "properties": {
            "user": {
                "type": "object",
                "additionalProperties": false,
                "properties": fields,
                "description": "The fields to change. Absent fields are not changed. If one field is \
                    invalid, nothing is changed.",
            },
            "test": {
                "type": "boolean",
                "description": "Must be a boolean. It has no effect.",
                "examples": [true],
            },
        },
    })
}

/// The body of a mail report.
fn mail_report() -> Value {
    let fields = json!({
        "type": {
            "enum": ["bounced", "delayed", "complained"],
            "description": "`bounced`: the mail was returned and will not be delivered. `delayed`: the mail \
                is late and delivery is still being tried. `complained`: the recipient reported the mail as \
                unwanted.",
            "examples": ["bounced"],
        },
        "messageId": {
            "type": "string", "pattern": "^(<[!-;=?-~]{1,250}>|[!-;=?-~]{1,250})$",
            "description": "The `Message-ID` of the mail, with or without angle brackets.",
            "examples": [format!("<{USER}@id.example.com>")],
        },
        "inviteId": {
            "type": "string", "format": "uuid",
            "description": "The UUID of the invite, instead of `messageId`. The report is about its newest \
                mail.",
            "examples": [USER],
        },
        "detail": {
            "type": "string", "maxLength": 2000,
            "description": "The reason for the report. It is stored as one line of at most 500 bytes, with \
                long words masked.",
            "examples": ["550 5.1.1 no such user"],
        },
    });
    json!({
        "type": "object",
        "required": ["type"],
        "oneOf": [{ "required": ["messageId"] }, { "required": ["inviteId"] }],
        "additionalProperties": false,
        "properties": fields,
    })
}

/// A user in a response.
fn user() -> Value {
    let mut fields: Map<String, Value> = PROFILE
        .iter()
        .map(|&(field, schema, example)| {
            let shown = if field == "language" { json!("string") } else { json!(["string", "null"]) };
            let description = format!("See `{schema}`. `null` if not set.");
            (field.to_owned(), with(json!({ "type": shown }), &description, &json!(example)))
        })
        .collect();
    fields.insert(
        "acceptedNewsletter".to_owned(),
        with(json!({ "type": "boolean" }), NEWSLETTER, &json!(true)),
    );
    fields.extend(
        read_only().map(|(field, schema, example, about)| (field.to_owned(), with(schema, about, &example))),
    );
    exact(Value::Object(fields))
}

/// A user with `kind`.
fn resource() -> Value {
    let mut fields = user()["properties"].clone();
    fields["kind"] = json!({ "const": "user" });
    exact(fields)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use uuid::Uuid;

    use super::*;
    use crate::domain::email::Email;
    use crate::domain::fields::{FieldErrors, Patch};
    use crate::domain::id::{AppId, UserId};
    use crate::domain::invites::invite_body::InviteBody;
    use crate::domain::language::Language;
    use crate::domain::users::User;
    use crate::domain::users::profile::ProfilePatch;

    fn parse(body: &Value) -> Result<ProfilePatch, FieldErrors> {
        ProfilePatch::parse(body.as_object().cloned().unwrap(), date(2026, 11, 22))
    }

    #[test]
    fn update_example_sets_every_field() {
        let patch = parse(&body_example(Body::Update)).unwrap();
        // A field without an example would be left at its default.
        let text = format!("{patch:?}");
        assert!(!text.contains("Keep") && !text.contains("None"), "{text}");
        assert_ne!(patch.phone_number, Patch::Keep);
        InviteBody::parse(body_example(Body::Invite).as_object().cloned().unwrap()).unwrap();
    }

    #[test]
    fn update_accepts_exactly_the_documented_fields() {
        let update = update();
        let described = update["properties"]["user"]["properties"].as_object().unwrap();
        for (field, schema) in described {
            let value = schema["examples"][0].clone();
            parse(&json!({ "user": { field: value } })).unwrap();
            let cleared = parse(&json!({ "user": { field: "" } })).is_ok();
            let says = schema["anyOf"][1] == reference("Cleared") || schema.get("examples").is_none();
            assert_eq!(cleared, says, "{field}");
        }
        for (field, _) in user()["properties"].as_object().unwrap() {
            assert!(described.contains_key(field), "{field}");
        }
    }

    #[test]
    fn user_has_exactly_the_documented_fields() {
        let body = InviteBody {
            email: Email::parse("a@b.co").unwrap(),
            language: Language::parse("en").unwrap(),
            expires_in: None,
        };
        let stored = User::invited(AppId(Uuid::nil()), UserId(Uuid::nil()), Uuid::nil(), &body);
        let stored = serde_json::to_value(stored).unwrap();
        let fields: Vec<&String> = stored.as_object().unwrap().keys().collect();
        assert_eq!(user()["required"], json!(fields));
        assert_eq!(json!(user_example().keys().collect::<Vec<_>>()), json!(fields));
    }
}
