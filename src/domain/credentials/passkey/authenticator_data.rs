//! The authenticator data of a ceremony (WebAuthn Level 2, 6.1).

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::cbor::Reader;
use super::cose::PublicKey;
use super::refused::Refused;
use crate::domain::credentials::api_key::sha256;

/// Longest id of a credential in bytes (7.1, step 17 of Level 3).
pub const MAX_CREDENTIAL_ID: usize = 1023;

/// User present.
const UP: u8 = 1;
/// User verified, such as by a fingerprint or a PIN.
const UV: u8 = 1 << 2;
/// Attested credential data follows.
const AT: u8 = 1 << 6;
/// Extensions follow.
const ED: u8 = 1 << 7;

const AAGUID: usize = 16;

/// The data, after the checks that both ceremonies have.
pub(super) struct AuthenticatorData<'a> {
    /// The signature counter.
    pub(super) sign_count: u32,
    /// Only at registration.
    pub(super) credential: Option<Credential<'a>>,
}

pub(super) struct Credential<'a> {
    pub(super) id: &'a [u8],
    /// The COSE key as received.
    pub(super) public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Parses the data and checks `rpIdHash` and the flags (7.1, steps 13 to 15; 7.2, steps 15 to 17). All of it must be
    /// understood; extensions are ignored, since none are requested.
    pub(super) fn parse(bytes: &'a [u8], rp_id: &str) -> Result<Self, Refused> {
        let bad = Refused::AuthenticatorData;
        let (rp_id_hash, rest) = bytes.split_at_checked(32).ok_or(bad)?;
        let ([flags], rest) = rest.split_first_chunk().ok_or(bad)?;
        let (sign_count, mut rest) = rest.split_first_chunk().ok_or(bad)?;
        if verify_slices_are_equal(rp_id_hash, &sha256(rp_id.as_bytes())).is_err() {
            return Err(Refused::RelyingParty);
        }
        if flags & UP == 0 {
            return Err(Refused::UserPresence);
        }
        if flags & UV == 0 {
            return Err(Refused::UserVerification);
        }
        let credential = if flags & AT == 0 {
            None
        } else {
            let (credential, after) = Credential::parse(rest)?;
            rest = after;
            Some(credential)
        };
        if flags & ED != 0 {
            let mut reader = Reader::new(rest);
            // Extensions are a map.
            Reader::new(rest).map().ok_or(bad)?;
            reader.skip().ok_or(bad)?;
            rest = reader.rest();
        }
        if !rest.is_empty() {
            return Err(bad);
        }
        Ok(Self { sign_count: u32::from_be_bytes(*sign_count), credential })
    }
}

impl<'a> Credential<'a> {
    /// Parses attested credential data (6.5.1). Returns what follows it.
    fn parse(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Refused> {
        let bad = Refused::AuthenticatorData;
        let (_, rest) = bytes.split_at_checked(AAGUID).ok_or(bad)?;
        let (length, rest) = rest.split_first_chunk().ok_or(bad)?;
        let (id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(bad)?;
        if id.is_empty() || id.len() > MAX_CREDENTIAL_ID {
            return Err(Refused::CredentialId);
        }
        let (_, after) = PublicKey::read(rest)?;
        let public_key = &rest[..rest.len() - after.len()];
        Ok((Self { id, public_key }, after))
    }
}
