//! `POST /v1/users/{userId}/email-verification`: marks an address as verified.

use axum::extract::State;
use axum::http::StatusCode;

use crate::audit;
use crate::db::users::email_verification;
use crate::db::users::email_verification::Vouched;
use crate::domain::users::email_body;
use crate::http::auth::WriteKey;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Json, UserPath};
use crate::http::idempotency::settled;
use crate::http::state::AppState;

/// Marks the user's address as verified, by word of the app's backend, if it is the one in the body.
pub async fn vouch(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    Json(body): Json,
) -> Result<Success<()>, Error> {
    let email = email_body::parse(body)?;
    audit::note(|facts| facts.fields = vec!["email_verified".to_owned()]);
    let (db, email) = (&state.store.pool, &email);
    let event = state.listeners.event(app);
    match settled(|| async move { Ok(email_verification::vouch(db, app, user, email, event).await?) }).await?
    {
        Vouched::Yes => {
            state.listeners.told(event);
            Ok(Success { status: StatusCode::OK, message: "the address is verified", data: () })
        }
        Vouched::OtherAddress => Err(Error::OtherAddress),
        Vouched::OutOfReach => Err(Error::UserOutOfReach),
    }
}
