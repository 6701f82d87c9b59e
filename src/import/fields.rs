//! Splits a line into fields as in RFC 4180: a quoted field may contain delimiters, line ends and doubled quotes. White
//! space around the quotes is allowed. The `csv` crate is not used: after an unclosed quote it reads on until the next
//! quote.

/// State at the end of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The record is complete.
    Record,
    /// A quote is open, so the next line belongs to the same record.
    Open,
    /// A closing quote is followed by more text in the same field.
    AfterQuote,
}

#[derive(Clone, Copy)]
enum State {
    /// Only white space so far.
    Start,
    Plain,
    Quoted,
    /// After a quote inside a quoted field.
    Quote,
}

/// Collects the fields of one record, line by line.
pub(super) struct Splitter {
    delimiter: u8,
    pub fields: Vec<Vec<u8>>,
    open: bool,
}

impl Splitter {
    pub fn new(delimiter: u8) -> Self {
        Self { delimiter, fields: vec![Vec::new()], open: false }
    }

    pub fn add(&mut self, line: &[u8]) -> End {
        let mut field = self.fields.pop().unwrap_or_default();
        let mut state = State::Start;
        if self.open {
            field.push(b'\n');
            state = State::Quoted;
        }
        for &byte in line {
            state = match (state, byte) {
                (State::Quoted, b'"') => State::Quote,
                (State::Quoted, _) => {
                    field.push(byte);
                    State::Quoted
                }
                (_, byte) if byte == self.delimiter => {
                    self.fields.push(std::mem::take(&mut field));
                    State::Start
                }
                (State::Start, b'"') => State::Quoted,
                (State::Quote, b'"') => {
                    field.push(byte);
                    State::Quoted
                }
                (State::Start | State::Quote, b' ' | b'\t') => state,
                (State::Quote, _) => return End::AfterQuote,
                (State::Start | State::Plain, _) => {
                    field.push(byte);
                    State::Plain
                }
            };
        }
        self.fields.push(field);
        self.open = matches!(state, State::Quoted);
        if self.open { End::Open } else { End::Record }
    }
}
