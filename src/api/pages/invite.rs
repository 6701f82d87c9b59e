//! `/invites/{code}`: where the link of an invite leads when the app has no page of its own. Looking (GET,
//! HEAD) changes nothing of it, since mail scanners follow links, but that the first look is recorded; the button
//! (POST) accepts. That of an expired invite (POST `?renew`) mails it again.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;

use super::render::{self, InvitePage, trouble, unknown};
use crate::audit;
use crate::db;
use crate::db::invites::accept::{self, AcceptOutcome, InviteByCode};
use crate::db::invites::manage::{self, ResendBy, ResendOutcome};
use crate::db::invites::timeline;
use crate::db::referrals::create::ReferralLimits;
use crate::domain::invites::{self, InviteCode};
use crate::http::error::Error;
use crate::http::extract::CurrentRequest;
use crate::http::extract::Segment;
use crate::http::state::AppState;
use crate::l10n::Texts;

/// Shows what the code is good for.
pub async fn show(
    State(state): State<AppState>,
    Segment(code): Segment,
    CurrentRequest(context): CurrentRequest,
    headers: HeaderMap,
) -> Response {
    let found = async {
        context.count_failure(&state.limits, &headers)?;
        context.acquire_permit(&state.limits).await?;
        look_up(&state, &code).await
    };
    match found.await {
        Ok(Some((code, invite))) => {
            record_view(&state, &code, &invite).await;
            shown(&invite)
        }
        Ok(None) => unknown(),
        Err(error) => trouble(&error),
    }
}

/// Records the first look. A look is not refused for want of that.
pub(crate) async fn record_view(state: &AppState, code: &InviteCode, invite: &InviteByCode) {
    if !invite.viewed
        && let Err(error) = timeline::record_view(&state.store.pool, code).await
    {
        tracing::debug!(%error, "a look was not recorded");
    }
}

/// Accepts the invite, once.
pub async fn accept(
    State(state): State<AppState>,
    Segment(code): Segment,
    CurrentRequest(context): CurrentRequest,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let wants_mail =
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).any(|(name, _)| name == "renew");
    let accepted = async {
        context.count_failure(&state.limits, &headers)?;
        context.acquire_permit(&state.limits).await?;
        let Some((parsed, invite)) = look_up(&state, &code).await? else {
            return Ok(unknown());
        };
        audit::record(|facts| (facts.app, facts.authenticated) = (Some(parsed.app), true));
        if wants_mail && invite.state == invites::State::Expired {
            return renew(&state, &parsed, &invite).await;
        }
        let app = invite.app_name.as_str();
        let event = state.listeners.event_for(parsed.app);
        Ok(match accept::accept(&state.store.pool, &parsed, event).await? {
            AcceptOutcome::Accepted(user) => {
                state.listeners.notify(event);
                audit::record(|facts| facts.subject = Some(user.0));
                page(StatusCode::OK, texts_of(&invite), &InvitePage::Accepted { app })
            }
            AcceptOutcome::AccountExists => {
                page(StatusCode::OK, texts_of(&invite), &InvitePage::Member { app })
            }
            // It was open a moment ago if at all: what it is now says why.
            AcceptOutcome::NotOpen => match look_up(&state, &code).await? {
                Some((_, invite)) => {
                    audit::record(|facts| facts.refused = Some(invite.state.as_str()));
                    shown(&invite)
                }
                None => unknown(),
            },
        })
    };
    accepted.await.unwrap_or_else(|error| trouble(&error))
}

/// Mails an expired invite again, to where it went before. What the page says is true whether or not a mail goes
/// out.
async fn renew(state: &AppState, code: &InviteCode, invite: &InviteByCode) -> Result<Response, Error> {
    audit::record(|facts| facts.fields = vec!["expiresAt".to_owned()]);
    let spending = state.store.mails.take(&state.store.pool, code.app).await?;
    let mail = state.new_mail(code.app);
    let mut connection = state.store.pool.acquire().await.map_err(db::Error::from)?;
    let (by, bounds) = (ResendBy::Holder(code), ReferralLimits::of(&state.config));
    // Who goes away before the answer has spent it.
    spending.mark_used();
    let resent = manage::resend(&mut connection, code.app, by, invite.id, bounds, &mail).await;
    if !matches!(resent, Ok(ResendOutcome::Resent) | Err(db::Error::InDoubt(_))) {
        spending.mark_unused();
    }
    let resent = resent?;
    connection.release();
    if resent == ResendOutcome::Resent {
        state.wake.notify_one();
    } else {
        audit::record(|facts| facts.unchanged = true);
    }
    let landing = InvitePage::Renewed { app: &invite.app_name };
    Ok(page(StatusCode::OK, texts_of(invite), &landing))
}

async fn look_up(state: &AppState, code: &str) -> Result<Option<(InviteCode, InviteByCode)>, Error> {
    let Some(code) = InviteCode::parse(code) else {
        return Ok(None);
    };
    Ok(accept::find(&state.store.pool, &code).await?.map(|invite| (code, invite)))
}

/// What the invite is good for.
fn shown(invite: &InviteByCode) -> Response {
    let status = if invite.state == invites::State::Revoked { StatusCode::NOT_FOUND } else { StatusCode::OK };
    page(status, texts_of(invite), &landing(invite))
}

fn landing(invite: &InviteByCode) -> InvitePage<'_> {
    let app = invite.app_name.as_str();
    match invite.state {
        invites::State::Open => InvitePage::Open {
            app,
            inviter: invite.inviter.as_deref(),
            kind: invite.kind,
            address: &invite.email,
        },
        invites::State::Accepted => InvitePage::AlreadyAccepted { app },
        invites::State::Revoked => InvitePage::Unknown,
        invites::State::Expired => InvitePage::Expired { app },
    }
}

fn texts_of(invite: &InviteByCode) -> &'static Texts {
    Texts::for_person(&invite.language, &invite.app_language)
}

fn page(status: StatusCode, texts: &'static Texts, landing: &InvitePage<'_>) -> Response {
    render::response(status, render::landing(texts, landing))
}
