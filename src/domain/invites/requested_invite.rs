//! One invite of a bulk request, or of a file that is imported.

use schemars::JsonSchema;
use serde_json::Value;
use uuid::Uuid;

use super::invite_body::NewUserBody;
use crate::domain::fields::{FieldErrors, Invalid};
use crate::domain::id::{self, UserId};

/// One invite of a bulk request.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
pub struct RequestedInvite {
    /// The UUID for the new user.
    #[schemars(rename = "userId", with = "Option<Uuid>")]
    pub user: Option<UserId>,
    /// The fields of a single invite.
    #[schemars(flatten)]
    pub body: NewUserBody,
}

/// Parses the id of a user in a body.
pub fn user_id(text: &str) -> Result<UserId, Invalid> {
    id::parse(text).map(UserId).ok_or(Invalid("must be a hyphenated UUID"))
}

impl RequestedInvite {
    /// The address in lower case, for comparison.
    #[must_use]
    pub fn lowercase_address(&self) -> String {
        self.body.invite.email.as_str().to_lowercase()
    }

    pub fn parse(item: Value) -> Result<Self, FieldErrors> {
        let Value::Object(mut item) = item else {
            return Err(FieldErrors::one("invites", Invalid("must be a list of objects")));
        };
        let user = match item.remove("userId") {
            None => None,
            Some(Value::String(text)) => {
                Some(user_id(&text).map_err(|problem| FieldErrors::one("userId", problem))?)
            }
            Some(_) => return Err(FieldErrors::one("userId", Invalid("must be a string"))),
        };
        Ok(Self { user, body: NewUserBody::parse(item)? })
    }
}
