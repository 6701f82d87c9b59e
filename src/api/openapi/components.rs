//! What operations share beside schemas: credentials, headers of answers, parameters.

use serde_json::{Value, json};

use super::{invites, reference, schemas};

pub(crate) fn security_schemes() -> Value {
    json!({
        "apiKey": {
            "type": "apiKey", "in": "header", "name": "X-API-KEY",
            "description": "An API key of the app, for servers only: from a browser it is refused, but for this page of a trial. It goes with `X-API-KEY-TYPE` \
                and `X-CLIENT-ID`.",
        },
        "apiKeyType": {
            "type": "apiKey", "in": "header", "name": "X-API-KEY-TYPE",
            "description": "The type of the key in `X-API-KEY`: `read` or `write`. Only a `write` key may change \
                anything.",
        },
        "clientId": {
            "type": "apiKey", "in": "header", "name": "X-CLIENT-ID",
            "description": "The UUID of the app of the key in `X-API-KEY`.",
        },
        "accessToken": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "An access token of a user. It reaches the users of their own tenant.",
        },
        "authentication": {
            "type": "apiKey", "in": "header", "name": "Authentication",
            "description": "The same value as `Authorization` has, `Bearer` and an access token, in the header that the \
                public JavaScript client sends.",
        },
    })
}

pub(crate) fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The id of the request in the log: the caller's, if it was sane, else a new one.",
            "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
            "example": schemas::USER,
        },
        "Retry-After": {
            "description": "Seconds to wait before the next attempt.",
            "schema": { "type": "integer", "minimum": 1 },
            "example": 5,
        },
        "RateLimit-Policy": {
            "description": "The limit that the request was counted for, as draft-ietf-httpapi-ratelimit-headers has it: `q` \
                in `w` seconds. Its name is `caller` (the API key, or the user of the token), `address` (what \
                proved nothing), `referrals` (of a user) or `mails` (of the app).",
            "schema": { "type": "string" },
            "example": "\"caller\";q=1000;w=1",
        },
        "RateLimit": {
            "description": "What is left of it: at least `r`, all of it again after `t` seconds.",
            "schema": { "type": "string" },
            "example": "\"caller\";r=900;t=1",
        },
        "WWW-Authenticate": {
            "description": "What credentials the route takes (RFC 6750, 3).",
            "required": true,
            "schema": { "type": "string" },
            "example": "Bearer realm=\"userdocks\"",
        },
        "ETag": {
            "description": "The version of the user (RFC 9110, 8.8.3), for `If-Match`.",
            "schema": { "type": "string", "pattern": "^\"[^\"]+\"$" },
            "example": "\"7421\"",
        },
    })
}

pub(crate) fn uuid() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

pub(crate) fn me() -> Value {
    json!({ "const": "me", "description": "The user of the access token." })
}

pub(crate) fn path(name: &str, about: &str, schema: Value, example: &str) -> Value {
    let mut described =
        json!({ "name": name, "in": "path", "required": true, "description": about, "example": example });
    described["schema"] = schema;
    described
}

/// An example beside the schema would be sent by everyone who tries the page without looking.
pub(crate) fn optional(place: &str, name: &str, about: &str, mut schema: Value, example: Value) -> Value {
    schema["examples"] = Value::Array(vec![example]);
    json!({ "name": name, "in": place, "description": about, "schema": schema })
}

pub(crate) fn parameters() -> Value {
    let key = r#"^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-+\-.-:<-\[\]-~]{1,255})$"#;
    let etags = r#"^(W/)?"[^",]*"( *, *(W/)?"[^",]*")*$"#;
    let mut parameters = json!({
        "userId": path("userId", "The UUID of a user, hyphenated, in any case.", uuid(), schemas::USER),
        "userIdOrMe": path(
            "userId",
            "The UUID of a user, or with an access token `me`.",
            json!({ "anyOf": [uuid(), me()] }),
            "me",
        ),
        "userIdOrMeOrEmail": path(
            "userId",
            "The UUID of a user, their e-mail address, or with an access token `me`.",
            json!({ "anyOf": [uuid(), me(), reference("schemas", "Email")] }),
            "me",
        ),
        "appId": path("appId", "The UUID of the app, hyphenated, in any case.", uuid(), schemas::APP),
        "accessStatus": path(
            "accessStatus",
            "`0` freezes, `1` unfreezes.",
            json!({ "type": "string", "enum": ["0", "1"] }),
            "0",
        ),
        "code": path("code", "The code in the link of an invite.", json!({ "type": "string" }), "AYkKXayWd0u8zrMCCZqAV9uGkd0Wt7m5r2bQK4yhXnZpE1c8oJfLsQ"),
        "limit": optional(
            "query",
            "limit",
            "How many items a page has at most.",
            json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 50 }),
            json!(50),
        ),
        "after": optional("query", "after", "The `nextCursor` of the page before.", uuid(), json!(schemas::USER)),
        "email": optional(
            "query",
            "email",
            "Only the user with this address.",
            reference("schemas", "Email"),
            json!("ada@example.com"),
        ),
        "provider": optional(
            "query",
            "provider",
            "The mail provider that calls.",
            json!({ "type": "string", "enum": ["ses", "sendgrid", "mailgun", "postmark"] }),
            json!("postmark"),
        ),
        "test": optional(
            "query",
            "test",
            "Checked to be `true` or `false`; has no effect.",
            json!({ "type": "boolean" }),
            json!(true),
        ),
        "X-Request-Id": optional(
            "header",
            "X-Request-Id",
            "An id of the caller's for the request, which the answer and the log repeat: 1 to 128 ASCII letters, \
                digits and `- _ . : / + =`. Another value is replaced.",
            json!({ "type": "string" }),
            json!("8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ),
        "Idempotency-Key": optional(
            "header",
            "Idempotency-Key",
            "A new value for each request, quoted or bare. The same request again within 24 hours gets the first \
                answer and has no second effect. A call that was refused changed nothing and is not kept: the same value \
                may be sent with what mends it.",
            json!({ "type": "string", "minLength": 1, "pattern": key }),
            json!("\"8e03978e-40d5-43dd-bc93-6894a57f9324\""),
        ),
        "If-Match": optional(
            "header",
            "If-Match",
            "The `ETag` of the user as they were read: a newer version is not overwritten.",
            json!({ "type": "string", "anyOf": [{ "const": "*" }, { "minLength": 2, "pattern": etags }] }),
            json!("*"),
        ),
    });
    if let Value::Object(parameters) = &mut parameters {
        parameters.extend(invites::parameters());
    }
    parameters
}
