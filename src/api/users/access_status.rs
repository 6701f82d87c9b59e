//! `PUT /v1/apps/{appId}/users/{userId}/access-status/{accessStatus}`: freezes and unfreezes a user.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use schemars::json_schema;

use crate::api::apps::{app_id, app_id_parameter, own};
use crate::api::route::{Route, put};
use crate::audit;
use crate::db::users::access_status::{self, SetAccessStatus};
use crate::domain::id::{self, AppId, UserId};
use crate::http::auth::{Callers, WriteKey};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{self, Query, USER_ID};
use crate::http::operation::{Describe, Operation, Parameter};
use crate::http::state::AppState;

/// A user, and whether to freeze them: `0` in the path freezes, `1` unfreezes.
pub struct AccessStatusPath {
    app: AppId,
    user: UserId,
    frozen: bool,
}

impl FromRequestParts<AppState> for AccessStatusPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = WriteKey::authenticate(parts, state).await?;
        let named = app_id(parts).await?;
        let user = id::parse(&extract::param(parts, "userId").await?).ok_or(Error::InvalidPath(USER_ID))?;
        audit::record(|facts| {
            (facts.subject, facts.fields) = (Some(user), vec!["freezed".to_owned()]);
        });
        let frozen = extract::frozen(&extract::param(parts, "accessStatus").await?)?;
        Query::of(parts, &[])?;
        own(caller.app, named)?;
        Ok(Self { app: named, user: UserId(user), frozen })
    }
}

impl Describe for AccessStatusPath {
    fn describe(operation: &mut Operation) {
        operation.admit(WriteKey::ADMITS);
        let about = "`0` freezes the user, `1` unfreezes the user.";
        operation.parameters.extend([
            app_id_parameter(),
            extract::user_id_only(),
            Parameter {
                schema: |_| json_schema!({ "type": "string", "enum": ["0", "1"] }),
                ..Parameter::path::<String>("accessStatus", about, "0")
            },
        ]);
        operation.refusals.extend([Error::InvalidPath(USER_ID), Error::AppOutOfReach]);
    }
}

/// Freezes or unfreezes a user. Tokens of a frozen user are refused at once.
pub async fn set_access_status(
    State(state): State<AppState>,
    AccessStatusPath { app, user, frozen }: AccessStatusPath,
) -> Result<Success<()>, Error> {
    let change = state.store.change(app).with_event();
    let known = |was: Option<bool>| was.ok_or(Error::UserOutOfReach);
    let was =
        change.run(access_status::set_access_status, &SetAccessStatus { user, frozen }, known).await??;
    audit::record(|facts| facts.unchanged = was == frozen);
    let message = if frozen { "the user was frozen" } else { "the user was unfrozen" };
    Ok(Success::ok(message, ()))
}

pub fn route() -> Route {
    put(
        "/apps/{appId}/users/{userId}/access-status/{accessStatus}",
        set_access_status,
        Operation::new("setAccessStatus", "apps", "Freeze or unfreeze a user")
            .about(
                "`0` freezes the user: the server refuses their access tokens from then on. `1` \
                    unfreezes the user.",
            )
            .message("the user was frozen")
            .refuses([Error::UserOutOfReach]),
    )
}
