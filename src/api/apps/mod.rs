//! `/v1/apps/{appId}/…`: the app's public keys.

pub mod jwks;
pub mod public_key;

use axum::http::request::Parts;
use uuid::Uuid;

use crate::domain::id::{self, AppId};
use crate::http::error::Error;
use crate::http::extract;
use crate::http::operation::{Parameter, example};

pub(crate) const APP_ID: Error = Error::InvalidPath("`appId` in the path must be a hyphenated UUID");

/// `appId` in the path.
pub(crate) fn app_id_parameter() -> Parameter {
    let about = "The UUID of the app, with hyphens, in upper or lower case.";
    Parameter::path::<Uuid>("appId", about, example::APP)
}

pub(crate) async fn app_id(parts: &mut Parts) -> Result<AppId, Error> {
    let text = extract::param(parts, "appId").await?;
    id::parse(&text).map(AppId).ok_or(APP_ID)
}

/// Another app is refused in the same way as one that does not exist.
pub(crate) fn own(app: AppId, named: AppId) -> Result<(), Error> {
    if app == named { Ok(()) } else { Err(Error::AppOutOfReach) }
}
