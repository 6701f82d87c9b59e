//! `GET /v1/users`: lists the users of an app.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::UserResource;
use crate::api::route::{Route, get};
use crate::db::users;
use crate::domain::email::Email;
use crate::http::auth::{AnyKey, Callers};
use crate::http::envelope::Success;
use crate::http::error::Error;
use crate::http::extract::{Page, Query};
use crate::http::operation::{Describe, Operation, Parameter};
use crate::http::state::AppState;

const MESSAGE: &str = "users of the app";

/// A page of users.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserPage {
    #[schemars(extend("const" = "users"))]
    kind: &'static str,
    #[schemars(range(max = 100), example = 1)]
    items_length: usize,
    #[schemars(length(max = 100))]
    items: Vec<UserResource>,
    /// The value of `after` for the next page; `null` on the last page.
    next_cursor: Option<Uuid>,
}

/// The page and the filter of the list.
pub struct ListQuery {
    caller: AnyKey,
    email: Option<Email>,
    page: Page,
}

impl FromRequestParts<AppState> for ListQuery {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Error> {
        const EMAIL: Error = Error::InvalidQuery("`email` in the query must be one e-mail address");
        let caller = AnyKey::authenticate(parts, state).await?;
        let query = Query::of(parts, &["limit", "after", "email"])?;
        let page = Page::of(&query)?;
        let email = query.get("email").map(Email::parse).transpose().map_err(|_| EMAIL)?;
        Ok(Self { caller, email, page })
    }
}

impl Describe for ListQuery {
    fn describe(operation: &mut Operation) {
        operation.admit(AnyKey::ADMITS);
        operation.parameters.extend(Page::parameters());
        operation.parameters.push(Parameter::query::<Email>(
            "email",
            "Return only the user with this e-mail address.",
            "ada@example.com",
        ));
    }
}

/// Lists the users of the app, by id.
pub async fn list(
    State(state): State<AppState>,
    ListQuery { caller, email, page }: ListQuery,
) -> Result<Success<UserPage>, Error> {
    let mut users = match email {
        Some(email) => {
            users::by_email(&state.store.pool, caller.app, None, &email).await?.into_iter().collect()
        }
        None => users::page(&state.store.pool, caller.app, page.after, page.rows()).await?,
    };
    let next_cursor = page.truncate(&mut users, |user| user.id);
    let items: Vec<UserResource> = users.into_iter().map(UserResource::from).collect();
    let data = UserPage { kind: "users", items_length: items.len(), items, next_cursor };
    Ok(Success::ok(MESSAGE, data))
}

pub fn route() -> Route {
    get(
        "/users",
        list,
        Operation::new("listUsers", "users", "List users")
            .about("Lists the users of the app, ordered by id, with pagination.")
            .message(MESSAGE),
    )
}
