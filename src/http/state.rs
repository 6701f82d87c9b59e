//! State that all handlers share: settings, database, limits and caches.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use tokio::sync::Notify;
use url::Url;

use super::auth::cache::Credentials;
use super::limits::Limits;
use super::origins::Origins;
use crate::config::Config;
use crate::db::Pool;
use crate::db::outbox::NewMail;
use crate::db::store::Store;
use crate::domain::credentials::secret_key::SecretKey;
use crate::domain::id::AppId;
use crate::mail::mailbox::Mailbox;
use crate::mail::provider::Providers;
use crate::webhook::subscriptions::Subscriptions;

pub struct State {
    pub config: Config,
    pub store: Store,
    /// Key that encrypts secrets at rest.
    pub seal: SecretKey,
    pub limits: Limits,
    /// Cached API keys, apps and verified tokens.
    pub credentials: Credentials,
    /// Cached origins of browsers' pages.
    pub origins: Origins,
    /// Mail providers whose reports are accepted.
    pub providers: Providers,
    /// Webhook subscriptions.
    pub subscriptions: Arc<Subscriptions>,
    /// Wakes the mail worker of this process when a mail may be due.
    pub wake: Arc<Notify>,
    /// Base URL of links.
    pub public_url: Url,
    /// Text of the `OpenAPI` document, made at the first request.
    pub openapi: OnceLock<Bytes>,
    /// The mailbox that keeps mails if no mail server is set up.
    pub mailbox: Option<Mailbox>,
    /// Set when the server begins to stop.
    pub stopping: AtomicBool,
}

pub type AppState = Arc<State>;

impl State {
    /// The state of a server that starts.
    #[must_use]
    pub fn new(
        config: Config,
        pool: Pool,
        seal: SecretKey,
        (subscriptions, wake): (Arc<Subscriptions>, Arc<Notify>),
        public_url: Url,
        mailbox: Option<Mailbox>,
    ) -> AppState {
        Arc::new(Self {
            limits: Limits::new(&config.limits, config.server.trusted_proxies.clone(), pool.max_size()),
            credentials: Credentials::new(&config),
            origins: Origins::default(),
            providers: Providers::new(&config.mail.reports),
            store: Store::new(pool, &config.limits),
            seal,
            subscriptions,
            wake,
            public_url,
            openapi: OnceLock::new(),
            mailbox,
            stopping: AtomicBool::new(false),
            config,
        })
    }

    /// The data for a mail that a statement queues.
    pub fn new_mail(&self, app: AppId) -> NewMail {
        let domain = self.config.mail.from.email.domain();
        NewMail::new(app, &self.seal, domain, self.config.invite.expires_after)
    }
}
