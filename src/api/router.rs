//! The router: every route, and the layers around them.

use std::sync::Arc;

use axum::{Router, middleware};

use super::pages::mailbox;
use super::routes::Route;
use super::{docs, routes};
use crate::http::cors;
use crate::http::error::Error;
use crate::http::respond::with_layers;
use crate::http::state::AppState;

/// Builds the router with every route.
pub fn router(state: &AppState) -> Router {
    routes::register();
    let add = |router: Router<AppState>, route: Route| router.route(route.path, route.handler);
    let api = routes::api().into_iter().fold(Router::new(), add);
    let mut router = routes::page_routes().into_iter().fold(docs::assets(), add);
    router = router.nest("/v1", api.clone()).nest("/api/v1", api);
    if state.mailbox.as_ref().is_some_and(|mailbox| mailbox.shown) {
        router = router.merge(mailbox::routes());
    }
    let router = router
        .fallback(async || Error::RouteNotFound)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(middleware::from_fn_with_state(Arc::clone(state), cors::cors));
    with_layers(router, state).with_state(Arc::clone(state))
}
