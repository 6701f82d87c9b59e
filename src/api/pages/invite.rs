//! `/invites/{code}`: the page behind the link of an invite, for apps without a page of their own. GET and HEAD only
//! record the first view, because mail scanners follow links. POST, by the button, accepts; POST `?renew` mails an
//! expired invite again.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use schemars::json_schema;

use super::render::{self, InvitePage};
use crate::api::invites::code_parameter;
use crate::api::route::{Route, get, post};
use crate::audit;
use crate::db::apps;
use crate::db::invites::accept::{self, AcceptOutcome, InviteByCode};
use crate::db::invites::manage::{self, ResendBy, ResendInvite, ResendOutcome};
use crate::db::invites::timeline;
use crate::db::referrals::new_referral::ReferralLimits;
use crate::domain::brand::Brand;
use crate::domain::invites::{self, InviteCode};
use crate::http::error::Error;
use crate::http::extract::CurrentRequest;
use crate::http::extract::Segment;
use crate::http::operation::{Answer, Operation, Parameter};
use crate::http::state::AppState;
use crate::l10n::Texts;

/// Shows the invite of the code.
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
        Ok(Some((code, invite, brand))) => {
            record_view(&state, &code, &invite).await;
            shown(&invite, &brand)
        }
        Ok(None) => unknown(&headers),
        Err(error) => trouble(&error, &headers),
    }
}

/// Records the first view. A failure is only logged, and the page is shown all the same.
pub(crate) async fn record_view(state: &AppState, code: &InviteCode, invite: &InviteByCode) {
    if !invite.viewed
        && let Err(error) = timeline::record_view(&state.store.pool, code).await
    {
        tracing::debug!(%error, "the view of an invite was not recorded");
    }
}

/// Accepts the invite, once. With `?renew`, mails an expired invite again.
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
        let Some((parsed, invite, brand)) = look_up(&state, &code).await? else {
            return Ok(unknown(&headers));
        };
        audit::record(|facts| (facts.app, facts.authenticated) = (Some(parsed.app), true));
        if wants_mail && invite.state == invites::State::Expired {
            return renew(&state, &parsed, &invite, &brand).await;
        }
        let change = state.store.change(parsed.app).with_event().repeatable(false);
        // No outcome is undone: the code of a referral to an address with an account is used up, too.
        let (Ok(accepted) | Err(accepted)) = change.run(accept::accept, &parsed, Ok::<_, _>).await?;
        Ok(match accepted {
            AcceptOutcome::Accepted(user) => {
                audit::record(|facts| facts.subject = Some(user.0));
                page(&invite, &InvitePage::Accepted(&brand))
            }
            AcceptOutcome::AccountExists => page(&invite, &InvitePage::Member(&brand)),
            // The invite is not open, or no longer; its current state gives the reason.
            AcceptOutcome::NotOpen => match look_up(&state, &code).await? {
                Some((_, invite, brand)) => {
                    audit::record(|facts| facts.refused = Some(invite.state.as_str()));
                    shown(&invite, &brand)
                }
                None => unknown(&headers),
            },
        })
    };
    accepted.await.unwrap_or_else(|error| trouble(&error, &headers))
}

/// Mails an expired invite again, to the same address. The text of the page is true whether or not a mail is sent.
async fn renew(
    state: &AppState,
    code: &InviteCode,
    invite: &InviteByCode,
    brand: &Brand,
) -> Result<Response, Error> {
    audit::record(|facts| facts.fields = vec!["expiresAt".to_owned()]);
    let command = ResendInvite {
        by: ResendBy::Holder(code.hash()),
        invite: invite.id,
        limits: ReferralLimits::of(&state.config),
        mail: state.new_mail(code.app),
    };
    let change = state.store.change(code.app).with_mails(1).repeatable(false);
    let resent = |outcome| if outcome == ResendOutcome::Resent { Ok(()) } else { Err(()) };
    if change.run(manage::resend, &command, resent).await?.is_err() {
        audit::record(|facts| facts.unchanged = true);
    }
    Ok(page(invite, &InvitePage::Renewed(brand)))
}

async fn look_up(state: &AppState, code: &str) -> Result<Option<(InviteCode, InviteByCode, Brand)>, Error> {
    let Some(code) = InviteCode::parse(code) else { return Ok(None) };
    let Some(invite) = accept::find(&state.store.pool, &code).await? else { return Ok(None) };
    let app = apps::find(&state.store.pool, code.app).await?;
    Ok(app.map(|app| (code, invite, app.brand())))
}

/// The page for the state of the invite.
fn shown(invite: &InviteByCode, brand: &Brand) -> Response {
    let shown = match invite.state {
        invites::State::Open => InvitePage::Open {
            brand,
            inviter: invite.inviter.as_deref(),
            kind: invite.kind,
            address: &invite.email,
        },
        invites::State::Accepted => InvitePage::AlreadyAccepted(brand),
        invites::State::Revoked => InvitePage::Unknown,
        invites::State::Expired => InvitePage::Expired(brand),
    };
    page(invite, &shown)
}

/// A page in the language of the mail.
fn page(invite: &InviteByCode, page: &InvitePage<'_>) -> Response {
    let status = if matches!(page, InvitePage::Unknown) { StatusCode::NOT_FOUND } else { StatusCode::OK };
    let texts = Texts::for_person(&invite.language, &invite.app_language);
    render::invite(texts, page).response(status)
}

fn unknown(headers: &HeaderMap) -> Response {
    render::unknown(headers, |texts| render::invite(texts, &InvitePage::Unknown))
}

fn trouble(error: &Error, headers: &HeaderMap) -> Response {
    render::trouble(error, headers, |texts| render::invite(texts, &InvitePage::Trouble))
}

pub fn show_route() -> Route {
    get(
        "/invites/{code}",
        show,
        Operation::new("showInvite", "pages", "Show the invite page")
            .about(
                "Shows the page that the link in the mail opens, for an app without a landing page of \
                    its own. It does not accept the invite. The first view is recorded in the timeline.",
            )
            .answer(Answer::Page(&[200, 404, 429, 500, 503]))
            .parameters([code_parameter()]),
    )
}

pub fn accept_route() -> Route {
    post(
        "/invites/{code}",
        accept,
        Operation::new("acceptInvite", "pages", "Accept an invite")
            .about(
                "Accepts the invite, once. The button on the page sends this request. With `renew` in \
                    the query, an expired invite is sent again to the same address instead.",
            )
            .answer(Answer::Page(&[200, 404, 429, 500, 503]))
            .parameters([
                code_parameter(),
                Parameter {
                    schema: |_| json_schema!({ "const": "" }),
                    ..Parameter::query::<String>(
                        "renew",
                        "If the invite has expired, send it again instead of accepting it.",
                        "",
                    )
                },
            ]),
    )
}
