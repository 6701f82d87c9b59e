//! Invites: creation, management, acceptance and deletion after their retention time.

pub mod accept;
pub mod bulk;
pub mod create;
pub mod imports;
pub mod manage;
pub mod new_invite;
pub mod reports;
pub mod search;
pub mod timeline;
