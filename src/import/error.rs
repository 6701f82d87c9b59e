//! Errors for files and rows that cannot be read as a table.

use std::io::{self};

/// Maximum size of a row in bytes of UTF-8, including line ends inside quotes.
pub const MAX_BYTES: usize = 64 * 1024;

/// The whole file cannot be read. The text continues a sentence that begins with the file's name and a colon.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is a spreadsheet (such as .xlsx, .xls or .ods) or another archive: export the sheet as CSV")]
    Spreadsheet,
    /// Another known file format.
    #[error("it is {0}: expected a text file with comma-separated values (CSV)")]
    Format(&'static str),
    /// The file has no header line.
    #[error("it is empty: its header line must name the column {0}")]
    Empty(&'static str),
    /// The header line, at this line number, cannot be read.
    #[error("its header line ({0}) is wrong: {1}")]
    Header(u64, Problem),
    /// Two headers name the same column.
    #[error(
        "its header line must name each of its columns once, and `{first}` and `{second}` both mean {column}"
    )]
    Duplicate {
        column: &'static str,
        /// The two headers as the file has them, shortened.
        first: String,
        second: String,
    },
    /// A required column is missing.
    #[error(
        "its header line must name the column {column}: read as {encoding}, with {delimiter} between the fields, it has {headers}"
    )]
    Missing {
        column: &'static str,
        /// The detected encoding.
        encoding: &'static str,
        /// The detected delimiter.
        delimiter: String,
        /// The headers that were found.
        headers: String,
    },
}

/// A row cannot be read. The text is a sentence that does not include the line number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A quote is not closed, or only by a quote that opens another field.
    #[error("a field begins with a quote that is not closed: expected another quote at its end")]
    OpenQuote,
    /// A closing quote is followed by text.
    #[error("there is text after a closing quote: expected a delimiter, or each quote inside quotes twice")]
    AfterQuote,
    #[error("it is too long: expected at most {MAX_BYTES} bytes")]
    TooLong,
    /// The row contains NUL characters.
    #[error("it has NUL characters: expected text")]
    Nul,
    /// The number of fields differs from that of the header line.
    #[error("it has {found} {}: expected {expected}, as the header line has", plural(*found))]
    Fields {
        found: usize,
        /// Number of fields in the header line.
        expected: usize,
    },
    /// A value is not valid in the encoding of the file.
    #[error("`{header}` must be {encoding}")]
    Encoding {
        /// The header, and the column's name if it is a different word.
        header: String,
        encoding: &'static str,
    },
}

pub(super) fn plural(fields: usize) -> &'static str {
    if fields == 1 { "field" } else { "fields" }
}
