//! Tests of behavior common to all endpoints: credentials, bodies, limits, connections, CORS.

mod bodies;
mod connections;
mod cors;
mod credentials;
mod envelope;
mod external_issuer;
mod idempotency;
mod limits;
mod probing;
