//! `POST /v1/invites/bulk`: invites many new users, for the app's backend. Each invite has its own result, and
//! existing users are skipped. So the call can be repeated after any outcome, and nobody gets a second mail.

use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::api::route::{Route, post};
use crate::audit;
use crate::db::invites::bulk::{self, BulkInvite, BulkInviteOutcome, BulkInvites};
use crate::domain::fields::{FieldErrors, Fields, Invalid};
use crate::domain::id::{AppId, UserId};
use crate::domain::invites::wanted::{self, Wanted};
use crate::http::auth::{Callers, WriteKey};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::CurrentRequest;
use crate::http::extract::{LargeJson, Query, RequestBody};
use crate::http::idempotency::{IdempotencyKey, IdempotentResponse, idempotent};
use crate::http::operation::{Body, Data, Describe, Operation};
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

impl Describe for BulkCaller {
    fn describe(operation: &mut Operation) {
        operation.admit(WriteKey::ADMITS);
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
pub struct BulkResponse {
    kind: &'static str,
    items_length: usize,
    items: Vec<Item>,
}

impl Data for BulkResponse {
    const SCHEMA: &'static str = "BulkResult";
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

/// Maximum number of invites in one request.
const MAX_INVITES: usize = 1000;

/// `{"invites": [{"email", "language", "userId"?, …}, …], "inviterId"?}`
#[derive(Debug)]
pub struct BulkBody {
    /// The body as JSON.
    text: String,
    /// The user who invites; `None` if the app invites.
    inviter: Option<UserId>,
    /// The result of parsing each invite, in the order of the request.
    invites: Vec<Result<Wanted, FieldErrors>>,
}

impl RequestBody for BulkBody {
    const BODY: Body = Body::Bulk;

    /// An error in one invite does not affect the others.
    fn parse(mut body: Map<String, Value>) -> Result<Self, FieldErrors> {
        let text = Value::Object(body.clone()).to_string();
        let list = body.remove("invites");
        let mut body =
            Fields::of(body, Invalid("is not a field of this body, only `invites` and `inviterId` are"));
        let inviter = body.optional("inviterId", wanted::user);
        body.finish(|| Ok(()))?;
        match list {
            Some(Value::Array(list)) if (1..=MAX_INVITES).contains(&list.len()) => {
                Ok(Self { text, inviter, invites: list.into_iter().map(Wanted::parse).collect() })
            }
            _ => Err(FieldErrors::one("invites", Invalid("must be a list of 1 to 1000 invites"))),
        }
    }
}

/// Invites many users.
pub async fn create(
    State(state): State<AppState>,
    BulkCaller(app): BulkCaller,
    key: IdempotencyKey,
    CurrentRequest(context): CurrentRequest,
    LargeJson(BulkBody { text, inviter, invites }): LargeJson<BulkBody>,
) -> Result<IdempotentResponse<BulkResponse>, Error> {
    let request = format!("bulk {text}");
    audit::record(|facts| facts.fields = vec!["invites".to_owned()]);
    context.acquire_permits(&state.limits, invites.len()).await?;
    let (mut planned, mut refused) = (Vec::new(), Vec::new());
    for wanted in invites {
        refused.push(wanted.map(|wanted| planned.push(wanted)).err());
    }
    let plan = |wanted| {
        let event = state.store.subscriptions.event_for(app);
        BulkInvite::new(app, inviter, wanted, state.new_mail(app), event)
    };
    let invites: Vec<BulkInvite> = planned.into_iter().map(plan).collect();
    let change = state.store.change(app).with_mails_up_to(invites.len());
    let command = BulkInvites { inviter, invites, dry_run: false };
    idempotent((key, None, &request), change, bulk::invite, &command, |outcome| {
        let mut made = outcome.ok_or(Error::UserOutOfReach)?.into_iter();
        let items = refused.iter().filter_map(|faults| match faults {
            None => made.next().map(Item::from),
            Some(faults) => Some(Item::refused(&Error::InvalidFields(faults.clone()))),
        });
        let items: Vec<Item> = items.collect();
        let data = BulkResponse { kind: "bulkInvites", items_length: items.len(), items };
        Ok(Success { status: StatusCode::OK, message: "the invites were taken", data })
    })
    .await
}

pub fn route() -> Route {
    post(
        "/invites/bulk",
        create,
        Operation::new("inviteUsers", "invites", "Invite many users")
            .about(
                "Invites up to 1,000 addresses. Each invite is processed independently, and the response \
                    has a result for each, in the same order. Existing users are not changed and get no \
                    mail, so the call can be repeated without sending a second mail. The body can be up to \
                    256 KiB.",
            )
            .message("the invites were taken")
            .refuses([Error::UserOutOfReach, Error::UserIdTaken, Error::MailQuotaExceeded(Duration::ZERO)]),
    )
}
