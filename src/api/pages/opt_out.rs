//! `/opt-out/{code}`: opts the recipient of a referral mail out of all referral mail of the app, from any sender. GET
//! and HEAD change nothing, because mail scanners follow links. A POST with any body opts out: from the button, or
//! from a mail program in one click (RFC 8058).

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::render::{self, OptOutPage};
use crate::api::route::{Route, get, post};
use crate::audit;
use crate::db;
use crate::db::apps;
use crate::db::referrals::opt_outs::{self, Subject};
use crate::domain::brand::Brand;
use crate::domain::credentials::opt_out::OptOutCode;
use crate::http::context::RequestContext;
use crate::http::error::Error;
use crate::http::extract::Segment;
use crate::http::operation::{Answer, Describe, Operation, Parameter};
use crate::http::state::AppState;
use crate::l10n::Texts;

/// A valid opt-out link.
pub struct OptOutLink {
    code: OptOutCode,
    subject: Subject,
    brand: Brand,
    texts: &'static Texts,
    headers: HeaderMap,
}

impl FromRequestParts<AppState> for OptOutLink {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let context = RequestContext::of(&parts.extensions);
        let Ok(Segment(code)) = Segment::from_request_parts(parts, state).await;
        let found = async {
            context.count_failure(&state.limits, &parts.headers)?;
            context.acquire_permit(&state.limits).await?;
            look_up(state, &code).await
        };
        let headers = parts.headers.clone();
        let (code, subject, brand) = found
            .await
            .map_err(|error| trouble(&error, &headers))?
            .ok_or_else(|| render::unknown(&headers, |texts| render::opt_out(texts, &OptOutPage::Unknown)))?;
        audit::record(|facts| (facts.app, facts.authenticated) = (Some(code.app), true));
        // The link contains the language of the mail.
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let language = query.into_iter().find(|(name, _)| name == "language").map(|(_, value)| value);
        let texts = Texts::for_person(language.as_deref().unwrap_or_default(), &subject.app_language);
        Ok(Self { code, subject, brand, texts, headers })
    }
}

impl Describe for OptOutLink {
    fn describe(operation: &mut Operation) {
        let about = "The code in the opt-out link of a referral mail.";
        operation.parameters.push(Parameter::path::<String>("code", about, "AYkKXayWd0u8zrMCCZqAVw"));
    }
}

/// Looks up the code. `None` if this server did not make it.
async fn look_up(state: &AppState, code: &str) -> Result<Option<(OptOutCode, Subject, Brand)>, Error> {
    let Some(code) = OptOutCode::parse(code) else { return Ok(None) };
    let Some(subject) = opt_outs::find(&state.store.pool, &code).await? else { return Ok(None) };
    let key = subject.key.open(&state.seal).map_err(|error| Error::Internal(Box::new(error)))?;
    if !key.is_authentic(&code) {
        return Ok(None);
    }
    let app = apps::find(&state.store.pool, code.app).await?;
    Ok(app.map(|app| (code, subject, app.brand())))
}

fn trouble(error: &Error, headers: &HeaderMap) -> Response {
    render::trouble(error, headers, |texts| render::opt_out(texts, &OptOutPage::Trouble))
}

impl OptOutLink {
    fn confirm_page(&self) -> Response {
        self.page(&OptOutPage::Confirm(&self.brand))
    }

    fn done_page(&self) -> Response {
        self.page(&OptOutPage::Done { brand: &self.brand, code: &self.code.expose() })
    }

    fn page(&self, page: &OptOutPage) -> Response {
        render::opt_out(self.texts, page).response(StatusCode::OK)
    }

    /// The page after a change. `changed`: whether the change had an effect.
    fn changed(&self, changed: Result<bool, db::Error>, page: impl Fn() -> Response) -> Response {
        match changed {
            Ok(changed) => {
                audit::record(|facts| facts.unchanged = !changed);
                page()
            }
            Err(error) => trouble(&error.into(), &self.headers),
        }
    }
}

/// Shows the button to opt out, or that the recipient has opted out.
pub async fn show(link: OptOutLink) -> Response {
    if link.subject.out { link.done_page() } else { link.confirm_page() }
}

/// Opts the recipient out.
pub async fn add(State(state): State<AppState>, link: OptOutLink) -> Response {
    let changed = opt_outs::add(&state.store.pool, link.code.app, &link.code.address).await;
    link.changed(changed, || link.done_page())
}

/// Takes the opt-out back.
pub async fn remove(State(state): State<AppState>, link: OptOutLink) -> Response {
    let changed = opt_outs::remove(&state.store.pool, link.code.app, &link.code.address).await;
    link.changed(changed, || link.page(&OptOutPage::Undone(&link.brand)))
}

pub fn show_route() -> Route {
    get(
        "/opt-out/{code}",
        show,
        Operation::new("showOptOut", "pages", "Show the opt-out page")
            .about("Shows the page that the opt-out link in a referral mail opens. It changes nothing.")
            .answer(Answer::Page(&[200, 404, 429, 500, 503])),
    )
}

pub fn add_route() -> Route {
    post(
        "/opt-out/{code}",
        add,
        Operation::new("optOut", "pages", "Opt out of referrals")
            .about(
                "Opts the address out: it gets no more referral mails of the app, from any sender. The \
                    button on the page sends this request, or a mail client with one-click unsubscribe (RFC \
                    8058). The body is ignored.",
            )
            .answer(Answer::Page(&[200, 404, 429, 500, 503])),
    )
}

pub fn remove_route() -> Route {
    post(
        "/opt-out/{code}/undo",
        remove,
        Operation::new("undoOptOut", "pages", "Allow referrals again")
            .about("Undoes the opt-out.")
            .answer(Answer::Page(&[200, 404, 429, 500, 503])),
    )
}
