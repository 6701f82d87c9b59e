//! The outbox and its worker.

mod brand;
pub mod queue;
mod worker;
