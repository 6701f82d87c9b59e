//! State that all screens share.

use std::sync::Arc;

use url::Url;

use super::openid::Provider;
use crate::db::Pool;
use crate::db::store::Store;
use crate::http::AppState;
use crate::mail::sign_in_link::LinkMailer;

pub struct Console {
    /// The state of the server that the console belongs to: settings, secret key, limits.
    pub server: AppState,
    /// The database in the role that owns the tables: the server's own role may not change apps and keys.
    pub store: Store,
    /// Base URL of the console.
    pub url: Url,
    /// Mails sign-in links.
    pub link_mailer: LinkMailer,
    /// The `OpenID` provider that operators can sign in with.
    pub openid: Option<Provider>,
}

pub type ConsoleState = Arc<Console>;

impl Console {
    /// `operator`: the pool in the owner's role.
    #[must_use]
    pub fn new(server: AppState, operator: Pool, url: Url, link_mailer: LinkMailer) -> ConsoleState {
        let subscriptions = Arc::clone(&server.store.subscriptions);
        let outbox_wake = Arc::clone(&server.store.outbox_wake);
        let store = Store::new(operator, &server.config.limits, subscriptions, outbox_wake);
        let openid = Provider::of(&server.config);
        Arc::new(Self { server, store, url, link_mailer, openid })
    }

    #[must_use]
    pub fn db(&self) -> &Pool {
        &self.store.pool
    }
}
