//! `userdocks invite import`: invites each person in a file, one result per line. Existing users are skipped, so the
//! same file can be imported again after it was corrected or the command was interrupted.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::api::invites::bulk::BulkItem;
use crate::audit::{self, AuditRecord};
use crate::cli::{Context, Output, Result};
use crate::clock;
use crate::db::invites::bulk::{self, BulkInvite, BulkInvites};
use crate::db::outbox::{self, NewMail};
use crate::db::store::Store;
use crate::domain::fields::FieldErrors;
use crate::domain::id::AppId;
use crate::domain::invites::requested_invite::RequestedInvite;
use crate::domain::users::profile::{ProfilePatch, TEXT_FIELDS};
use crate::import::{Column, Row, Table, Unreadable};

/// Rows per transaction.
const CHUNK: usize = 500;
/// At most this many rejected lines are listed; the others are only counted.
const LISTED: usize = 10_000;
/// Columns that belong to the invite.
const INVITE: [&str; 5] = ["email", "language", "userId", "referralCode", "expiresIn"];
/// The only profile column that is not text.
const NEWSLETTER: &str = "acceptedNewsletter";

#[derive(Args)]
pub(in crate::cli) struct Import {
    /// A CSV file with a header line that names its columns: email, and any of language (the app's, if empty), userId,
    /// referralCode, expiresIn (seconds) and the fields of the profile, such as `given_name`; - for standard input
    file: PathBuf,
    /// The app's id
    #[arg(long, value_parser = crate::cli::id)]
    app: Uuid,
    /// Invite nobody, and say what would become of each line
    #[arg(long)]
    dry_run: bool,
}

type People = Table<Box<dyn Read>>;

/// How the file was read, and the result of its lines.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Imported {
    dry_run: bool,
    encoding: &'static str,
    delimiter: String,
    columns: Vec<&'static str>,
    ignored_columns: Vec<String>,
    lines: usize,
    created: usize,
    exists: usize,
    rejected: Vec<Rejected>,
    rejected_count: usize,
}

#[derive(Serialize)]
struct Rejected {
    line: u64,
    code: &'static str,
    error: String,
}

impl Imported {
    fn reject(&mut self, line: u64, code: &'static str, error: String) {
        self.rejected_count += 1;
        if self.rejected.len() < LISTED {
            self.rejected.push(Rejected { line, code, error });
        }
    }

    /// The output without `--json`.
    fn text(&self) -> String {
        let Self { lines, created, exists, rejected, rejected_count, .. } = self;
        let invited = if self.dry_run { "would be invited" } else { "were invited" };
        let mut text = vec![format!(
            "{lines} lines: {created} {invited}, {exists} are users already, {rejected_count} are rejected."
        )];
        if self.encoding == "windows-1252" {
            text.push("The file is not UTF-8 and was read as Windows-1252.".to_owned());
        }
        if !self.ignored_columns.is_empty() {
            text.push(format!("Ignored columns: {}", self.ignored_columns.join(", ")));
        }
        text.extend(rejected.iter().map(|Rejected { line, error, .. }| format!("line {line}: {error}")));
        if rejected.len() < *rejected_count {
            text.push(format!("and {} more", rejected_count - rejected.len()));
        }
        text.join("\n")
    }
}

pub(in crate::cli) async fn run(import: Import, context: &Context) -> Result<Output> {
    let Import { file, app, dry_run } = import;
    let found = context.app(app).await?;
    let app = AppId(app);
    let progress = ProgressBar::hidden();
    let mut table =
        open(&file, &progress).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    if !context.json {
        // The bar is drawn only if standard error is a terminal.
        progress.set_draw_target(ProgressDrawTarget::stderr());
        progress.enable_steady_tick(Duration::from_millis(200));
    }
    let mut imported = Imported {
        dry_run,
        delimiter: table.delimiter().to_string(),
        columns: table.columns().iter().map(|column| column.name).collect(),
        ignored_columns: table.ignored().to_vec(),
        ..Imported::default()
    };
    let store = context.store();
    // Without a webhook no events are written.
    store.subscriptions.refresh(&store.pool).await?;
    let reader = Reader {
        language: found.language,
        columns: table.columns().to_vec(),
        today: clock::now().to_zoned(TimeZone::UTC).date(),
    };
    let mut imported_all =
        import_all(&mut imported, &mut table, &reader, app, &store, context, &progress).await;
    progress.finish_and_clear();
    let given_back = store.mails.return_leases(&store.pool, app).await;
    imported_all = imported_all.and(given_back.map_err(Into::into));
    let facts = AuditRecord { app: Some(app), ..AuditRecord::default() };
    let changed = imported.created > 0 && !dry_run;
    if let Err(error) = imported_all {
        if changed {
            audit::command("importInvites", &facts);
        }
        return Err(format!("{} lines are done, so import the file again: {error}", imported.lines).into());
    }
    imported.encoding = table.encoding();
    imported.rejected.sort_by_key(|rejected| rejected.line);
    let output = Output::new(&imported, imported.text())?;
    Ok(if changed { output.changed("importInvites", facts) } else { output })
}

/// Opens the file. `progress` gets its length and the number of bytes read.
fn open(file: &Path, progress: &ProgressBar) -> std::result::Result<People, Unreadable> {
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(file)?;
        let metadata = file.metadata()?;
        if metadata.is_file() {
            progress.set_length(metadata.len());
        }
        Box::new(file)
    };
    progress.set_message("0 lines");
    progress.set_style(style(progress.length().is_some()));
    let known: Vec<&str> = INVITE.into_iter().chain(TEXT_FIELDS).chain([NEWSLETTER]).collect();
    Table::open(Box::new(progress.wrap_read(input)), &known, "email")
}

/// A progress bar, or a counter if the length is not known.
fn style(known: bool) -> ProgressStyle {
    let template = if known {
        "[{wide_bar}] {percent}% of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left, {msg}"
    } else {
        "{spinner} {binary_bytes}, {binary_bytes_per_sec}, {elapsed}, {msg}"
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("#>.")
}

/// Converts rows to invites.
struct Reader {
    /// Language of rows that do not give one.
    language: String,
    columns: Vec<Column>,
    today: Date,
}

impl Reader {
    /// The invite and the profile that a row contains.
    fn read(&self, row: &Row) -> std::result::Result<(RequestedInvite, ProfilePatch), String> {
        let (mut invite, mut profile) = (Map::new(), Map::new());
        for (name, text) in row.values.as_ref().map_err(ToString::to_string)? {
            let value = match *name {
                "expiresIn" => text.parse::<i64>().ok().map(Value::from),
                NEWSLETTER => boolean(text).map(Value::from),
                _ => None,
            };
            let of = if INVITE.contains(name) { &mut invite } else { &mut profile };
            of.insert((*name).to_owned(), value.unwrap_or_else(|| text.as_str().into()));
        }
        invite.entry("language").or_insert_with(|| self.language.as_str().into());
        let both = FieldErrors::both(
            RequestedInvite::parse(invite.into()),
            ProfilePatch::of_new(profile, self.today),
        );
        let header =
            |field: &str| self.columns.iter().find(|column| column.name == field).map(ToString::to_string);
        both.map_err(|faults| faults.renamed(header).to_string())
    }
}

/// Parses the usual spellings of a boolean.
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" => Some(true),
        "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

async fn import_all(
    imported: &mut Imported,
    table: &mut People,
    reader: &Reader,
    app: AppId,
    store: &Store,
    context: &Context,
    progress: &ProgressBar,
) -> Result<()> {
    let config = &context.config;
    // Hashes of the addresses seen so far in a dry run, to find repeated ones.
    let (mut seen, hasher) = (HashSet::new(), RandomState::new());
    loop {
        let chunk: Vec<Row> = table.take(CHUNK).collect::<std::io::Result<_>>()?;
        if chunk.is_empty() {
            return Ok(());
        }
        let lines = chunk.len();
        let plan = |(requested, profile): (RequestedInvite, ProfilePatch)| {
            let from = config.mail.from.email.domain();
            let mail = NewMail::new(app, &context.seal, from, config.invite.expires_after);
            let mut one = BulkInvite::new(app, None, requested, mail, store.subscriptions.event_for(app));
            one.profile = Arc::new(profile);
            one
        };
        let (mut planned, mut places) = (Vec::new(), Vec::new());
        for row in chunk {
            match reader.read(&row) {
                Ok(requested) => {
                    places.push((row.line, hasher.hash_one(requested.0.lowercase_address())));
                    planned.push(plan(requested));
                }
                Err(error) => imported.reject(row.line, "invalid_fields", error),
            }
        }
        let dry_run = imported.dry_run;
        let change = store.change(app).with_mails_up_to(if dry_run { 0 } else { planned.len() });
        let command = BulkInvites { inviter: None, invites: planned, dry_run };
        // A refusal is undone.
        let decide = |outcome| if dry_run { Err(outcome) } else { Ok(outcome) };
        let (Ok(items) | Err(items)) = change.run(bulk::invite, &command, decide).await?;
        if !dry_run {
            outbox::wake(&store.pool).await?;
        }
        let items = items.into_iter().flatten().map(BulkItem::from);
        for ((line, address), item) in places.into_iter().zip(items) {
            match item {
                BulkItem { code: Some(code), error: Some(error), .. } => imported.reject(line, code, error),
                BulkItem { result: "created", .. } if !imported.dry_run || seen.insert(address) => {
                    imported.created += 1;
                }
                _ => imported.exists += 1,
            }
        }
        imported.lines += lines;
        progress.set_message(format!("{} lines", imported.lines));
    }
}
