//! Metrics of each route, and the name of its call in the audit log. The routes register themselves.

use std::collections::HashMap;
use std::sync::OnceLock;

use axum::http::Method;

use crate::metrics::Responses;

/// One path, prefix included.
pub struct RouteMetrics {
    path: &'static str,
    /// Methods of calls that can change something, with their names (`operationId`).
    changes: Vec<(&'static str, &'static str)>,
    pub responses: Responses,
}

/// Requests that no route matches.
pub static NO_ROUTE: RouteMetrics = RouteMetrics::new("none");
/// Routes that the `OpenAPI` document does not describe: the files of the docs, and the mailbox of a trial.
static UNDESCRIBED: RouteMetrics = RouteMetrics::new("other");

static ROUTES: OnceLock<HashMap<&'static str, RouteMetrics>> = OnceLock::new();

/// Registers the path, the lower-case method and the `operationId` of every route. A process has one set of routes:
/// only the first call has an effect.
pub fn register(routes: impl Iterator<Item = (String, &'static str, &'static str)>) {
    ROUTES.get_or_init(|| {
        let mut registered = HashMap::new();
        for (path, method, id) in routes {
            let path: &'static str = path.leak();
            let route = registered.entry(path).or_insert_with(|| RouteMetrics::new(path));
            if method != "get" {
                route.changes.push((method, id));
            }
        }
        registered
    });
}

impl RouteMetrics {
    const fn new(path: &'static str) -> Self {
        Self { path, changes: Vec::new(), responses: Responses::new() }
    }

    /// The name of a call with this method, if it can change something.
    #[must_use]
    pub fn change_name(&self, method: &Method) -> Option<&'static str> {
        self.changes.iter().find(|(name, _)| method.as_str().eq_ignore_ascii_case(name)).map(|(_, id)| *id)
    }
}

/// The route of a path as the router matched it.
#[must_use]
pub fn of(path: &str) -> &'static RouteMetrics {
    ROUTES.get().and_then(|routes| routes.get(path)).unwrap_or(&UNDESCRIBED)
}

/// Every path, with the responses that were sent there.
#[must_use]
pub fn responses() -> Vec<(&'static str, &'static Responses)> {
    let mut routes: Vec<_> = ROUTES.get().into_iter().flat_map(HashMap::values).collect();
    routes.extend([&NO_ROUTE, &UNDESCRIBED]);
    routes.sort_unstable_by_key(|route| route.path);
    routes.into_iter().map(|route| (route.path, &route.responses)).collect()
}
