//! `/v1/apps/{appId}/…`: the app's public keys.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

use crate::db::apps;
use crate::domain::credentials::access_token::Jwk;
use crate::domain::id::{self, AppId};
use crate::http::auth::{AnyKey, Callers};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::Unauthenticated;
use crate::http::extract::{self, Query};
use crate::http::state::AppState;

/// The app whose public key is asked for: that of the API key, which the path may name.
pub struct OwnApp(AppId);

impl FromRequestParts<AppState> for OwnApp {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = AnyKey::authenticate(parts, state).await?;
        let named = match extract::param(parts, "appId").await?.as_str() {
            "" => caller.app,
            _ => app_id(parts).await?,
        };
        Query::of(parts, &[])?;
        own(caller.app, named)?;
        Ok(Self(named))
    }
}

/// `data` of the answer with a public key.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicKeyData {
    kind: &'static str,
    public_key: String,
}

/// The key that verifies the newest tokens of the app: SubjectPublicKeyInfo, PEM (RFC 7468).
pub async fn public_key(
    State(state): State<AppState>,
    OwnApp(app): OwnApp,
) -> Result<Success<PublicKeyData>, Error> {
    let keys = apps::public_keys(&state.store.pool, app).await?;
    let (_, spki) = keys.into_iter().next().ok_or(Error::AppNotFound)?;
    let unix = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let public_key = pem::encode_config(&pem::Pem::new("PUBLIC KEY", spki), unix);
    let data = PublicKeyData { kind: "publicKey", public_key };
    Ok(Success { status: StatusCode::OK, message: "the public key of the app", data })
}

/// An app that the path names, whoever asks.
pub struct NamedApp(AppId);

impl FromRequestParts<AppState> for NamedApp {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Error> {
        app_id(parts).await.map(Self)
    }
}

/// All keys that verify tokens of the app, as a JWK set (RFC 7517): public, and good for five minutes.
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
    Ok((headers, json!({ "keys": keys }).to_string()).into_response())
}

pub(crate) async fn app_id(parts: &mut Parts) -> Result<AppId, Error> {
    let text = extract::param(parts, "appId").await?;
    id::parse(&text).map(AppId).ok_or(Error::InvalidPath("`appId` in the path must be a hyphenated UUID"))
}

/// Another app is as far away as one that does not exist.
pub(crate) fn own(app: AppId, named: AppId) -> Result<(), Error> {
    if app == named { Ok(()) } else { Err(Error::AppOutOfReach) }
}
