//! Passkeys (WebAuthn Level 2): the checks of a registration (7.1) and of an authentication (7.2). Attestation is not
//! requested and its statement is ignored. Challenges, their age and single use, and the uniqueness of ids are the
//! database's.

mod authenticator_data;
mod cbor;
mod client_data;
mod cose;
mod refused;
#[cfg(test)]
mod tests;

use url::Url;

use super::api_key::sha256;
use super::random_code::RandomCode;
use authenticator_data::AuthenticatorData;
use cbor::Reader;
use client_data::Expected;
use cose::PublicKey;

pub use authenticator_data::MAX_CREDENTIAL_ID;
pub use cose::ALGORITHMS;
pub use refused::Refused;

/// Longest attestation object, authenticator data or signature in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// The site that passkeys are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// The host.
    pub id: String,
    origin: String,
}

/// A passkey that was just made.
#[derive(Debug, PartialEq, Eq)]
pub struct NewPasskey {
    pub credential_id: Vec<u8>,
    /// The COSE key as received.
    pub public_key: Vec<u8>,
    pub sign_count: u32,
}

/// A stored passkey.
pub struct Passkey<'a> {
    pub public_key: &'a [u8],
    pub sign_count: u32,
    /// The user handle that it was made with.
    pub user: &'a [u8],
}

/// What the browser sends to sign in with a passkey.
pub struct Assertion<'a> {
    pub client_data: &'a [u8],
    pub authenticator_data: &'a [u8],
    pub signature: &'a [u8],
    pub user: &'a [u8],
}

impl RelyingParty {
    /// The relying party of pages at this URL. `None` if its host is an IP address, for which browsers make no passkeys.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        Some(Self { id: url.domain()?.to_owned(), origin: url.origin().ascii_serialization() })
    }

    /// Verifies a registration.
    pub fn register(
        &self,
        challenge: &RandomCode,
        client_data: &[u8],
        attestation_object: &[u8],
    ) -> Result<NewPasskey, Refused> {
        self.check_client_data("webauthn.create", challenge, client_data)?;
        let data = authenticator_data_of(attestation_object).ok_or(Refused::AttestationObject)?;
        let data = AuthenticatorData::parse(data, &self.id)?;
        let credential = data.credential.ok_or(Refused::AuthenticatorData)?;
        Ok(NewPasskey {
            credential_id: credential.id.to_vec(),
            public_key: credential.public_key.to_vec(),
            sign_count: data.sign_count,
        })
    }

    /// Verifies an authentication. Returns the new signature counter.
    pub fn authenticate(
        &self,
        challenge: &RandomCode,
        passkey: &Passkey,
        assertion: &Assertion,
    ) -> Result<u32, Refused> {
        if assertion.user != passkey.user {
            return Err(Refused::User);
        }
        self.check_client_data("webauthn.get", challenge, assertion.client_data)?;
        if assertion.authenticator_data.len() > MAX_LENGTH {
            return Err(Refused::AuthenticatorData);
        }
        let data = AuthenticatorData::parse(assertion.authenticator_data, &self.id)?;
        if data.credential.is_some() {
            return Err(Refused::AuthenticatorData);
        }
        let (key, rest) = PublicKey::read(passkey.public_key)?;
        if !rest.is_empty() {
            return Err(Refused::PublicKey);
        }
        let signed = [assertion.authenticator_data, &sha256(assertion.client_data)].concat();
        if !key.verifies(&signed, assertion.signature) {
            return Err(Refused::Signature);
        }
        // Passkeys that are copied between devices have no counter: it stays zero.
        let counts = data.sign_count != 0 || passkey.sign_count != 0;
        if counts && data.sign_count <= passkey.sign_count {
            return Err(Refused::Counter);
        }
        Ok(data.sign_count)
    }

    fn check_client_data(&self, kind: &str, challenge: &RandomCode, json: &[u8]) -> Result<(), Refused> {
        client_data::check(json, &Expected { kind, challenge: challenge.expose(), origin: &self.origin })
    }
}

/// `authData` of an attestation object (6.5.4): a map of `fmt`, `attStmt` and `authData`.
fn authenticator_data_of(attestation_object: &[u8]) -> Option<&[u8]> {
    if attestation_object.len() > MAX_LENGTH {
        return None;
    }
    let mut reader = Reader::new(attestation_object);
    let (mut format, mut statement, mut data) = (None, None, None);
    for _ in 0..reader.map()? {
        let again = match reader.text()? {
            "fmt" => format.replace(reader.text()?).is_some(),
            "attStmt" => statement.replace(reader.skip()?).is_some(),
            "authData" => data.replace(reader.bytes()?).is_some(),
            _ => return None,
        };
        if again {
            return None;
        }
    }
    (format.is_some() && statement.is_some() && reader.rest().is_empty()).then_some(data)?
}
