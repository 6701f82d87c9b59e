//! The parts of a mail (RFC 2045, 2046), those of attached mails included. mail-parser reads heads and decodes
//! texts. It does not get the whole mail, because it follows attached mails to any depth and then overflows the
//! stack. The depth, the number of parts and the size of each are bounded here, and the cost is linear.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::html::html_to_text;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Message, MessageParser, MimeHeaders};

/// Multiparts and attached mails inside each other.
const DEPTH: usize = 8;
/// Parts of a mail that are read.
const PARTS: usize = 64;
/// Bytes of a head, and of the content of a part, that are read.
const CONTENT: usize = 64 * 1024;

/// A part that is no multipart, or a whole mail.
pub(super) struct Part {
    /// `type/subtype` in lower case.
    pub kind: String,
    /// The beginning of what it holds, decoded; of a text, in UTF-8.
    pub content: Vec<u8>,
}

impl Part {
    /// Whether it is a mail, or the head of one.
    pub fn is_mail(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "message/rfc822"
                | "message/global"
                | "message/global-headers"
                | "message/rfc822-headers"
                | "text/rfc822-headers"
        )
    }

    /// Whether people read it.
    pub fn is_text(&self) -> bool {
        matches!(self.kind.as_str(), "text/plain" | "text/html")
    }

    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.content)
    }

    /// The head of the mail that this part is.
    pub fn head(&self) -> Option<Message<'_>> {
        parse_head(split_head(&self.content).0)
    }
}

/// All parts in their order. The first one is the mail itself; an attached mail comes before its own parts.
pub(super) fn parts(mail: &[u8]) -> Vec<Part> {
    let mut parts = vec![Part { kind: "message/rfc822".to_owned(), content: beginning(mail).to_vec() }];
    collect(mail, "text/plain", 0, &mut parts);
    parts
}

fn collect(entity: &[u8], default: &str, depth: usize, parts: &mut Vec<Part>) {
    if depth == DEPTH || parts.len() >= PARTS {
        return;
    }
    let (head, body) = split_head(entity);
    let head = parse_head(head);
    let declared = head.as_ref().and_then(MimeHeaders::content_type);
    let kind = declared.map_or_else(
        || default.to_owned(),
        |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase(),
    );
    if kind.starts_with("multipart/")
        && let Some(boundary) = declared.and_then(|kind| kind.attribute("boundary"))
    {
        let default = if kind == "multipart/digest" { "message/rfc822" } else { "text/plain" };
        for piece in pieces(body, boundary.as_bytes()) {
            collect(piece, default, depth + 1, parts);
        }
        return;
    }
    let attached = matches!(kind.as_str(), "message/rfc822" | "message/global");
    let encoding = head.as_ref().and_then(MimeHeaders::content_transfer_encoding).unwrap_or_default();
    // Decoding makes nothing longer; four bytes of base64, with line ends, are three of content.
    let body = if attached { body } else { &body[..body.len().min(2 * CONTENT)] };
    let content = match encoding.trim().to_ascii_lowercase().as_str() {
        "base64" => base64_decode(body).map_or(Cow::Borrowed(body), Cow::Owned),
        "quoted-printable" => quoted_printable_decode(body).map_or(Cow::Borrowed(body), Cow::Owned),
        _ => Cow::Borrowed(body),
    };
    let read = beginning(&content);
    let charset = declared.and_then(|kind| kind.attribute("charset"));
    let content_read = match charset.and_then(|charset| charset_decoder(charset.as_bytes())) {
        Some(decode) if kind.starts_with("text/") => decode(read).into_bytes(),
        _ => read.to_vec(),
    };
    let content_read = match kind.as_str() {
        "text/html" => html_to_text(&String::from_utf8_lossy(&content_read)).into_bytes(),
        _ => content_read,
    };
    parts.push(Part { kind, content: content_read });
    if attached {
        collect(&content, "text/plain", depth + 1, parts);
    }
}

fn beginning(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(CONTENT)]
}

fn parse_head(head: &[u8]) -> Option<Message<'_>> {
    MessageParser::new().parse_headers(beginning(head))
}

/// The head with the blank line that ends it, and the body.
fn split_head(entity: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    for line in entity.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line == b"\n" || line == b"\r\n" {
            break;
        }
    }
    entity.split_at(at)
}

/// What is between the lines of a multipart's boundary.
fn pieces<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let (mut pieces, mut begun, mut at) = (Vec::new(), None, 0);
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let delimiter = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary));
        let rest = delimiter.map(<[u8]>::trim_ascii).filter(|rest| rest.is_empty() || *rest == b"--");
        if let Some(rest) = rest {
            pieces.extend(begun.map(|begun| &body[begun..at]));
            begun = rest.is_empty().then_some(at + line.len());
            if begun.is_none() || pieces.len() >= PARTS {
                return pieces;
            }
        }
        at += line.len();
    }
    pieces.extend(begun.map(|begun| &body[begun..]));
    pieces
}
