//! Authentication. The headers that are present decide the kind of credential; the other kind is never tried. Look-ups
//! are cached for one second, so a revoked key stops working on every replica within that second. If the database is
//! unavailable the response is 503, never 401. Unknown credentials have a cache of their own; their look-ups are
//! rate-limited by address.

pub mod cache;
mod callers;
pub mod credentials;
pub mod jwks;

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::context::RequestContext;
use super::cors;
use super::error::Error;
use super::state::AppState;
use crate::audit;
use crate::db::users;
use crate::domain::credentials::access_token::{self, Unverified, Verified};
use crate::domain::credentials::api_key::{ApiKey, KeyType, sha256};
use crate::domain::id::{self, AppId, UserId};
use crate::metrics;
use cache::{App, Call, ProvenKey};
use credentials::{PresentedCredentials, read_credentials};

pub use callers::{AnyKey, Caller, Callers, Reader, WriteKey};

/// A verified credential. The statement that acts for a token's user checks whether the user may still act.
enum Credential {
    Key(AppId, KeyType),
    Token(AppId, UserId),
}

/// Authenticates the caller and acquires a permit for the database.
async fn authenticate(parts: &Parts, state: &AppState) -> Result<Credential, Error> {
    let context = RequestContext::of(&parts.extensions);
    let call = Call { pool: &state.store.pool, limits: &state.limits, headers: &parts.headers, context };
    let proven = verify(state, &call).await;
    if let Err(error) = &proven
        && error.status().0 == StatusCode::UNAUTHORIZED
    {
        call.context.count_failure(&state.limits, &parts.headers)?;
    }
    let credential = proven?;
    let (Credential::Key(app, _) | Credential::Token(app, _)) = &credential;
    call.context.set_app(*app);
    call.context.acquire_permit(&state.limits).await?;
    Ok(credential)
}

async fn verify(state: &AppState, call: &Call<'_>) -> Result<Credential, Error> {
    let headers = call.headers;
    match read_credentials(headers)? {
        PresentedCredentials::Token(token) => by_token(state, call, token).await,
        PresentedCredentials::Key { app, key_type, key } => {
            let credential = by_key(state, call, app, key_type, &key).await?;
            if headers.contains_key("Origin") && !cors::is_docs_of_a_trial(state, headers) {
                return Err(Error::ApiKeyFromBrowser);
            }
            Ok(credential)
        }
    }
}

async fn by_key(
    state: &AppState,
    call: &Call<'_>,
    app: AppId,
    key_type: KeyType,
    key: &ApiKey,
) -> Result<Credential, Error> {
    audit::record(|facts| (facts.app, facts.key) = (Some(app), Some(key.id)));
    let live = state.credentials.key(call, app, key.id).await?.ok_or(Error::InvalidApiKey)?;
    verify_slices_are_equal(&live.hash, &key.hash()).map_err(|_| Error::InvalidApiKey)?;
    if live.key_type != key_type {
        return Err(Error::InvalidApiKey);
    }
    audit::record(|facts| facts.authenticated = true);
    call.check_rate(app, key.id)?;
    Ok(Credential::Key(app, key_type))
}

async fn by_token(state: &AppState, call: &Call<'_>, text: &str) -> Result<Credential, Error> {
    let credentials = &state.credentials;
    let digest = sha256(text.as_bytes());
    let proven = credentials.tokens.get(&digest).filter(|proven| proven.expires > seconds());
    metrics::count_cache(metrics::Cache::Token, proven.is_some());
    if let Some(ProvenKey { app: id, user, key, .. }) = proven.as_deref() {
        audit::record(|facts| facts.app = Some(*id));
        if let Some(app) = credentials.app(call, *id).await?
            && app.keys.iter().any(|known| known.is(key.as_deref()))
        {
            return token_accepted(state, call, &app, *id, *user);
        }
    }
    let token = Unverified::parse(text).map_err(Error::InvalidToken)?;
    let mut refused = access_token::Invalid::Token;
    for id in token.apps.iter().copied() {
        match by_token_for(state, call, &token, id, digest).await? {
            Ok((app, user)) => return token_accepted(state, call, &app, id, user),
            Err(invalid) => refused = invalid,
        }
    }
    Err(Error::InvalidToken(refused))
}

/// Accepts a verified token if its app allows the origin of the request and the user is within the rate limit.
fn token_accepted(
    state: &AppState,
    call: &Call<'_>,
    app: &App,
    id: AppId,
    user: UserId,
) -> Result<Credential, Error> {
    audit::record(|facts| (facts.user, facts.authenticated) = (Some(user.0), true));
    cors::check_origin(call.headers, &state.public_url, &app.origins)?;
    call.check_rate(id, user.0)?;
    Ok(Credential::Token(id, user))
}

/// Seconds since 1970.
fn seconds() -> f64 {
    crate::clock::now().as_duration().as_secs_f64()
}

/// Verifies a token for the app `id` and returns its user: by `sub`, which in a token of an external issuer may be an
/// `external_subject` recorded for the user.
async fn by_token_for(
    state: &AppState,
    call: &Call<'_>,
    token: &Unverified<'_>,
    id: AppId,
    digest: [u8; 32],
) -> Result<Result<(Arc<App>, UserId), access_token::Invalid>, Error> {
    audit::record(|facts| facts.app = Some(id));
    let credentials = &state.credentials;
    let Some(app) = credentials.app(call, id).await? else {
        return Ok(Err(access_token::Invalid::Token));
    };
    let user = if token.issuer == credentials.issuer {
        match token.verify(&app.keys, id) {
            Ok(Verified { subject, key, expires }) => match id::parse(&subject).map(UserId) {
                Some(user) => {
                    credentials.tokens.insert(digest, Arc::new(ProvenKey { app: id, user, key, expires }));
                    Ok(user)
                }
                None => Err(access_token::Invalid::Token),
            },
            Err(invalid) => Err(invalid),
        }
    } else if let Some((_, url)) = app.outside_issuer.as_ref().filter(|(issuer, _)| *issuer == token.issuer) {
        // Hold no permit while waiting for the issuer; it may be slow.
        call.context.release_permit();
        let keys = credentials
            .outside
            .keys(url, token.kid.as_deref())
            .await
            .map_err(|e| Error::Unavailable(Some(e.into())))?;
        match token.verify(&keys, id) {
            Ok(Verified { subject, .. }) => {
                call.context.acquire_permit(&state.limits).await?;
                Ok(users::external_subject::by_subject(&state.store.pool, id, &subject)
                    .await?
                    .ok_or(Error::UserOutOfReach)?)
            }
            Err(invalid) => Err(invalid),
        }
    } else {
        Err(access_token::Invalid::Token)
    };
    Ok(user.map(|user| (app, user)))
}
