//! Keeps the set of apps that have webhooks. An event is written in the transaction of its change
//! ([`crate::db::webhooks`]); requests check [`Subscriptions`] first, so that apps without webhooks write no events.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use tokio::sync::Notify;

use crate::db::{self, Pool, webhooks};
use crate::domain::id::AppId;
use crate::domain::webhook::EventId;

/// The apps that have webhooks, about one second old.
#[derive(Default)]
pub struct Subscriptions {
    /// `None` until first loaded: every app may have webhooks.
    apps: RwLock<Option<HashSet<AppId>>>,
    pub(super) wake: Notify,
}

impl Subscriptions {
    /// Returns a new event id to write with a change of this app, or `None` if the app has no webhooks.
    #[must_use]
    pub fn event_for(&self, app: AppId) -> Option<EventId> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        apps.as_ref().is_none_or(|apps| apps.contains(&app)).then(EventId::fresh)
    }

    /// Wakes the dispatcher of this process if an event was written.
    pub fn notify(&self, event: Option<EventId>) {
        if event.is_some() {
            self.wake.notify_one();
        }
    }

    /// Reloads the set. Returns true if any app has a webhook.
    pub async fn refresh(&self, db: &Pool) -> Result<bool, db::Error> {
        let apps: HashSet<AppId> = webhooks::manage::apps(db).await?.into_iter().collect();
        let any = !apps.is_empty();
        *self.apps.write().unwrap_or_else(PoisonError::into_inner) = Some(apps);
        Ok(any)
    }
}
