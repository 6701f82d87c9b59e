//! The request body that links a user to a `sub` of an external issuer.

use serde_json::{Map, Value};

use crate::domain::fields::{FieldErrors, Fields, Invalid, Patch};
use crate::domain::text::Text;

/// Parses `{"externalSubject"}`: a text, or null (`None`) to delete it.
pub fn parse(body: Map<String, Value>) -> Result<Option<Text>, FieldErrors> {
    let sent = body.contains_key("externalSubject");
    let mut body = Fields::of(body, Invalid("is not a field of this body, only `externalSubject` is"));
    let subject = match body.patch("externalSubject", Text::parse) {
        Patch::Set(subject) => Some(subject),
        Patch::Clear | Patch::Keep => None,
    };
    if !sent {
        body.refuse("externalSubject", Invalid("is required, as a text or null"));
    }
    body.finish(|| Ok(subject))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn external_subject_must_be_text_or_null() {
        let read = |body: Value| {
            let subject = parse(body.as_object().cloned().unwrap());
            subject
                .map(|subject| subject.map(|text| text.as_str().to_owned()))
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(json!({ "externalSubject": " auth0|1 " })), Ok(Some("auth0|1".to_owned())));
        assert_eq!(read(json!({ "externalSubject": null })), Ok(None));
        for (body, sentence) in [
            (json!({}), "`externalSubject` is required, as a text or null"),
            (
                json!({ "externalSubject": "a\u{f}" }),
                "`externalSubject` must be text of 1 to 256 characters without control characters",
            ),
            (json!({ "externalSubject": 7 }), "`externalSubject` must be a string"),
            (
                json!({ "externalSubject": "a", "x": 1 }),
                "`x` is not a field of this body, only `externalSubject` is",
            ),
        ] {
            assert_eq!(read(body), Err(sentence.to_owned()));
        }
    }
}
