//! The apps that an operator may see, and new ones.

pub mod branding;
pub mod settings;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::html;

use crate::admin::error::Error;
use crate::admin::form::{Fields, Submitted};
use crate::admin::layout::{self, Page, tile, token};
use crate::admin::parts::{self, cut, empty, search_text};
use crate::admin::session::Session;
use crate::admin::settings_form::Draft;
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::db::apps::{self, App};
use crate::db::{Transaction, operator};
use crate::domain::app_settings::Setting;
use crate::domain::credentials::api_key::{ApiKey, KeyType};
use crate::domain::id::{self, AppId};
use crate::mail::display_name;

/// From how many apps on the list has a search.
const MANY: usize = 12;

pub async fn list(
    State(console): State<ConsoleState>,
    session: Session,
    query: Fields,
) -> Result<Page, Error> {
    let mut apps = operator::apps(console.db()).await?;
    apps.retain(|app| session.operator.sees(AppId(app.app_id)));
    let many = apps.len() > MANY;
    let (text, after) = (query.get("q"), id::parse(query.get("after")));
    let part = text.to_lowercase();
    apps.retain(|app| app.name.to_lowercase().contains(&part) || app.app_id.to_string() == part);
    // Oldest first; after the last one of the page before.
    if let Some(at) = apps.iter().position(|app| Some(app.app_id) == after) {
        apps.drain(..=at);
    }
    let next = cut(&mut apps, |app| app.app_id);
    let makes = session.writes() && session.operator.sees_all();
    let body = html! {
        div .title {
            h1 { "Apps" }
            @if makes { a .button href="/apps/new" { "New app" } }
        }
        @if many { (parts::search("/", &search_text("q", "Name or id", text))) }
        @if apps.is_empty() && many {
            div .box { (empty("No such app", &html! { a href="/" { "Show all apps" } })) }
        } @else if apps.is_empty() {
            div .box {
                (empty("No apps yet", &html! {
                    "An app is what people sign up to: it has its own users, invites, mails and keys. "
                    @if makes { "Make the first one with New app." } @else { "You may see none now; ask an admin." }
                }))
            }
        }
        ul .apps {
            @for app in &apps {
                li {
                    a href={ "/apps/" (app.app_id) } {
                        (tile(Some(app)))
                        span { strong { (display_name::app(&app.name)) } code { (app.app_id) } }
                    }
                }
            }
        }
        (parts::next_page("/", &[("q", text)], "after", next))
    };
    Ok(layout::server_page(&session, "Apps", &body))
}

/// The form of a new app.
pub async fn new(session: Session) -> Result<Page, Error> {
    session.need_all_apps()?;
    if !session.writes() {
        return Err(Error::Forbidden("Your role is viewer: you can look, and an admin can change."));
    }
    Ok(form(&session, &Draft::stored(&App::new(id::public()))))
}

fn form(session: &Session, draft: &Draft) -> Page {
    let body = html! {
        p .trail { a href="/" { "Apps" } }
        div .title { h1 { "New app" } }
        form .box method="post" action="/apps/new" {
            (token(session))
            (draft.field(Setting::Name, Some("How mails and pages call it. It can be changed later.")))
            (draft.field(Setting::Language, None))
            button { "Create app" }
        }
    };
    layout::server_page(session, "New app", &body)
}

/// Creates an app with a key pair and an API key of each type, and shows the keys, this once.
pub async fn create(
    State(console): State<ConsoleState>,
    Submitted { at: session, form: fields }: Submitted<Session>,
) -> Result<Response, Error> {
    session.need_all_apps()?;
    let default = App::new(id::public());
    let settings = [Setting::Name, Setting::Language];
    let draft = Draft::typed(&default, &settings, &fields, &console.server.config.app_rules());
    // The field of the name may be missing.
    if !draft.is_valid() || draft.app.name.is_empty() {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, form(&session, &draft)).into_response());
    }
    let app = draft.app;
    let keys = [ApiKey::generate(KeyType::Read), ApiKey::generate(KeyType::Write)];
    audit::record(|facts| {
        (facts.app, facts.subject) = (Some(AppId(app.app_id)), Some(app.app_id));
        facts.fields = app.changed(&default);
    });
    let mut transaction = Transaction::begin(console.db()).await?;
    apps::create_with_keys(&mut transaction, &app, &keys, &console.server.seal).await?;
    transaction.commit().await?;
    let name = display_name::app(&app.name);
    let body = html! {
        p .trail { a href="/" { "Apps" } }
        div .title { h1 { (name) " is ready" } }
        p .notice role="status" { "Copy both keys now: they are not shown again." }
        section .box {
            h2 { "App id" }
            p .quiet { "Names the app in each call, in the header X-CLIENT-ID. It is not a secret." }
            div .once { code data-copy { (app.app_id) } }
        }
        @for key in &keys {
            section .box {
                @match key.key_type {
                    KeyType::Read => { h2 { "Read key" } p .quiet { "For servers that read users and invites." } }
                    KeyType::Write => { h2 { "Write key" } p .quiet { "For servers that also invite and change users." } }
                }
                div .once { code data-copy { (key.expose()) } }
            }
        }
        div .actions {
            a .button href={ "/apps/" (app.app_id) } { "Go to " (name) }
            a .button .second href={ "/apps/" (app.app_id) "/branding" } { "Set up its branding" }
        }
    };
    Ok(layout::server_page(&session, "New app", &body).into_response())
}
