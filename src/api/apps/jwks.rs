//! `GET /v1/apps/{appId}/jwks.json`: the keys that verify tokens (RFC 7517).

use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{APP_ID, app_id, app_id_parameter};
use crate::api::route::{Route, get};
use crate::db::apps;
use crate::domain::credentials::access_token::Jwk;
use crate::domain::id::AppId;
use crate::http::error::Error;
use crate::http::extract::Unauthenticated;
use crate::http::operation::{Answer, Describe, Operation, schema_of};
use crate::http::state::AppState;

/// The app in the path, for a caller without credentials.
pub struct NamedApp(AppId);

impl FromRequestParts<AppState> for NamedApp {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Error> {
        app_id(parts).await.map(Self)
    }
}

impl Describe for NamedApp {
    fn describe(operation: &mut Operation) {
        operation.parameters.push(app_id_parameter());
        operation.refusals.push(APP_ID);
    }
}

/// A JWK set (RFC 7517, 5).
#[derive(Serialize, JsonSchema)]
struct JwkSet {
    keys: Vec<Jwk>,
}

/// All keys that verify tokens of the app, as a JWK set (RFC 7517). Public; caches may keep it for five minutes.
pub async fn jwks(
    State(state): State<AppState>,
    NamedApp(app): NamedApp,
    _: Unauthenticated,
) -> Result<Response, Error> {
    let keys = apps::public_keys(&state.store.pool, app).await?;
    if keys.is_empty() {
        return Err(Error::AppNotFound);
    }
    let keys: Option<Vec<Jwk>> = keys.iter().map(|(id, spki)| Jwk::new(*id, spki)).collect();
    let keys = keys.ok_or_else(|| Error::Internal("a stored public key is damaged".into()))?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    Ok((headers, json!(JwkSet { keys }).to_string()).into_response())
}

pub fn route() -> Route {
    get(
        "/apps/{appId}/jwks.json",
        jwks,
        Operation::new("listKeys", "apps", "List the public keys")
            .about(
                "Lists all keys that verify access tokens of the app, as a JWK set (RFC 7517). Public; \
                    caches may keep the response for five minutes.",
            )
            .answer(Answer::Bare { media: "application/jwk-set+json", data: schema_of::<JwkSet>() })
            .refuses([Error::AppNotFound, Error::TooManyFailures(Duration::ZERO), Error::Overloaded]),
    )
}
