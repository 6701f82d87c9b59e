//! `userdocks invite import`: invites each person in a file, one result per line.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use uuid::Uuid;

use crate::audit::AuditRecord;
use crate::cli::{Context, Output, Result};
use crate::domain::id::AppId;
use crate::import::people::{self, Imported, Rejected, Target};
use crate::import::{Table, Unreadable};

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

/// The output without `--json`.
fn text(imported: &Imported) -> String {
    let Imported { dry_run, lines, created, exists, rejected, rejected_count, .. } = imported;
    let invited = if *dry_run { "would be invited" } else { "were invited" };
    let mut text = vec![format!(
        "{lines} lines: {created} {invited}, {exists} are users already, {rejected_count} are rejected."
    )];
    if imported.encoding == "windows-1252" {
        text.push("The file is not UTF-8 and was read as Windows-1252.".to_owned());
    }
    if !imported.ignored_columns.is_empty() {
        text.push(format!("Ignored columns: {}", imported.ignored_columns.join(", ")));
    }
    text.extend(rejected.iter().map(|Rejected { line, error, .. }| format!("line {line}: {error}")));
    if rejected.len() < *rejected_count {
        text.push(format!("and {} more", rejected_count - rejected.len()));
    }
    text.join("\n")
}

pub(in crate::cli) async fn run(import: Import, context: &Context) -> Result<Output> {
    let Import { file, app, dry_run } = import;
    let found = context.app(app).await?;
    let app = AppId(app);
    let progress = ProgressBar::hidden();
    let table =
        open(&file, &progress).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    if !context.json {
        // The bar is drawn only if standard error is a terminal.
        progress.set_draw_target(ProgressDrawTarget::stderr());
        progress.enable_steady_tick(Duration::from_millis(200));
    }
    let store = context.store();
    // Without a webhook no events are written.
    store.subscriptions.refresh(&store.pool).await?;
    let target = Target {
        app,
        language: &found.language,
        store: &store,
        config: &context.config,
        seal: &context.seal,
    };
    let mut import = people::Import::new(table, target, dry_run);
    let done = loop {
        match import.step().await {
            Ok(true) => progress.set_message(format!("{} lines", import.imported.lines)),
            Ok(false) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let (imported, given_back) = import.finish().await;
    let done = done.and(given_back.map_err(people::Error::from));
    progress.finish_and_clear();
    let facts = AuditRecord { app: Some(app), ..AuditRecord::default() };
    let changed = imported.created > 0 && !dry_run;
    if let Err(error) = done {
        if changed {
            context.record("importInvites", &facts).await;
        }
        return Err(format!("{} lines are done, so import the file again: {error}", imported.lines).into());
    }
    let output = Output::new(&imported, text(&imported))?;
    Ok(if changed { output.changed("importInvites", facts) } else { output })
}

/// Opens the file. `progress` gets its length and the number of bytes read.
fn open(file: &Path, progress: &ProgressBar) -> std::result::Result<Table<Box<dyn Read>>, Unreadable> {
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
    people::open(Box::new(progress.wrap_read(input)))
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
