//! Components of the `OpenAPI` document that many operations share: response headers and security schemes.

use serde_json::{Value, json};

use super::example;

#[must_use]
pub fn security_schemes() -> Value {
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

#[must_use]
pub fn headers() -> Value {
    json!({
        "X-Request-Id": {
            "description": "The request id, also written to the log. It is the one that the client sent if \
                that was valid, otherwise a new one.",
            "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
            "example": example::USER,
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
