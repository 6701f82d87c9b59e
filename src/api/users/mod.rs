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

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::users::User;

/// A user as the resource of a response.
#[derive(Serialize, JsonSchema)]
pub struct UserResource {
    #[schemars(extend("const" = "user"))]
    kind: &'static str,
    #[serde(flatten)]
    user: User,
}

impl From<User> for UserResource {
    fn from(user: User) -> Self {
        Self { kind: "user", user }
    }
}
