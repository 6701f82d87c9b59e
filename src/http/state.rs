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
use crate::db::users::update_fields::{ConfirmationLimits, EmailChangeRules};
use crate::db::webhooks::subscriptions::Subscriptions;
use crate::domain::credentials::secret_key::SecretKey;
use crate::domain::id::AppId;
use crate::mail::mailbox::Mailbox;
use crate::mail::provider::Providers;

/// Limits of access tokens, which anyone may have.
const CONFIRMATION_LIMITS: ConfirmationLimits = ConfirmationLimits { per_user: 10, per_recipient: 3 };

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
    /// Base URL of links.
    pub public_url: Url,
    /// Text of the `OpenAPI` document, made at the first request.
    pub openapi: OnceLock<Bytes>,
    /// Base URL of the console, if this server has one.
    pub console_url: Option<Url>,
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
        (subscriptions, outbox_wake): (Arc<Subscriptions>, Arc<Notify>),
        (public_url, console_url): (Url, Option<Url>),
        mailbox: Option<Mailbox>,
    ) -> AppState {
        Arc::new(Self {
            limits: Limits::new(&config.limits, config.server.trusted_proxies.clone(), pool.max_size()),
            credentials: Credentials::new(&config),
            origins: Origins::default(),
            providers: Providers::new(&config.mail.reports),
            store: Store::new(pool, &config.limits, subscriptions, outbox_wake),
            seal,
            public_url,
            console_url,
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

    /// The data for a mail without a link.
    pub fn new_notice(&self, app: AppId) -> NewMail {
        NewMail::without_code(app, &self.seal, self.config.mail.from.email.domain())
    }

    /// The mails and limits of a change of address.
    pub fn email_change(&self, app: AppId) -> EmailChangeRules {
        EmailChangeRules {
            confirmation: self.new_mail(app),
            notice: self.new_notice(app),
            limits: CONFIRMATION_LIMITS,
            resend_after: self.config.invite.resend_after,
        }
    }
}
