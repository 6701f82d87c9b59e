//! `PUT /v1/users/{userId}/external-subject`: records the user's `sub` at the app's external issuer.

use std::borrow::Cow;

use axum::extract::State;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::api::route::{Route, put};
use crate::audit;
use crate::db::users::external_subject::{self, ExternalSubjectOutcome, SetExternalSubject};
use crate::domain::fields::{FieldErrors, Fields, Invalid, Patch};
use crate::domain::text::Text;
use crate::http::auth::WriteKey;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, RequestBody, UserPath};
use crate::http::operation::Operation;
use crate::http::state::AppState;

const MESSAGE: &str = "the subject was recorded";

/// `{"externalSubject"}`: a text, or null (`None`) to delete it.
pub struct ExternalSubjectBody(pub Option<Text>);

impl JsonSchema for ExternalSubjectBody {
    fn schema_name() -> Cow<'static, str> {
        "ExternalSubjectBody".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut subject = generator.subschema_for::<Patch<Text>>();
        let about =
            "The `sub` of the user at the app's external issuer. `null` or an empty string removes it.";
        subject.insert("description".to_owned(), about.into());
        subject.insert("examples".to_owned(), json!(["auth0|5f7c8ec7c33c6c004bbafe82"]));
        json_schema!({
            "type": "object",
            "required": ["externalSubject"],
            "properties": { "externalSubject": subject },
        })
    }
}

impl RequestBody for ExternalSubjectBody {
    fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors> {
        let sent = body.contains_key("externalSubject");
        let mut body = Fields::of(body, Invalid("is not a field of this body, only `externalSubject` is"));
        let subject = match body.patch("externalSubject", Text::parse) {
            Patch::Set(subject) => Some(subject),
            Patch::Clear | Patch::Keep => None,
        };
        if !sent {
            body.refuse("externalSubject", Invalid("is required, as a text or null"));
        }
        body.finish(|| Ok(Self(subject)))
    }
}

/// Records which `sub` of the app's external issuer is the user in the path. The body is `{"externalSubject"}`, a
/// string, or null to remove it.
pub async fn set_external_subject(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    Json(ExternalSubjectBody(subject)): Json<ExternalSubjectBody>,
) -> Result<Success<()>, Error> {
    audit::record(|facts| facts.fields = vec!["externalSubject".to_owned()]);
    let change = state.store.change(app).with_event();
    let decide = |outcome| match outcome {
        ExternalSubjectOutcome::Recorded => Ok(()),
        ExternalSubjectOutcome::Taken => Err(Error::ExternalSubjectTaken),
        ExternalSubjectOutcome::NotAccessible => Err(Error::UserOutOfReach),
    };
    let command = SetExternalSubject { user, subject };
    change.run(external_subject::set_external_subject, &command, decide).await??;
    Ok(Success::ok(MESSAGE, ()))
}

pub fn route() -> Route {
    put(
        "/users/{userId}/external-subject",
        set_external_subject,
        Operation::new("setExternalSubject", "users", "Record an external subject")
            .about(
                "Records the `sub` that the app's external issuer uses for the user. Needed only if that \
                    `sub` is not the user's id.",
            )
            .message(MESSAGE)
            .refuses([Error::ExternalSubjectTaken]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn external_subject_must_be_text_or_null() {
        let read = |body: Value| {
            let body = ExternalSubjectBody::parse(body.as_object().cloned().unwrap());
            body.map(|ExternalSubjectBody(subject)| subject.map(|text| text.as_str().to_owned()))
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
