//! Webhooks of apps, and what they are to be told: one delivery per event and webhook, written by the transaction
//! of the change. [`super::webhooks::deliveries`] sends them.

pub mod deliveries;
pub mod manage;
pub mod publish;
