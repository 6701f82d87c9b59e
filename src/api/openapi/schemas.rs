//! What bodies and answers look like, as JSON Schema 2020-12. A rule that a schema cannot say in full (a real
//! date, a known time zone) is a `format` with a sentence beside it; a `pattern` refuses nothing that the
//! parsers of `domain` take. The tests hold every field against those parsers.

use serde_json::{Map, Value, json};

use super::{Body, invites, referrals};

/// A user of the examples.
pub(crate) const USER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// Their app.
pub(crate) const APP: &str = "018f2f3e-6c1b-7d3a-9e4f-2a1b3c4d5e6f";
/// An invite.
pub(crate) const INVITE: &str = "01890a5d-ac96-774b-bcce-b302099a8060";
/// Their tenant.
const TENANT: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

/// What a caller may change of a user: the field, its schema, an example.
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

/// The pattern of a phone number: digits, and between them what `PhoneNumber` takes or leaves out.
fn phone_number() -> String {
    const BETWEEN: &str = "[+().\\-/ \\u00a0\\u00ad\\u034f\\u058a\\u061c\\u115f\\u1160\\u1680\\u180e\\u2000-\\u2015\\u202a-\\u202f\\u2043\
        \\u205f-\\u206f\\u2212\\u3000\\u3164\\ufe00-\\ufe0f\\ufe58\\ufe63\\ufeff\\uff0d\\uffa0\\ufff0-\\ufffb]*";
    format!("^{BETWEEN}([0-9]{BETWEEN}){{3,}}(;ext=[0-9]+)?$")
}

/// What only the server writes: the field, the schema of what it shows, an example, what it is.
fn read_only() -> [(&'static str, Value, Value, &'static str); 10] {
    let id = || json!({ "type": "string", "format": "uuid" });
    let flag = || json!({ "type": "boolean" });
    let time = || json!({ "type": ["string", "null"], "format": "date-time" });
    [
        ("id", id(), json!(USER), "The user's UUID."),
        ("appId", id(), json!(APP), "The app of the user: `X-CLIENT-ID`, and `aud` of access tokens."),
        ("tenantId", id(), json!(TENANT), "The account inside the app that the user belongs to."),
        ("freezed", flag(), json!(false), "Whether the app's backend shut the user out."),
        ("deleted", flag(), json!(false), "Whether the user was erased."),
        ("email_verified", flag(), json!(true), "Whether the user proved to read mail at `email`."),
        ("phone_number_verified", flag(), json!(false), "Whether the user proved to answer `phone_number`."),
        ("acceptedNewsletterDate", time(), json!("2026-11-22T09:30:00Z"), "When they agreed, UTC."),
        ("lastAskedNewsletterSignUp", time(), json!("2026-11-22T09:30:00Z"), "When they last answered, UTC."),
        ("mailchimpMemberId", json!({ "type": ["string", "null"] }), json!(null), "Not used by this server."),
    ]
}

const NEWSLETTER: &str = "Whether the user agreed to get the newsletter.";

pub(crate) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object with exactly these fields, all of them always there.
pub(crate) fn exact(properties: Value) -> Value {
    let names: Vec<String> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let mut object = json!({ "type": "object", "required": names, "additionalProperties": false });
    object["properties"] = properties;
    object
}

/// The body of a success with `data` of this schema.
pub(crate) fn success(data: &str) -> Value {
    let data = self::data(data);
    let message = json!({ "type": "string", "description": "What was done, for a developer." });
    exact(json!({
        "success": { "const": true },
        "message": message,
        "error": { "type": "null" },
        "data": data,
    }))
}

/// A named schema of `components`, where `data` is one; `Null` for `data: null`.
pub(crate) fn data(name: &str) -> Value {
    if name == "Null" { json!({ "type": "null" }) } else { reference(name) }
}

/// The body of an invite, or of an update that sets every field.
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

/// `data` of a success, for the schema of that name.
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

/// Every schema that has a name. `codes`: the values of `X-Error-Code`.
pub(crate) fn schemas(codes: &[&str]) -> Value {
    let mut schemas = json!({
        "Refusal": exact(json!({
            "success": { "const": false },
            "message": { "type": "null" },
            "error": {
                "type": "string",
                "description": "One sentence for a developer, which names the fields or the header at fault. It may \
                    change; `X-Error-Code` does not.",
            },
            "data": { "type": "null" },
        })),
        "ErrorCode": {
            "type": "string",
            "enum": codes,
            "description": "Every value of `X-Error-Code`.",
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
                    "description": "`sub` of the app's external issuer; `null` or an empty text forgets it.",
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
                "description": "`after` of the next page; `null` on the last one.",
            },
        })),
        "AccessToken": exact(access_token()),
        "PublicKey": exact(json!({
            "kind": { "const": "publicKey" },
            "publicKey": { "type": "string", "description": "SubjectPublicKeyInfo, PEM (RFC 7468)." },
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

/// What an answer with an access token has of it.
pub(crate) fn access_token() -> Value {
    json!({
        "tokenType": { "const": "Bearer" },
        "accessToken": {
            "type": "string",
            "description": "A JWT (RFC 7519), signed RS256: `iss`, `aud` the app, `sub` the user, `exp`.",
        },
        "expiresIn": { "type": "integer", "minimum": 1, "description": "Seconds." },
    })
}

/// The kinds of text.
fn values() -> Map<String, Value> {
    let values = json!({
        "Email": {
            "type": "string",
            "format": "email",
            "pattern": "^[^@]+@[^@]+$",
            "maxLength": 254,
            "description": "One e-mail address, at most 254 bytes. International domains are accepted and kept as \
                punycode; letters other than ASCII before the `@` are kept in lower case, and need a mail server with SMTPUTF8. Unique in the app, compared without case.",
            "examples": ["ada@example.com"],
        },
        "Language": {
            "type": "string",
            "format": "language",
            "pattern": "^[A-Za-z]{1,3}(-[A-Za-z0-9]{1,8})*$",
            "maxLength": 64,
            "description": "A BCP 47 language tag in any case (`de`, `en-US`, `zh-Hant`), or an ISO 3166 country code \
                in upper case (`DE`), which stands for the likeliest language of the country. Two capitals are always a \
                country, or what CLDR has as an alias of one (`UK`).",
            "examples": ["en-GB"],
        },
        "Text": {
            "type": "string",
            "pattern": "^[\\t-\\r\\u0085]*[^\\u0000-\\u001f\\u007f-\\u009f]*[\\t-\\r\\u0085]*$",
            "maxLength": 256,
            "description": "Unicode text of at most 256 characters without control characters. White space around it is \
                cut off.",
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
            "description": "`YYYY-MM-DD`, `0000-MM-DD` (the year is not told) or `YYYY`, as OpenID Connect has it; of an \
                RFC 3339 date-time the date is kept. A real date, not in the future.",
            "examples": ["1815-12-10"],
        },
        "Zoneinfo": {
            "type": "string",
            "format": "time-zone",
            "pattern": "^[A-Za-z0-9_+/-]+$",
            "maxLength": 64,
            "description": "The name of a time zone in the IANA database, in any case.",
            "examples": ["Europe/London"],
        },
        "Locale": {
            "type": "string",
            "format": "locale",
            "pattern": "^[A-Za-z]{1,3}([-_][A-Za-z0-9]{1,8})*$",
            "maxLength": 64,
            "description": "A BCP 47 language tag in any case; `_` is taken for `-`.",
            "examples": ["en-GB"],
        },
        "PhoneNumber": {
            "type": "string",
            "pattern": phone_number(),
            "maxLength": 64,
            "description": "A phone number as people write it: at most 64 digits, spaces and `+ - . ( ) /`, at least three \
                digits, then optionally an extension as `;ext=12`. Spaces and hyphens of any kind are stored as plain ones, \
                without invisible characters.",
            "examples": ["+44 20 7946 0000"],
        },
        "Cleared": {
            "enum": ["", null],
            "description": "`null` or an empty string: the field is unset.",
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
                (reference(schema), "Cannot be cleared.")
            } else {
                (json!({ "anyOf": [reference(schema), reference("Cleared")] }), "`null` or `\"\"` clears it.")
            };
            (field.to_owned(), with(schema, description, &json!(example)))
        })
        .collect();
    let newsletter = format!("{NEWSLETTER} Cannot be cleared.");
    fields.insert(
        "acceptedNewsletter".to_owned(),
        with(json!({ "type": "boolean" }), &newsletter, &json!(true)),
    );
    let ignored = json!({ "description": "Ignored: only the server writes it." });
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
                "description": "The fields to change. What is not there stays as it is; one bad field and nothing \
                    changes.",
            },
            "test": {
                "type": "boolean",
                "description": "Checked to be a boolean; has no effect.",
                "examples": [true],
            },
        },
    })
}

/// The body that reports what became of a mail.
fn mail_report() -> Value {
    let fields = json!({
        "type": {
            "enum": ["bounced", "delayed", "complained"],
            "description": "What became of it: it came back for good, it is late and still tried, or who got it \
                complains.",
            "examples": ["bounced"],
        },
        "messageId": {
            "type": "string", "pattern": "^(<[!-;=?-~]{1,250}>|[!-;=?-~]{1,250})$",
            "description": "The `Message-ID` of the mail, with or without its angle brackets.",
            "examples": [format!("<{USER}@id.example.com>")],
        },
        "inviteId": {
            "type": "string", "format": "uuid",
            "description": "The invite, instead of `messageId`: its newest mail is meant.",
            "examples": [USER],
        },
        "detail": {
            "type": "string", "maxLength": 2000,
            "description": "What was said. Kept as one line of at most 500 bytes, long words masked.",
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

/// A user, as an answer shows them.
fn user() -> Value {
    let mut fields: Map<String, Value> = PROFILE
        .iter()
        .map(|&(field, schema, example)| {
            let shown = if field == "language" { json!("string") } else { json!(["string", "null"]) };
            let description = format!("See `{schema}`; `null` where it is not set.");
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

/// A user with their `kind`.
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
