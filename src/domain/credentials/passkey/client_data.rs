//! The client data of a ceremony (WebAuthn Level 2, 5.8.1): what the browser says that it was for.

use serde::Deserialize;

use super::refused::Refused;

/// Longest client data in bytes.
const MAX_LENGTH: usize = 4096;

/// What the client data must say.
pub(super) struct Expected<'a> {
    /// `webauthn.create` or `webauthn.get`
    pub(super) kind: &'a str,
    /// The challenge, base64url.
    pub(super) challenge: &'a str,
    pub(super) origin: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    cross_origin: Option<bool>,
    token_binding: Option<TokenBinding>,
}

#[derive(Deserialize)]
struct TokenBinding {
    status: String,
}

/// Checks the client data as sent (7.1, steps 5 to 10; 7.2, steps 9 to 14).
pub(super) fn check(json: &[u8], expected: &Expected) -> Result<(), Refused> {
    if json.len() > MAX_LENGTH {
        return Err(Refused::ClientData);
    }
    let data: ClientData = serde_json::from_slice(json).map_err(|_| Refused::ClientData)?;
    if data.r#type != expected.kind {
        return Err(Refused::Type);
    }
    if data.challenge != expected.challenge {
        return Err(Refused::Challenge);
    }
    if data.origin != expected.origin || data.cross_origin == Some(true) {
        return Err(Refused::Origin);
    }
    // This server does not use token binding (RFC 8471).
    if data.token_binding.is_some_and(|binding| binding.status == "present") {
        return Err(Refused::ClientData);
    }
    Ok(())
}
