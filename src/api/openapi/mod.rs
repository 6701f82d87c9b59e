//! The `OpenAPI` 3.1 document, made from the table of routes, the errors themselves and the schemas beside.
//! `docs/openapi.json` is a committed copy, so that a change of the contract shows in review.

mod components;
mod invites;
mod referrals;
mod schemas;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use url::Url;

use super::routes::{self, Route};
use crate::http::error::Error;
use crate::http::state::AppState;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// Everybody, without credentials.
    Anyone,
    /// An API key of either type.
    AnyKey,
    /// An API key of the type `write`.
    WriteKey,
    /// An API key of either type, or an access token.
    AnyKeyOrToken,
    /// An API key of the type `write`, or an access token.
    WriteKeyOrToken,
}

/// The body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// `{"email", "language", "expiresIn"?, "referralCode"?}`
    Invite,
    /// `{"email", "language", "expiresIn"?}`
    Referral,
    /// `{"invites", "inviterId"?}`
    Bulk,
    /// `{"user", "test"?}`
    Update,
    /// `{"externalSubject"}`
    ExternalSubject,
    /// `{"type", "messageId" or "inviteId", "detail"?}`
    MailReport,
    /// `{"email"}`
    Verification,
    /// `{"user"?, "test"?}`, or none.
    Accept,
}

/// What a success looks like.
pub enum Answer {
    /// The envelope.
    Success {
        /// 200 or 201.
        status: u16,
        /// What it says.
        message: &'static str,
        /// The schema of `data`.
        data: &'static str,
        /// Whether the answer has an `ETag`.
        etag: bool,
    },
    /// JSON of somebody else's format.
    Bare {
        /// Its content type.
        media: &'static str,
        /// Its schema.
        data: &'static str,
    },
    /// HTML for people, with any of these statuses.
    Page(&'static [u16]),
}

impl Answer {
    /// 200 with `data` of this schema.
    #[must_use]
    pub fn data(data: &'static str, message: &'static str) -> Self {
        Self::Success { status: 200, message, data, etag: false }
    }
}

/// What the document says of a route.
pub struct Operation {
    /// `operationId`.
    pub id: &'static str,
    /// The heading it stands under.
    pub tag: &'static str,
    /// In a few words.
    pub summary: &'static str,
    /// In sentences.
    pub about: &'static str,
    /// Who may call.
    pub admits: Admits,
    /// Names of `components.parameters`.
    pub parameters: &'static [&'static str],
    /// The body, if it has one.
    pub body: Option<Body>,
    /// What a success looks like.
    pub answer: Answer,
    /// What it refuses, or fails with, beside what all of its kind do.
    pub refusals: Vec<Error>,
    /// Operations on the user of the answer.
    pub links: &'static [&'static str],
}

impl Operation {
    /// An operation without parameters that answers `data: null`.
    #[must_use]
    pub fn new(id: &'static str, tag: &'static str, summary: &'static str, admits: Admits) -> Self {
        Self {
            id,
            tag,
            summary,
            about: "",
            admits,
            parameters: &[],
            body: None,
            answer: Answer::data("Null", ""),
            refusals: Vec::new(),
            links: &[],
        }
    }
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(make);

/// The document of a server whose public URL has no path.
#[must_use]
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// The document of a server at this public URL: its `servers` start with the path of the URL.
#[must_use]
pub fn document_at(public_url: &Url) -> Value {
    let mut document = document().clone();
    let path = public_url.path().trim_end_matches('/');
    for server in document.pointer_mut("/servers").and_then(Value::as_array_mut).into_iter().flatten() {
        prepend(path, server);
    }
    let items = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in items.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        operation.pointer_mut("/servers/0").into_iter().for_each(|server| prepend(path, server));
    }
    document
}

fn prepend(path: &str, server: &mut Value) {
    if let (false, Some(url)) = (path.is_empty(), server["url"].as_str()) {
        server["url"] = format!("{path}{}", url.trim_end_matches('/')).into();
    }
}

/// `GET /openapi.json`: public, good for five minutes.
pub async fn serve(State(state): State<AppState>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    let text = state.openapi.get_or_init(|| document_at(&state.public_url).to_string().into());
    (headers, text.clone()).into_response()
}

const ABOUT: &str = "Invites, profiles and referrals of the users of your apps.\n\n\
    Every path below `/v1` exists below `/api/v1` too, which is what the second server says. Every JSON answer is the envelope `success`, `message`, \
    `error`, `data`, but for those that have a format of their own. Every answer carries `X-Request-Id`; every refusal \
    also `X-Error-Code`, which is stable.\n\n\
    A request is judged in this order: route (404, 405), credentials (401), permission of the route (403), path, \
    query and body (400), reach of the user (403). A user that does not exist and one that is out of the caller's \
    reach get the same answer.\n\n\
    How often a caller may ask is told in `RateLimit-Policy` and `RateLimit`; who asks more often is answered 429. A \
    server with too much to do answers 503. Both say in `Retry-After` when to try again.\n\n\
    A backend sends an API key: `X-API-KEY`, `X-API-KEY-TYPE` and `X-CLIENT-ID` together, never from a browser. A \
    browser sends an access token, from one of the app's origins.";

fn make() -> Value {
    let mut used = Used::default();
    let mut paths: Map<String, Value> = Map::new();
    for Route { method, path, operation, .. } in routes::api() {
        let path = format!("/v1{path}");
        paths.entry(path).or_insert_with(|| json!({}))[method] = used.operation(operation);
    }
    for Route { method, path, operation, .. } in routes::page_routes() {
        let mut described = used.operation(operation);
        // They do not exist below /api.
        described["servers"] = json!([{ "url": "/" }]);
        paths.entry(path).or_insert_with(|| json!({}))[method] = described;
    }
    for error in [
        Error::MalformedRequest,
        Error::AddressTooLong,
        Error::HeadTooLarge,
        Error::UnsupportedTransferCoding,
        Error::RouteNotFound,
        Error::MethodNotAllowed,
    ] {
        used.example(&error);
    }
    let codes: Vec<&str> = used.examples.keys().copied().collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Userdocks",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A self-hosted, multi-tenant user-management server.",
            "description": ABOUT,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [
            { "url": "/", "description": "This server." },
            { "url": "/api", "description": "The same operations below the older prefix." },
        ],
        "tags": [
            { "name": "users", "description": "Invite, update, show, list and delete users." },
            { "name": "invites", "description": "What becomes of invites." },
            { "name": "tokens", "description": "Access tokens for the users of a backend." },
            { "name": "apps", "description": "What a backend does beside profiles." },
            { "name": "pages", "description": "HTML for people." },
            { "name": "operation", "description": "For those who run the server." },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas::schemas(&codes),
            "parameters": components::parameters(),
            "headers": components::headers(),
            "examples": used.examples,
            "securitySchemes": components::security_schemes(),
        },
    })
}

/// The examples of refusals that operations use, by code.
#[derive(Default)]
struct Used {
    examples: BTreeMap<&'static str, Value>,
}

impl Used {
    fn example(&mut self, error: &Error) {
        let sentence = error.sentence(schemas::USER);
        let envelope = json!({ "success": false, "message": null, "error": sentence, "data": null });
        self.examples.entry(error.status().1).or_insert_with(|| json!({ "value": envelope }));
    }

    fn operation(&mut self, operation: Operation) -> Value {
        let names = if operation.admits == Admits::Anyone {
            &["X-Request-Id"][..]
        } else {
            &["test", "X-Request-Id"]
        };
        let parameters: Vec<Value> =
            operation.parameters.iter().chain(names).map(|name| reference("parameters", name)).collect();
        let mut described = json!({
            "operationId": operation.id,
            "tags": [operation.tag],
            "summary": operation.summary,
            "parameters": parameters,
            "security": security(operation.admits),
            "responses": success(&operation),
        });
        if !operation.about.is_empty() {
            described["description"] = json!(operation.about);
        }
        if let Some(body) = operation.body {
            let schema = reference("schemas", &format!("{body:?}"));
            let content = json!({ "schema": schema, "example": schemas::body_example(body) });
            described["requestBody"] =
                json!({ "required": body != Body::Accept, "content": { "application/json": content } });
        }
        let mut by_status: BTreeMap<u16, Vec<Error>> = BTreeMap::new();
        for error in routes::refusals(operation) {
            self.example(&error);
            by_status.entry(error.status().0.as_u16()).or_default().push(error);
        }
        for (status, errors) in by_status {
            let refusal = refusal(&errors);
            let response = &mut described["responses"][status.to_string()];
            if response.is_null() {
                *response = refusal;
            } else {
                // A page says the same in HTML.
                response["headers"] = refusal["headers"].clone();
                response["content"]["application/json"] = refusal["content"]["application/json"].clone();
            }
        }
        described
    }
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// The answers of an operation that are not refusals.
fn success(operation: &Operation) -> Value {
    let mut headers = json!({ "X-Request-Id": reference("headers", "X-Request-Id") });
    match operation.answer {
        Answer::Success { status, message, data, etag } => {
            if operation.admits != Admits::Anyone {
                headers["RateLimit-Policy"] = reference("headers", "RateLimit-Policy");
                headers["RateLimit"] = reference("headers", "RateLimit");
            }
            if etag {
                headers["ETag"] = reference("headers", "ETag");
            }
            let example = json!({
                "success": true, "message": message, "error": null, "data": schemas::data_example(data),
            });
            let content = json!({ "schema": schemas::success(data), "example": example });
            let mut response = json!({
                "description": "Done.", "headers": headers, "content": { "application/json": content },
            });
            if !operation.links.is_empty() {
                let links: Map<String, Value> = operation
                    .links
                    .iter()
                    .map(|id| {
                        let parameters = json!({ "path.userId": "$response.body#/data/user/id" });
                        ((*id).to_owned(), json!({ "operationId": id, "parameters": parameters }))
                    })
                    .collect();
                response["links"] = Value::Object(links);
            }
            json!({ status.to_string(): response })
        }
        Answer::Bare { media, data } => {
            let mut content = json!({ "schema": { "type": "object" } });
            if data != "Document" {
                content = json!({ "schema": schemas::data(data), "example": schemas::data_example(data) });
            }
            json!({ "200": { "description": "Done.", "headers": headers, "content": { media: content } } })
        }
        Answer::Page(statuses) => {
            let page = json!({
                "description": "A page.",
                "headers": headers,
                "content": { "text/html": { "schema": { "type": "string" }, "example": "<!DOCTYPE html>…" } },
            });
            statuses.iter().map(|status| (status.to_string(), page.clone())).collect::<Map<_, _>>().into()
        }
    }
}

/// What an operation answers with one status that is a refusal or a failure.
fn refusal(errors: &[Error]) -> Value {
    let codes: std::collections::BTreeSet<&str> = errors.iter().map(|error| error.status().1).collect();
    let examples: Map<String, Value> =
        codes.iter().map(|code| ((*code).to_owned(), reference("examples", code))).collect();
    let code = json!({
        "description": "Which of the refusals it is; stable.",
        "required": true,
        "schema": { "type": "string", "enum": codes },
        "example": codes.first(),
    });
    let mut headers = json!({ "X-Request-Id": reference("headers", "X-Request-Id"), "X-Error-Code": code });
    if errors.iter().any(|error| error.retry_after().is_some()) {
        headers["Retry-After"] = reference("headers", "Retry-After");
    }
    if errors.iter().any(|error| error.status().0 == StatusCode::TOO_MANY_REQUESTS) {
        headers["RateLimit-Policy"] = reference("headers", "RateLimit-Policy");
        headers["RateLimit"] = reference("headers", "RateLimit");
    }
    if errors.iter().any(|error| error.challenge().is_some()) {
        headers["WWW-Authenticate"] = reference("headers", "WWW-Authenticate");
    }
    let reason = errors.first().and_then(|error| error.status().0.canonical_reason());
    json!({
        "description": reason,
        "headers": headers,
        "content": {
            "application/json": { "schema": reference("schemas", "Refusal"), "examples": examples },
        },
    })
}

fn security(admits: Admits) -> Value {
    let key = json!({ "apiKey": [], "apiKeyType": [], "clientId": [] });
    match admits {
        Admits::Anyone => json!([]),
        Admits::AnyKey | Admits::WriteKey => json!([key]),
        Admits::AnyKeyOrToken | Admits::WriteKeyOrToken => {
            json!([key, { "accessToken": [] }, { "authentication": [] }])
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every `(S::STATUS, "code")` in the text of `Error::status`.
    fn codes_of_the_source() -> BTreeSet<&'static str> {
        let source = include_str!("../../http/error.rs");
        let codes = source.split("(S::").skip(1).filter_map(|rest| {
            let (_, code) = rest.split_once(')')?.0.split_once(", \"")?;
            code.strip_suffix('"')
        });
        codes.collect()
    }

    #[test]
    fn every_error_code_is_documented() {
        let described: BTreeSet<&str> = document()["components"]["schemas"]["ErrorCode"]["enum"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert!(described.len() > 30);
        assert_eq!(described, codes_of_the_source());
    }

    #[test]
    fn server_urls_start_with_the_path_of_the_public_url() {
        for (public, root, api) in [
            ("https://id.example", "/", "/api"),
            ("https://id.example/auth", "/auth", "/auth/api"),
            ("https://id.example/a/b/", "/a/b", "/a/b/api"),
        ] {
            let document = document_at(&public.parse().unwrap());
            assert_eq!(document["servers"][0]["url"], root);
            assert_eq!(document["servers"][1]["url"], api);
            assert_eq!(document["paths"]["/healthz"]["get"]["servers"], json!([{ "url": root }]));
        }
    }

    #[test]
    fn documented_paths_equal_the_routes() {
        let routes: BTreeSet<String> = routes::api()
            .iter()
            .map(|route| format!("/v1{}", route.path))
            .chain(routes::page_routes().iter().map(|route| route.path.to_owned()))
            .collect();
        assert_eq!(document()["paths"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>(), routes);
    }

    #[test]
    fn every_ref_resolves() {
        fn check(value: &Value, document: &Value) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(reference)) = map.get("$ref") {
                        let pointer = reference.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{reference}");
                    }
                    map.values().for_each(|value| check(value, document));
                }
                Value::Array(items) => items.iter().for_each(|value| check(value, document)),
                _ => {}
            }
        }
        check(document(), document());
    }

    #[test]
    fn committed_openapi_json_is_up_to_date() {
        let committed: Value = serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap();
        assert!(
            committed == *document(),
            "the contract changed: run `cargo run -- openapi >docs/openapi.json` and commit it"
        );
    }
}
