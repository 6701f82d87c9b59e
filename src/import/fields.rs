//! Splits a line into fields as RFC 4180 has them: a field in quotes may hold delimiters, line ends and, written twice,
//! quotes. White space around the quotes is allowed. The `csv` crate is not used, since it reads on after a quote that
//! is not closed until it finds another.

/// What follows a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The record ends with the line.
    Record,
    /// A quote is open: the next line belongs to the same record.
    Open,
    /// A closing quote is followed by more text of the same field.
    AfterQuote,
}

#[derive(Clone, Copy)]
enum State {
    /// Nothing of the field but white space.
    Start,
    Plain,
    Quoted,
    /// After a quote in a quoted field.
    Quote,
}

/// The fields of a record, to which lines are added.
pub(super) struct Splitter {
    delimiter: u8,
    pub fields: Vec<Vec<u8>>,
    open: bool,
}

impl Splitter {
    pub fn new(delimiter: u8) -> Self {
        Self { delimiter, fields: vec![Vec::new()], open: false }
    }

    /// Adds a line.
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
