//! `GET /v1/apps/{appId}/public-key` and `GET /v1/public-key`: the key that verifies tokens, as PEM.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::Serialize;

use super::{APP_ID, app_id, app_id_parameter, own};
use crate::api::route::{Route, get};
use crate::db::apps;
use crate::domain::id::AppId;
use crate::http::auth::{AnyKey, Callers};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{self, Query};
use crate::http::operation::{Describe, Operation};
use crate::http::state::AppState;

const MESSAGE: &str = "the public key of the app";

/// The app of the API key. The path may name it.
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

impl Describe for OwnApp {
    fn describe(operation: &mut Operation) {
        operation.admit(AnyKey::ADMITS);
    }
}

/// The public key of an app.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublicKeyData {
    #[schemars(extend("const" = "publicKey"))]
    kind: &'static str,
    /// The public key as SubjectPublicKeyInfo in PEM (RFC 7468).
    #[schemars(example = &"-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq…\n-----END PUBLIC KEY-----\n")]
    public_key: String,
}

/// The key that verifies the newest tokens of the app, as SubjectPublicKeyInfo in PEM (RFC 7468).
pub async fn public_key(
    State(state): State<AppState>,
    OwnApp(app): OwnApp,
) -> Result<Success<PublicKeyData>, Error> {
    let keys = apps::public_keys(&state.store.pool, app).await?;
    let (_, spki) = keys.into_iter().next().ok_or(Error::AppNotFound)?;
    let unix = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let public_key = pem::encode_config(&pem::Pem::new("PUBLIC KEY", spki), unix);
    let data = PublicKeyData { kind: "publicKey", public_key };
    Ok(Success::ok(MESSAGE, data))
}

pub fn route() -> Route {
    get(
        "/apps/{appId}/public-keys",
        public_key,
        Operation::new("showPublicKey", "apps", "Show the public key")
            .about("Returns the public key that verifies the newest access tokens of the app.")
            .message(MESSAGE)
            .parameters([app_id_parameter()])
            .refuses([Error::AppOutOfReach, Error::AppNotFound, APP_ID]),
    )
}

pub fn own_route() -> Route {
    get(
        "/public-key",
        public_key,
        Operation::new("showOwnPublicKey", "apps", "Show the public key")
            .about(
                "The same as `/apps/{appId}/public-keys`, at the older path. The app is that of the API \
                    key.",
            )
            .message(MESSAGE)
            .refuses([Error::AppNotFound]),
    )
}
