//! `POST /v1/invites/bulk`: many new users at once, for the app's backend. Each is invited for itself and has its own
//! result, and whoever is a user already is left alone: so the call can be repeated, whatever became of it, and
//! nobody is sent a second mail.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::AppState;
use super::auth::{Callers, WriteKey};
use super::envelope::Success;
use super::error::Error;
use super::extract::{LargeJson, Query};
use super::idempotency::{Begun, Once, settled};
use super::limits::Spending;
use crate::audit;
use crate::db::invites::{self, Invited};
use crate::db::outbox::NewMail;
use crate::db::users::{self, Which};
use crate::db::webhooks::tell_of;
use crate::domain::bulk_body::{BulkBody, Wanted};
use crate::domain::fields::FieldErrors;
use crate::domain::id::{self, AppId, UserId};
use crate::domain::webhook::{EventId, EventType};

/// A backend that may invite.
pub struct Backend(AppId);

impl FromRequestParts<AppState> for Backend {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = WriteKey::authenticate(parts, state).await?;
        Query::of(parts, &[])?;
        Ok(Self(caller.app))
    }
}

/// What became of one invite.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    result: &'static str,
    user_id: Option<Uuid>,
    code: Option<&'static str>,
    error: Option<String>,
}

/// What became of all, in their order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bulk {
    kind: &'static str,
    items_length: usize,
    items: Vec<Item>,
}

impl Item {
    fn of(result: &'static str, user: Uuid) -> Self {
        Self { result, user_id: Some(user), code: None, error: None }
    }

    fn refused(error: &Error) -> Self {
        Self { result: "error", user_id: None, code: Some(error.status().1), error: Some(error.to_string()) }
    }
}

/// One invite that can be tried.
struct Planned {
    wanted: Wanted,
    fresh: UserId,
    mail: NewMail,
    event: Option<EventId>,
}

/// Invites many.
pub async fn create(
    State(state): State<AppState>,
    Backend(app): Backend,
    headers: HeaderMap,
    LargeJson(json): LargeJson,
) -> Result<Response, Error> {
    let request = format!("bulk {}", Value::Object(json.clone()));
    let BulkBody { inviter, invites } = BulkBody::parse(json)?;
    audit::note(|facts| facts.fields = vec!["invites".to_owned()]);
    let plan = |wanted: Wanted| Planned {
        wanted,
        fresh: UserId(id::public()),
        mail: state.new_mail(app),
        event: state.listeners.event(app),
    };
    let planned: Vec<Result<Planned, FieldErrors>> =
        invites.into_iter().map(|wanted| wanted.map(plan)).collect();
    let done = settled(|| create_once(&state, &headers, (app, inviter), &planned, &request)).await;
    state.listeners.told(planned.iter().flatten().find_map(|one| one.event));
    done
}

async fn create_once(
    state: &AppState,
    headers: &HeaderMap,
    (app, inviter): (AppId, Option<UserId>),
    planned: &[Result<Planned, FieldErrors>],
    request: &str,
) -> Result<Response, Error> {
    // Before there is a connection; one is taken with it.
    let mut more: Vec<Spending> = Vec::new();
    for _ in 1..planned.len() {
        match state.limits.mails.take(&state.db, app).await {
            Ok(mail) => more.push(mail),
            Err(Error::MailQuotaExceeded(_)) => {
                // The last one is for the call itself, which takes its own.
                more.pop();
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let all = more.len();
    let mut left = all + 1;
    let told = planned.iter().flatten().any(|one| one.event.is_some());
    let mut once = match Once::begin(state, headers, app, None, request, told).await? {
        Begun::Replay(answer) => return Ok(answer),
        Begun::Work(once) => once,
    };
    if let Some(inviter) = inviter {
        let found = users::select(once.connection(), app, None, &Which::Id(inviter)).await?.pop();
        found.filter(|inviter| !inviter.freezed).ok_or(Error::UserOutOfReach)?;
    }
    let mut items = Vec::with_capacity(planned.len());
    for one in planned {
        items.push(match one {
            Ok(one) => invite(once.connection(), app, inviter, one, &mut left).await?,
            Err(faults) => Item::refused(&Error::InvalidFields(faults.clone())),
        });
    }
    // What was not needed is given back; the first is the call's own.
    for mail in more.drain(left.min(all)..) {
        mail.spent();
    }
    let data = Bulk { kind: "bulkInvites", items_length: items.len(), items };
    once.finish(state, &Success { status: StatusCode::OK, message: "the invites were taken", data }, None)
        .await
}

/// Invites one, if they are no user yet and a mail is `left`.
async fn invite(
    db: &mut sqlx::PgConnection,
    app: AppId,
    inviter: Option<UserId>,
    Planned { wanted, fresh, mail, event }: &Planned,
    left: &mut usize,
) -> Result<Item, Error> {
    let fresh = wanted.user.unwrap_or(*fresh);
    let email = &wanted.body.invite.email;
    let holder = users::select(&mut *db, app, None, &Which::Email(email.clone())).await?.pop();
    if let Some(holder) = holder {
        // Asked again after the answer of the database was lost, it is there.
        let result = if wanted.user.is_none() && holder.id == fresh.0 { "created" } else { "exists" };
        let taken = wanted.user.is_some_and(|user| user.0 != holder.id);
        return Ok(if taken {
            Item::refused(&Error::EmailTaken("email"))
        } else {
            Item::of(result, holder.id)
        });
    }
    // The id of a user would make them the inviter.
    if let Some(user) = wanted.user
        && users::exists(&mut *db, app, user).await?
    {
        return Ok(Item::refused(&Error::UserIdTaken));
    }
    if *left == 0 {
        return Ok(Item::refused(&Error::MailQuotaExceeded(std::time::Duration::ZERO)));
    }
    let path = inviter.unwrap_or(fresh);
    Ok(match invites::invite(&mut *db, app, path, fresh, &wanted.body, mail).await? {
        Invited::Created(user) => {
            *left -= 1;
            let more = json!({ "inviterId": inviter });
            tell_of(db, *event, EventType::UserInvited, app, UserId(user.id), more).await?;
            Item::of("created", user.id)
        }
        Invited::Exists => Item::of("exists", path.0),
        // Somebody invited them at this moment.
        Invited::EmailTaken => Item::refused(&Error::EmailTaken("email")),
        Invited::OutOfReach => Item::refused(&Error::UserOutOfReach),
        Invited::UnknownReferralCode => Item::refused(&Error::UnknownReferralCode),
    })
}
