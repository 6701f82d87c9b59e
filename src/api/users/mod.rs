//! `/v1/users` and `/v1/users/{userId}`: invite a user, change, show, list and erase profiles.

pub mod access_status;
pub mod email_confirmation;
pub mod email_verification;
pub mod erase;
pub mod external_subject;
pub mod invite;
pub mod list;
pub mod show;
pub mod tokens;
pub mod update;

use serde::Serialize;

use crate::domain::users::User;
use crate::http::operation::Data;

/// A user as the resource of a response.
#[derive(Serialize)]
pub struct UserResource {
    kind: &'static str,
    #[serde(flatten)]
    user: User,
}

impl From<User> for UserResource {
    fn from(user: User) -> Self {
        Self { kind: "user", user }
    }
}

impl Data for UserResource {
    const SCHEMA: &'static str = "UserResource";
}
