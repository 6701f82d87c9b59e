//! `/metrics` for Prometheus, on a separate listener that clients of the API cannot reach.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::db::webhooks::deliveries;
use crate::db::{self, Pool, outbox};
use crate::http::route_metrics;
use crate::http::state::AppState;
use crate::metrics::{self, Page};

/// Serves until `stopped` is set. `mails`: the pool that requests do not use.
pub async fn serve(socket: TcpListener, state: AppState, mails: Pool, mut stopped: watch::Receiver<bool>) {
    let router = Router::new().route("/metrics", get(page)).with_state((state, mails));
    let stop = async move {
        // An error means that the sender was dropped, which also ends the server.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    if let Err(error) = axum::serve(socket, router).with_graceful_shutdown(stop).await {
        tracing::warn!(%error, "the metrics listener has stopped");
    }
}

async fn page(State((state, mails)): State<(AppState, Pool)>) -> Response {
    let backlog = outbox::backlog(&state.store.pool).await;
    let mut page = Page::default();
    page.family("userdocks_build_info", "gauge", "Always 1; the label says which version this is.");
    page.sample("userdocks_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    metrics::write_responses(&mut page, &route_metrics::responses());
    metrics::write_counters(&mut page);
    let (at_work, waiting) = state.limits.concurrency.usage();
    page.gauge("userdocks_admission_at_work", "Requests that have their turn at the database.", at_work);
    page.gauge("userdocks_admission_waiting", "Requests that wait for their turn.", waiting);
    let up = u8::from(backlog.is_ok());
    page.gauge("userdocks_database_up", "Whether the database answered for this page.", up);
    pools(&mut page, &[("requests", &state.store.pool), ("mails", &mails)]);
    // Omit these values while the database is unavailable.
    if let Ok((queued, oldest)) = backlog {
        page.gauge("userdocks_outbox_queued", "Mails that wait, up to 100000.", queued);
        let help = "For how long the oldest mail has been due.";
        page.gauge("userdocks_outbox_oldest_due_seconds", help, oldest);
    }
    if let Ok((queued, oldest)) = deliveries::backlog(&state.store.pool).await {
        page.gauge("userdocks_webhooks_queued", "Deliveries to webhooks that wait, up to 100000.", queued);
        let help = "For how long the oldest of those deliveries has been due.";
        page.gauge("userdocks_webhooks_oldest_due_seconds", help, oldest);
    }
    if let Ok((transactions, multixacts)) = db::ages(&state.store.pool).await {
        let age = "userdocks_database_age";
        page.family(age, "gauge", "Ids that were used since the oldest that vacuum has not frozen.");
        page.sample(age, &[("of", "transactions")], transactions);
        page.sample(age, &[("of", "multixacts")], multixacts);
    }
    let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, text)], page.finish()).into_response()
}

fn pools(page: &mut Page, pools: &[(&str, &Pool)]) {
    let connections = "userdocks_database_connections";
    page.family(connections, "gauge", "Connections to the database.");
    for (pool, connected) in pools {
        let now = connected.usage();
        page.sample(connections, &[("pool", pool), ("state", "busy")], now.busy);
        page.sample(connections, &[("pool", pool), ("state", "idle")], now.idle);
    }
    let most = "userdocks_database_connections_limit";
    page.family(most, "gauge", "Most connections to the database.");
    for (pool, connected) in pools {
        page.sample(most, &[("pool", pool)], connected.max_size());
    }
    let waiting = "userdocks_database_waiting";
    page.family(waiting, "gauge", "Who waits for a connection.");
    for (pool, connected) in pools {
        page.sample(waiting, &[("pool", pool)], connected.usage().waiting);
    }
    let wait = "userdocks_database_wait_seconds";
    page.family(wait, "histogram", "Time until there was a connection, or none could be had.");
    for (pool, connected) in pools {
        connected.wait_times().write(page, wait, &[("pool", pool)]);
    }
}
