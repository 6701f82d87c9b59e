//! The body with which many are invited at once.

use serde_json::{Map, Value};

use super::invite_body::NewUserBody;
use crate::domain::fields::{FieldErrors, Fields, Invalid};
use crate::domain::id::{self, UserId};

/// Most invites of one call.
pub const MOST: usize = 1000;

/// `{"invites": [{"email", "language", "userId"?, …}, …], "inviterId"?}`
#[derive(Debug)]
pub struct BulkBody {
    /// Who invites, if a user does.
    pub inviter: Option<UserId>,
    /// Each for itself, in their order.
    pub invites: Vec<Result<Wanted, FieldErrors>>,
}

/// One of the invites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// As whom, if the call says so.
    pub user: Option<UserId>,
    /// As in an invite of one.
    pub body: NewUserBody,
}

fn user(text: &str) -> Result<UserId, Invalid> {
    id::parse(text).map(UserId).ok_or(Invalid("must be a hyphenated UUID"))
}

impl BulkBody {
    /// Parses the body; what is wrong with one invite is no fault of the others.
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
    /// The address, as it is compared.
    #[must_use]
    pub fn address(&self) -> String {
        self.body.invite.email.as_str().to_lowercase()
    }

    /// Parses one.
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
