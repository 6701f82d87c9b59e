//! Decodes a file of unknown encoding to UTF-8 while it is read. UTF-8 and UTF-16 are recognized with or without a byte
//! order mark; everything else is decoded as Windows-1252.

use std::io::{self, BufRead, Read};

use encoding_rs::{DecoderResult, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::error::Unreadable;

/// Number of bytes that are read and decoded at a time. The encoding is guessed from one such chunk.
const CHUNK: usize = 16 * 1024;
/// Replaces invalid input in the decoded bytes. The byte never occurs in UTF-8, so that the value is recognized as
/// invalid later.
const INVALID: u8 = 0xFF;

/// First bytes of other formats that are often taken for text tables.
const SIGNATURES: [(&[u8], Unreadable); 6] = [
    (b"PK\x03\x04", Unreadable::Spreadsheet),
    (b"\xD0\xCF\x11\xE0", Unreadable::Spreadsheet),
    (b"%PDF", Unreadable::Format("a PDF document")),
    (b"\x1F\x8B", Unreadable::Format("compressed with gzip")),
    (b"\xFF\xFE\0\0", Unreadable::Format("in UTF-32")),
    (b"\0\0\xFE\xFF", Unreadable::Format("in UTF-32")),
];

/// How the bytes of a file are decoded.
enum Mode {
    /// Only ASCII so far: the first chunk with other bytes decides.
    Ascii,
    Utf8,
    Other(encoding_rs::Decoder),
}

/// Reads `input` as UTF-8. Bytes that are invalid in the input encoding are replaced by bytes that are invalid in
/// UTF-8.
pub(super) struct Decoder<R> {
    input: R,
    mode: Mode,
    /// Read but not yet decoded.
    raw: Vec<u8>,
    /// Whether `input` is at its end.
    ended: bool,
    decoded: Vec<u8>,
    /// Number of bytes of `decoded` that were consumed.
    consumed: usize,
}

impl<R: Read> Decoder<R> {
    /// Reads the first chunk, detects the encoding, and rejects other file formats.
    pub fn new(input: R) -> Result<Self, Unreadable> {
        let (raw, decoded) = (Vec::with_capacity(CHUNK), Vec::new());
        let mut this = Self { input, mode: Mode::Ascii, raw, ended: false, decoded, consumed: 0 };
        this.read_chunk()?;
        let raw = &mut this.raw;
        if let Some((_, unreadable)) = SIGNATURES.into_iter().find(|(bytes, _)| raw.starts_with(bytes)) {
            return Err(unreadable);
        }
        let marked = encoding_rs::Encoding::for_bom(raw);
        raw.drain(..marked.map_or(0, |(_, length)| length));
        let encoding = marked.map(|(encoding, _)| encoding).or_else(|| utf_16_without_mark(raw));
        this.mode = match encoding {
            Some(encoding) if encoding == UTF_8 => Mode::Utf8,
            Some(encoding) => Mode::Other(encoding.new_decoder_without_bom_handling()),
            None => Mode::Ascii,
        };
        Ok(this)
    }

    /// The encoding detected so far.
    pub fn encoding(&self) -> &'static str {
        match &self.mode {
            Mode::Ascii | Mode::Utf8 => UTF_8.name(),
            Mode::Other(decoder) => decoder.encoding().name(),
        }
    }

    /// Fills `raw` up to one chunk, or less at the end of the input.
    fn read_chunk(&mut self) -> io::Result<()> {
        let room = CHUNK.saturating_sub(self.raw.len());
        let read = self.input.by_ref().take(room as u64).read_to_end(&mut self.raw)?;
        self.ended = read < room;
        Ok(())
    }

    /// Decodes the next chunk. `decoded` is empty at the end of the input.
    fn decode(&mut self) -> io::Result<()> {
        self.decoded.clear();
        self.consumed = 0;
        while self.decoded.is_empty() && !(self.ended && self.raw.is_empty()) {
            self.read_chunk()?;
            match &mut self.mode {
                Mode::Utf8 => self.decoded.append(&mut self.raw),
                Mode::Ascii => {
                    let ascii = self.raw.iter().take_while(|byte| byte.is_ascii()).count();
                    if ascii == 0 && !self.raw.is_empty() {
                        self.mode = utf_8_or_windows_1252(&self.raw);
                    }
                    self.decoded.extend(self.raw.drain(..ascii));
                }
                Mode::Other(decoder) => decode_all(decoder, &mut self.raw, &mut self.decoded, self.ended),
            }
        }
        Ok(())
    }
}

/// Decodes all of `raw`. An incomplete character at its end stays in the decoder.
fn decode_all(decoder: &mut encoding_rs::Decoder, raw: &mut Vec<u8>, text: &mut Vec<u8>, last: bool) {
    let mut at = 0;
    loop {
        let mut piece = [0; 4096];
        let (result, read, written) =
            decoder.decode_to_utf8_without_replacement(&raw[at..], &mut piece, last);
        at += read;
        text.extend_from_slice(&piece[..written]);
        match result {
            DecoderResult::InputEmpty => break,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => text.push(INVALID),
        }
    }
    raw.clear();
}

/// Detects UTF-16 without a byte order mark: at least a quarter of the 16-bit units have a NUL byte, nearly always at
/// the same position, as those of ASCII characters do.
fn utf_16_without_mark(raw: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    let (pairs, _) = raw.as_chunks::<2>();
    let first = pairs.iter().filter(|pair| pair[0] == 0).count();
    let second = pairs.iter().filter(|pair| pair[1] == 0).count();
    if second * 4 >= pairs.len() && first * 10 < second {
        Some(UTF_16LE)
    } else if first * 4 >= pairs.len() && second * 10 < first {
        Some(UTF_16BE)
    } else {
        None
    }
}

/// Chooses UTF-8 if the chunk has at least as many multi-byte characters as invalid sequences. Text in another encoding
/// has hardly any valid multi-byte characters.
fn utf_8_or_windows_1252(raw: &[u8]) -> Mode {
    let (mut valid, mut invalid) = (0, 0);
    for chunk in raw.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        invalid += usize::from(!chunk.invalid().is_empty());
    }
    if valid >= invalid { Mode::Utf8 } else { Mode::Other(WINDOWS_1252.new_decoder_without_bom_handling()) }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl<R: Read> BufRead for Decoder<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed == self.decoded.len() {
            self.decode()?;
        }
        Ok(&self.decoded[self.consumed..])
    }

    fn consume(&mut self, amount: usize) {
        self.consumed += amount;
    }
}
