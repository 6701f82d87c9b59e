//! Identifiers, UUIDs (RFC 9562) made here so that PostgreSQL 14 needs no extension. Apps, tenants and users
//! have random ones, version 4: callers are given them, and the public clients take no version after 5. What
//! only this server names has version 7, so that rows of one time lie together in an index.

use std::fmt;

use serde::Serialize;
use uuid::{NoContext, Timestamp, Uuid};

/// An app: `X-CLIENT-ID`, `appId`, `aud`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct AppId(pub Uuid);

/// A user inside an app; the same UUID in another app is somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct UserId(pub Uuid);

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A fresh UUID v4, for an app, a tenant or a user.
#[must_use]
pub fn public() -> Uuid {
    uuid::Builder::from_random_bytes(super::credentials::secret_key::random()).into_uuid()
}

/// A fresh UUID v7, for anything else.
#[must_use]
pub fn new() -> Uuid {
    let now = crate::clock::now();
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, nanoseconds))
}

/// A UUID as the contract writes it: hyphenated, in any case; not braced, not `urn:uuid:`, not plain.
#[must_use]
pub fn parse(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hyphenated_uuids_are_parsed() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let uuid = Uuid::try_parse(id).unwrap();
        assert_eq!(parse(id), Some(uuid));
        assert_eq!(parse(&id.to_uppercase()), Some(uuid));
        let others = [uuid.simple().to_string(), uuid.braced().to_string(), uuid.urn().to_string()];
        for other in others.iter().map(String::as_str).chain(["", "me", &id[1..], &format!("{id} ")]) {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn public_ids_are_uuid_version_4() {
        let id = public();
        assert_eq!((id.get_version_num(), id.get_variant()), (4, uuid::Variant::RFC4122));
        assert_ne!(id, public());
    }

    #[test]
    fn new_ids_are_uuid_version_7_with_the_current_time() {
        let id = new();
        assert_eq!(id.get_version_num(), 7);
        let seconds = id.get_timestamp().unwrap().to_unix().0.cast_signed();
        assert!((crate::clock::now().as_second() - seconds).abs() <= 1);
    }
}
