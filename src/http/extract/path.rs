//! Path parameters.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use schemars::JsonSchema;
use uuid::Uuid;

use super::{Page, Query};
use crate::audit;
use crate::domain::id::{self, UserId};
use crate::http::auth::Callers;
use crate::http::error::Error;
use crate::http::operation::{Admits, Describe, Operation, Parameter, example};
use crate::http::state::AppState;

pub const USER_ID: &str = "`userId` in the path must be a hyphenated UUID";

/// A caller that may use the route, and the user in its path: a UUID, or `me` with an access token.
pub struct UserPath<C> {
    pub caller: C,
    pub user: UserId,
}

impl<C: Callers> UserPath<C> {
    /// Reads the credentials and the path.
    async fn read(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = C::authenticate(parts, state).await?;
        let text = param(parts, "userId").await?;
        let user = user_id(&text, caller.user())?.ok_or(Error::InvalidPath(USER_ID))?;
        audit::record(|facts| facts.subject = Some(user.0));
        Ok(Self { caller, user })
    }
}

impl<C: Callers> FromRequestParts<AppState> for UserPath<C> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let path = Self::read(parts, state).await?;
        Query::of(parts, &[])?;
        Ok(path)
    }
}

/// The path of a list that belongs to a user, and the page of it.
pub struct UserPagePath<C> {
    pub caller: C,
    pub user: UserId,
    pub page: Page,
}

impl<C: Callers> FromRequestParts<AppState> for UserPagePath<C> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let UserPath { caller, user } = UserPath::read(parts, state).await?;
        let page = Page::of(&Query::of(parts, &Page::NAMES)?)?;
        Ok(Self { caller, user, page })
    }
}

impl<C: Callers> Describe for UserPagePath<C> {
    fn describe(operation: &mut Operation) {
        UserPath::<C>::describe(operation);
        operation.parameters.extend(Page::parameters());
    }
}

impl<C: Callers> Describe for UserPath<C> {
    fn describe(operation: &mut Operation) {
        let token = matches!(C::ADMITS, Admits::AnyKeyOrToken | Admits::WriteKeyOrToken);
        operation.admit(C::ADMITS);
        operation.parameters.push(if token { user_id_or_me() } else { user_id_only() });
        operation.refusals.extend([Error::InvalidPath(USER_ID), Error::UserOutOfReach]);
    }
}

/// `userId` in the path of a route that also admits access tokens.
#[must_use]
pub fn user_id_or_me() -> Parameter {
    let about = "The UUID of the user. With an access token, `me` is the user of the token.";
    Parameter::path::<IdOrMe>("userId", about, "me")
}

/// `userId` in the path of a route for API keys only.
#[must_use]
pub fn user_id_only() -> Parameter {
    let about = "The UUID of the user, with hyphens, in upper or lower case.";
    Parameter::path::<Uuid>("userId", about, example::USER)
}

/// A UUID, or with an access token `me`.
#[derive(JsonSchema)]
#[schemars(inline, untagged)]
pub enum IdOrMe {
    Id(Uuid),
    /// The user of the access token.
    Me(#[schemars(extend("const" = "me"))] String),
}

/// The only parameter of a page's path. Empty if it is not UTF-8; an empty value matches nothing.
pub struct Segment(pub String);

impl FromRequestParts<AppState> for Segment {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let first = params.ok().and_then(|params| params.iter().next().map(|(_, value)| value.to_owned()));
        Ok(Self(first.unwrap_or_default()))
    }
}

impl Describe for Segment {
    fn describe(_: &mut Operation) {}
}

/// Parses a UUID, or `me` for the user of an access token. `None` for other text.
pub fn user_id(text: &str, me: Option<UserId>) -> Result<Option<UserId>, Error> {
    match (text, me) {
        ("me", None) => {
            Err(Error::InvalidPath("`userId` can be `me` with an access token only; give the user's UUID"))
        }
        ("me", me) => Ok(me),
        _ => Ok(id::parse(text).map(UserId)),
    }
}

/// Whether an access status in the path means frozen.
pub fn frozen(text: &str) -> Result<bool, Error> {
    match text {
        "0" => Ok(true),
        "1" => Ok(false),
        _ => Err(Error::InvalidPath("the access status in the path must be 0 (freeze) or 1 (unfreeze)")),
    }
}

/// A path parameter by its name in the route.
pub async fn param(parts: &mut Parts, name: &str) -> Result<String, Error> {
    let params = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|_| Error::InvalidPath("the path must be UTF-8 with valid percent-encoding"))?;
    let value = params.iter().find(|(param, _)| *param == name).map(|(_, value)| value.to_owned());
    Ok(value.unwrap_or_default())
}
