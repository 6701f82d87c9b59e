//! Tests of `/v1/invites`.

pub mod accept;
mod bulk;
mod manage;
mod model;
mod timeline;
