//! Audit: what operators did, of an app or of no app.

use axum::extract::State;
use maud::{Markup, html};
use uuid::Uuid;

use crate::admin::error::Error;
use crate::admin::form::Fields;
use crate::admin::layout::{self, Page, Section};
use crate::admin::parts::{Tone, badge, before, choice, cut, empty, next_page, rows, search, time};
use crate::admin::session::{InApp, Session};
use crate::admin::state::ConsoleState;
use crate::db::operators::audit_events::{self, AuditEventRow};
use crate::db::operators::{self as operators};
use crate::domain::id::{self, AppId};
use crate::domain::operators::Operator;

pub async fn of_app(State(console): State<ConsoleState>, at: InApp, query: Fields) -> Result<Page, Error> {
    let list = list(&console, &at.session, Some(&at), &query).await?;
    Ok(layout::app_page(&at, Section::Audit, "Audit", &list))
}

pub async fn server(
    State(console): State<ConsoleState>,
    session: Session,
    query: Fields,
) -> Result<Page, Error> {
    session.need_all_apps()?;
    let list = list(&console, &session, None, &query).await?;
    Ok(layout::server_page(&session, "Audit", &list))
}

async fn list(
    console: &ConsoleState,
    session: &Session,
    at: Option<&InApp>,
    query: &Fields,
) -> Result<Markup, Error> {
    let db = console.db();
    let app = at.map_or(AppId(Uuid::nil()), InApp::id);
    let (operator, subject) = (query.get("operator"), query.get("subject"));
    let (by, about) = (id::parse(operator), id::parse(subject));
    let mut events = audit_events::list(db, app, by, about, before(query), rows()).await?;
    let last = cut(&mut events, |event| event.id);
    // Only who sees all apps sees all operators.
    let operators = if session.operator.sees_all() { operators::list(db).await? } else { Vec::new() };
    let path = at.map_or_else(|| "/audit".to_owned(), |at| at.path("/audit"));
    let filtered = by.is_some() || about.is_some();
    Ok(html! {
        div .title {
            h1 { "Audit" }
            p .quiet {
                @match at {
                    Some(_) => "What operators and commands did in this app. Calls of the API are in the log of the server.",
                    None => "What operators and commands did that is of no app: signing in, operators, new apps.",
                }
            }
        }
        @if !operators.is_empty() { (search(&path, &filter(operator, subject, &operators))) }
        div .box.flush {
            @if events.is_empty() {
                @if filtered { (empty("Nothing like that", &html! { a href=(path) { "Show everything" } })) }
                @else { (empty("Nothing yet", &html! { "Each change in the console or by a command leaves a line here." })) }
            } @else { (table(at, &events)) }
            (next_page(&path, &[("operator", operator), ("subject", subject)], "before", last))
        }
    })
}

fn filter(operator: &str, subject: &str, operators: &[Operator]) -> Markup {
    let ids: Vec<(String, &str)> =
        operators.iter().map(|operator| (operator.id.to_string(), operator.email.as_str())).collect();
    let options: Vec<(&str, &str)> = ids.iter().map(|(id, email)| (id.as_str(), *email)).collect();
    html! {
        (choice("operator", "Operator", "All", operator, &options))
        @if !subject.is_empty() { input type="hidden" name="subject" value=(subject); }
    }
}

fn table(at: Option<&InApp>, rows: &[AuditEventRow]) -> Markup {
    html! {
        div .scroll tabindex="0" role="region" aria-label="Audit events" {
            table {
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" }
                    th scope="col" { "Outcome" } th scope="col" { "About" }
                } }
                tbody {
                    @for row in rows {
                        tr {
                            td { (time(&row.created_at)) }
                            td { (who(row)) }
                            td {
                                (sentence(&row.action))
                                @if !row.fields.is_empty() { br; span .quiet { (row.fields.join(", ")) } }
                            }
                            td { (outcome(&row.outcome)) }
                            td { @if let Some(subject) = row.subject { (about(at, &row.action, subject)) } }
                        }
                    }
                }
            }
        }
    }
}

fn who(row: &AuditEventRow) -> Markup {
    match (&row.operator, row.operator_id, row.outcome.as_str()) {
        (Some(email), ..) => html! { (email) },
        (None, Some(id), _) => html! { code { (id) } },
        (None, None, "done") => html! { span .quiet { "Command line" } },
        (None, None, _) => html! { span .quiet { "Not signed in" } },
    }
}

fn outcome(outcome: &str) -> Markup {
    match outcome {
        "done" => badge(Tone::Good, "Done"),
        "unchanged" => badge(Tone::Quiet, "Was so already"),
        "refused" => badge(Tone::Bad, "Refused"),
        "failed" => badge(Tone::Bad, "Failed"),
        _ => badge(Tone::Waiting, "Not known"),
    }
}

/// A link to what an event is about, where it has a screen.
fn about(at: Option<&InApp>, action: &str, subject: Uuid) -> Markup {
    let folder = at
        .and_then(|_| ["Invite", "User", "Mail", "Webhook"].into_iter().find(|noun| action.ends_with(noun)));
    let short = subject.to_string();
    html! {
        @if let (Some(at), Some(noun)) = (at, folder) {
            a href=(at.path(&format!("/{}s/{subject}", noun.to_lowercase()))) { code { (short) } }
        } @else { code { (short) } }
    }
}

/// An action in words: `resendInvite` is `Resend invite`.
fn sentence(action: &str) -> String {
    let mut text = String::new();
    for c in action.chars() {
        match c {
            _ if text.is_empty() => text.extend(c.to_uppercase()),
            _ if c.is_uppercase() => {
                text.push(' ');
                text.extend(c.to_lowercase());
            }
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_shown_in_words() {
        assert_eq!(sentence("resendInvite"), "Resend invite");
        assert_eq!(sentence("createApiKey"), "Create api key");
        assert_eq!(sentence(""), "");
    }
}
