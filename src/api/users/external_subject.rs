//! `PUT /v1/users/{userId}/external-subject`: records the user's `sub` at the app's outside issuer.

use axum::extract::State;
use axum::http::StatusCode;

use crate::audit;
use crate::db;
use crate::db::users::external_subject::ExternalSubjectOutcome;
use crate::domain::text::Text;
use crate::domain::users::external_subject;
use crate::http::auth::WriteKey;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, UserPath};
use crate::http::state::AppState;

/// Records which `sub` of the app's outside issuer is the user in the path. The body is `{"externalSubject"}`, a
/// string, or null to remove it.
pub async fn set_external_subject(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    Json(body): Json,
) -> Result<Success<()>, Error> {
    let subject = external_subject::parse(body)?;
    audit::record(|facts| facts.fields = vec!["externalSubject".to_owned()]);
    let (event, subject) = (state.subscriptions.event_for(app), subject.as_ref().map(Text::as_str));
    match db::users::external_subject::set_external_subject(&state.store.pool, app, user, subject, event)
        .await?
    {
        ExternalSubjectOutcome::Recorded => {
            state.subscriptions.notify(event);
            Ok(Success { status: StatusCode::OK, message: "the subject was recorded", data: () })
        }
        ExternalSubjectOutcome::Taken => Err(Error::ExternalSubjectTaken),
        ExternalSubjectOutcome::NotAccessible => Err(Error::UserOutOfReach),
    }
}
