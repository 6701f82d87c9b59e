//! `/v1/invites` and `/v1/invites/by-id/{inviteId}`: invites after they were made, for the app's backend, and for a
//! user their own referrals. Ids have a path of their own, since what follows `/v1/invites/` otherwise is a code.

pub mod accept;
pub mod bulk;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use uuid::Uuid;

use crate::audit;
use crate::db::invites::manage::{self, By, Filter, InviteRow, Resent, Revoked};
use crate::db::invites::timeline::{self, Event};
use crate::db::referrals::create::Bounds;
use crate::db::users;
use crate::domain::email::{self, Email};
use crate::domain::id::{self, AppId, UserId};
use crate::domain::invites::{self, Kind};
use crate::http::auth::{Caller, Callers, Reader};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{self, Query};
use crate::http::idempotency::{Begun, Once, settled};
use crate::http::paging;
use crate::http::state::AppState;

/// A caller and the invite that the path names.
pub struct InvitePath<C> {
    caller: C,
    invite: Uuid,
}

impl<C: Callers> FromRequestParts<AppState> for InvitePath<C> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = C::authenticate(parts, state).await?;
        let invite = id::parse(&extract::param(parts, "inviteId").await?)
            .ok_or(Error::InvalidPath("`inviteId` in the path must be a hyphenated UUID"))?;
        audit::note(|facts| facts.subject = Some(invite));
        Query::of(parts, &[])?;
        Ok(Self { caller, invite })
    }
}

/// An invite as this caller may see it: to a user, nothing that is their friend's.
fn shown(mut invite: InviteRow, caller: Option<UserId>) -> InviteRow {
    if caller.is_some() {
        invite.email = email::masked(&invite.email);
        invite.user_id = None;
    }
    invite
}

/// An invite with its life so far. To a user that would tell whether a mail went out, and so who has an account.
#[derive(Serialize)]
pub struct InviteLife {
    #[serde(flatten)]
    invite: InviteRow,
    timeline: Option<Vec<Event>>,
}

/// Shows an invite.
pub async fn show(
    State(state): State<AppState>,
    InvitePath { caller: Reader { app, user }, invite }: InvitePath<Reader>,
) -> Result<Success<InviteLife>, Error> {
    let found = manage::find(&state.store.pool, app, user, invite).await?;
    let found = shown(found.ok_or(Error::InviteOutOfReach)?, user);
    let timeline = match user {
        None => Some(timeline::timeline(&state.store.pool, app, invite).await?),
        Some(_) => None,
    };
    let data = InviteLife { invite: found, timeline };
    Ok(Success { status: StatusCode::OK, message: "the invite", data })
}

/// Which page of which invites is asked for.
pub struct ListQuery {
    caller: Reader,
    filter: Filter,
    after: Uuid,
    limit: usize,
}

impl FromRequestParts<AppState> for ListQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        const STATE: Error =
            Error::InvalidQuery("`state` in the query must be `open`, `accepted`, `revoked` or `expired`");
        const KIND: Error = Error::InvalidQuery("`kind` in the query must be `invite` or `referral`");
        const INVITER: Error = Error::InvalidQuery(
            "`inviterId` in the query must be a hyphenated UUID, or with an access token `me`",
        );
        const EMAIL: Error = Error::InvalidQuery("`email` in the query must be one e-mail address");
        let caller = Reader::authenticate(parts, state).await?;
        let query = Query::of(parts, &["limit", "after", "state", "kind", "inviterId", "email"])?;
        if caller.user.is_some() && query.get("email").is_some() {
            return Err(Error::ApiKeyRequired);
        }
        let (after, limit) = paging::of(&query)?;
        let inviter = match query.get("inviterId") {
            Some("me") if caller.user.is_some() => caller.user,
            Some(text) => Some(id::parse(text).map(UserId).ok_or(INVITER)?),
            None => caller.user,
        };
        let filter = Filter {
            state: query.get("state").map(|text| invites::State::parse(text).ok_or(STATE)).transpose()?,
            kind: query.get("kind").map(|text| Kind::parse(text).ok_or(KIND)).transpose()?,
            inviter,
            email: query.get("email").map(|text| Email::parse(text).map_err(|_| EMAIL)).transpose()?,
        };
        Ok(Self { caller, filter, after, limit })
    }
}

/// A page of invites.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvitePage {
    kind: &'static str,
    items_length: usize,
    items: Vec<InviteRow>,
    next_cursor: Option<Uuid>,
}

/// Lists invites, by id: to a backend those of the app, to a user their own referrals.
pub async fn list(
    State(state): State<AppState>,
    ListQuery { caller: Reader { app, user }, mut filter, after, limit }: ListQuery,
) -> Result<Success<InvitePage>, Error> {
    let mut nothing = false;
    if let Some(user) = user {
        users::language(&state.store.pool, app, user).await?.ok_or(Error::UserOutOfReach)?;
        if filter.inviter != Some(user) {
            return Err(Error::UserOutOfReach);
        }
        nothing = filter.kind == Some(Kind::Invite);
        filter.kind = Some(Kind::Referral);
    }
    let mut found = Vec::new();
    if !nothing {
        found = manage::list(&state.store.pool, app, &filter, after, paging::one_more(limit)).await?;
    }
    let mut next_cursor = paging::cut(&mut found, limit, |invite| invite.id);
    if next_cursor.is_none() && !nothing {
        next_cursor = manage::last_looked_at(&state.store.pool, app, &filter, after).await?;
    }
    let items: Vec<InviteRow> = found.into_iter().map(|invite| shown(invite, user)).collect();
    let data = InvitePage { kind: "invites", items_length: items.len(), items, next_cursor };
    Ok(Success { status: StatusCode::OK, message: "invites", data })
}

/// Mails an invite again, with a new code and its full time.
pub async fn resend(
    State(state): State<AppState>,
    InvitePath { caller: Caller { app, user }, invite }: InvitePath<Caller>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let mail = state.new_mail(app);
    let by = user.map_or(By::Backend, By::Referrer);
    let (state, headers, mail) = (&state, &headers, &mail);
    settled(|| async move {
        let mut once =
            match Once::begin(state, headers, app, user, &format!("resend {invite}"), false).await? {
                Begun::Replay(answer) => return Ok(answer),
                Begun::Work(once) => once,
            };
        let bounds = Bounds::of(&state.config);
        let mail_again = async |db: &mut _| manage::resend(db, app, by, invite, bounds, mail).await;
        let resent = once.alone(mail_again).await?;
        let message = match resent {
            Resent::Yes => "the invite was sent again",
            Resent::TooSoon => {
                audit::note(|facts| facts.unchanged = true);
                "the invite was sent a short while ago, so no second mail was sent"
            }
            Resent::Over(invites::State::Accepted) => return Err(once.refused(Error::InviteAccepted)),
            Resent::Over(_) => return Err(once.refused(Error::InviteRevoked)),
            Resent::QuotaExceeded => return Err(once.refused(Error::ReferralQuotaExceeded)),
            Resent::OutOfReach => return Err(once.refused(Error::InviteOutOfReach)),
        };
        once.finish(state, &Success { status: StatusCode::OK, message, data: () }, None).await
    })
    .await
}

/// Revokes an invite that was not accepted: its code is over, a mail that waits is not sent.
pub async fn revoke(
    State(state): State<AppState>,
    InvitePath { caller: Caller { app, user }, invite }: InvitePath<Caller>,
) -> Result<Success<()>, Error> {
    let message = match settled(|| revoke_once(&state, app, user, invite)).await? {
        Revoked::Now => "the invite was revoked",
        Revoked::Before => {
            audit::note(|facts| facts.unchanged = true);
            "the invite was revoked before"
        }
        Revoked::Accepted => return Err(Error::InviteAccepted),
        Revoked::OutOfReach => return Err(Error::InviteOutOfReach),
    };
    Ok(Success { status: StatusCode::OK, message, data: () })
}

async fn revoke_once(
    state: &AppState,
    app: AppId,
    user: Option<UserId>,
    invite: Uuid,
) -> Result<Revoked, Error> {
    Ok(manage::revoke(&state.store.pool, app, user, invite).await?)
}
