//! Operators: a list, new ones, sign-in links, disabling. Only for operators who may see all apps.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use uuid::Uuid;

use crate::admin::error::Error;
use crate::admin::form::{Fields, Submitted};
use crate::admin::layout::{self, Page, token};
use crate::admin::parts::{Field, Tone, action, badge, danger, notice, optional_time};
use crate::admin::session::{ServerItem, Session};
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::db::apps::App;
use crate::db::operator;
use crate::db::operators;
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::email::Email;
use crate::domain::id;
use crate::domain::operators::{LINK_VALID, Operator, Role};
use crate::mail::display_name;

const DONE: [(&str, &str); 1] = [("disabled", "The operator is signed out and cannot sign in any more.")];

/// From how many apps on their ids are typed.
const MANY: usize = 50;

/// What the form for a new operator holds.
#[derive(Clone, Copy, Default)]
struct Draft<'a> {
    email: &'a str,
    role: &'a str,
    /// Ids, one in a line.
    apps: &'a str,
    email_error: Option<&'a str>,
    apps_error: Option<&'a str>,
}

pub async fn list(
    State(console): State<ConsoleState>,
    session: Session,
    query: Fields,
) -> Result<Page, Error> {
    session.need_all_apps()?;
    page(&console, &session, &notice(&query, &DONE), &Draft { role: "viewer", ..Draft::default() }).await
}

async fn page(
    console: &ConsoleState,
    session: &Session,
    top: &Markup,
    draft: &Draft<'_>,
) -> Result<Page, Error> {
    let all = operators::list(console.db()).await?;
    let apps = operator::apps(console.db()).await?;
    let body = html! {
        div .title { h1 { "Operators" } p .quiet { "People who may use this console." } }
        (top)
        div .box.flush {
            div .scroll tabindex="0" role="region" aria-label="Operators" {
                table {
                    thead { tr {
                        th scope="col" { "Address" } th scope="col" { "Role" } th scope="col" { "Apps" }
                        th scope="col" { "Last signed in" } th scope="col" { "Actions" }
                    } }
                    tbody { @for operator in &all { (row(session, operator, &apps)) } }
                }
            }
        }
        @if session.writes() { (new_form(session, draft, &apps)) }
    };
    Ok(layout::server_page(session, "Operators", &body))
}

fn row(session: &Session, operator: &Operator, apps: &[App]) -> Markup {
    let name = |id: &Uuid| {
        apps.iter()
            .find(|app| app.app_id == *id)
            .map_or_else(|| id.to_string(), |app| display_name::app(&app.name))
    };
    html! {
        tr {
            td { (operator.email) @if operator.id == session.operator.id { " " span .quiet { "(you)" } } }
            td { @if operator.disabled_at.is_some() { (badge(Tone::Quiet, "Disabled")) } @else { (operator.role.as_str()) } }
            td { @match &operator.apps { None => "All", Some(apps) => (apps.iter().map(name).collect::<Vec<_>>().join(", ")) } }
            td { (optional_time(operator.signed_in_at.as_deref())) }
            td {
                @if operator.disabled_at.is_none() {
                    div .actions {
                        (action(session, &format!("/operators/{}/link", operator.id), "Sign-in link"))
                        @if operator.id != session.operator.id {
                            (danger(session, &format!("/operators/{}/disable", operator.id), "Disable",
                                "They are signed out everywhere at once and cannot sign in. Adding their address again enables them."))
                        }
                    }
                }
            }
        }
    }
}

fn new_form(session: &Session, draft: &Draft, apps: &[App]) -> Markup {
    let email = Field {
        name: "email",
        label: "E-mail address",
        help: "",
        value: draft.email,
        error: draft.email_error,
    };
    let role = Field {
        name: "role",
        label: "Role",
        help: "An admin may read and write, a viewer may read.",
        value: draft.role,
        error: None,
    };
    html! {
        section .box {
            h2 { "New operator" }
            form method="post" action="/operators" {
                (token(session))
                (email.input("email"))
                (role.select(&[("viewer", "Viewer"), ("admin", "Admin")]))
                @if apps.len() > MANY || draft.apps_error.is_some() {
                    (Field {
                        name: "app",
                        label: "Apps",
                        help: "Their ids, one in a line. None: all apps, and these pages about operators.",
                        value: draft.apps,
                        error: draft.apps_error,
                    }.area(4))
                } @else if !apps.is_empty() {
                    fieldset {
                        legend { "Apps" }
                        p .quiet { "None chosen: all apps, and these pages about operators." }
                        @for app in apps {
                            div {
                                label {
                                    input type="checkbox" name="app" value=(app.app_id) checked[draft.apps.contains(&app.app_id.to_string())];
                                    (display_name::app(&app.name))
                                }
                            }
                        }
                    }
                }
                button { "Add operator" }
            }
        }
    }
}

/// Creates an operator, and shows their first sign-in link.
pub async fn create(
    State(console): State<ConsoleState>,
    Submitted { at: session, form }: Submitted<Session>,
) -> Result<Response, Error> {
    session.need_all_apps()?;
    let role = Role::parse(form.get("role")).ok_or(Error::BadForm)?;
    let typed = form.all("app").collect::<Vec<_>>().join("\n");
    let draft = Draft { email: form.get("email"), role: role.as_str(), apps: &typed, ..Draft::default() };
    let refuse = async |draft: Draft<'_>| {
        audit::record(|facts| facts.refused = Some("invalid_fields"));
        let page = page(&console, &session, &html! {}, &draft).await?;
        Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
    };
    let email = match Email::parse(draft.email) {
        Ok(email) => email,
        Err(error) => {
            let error = format!("It {error}.");
            return refuse(Draft { email_error: Some(&error), ..draft }).await;
        }
    };
    // An id that is none must not end in no ids, which means all apps.
    let known = operator::apps(console.db()).await?;
    let known = |id: &Uuid| known.iter().any(|app| app.app_id == *id);
    let apps: Option<Vec<Uuid>> = typed.split_whitespace().map(|id| id::parse(id).filter(known)).collect();
    let Some(apps) = apps else {
        return refuse(Draft { apps_error: Some("Each line must be the id of an app."), ..draft }).await;
    };
    let some = (!apps.is_empty()).then_some(apps.as_slice());
    let Some(id) = operators::create(console.db(), &email, role, some).await? else {
        let error = "This address is an operator's already. Disable them first to change role or apps.";
        return refuse(Draft { email_error: Some(error), ..draft }).await;
    };
    audit::record(|facts| facts.subject = Some(id));
    linked(&console, &session, id).await
}

/// Makes a sign-in link and shows it once.
pub async fn link(
    State(console): State<ConsoleState>,
    Submitted { at: ServerItem { session, id }, .. }: Submitted<ServerItem>,
) -> Result<Response, Error> {
    session.need_all_apps()?;
    linked(&console, &session, id).await
}

async fn linked(console: &ConsoleState, session: &Session, id: Uuid) -> Result<Response, Error> {
    let code = RandomCode::generate();
    if !operators::set_link(console.db(), id, &code, LINK_VALID).await? {
        return Err(Error::NotFound);
    }
    let top = html! {
        div .notice role="status" {
            p { "Send this link to the operator. It works once, for 15 minutes, and is not shown again." }
            div .once { code data-copy { (console.url) "sign-in/" (code.expose()) } }
        }
    };
    let draft = Draft { role: "viewer", ..Draft::default() };
    Ok(page(console, session, &top, &draft).await?.into_response())
}

/// Disables an operator.
pub async fn disable(
    State(console): State<ConsoleState>,
    Submitted { at: ServerItem { session, id }, .. }: Submitted<ServerItem>,
) -> Result<Redirect, Error> {
    session.need_all_apps()?;
    if id == session.operator.id {
        return Err(Error::Refused("You cannot disable yourself: another admin can.".to_owned()));
    }
    if !operators::disable(console.db(), id).await? {
        return Err(Error::NotFound);
    }
    Ok(Redirect::to("/operators?done=disabled"))
}
