//! Invites the people in a table: reads rows as invites and profiles, and creates them in chunks. Existing users are
//! skipped, so the same table can be imported again after it was corrected or an import was interrupted.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Column, Row, Table, Unreadable};
use crate::api::invites::bulk::BulkItem;
use crate::clock;
use crate::config::Config;
use crate::db;
use crate::db::invites::bulk::{self, BulkInvite, BulkInvites};
use crate::db::outbox::{self, NewMail};
use crate::db::store::Store;
use crate::domain::credentials::secret_key::SecretKey;
use crate::domain::fields::FieldErrors;
use crate::domain::id::AppId;
use crate::domain::invites::requested_invite::RequestedInvite;
use crate::domain::users::profile::{ProfilePatch, TEXT_FIELDS};

/// Rows per transaction.
const CHUNK: usize = 500;
/// At most this many rejected lines are listed; the others are only counted.
const LISTED: usize = 10_000;
/// Columns that belong to the invite.
const INVITE: [&str; 5] = ["email", "language", "userId", "referralCode", "expiresIn"];
/// The only profile column that is not text.
const NEWSLETTER: &str = "acceptedNewsletter";
/// The column that a table must have.
pub const REQUIRED: &str = "email";

/// The columns of a table of people.
#[must_use]
pub fn columns() -> Vec<&'static str> {
    INVITE.into_iter().chain(TEXT_FIELDS).chain([NEWSLETTER]).collect()
}

/// How a table was read, and the result of its lines.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    pub dry_run: bool,
    pub encoding: &'static str,
    pub delimiter: String,
    pub columns: Vec<&'static str>,
    pub ignored_columns: Vec<String>,
    pub lines: usize,
    pub created: usize,
    pub exists: usize,
    pub rejected: Vec<Rejected>,
    pub rejected_count: usize,
}

/// A line that was not imported.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rejected {
    pub line: u64,
    pub code: String,
    /// One sentence.
    pub error: String,
}

impl Imported {
    fn of<R: Read>(table: &Table<R>, dry_run: bool) -> Self {
        Self {
            dry_run,
            delimiter: table.delimiter().to_string(),
            columns: table.columns().iter().map(|column| column.name).collect(),
            ignored_columns: table.ignored().to_vec(),
            ..Self::default()
        }
    }

    fn reject(&mut self, line: u64, code: &str, error: String) {
        self.rejected_count += 1;
        if self.rejected.len() < LISTED {
            self.rejected.push(Rejected { line, code: code.to_owned(), error });
        }
    }
}

/// Why an import stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error(transparent)]
    Database(#[from] db::Error),
}

/// The app whose users the people become.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    pub app: AppId,
    /// Language of rows that do not give one.
    pub language: &'a str,
    pub store: &'a Store,
    pub config: &'a Config,
    pub seal: &'a SecretKey,
}

/// Opens a table of people.
pub fn open<R: Read>(input: R) -> Result<Table<R>, Unreadable> {
    Table::open(input, &columns(), REQUIRED)
}

/// An import, or with `dry_run` the question what would become of each row.
pub struct Import<'a, R> {
    table: Table<R>,
    target: Target<'a>,
    reader: Reader<'a>,
    /// What was done so far.
    pub imported: Imported,
    /// Hashes of the addresses seen so far in a dry run, to find repeated ones.
    seen: HashSet<u64>,
    hasher: RandomState,
}

/// Converts rows to invites.
struct Reader<'a> {
    language: &'a str,
    columns: Vec<Column>,
    today: Date,
}

impl Reader<'_> {
    /// The invite and the profile that a row contains.
    fn read(&self, row: &Row) -> Result<(RequestedInvite, ProfilePatch), String> {
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
        invite.entry("language").or_insert_with(|| self.language.into());
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

impl<'a, R: Read> Import<'a, R> {
    #[must_use]
    pub fn new(table: Table<R>, target: Target<'a>, dry_run: bool) -> Self {
        let reader = Reader {
            language: target.language,
            columns: table.columns().to_vec(),
            today: clock::now().to_zoned(TimeZone::UTC).date(),
        };
        let (seen, hasher) = (HashSet::new(), RandomState::new());
        Self { imported: Imported::of(&table, dry_run), table, target, reader, seen, hasher }
    }

    /// Imports the next rows. Returns false if there are none. After an error the rows of the steps before are imported.
    pub async fn step(&mut self) -> Result<bool, Error> {
        let chunk: Vec<Row> = self.table.by_ref().take(CHUNK).collect::<io::Result<_>>()?;
        if chunk.is_empty() {
            return Ok(false);
        }
        let Target { app, store, config, seal, .. } = self.target;
        let lines = chunk.len();
        let plan = |(requested, profile): (RequestedInvite, ProfilePatch)| {
            let from = config.mail.from.email.domain();
            let mail = NewMail::new(app, seal, from, config.invite.expires_after);
            let mut one = BulkInvite::new(app, None, requested, mail, store.subscriptions.event_for(app));
            one.profile = Arc::new(profile);
            one
        };
        let (mut planned, mut places) = (Vec::new(), Vec::new());
        for row in chunk {
            match self.reader.read(&row) {
                Ok(requested) => {
                    places.push((row.line, self.hasher.hash_one(requested.0.lowercase_address())));
                    planned.push(plan(requested));
                }
                Err(error) => self.imported.reject(row.line, "invalid_fields", error),
            }
        }
        let dry_run = self.imported.dry_run;
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
                BulkItem { code: Some(code), error: Some(error), .. } => {
                    self.imported.reject(line, code, error);
                }
                BulkItem { result: "created", .. } if !dry_run || self.seen.insert(address) => {
                    self.imported.created += 1;
                }
                _ => self.imported.exists += 1,
            }
        }
        self.imported.lines += lines;
        Ok(true)
    }

    /// Gives back what is left of the mail quota. Returns what was done.
    pub async fn finish(self) -> (Imported, Result<(), db::Error>) {
        let Self { table, target, mut imported, .. } = self;
        let given_back = target.store.mails.return_leases(&target.store.pool, target.app).await;
        imported.encoding = table.encoding();
        imported.rejected.sort_by_key(|rejected| rejected.line);
        (imported, given_back)
    }
}
