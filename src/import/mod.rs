//! Reads tables of people from CSV files as spreadsheets and other programs write them. The encoding, the delimiter and
//! the meaning of the columns are detected. Rows are read one at a time, in bounded memory; a row that cannot be read
//! yields a [`Problem`], and reading continues.

mod decode;
mod error;
mod fields;
mod headers;
mod lines;
pub mod people;

use std::fmt;
use std::io::{self, Read};

use decode::Decoder;
use fields::{End, Splitter};
use lines::{Line, Lines};

pub use error::{MAX_BYTES, Problem, Unreadable};

#[cfg(test)]
mod tests;

/// Maximum number of headers in an error message.
const SHOWN: usize = 20;
/// Candidate delimiters, unless a line `sep=` sets one.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// A recognized column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// One of the known column names.
    pub name: &'static str,
    /// The header in the file.
    pub header: String,
    place: usize,
}

impl fmt::Display for Column {
    /// Prints the name, and the header if it is a different word.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if headers::folded(self.name) == headers::folded(&self.header) {
            return f.write_str(self.name);
        }
        write!(f, "{} ({})", shown(&self.header), self.name)
    }
}

/// The beginning of a table, for a person who says what its columns mean.
#[derive(Debug)]
pub struct Peek {
    pub headers: Vec<String>,
    /// What each header is recognized as.
    pub names: Vec<Option<&'static str>>,
    pub rows: Vec<Vec<String>>,
}

/// A row with at least one value.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Number of its first line, starting at 1.
    pub line: u64,
    /// The trimmed, non-empty values of the recognized columns.
    pub values: Result<Vec<(&'static str, String)>, Problem>,
}

/// All fields of a row, including empty ones and those of ignored columns.
struct Record {
    line: u64,
    fields: Result<Vec<Vec<u8>>, Problem>,
}

impl Record {
    fn is_empty(&self) -> bool {
        self.fields.as_ref().is_ok_and(|fields| is_empty(fields))
    }
}

/// A table that is being read: an iterator over its rows.
pub struct Table<R> {
    lines: Lines<Decoder<R>>,
    delimiter: u8,
    /// Number of fields in the header line; `widest` also counts empty ones at its end.
    width: usize,
    widest: usize,
    columns: Vec<Column>,
    ignored: Vec<String>,
}

impl<R: Read> Table<R> {
    /// Reads up to the header line, which must name the column `required`. Columns that are not `known` are ignored.
    pub fn open(input: R, known: &[&'static str], required: &'static str) -> Result<Self, Unreadable> {
        let (table, headers) = Self::read_head(input, known, required)?;
        let meanings = headers::meanings(&headers, known);
        table.with_columns(&headers, meanings, required)
    }

    /// As [`open`](Self::open), with the names of the columns from the first on; `None` ignores a column.
    pub fn open_as(
        input: R,
        known: &[&'static str],
        names: &[Option<&'static str>],
        required: &'static str,
    ) -> Result<Self, Unreadable> {
        let (table, headers) = Self::read_head(input, known, required)?;
        let names = (0..headers.len()).map(|at| names.get(at).copied().flatten()).collect();
        table.with_columns(&headers, names, required)
    }

    /// The header line and the first `rows` rows, as they are in the file, and what each header is recognized as.
    pub fn peek(
        input: R,
        known: &[&'static str],
        required: &'static str,
        rows: usize,
    ) -> Result<Peek, Unreadable> {
        let (mut table, headers) = Self::read_head(input, known, required)?;
        let mut sample = Vec::new();
        while sample.len() < rows
            && let Some(record) = table.read_record()?
        {
            if let (false, Ok(fields)) = (record.is_empty(), record.fields) {
                let text = |field: &Vec<u8>| String::from_utf8_lossy(field).trim().to_owned();
                sample.push(fields.iter().take(headers.len()).map(text).collect());
            }
        }
        let names = headers::meanings(&headers, known);
        Ok(Peek { headers, names, rows: sample })
    }

    fn read_head(
        input: R,
        known: &[&'static str],
        required: &'static str,
    ) -> Result<(Self, Vec<String>), Unreadable> {
        let lines = Lines::new(Decoder::new(input)?);
        let mut table =
            Self { lines, delimiter: b',', width: 0, widest: 0, columns: Vec::new(), ignored: Vec::new() };
        let Some(header) = table.read_header(known)? else { return Err(Unreadable::Empty(required)) };
        let headers = header.fields.map_err(|problem| Unreadable::Header(header.line, problem))?;
        let text = |header: Vec<u8>| String::from_utf8_lossy(&header).trim().to_owned();
        let mut headers: Vec<String> = headers.into_iter().map(text).collect();
        table.widest = headers.len();
        // Ignore empty headers at the end of the line.
        headers.truncate(headers.iter().rposition(|header| !header.is_empty()).map_or(0, |last| last + 1));
        if headers.iter().any(|header| header.contains(|c: char| c.is_control() && !c.is_whitespace())) {
            return Err(Unreadable::Format("not a text file"));
        }
        if headers.first().is_some_and(|header| header.starts_with('<')) {
            return Err(Unreadable::Format("HTML or XML"));
        }
        if headers.first().is_some_and(|header| header.starts_with(['{', '['])) {
            return Err(Unreadable::Format("JSON"));
        }
        table.width = headers.len();
        Ok((table, headers))
    }

    fn with_columns(
        mut self,
        headers: &[String],
        names: Vec<Option<&'static str>>,
        required: &'static str,
    ) -> Result<Self, Unreadable> {
        self.name_columns(headers, names)?;
        if !self.columns.iter().any(|column| column.name == required) {
            return Err(Unreadable::Missing {
                column: required,
                encoding: self.encoding(),
                delimiter: self.delimiter_name(),
                headers: listed(headers),
            });
        }
        Ok(self)
    }

    /// The encoding detected so far: `UTF-8`, `UTF-16LE`, `UTF-16BE` or `windows-1252`.
    pub fn encoding(&self) -> &'static str {
        self.lines.input.encoding()
    }

    /// The field delimiter.
    pub fn delimiter(&self) -> char {
        char::from(self.delimiter)
    }

    /// The recognized columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Headers of the columns that were not recognized.
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    fn delimiter_name(&self) -> String {
        match self.delimiter {
            b',' => "commas".to_owned(),
            b';' => "semicolons".to_owned(),
            b'\t' => "tabs".to_owned(),
            other => format!("`{}`", char::from(other)),
        }
    }

    /// Reads the header line and detects the delimiter from it, or from a line `sep=` before it.
    fn read_header(&mut self, known: &[&'static str]) -> io::Result<Option<Record>> {
        let mut sep_line_read = false;
        while let Some(line) = self.lines.next()? {
            if line.bytes.iter().all(u8::is_ascii_whitespace) && line.whole {
                continue;
            }
            if !sep_line_read && let Some(delimiter) = sep_line_delimiter(&line.bytes) {
                self.delimiter = delimiter;
                sep_line_read = true;
                continue;
            }
            if !sep_line_read {
                let understood = |delimiter: &u8| {
                    let headers = headers_of(&line.bytes, *delimiter);
                    (headers::meanings(&headers, known).iter().flatten().count(), headers.len())
                };
                // On a tie the first candidate wins.
                let best = DELIMITERS.into_iter().rev().max_by_key(understood);
                self.delimiter = best.unwrap_or(self.delimiter);
            }
            self.lines.put_back(vec![line]);
            let record = self.read_record()?;
            if !record.as_ref().is_some_and(Record::is_empty) {
                return Ok(record);
            }
        }
        Ok(None)
    }

    fn name_columns(
        &mut self,
        headers: &[String],
        names: Vec<Option<&'static str>>,
    ) -> Result<(), Unreadable> {
        for (place, (header, meaning)) in headers.iter().zip(names).enumerate() {
            let Some(name) = meaning else {
                let nameless = || format!("column {}", place + 1);
                self.ignored.push(if header.is_empty() { nameless() } else { shown(header) });
                continue;
            };
            if let Some(first) = self.columns.iter().find(|column| column.name == name) {
                let (first, second) = (shown(&first.header), shown(header));
                return Err(Unreadable::Duplicate { column: name, first, second });
            }
            self.columns.push(Column { name, header: header.clone(), place });
        }
        Ok(())
    }

    /// Reads the next record. If its quotes are wrong, the next call continues with its second line.
    fn read_record(&mut self) -> io::Result<Option<Record>> {
        let Some(Line { number, bytes, whole }) = self.lines.next()? else { return Ok(None) };
        if !whole {
            return Ok(Some(Record { line: number, fields: Err(Problem::TooLong) }));
        }
        let mut splitter = Splitter::new(self.delimiter);
        let (mut end, mut length) = (splitter.add(&bytes), bytes.len());
        let mut more: Vec<Line> = Vec::new();
        while end == End::Open {
            let Some(line) = self.lines.next()? else { break };
            length += 1 + line.bytes.len();
            let fits = line.whole && length <= MAX_BYTES;
            if fits {
                end = splitter.add(&line.bytes);
            }
            more.push(line);
            if !fits {
                break;
            }
        }
        let fields = match end {
            End::Record => Ok(splitter.fields),
            End::AfterQuote if more.is_empty() => Err(Problem::AfterQuote),
            End::AfterQuote | End::Open => Err(Problem::OpenQuote),
        };
        if fields.is_err() {
            self.lines.put_back(more);
        }
        Ok(Some(Record { line: number, fields }))
    }

    /// Reads the next row that is not empty.
    fn read_row(&mut self) -> io::Result<Option<Row>> {
        while let Some(record) = self.read_record()? {
            if !record.is_empty() {
                let values = record.fields.and_then(|fields| self.values(fields));
                return Ok(Some(Row { line: record.line, values }));
            }
        }
        Ok(None)
    }

    fn values(&self, mut fields: Vec<Vec<u8>>) -> Result<Vec<(&'static str, String)>, Problem> {
        if fields.iter().any(|field| field.contains(&0)) {
            return Err(Problem::Nul);
        }
        if fields.len() <= self.widest || is_empty(&fields[self.widest..]) {
            fields.truncate(self.width);
        }
        if fields.len() != self.width {
            return Err(Problem::Fields { found: fields.len(), expected: self.width });
        }
        let value = |column: &Column| match std::str::from_utf8(&fields[column.place]) {
            Ok(text) => Some(text.trim())
                .filter(|text| !text.is_empty())
                .map(|text| Ok((column.name, text.to_owned()))),
            Err(_) => Some(Err(Problem::Encoding { header: column.to_string(), encoding: self.encoding() })),
        };
        self.columns.iter().filter_map(value).collect()
    }
}

impl<R: Read> Iterator for Table<R> {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_row().transpose()
    }
}

/// Parses a line such as `sep=;`, which Excel writes. It may be in quotes or followed by delimiters.
fn sep_line_delimiter(line: &[u8]) -> Option<u8> {
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let (name, rest) = line.split_at_checked(4)?;
    let (&delimiter, rest) = rest.split_first()?;
    let ends = rest.iter().all(|byte| *byte == delimiter || *byte == b'"' || *byte == b' ');
    let separates = delimiter == b'\t' || delimiter.is_ascii_punctuation() && delimiter != b'"';
    (name.eq_ignore_ascii_case(b"sep=") && ends && separates).then_some(delimiter)
}

fn headers_of(line: &[u8], delimiter: u8) -> Vec<String> {
    let mut splitter = Splitter::new(delimiter);
    splitter.add(line);
    splitter.fields.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect()
}

fn is_empty(fields: &[Vec<u8>]) -> bool {
    fields.iter().all(|field| std::str::from_utf8(field).is_ok_and(|text| text.trim().is_empty()))
}

/// Shortens a header to one line for messages.
fn shown(header: &str) -> String {
    crate::domain::fields::shown(header)
}

fn listed(headers: &[String]) -> String {
    let listed: Vec<_> = headers.iter().take(SHOWN).map(|header| format!("`{}`", shown(header))).collect();
    let more = headers.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    listed.join(", ") + &more
}
