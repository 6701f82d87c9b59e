//! The branding of an app, beside a preview of each of its mails in each language. The preview shows what is typed, before
//! it is saved.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use form_urlencoded::Serializer;
use maud::{Markup, html};

use super::settings::invalid;
use crate::admin::error::Error;
use crate::admin::form::{Fields, Submitted};
use crate::admin::layout::{self, Page, Section};
use crate::admin::parts::notice;
use crate::admin::session::InApp;
use crate::admin::settings_form::{self, BASE, Draft, Saved, color_notes, conflict_table, language_name};
use crate::admin::state::ConsoleState;
use crate::api::pages::render::mail_html;
use crate::db::apps::App;
use crate::db::outbox::templates;
use crate::domain::app_settings::Setting;
use crate::domain::id::AppId;
use crate::domain::mail::kind::MailKind;
use crate::l10n::{LANGUAGES, Texts};
use crate::mail::Rendered;
use crate::mail::preview::preview;

const SETTINGS: [Setting; 8] = [
    Setting::Name,
    Setting::Color,
    Setting::LogoUrl,
    Setting::Footer,
    Setting::HomeUrl,
    Setting::ImprintUrl,
    Setting::PrivacyUrl,
    Setting::ReplyTo,
];

/// `Content-Security-Policy` of a mail in its frame: its own styles and pictures, and nothing else. Its links do nothing.
const MAIL_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: https:; sandbox; frame-ancestors 'self'";

const MODES: [(&str, &str); 3] = [("", "As this device"), ("light", "Light"), ("dark", "Dark")];

/// Which mail the preview shows.
struct Choice {
    kind: MailKind,
    /// One of [`LANGUAGES`].
    language: &'static str,
    /// `light` or `dark`; `""`: as the browser.
    mode: &'static str,
}

impl Choice {
    fn of(query: &Fields, app: &App) -> Self {
        let language = LANGUAGES.iter().find(|tag| **tag == query.get("language")).copied();
        let mode = MODES.iter().find(|(mode, _)| *mode == query.get("mode"));
        Self {
            kind: MailKind::parse(query.get("kind")).unwrap_or(MailKind::Invite),
            language: language.unwrap_or_else(|| Texts::for_person(&app.language, "en").language()),
            mode: mode.map_or("", |(mode, _)| mode),
        }
    }

    /// The query that names the choice.
    fn query(&self) -> Serializer<'static, String> {
        let mut query = Serializer::new(String::new());
        query.append_pair("kind", self.kind.as_str()).append_pair("language", self.language);
        if !self.mode.is_empty() {
            query.append_pair("mode", self.mode);
        }
        query
    }
}

/// The form, with what is typed if the query has it.
pub async fn show(State(console): State<ConsoleState>, at: InApp, query: Fields) -> Result<Page, Error> {
    let draft = if query.get(BASE).is_empty() {
        Draft::stored(&at.app)
    } else {
        Draft::typed(&at.app, &SETTINGS, &query, &console.server.config.app_rules())
    };
    let above = notice(&query, &[("saved", "The branding is saved. New mails and pages have it.")]);
    page(&console, &at, &draft, &Choice::of(&query, &at.app), &above).await
}

pub async fn save(
    State(console): State<ConsoleState>,
    Submitted { mut at, form }: Submitted<InApp>,
) -> Result<Response, Error> {
    let choice = Choice::of(&form, &at.app);
    let (status, draft, above) = match settings_form::save(&console, &mut at, &form, &SETTINGS).await? {
        Saved::Done => {
            let query = choice.query().append_pair("done", "saved").finish();
            return Ok(Redirect::to(&at.path(&format!("/branding?{query}"))).into_response());
        }
        Saved::Invalid(draft) => (StatusCode::UNPROCESSABLE_ENTITY, draft, invalid()),
        Saved::Stale(draft, conflicts) => (StatusCode::CONFLICT, draft, conflict_table(&conflicts)),
    };
    Ok((status, page(&console, &at, &draft, &choice, &above).await?).into_response())
}

/// A mail with sample data, for its frame. Values in the query stand in for the stored ones if they are valid.
pub async fn mail(State(console): State<ConsoleState>, at: InApp, query: Fields) -> Result<Response, Error> {
    let draft = Draft::typed(&at.app, &SETTINGS, &query, &console.server.config.app_rules());
    let choice = Choice::of(&query, &at.app);
    let (mail, _) = rendered(&console, &draft.app, &choice).await?;
    let scheme = (!choice.mode.is_empty()).then_some(choice.mode);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(MAIL_POLICY)),
    ];
    Ok((headers, mail_html(&mail.html, scheme)).into_response())
}

/// The mail, and whether it is made from a template of the app.
async fn rendered(console: &ConsoleState, app: &App, choice: &Choice) -> Result<(Rendered, bool), Error> {
    let Choice { kind, language, .. } = *choice;
    let template = templates::find(console.db(), AppId(app.app_id), kind, language).await?;
    let mail = preview(&app.brand(), kind, language, template.as_deref()).map_err(|error| {
        tracing::error!(%error, "the preview of a mail cannot be rendered");
        Error::Refused("This mail cannot be shown. The reason is in the log of the server.".to_owned())
    })?;
    Ok((mail, template.is_some()))
}

async fn page(
    console: &ConsoleState,
    at: &InApp,
    draft: &Draft,
    choice: &Choice,
    above: &Markup,
) -> Result<Page, Error> {
    let (mail, own) = rendered(console, &draft.app, choice).await?;
    let mut query = choice.query();
    for setting in SETTINGS {
        if draft.app.text(setting) != at.app.text(setting) {
            query.append_pair(setting.name(), &draft.app.text(setting));
        }
    }
    let frame = at.path(&format!("/branding/mail?{}", query.finish()));
    let languages: Vec<(&str, String)> = LANGUAGES.iter().map(|tag| (*tag, language_name(tag))).collect();
    let languages: Vec<(&str, &str)> = languages.iter().map(|(tag, name)| (*tag, name.as_str())).collect();
    let kinds = MailKind::ALL.map(|kind| (kind.as_str(), kind_name(kind)));
    let path = at.path("/branding");
    let body = html! {
        p .trail { a href=(at.path("/settings")) { "Settings" } }
        div .title { h1 { "Branding" } }
        (above)
        form .branding method="post" action=(path) data-preview=(path) {
            (draft.base())
            section .box {
                h2 { "Look" }
                @for setting in SETTINGS { (draft.field(setting, None)) }
                // The token is the value of the button, so that a preview, which is a GET, does not have it.
                @if at.session.writes() {
                    button name="token" value=(at.session.code.form_token()) { "Save branding" }
                } @else {
                    p .quiet { "Your role is viewer: you can try values here, and an admin can save them." }
                }
            }
            section .box {
                h2 { "Preview" }
                div .choices {
                    (select("kind", "Mail", &kinds, choice.kind.as_str()))
                    (select("language", "Language", &languages, choice.language))
                    (select("mode", "Mode", &MODES, choice.mode))
                    button .second formmethod="get" { "Preview" }
                }
                div #preview-head aria-live="polite" {
                    p { span .quiet { "Subject: " } strong lang=(choice.language) dir="auto" { (mail.subject) } }
                    @if own {
                        p .quiet { "This app has a template of its own for this mail: the look is that of the template." }
                    }
                    (color_notes(&draft.app))
                }
                iframe #preview-frame title="Preview of the mail" sandbox="" src=(frame) {}
            }
        }
    };
    Ok(layout::app_page(at, Section::Settings, "Branding", &body))
}

fn select(name: &str, label: &str, options: &[(&str, &str)], chosen: &str) -> Markup {
    html! {
        label {
            span { (label) }
            select name=(name) {
                @for (value, text) in options {
                    option value=(value) selected[*value == chosen] { (text) }
                }
            }
        }
    }
}

fn kind_name(kind: MailKind) -> &'static str {
    match kind {
        MailKind::Invite => "Invite",
        MailKind::Referral => "Invite by a referral",
        MailKind::Confirmation => "Confirmation of an address",
        MailKind::Notice => "Notice of a changed address",
        MailKind::Taken => "Address already in use",
    }
}
