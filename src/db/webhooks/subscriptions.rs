//! Keeps the set of apps that have webhooks. An event is written in the transaction of its change
//! ([`super::publish`]); requests check [`Subscriptions`] first, so that apps without webhooks write no events.

use std::collections::HashSet;

use parking_lot::RwLock;
use tokio::sync::Notify;

use super::manage;
use crate::db::{Error, Pool};
use crate::domain::id::AppId;
use crate::domain::webhook::EventId;

/// The apps that have webhooks, about one second old.
#[derive(Default)]
pub struct Subscriptions {
    /// `None` until first loaded: every app may have webhooks.
    apps: RwLock<Option<HashSet<AppId>>>,
    /// Wakes the dispatcher of this process.
    pub wake: Notify,
}

impl Subscriptions {
    /// Returns a new event id to write with a change of this app, or `None` if the app has no webhooks.
    #[must_use]
    pub fn event_for(&self, app: AppId) -> Option<EventId> {
        let apps = self.apps.read();
        apps.as_ref().is_none_or(|apps| apps.contains(&app)).then(EventId::fresh)
    }

    /// Reloads the set. Returns true if any app has a webhook.
    pub async fn refresh(&self, db: &Pool) -> Result<bool, Error> {
        let apps: HashSet<AppId> = manage::apps(db).await?.into_iter().collect();
        let any = !apps.is_empty();
        *self.apps.write() = Some(apps);
        Ok(any)
    }
}
