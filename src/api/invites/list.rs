//! `GET /v1/invites` and `GET /v1/users/{userId}/invites`: lists invites.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::shown;
use crate::api::route::{Route, get};
use crate::db::invites::manage::{self, Filter};
use crate::db::users;
use crate::domain::email::Email;
use crate::domain::id::{self, UserId};
use crate::domain::invites::invite::Invite;
use crate::domain::invites::{Kind, State as InviteState};
use crate::http::auth::{Callers, Reader};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{IdOrMe, Page, Query, UserPagePath};
use crate::http::operation::{Describe, Operation, Parameter, example};
use crate::http::state::AppState;

const MESSAGE: &str = "invites";

/// The page and the filter of the list.
pub struct ListQuery {
    caller: Reader,
    filter: Filter,
    page: Page,
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
        let page = Page::of(&query)?;
        let inviter = match query.get("inviterId") {
            Some("me") if caller.user.is_some() => caller.user,
            Some(text) => Some(id::parse(text).map(UserId).ok_or(INVITER)?),
            None => caller.user,
        };
        let filter = Filter {
            state: query.get("state").map(|text| InviteState::parse(text).ok_or(STATE)).transpose()?,
            kind: query.get("kind").map(|text| Kind::parse(text).ok_or(KIND)).transpose()?,
            inviter,
            email: query.get("email").map(|text| Email::parse(text).map_err(|_| EMAIL)).transpose()?,
        };
        Ok(Self { caller, filter, page })
    }
}

impl Describe for ListQuery {
    fn describe(operation: &mut Operation) {
        operation.admit(Reader::ADMITS);
        operation.parameters.extend(Page::parameters());
        operation.parameters.extend([
            Parameter::query::<InviteState>("state", "Return only invites in this state.", "open"),
            Parameter::query::<Kind>("kind", "Return only invites of this kind.", "referral"),
            Parameter::query::<IdOrMe>(
                "inviterId",
                "Return only invites by this inviter. With an access token, only its own user is allowed, as \
                    UUID or `me`.",
                example::USER,
            ),
            Parameter::query::<Email>(
                "email",
                "Return only invites to this address. Requires an API key.",
                "ada@example.com",
            ),
        ]);
        operation.refusals.push(Error::ApiKeyRequired);
    }
}

/// A page of invites.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitePage {
    #[schemars(extend("const" = "invites"))]
    kind: &'static str,
    #[schemars(range(max = 100), example = 1)]
    items_length: usize,
    #[schemars(length(max = 100))]
    items: Vec<Invite>,
    /// The value of `after` for the next page; `null` on the last page. At most 10,000 invites are scanned for a page,
    /// so a page can have fewer items than `limit`, or none, without being the last.
    next_cursor: Option<Uuid>,
}

/// Lists invites by id. A backend sees those of the app, a user their own referrals.
pub async fn list(
    State(state): State<AppState>,
    ListQuery { caller, mut filter, page }: ListQuery,
) -> Result<Success<InvitePage>, Error> {
    if let Some(user) = caller.user {
        users::language(&state.store.pool, caller.app, user).await?.ok_or(Error::UserOutOfReach)?;
        if filter.inviter != Some(user) {
            return Err(Error::UserOutOfReach);
        }
        if filter.kind == Some(Kind::Invite) {
            return Ok(Success::ok(MESSAGE, InvitePage::new(vec![], None)));
        }
        filter.kind = Some(Kind::Referral);
    }
    Ok(Success::ok(MESSAGE, find(&state, &caller, &filter, page).await?))
}

/// Lists the invites that a user has sent, by id. A user sees their own referrals.
pub async fn list_of_user(
    State(state): State<AppState>,
    UserPagePath { caller, user, page }: UserPagePath<Reader>,
) -> Result<Success<InvitePage>, Error> {
    let found = users::by_id(&state.store.pool, caller.app, caller.user, user).await?;
    if found.is_none() || caller.user.is_some_and(|own| own != user) {
        return Err(Error::UserOutOfReach);
    }
    let kind = caller.user.map(|_| Kind::Referral);
    let filter = Filter { inviter: Some(user), kind, ..Filter::default() };
    Ok(Success::ok(MESSAGE, find(&state, &caller, &filter, page).await?))
}

/// The page of the invites that the filter selects, as this caller may see them.
async fn find(state: &AppState, caller: &Reader, filter: &Filter, page: Page) -> Result<InvitePage, Error> {
    let mut found = manage::list(&state.store.pool, caller.app, filter, page.after, page.rows()).await?;
    let mut next_cursor = page.truncate(&mut found, |invite| invite.id);
    if next_cursor.is_none() {
        next_cursor = manage::last_scanned(&state.store.pool, caller.app, filter, page.after).await?;
    }
    let items = found.into_iter().map(|invite| shown(invite, caller.user)).collect();
    Ok(InvitePage::new(items, next_cursor))
}

impl InvitePage {
    fn new(items: Vec<Invite>, next_cursor: Option<Uuid>) -> Self {
        Self { kind: "invites", items_length: items.len(), items, next_cursor }
    }
}

pub fn route() -> Route {
    get(
        "/invites",
        list,
        Operation::new("listInvites", "invites", "List invites")
            .about(
                "Lists invites, ordered by id, with pagination. With an API key, all invites of the app. \
                    With an access token, the referrals of the token's user, with masked addresses.",
            )
            .message(MESSAGE)
            .refuses([Error::UserOutOfReach]),
    )
}

pub fn user_route() -> Route {
    get(
        "/users/{userId}/invites",
        list_of_user,
        Operation::new("listInvitesOfUser", "invites", "List the invites of a user")
            .about(
                "Lists the invites that a user has sent, ordered by id, with pagination. With an access \
                    token, only the referrals of the token's own user, with masked addresses.",
            )
            .message(MESSAGE),
    )
}
