//! What every endpoint stands on.

mod bodies;
mod connections;
mod cors;
mod credentials;
mod envelope;
mod idempotency;
mod limits;
mod outside_issuer;
mod probing;
