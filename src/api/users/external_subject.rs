//! `PUT /v1/users/{userId}/external-subject`: records the user's `sub` at the app's external issuer.

use axum::extract::State;
use axum::http::StatusCode;

use crate::audit;
use crate::db::users::external_subject::{self, ExternalSubjectOutcome, SetExternalSubject};
use crate::domain::users;
use crate::http::auth::WriteKey;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, UserPath};
use crate::http::state::AppState;

/// Records which `sub` of the app's external issuer is the user in the path. The body is `{"externalSubject"}`, a
/// string, or null to remove it.
pub async fn set_external_subject(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    Json(body): Json,
) -> Result<Success<()>, Error> {
    let subject = users::external_subject::parse(body)?;
    audit::record(|facts| facts.fields = vec!["externalSubject".to_owned()]);
    let change = state.store.change(app).with_event();
    let decide = |outcome| match outcome {
        ExternalSubjectOutcome::Recorded => Ok(()),
        ExternalSubjectOutcome::Taken => Err(Error::ExternalSubjectTaken),
        ExternalSubjectOutcome::NotAccessible => Err(Error::UserOutOfReach),
    };
    let command = SetExternalSubject { user, subject };
    change.run(external_subject::set_external_subject, &command, decide).await??;
    Ok(Success { status: StatusCode::OK, message: "the subject was recorded", data: () })
}
