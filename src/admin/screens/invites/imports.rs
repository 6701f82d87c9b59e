//! Import of invites: a file is uploaded, its columns are named, a dry run says what would become of each line, and then
//! the people are invited in the background.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use uuid::Uuid;

use crate::admin::error::Error;
use crate::admin::form::{MAX_FILE, Submitted, Upload};
use crate::admin::layout::{self, Page, Section, token};
use crate::admin::parts::{Tone, ask, badge, empty, time};
use crate::admin::session::{InApp, Item};
use crate::admin::state::ConsoleState;
use crate::audit;
use crate::db::apps::App;
use crate::db::invites::imports::{self, ImportResult, ImportRow};
use crate::domain::id::AppId;
use crate::import::people::{self, Import, REQUIRED, Rejected, Target};
use crate::import::{Peek, Table};

/// Rows of the file that are shown while its columns are named.
const SHOWN: usize = 3;
/// Imports in the list.
const LISTED: i64 = 10;
/// Rejected lines on the page; the download has all that are stored.
const ERRORS: usize = 100;

pub async fn new(State(console): State<ConsoleState>, at: InApp) -> Result<Page, Error> {
    page_new(&console, &at, None).await
}

async fn page_new(console: &ConsoleState, at: &InApp, error: Option<&str>) -> Result<Page, Error> {
    let earlier = imports::list(console.db(), at.id(), LISTED).await?;
    let body = html! {
        p .trail { a href=(at.path("/invites")) { "Invites" } }
        div .title { h1 { "Import people" } }
        section .box {
            h2 { "Invite everybody in a file" }
            p {
                "A CSV file with a header line, as spreadsheets and address books export it. It needs a column with e-mail \
                addresses; language, names and other fields of the profile are taken if they are there. People who are \
                users already are left alone, so the same file can be imported twice."
            }
            @if at.session.writes() {
                form method="post" action=(at.path("/imports/new")) enctype="multipart/form-data" {
                    (token(&at.session))
                    div .field {
                        label for="file" { "CSV file" }
                        p .quiet #help-file { "At most 16 MB. Nobody is invited yet: first you see what would happen." }
                        input #file .drop type="file" name="file" accept=".csv,.tsv,.txt,text/csv" required aria-describedby="help-file"
                            aria-invalid=[error.map(|_| "true")];
                        @if let Some(error) = error { p .error { (error) } }
                    }
                    button { "Upload" }
                }
            } @else { p .quiet { "An admin can import." } }
        }
        div .box.flush {
            @if earlier.is_empty() { (empty("No imports yet", &html! { "Files of the last 30 days are listed here." })) }
            @else {
                div .scroll tabindex="0" role="region" aria-label="Imports" {
                    table {
                        thead { tr {
                            th scope="col" { "File" } th scope="col" { "State" } th scope="col" .number { "Invited" } th scope="col" { "When" }
                        } }
                        tbody { @for row in &earlier { tr {
                            td { a href=(at.path(&format!("/imports/{}", row.id))) { (row.file_name) } }
                            td { (state_badge(row)) }
                            td .number { @if row.state == "done" { (row.created) } @else { "–" } }
                            td { (time(&row.created_at)) }
                        } } }
                    }
                }
            }
        }
    };
    Ok(layout::app_page(at, Section::Invites, "Import people", &body))
}

fn state_badge(row: &ImportRow) -> Markup {
    match row.state.as_str() {
        _ if row.interrupted => badge(Tone::Bad, "Interrupted"),
        "new" => badge(Tone::Waiting, "Columns to name"),
        "checking" => badge(Tone::Waiting, "Being checked"),
        "checked" => badge(Tone::Waiting, "Checked, not imported"),
        "running" => badge(Tone::Waiting, "Being imported"),
        _ => badge(Tone::Good, "Imported"),
    }
}

/// Stores an uploaded file.
pub async fn upload(
    State(console): State<ConsoleState>,
    Upload { at, name, file }: Upload<InApp>,
) -> Result<Response, Error> {
    let peek = match peek(&file) {
        Ok(peek) => peek,
        Err(error) => {
            audit::record(|facts| facts.refused = Some("unreadable_file"));
            let error = format!("The file cannot be read: {error}.");
            let page = page_new(&console, &at, Some(&error)).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let names: Vec<Option<String>> = peek.names.iter().map(|name| name.map(str::to_owned)).collect();
    let id = imports::create(console.db(), at.id(), &name, &file, &names).await?;
    audit::record(|facts| facts.subject = Some(id));
    Ok(Redirect::to(&at.path(&format!("/imports/{id}"))).into_response())
}

fn peek(file: &[u8]) -> Result<Peek, crate::import::Unreadable> {
    Table::peek(file, &people::columns(), REQUIRED, SHOWN)
}

pub async fn show(State(console): State<ConsoleState>, Item { at, id }: Item) -> Result<Page, Error> {
    page(&console, &at, id, None).await
}

async fn page(console: &ConsoleState, at: &InApp, id: Uuid, error: Option<&str>) -> Result<Page, Error> {
    let row = imports::find(console.db(), at.id(), id).await?.ok_or(Error::NotFound)?;
    let working = matches!(row.state.as_str(), "checking" | "running") && !row.interrupted;
    let columns = if row.state == "done" || working {
        html! {}
    } else {
        let file = imports::file(console.db(), at.id(), id).await?.unwrap_or_default();
        match peek(&file) {
            Ok(peek) => columns_form(at, &row, &peek, error),
            Err(error) => html! { p .notice.bad { "The file cannot be read: " (error) } },
        }
    };
    let body = html! {
        p .trail { a href=(at.path("/invites")) { "Invites" } " / " a href=(at.path("/imports/new")) { "Imports" } }
        div .title { h1 { (row.file_name) } (state_badge(&row)) }
        @if working { (progress(&row)) }
        @if row.interrupted {
            section .box {
                h2 { "Interrupted" }
                p { "The server that did this went away. Continue: who is invited already is left alone." }
                @if row.state == "running" { (start_form(at, &row, "Continue")) }
            }
        }
        @if matches!(row.state.as_str(), "checked" | "done") { (result(at, &row)) }
        (columns)
    };
    Ok(layout::app_page(at, Section::Invites, &row.file_name, &body))
}

fn progress(row: &ImportRow) -> Markup {
    html! {
        section .box data-reload="2" aria-live="polite" {
            h2 { @if row.state == "running" { "Inviting" } @else { "Checking" } }
            @if row.total > 0 && row.state == "running" {
                progress aria-label="Lines done" max=(row.total) value=(row.lines) {}
                p { (row.lines) " of " (row.total) " lines" }
            } @else {
                progress aria-label="At work" {}
                p { (row.lines) " lines" }
            }
            p .quiet { "You may leave this page: the work goes on." }
            p { a href="" { "Look again" } }
        }
    }
}

fn result(at: &InApp, row: &ImportRow) -> Markup {
    let done = row.state == "done";
    let rejected: Vec<Rejected> = serde_json::from_value(row.rejected.0.clone()).unwrap_or_default();
    html! {
        div .figures {
            div .figure { b { (row.created) } span { @if done { "invited" } @else { "would be invited" } } }
            div .figure { b { (row.existing) } span { "users already" } }
            div .figure.bad[row.rejected_count > 0] { b { (row.rejected_count) } span { "rejected lines" } }
        }
        @if !done {
            section .box {
                h2 { "Nothing was sent yet" }
                @if row.created > 0 {
                    p { "A mail with a link would go to each new person. Rejected lines are left out." }
                    (start_form(at, row, "Invite them"))
                } @else { p { "There is nobody to invite in this file." } }
            }
        }
        @if !rejected.is_empty() {
            div .box.flush {
                div .scroll tabindex="0" role="region" aria-label="Rejected lines" {
                    table {
                        thead { tr { th scope="col" .number { "Line" } th scope="col" { "What is wrong" } } }
                        tbody { @for line in rejected.iter().take(ERRORS) {
                            tr { td .number { (line.line) } td { (line.error) } }
                        } }
                    }
                }
                nav .pages aria-label="Rejected lines" {
                    a .button.second href=(at.path(&format!("/imports/{}/rejected.csv", row.id))) { "Download all as CSV" }
                }
            }
        }
    }
}

fn start_form(at: &InApp, row: &ImportRow, label: &str) -> Markup {
    html! {
        @if at.session.writes() {
            @if label == "Continue" {
                form method="post" action=(at.path(&format!("/imports/{}/start", row.id))) { (token(&at.session)) button { (label) } }
            } @else {
                (ask(&at.session, &at.path(&format!("/imports/{}/start", row.id)), label,
                    &format!("Mails to {} people are sent now. They cannot be taken back.", row.created)))
            }
        }
    }
}

/// The columns of the file, each with a choice of what it is.
fn columns_form(at: &InApp, row: &ImportRow, peek: &Peek, error: Option<&str>) -> Markup {
    let known = people::columns();
    html! {
        section .box {
            h2 { "What the columns are" }
            form method="post" action=(at.path(&format!("/imports/{}/check", row.id))) {
                (token(&at.session))
                @if let Some(error) = error { p .error role="alert" { (error) } }
                div .scroll tabindex="0" role="region" aria-label="Columns" {
                    table {
                        thead { tr {
                            th scope="col" { "In the file" } th scope="col" { "Is" }
                            @for n in 1..=peek.rows.len() { th scope="col" { "Row " (n) } }
                        } }
                        tbody { @for (place, header) in peek.headers.iter().enumerate() {
                            @let chosen = row.names.get(place).and_then(Option::as_deref).unwrap_or_default();
                            tr {
                                th scope="row" #{ "column-" (place) } { @if header.is_empty() { "Column " (place + 1) } @else { (header) } }
                                td {
                                    select name="column" aria-labelledby={ "column-" (place) } {
                                        option value="" { "Leave out" }
                                        @for name in &known { option value=(name) selected[*name == chosen] { (name) } }
                                    }
                                }
                                @for sample in &peek.rows { td .quiet { (sample.get(place).map_or("", String::as_str)) } }
                            }
                        } }
                    }
                }
                @if at.session.writes() { p .after { button .second[row.state == "checked"] { "Check the file" } } }
            }
        }
    }
}

/// Takes the names of the columns and begins a dry run.
pub async fn check(
    State(console): State<ConsoleState>,
    Submitted { at: Item { at, id }, form }: Submitted<Item>,
) -> Result<Response, Error> {
    let known = people::columns();
    let names: Vec<Option<&'static str>> =
        form.all("column").map(|name| known.iter().copied().find(|known| *known == name)).collect();
    let file = imports::file(console.db(), at.id(), id).await?.ok_or(Error::NotFound)?;
    if let Err(error) = Table::open_as(file.as_slice(), &known, &names, REQUIRED) {
        audit::record(|facts| facts.refused = Some("invalid_fields"));
        let error = match error {
            crate::import::Unreadable::Missing { .. } => {
                "Choose which column holds the e-mail address.".to_owned()
            }
            other => format!("This does not go: {other}."),
        };
        let page = page(&console, &at, id, Some(&error)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let stored: Vec<Option<String>> = names.iter().map(|name| name.map(str::to_owned)).collect();
    if !imports::begin_check(console.db(), at.id(), id, &stored).await? {
        return Err(Error::Refused("The file is being imported already.".to_owned()));
    }
    tokio::spawn(work(Arc::clone(&console), at.app.clone(), id, file, names, true));
    Ok(Redirect::to(&at.path(&format!("/imports/{id}"))).into_response())
}

/// Begins to invite the people.
pub async fn start(
    State(console): State<ConsoleState>,
    Submitted { at: Item { at, id }, .. }: Submitted<Item>,
) -> Result<Redirect, Error> {
    let row = imports::find(console.db(), at.id(), id).await?.ok_or(Error::NotFound)?;
    let file = imports::file(console.db(), at.id(), id).await?;
    let begun = imports::begin(console.db(), at.id(), id).await?;
    let (Some(file), true) = (file, begun) else {
        return Err(Error::Refused("The file is not checked yet, or it is imported already.".to_owned()));
    };
    let known = people::columns();
    let of = |name: &Option<String>| known.iter().copied().find(|known| Some(*known) == name.as_deref());
    let names = row.names.iter().map(of).collect();
    tokio::spawn(work(Arc::clone(&console), at.app.clone(), id, file, names, false));
    Ok(Redirect::to(&at.path(&format!("/imports/{id}"))))
}

/// Reads the whole file. If it stops halfway, the page says that it was interrupted, and it can be continued.
async fn work(
    console: ConsoleState,
    app: App,
    id: Uuid,
    file: Vec<u8>,
    names: Vec<Option<&'static str>>,
    dry_run: bool,
) {
    if let Err(error) = work_through(&console, &app, id, &file, &names, dry_run).await {
        tracing::warn!(error, import = %id, "an import was interrupted; it can be continued in the console");
    }
}

async fn work_through(
    console: &ConsoleState,
    app: &App,
    id: Uuid,
    file: &[u8],
    names: &[Option<&'static str>],
    dry_run: bool,
) -> Result<(), String> {
    let (db, app_id, server) = (console.db(), AppId(app.app_id), &console.server);
    let text = |error: &dyn std::error::Error| error.to_string();
    let table = Table::open_as(file, &people::columns(), names, REQUIRED).map_err(|error| text(&error))?;
    let target = Target {
        app: app_id,
        language: &app.language,
        store: &console.store,
        config: &server.config,
        seal: &server.seal,
    };
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let mut import = Import::new(table, target, dry_run);
    while import.step().await.map_err(|error| text(&error))? {
        let lines = count(import.imported.lines);
        imports::progress(db, app_id, id, lines).await.map_err(|error| text(&error))?;
    }
    let (imported, given_back) = import.finish().await;
    given_back.map_err(|error| text(&error))?;
    let result = ImportResult {
        lines: count(imported.lines),
        created: count(imported.created),
        existing: count(imported.exists),
        rejected_count: count(imported.rejected_count),
        rejected: serde_json::to_value(&imported.rejected).unwrap_or_default(),
    };
    imports::finish(db, app_id, id, &result, dry_run).await.map_err(|error| text(&error))
}

/// The rejected lines as a CSV file (RFC 4180).
pub async fn rejected(State(console): State<ConsoleState>, Item { at, id }: Item) -> Result<Response, Error> {
    let row = imports::find(console.db(), at.id(), id).await?.ok_or(Error::NotFound)?;
    let rejected: Vec<Rejected> = serde_json::from_value(row.rejected.0).unwrap_or_default();
    let mut text = "line,code,error\r\n".to_owned();
    for Rejected { line, code, error } in rejected {
        // Writing to a string cannot fail.
        let _ = write!(text, "{line},{code},\"{}\"\r\n", error.replace('"', "\"\""));
    }
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"rejected.csv\"")),
    ];
    Ok((headers, text).into_response())
}

const _: () = assert!(MAX_FILE == 16 * 1024 * 1024, "the page says so");
