//! Webhooks: the subscriptions of apps, and the dispatcher that delivers events to them.

pub mod dispatcher;
pub mod receiver;
