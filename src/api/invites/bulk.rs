//! `POST /v1/invites/bulk`: invites many new users, for the app's backend. Each invite has its own result, and
//! existing users are skipped. So the call can be repeated after any outcome, and nobody gets a second mail.

use std::borrow::Cow;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::api::route::{Route, post};
use crate::audit;
use crate::db::invites::bulk::{self, BulkInvite, BulkInviteOutcome, BulkInvites};
use crate::domain::fields::{FieldErrors, Fields, Invalid};
use crate::domain::id::{AppId, UserId};
use crate::domain::invites::requested_invite::{self, RequestedInvite};
use crate::http::auth::{Callers, WriteKey};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::CurrentRequest;
use crate::http::extract::{LargeJson, Query, RequestBody};
use crate::http::idempotency::{IdempotencyKey, IdempotentResponse, idempotent};
use crate::http::operation::{Describe, Operation};
use crate::http::state::AppState;

const MESSAGE: &str = "the invites were taken";

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

/// The result of one invite, in one word.
#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is used")]
enum BulkResult {
    /// The user was created and a mail is queued.
    Created,
    /// The address belongs to an existing user, and no mail is sent.
    Exists,
    /// See `code` and `error`.
    Error,
}

/// The result of one invite.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkItem {
    #[schemars(with = "BulkResult")]
    pub result: &'static str,
    user_id: Option<Uuid>,
    /// One of `ErrorCode`, or `null`.
    pub code: Option<&'static str>,
    /// The error message, or `null`.
    pub error: Option<String>,
}

/// The results, in the order of the invites.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkResponse {
    #[schemars(extend("const" = "bulkInvites"))]
    kind: &'static str,
    #[schemars(range(min = 1, max = 1000), example = 1)]
    items_length: usize,
    #[schemars(length(max = 1000))]
    items: Vec<BulkItem>,
}

impl BulkItem {
    fn refused(error: &Error) -> Self {
        Self { result: "error", user_id: None, code: Some(error.status().1), error: Some(error.to_string()) }
    }
}

impl From<BulkInviteOutcome> for BulkItem {
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
    invites: Vec<Result<RequestedInvite, FieldErrors>>,
}

impl JsonSchema for BulkBody {
    fn schema_name() -> Cow<'static, str> {
        "BulkBody".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "required": ["invites"],
            "properties": {
                "invites": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_INVITES,
                    "items": generator.subschema_for::<RequestedInvite>(),
                },
                "inviterId": { "type": "string", "format": "uuid", "description": "The UUID of the inviter." },
            },
            "examples": [{ "invites": [{ "email": "ada@example.com", "language": "en" }] }],
        })
    }
}

impl RequestBody for BulkBody {
    /// An error in one invite does not affect the others.
    fn parse(mut body: Map<String, Value>) -> Result<Self, FieldErrors> {
        let text = Value::Object(body.clone()).to_string();
        let list = body.remove("invites");
        let mut body =
            Fields::of(body, Invalid("is not a field of this body, only `invites` and `inviterId` are"));
        let inviter = body.optional("inviterId", requested_invite::user_id);
        body.finish(|| Ok(()))?;
        match list {
            Some(Value::Array(list)) if (1..=MAX_INVITES).contains(&list.len()) => {
                Ok(Self { text, inviter, invites: list.into_iter().map(RequestedInvite::parse).collect() })
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
    for requested in invites {
        refused.push(requested.map(|requested| planned.push(requested)).err());
    }
    let plan = |requested| {
        let event = state.store.subscriptions.event_for(app);
        BulkInvite::new(app, inviter, requested, state.new_mail(app), event)
    };
    let invites: Vec<BulkInvite> = planned.into_iter().map(plan).collect();
    let change = state.store.change(app).with_mails_up_to(invites.len());
    let command = BulkInvites { inviter, invites, dry_run: false };
    idempotent((key, None, &request), change, bulk::invite, &command, |outcome| {
        let mut made = outcome.ok_or(Error::UserOutOfReach)?.into_iter();
        let items = refused.iter().filter_map(|faults| match faults {
            None => made.next().map(BulkItem::from),
            Some(faults) => Some(BulkItem::refused(&Error::InvalidFields(faults.clone()))),
        });
        let items: Vec<BulkItem> = items.collect();
        let data = BulkResponse { kind: "bulkInvites", items_length: items.len(), items };
        Ok(Success::ok(MESSAGE, data))
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
            .message(MESSAGE)
            .refuses([Error::UserOutOfReach, Error::UserIdTaken, Error::MailQuotaExceeded(Duration::ZERO)]),
    )
}
