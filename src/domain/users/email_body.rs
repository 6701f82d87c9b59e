//! The request body with the address of a user: `{"email"}`.

use serde_json::{Map, Value};

use crate::domain::email::Email;
use crate::domain::fields::{FieldErrors, Fields, Invalid};

pub fn parse(body: Map<String, Value>) -> Result<Email, FieldErrors> {
    let mut body = Fields::of(body, Invalid("is not a field of this body, only `email` is"));
    let email = body.required("email", Email::parse);
    body.finish(|| email)
}
