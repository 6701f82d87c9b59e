//! `POST /v1/users/{userId}/email-verification`: marks an address as verified.

use axum::extract::State;
use axum::http::StatusCode;

use crate::audit;
use crate::db::users::email_verification::{VerifyEmail, VerifyEmailOutcome, verify_email};
use crate::domain::users::email_body;
use crate::http::auth::WriteKey;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, UserPath};
use crate::http::state::AppState;

/// Marks the user's address as verified for the app's backend, if it is the address in the body.
pub async fn verify(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    Json(body): Json,
) -> Result<Success<()>, Error> {
    let email = email_body::parse(body)?;
    audit::record(|facts| facts.fields = vec!["email_verified".to_owned()]);
    let change = state.store.change(app).with_event();
    let decide = |outcome| match outcome {
        VerifyEmailOutcome::Verified => Ok(()),
        VerifyEmailOutcome::OtherAddress => Err(Error::OtherAddress),
        VerifyEmailOutcome::NotAccessible => Err(Error::UserOutOfReach),
    };
    change.run(verify_email, &VerifyEmail { user, email }, decide).await??;
    Ok(Success { status: StatusCode::OK, message: "the address is verified", data: () })
}
