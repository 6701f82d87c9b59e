use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const KNOWN: [&str; 4] = ["email", "language", "given_name", "family_name"];

/// A row as its line and values, or its line and problem.
type Read = (u64, Result<Vec<(&'static str, String)>, Problem>);

fn open(bytes: &[u8]) -> Result<Table<Cursor<Vec<u8>>>, String> {
    Table::open(Cursor::new(bytes.to_vec()), &KNOWN, "email").map_err(|error| error.to_string())
}

fn rows(bytes: &[u8]) -> Vec<Read> {
    let rows = open(bytes).unwrap().map(|row| row.unwrap());
    rows.map(|row| (row.line, row.values)).collect()
}

fn good<const N: usize>(line: u64, values: [(&'static str, &str); N]) -> Read {
    (line, Ok(values.map(|(name, value)| (name, value.to_owned())).to_vec()))
}

fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

fn anna_and_ben() -> Vec<Read> {
    vec![
        good(2, [("email", "anna@x.example"), ("language", "de")]),
        good(3, [("email", "ben@x.example"), ("language", "en")]),
    ]
}

#[test]
fn delimiter_is_detected_from_the_header_or_the_sep_line() {
    for (delimiter, name) in [(",", ','), (";", ';'), ("\t", '\t')] {
        let file = "email;language\nanna@x.example;de\nben@x.example;en\n".replace(';', delimiter);
        assert_eq!(rows(file.as_bytes()), anna_and_ben(), "{delimiter:?}");
        assert_eq!(open(file.as_bytes()).unwrap().delimiter(), name);
    }
    for (sep, delimiter) in
        [("sep=;", ";"), ("SEP=|", "|"), ("\"sep=;\"", ";"), ("sep=\t", "\t"), ("sep=,,", ",")]
    {
        let file = format!("{sep}\r\nemail;a;b\r\nanna@x.example;1;2\r\n").replace(';', delimiter);
        assert_eq!(rows(file.as_bytes()), [good(3, [("email", "anna@x.example")])], "{sep}");
    }
    // The delimiter that yields recognized headers wins over the more frequent one.
    let file = "Notes, old, older, oldest;E-Mail\nx;anna@x.example\n";
    assert_eq!(rows(file.as_bytes()), [good(2, [("email", "anna@x.example")])]);
    assert_eq!(rows(b"email\nanna@x.example\n"), [good(2, [("email", "anna@x.example")])]);
}

#[test]
fn encoding_is_detected_with_and_without_bom() {
    let text = "E-Mail;Vorname\r\nanna@x.example;Jürgen Müller\r\n";
    let expected = [good(2, [("email", "anna@x.example"), ("given_name", "Jürgen Müller")])];
    let windows = windows_1252(text);
    for (name, encoding, bytes) in [
        ("UTF-8", "UTF-8", text.as_bytes().to_vec()),
        ("UTF-8 with mark", "UTF-8", [b"\xEF\xBB\xBF", text.as_bytes()].concat()),
        ("UTF-16LE", "UTF-16LE", utf_16(text, u16::to_le_bytes)),
        ("UTF-16LE with mark", "UTF-16LE", [vec![0xFF, 0xFE], utf_16(text, u16::to_le_bytes)].concat()),
        ("UTF-16BE", "UTF-16BE", utf_16(text, u16::to_be_bytes)),
        ("UTF-16BE with mark", "UTF-16BE", [vec![0xFE, 0xFF], utf_16(text, u16::to_be_bytes)].concat()),
        ("Windows-1252", "windows-1252", windows),
    ] {
        let mut table = open(&bytes).unwrap();
        let read: Vec<Read> =
            table.by_ref().map(|row| row.unwrap()).map(|row| (row.line, row.values)).collect();
        assert_eq!((read.as_slice(), table.encoding()), (&expected[..], encoding), "{name}");
    }
}

fn windows_1252(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap()).collect()
}

#[test]
fn encoding_is_decided_at_the_first_non_ascii_byte() {
    let ascii = "u@x.example,Ann\n".repeat(3000);
    let text = format!("email,given_name\n{ascii}z@x.example,José\n");
    for (bytes, encoding) in [(text.as_bytes().to_vec(), "UTF-8"), (windows_1252(&text), "windows-1252")] {
        let mut table = open(&bytes).unwrap();
        assert_eq!(table.encoding(), "UTF-8");
        let last = table.by_ref().last().unwrap().unwrap();
        assert_eq!((last.line, last.values), good(3002, [("email", "z@x.example"), ("given_name", "José")]));
        assert_eq!(table.encoding(), encoding);
    }
}

#[test]
fn invalid_bytes_fail_only_rows_that_use_their_column() {
    let bytes = b"email,Vorname,x\n\xC3\xA9@x.example,\xC3\xA9,\nb@x.example,\xFF,\nc@x.example,c,\xFF\n";
    let problem = Problem::Encoding { header: "Vorname (given_name)".to_owned(), encoding: "UTF-8" };
    assert_eq!(problem.to_string(), "`Vorname (given_name)` must be UTF-8");
    assert_eq!(
        rows(bytes),
        [
            good(2, [("email", "é@x.example"), ("given_name", "é")]),
            (3, Err(problem)),
            good(4, [("email", "c@x.example"), ("given_name", "c")]),
        ]
    );
    let mut surrogate = utf_16("email,language\na@x.example,", u16::to_le_bytes);
    surrogate.extend([0x00, 0xD8]);
    let problem = Problem::Encoding { header: "language".to_owned(), encoding: "UTF-16LE" };
    assert_eq!(rows(&surrogate), [(2, Err(problem))]);
}

#[test]
fn lf_crlf_and_cr_end_one_line_and_empty_rows_are_skipped() {
    for end in ["\n", "\r\n", "\r"] {
        let file =
            "\n \nemail,language,,\n\nanna@x.example , de\n,,,\n , ,\n\"\",\"\"\nben@x.example,en,,,\n";
        let read = rows(file.replace('\n', end).as_bytes());
        let expected = [
            good(5, [("email", "anna@x.example"), ("language", "de")]),
            good(9, [("email", "ben@x.example"), ("language", "en")]),
        ];
        assert_eq!(read, expected, "{end:?}");
    }
}

#[test]
fn quoted_fields_may_contain_delimiters_quotes_and_newlines() {
    let file =
        "email,x,given_name\n \"a@x.example\" ,\"one\r\ntwo\n\",\"A \"\"B\"\", c\"\nb@x.example,5\" x,B\n";
    assert_eq!(
        rows(file.as_bytes()),
        [
            good(2, [("email", "a@x.example"), ("given_name", "A \"B\", c")]),
            good(5, [("email", "b@x.example"), ("given_name", "B")]),
        ]
    );
}

#[test]
fn malformed_row_does_not_affect_other_rows() {
    let long = "x".repeat(MAX_BYTES);
    let file = format!(
        "email,given_name\n\"a@x.example,A\nb@x.example,\"B\"\nc@x.example,\"C\" c\nd@x.example,{long}\n\
         e@x.example\0,E\nf@x.example\ng@x.example,G,G\nh@x.example,H\n\"i@x.example,I\nj@x.example,J"
    );
    let read = rows(file.as_bytes());
    assert_eq!(
        read,
        [
            (2, Err(Problem::OpenQuote)),
            good(3, [("email", "b@x.example"), ("given_name", "B")]),
            (4, Err(Problem::AfterQuote)),
            (5, Err(Problem::TooLong)),
            (6, Err(Problem::Nul)),
            (7, Err(Problem::Fields { found: 1, expected: 2 })),
            (8, Err(Problem::Fields { found: 3, expected: 2 })),
            good(9, [("email", "h@x.example"), ("given_name", "H")]),
            (10, Err(Problem::OpenQuote)),
            good(11, [("email", "j@x.example"), ("given_name", "J")]),
        ]
    );
    // The search for a closing quote is limited to a bounded part of the file.
    let lines = "u@x.example,U\n".repeat(10_000);
    let read = rows(format!("email,given_name\n\"a@x.example,A\n{lines}").as_bytes());
    assert_eq!((read.len(), &read[0], read[10_000].0), (10_001, &(2, Err(Problem::OpenQuote)), 10_002));
}

#[test]
fn file_that_is_not_csv_is_refused_with_a_reason() {
    let gap = [b"email,language\n".to_vec(), vec![0; 4096]].concat();
    for (bytes, sentence) in [
        (&b""[..], "it is empty: its header line must name the column email"),
        (b"\n,,\n", "it is empty: its header line must name the column email"),
        (
            b"PK\x03\x04\x14\0",
            "it is a spreadsheet (such as .xlsx, .xls or .ods) or another archive: export the sheet as CSV",
        ),
        (
            b"\xD0\xCF\x11\xE0\xA1",
            "it is a spreadsheet (such as .xlsx, .xls or .ods) or another archive: export the sheet as CSV",
        ),
        (b"%PDF-1.7\n", "it is a PDF document: expected a text file with comma-separated values (CSV)"),
        (
            b"\x7FELF\x02\x01\x01",
            "it is not a text file: expected a text file with comma-separated values (CSV)",
        ),
        (b"<html>\n", "it is HTML or XML: expected a text file with comma-separated values (CSV)"),
        (b"[{\"email\": 1}]", "it is JSON: expected a text file with comma-separated values (CSV)"),
        (
            b"\"email\nx",
            "its header line (1) is wrong: a field begins with a quote that is not closed: expected another quote at its end",
        ),
        (
            b"email;E-Mail\n",
            "its header line must name each of its columns once, and `email` and `E-Mail` both mean email",
        ),
        (
            b"language;Firma\n",
            "its header line must name the column email: read as UTF-8, with semicolons between the fields, it has \
             `language`, `Firma`",
        ),
        (
            b"Stra\xDFe\n",
            "its header line must name the column email: read as windows-1252, with commas between the fields, it has \
             `Straße`",
        ),
    ] {
        assert_eq!(open(bytes).err().as_deref(), Some(sentence));
    }
    assert_eq!(rows(&gap), [(2, Err(Problem::Nul))]);
}

#[test]
fn unknown_columns_are_ignored_and_listed() {
    let table = open(b"\xEF\xBB\xBFE-Mail;;Company;Company;First name;\n").unwrap();
    assert_eq!(table.ignored(), ["column 2", "Company", "Company"]);
    let columns: Vec<String> = table.columns().iter().map(ToString::to_string).collect();
    assert_eq!(columns, ["email", "First name (given_name)"]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_to_the_end(
        head in prop::sample::select(vec![&b""[..], b"email\n", b"email,language\n", b"\xFF\xFE", b"email;x\n\""]),
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"\0\"\r\n,;\t\xFF".to_vec())], 0..300),
    ) {
        if let Ok(table) = open(&[head, &bytes].concat()) {
            let lines: Vec<u64> = table.map(|row| row.unwrap().line).collect();
            prop_assert!(lines.is_sorted_by(|a, b| a < b), "{lines:?}");
        }
    }

    #[test]
    fn csv_writer_output_round_trips(
        values in prop::collection::vec(("[a-z]{1,9}", "[ -~äßЖ字\n]{0,20}"), 1..20),
        delimiter in prop::sample::select(b",;\t".to_vec()),
        crlf in any::<bool>(),
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer =
            csv::WriterBuilder::new().delimiter(delimiter).terminator(terminator).from_writer(Vec::new());
        writer.write_record(["email", "given_name"]).unwrap();
        for (email, name) in &values {
            writer.write_record([email, name]).unwrap();
        }
        let read: Vec<_> = rows(&writer.into_inner().unwrap()).into_iter().map(|(_, values)| values.unwrap()).collect();
        let cell = |name, text: &str| Some((name, text.trim().to_owned())).filter(|(_, text)| !text.is_empty());
        let expected: Vec<Vec<_>> = values
            .iter()
            .map(|(email, name)| cell("email", email).into_iter().chain(cell("given_name", name)).collect())
            .collect();
        prop_assert_eq!(read, expected);
    }
}
