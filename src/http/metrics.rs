//! `/metrics`, for Prometheus, on a listener of its own: nothing that an app's callers reach.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::AppState;
use crate::db::{deliveries, outbox};
use crate::telemetry;

/// Serves until told to stop.
pub async fn serve(socket: TcpListener, state: AppState, mut stopped: watch::Receiver<bool>) {
    let router = Router::new().route("/metrics", get(metrics)).with_state(state);
    let stop = async move {
        // An end of the sender is an end of the server too.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    if let Err(error) = axum::serve(socket, router).with_graceful_shutdown(stop).await {
        tracing::warn!(%error, "metrics are served no more");
    }
}

async fn metrics(State(state): State<AppState>) -> Response {
    let connections = state.db.in_use();
    metrics::gauge!("userdocks_database_connections", "state" => "busy").set(f64::from(connections.busy));
    metrics::gauge!("userdocks_database_connections", "state" => "idle").set(f64::from(connections.idle));
    // While the database is away these keep their last value; the pool's gauges tell.
    if let Ok((queued, oldest)) = outbox::backlog(&state.db).await {
        metrics::gauge!("userdocks_outbox_queued").set(f64::from(u32::try_from(queued).unwrap_or(u32::MAX)));
        metrics::gauge!("userdocks_outbox_oldest_due_seconds").set(oldest);
    }
    if let Ok((queued, oldest)) = deliveries::backlog(&state.db).await {
        metrics::gauge!("userdocks_webhooks_queued")
            .set(f64::from(u32::try_from(queued).unwrap_or(u32::MAX)));
        metrics::gauge!("userdocks_webhooks_oldest_due_seconds").set(oldest);
    }
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, text)], telemetry::metrics().render()).into_response()
}
