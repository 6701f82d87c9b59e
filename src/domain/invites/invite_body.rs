//! The request bodies of invites and referrals: address, language and lifetime.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::EXPIRES_IN;
use super::referral_code::ReferralCode;
use crate::domain::email::Email;
use crate::domain::fields::{FieldErrors, Fields, Invalid, Refused};
use crate::domain::language::Language;

/// `{"email", "language", "expiresIn"?}`; other fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "camelCase", example = json!({ "email": "ada@example.com", "language": "en" }))]
pub struct InviteBody {
    /// The address to invite.
    pub email: Email,
    /// The language of the recipient.
    pub language: Language,
    /// Validity of the invite in seconds. The default is the setting of the app.
    #[schemars(range(min = *EXPIRES_IN.start(), max = *EXPIRES_IN.end()), example = 86_400)]
    pub expires_in: Option<i32>,
}

impl InviteBody {
    /// The names of the fields that are set.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let expires_in = self.expires_in.map(|_| "expiresIn");
        ["email", "language"].into_iter().chain(expires_in).map(str::to_owned).collect()
    }

    /// The contents in one line; equal bodies have equal lines.
    #[must_use]
    pub fn line(&self) -> String {
        let expires_in = self.expires_in.map(|seconds| format!(" {seconds}")).unwrap_or_default();
        format!("{} {}{expires_in}", self.email, self.language)
    }

    /// Parses the body of an invite. A body with `user` was sent with the wrong method, as in the seeds' example of
    /// the update; the error names the right method instead of the missing fields.
    pub fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors> {
        if body.contains_key("user") {
            let problem = "is not a field of an invite: to update a user send `PUT /v1/users/{userId}`";
            return Err(FieldErrors::one("user", Invalid(problem)));
        }
        let unknown = Invalid("is not a field of a referral, only `email`, `language` and `expiresIn` are");
        let mut body = Fields::of(body, unknown);
        let read = Self::read(&mut body);
        body.finish(|| read)
    }

    /// Reads the fields of an invite from a body that may have others.
    pub(crate) fn read(body: &mut Fields) -> Result<Self, Refused> {
        let email = body.required("email", Email::parse);
        let language = body.required("language", Language::parse);
        let seconds = Invalid("must be a whole number of seconds from 60 to 7776000 (90 days)");
        let expires_in = body.integer("expiresIn", EXPIRES_IN, seconds);
        Ok(Self { email: email?, language: language?, expires_in })
    }
}

/// An invite by the app's backend: `{"email", "language", "expiresIn"?, "referralCode"?}`; other fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "camelCase", example = json!({ "email": "ada@example.com", "language": "en" }))]
pub struct NewUserBody {
    #[schemars(flatten)]
    pub invite: InviteBody,
    pub referral_code: Option<ReferralCode>,
}

impl NewUserBody {
    /// The names of the fields that are set.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names = self.invite.names();
        names.extend(self.referral_code.as_ref().map(|_| "referralCode".to_owned()));
        names
    }

    /// As [`InviteBody::line`].
    #[must_use]
    pub fn line(&self) -> String {
        let code = self.referral_code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
        self.invite.line() + &code
    }

    /// As [`InviteBody::parse`].
    pub fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors> {
        if body.contains_key("user") {
            let problem = "is not a field of an invite: to update a user send `PUT /v1/users/{userId}`";
            return Err(FieldErrors::one("user", Invalid(problem)));
        }
        let problem =
            "is not a field of an invite, only `email`, `language`, `expiresIn` and `referralCode` are";
        let mut body = Fields::of(body, Invalid(problem));
        let invite = InviteBody::read(&mut body);
        let referral_code = body.optional("referralCode", ReferralCode::parse);
        body.finish(|| Ok(Self { invite: invite?, referral_code }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: Value) -> Result<InviteBody, String> {
        match body {
            Value::Object(map) => InviteBody::parse(map).map_err(|error| error.to_string()),
            other => panic!("{other} is not an object"),
        }
    }

    #[test]
    fn valid_body_is_parsed_with_and_without_expires_in() {
        let (email, language) = (Email::parse("a@b.co").unwrap(), Language::parse("DE").unwrap());
        let mut expected = InviteBody { email, language, expires_in: None };
        assert_eq!(parse(json!({"email": "a@b.co", "language": "DE"})), Ok(expected.clone()));
        assert_eq!(expected.line(), "a@b.co DE");
        for (sent, seconds) in [(json!(60), 60), (json!(7_776_000), 7_776_000), (json!(61.0), 61)] {
            expected.expires_in = Some(seconds);
            let read = parse(json!({"email": "a@b.co", "language": "DE", "expiresIn": sent})).unwrap();
            assert_eq!((&read, read.line()), (&expected, format!("a@b.co DE {seconds}")));
        }
    }

    #[test]
    fn every_invalid_field_is_named() {
        for (body, sentence) in [
            (json!({}), "`email` is required; `language` is required"),
            (
                json!({"email": null, "language": "", "name": "x"}),
                "`email` must be a string; `language` must be a BCP 47 language tag such as de or en-US, or an \
                 ISO 3166 country code such as DE; `name` is not a field of a referral, only \
                 `email`, `language` and `expiresIn` are",
            ),
            (
                json!({"email": "a@b.co", "language": "de", "expiresIn": null}),
                "`expiresIn` must be a whole number of seconds from 60 to 7776000 (90 days)",
            ),
            (
                json!({"user": {"email": "a@b.co"}}),
                "`user` is not a field of an invite: to update a user send `PUT /v1/users/{userId}`",
            ),
        ] {
            assert_eq!(parse(body).unwrap_err(), sentence);
        }
        for bad in
            [json!(59), json!(7_776_001), json!(-60), json!(60.5), json!("60"), json!(1e99), json!([60])]
        {
            let body = json!({"email": "a@b.co", "language": "de", "expiresIn": bad});
            assert!(parse(body).unwrap_err().starts_with("`expiresIn` must be"), "{bad}");
        }
    }
}
