//! The router: every route, and the layers around them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware};
use schemars::json_schema;
use serde_json::Value;
use url::Url;

use super::pages::mailbox;
use super::route::{Route, get};
use super::{apps, docs, health, invites, mail_reports, openapi, pages, referrals, users};
use crate::http::error::Error;
use crate::http::operation::{Answer, Operation};
use crate::http::respond::with_layers;
use crate::http::state::AppState;
use crate::http::{cors, route_metrics};

/// The routes below `/v1` and `/api/v1`.
#[must_use]
pub fn api_routes() -> Vec<Route> {
    vec![
        users::invite::route(),
        users::update::route(),
        referrals::create::route(),
        users::access_status::route(),
        users::email_confirmation::route(),
        users::email_verification::route(),
        users::show::route(),
        users::erase::route(),
        users::external_subject::route(),
        users::list::route(),
        users::tokens::route(),
        apps::jwks::route(),
        apps::public_key::own_route(),
        apps::public_key::route(),
        invites::accept::route(),
        invites::bulk::route(),
        invites::list::route(),
        invites::list::user_route(),
        invites::preview::route(),
        invites::resend::route(),
        invites::revoke::route(),
        invites::show::route(),
        mail_reports::route(),
        referrals::leaderboard::route(),
        referrals::list::route(),
    ]
}

/// The routes beside the API.
#[must_use]
pub fn page_routes() -> Vec<Route> {
    vec![
        docs::route(),
        document_route(),
        health::healthz_route(),
        health::readyz_route(),
        pages::email_confirmation::show_route(),
        pages::email_confirmation::confirm_route(),
        pages::invite::show_route(),
        pages::invite::accept_route(),
        pages::opt_out::show_route(),
        pages::opt_out::add_route(),
        pages::opt_out::remove_route(),
    ]
}

/// Builds the router with every route.
pub fn router(state: &AppState) -> Router {
    register();
    let add = |router: Router<AppState>, route: Route| router.route(route.path, route.handler);
    let api = api_routes().into_iter().fold(Router::new(), add);
    let mut router = page_routes().into_iter().fold(docs::assets(), add);
    let api = api.fallback(async || Error::RouteNotFound);
    router = router.nest("/v1", api.clone()).nest("/api/v1", api);
    if state.mailbox.as_ref().is_some_and(|mailbox| mailbox.shown) {
        router = router.merge(mailbox::routes());
    }
    let router = router
        .fallback(pages::start::no_route)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(middleware::from_fn_with_state(Arc::clone(state), cors::cors));
    with_layers(router, state).with_state(Arc::clone(state))
}

/// Registers every path, prefix included, for metrics and for the names of calls in the audit log.
fn register() {
    let below = |prefix| api_routes().into_iter().map(move |route| (prefix, route));
    let all = below("/v1").chain(below("/api/v1")).chain(page_routes().into_iter().map(|route| ("", route)));
    route_metrics::register(
        all.map(|(prefix, route)| (format!("{prefix}{}", route.path), route.method, route.operation.id)),
    );
}

/// The `OpenAPI` document of a server at this public URL; without one, of a server whose URL has no path.
#[must_use]
pub fn document(public_url: Option<&Url>) -> Value {
    let document = openapi::document(api_routes(), page_routes());
    match public_url {
        Some(url) => openapi::at(document, url),
        None => document,
    }
}

/// `GET /openapi.json`: public, good for five minutes.
async fn serve_document(State(state): State<AppState>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    let text = state.openapi.get_or_init(|| document(Some(&state.public_url)).to_string().into());
    (headers, text.clone()).into_response()
}

fn document_route() -> Route {
    get(
        "/openapi.json",
        serve_document,
        Operation::new("openapi", "operation", "Get this document")
            .answer(Answer::Bare { media: "application/json", data: |_| json_schema!({ "type": "object" }) }),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// Every `(S::STATUS, "code")` in the text of `Error::status`.
    fn codes_of_the_source() -> BTreeSet<&'static str> {
        let source = include_str!("../http/error.rs");
        let codes = source.split("(S::").skip(1).filter_map(|rest| {
            let (_, code) = rest.split_once(')')?.0.split_once(", \"")?;
            code.strip_suffix('"')
        });
        codes.collect()
    }

    #[test]
    fn every_error_code_is_documented() {
        let document = document(None);
        let described: BTreeSet<&str> = document["components"]["schemas"]["ErrorCode"]["enum"]
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
            let document = document(Some(&public.parse().unwrap()));
            assert_eq!(document["servers"][0]["url"], root);
            assert_eq!(document["servers"][1]["url"], api);
            assert_eq!(document["paths"]["/healthz"]["get"]["servers"], json!([{ "url": root }]));
        }
    }

    #[test]
    fn documented_paths_equal_the_routes() {
        let routes: BTreeSet<String> = api_routes()
            .iter()
            .map(|route| format!("/v1{}", route.path))
            .chain(page_routes().iter().map(|route| route.path.to_owned()))
            .collect();
        assert_eq!(
            document(None)["paths"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>(),
            routes
        );
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
        check(&document(None), &document(None));
    }

    #[test]
    fn committed_openapi_json_is_up_to_date() {
        let committed: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
        assert!(
            committed == document(None),
            "the contract changed: run `cargo run -- openapi >docs/openapi.json` and commit it"
        );
    }
}
