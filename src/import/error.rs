//! Why a file cannot be read as a table.

use std::io::{self};

/// Most bytes of a row, in UTF-8, line ends in quotes included.
pub const MAX_BYTES: usize = 64 * 1024;

/// Why a file cannot be read at all. Displays as the rest of a sentence that begins with the file's name and a colon.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is a workbook.
    #[error("it is a spreadsheet (such as .xlsx, .xls or .ods) or another archive: export the sheet as CSV")]
    Spreadsheet,
    /// It is something else.
    #[error("it is {0}: expected a text file with comma-separated values (CSV)")]
    Format(&'static str),
    /// There is no header line.
    #[error("it is empty: its header line must name the column {0}")]
    Empty(&'static str),
    /// The header line is not a row.
    #[error("its header line ({0}) is wrong: {1}")]
    Header(u64, Problem),
    /// Two columns are the same.
    #[error(
        "its header line must name each of its columns once, and `{first}` and `{second}` both mean {column}"
    )]
    Duplicate {
        /// The column.
        column: &'static str,
        /// Its first header.
        first: String,
        /// Its second.
        second: String,
    },
    /// A column is missing.
    #[error(
        "its header line must name the column {column}: read as {encoding}, with {delimiter} between the fields, it has {headers}"
    )]
    Missing {
        /// The column.
        column: &'static str,
        /// How the file was read.
        encoding: &'static str,
        /// How the fields were told apart.
        delimiter: String,
        /// What was found instead.
        headers: String,
    },
}

/// Why a row cannot be read. Displays as a sentence, which does not name the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A quote is not closed, or what closes it is another one's.
    #[error("a field begins with a quote that is not closed: expected another quote at its end")]
    OpenQuote,
    /// A closing quote does not end its field.
    #[error("there is text after a closing quote: expected a delimiter, or each quote inside quotes twice")]
    AfterQuote,
    /// The row is longer than [`MAX_BYTES`].
    #[error("it is too long: expected at most {MAX_BYTES} bytes")]
    TooLong,
    /// It is not text.
    #[error("it has NUL characters: expected text")]
    Nul,
    /// It has another number of fields than the header line.
    #[error("it has {found} {}: expected {expected}, as the header line has", plural(*found))]
    Fields {
        /// Fields of the row.
        found: usize,
        /// Fields of the header line.
        expected: usize,
    },
    /// A value is not valid in the encoding of the file.
    #[error("`{header}` must be {encoding}")]
    Encoding {
        /// The column's header.
        header: String,
        /// The encoding of the file.
        encoding: &'static str,
    },
}

pub(super) fn plural(fields: usize) -> &'static str {
    if fields == 1 { "field" } else { "fields" }
}
