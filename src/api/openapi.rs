//! The `OpenAPI` 3.1 document, generated from the routes, their errors and the types of their handlers.
//! `docs/openapi.json` is a committed copy, so that changes of the API are visible in review.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use url::Url;

use super::route::Route;
use crate::http::error::Error;
use crate::http::operation::components::{headers, security_schemes};
use crate::http::operation::schemas::{SchemaWithExample, Schemas};
use crate::http::operation::{Admits, Answer, Operation, Parameter, TestFlag, example, schema_of};

/// Adapts the document to a server at this public URL: the URLs in `servers` start with its path.
#[must_use]
pub fn at(mut document: Value, public_url: &Url) -> Value {
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

const ABOUT: &str = "\
Invites, profiles and referrals for the users of your apps.

Every path under `/v1` is also available under `/api/v1`. Unless an endpoint has its own format, JSON responses are \
wrapped in an envelope: `success`, `message`, `error`, `data`. Every response has an `X-Request-Id`; every error also has \
a stable `X-Error-Code`.

Requests are checked in this order: route (404, 405), credentials (401), permission (403), path, query and body (400), \
access to the user (403). A user who does not exist and one you may not see get the same answer.

Rate limits are announced in `RateLimit-Policy` and `RateLimit`. If you exceed them you get 429, and if the server is \
overloaded 503; both carry `Retry-After`.

Backends authenticate with `X-CLIENT-ID`, `X-API-KEY-TYPE` and `X-API-KEY`, never from a browser. Browsers send an access \
token, from one of the app's allowed origins.";

/// The document of a server whose public URL has no path. `api`: the routes below `/v1`. `pages`: all other routes.
#[must_use]
pub fn document(api: Vec<Route>, pages: Vec<Route>) -> Value {
    let mut components = Components::default();
    let mut paths: Map<String, Value> = Map::new();
    for Route { method, path, operation, .. } in api {
        let path = format!("/v1{path}");
        paths.entry(path).or_insert_with(|| json!({}))[method] = components.operation(operation);
    }
    for Route { method, path, operation, .. } in pages {
        let mut described = components.operation(operation);
        // These routes do not exist below `/api`.
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
        components.example(&error);
    }
    let Components { examples, schemas } = components;
    let mut schemas = schemas.named();
    schemas.insert("Refusal".to_owned(), error_envelope());
    schemas.insert("ErrorCode".to_owned(), error_code(examples.keys()));
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
            { "url": "/api", "description": "The same operations below the older path prefix." },
        ],
        "tags": [
            { "name": "users", "description": "Invite, update, show, list and delete users." },
            { "name": "invites", "description": "Manage and accept invites, and list referrals." },
            { "name": "tokens", "description": "Access tokens for users, issued to the backend of the app." },
            { "name": "apps", "description": "Public keys, mail reports and access status, for backends." },
            { "name": "pages", "description": "HTML pages for people." },
            { "name": "operation", "description": "Health checks and this document, for the operator." },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "headers": headers(),
            "examples": examples,
            "securitySchemes": security_schemes(),
        },
    })
}

/// Collects the components that the operations refer to.
#[derive(Default)]
struct Components {
    /// Error responses by error code.
    examples: BTreeMap<&'static str, Value>,
    schemas: Schemas,
}

impl Components {
    fn example(&mut self, error: &Error) {
        let sentence = error.sentence(example::USER);
        let envelope = json!({ "success": false, "message": null, "error": sentence, "data": null });
        self.examples.entry(error.status().1).or_insert_with(|| json!({ "value": envelope }));
    }

    fn operation(&mut self, operation: Operation) -> Value {
        let mut parameters: Vec<Value> =
            operation.parameters.into_iter().map(|parameter| self.parameter(parameter)).collect();
        if operation.admits != Admits::Anyone {
            let about = "Must be `true` or `false`. It has no effect.";
            parameters.push(self.parameter(Parameter::query::<TestFlag>("test", about, true)));
        }
        parameters.push(self.parameter(Parameter::header(
            "X-Request-Id",
            "A request id chosen by the client, which is returned in the response and written to the log. 1 to \
                128 ASCII letters, digits and `- _ . : / + =`. An invalid value is replaced by a new id.",
            schema_of::<String>(),
            "8e03978e-40d5-43dd-bc93-6894a57f9324",
        )));
        let mut described = json!({
            "operationId": operation.id,
            "tags": [operation.tag],
            "summary": operation.summary,
            "parameters": parameters,
            "security": security(operation.admits),
            "responses": self.success(operation.admits, &operation.answer, operation.links),
        });
        if !operation.about.is_empty() {
            described["description"] = json!(operation.about);
        }
        if let Some(body) = operation.body {
            let SchemaWithExample { schema, example } = self.schemas.request(body.schema);
            let content = json!({ "schema": schema, "example": example });
            described["requestBody"] =
                json!({ "required": body.required, "content": { "application/json": content } });
        }
        let mut by_status: BTreeMap<u16, Vec<Error>> = BTreeMap::new();
        for error in operation.refusals {
            self.example(&error);
            by_status.entry(error.status().0.as_u16()).or_default().push(error);
        }
        for (status, errors) in by_status {
            let refusal = refusal(&errors);
            let response = &mut described["responses"][status.to_string()];
            if response.is_null() {
                *response = refusal;
            } else {
                // The operation has an HTML page for this status, too.
                response["headers"] = refusal["headers"].clone();
                response["content"]["application/json"] = refusal["content"]["application/json"].clone();
            }
        }
        described
    }

    /// A parameter. The example of an optional one is part of its schema, since Swagger UI would prefill and send an
    /// example of the parameter itself.
    fn parameter(&mut self, Parameter { place, name, about, schema, example }: Parameter) -> Value {
        let SchemaWithExample { mut schema, .. } = self.schemas.request(schema);
        let mut parameter = json!({ "name": name, "in": place, "description": about });
        if place == "path" {
            parameter["required"] = json!(true);
            parameter["example"] = example;
        } else {
            schema["examples"] = json!([example]);
        }
        parameter["schema"] = schema;
        parameter
    }

    /// The responses of an operation other than errors.
    fn success(&mut self, admits: Admits, answer: &Answer, links: &[&str]) -> Value {
        let mut headers = json!({ "X-Request-Id": reference("headers", "X-Request-Id") });
        match *answer {
            Answer::Success { status, message, data, etag } => {
                if admits != Admits::Anyone {
                    headers["RateLimit-Policy"] = reference("headers", "RateLimit-Policy");
                    headers["RateLimit"] = reference("headers", "RateLimit");
                }
                if etag {
                    headers["ETag"] = reference("headers", "ETag");
                }
                let data = self.schemas.response(data);
                let example =
                    json!({ "success": true, "message": message, "error": null, "data": data.example });
                let content = json!({ "schema": envelope(&data.schema), "example": example });
                let mut response = json!({
                    "description": "Success.", "headers": headers, "content": { "application/json": content },
                });
                if !links.is_empty() {
                    let links: Map<String, Value> = links
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
                let SchemaWithExample { schema, example } = self.schemas.response(data);
                let mut content = json!({ "schema": schema });
                if !example.is_null() {
                    content["example"] = example;
                }
                json!({ "200": { "description": "Success.", "headers": headers, "content": { media: content } } })
            }
            Answer::Page(statuses) => {
                let page = json!({
                    "description": "An HTML page.",
                    "headers": headers,
                    "content": { "text/html": { "schema": { "type": "string" }, "example": "<!DOCTYPE html>…" } },
                });
                statuses.iter().map(|status| (status.to_string(), page.clone())).collect::<Map<_, _>>().into()
            }
        }
    }
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// The error response of an operation for one status.
fn refusal(errors: &[Error]) -> Value {
    let codes: std::collections::BTreeSet<&str> = errors.iter().map(|error| error.status().1).collect();
    let examples: Map<String, Value> =
        codes.iter().map(|code| ((*code).to_owned(), reference("examples", code))).collect();
    let code = json!({
        "description": "The stable code of the error.",
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

/// An object with exactly these fields, all required.
fn object(properties: Value) -> Value {
    let names: Vec<String> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let mut object = json!({ "type": "object", "required": names, "additionalProperties": false });
    object["properties"] = properties;
    object
}

/// The body of a successful response with `data` of this schema.
fn envelope(data: &Value) -> Value {
    object(json!({
        "success": { "const": true },
        "message": { "type": "string", "description": "The result, for a developer." },
        "error": { "type": "null" },
        "data": data,
    }))
}

/// The body of every error response.
fn error_envelope() -> Value {
    object(json!({
        "success": { "const": false },
        "message": { "type": "null" },
        "error": {
            "type": "string",
            "description": "One sentence for a developer, which names the invalid fields or header. The text can change; \
                `X-Error-Code` is stable.",
        },
        "data": { "type": "null" },
    }))
}

fn error_code<'a>(codes: impl Iterator<Item = &'a &'static str>) -> Value {
    json!({
        "type": "string",
        "enum": codes.collect::<Vec<_>>(),
        "description": "All values of `X-Error-Code`.",
        "examples": ["invalid_fields"],
    })
}
