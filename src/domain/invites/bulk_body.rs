//! The request body of a bulk invite.

use serde_json::{Map, Value};

use super::invite_body::NewUserBody;
use crate::domain::fields::{FieldErrors, Fields, Invalid};
use crate::domain::id::{self, UserId};

/// Maximum number of invites in one request.
pub const MOST: usize = 1000;

/// `{"invites": [{"email", "language", "userId"?, …}, …], "inviterId"?}`
#[derive(Debug)]
pub struct BulkBody {
    /// The user who invites; `None` if the app invites.
    pub inviter: Option<UserId>,
    /// The result of parsing each invite, in the order of the request.
    pub invites: Vec<Result<Wanted, FieldErrors>>,
}

/// One invite of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The id for the invited user, if the request sets it.
    pub user: Option<UserId>,
    /// The fields of a single invite.
    pub body: NewUserBody,
}

fn user(text: &str) -> Result<UserId, Invalid> {
    id::parse(text).map(UserId).ok_or(Invalid("must be a hyphenated UUID"))
}

impl BulkBody {
    /// Parses the body. An error in one invite does not affect the others.
    pub fn parse(mut body: Map<String, Value>) -> Result<Self, FieldErrors> {
        let list = body.remove("invites");
        let mut body =
            Fields::of(body, Invalid("is not a field of this body, only `invites` and `inviterId` are"));
        let inviter = body.optional("inviterId", user);
        body.finish(|| Ok(()))?;
        match list {
            Some(Value::Array(list)) if (1..=MOST).contains(&list.len()) => {
                Ok(Self { inviter, invites: list.into_iter().map(Wanted::parse).collect() })
            }
            _ => Err(FieldErrors::one("invites", Invalid("must be a list of 1 to 1000 invites"))),
        }
    }
}

impl Wanted {
    /// The address in lower case, for comparison.
    #[must_use]
    pub fn address(&self) -> String {
        self.body.invite.email.as_str().to_lowercase()
    }

    pub fn parse(item: Value) -> Result<Self, FieldErrors> {
        let Value::Object(mut item) = item else {
            return Err(FieldErrors::one("invites", Invalid("must be a list of objects")));
        };
        let user = match item.remove("userId") {
            None => None,
            Some(Value::String(text)) => {
                Some(user(&text).map_err(|problem| FieldErrors::one("userId", problem))?)
            }
            Some(_) => return Err(FieldErrors::one("userId", Invalid("must be a string"))),
        };
        Ok(Self { user, body: NewUserBody::parse(item)? })
    }
}
