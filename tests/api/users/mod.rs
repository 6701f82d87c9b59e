//! Tests of `/v1/users`.

mod batch;
mod email_change;
mod erase;
mod invite;
mod show;
mod tokens;
mod update;
mod update_fields;
