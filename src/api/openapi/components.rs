//! Shared components besides schemas: security schemes, response headers and parameters.

use serde_json::{Value, json};

use super::{invites, reference, schemas};

pub(crate) fn security_schemes() -> Value {
    json!({
        "apiKey": {
            "type": "apiKey", "in": "header", "name": "X-API-KEY",
            "description": "An API key of the app, for servers only. Requests from a browser with an API \
                key are refused, except from this page on a trial server. Send it together with \
                `X-API-KEY-TYPE` and `X-CLIENT-ID`.",
        },
        "apiKeyType": {
            "type": "apiKey", "in": "header", "name": "X-API-KEY-TYPE",
            "description": "The type of the API key in `X-API-KEY`: `read` or `write`. Operations that \
                change data need a `write` key.",
        },
        "clientId": {
            "type": "apiKey", "in": "header", "name": "X-CLIENT-ID",
            "description": "The UUID of the app that the API key in `X-API-KEY` belongs to.",
        },
        "accessToken": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "An access token of a user. It gives access to the users of the same tenant.",
        },
        "authentication": {
            "type": "apiKey", "in": "header", "name": "Authentication",
            "description": "The same value as `Authorization`: `Bearer` and an access token. The public \
                JavaScript client sends this header.",
        },
    })
}

pub(crate) fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The request id, also written to the log. It is the one that the client sent if \
                that was valid, otherwise a new one.",
            "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
            "example": schemas::USER,
        },
        "Retry-After": {
            "description": "Number of seconds to wait before the next attempt.",
            "schema": { "type": "integer", "minimum": 1 },
            "example": 5,
        },
        "RateLimit-Policy": {
            "description": "The rate limit that applied to the request \
                (draft-ietf-httpapi-ratelimit-headers): `q` requests or mails in `w` seconds. The name of \
                the limit is `caller` (the API key, the user of the access token, or the invite code), \
                `address` (the IP address of requests without valid credentials), `referrals` (of a user) \
                or `mails` (of the app).",
            "schema": { "type": "string" },
            "example": "\"caller\";q=1000;w=1",
        },
        "RateLimit": {
            "description": "The remaining quota of the rate limit: at least `r`. It is full again after `t` \
                seconds.",
            "schema": { "type": "string" },
            "example": "\"caller\";r=900;t=1",
        },
        "WWW-Authenticate": {
            "description": "The authentication scheme that the route requires (RFC 6750, 3).",
            "required": true,
            "schema": { "type": "string" },
            "example": "Bearer realm=\"userdocks\"",
        },
        "ETag": {
            "description": "The version of the user (RFC 9110, 8.8.3), to be sent in `If-Match`.",
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

/// An optional parameter. The example is part of the schema, since Swagger UI would prefill and send an example of the
/// parameter itself.
pub(crate) fn optional(place: &str, name: &str, about: &str, mut schema: Value, example: Value) -> Value {
    schema["examples"] = Value::Array(vec![example]);
    json!({ "name": name, "in": place, "description": about, "schema": schema })
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(crate) fn parameters() -> Value {
    let key = r#"^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-+\-.-:<-\[\]-~]{1,255})$"#;
    let etags = r#"^(W/)?"[^",]*"( *, *(W/)?"[^",]*")*$"#;
    let mut parameters = json!({
        "userId": path(
            "userId",
            "The UUID of the user, with hyphens, in upper or lower case.",
            uuid(),
            schemas::USER,
        ),
        "userIdOrMe": path(
            "userId",
            "The UUID of the user. With an access token, `me` is the user of the token.",
            json!({ "anyOf": [uuid(), me()] }),
            "me",
        ),
        "userIdOrMeOrEmail": path(
            "userId",
            "The UUID or the e-mail address of the user. With an access token, `me` is the user of the \
                token.",
            json!({ "anyOf": [uuid(), me(), reference("schemas", "Email")] }),
            "me",
        ),
        "appId": path(
            "appId",
            "The UUID of the app, with hyphens, in upper or lower case.",
            uuid(),
            schemas::APP,
        ),
        "accessStatus": path(
            "accessStatus",
            "`0` freezes the user, `1` unfreezes the user.",
            json!({ "type": "string", "enum": ["0", "1"] }),
            "0",
        ),
        "code": path(
            "code",
            "The code in the link of the mail: of an invite mail in `/invites/{code}`, of a confirmation \
                mail in `/email-confirmations/{code}`.",
            json!({ "type": "string" }),
            "AYkKXayWd0u8zrMCCZqAV9uGkd0Wt7m5r2bQK4yhXnZpE1c8oJfLsQ",
        ),
        "limit": optional(
            "query",
            "limit",
            "The maximum number of items in a page.",
            json!({ "type": "integer", "minimum": 1, "maximum": 100, "default": 50 }),
            json!(50),
        ),
        "after": optional(
            "query",
            "after",
            "The `nextCursor` of the previous page.",
            uuid(),
            json!(schemas::USER),
        ),
        "email": optional(
            "query",
            "email",
            "Return only the user with this e-mail address.",
            reference("schemas", "Email"),
            json!("ada@example.com"),
        ),
        "provider": optional(
            "query",
            "provider",
            "The mail provider that sends the request.",
            json!({ "type": "string", "enum": ["ses", "sendgrid", "mailgun", "postmark"] }),
            json!("postmark"),
        ),
        "test": optional(
            "query",
            "test",
            "Must be `true` or `false`. It has no effect.",
            json!({ "type": "boolean" }),
            json!(true),
        ),
        "X-Request-Id": optional(
            "header",
            "X-Request-Id",
            "A request id chosen by the client, which is returned in the response and written to the log. 1 \
                to 128 ASCII letters, digits and `- _ . : / + =`. An invalid value is replaced by a new id.",
            json!({ "type": "string" }),
            json!("8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ),
        "Idempotency-Key": optional(
            "header",
            "Idempotency-Key",
            "A new value for each request, as a quoted string or a bare token. If the same request is \
                repeated within 24 hours, it gets the first response and has no second effect. A refused \
                request changes nothing and is not stored: the same value can be sent with the corrected \
                request.",
            json!({ "type": "string", "minLength": 1, "pattern": key }),
            json!("\"8e03978e-40d5-43dd-bc93-6894a57f9324\""),
        ),
        "If-Match": optional(
            "header",
            "If-Match",
            "The `ETag` of the user as last read. The request is refused if the user has changed since.",
            json!({ "type": "string", "anyOf": [{ "const": "*" }, { "minLength": 2, "pattern": etags }] }),
            json!("*"),
        ),
    });
    if let Value::Object(parameters) = &mut parameters {
        parameters.extend(invites::parameters());
    }
    parameters
}
