//! Webhooks: an app's backend is told what happens. What is told is written with the change ([`crate::db::webhooks`]);
//! here it is sent. Requests ask [`Listeners`] whether anybody listens, so that an app without webhooks pays nothing.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

use tokio::sync::Notify;

use crate::db::{self, Pool, webhooks};
use crate::domain::id::AppId;
use crate::domain::webhook::EventId;

/// The apps that have webhooks, as they were a second ago.
#[derive(Default)]
pub struct Subscriptions {
    /// `None`: not known yet, so that any may have.
    apps: RwLock<Option<HashSet<AppId>>>,
    pub(super) wake: Notify,
}

impl Subscriptions {
    /// The name of an event to be written with a change of this app, if somebody is to be told.
    #[must_use]
    pub fn event_for(&self, app: AppId) -> Option<EventId> {
        let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
        apps.as_ref().is_none_or(|apps| apps.contains(&app)).then(EventId::fresh)
    }

    /// Says to the worker of this process that there is something to tell, if there was an event.
    pub fn notify(&self, event: Option<EventId>) {
        if event.is_some() {
            self.wake.notify_one();
        }
    }

    /// Looks anew. True: some app has a webhook.
    pub async fn refresh(&self, db: &Pool) -> Result<bool, db::Error> {
        let apps: HashSet<AppId> = webhooks::manage::apps(db).await?.into_iter().collect();
        let any = !apps.is_empty();
        *self.apps.write().unwrap_or_else(PoisonError::into_inner) = Some(apps);
        Ok(any)
    }
}
