//! `/healthz`: the process is running. `/readyz`: the server can do its work.

use std::sync::atomic::Ordering;

use axum::extract::State;

use crate::api::route::{Route, get};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::operation::Operation;
use crate::http::state::AppState;

/// 200 while the process is running.
pub async fn healthz() -> Success<()> {
    Success::ok("alive", ())
}

/// 200 while the database answers with this server's schema and the server is not stopping; else 503.
pub async fn readyz(State(state): State<AppState>) -> Result<Success<()>, Error> {
    // Probes run one at a time, so that together they use at most one connection.
    let _turn = state.limits.concurrency.probe().await;
    if state.stopping.load(Ordering::Relaxed) || !crate::db::is_ready(&state.store.pool).await? {
        return Err(Error::Unavailable(None));
    }
    Ok(Success::ok("ready", ()))
}

pub fn healthz_route() -> Route {
    get("/healthz", healthz, Operation::new("healthz", "operation", "Liveness check").message("alive"))
}

pub fn readyz_route() -> Route {
    get(
        "/readyz",
        readyz,
        Operation::new("readyz", "operation", "Readiness check")
            .about(
                "Returns 503 while the database is unavailable or has a different schema, or the server \
                    is stopping.",
            )
            .message("ready"),
    )
}
