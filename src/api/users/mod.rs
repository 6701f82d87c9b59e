//! `/v1/users` and `/v1/users/{userId}`: invite a user, change, show, list and erase profiles.

pub mod access_status;
pub mod email_change;
pub mod tokens;

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::pages::mailbox;
use crate::audit;
use crate::db::invites::create::{self, Invited, NewInvite, Resent};
use crate::db::users::update::{self, Update, Updated};
use crate::db::users::{self, Erased, Recorded};
use crate::db::webhooks::tell_of;
use crate::domain::email::Email;
use crate::domain::id::{self, UserId};
use crate::domain::invites::invite_body::NewUserBody;
use crate::domain::text::Text;
use crate::domain::users::User;
use crate::domain::users::external_subject;
use crate::domain::users::profile::ProfilePatch;
use crate::domain::webhook::{EventId, EventType};
use crate::http::auth::{AnyKey, Caller, Callers, Reader, WriteKey};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{self, Json, Query, UserPath};
use crate::http::headers::header;
use crate::http::idempotency::{Begun, Once, once_or_settled, settled, uncontended};
use crate::http::paging;
use crate::http::state::AppState;

/// `data` of the answer to an invite.
#[derive(Serialize)]
struct UserData {
    user: Box<User>,
}

/// A user as a resource of their own.
#[derive(Serialize)]
pub struct UserResource {
    kind: &'static str,
    #[serde(flatten)]
    user: User,
}

/// A page of users.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UserPage {
    kind: &'static str,
    items_length: usize,
    items: Vec<UserResource>,
    next_cursor: Option<Uuid>,
}

impl From<User> for UserResource {
    fn from(user: User) -> Self {
        Self { kind: "user", user }
    }
}

/// Invites a user by mail (seed `POST /users/:userId`). An id that nobody has becomes the new user's; the
/// id of a user makes them the inviter, or, with their own address, sends their invite again.
pub async fn invite(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    headers: HeaderMap,
    Json(json): Json,
) -> Result<Response, Error> {
    let body = NewUserBody::parse(json)?;
    audit::note(|facts| facts.fields = body.names());
    let request = format!("invite {user} {}", body.line());
    let (fresh, mail, event) = (UserId(id::public()), state.new_mail(app), state.listeners.event(app));
    let new = Arc::new(NewInvite { app, path: user, fresh, body, mail });
    let invited = settled(|| invite_once(&state, &headers, &new, &request, event)).await;
    state.listeners.told(event);
    invited
}

async fn invite_once(
    state: &AppState,
    headers: &HeaderMap,
    new: &Arc<NewInvite>,
    request: &str,
    event: Option<EventId>,
) -> Result<Response, Error> {
    let NewInvite { app, path: user, ref body, .. } = **new;
    let mut once = match Once::begin(state, headers, app, None, request, event.is_some()).await? {
        Begun::Replay(answer) => return Ok(answer),
        Begun::Work(once) => once,
    };
    let invited = once.together(&state.store.invites, new, async |db| create::invite(db, new).await).await?;
    let (message, user) = match invited {
        Invited::Created(created) => {
            if event.is_some() {
                let who = UserId(created.id);
                let more = json!({ "inviterId": (created.id != user.0).then_some(user) });
                tell_of(once.connection().await?, event, EventType::UserInvited, app, who, more).await?;
            }
            ("the user was invited", created)
        }
        Invited::Exists => {
            let after = state.config.invite.resend_after;
            let again = state.new_mail(app);
            let message = match once
                .alone(async |db| create::resend(db, app, user, &body.invite, after, &again).await)
                .await?
            {
                Resent::Queued => "the invite was sent again",
                Resent::TooSoon => {
                    audit::note(|facts| facts.unchanged = true);
                    "the user was invited a short while ago, so no second mail was sent"
                }
                Resent::Accepted => return Err(once.refused(Error::AlreadyAccepted)),
                Resent::OutOfReach => return Err(once.refused(Error::UserOutOfReach)),
            };
            let stored = users::by_id(once.connection().await?, app, None, user).await?;
            (message, Box::new(stored.ok_or(Error::UserOutOfReach)?))
        }
        Invited::EmailTaken => return Err(once.refused(Error::EmailTaken("email"))),
        Invited::OutOfReach => return Err(once.refused(Error::UserOutOfReach)),
        Invited::UnknownReferralCode => return Err(once.refused(Error::UnknownReferralCode)),
    };
    let shown = UserId(user.id);
    audit::note(|facts| facts.subject = Some(user.id));
    let success = Success { status: StatusCode::OK, message, data: UserData { user } };
    once.finish(state, &success, Some(shown)).await
}

/// Changes the fields of a profile that the body names (seed `PUT /users/:userId`), all or none. With
/// `If-Match` (RFC 9110, 13.1.1) only if nobody else changed the user since.
pub async fn update(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
    headers: HeaderMap,
    Json(body): Json,
) -> Result<(HeaderMap, Success<()>), Error> {
    let today = crate::clock::now().to_zoned(TimeZone::UTC).date();
    let names = ProfilePatch::names(&body);
    let patch = ProfilePatch::parse(body, today)?;
    audit::note(|facts| (facts.unchanged, facts.fields) = (patch.is_empty(), names.clone()));
    let expected = if_match(&headers)?;
    let change = Update { app: caller.app, caller: caller.user, user, patch: Arc::new(patch) };
    let (event, versions) = (state.listeners.event(caller.app), expected.as_deref());
    let update = || async {
        Ok(match event {
            None => {
                update::update_together(&state.store.pool, &state.store.updates, &change, versions).await?
            }
            Some(event) => {
                update::update_and_tell(&state.store.pool, &change, versions, event, &names).await?
            }
        })
    };
    let updated = match &change.patch.email {
        Some(email) if caller.user == Some(user) => {
            email_change::request(&state, (&change, email), versions, event, &names).await?
        }
        Some(_) if caller.user.is_none() => {
            email_change::update(&state, &change, versions, event, &names).await?
        }
        // The address of somebody else is not a user's to change.
        _ => once_or_settled(versions.is_none(), update).await?,
    };
    match updated {
        Updated::Yes(version) => {
            state.listeners.told(event);
            let success = Success { status: StatusCode::OK, message: "the user was updated", data: () };
            Ok((etag(version), success))
        }
        Updated::Stale => Err(Error::Stale),
        Updated::EmailTaken => Err(Error::EmailTaken("user.email")),
        Updated::OutOfReach => Err(Error::UserOutOfReach),
    }
}

/// How a caller names a user.
enum Which {
    Id(UserId),
    Email(Email),
}

/// A user and how the caller names them: by UUID, by address, or `me`.
pub struct ReadPath {
    caller: Reader,
    which: Which,
}

impl FromRequestParts<AppState> for ReadPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = Reader::authenticate(parts, state).await?;
        let text = extract::param(parts, "userId").await?;
        let which = match extract::user_id(&text, caller.user)? {
            Some(user) => Which::Id(user),
            None => Which::Email(Email::parse(&text).map_err(|_| {
                Error::InvalidPath("`userId` in the path must be a hyphenated UUID or an e-mail address")
            })?),
        };
        Query::of(parts, &[])?;
        Ok(Self { caller, which })
    }
}

/// Shows a user: to the app's backend any who is not deleted, to a user those of their own tenant.
pub async fn show(
    State(state): State<AppState>,
    ReadPath { caller, which }: ReadPath,
) -> Result<(HeaderMap, Success<UserResource>), Error> {
    let user = match &which {
        Which::Id(user) => users::by_id(&state.store.pool, caller.app, caller.user, *user).await?,
        Which::Email(email) => users::by_email(&state.store.pool, caller.app, caller.user, email).await?,
    };
    let user = user.ok_or(Error::UserOutOfReach)?;
    let headers = etag(user.version);
    Ok((headers, Success { status: StatusCode::OK, message: "the user", data: user.into() }))
}

/// Erases a user's personal data: by the app's backend, or by the user; with `If-Match` as in an update.
pub async fn erase(
    State(state): State<AppState>,
    UserPath { caller, user }: UserPath<Caller>,
    headers: HeaderMap,
) -> Result<Success<()>, Error> {
    let expected = if_match(&headers)?;
    let event = state.listeners.event(caller.app);
    let erase = async || {
        Ok(users::erase(&state.store.pool, caller.app, caller.user, user, expected.as_deref(), event).await?)
    };
    match uncontended(erase).await? {
        Erased::Yes { message_ids } => {
            state.listeners.told(event);
            mailbox::delete(&state, message_ids).await;
            Ok(Success { status: StatusCode::OK, message: "the user was deleted", data: () })
        }
        Erased::Stale => Err(Error::Stale),
        Erased::OutOfReach => Err(Error::UserOutOfReach),
    }
}

/// Records which `sub` of the app's outside issuer is the user in the path: `{"externalSubject"}`, a text,
/// or null to forget it.
pub async fn set_external_subject(
    State(state): State<AppState>,
    UserPath { caller: WriteKey { app }, user }: UserPath<WriteKey>,
    Json(body): Json,
) -> Result<Success<()>, Error> {
    let subject = external_subject::parse(body)?;
    audit::note(|facts| facts.fields = vec!["externalSubject".to_owned()]);
    let (event, subject) = (state.listeners.event(app), subject.as_ref().map(Text::as_str));
    match users::set_external_subject(&state.store.pool, app, user, subject, event).await? {
        Recorded::Yes => {
            state.listeners.told(event);
            Ok(Success { status: StatusCode::OK, message: "the subject was recorded", data: () })
        }
        Recorded::Taken => Err(Error::ExternalSubjectTaken),
        Recorded::OutOfReach => Err(Error::UserOutOfReach),
    }
}

/// Which page of the users is asked for.
pub struct ListQuery {
    caller: AnyKey,
    email: Option<Email>,
    after: Uuid,
    limit: usize,
}

impl FromRequestParts<AppState> for ListQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        const EMAIL: Error = Error::InvalidQuery("`email` in the query must be one e-mail address");
        let caller = AnyKey::authenticate(parts, state).await?;
        let query = Query::of(parts, &["limit", "after", "email"])?;
        let (after, limit) = paging::of(&query)?;
        let email = query.get("email").map(Email::parse).transpose().map_err(|_| EMAIL)?;
        Ok(Self { caller, email, after, limit })
    }
}

/// Lists the users of the app, by id.
pub async fn list(
    State(state): State<AppState>,
    ListQuery { caller, email, after, limit }: ListQuery,
) -> Result<Success<UserPage>, Error> {
    let mut users = match email {
        Some(email) => {
            users::by_email(&state.store.pool, caller.app, None, &email).await?.into_iter().collect()
        }
        None => users::page(&state.store.pool, caller.app, after, paging::one_more(limit)).await?,
    };
    let next_cursor = paging::cut(&mut users, limit, |user| user.id);
    let items: Vec<UserResource> = users.into_iter().map(UserResource::from).collect();
    let data = UserPage { kind: "users", items_length: items.len(), items, next_cursor };
    Ok(Success { status: StatusCode::OK, message: "users of the app", data })
}

fn etag(version: i64) -> HeaderMap {
    let value = HeaderValue::try_from(format!("\"{version}\""));
    value.into_iter().map(|value| (header::ETAG, value)).collect()
}

/// The versions that `If-Match` names; `None`: whichever.
fn if_match(headers: &HeaderMap) -> Result<Option<Vec<i64>>, Error> {
    let Some(value) = header(headers, "If-Match")? else { return Ok(None) };
    let value = std::str::from_utf8(value).map_err(|_| Error::InvalidIfMatch)?.trim();
    if value == "*" {
        return Ok(None);
    }
    let mut versions = Vec::new();
    for tag in value.split(',').map(str::trim) {
        // A weak tag is well-formed and never matches (RFC 9110, 8.8.3.2), like one that is not ours.
        let strong = tag.strip_prefix("W/").unwrap_or(tag);
        let quoted = strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let quoted = quoted.filter(|tag| !tag.contains('"')).ok_or(Error::InvalidIfMatch)?;
        let version = quoted.parse().ok().filter(|version: &i64| version.to_string() == quoted);
        versions.extend(version.filter(|_| strong == tag));
    }
    Ok(Some(versions))
}
