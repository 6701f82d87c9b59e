//! The frame of a page for somebody who is signed in: bar, navigation, content.

use maud::{Markup, html};

pub use super::document::Page;
use super::document::document;
use super::session::{InApp, Session};
use crate::db::apps::App;
use crate::domain::brand::Color;
use crate::mail::display_name;
use crate::mail::render::initial;

/// The screens of an app, in the order of the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Home,
    Users,
    Invites,
    Mails,
    Referrals,
    OptOuts,
    Webhooks,
    Keys,
    Settings,
    Audit,
}

const SECTIONS: [(Section, &str, &str); 10] = [
    (Section::Home, "Home", ""),
    (Section::Users, "Users", "/users"),
    (Section::Invites, "Invites", "/invites"),
    (Section::Mails, "Mails", "/mails"),
    (Section::Referrals, "Referrals", "/referrals"),
    (Section::OptOuts, "Bounces, opt-outs", "/bounces"),
    (Section::Webhooks, "Webhooks", "/webhooks"),
    (Section::Keys, "Keys", "/keys"),
    (Section::Settings, "Settings", "/settings"),
    (Section::Audit, "Audit", "/audit"),
];

/// A page of an app.
#[must_use]
pub fn app_page(at: &InApp, section: Section, title: &str, body: &Markup) -> Page {
    let nav = html! {
        nav aria-label="App" {
            ul {
                @for (this, name, path) in SECTIONS {
                    li { a href=(at.path(path)) aria-current=[(this == section).then_some("page")] { (name) } }
                }
            }
        }
    };
    let whole = format!("{title} · {}", display_name::app(&at.app.name));
    frame(&at.session, Some(&at.app), &nav, &whole, body)
}

/// A page that is of no app.
#[must_use]
pub fn server_page(session: &Session, title: &str, body: &Markup) -> Page {
    let links = [("Apps", "/"), ("Operators", "/operators"), ("Audit", "/audit")];
    let nav = html! {
        nav aria-label="Server" {
            ul {
                @for (name, path) in links {
                    @if path == "/" || session.operator.sees_all() {
                        li { a href=(path) aria-current=[(name == title).then_some("page")] { (name) } }
                    }
                }
            }
        }
    };
    frame(session, None, &nav, title, body)
}

fn frame(session: &Session, app: Option<&App>, nav: &Markup, title: &str, body: &Markup) -> Page {
    let operator = &session.operator;
    document(
        title,
        &html! {
            body {
                a .skip href="#main" { "Skip to the content" }
                header .top {
                    a .product href="/" { (tile(None)) span { "Userdocks" } }
                    @if let Some(app) = app {
                        a .app href={ "/apps/" (app.app_id) } { (tile(Some(app))) span { (display_name::app(&app.name)) } }
                    }
                    details .account {
                        summary { span { (operator.email) } }
                        div .menu {
                            p .quiet {
                                (operator.email) br;
                                @match session.writes() { true => "admin: may read and write", false => "viewer: may read" }
                            }
                            p { a href="/account" { "Your account" } }
                            form method="post" action="/sign-out" { (token(session)) button .second { "Sign out" } }
                            form method="post" action="/sign-out-everywhere" { (token(session)) button .second { "Sign out everywhere" } }
                        }
                    }
                }
                div .columns {
                    (nav)
                    main #main { (body) }
                }
            }
        },
    )
}

/// The tile of an app, or of this server: a letter in its color.
#[must_use]
pub fn tile(app: Option<&App>) -> Markup {
    let color = app.map_or(Color::DEFAULT, |app| Color::stored(app.color.as_deref()));
    let letter = app.map_or_else(|| "U".to_owned(), |app| initial(&display_name::app(&app.name)));
    html! {
        svg .tile viewBox="0 0 32 32" width="24" height="24" aria-hidden="true" {
            rect width="32" height="32" rx="8" fill=(color.to_string()) {}
            text x="16" y="22" text-anchor="middle" font-size="18" font-weight="600" fill=(color.text().to_string()) { (letter) }
        }
    }
}

/// The hidden field that every form of a session has.
#[must_use]
pub fn token(session: &Session) -> Markup {
    html! { input type="hidden" name="token" value=(session.code.form_token()); }
}
