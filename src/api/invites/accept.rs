//! `/v1/invites/{code}`: invites for an app's own landing page, with the code of the mail as the credential. Showing
//! an invite does not use up its code. Unknown codes count against the client's address, like forged API keys.

use std::borrow::Cow;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};

use super::code_parameter;
use crate::api::route::{Route, post};
use crate::api::users::tokens::{AccessToken, signing_key};
use crate::audit;
use crate::db::invites::accept::{self, AcceptWithProfile, AcceptWithProfileOutcome, InviteByCode};
use crate::db::referrals::attribution::AttributionOutcome;
use crate::domain::fields::{FieldErrors, Fields, Invalid};
use crate::domain::id::UserId;
use crate::domain::invites::referral_code::ReferralCode;
use crate::domain::invites::{self, InviteCode};
use crate::domain::users::User;
use crate::domain::users::profile::ProfilePatch;
use crate::http::context::RequestContext;
use crate::http::cors;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{self, OptionalJson, RequestBody};
use crate::http::operation::{Describe, Operation, TestFlag};
use crate::http::state::AppState;

const MESSAGE: &str = "the invite was accepted";

/// An invite and its code, which the caller sent in the path.
pub struct InviteByCodePath {
    pub(super) code: InviteCode,
    pub(super) invite: InviteByCode,
}

impl FromRequestParts<AppState> for InviteByCodePath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let context = RequestContext::of(&parts.extensions);
        // A path parameter that is not UTF-8 is not a code.
        let text = extract::param(parts, "code").await.unwrap_or_default();
        let found = match InviteCode::parse(&text) {
            Some(code) => {
                let look = accept::find(&state.store.pool, &code);
                let invite = context.look_up(&state.limits, &parts.headers, false, look).await?;
                invite.map(|invite| Self { code, invite })
            }
            None => None,
        };
        let Some(holder) = found else {
            context.count_failure(&state.limits, &parts.headers)?;
            return Err(Error::InvalidInviteCode);
        };
        context.set_app(holder.code.app);
        audit::record(|facts| (facts.app, facts.authenticated) = (Some(holder.code.app), true));
        cors::check_origin(&parts.headers, &state.public_url, &holder.invite.app_origins)?;
        let rate_limit = state.limits.callers.take(&(holder.code.app, holder.invite.id));
        context.set_rate_limit(rate_limit.map_err(Error::TooManyRequests)?);
        Ok(holder)
    }
}

impl Describe for InviteByCodePath {
    fn describe(operation: &mut Operation) {
        operation.parameters.push(code_parameter());
        operation.refusals.extend([
            Error::InvalidInviteCode,
            Error::OriginNotAllowed,
            Error::DuplicateHeader("Origin"),
            Error::TooManyRequests(Duration::ZERO),
            Error::TooManyFailures(Duration::ZERO),
            Error::Overloaded,
        ]);
    }
}

/// The user who accepted, and an access token for them.
#[derive(Serialize, JsonSchema)]
pub struct AcceptedInvite {
    user: Box<User>,
    #[serde(flatten)]
    token: AccessToken,
    /// Where the person goes on: the home page of the app, if it has set one.
    #[serde(rename = "homeUrl")]
    #[schemars(example = &"https://app.example.com/")]
    home_url: Option<String>,
}

/// `{"user"?: {…}, "referralCode"?, "test"?: bool}`. `user` has the fields of an update except the address, which the
/// invite determines.
pub struct AcceptBody {
    /// Empty if `user` was not sent.
    profile: ProfilePatch,
    /// The code of the user who referred the new user.
    referral_code: Option<ReferralCode>,
    /// The names of the fields in the body.
    fields: Vec<String>,
}

impl JsonSchema for AcceptBody {
    fn schema_name() -> Cow<'static, str> {
        "AcceptBody".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut user = ProfilePatch::json_schema(generator);
        if let Some(Value::Object(properties)) = user.get_mut("properties") {
            properties.remove("email");
        }
        user.insert("description".to_owned(), "The profile of the user.".into());
        json_schema!({
            "type": "object",
            "properties": {
                "user": user,
                "referralCode": generator.subschema_for::<ReferralCode>(),
                "test": generator.subschema_for::<TestFlag>(),
            },
            "examples": [{ "user": { "given_name": "Ada", "family_name": "Lovelace" } }],
        })
    }
}

impl RequestBody for AcceptBody {
    fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors> {
        let today = crate::clock::now().to_zoned(TimeZone::UTC).date();
        let mut fields = ProfilePatch::names(&body);
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
        fields.extend(referral_code.as_ref().map(|_| "referralCode".to_owned()));
        body.finish(|| Ok(Self { profile: profile?, referral_code, fields }))
    }

    fn invalid() -> Map<String, Value> {
        Map::from_iter([("code".to_owned(), Value::Null)])
    }
}

/// Accepts the invite, once, and saves the profile and the referral code in the body; all or none.
pub async fn accept(
    State(state): State<AppState>,
    InviteByCodePath { code, invite }: InviteByCodePath,
    OptionalJson(AcceptBody { profile, referral_code, fields }): OptionalJson<AcceptBody>,
) -> Result<Success<AcceptedInvite>, Error> {
    audit::record(|facts| facts.fields = fields);
    // Load the key first, so that only signing can fail after the code is used up.
    let key = signing_key(&state.store.pool, &state.seal, code.app).await?;
    // Not repeatable: the code would be used up by the first attempt.
    let change = state.store.change(code.app).with_event().repeatable(false);
    let decide = |outcome| match outcome {
        AcceptWithProfileOutcome::User(user) => Ok(user),
        AcceptWithProfileOutcome::AccountExists => Err(Some(Error::AccountExists)),
        AcceptWithProfileOutcome::Attribution(AttributionOutcome::OwnCode) => {
            Err(Some(Error::OwnReferralCode))
        }
        AcceptWithProfileOutcome::Attribution(_) => Err(Some(Error::UnknownReferralCode)),
        AcceptWithProfileOutcome::NotOpen => Err(None),
    };
    let command = AcceptWithProfile { code, profile, referral_code };
    let AcceptWithProfile { code, .. } = &command;
    let user = match change.run(accept::accept_with_profile, &command, decide).await? {
        Ok(user) => user,
        Err(Some(error)) => return Err(error),
        Err(None) => return Err(refusal(&state, code).await?),
    };
    audit::record(|facts| facts.subject = Some(user.id));
    let (issuer, valid) = (state.config.issuer(), state.config.token.expires_after);
    let token = AccessToken::sign(&key, &issuer, code.app, UserId(user.id), &user.language, valid);
    let token = token.map_err(|error| Error::Internal(Box::new(error)))?;
    let data = AcceptedInvite { user, token, home_url: invite.home_url };
    Ok(Success::ok(MESSAGE, data))
}

/// Why a code that was valid at the look-up could not be used.
async fn refusal(state: &AppState, code: &InviteCode) -> Result<Error, Error> {
    let invite = accept::find(&state.store.pool, code).await?;
    Ok(match invite.map(|invite| invite.state) {
        None => Error::InvalidInviteCode,
        Some(invites::State::Accepted) => Error::InviteAccepted,
        Some(invites::State::Revoked) => Error::InviteRevoked,
        Some(invites::State::Expired) => Error::InviteExpired,
        // The invite was opened again in the meantime.
        Some(invites::State::Open) => Error::Unavailable(None),
    })
}

pub fn route() -> Route {
    post(
        "/invites/{code}/accept",
        accept,
        Operation::new("acceptInviteByCode", "invites", "Accept an invite")
            .about(
                "Accepts the invite and saves the profile and the referral code in the body: all or \
                    nothing. An invite can be accepted once. The response contains an access token, which \
                    the page can use for `PUT /v1/users/me`.",
            )
            .message(MESSAGE)
            .refuses([
                Error::InviteAccepted,
                Error::InviteRevoked,
                Error::InviteExpired,
                Error::AccountExists,
                Error::UnknownReferralCode,
                Error::OwnReferralCode,
            ]),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::fields::Patch;
    use crate::domain::text::Text;

    fn parse(body: Value) -> Result<(ProfilePatch, Option<ReferralCode>), String> {
        match body {
            Value::Object(map) => {
                let body = AcceptBody::parse(map);
                body.map(|body| (body.profile, body.referral_code)).map_err(|error| error.to_string())
            }
            other => panic!("{other} is not an object"),
        }
    }

    #[test]
    fn profile_and_referral_code_are_optional() {
        let nothing = || (ProfilePatch::default(), None);
        for body in [json!({}), json!({ "user": {}, "test": true }), json!({ "user": { "id": 7 } })] {
            assert_eq!(parse(body), Ok(nothing()));
        }
        let name = Patch::Set(Text::parse("Ada").unwrap());
        let expected = (ProfilePatch { name, ..ProfilePatch::default() }, None);
        assert_eq!(parse(json!({ "user": { "name": "Ada" } })), Ok(expected));
        let expected = (ProfilePatch::default(), ReferralCode::parse("K7QF2M9X").ok());
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
