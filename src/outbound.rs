//! Calls of this server to others: no redirect is followed, no proxy asked, and their time is bounded.

use std::time::Duration;

use reqwest::redirect::Policy;

/// A client for such calls, each of which may take `timeout`.
pub fn client(timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .timeout(timeout)
        .user_agent(concat!("userdocks/", env!("CARGO_PKG_VERSION")))
}
