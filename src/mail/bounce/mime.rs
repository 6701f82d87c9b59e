//! Splits a mail into parts (RFC 2045, 2046), including those of attached mails. mail-parser only parses headers and
//! decodes texts: on a whole mail it follows attached mails to any depth and can overflow the stack. Depth, number of
//! parts and size of each are bounded here, and the cost is linear.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::html::html_to_text;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Message, MessageParser, MimeHeaders};

/// Maximum nesting of multiparts and attached mails.
const DEPTH: usize = 8;
/// Maximum parts read of a mail.
const PARTS: usize = 64;
/// Maximum bytes read of a header section, and of the content of a part.
const CONTENT: usize = 64 * 1024;

/// A part that is not a multipart, or a whole mail.
pub(super) struct Part {
    /// `type/subtype` in lower case.
    pub kind: String,
    /// The beginning of the decoded content. Texts are in UTF-8.
    pub content: Vec<u8>,
}

impl Part {
    /// Whether the part is a mail, or the headers of one.
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

    /// Whether the part is text for people.
    pub fn is_text(&self) -> bool {
        matches!(self.kind.as_str(), "text/plain" | "text/html")
    }

    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.content)
    }

    /// The headers of this part, which must be a mail.
    pub fn head(&self) -> Option<Message<'_>> {
        parse_head(split_head(&self.content).0)
    }
}

/// All parts in order. The first one is the mail itself; an attached mail comes before its own parts.
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
    // Decoding never makes content longer. Four bytes of base64, plus line ends, give three bytes of content.
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

/// Splits into the headers, including the blank line after them, and the body.
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

/// The contents between the boundary lines of a multipart.
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
