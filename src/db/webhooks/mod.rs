//! Webhooks of apps and their deliveries: one per event and webhook, written in the transaction of the change.
//! [`super::webhooks::deliveries`] sends them.

pub mod deliveries;
pub mod manage;
pub mod publish;
pub mod search;
pub mod subscriptions;
