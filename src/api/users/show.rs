//! `GET /v1/users/{userIdOrEmail}`: shows a user.

use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use schemars::JsonSchema;

use super::UserResource;
use crate::api::route::{Route, get};
use crate::db::users;
use crate::domain::email::Email;
use crate::domain::id::UserId;
use crate::http::auth::{Callers, Reader};
use crate::http::entity_tag::etag;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{self, IdOrMe, Query, USER_ID};
use crate::http::operation::{Describe, Operation, Parameter};
use crate::http::state::AppState;

const MESSAGE: &str = "the user";

/// How a caller selects a user.
enum UserSelector {
    Id(UserId),
    Email(Email),
}

/// A UUID, an e-mail address, or with an access token `me`.
#[derive(JsonSchema)]
#[schemars(inline, untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum IdOrMeOrEmail {
    IdOrMe(IdOrMe),
    Email(Email),
}

/// A caller and the selected user: by UUID, by address, or `me`.
pub struct ReadPath {
    caller: Reader,
    which: UserSelector,
}

impl FromRequestParts<AppState> for ReadPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = Reader::authenticate(parts, state).await?;
        let text = extract::param(parts, "userId").await?;
        let which = match extract::user_id(&text, caller.user)? {
            Some(user) => UserSelector::Id(user),
            None => UserSelector::Email(Email::parse(&text).map_err(|_| {
                Error::InvalidPath("`userId` in the path must be a hyphenated UUID or an e-mail address")
            })?),
        };
        Query::of(parts, &[])?;
        Ok(Self { caller, which })
    }
}

impl Describe for ReadPath {
    fn describe(operation: &mut Operation) {
        operation.admit(Reader::ADMITS);
        operation.parameters.push(Parameter::path::<IdOrMeOrEmail>(
            "userId",
            "The UUID or the e-mail address of the user. With an access token, `me` is the user of the token.",
            "me",
        ));
        operation.refusals.extend([Error::InvalidPath(USER_ID), Error::UserOutOfReach]);
    }
}

/// Shows a user. A backend can see every user who is not deleted, a user those of their own tenant.
pub async fn show(
    State(state): State<AppState>,
    ReadPath { caller, which }: ReadPath,
) -> Result<(HeaderMap, Success<UserResource>), Error> {
    let user = match &which {
        UserSelector::Id(user) => users::by_id(&state.store.pool, caller.app, caller.user, *user).await?,
        UserSelector::Email(email) => {
            users::by_email(&state.store.pool, caller.app, caller.user, email).await?
        }
    };
    let user = user.ok_or(Error::UserOutOfReach)?;
    let headers = etag(user.version);
    Ok((headers, Success::ok(MESSAGE, user.into())))
}

pub fn route() -> Route {
    get(
        "/users/{userId}",
        show,
        Operation::new("showUser", "users", "Show a user")
            .about(
                "Returns one user. With an API key, any user of the app who is not deleted. With an \
                    access token, the users of the tenant of the token's user.",
            )
            .message(MESSAGE)
            .refuses([Error::UserOutOfReach]),
    )
}
