//! Who is signed in: the session of an operator, and the app that a page is about. The cookie has the prefix `__Host-`
//! (RFC 6265bis): it is sent only to this host, over https or to this machine, and never with requests of other sites.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use uuid::Uuid;

use super::error::Error;
use super::state::ConsoleState;
use crate::audit;
use crate::db::apps::{self, App};
use crate::db::operators::sessions;
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::id::{self, AppId};
use crate::domain::operators::{Operator, Role};
use crate::http::context::RequestContext;

const COOKIE: &str = "__Host-userdocks-console";

/// The session of a signed-in operator.
pub struct Session {
    pub operator: Operator,
    pub code: RandomCode,
}

impl Session {
    /// Whether the operator may change something.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.operator.role == Role::Admin
    }

    /// Whether this is the token in the forms of this session.
    #[must_use]
    pub fn has_form_token(&self, token: &str) -> bool {
        verify_slices_are_equal(self.code.form_token().as_bytes(), token.as_bytes()).is_ok()
    }

    /// Refuses an operator who may see some apps only.
    pub fn need_all_apps(&self) -> Result<(), Error> {
        if self.operator.sees_all() {
            return Ok(());
        }
        Err(Error::Forbidden("This is for operators who may see all apps."))
    }
}

/// The code in the cookie of a request.
#[must_use]
pub fn code(headers: &HeaderMap) -> Option<RandomCode> {
    code_in(headers, COOKIE)
}

/// The code in the cookie with this name.
#[must_use]
pub fn code_in(headers: &HeaderMap, name: &str) -> Option<RandomCode> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, _)| *given == name).and_then(|(_, value)| RandomCode::parse(value))
}

/// `Set-Cookie` that begins a session.
#[must_use]
pub fn begin_cookie(code: &RandomCode) -> HeaderValue {
    cookie(COOKIE, code.expose(), "Strict", sessions::ABSOLUTE.as_secs())
}

/// `Set-Cookie` that deletes the cookie.
#[must_use]
pub fn end_cookie() -> HeaderValue {
    cookie(COOKIE, "", "Strict", 0)
}

/// `Set-Cookie` for this host only. `name`: begins with `__Host-`. `value`: base64url.
#[must_use]
pub fn cookie(name: &str, value: &str, same_site: &str, max_age: u64) -> HeaderValue {
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={max_age}");
    #[expect(clippy::expect_used, reason = "base64url and numbers are a header value")]
    let mut value = HeaderValue::try_from(text).expect("a cookie");
    value.set_sensitive(true);
    value
}

impl FromRequestParts<ConsoleState> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, console: &ConsoleState) -> Result<Self, Error> {
        let code = code(&parts.headers).ok_or(Error::SignedOut)?;
        let operator = sessions::find(console.db(), &code).await?.ok_or(Error::SignedOut)?;
        audit::record(|facts| (facts.operator, facts.authenticated) = (Some(operator.id), true));
        Ok(Self { operator, code })
    }
}

/// A session at a page of one app, which is `{app}` in the path. An app that the operator may not see is not found.
pub struct InApp {
    pub session: Session,
    pub app: App,
}

impl InApp {
    #[must_use]
    pub fn id(&self) -> AppId {
        AppId(self.app.app_id)
    }

    /// A path below the app's.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("/apps/{}{rest}", self.app.app_id)
    }
}

impl FromRequestParts<ConsoleState> for InApp {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, console: &ConsoleState) -> Result<Self, Error> {
        let session = Session::from_request_parts(parts, console).await?;
        let id = AppId(path_id(parts, "app").await?);
        if !session.operator.sees(id) {
            return Err(Error::NotFound);
        }
        audit::record(|facts| facts.app = Some(id));
        let app = apps::find(console.db(), id).await?.ok_or(Error::NotFound)?;
        Ok(Self { session, app })
    }
}

/// A row of an app: `{id}` in the path.
pub struct Item {
    pub at: InApp,
    pub id: Uuid,
}

impl FromRequestParts<ConsoleState> for Item {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, console: &ConsoleState) -> Result<Self, Error> {
        let at = InApp::from_request_parts(parts, console).await?;
        let id = path_id(parts, "id").await?;
        audit::record(|facts| facts.subject = Some(id));
        Ok(Self { at, id })
    }
}

/// A row that is of no app: `{id}` in the path.
pub struct ServerItem {
    pub session: Session,
    pub id: Uuid,
}

impl FromRequestParts<ConsoleState> for ServerItem {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, console: &ConsoleState) -> Result<Self, Error> {
        let session = Session::from_request_parts(parts, console).await?;
        let id = path_id(parts, "id").await?;
        audit::record(|facts| facts.subject = Some(id));
        Ok(Self { session, id })
    }
}

/// The code in the path of a sign-in link.
pub struct LinkCode(pub RandomCode);

impl FromRequestParts<ConsoleState> for LinkCode {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &ConsoleState) -> Result<Self, Error> {
        RandomCode::parse(&path(parts, "code").await?).map(Self).ok_or(Error::UnknownLink)
    }
}

/// A try to sign in, which counts against the client's address until it is [`forgiven`](Self::forgive).
pub struct Try {
    context: Arc<RequestContext>,
    headers: HeaderMap,
}

impl Try {
    pub fn forgive(&self, console: &ConsoleState) {
        self.context.forgive_failure(&console.server.limits, &self.headers);
    }
}

impl FromRequestParts<ConsoleState> for Try {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, console: &ConsoleState) -> Result<Self, Error> {
        let context = RequestContext::of(&parts.extensions);
        let headers = parts.headers.clone();
        context.count_failure(&console.server.limits, &headers).map_err(|_| Error::TooManyTries)?;
        Ok(Self { context, headers })
    }
}

async fn path_id(parts: &mut Parts, name: &str) -> Result<Uuid, Error> {
    id::parse(&path(parts, name).await?).ok_or(Error::NotFound)
}

async fn path(parts: &mut Parts, name: &str) -> Result<String, Error> {
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Error::NotFound)?;
    let found = params.iter().find(|(given, _)| *given == name).map(|(_, value)| value.to_owned());
    found.ok_or(Error::NotFound)
}

/// What a handler of a change takes from the path.
pub trait SignedIn: FromRequestParts<ConsoleState, Rejection = Error> + Send {
    fn session(&self) -> &Session;
}

impl SignedIn for Session {
    fn session(&self) -> &Session {
        self
    }
}

impl SignedIn for InApp {
    fn session(&self) -> &Session {
        &self.session
    }
}

impl SignedIn for Item {
    fn session(&self) -> &Session {
        &self.at.session
    }
}

impl SignedIn for ServerItem {
    fn session(&self) -> &Session {
        &self.session
    }
}
