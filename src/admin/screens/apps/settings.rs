//! The settings of an app.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use crate::admin::error::Error;
use crate::admin::form::{Fields, Submitted};
use crate::admin::layout::{self, Page, Section, token};
use crate::admin::parts::notice;
use crate::admin::session::InApp;
use crate::admin::settings_form::{self, Draft, Saved, color_notes, conflict_table};
use crate::admin::state::ConsoleState;
use crate::domain::app_settings::{Setting, duration};
use crate::mail;

pub async fn show(State(console): State<ConsoleState>, at: InApp, query: Fields) -> Page {
    let above = notice(&query, &[("saved", "The settings are saved.")]);
    page(&console, &at, &Draft::stored(&at.app), &above)
}

pub async fn save(
    State(console): State<ConsoleState>,
    Submitted { mut at, form }: Submitted<InApp>,
) -> Result<Response, Error> {
    Ok(match settings_form::save(&console, &mut at, &form, &Setting::ALL).await? {
        Saved::Done => Redirect::to(&at.path("/settings?done=saved")).into_response(),
        Saved::Invalid(draft) => {
            (StatusCode::UNPROCESSABLE_ENTITY, page(&console, &at, &draft, &invalid())).into_response()
        }
        Saved::Stale(draft, conflicts) => {
            (StatusCode::CONFLICT, page(&console, &at, &draft, &conflict_table(&conflicts))).into_response()
        }
    })
}

/// Says that a field has an error.
pub(super) fn invalid() -> Markup {
    html! { p .notice .bad role="alert" { "Nothing was saved: look at the fields in red." } }
}

fn page(console: &ConsoleState, at: &InApp, draft: &Draft, above: &Markup) -> Page {
    let config = &console.server.config;
    let writes = at.session.writes();
    let sender = mail::sender(None, &draft.app.name, &config.mail.from)
        .map_or_else(|| "Name <address>".to_owned(), |sender| format!("Name <address>. Else {sender}"));
    let validity =
        i32::try_from(config.invite.expires_after.as_secs()).map_or_else(|_| String::new(), duration);
    let validity = format!("From 60s to 90d, such as 14d. Else {validity}, as the server's settings say.");
    let field = |setting| draft.field(setting, None);
    let body = html! {
        div .title {
            h1 { "Settings" }
            a .button .second href=(at.path("/branding")) { "Branding and preview" }
        }
        (above)
        form method="post" action=(at.path("/settings")) {
            (token(&at.session)) (draft.base())
            fieldset disabled[!writes] {
                div .halves {
                    div {
                        section .box {
                            h2 { "Names and mail" }
                            (field(Setting::Name)) (field(Setting::Language))
                            (draft.field(Setting::MailFrom, Some(&sender)))
                            (field(Setting::ReplyTo)) (field(Setting::ReturnPath))
                        }
                        section .box {
                            h2 { "Origins" }
                            (field(Setting::Origins))
                        }
                        section .box {
                            h2 { "External issuer" }
                            p .quiet { "If another server signs people in to this app, its access tokens work here too." }
                            (field(Setting::Issuer)) (field(Setting::JwksUrl))
                        }
                    }
                    div {
                        section .box {
                            h2 { "Branding" }
                            (field(Setting::LogoUrl)) (field(Setting::Color)) (field(Setting::Footer))
                            (color_notes(&draft.app))
                        }
                        section .box {
                            h2 { "Links" }
                            (field(Setting::HomeUrl)) (field(Setting::ImprintUrl)) (field(Setting::PrivacyUrl))
                            (field(Setting::InviteUrl)) (draft.field(Setting::InviteExpiresIn, Some(&validity)))
                        }
                        section .box {
                            h2 { "For developers" }
                            dl {
                                dt { "App id" } dd { code { (at.app.app_id) } }
                                dt { "Issuer" } dd { code { (config.issuer()) } }
                            }
                        }
                    }
                }
            }
            @if writes { button { "Save settings" } } @else { p .quiet { "Your role is viewer: an admin can change settings." } }
        }
    };
    layout::app_page(at, Section::Settings, "Settings", &body)
}
