//! The request body that accepts an invite: profile and referral code of the new user.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::referral_code::ReferralCode;
use crate::domain::fields::{FieldErrors, Fields, Invalid};
use crate::domain::users::profile::ProfilePatch;

/// `{"user"?: {…}, "referralCode"?, "test"?: bool}`. `user` has the fields of an update except the address, which the
/// invite determines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptBody {
    /// Empty if `user` was not sent.
    pub profile: ProfilePatch,
    /// Code of the user who referred the new user.
    pub referral_code: Option<ReferralCode>,
}

impl AcceptBody {
    /// Parses the body. An empty object stands for an absent body. A birthdate after `today` is refused.
    pub fn parse(body: Map<String, Value>, today: Date) -> Result<Self, FieldErrors> {
        let has_user = body.contains_key("user");
        let problem = "is not a field of this body, only `user`, `referralCode` and `test` are";
        let mut body = Fields::of(body, Invalid(problem));
        let mut profile = Ok(ProfilePatch::default());
        if has_user {
            profile = body.object("user", Invalid("is not a field of a user"), |user| {
                let problem = "must not be sent: it is the address that was invited";
                user.optional("email", |_| Err::<(), _>(Invalid(problem)));
                ProfilePatch::read(user, today)
            });
        }
        let referral_code = body.optional("referralCode", ReferralCode::parse);
        body.boolean("test");
        body.finish(|| Ok(Self { profile: profile?, referral_code }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::fields::Patch;
    use crate::domain::text::Text;

    fn parse(body: Value) -> Result<AcceptBody, String> {
        match body {
            Value::Object(map) => {
                AcceptBody::parse(map, Date::constant(2026, 11, 22)).map_err(|e| e.to_string())
            }
            other => panic!("{other} is not an object"),
        }
    }

    #[test]
    fn profile_and_referral_code_are_optional() {
        let nothing = AcceptBody { profile: ProfilePatch::default(), referral_code: None };
        for body in [json!({}), json!({ "user": {}, "test": true }), json!({ "user": { "id": 7 } })] {
            assert_eq!(parse(body), Ok(nothing.clone()));
        }
        let name = Patch::Set(Text::parse("Ada").unwrap());
        let expected =
            AcceptBody { profile: ProfilePatch { name, ..ProfilePatch::default() }, referral_code: None };
        assert_eq!(parse(json!({ "user": { "name": "Ada" } })), Ok(expected));
        let expected = AcceptBody { referral_code: ReferralCode::parse("K7QF2M9X").ok(), ..nothing };
        assert_eq!(parse(json!({ "referralCode": "k7qf-2m9x" })), Ok(expected));
    }

    #[test]
    fn every_invalid_field_is_named() {
        for (body, sentence) in [
            (json!({ "user": null }), "`user` must be an object"),
            (
                json!({ "user": { "email": "a@b.co", "nmae": 1, "birthdate": "2999-01-01" }, "code": "x" }),
                "`user.email` must not be sent: it is the address that was invited; `user.birthdate` must be a real \
                 date, YYYY-MM-DD, 0000-MM-DD or YYYY, and not in the future; `user.nmae` is not a field of \
                 a user; `code` is not a field of this body, only `user`, `referralCode` and `test` are",
            ),
        ] {
            assert_eq!(parse(body).unwrap_err(), sentence);
        }
    }
}
