//! Webhooks: who has subscribed to events, and the dispatcher that delivers them.

pub mod dispatcher;
pub mod receiver;
pub mod subscriptions;
