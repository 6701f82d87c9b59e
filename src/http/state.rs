//! What every request is answered with.

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

/// What handlers share.
pub struct State {
    /// The settings.
    pub config: Config,
    /// The database.
    pub store: Store,
    /// Encrypts at rest.
    pub seal: SecretKey,
    /// How much callers may ask for.
    pub limits: Limits,
    /// What is known of callers.
    pub credentials: Credentials,
    /// What is known of browsers' origins.
    pub origins: Origins,
    /// The mail providers that may report.
    pub providers: Providers,
    /// Who is to be told of changes.
    pub listeners: Arc<Subscriptions>,
    /// Tells the worker of this process that a mail may be due.
    pub wake: Arc<Notify>,
    /// What links start with.
    pub public_url: Url,
    /// The text of the `OpenAPI` document, once somebody has asked for it.
    pub openapi: OnceLock<Bytes>,
    /// Where mails are kept that no mail server takes.
    pub mailbox: Option<Mailbox>,
    /// Set once the server stops.
    pub stopping: AtomicBool,
}

/// The state as handlers are given it.
pub type AppState = Arc<State>;

impl State {
    /// Of a server that begins.
    #[must_use]
    pub fn new(
        config: Config,
        pool: Pool,
        seal: SecretKey,
        (listeners, wake): (Arc<Subscriptions>, Arc<Notify>),
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
            listeners,
            wake,
            public_url,
            openapi: OnceLock::new(),
            mailbox,
            stopping: AtomicBool::new(false),
            config,
        })
    }

    /// A mail to be written by the statement that causes it.
    pub fn new_mail(&self, app: AppId) -> NewMail {
        let domain = self.config.mail.from.email.domain();
        NewMail::new(app, &self.seal, domain, self.config.invite.expires_after)
    }
}
