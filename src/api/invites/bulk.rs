//! `POST /v1/invites/bulk`: invites many new users, for the app's backend. Each invite has its own result, and
//! existing users are skipped. So the call can be repeated after any outcome, and nobody gets a second mail.

use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::audit;
use crate::db::invites::bulk::{self, BulkInvite, BulkInviteOutcome};
use crate::db::mail_quotas::QuotaUse;
use crate::db::users;
use crate::domain::fields::FieldErrors;
use crate::domain::id::{AppId, UserId};
use crate::domain::invites::bulk_body::BulkBody;
use crate::http::auth::{Callers, WriteKey};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::CurrentRequest;
use crate::http::extract::{LargeJson, Query};
use crate::http::idempotency::{Begin, IdempotentCall, retry_until_known};
use crate::http::state::AppState;

/// The app of a backend with a `write` key.
pub struct BulkCaller(AppId);

impl FromRequestParts<AppState> for BulkCaller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        let caller = WriteKey::authenticate(parts, state).await?;
        Query::of(parts, &[])?;
        Ok(Self(caller.app))
    }
}

/// The result of one invite.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// `created`, `exists` or `error`
    pub result: &'static str,
    user_id: Option<Uuid>,
    /// The `X-Error-Code` of an error.
    pub code: Option<&'static str>,
    /// The sentence of an error.
    pub error: Option<String>,
}

/// The results, in the order of the invites.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BulkResponse {
    kind: &'static str,
    items_length: usize,
    items: Vec<Item>,
}

impl Item {
    fn refused(error: &Error) -> Self {
        Self { result: "error", user_id: None, code: Some(error.status().1), error: Some(error.to_string()) }
    }
}

impl From<BulkInviteOutcome> for Item {
    fn from(made: BulkInviteOutcome) -> Self {
        let of = |result, user| Self { result, user_id: Some(user), code: None, error: None };
        match made {
            BulkInviteOutcome::Created(user) => of("created", user),
            BulkInviteOutcome::Exists(user) => of("exists", user),
            BulkInviteOutcome::EmailTaken => Self::refused(&Error::EmailTaken("email")),
            BulkInviteOutcome::UserIdTaken => Self::refused(&Error::UserIdTaken),
            BulkInviteOutcome::NotAccessible => Self::refused(&Error::UserOutOfReach),
            BulkInviteOutcome::UnknownReferralCode => Self::refused(&Error::UnknownReferralCode),
            BulkInviteOutcome::MailQuotaExceeded => Self::refused(&Error::MailQuotaExceeded(Duration::ZERO)),
        }
    }
}

/// Invites many users.
pub async fn create(
    State(state): State<AppState>,
    BulkCaller(app): BulkCaller,
    headers: HeaderMap,
    CurrentRequest(context): CurrentRequest,
    LargeJson(json): LargeJson,
) -> Result<Response, Error> {
    let request = format!("bulk {}", Value::Object(json.clone()));
    let BulkBody { inviter, invites } = BulkBody::parse(json)?;
    audit::record(|facts| facts.fields = vec!["invites".to_owned()]);
    context.acquire_permits(&state.limits, invites.len()).await?;
    let plan = |wanted| {
        BulkInvite::new(app, inviter, wanted, state.new_mail(app), state.subscriptions.event_for(app))
    };
    let planned: Vec<_> = invites.into_iter().map(|wanted| wanted.map(plan)).collect();
    let done = retry_until_known(|| create_once(&state, &headers, (app, inviter), &planned, &request)).await;
    state.subscriptions.notify(planned.iter().flatten().find_map(|one| one.event));
    done
}

async fn create_once(
    state: &AppState,
    headers: &HeaderMap,
    (app, inviter): (AppId, Option<UserId>),
    planned: &[Result<BulkInvite, FieldErrors>],
    request: &str,
) -> Result<Response, Error> {
    // Take the quota for all mails first: a task that holds a connection must not wait for another.
    let mails =
        state.store.mails.take_up_to(&state.store.pool, app, planned.iter().flatten().count()).await?;
    // The call uses a transaction with or without a key.
    let own = Ok(QuotaUse::default());
    let mut once = match IdempotentCall::begin_with(state, headers, (app, None), request, true, own).await? {
        Begin::Replay(answer) => return Ok(answer),
        Begin::Execute(once) => once,
    };
    if let Some(inviter) = inviter {
        let found = users::by_id(once.connection().await?, app, None, inviter).await?;
        found.filter(|inviter| !inviter.freezed).ok_or(Error::UserOutOfReach)?;
    }
    let items = invite(once.connection().await?, app, planned, mails).await?;
    let data = BulkResponse { kind: "bulkInvites", items_length: items.len(), items };
    let success = Success { status: StatusCode::OK, message: "the invites were taken", data };
    once.finish(state, &success, None).await
}

/// Invites the planned users in the transaction `db`, as far as `mails` last. Unused mails are returned to the quota.
pub async fn invite(
    db: &mut PgConnection,
    app: AppId,
    planned: &[Result<BulkInvite, FieldErrors>],
    mut mails: Vec<QuotaUse>,
) -> Result<Vec<Item>, Error> {
    let sound: Vec<&BulkInvite> = planned.iter().flatten().collect();
    let made = bulk::invite(db, app, &sound, mails.len()).await?;
    let created = made.iter().filter(|made| matches!(made, BulkInviteOutcome::Created(_))).count();
    mails.drain(..created.min(mails.len())).for_each(|mail| mail.mark_used());
    let mut made = made.into_iter();
    let items = planned.iter().filter_map(|one| match one {
        Ok(_) => made.next().map(Item::from),
        Err(faults) => Some(Item::refused(&Error::InvalidFields(faults.clone()))),
    });
    Ok(items.collect())
}
