//! `POST /v1/users/{userId}/email-verification`: marks an address as verified.

use axum::extract::State;
use schemars::JsonSchema;
use serde_json::{Map, Value};

use crate::api::route::{Route, post};
use crate::audit;
use crate::db::users::email_verification::{VerifyEmail, VerifyEmailOutcome, verify_email};
use crate::domain::email::Email;
use crate::domain::fields::{FieldErrors, Fields, Invalid};
use crate::http::auth::WriteKey;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, RequestBody, UserPath};
use crate::http::operation::Operation;
use crate::http::state::AppState;

const MESSAGE: &str = "the address is verified";

/// `{"email"}`
#[derive(JsonSchema)]
pub struct EmailBody {
    email: Email,
}

impl RequestBody for EmailBody {
    fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut body = Fields::of(body, Invalid("is not a field of this body, only `email` is"));
        let email = body.required("email", Email::parse);
        body.finish(|| email.map(|email| Self { email }))
    }
}

/// Marks the user's address as verified for the app's backend, if it is the address in the body.
pub async fn verify(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    Json(EmailBody { email }): Json<EmailBody>,
) -> Result<Success<()>, Error> {
    audit::record(|facts| facts.fields = vec!["email_verified".to_owned()]);
    let change = state.store.change(app).with_event();
    let decide = |outcome| match outcome {
        VerifyEmailOutcome::Verified => Ok(()),
        VerifyEmailOutcome::OtherAddress => Err(Error::OtherAddress),
        VerifyEmailOutcome::NotAccessible => Err(Error::UserOutOfReach),
    };
    change.run(verify_email, &VerifyEmail { user, email }, decide).await??;
    Ok(Success::ok(MESSAGE, ()))
}

pub fn route() -> Route {
    post(
        "/users/{userId}/email-verification",
        verify,
        Operation::new("verifyEmail", "users", "Mark an address as verified")
            .about(
                "Marks the address of the user as verified, for a backend that has verified it itself. \
                    `email` must be the user's current address. A pending confirmation of this address is \
                    completed.",
            )
            .message(MESSAGE)
            .refuses([Error::OtherAddress]),
    )
}
