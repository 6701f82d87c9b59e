//! Extractors. They run in the order of a handler's arguments, which is the contract's order of checks: credentials,
//! permission of the route, path, query, body. Each rejection is an [`Error`], so it is answered in the envelope.

mod json;
mod paging;
mod path;
mod query;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::context::RequestContext;
use super::error::Error;
use super::operation::{Describe, Operation};
use super::state::AppState;

pub use json::{Json, LARGE_LIMIT, LargeJson, OptionalJson, RequestBody, bytes};
pub use paging::Page;
pub use path::{
    IdOrMe, Segment, USER_ID, UserPagePath, UserPath, frozen, param, user_id, user_id_only, user_id_or_me,
};
pub use query::Query;

/// A request for something public: it counts against the client's address.
pub struct Unauthenticated;

impl FromRequestParts<AppState> for Unauthenticated {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let context = RequestContext::of(&parts.extensions);
        context.count_failure(&state.limits, &parts.headers)?;
        context.acquire_permit(&state.limits).await?;
        Ok(Self)
    }
}

impl Describe for Unauthenticated {
    fn describe(operation: &mut Operation) {
        operation.refusals.extend([Error::TooManyFailures(Duration::ZERO), Error::Overloaded]);
    }
}

/// The request context, for a handler that turns errors into responses itself.
pub struct CurrentRequest(pub Arc<RequestContext>);

impl FromRequestParts<AppState> for CurrentRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Infallible> {
        Ok(Self(RequestContext::of(&parts.extensions)))
    }
}

impl Describe for CurrentRequest {
    fn describe(_: &mut Operation) {}
}
