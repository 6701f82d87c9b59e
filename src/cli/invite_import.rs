//! `userdocks invite import`: a file of people, each line for itself. Whoever is a user already is left alone, so that
//! the same file can be imported again, after its mistakes were mended or after it broke off.

use std::collections::HashSet;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use csv::{ByteRecord, ReaderBuilder};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Context, Output, Result, app};
use crate::audit::{self, Facts};
use crate::db::bulk_invites::One;
use crate::db::outbox::{self, NewMail};
use crate::db::{Transaction, webhooks};
use crate::domain::bulk_body::Wanted;
use crate::domain::fields::{FieldErrors, Invalid};
use crate::domain::id::AppId;
use crate::domain::webhook::EventId;
use crate::http::bulk_invites::{self, Item};
use crate::http::limits::{MailQuotas, Spending};

/// Lines of one transaction.
const CHUNK: usize = 500;
const COLUMNS: [&str; 5] = ["email", "language", "userId", "referralCode", "expiresIn"];

#[derive(Args)]
pub(super) struct Import {
    /// A CSV file with a header line; its columns: email, and any of language (the app's, if empty), userId, referralCode
    /// and expiresIn (seconds); - for standard input
    file: PathBuf,
    /// The app's id
    #[arg(long)]
    app: Uuid,
    /// Invite nobody, and say what would become of each line
    #[arg(long)]
    dry_run: bool,
}

/// A line of the file, by its number.
struct Line {
    number: usize,
    wanted: std::result::Result<Wanted, FieldErrors>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Imported {
    dry_run: bool,
    lines: usize,
    created: usize,
    exists: usize,
    rejected: Vec<Rejected>,
}

#[derive(Serialize)]
struct Rejected {
    line: usize,
    code: &'static str,
    error: String,
}

pub(super) async fn run(import: Import, context: &Context) -> Result<Output> {
    let Import { file, app, dry_run } = import;
    let found = app::find(context, app).await?;
    let app = AppId(app);
    let lines = read(&file).and_then(|bytes| parse(&bytes, &found.language));
    let lines = lines.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let mut imported = Imported { dry_run, lines: lines.len(), ..Imported::default() };
    let quotas = MailQuotas::new(&context.config.limits);
    let mut imported_all = import_all(&mut imported, lines, app, &quotas, context).await;
    let given_back = quotas.give_back(&context.database.operator, app).await;
    imported_all = imported_all.and(given_back.map_err(Into::into));
    let facts = Facts { app: Some(app), ..Facts::default() };
    let Imported { lines, created, exists, ref rejected, .. } = imported;
    if let Err(error) = imported_all {
        if created > 0 && !dry_run {
            audit::command("importInvites", &facts);
        }
        let done = created + exists + rejected.len();
        return Err(format!("{done} of {lines} lines are done, so import the file again: {error}").into());
    }
    let invited = if dry_run { "would be invited" } else { "were invited" };
    let mut text = vec![format!(
        "{lines} lines: {created} {invited}, {exists} are users already, {} are rejected.",
        rejected.len()
    )];
    text.extend(rejected.iter().map(|Rejected { line, error, .. }| format!("line {line}: {error}")));
    let output = Output::new(&imported, text.join("\n"))?;
    Ok(if created > 0 && !dry_run { output.changed("importInvites", facts) } else { output })
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if file != Path::new("-") {
        return Ok(std::fs::read(file)?);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn parse(bytes: &[u8], language: &str) -> Result<Vec<Line>> {
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(bytes);
    let mut columns = Vec::new();
    for name in reader.byte_headers()? {
        let known =
            COLUMNS.into_iter().find(|column| name.trim_ascii().eq_ignore_ascii_case(column.as_bytes()));
        let column = known.filter(|column| !columns.contains(column)).ok_or_else(|| {
            format!("its first line must name each of its columns once, of {}", COLUMNS.join(", "))
        })?;
        columns.push(column);
    }
    if !columns.contains(&"email") {
        return Err("its first line must name the column email".into());
    }
    let (mut lines, mut number, mut counted) = (Vec::new(), 1, 0);
    for record in reader.into_byte_records() {
        let record = record?;
        // The reader's own count is not of lines where these end with CR LF or are empty.
        let at = record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(0));
        let at = at + bytes[at..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
        number += bytes[counted..at].split(|byte| *byte == b'\n').count() - 1;
        counted = at;
        lines.push(Line { number, wanted: wanted(&columns, &record, language) });
    }
    Ok(lines)
}

/// A line as the body of a call has it; an empty cell is none.
fn wanted(columns: &[&str], record: &ByteRecord, language: &str) -> std::result::Result<Wanted, FieldErrors> {
    if record.len() != columns.len() {
        return Err(FieldErrors::one("line", Invalid("must have as many fields as the first one")));
    }
    let mut item = Map::new();
    for (column, cell) in columns.iter().zip(record) {
        let cell =
            std::str::from_utf8(cell).map_err(|_| FieldErrors::one(column, Invalid("must be UTF-8")))?;
        let value = match cell.trim() {
            "" => continue,
            text if *column == "expiresIn" => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
            text => text.into(),
        };
        item.insert((*column).to_owned(), value);
    }
    item.entry("language").or_insert_with(|| language.into());
    Wanted::parse(item.into())
}

async fn import_all(
    imported: &mut Imported,
    lines: Vec<Line>,
    app: AppId,
    quotas: &MailQuotas,
    context: &Context,
) -> Result<()> {
    let (db, config) = (&context.database.operator, &context.config);
    let listens = webhooks::apps(db).await?.contains(&app);
    let mut progress = Progress { of: lines.len(), drawn: false };
    // Whom a dry run would have invited before.
    let mut seen = HashSet::new();
    let mut lines = lines.into_iter();
    while lines.len() > 0 {
        let plan = |wanted| {
            let mail = NewMail::new(
                app,
                &context.seal,
                config.mail.from.email.domain(),
                config.invite.expires_after,
            );
            One::new(app, None, wanted, mail, listens.then(EventId::fresh))
        };
        let chunk: Vec<Line> = lines.by_ref().take(CHUNK).collect();
        let address = |line: &Line| line.wanted.as_ref().ok().map(Wanted::address);
        let (numbers, addresses): (Vec<_>, Vec<_>) =
            chunk.iter().map(|line| (line.number, address(line))).unzip();
        let planned: Vec<_> = chunk.into_iter().map(|line| line.wanted.map(plan)).collect();
        let mails = if imported.dry_run {
            planned.iter().map(|_| Spending::default()).collect()
        } else {
            quotas.take_up_to(db, app, planned.iter().flatten().count()).await?
        };
        let mut transaction = Transaction::begin(db).await?;
        let items = bulk_invites::invite(&mut transaction, app, &planned, mails).await?;
        if imported.dry_run {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
            outbox::wake(db).await?;
        }
        for ((line, address), item) in numbers.into_iter().zip(addresses).zip(items) {
            match item {
                Item { code: Some(code), error: Some(error), .. } => {
                    imported.rejected.push(Rejected { line, code, error });
                }
                Item { result: "created", .. } if !imported.dry_run || seen.insert(address) => {
                    imported.created += 1;
                }
                _ => imported.exists += 1,
            }
        }
        progress.show(imported.created + imported.exists + imported.rejected.len());
    }
    Ok(())
}

/// How far it is, on standard error: a bar for whoever looks at it, lines for a log.
struct Progress {
    of: usize,
    drawn: bool,
}

impl Progress {
    const WIDTH: usize = 40;

    fn show(&mut self, done: usize) {
        let mut to = std::io::stderr();
        // Nobody reads it if this fails.
        let _ = if to.is_terminal() {
            self.drawn = true;
            let filled = "#".repeat(done * Self::WIDTH / self.of);
            write!(to, "\r[{filled:.<width$}] {done} of {} lines", self.of, width = Self::WIDTH)
        } else {
            writeln!(to, "{done} of {} lines", self.of)
        };
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn {
            let _ = writeln!(std::io::stderr());
        }
    }
}
