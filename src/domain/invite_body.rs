//! The body of both kinds of invite: whom to write to, in which language.

use serde_json::{Map, Value};

use super::email::Email;
use super::fields::{FieldErrors, Fields, Invalid};
use super::language::Language;

/// `{"email", "language"}`, nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteBody {
    /// Who is invited.
    pub email: Email,
    /// What they read.
    pub language: Language,
}

impl InviteBody {
    /// The names of its fields.
    pub const FIELDS: [&str; 2] = ["email", "language"];

    /// Parses the body of an invite. Who sends `user` took the wrong method (the example of the update
    /// in the seeds does) and is told the right one, rather than what their invite lacks.
    pub fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors> {
        if body.contains_key("user") {
            let problem = "is not a field of an invite: to update a user send `PUT /v1/users/{userId}`";
            return Err(FieldErrors::one("user", Invalid(problem)));
        }
        let unknown = Invalid("is not a field of an invite, only `email` and `language` are");
        let mut body = Fields::of(body, unknown);
        let email = body.required("email", Email::parse);
        let language = body.required("language", Language::parse);
        body.finish(|| Ok(Self { email: email?, language: language? }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(body: Value) -> Result<InviteBody, String> {
        match body {
            Value::Object(map) => InviteBody::parse(map).map_err(|error| error.to_string()),
            other => panic!("{other} is not an object"),
        }
    }

    #[test]
    fn both_fields_are_read() {
        let expected =
            InviteBody { email: Email::parse("a@b.co").unwrap(), language: Language::parse("DE").unwrap() };
        assert_eq!(parse(json!({"email": "a@b.co", "language": "DE"})), Ok(expected));
    }

    #[test]
    fn every_fault_is_named() {
        for (body, sentence) in [
            (json!({}), "`email` is required; `language` is required"),
            (
                json!({"email": null, "language": "", "name": "x"}),
                "`email` must be a string; `language` must be a BCP 47 language tag such as de or en-US, or an \
                 ISO 3166 country code such as DE; `name` is not a field of an invite, only `email` and \
                 `language` are",
            ),
            (
                json!({"user": {"email": "a@b.co"}}),
                "`user` is not a field of an invite: to update a user send `PUT /v1/users/{userId}`",
            ),
        ] {
            assert_eq!(parse(body).unwrap_err(), sentence);
        }
    }
}
