//! `/v1/invites/{code}`: invites for an app's own landing page, with the code of the mail as the credential. Showing
//! an invite does not use up its code. Unknown codes count against the client's address, like forged API keys.

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::api::users::tokens::{AccessToken, signing_key};
use crate::audit;
use crate::db::invites::accept::{self, AcceptWithProfile, AcceptWithProfileOutcome, InviteByCode};
use crate::db::referrals::attribution::AttributionOutcome;
use crate::domain::id::UserId;
use crate::domain::invites::accept_body::AcceptBody;
use crate::domain::invites::{self, InviteCode};
use crate::domain::users::User;
use crate::domain::users::profile::ProfilePatch;
use crate::http::context::RequestContext;
use crate::http::cors;
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{self, OptionalJson};
use crate::http::state::AppState;

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

/// The user who accepted, and an access token for them.
#[derive(Serialize)]
pub struct AcceptedInvite {
    user: Box<User>,
    #[serde(flatten)]
    token: AccessToken,
}

/// Accepts the invite, once, and saves the profile and the referral code in the body; all or none.
pub async fn accept(
    State(state): State<AppState>,
    InviteByCodePath { code, .. }: InviteByCodePath,
    OptionalJson(body): OptionalJson,
) -> Result<Success<AcceptedInvite>, Error> {
    let today = crate::clock::now().to_zoned(TimeZone::UTC).date();
    let mut names = ProfilePatch::names(&body);
    let AcceptBody { profile, referral_code } = AcceptBody::parse(body, today)?;
    names.extend(referral_code.as_ref().map(|_| "referralCode".to_owned()));
    audit::record(|facts| facts.fields = names);
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
    let data = AcceptedInvite { user, token };
    Ok(Success { status: StatusCode::OK, message: "the invite was accepted", data })
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
