//! The account of the signed-in operator: how they sign in.

use axum::extract::State;
use maud::{Markup, html};

use super::passkeys;
use super::passwords::setting;
use crate::admin::error::Error;
use crate::admin::form::Fields;
use crate::admin::layout::{self, Page};
use crate::admin::parts::notice;
use crate::admin::session::Session;
use crate::admin::state::ConsoleState;

const DONE: [(&str, &str); 4] = [
    passkeys::ADDED,
    passkeys::REMOVED,
    ("password", "Password and authenticator app are set. Your other sessions have ended."),
    ("password-removed", "The password is removed. Your other sessions have ended."),
];

pub async fn show(
    State(console): State<ConsoleState>,
    session: Session,
    query: Fields,
) -> Result<Page, Error> {
    page(&console, &session, &notice(&query, &DONE)).await
}

/// The page, with `top` above its boxes.
pub async fn page(console: &ConsoleState, session: &Session, top: &Markup) -> Result<Page, Error> {
    let body = html! {
        div .title { h1 { "Your account" } p .quiet { "How you sign in as " (session.operator.email) "." } }
        (top)
        (passkeys::section(console, session).await?)
        (setting::section(console, session).await?)
    };
    Ok(layout::server_page(session, "Your account", &body))
}
