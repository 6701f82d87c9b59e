//! Reports about a mail after the mail server accepted it, by the app's backend or by a delivery status notification.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::domain::fields::{FieldErrors, Fields, Invalid};
use crate::domain::id;
use crate::domain::text::one_line;

/// What happened to the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
pub enum Kind {
    /// The mail was returned and will not be delivered.
    Bounced,
    /// The mail is late, and delivery is still being tried.
    Delayed,
    /// The recipient reported the mail as unwanted.
    Complained,
}

impl Kind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bounced => "bounced",
            Self::Delayed => "delayed",
            Self::Complained => "complained",
        }
    }
}

/// The mail that a report is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The mail with this `Message-ID`, in angle brackets.
    Message(String),
    /// The newest mail of this invite.
    Invite(Uuid),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub kind: Kind,
    pub subject: Subject,
    /// The reason that was given: one line, as formatted by [`detail`].
    pub detail: Option<String>,
}

impl Report {
    /// Field names of the request body.
    pub const FIELDS: [&str; 4] = ["type", "messageId", "inviteId", "detail"];

    /// Parses `{"type", "messageId" or "inviteId", "detail"?}`.
    pub fn parse(body: Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut body = Fields::of(
            body,
            Invalid("is not a field of a report, only `type`, `messageId`, `inviteId` and `detail` are"),
        );
        let kind = body.required("type", |text| {
            let kinds = [Kind::Bounced, Kind::Delayed, Kind::Complained];
            kinds
                .into_iter()
                .find(|kind| kind.as_str() == text)
                .ok_or(Invalid("must be `bounced`, `delayed` or `complained`"))
        });
        let message = body.optional("messageId", |text| {
            let id = text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text);
            let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>".contains(&byte);
            let plain = (1..=250).contains(&id.len()) && id.bytes().all(is_plain);
            plain.then(|| format!("<{id}>")).ok_or(Invalid("must be the `Message-ID` of a mail"))
        });
        let invite = body.optional("inviteId", |text| {
            id::parse(text).ok_or(Invalid("must be the hyphenated UUID of an invite"))
        });
        let reason = body.optional("detail", |text| {
            let short = text.chars().count() <= 2000;
            if short { Ok(detail(text)) } else { Err(Invalid("must be at most 2000 characters long")) }
        });
        let subject = match (message, invite) {
            (Some(message), None) => Ok(Subject::Message(message)),
            (None, Some(invite)) => Ok(Subject::Invite(invite)),
            _ => Err(body.refuse("messageId", Invalid("or `inviteId` must be there, one of the two"))),
        };
        body.finish(|| {
            Ok(Self { kind: kind?, subject: subject?, detail: reason.filter(|reason| !reason.is_empty()) })
        })
    }
}

impl JsonSchema for Report {
    fn schema_name() -> Cow<'static, str> {
        "MailReport".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "required": ["type"],
            "oneOf": [{ "required": ["messageId"] }, { "required": ["inviteId"] }],
            "properties": {
                "type": generator.subschema_for::<Kind>(),
                "messageId": {
                    "type": "string",
                    "pattern": "^(<[!-;=?-~]{1,250}>|[!-;=?-~]{1,250})$",
                    "description": "The `Message-ID` of the mail, with or without angle brackets.",
                },
                "inviteId": {
                    "type": "string",
                    "format": "uuid",
                    "description": "The UUID of the invite, instead of `messageId`. The report is about its newest mail.",
                },
                "detail": {
                    "type": "string",
                    "maxLength": 2000,
                    "description": "The reason for the report. It is stored as one line of at most 500 bytes, with long \
                        words masked.",
                },
            },
            "examples": [{
                "type": "bounced",
                "messageId": "<01890a5d-ac96-774b-bcce-b302099a8057@id.example.com>",
                "detail": "550 5.1.1 no such user",
            }],
        })
    }
}

/// Words of at least this many characters could be a part of an invite code.
const SECRET: usize = 20;

/// Formats a text as [`one_line`]. Words that could be an invite code are masked, because spam filters
/// quote links.
#[must_use]
pub fn detail(text: &str) -> String {
    let is_code = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut masked = String::with_capacity(text.len());
    for part in text.split_inclusive(|c| !is_code(c)) {
        let word = part.trim_end_matches(|c| !is_code(c));
        masked.push_str(if word.len() < SECRET { word } else { "***" });
        masked.push_str(&part[word.len()..]);
    }
    one_line(&masked)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<Report, String> {
        Report::parse(body.as_object().cloned().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn report_needs_exactly_one_of_message_id_and_invite_id() {
        let invite = Uuid::from_u128(7);
        let report = |kind, subject, detail: Option<&str>| {
            Ok(Report { kind, subject, detail: detail.map(str::to_owned) })
        };
        let message = Subject::Message("<a@b.example>".to_owned());
        for id in ["<a@b.example>", "a@b.example"] {
            let body = json!({ "type": "bounced", "messageId": id, "detail": "550\r\n no" });
            assert_eq!(read(&body), report(Kind::Bounced, message.clone(), Some("550 no")));
        }
        assert_eq!(
            read(&json!({ "type": "complained", "inviteId": invite, "detail": " " })),
            report(Kind::Complained, Subject::Invite(invite), None)
        );
        for (body, sentence) in [
            (json!({ "type": "delayed" }), "`messageId` or `inviteId` must be there, one of the two"),
            (
                json!({ "type": "delayed", "messageId": "a@b.example", "inviteId": invite }),
                "`messageId` or `inviteId` must be there, one of the two",
            ),
            (
                json!({ "type": "delivered", "inviteId": invite, "x": 1 }),
                "`type` must be `bounced`, `delayed` or `complained`; `x` is not a field of a report, only `type`, \
                 `messageId`, `inviteId` and `detail` are",
            ),
        ] {
            assert_eq!(read(&body), Err(sentence.to_owned()));
        }
        for id in
            ["", "<>", "a b", "<a@b.example", "a@b.example>", " a@b.example", "ä@b.example", &"x".repeat(251)]
        {
            let sentence = "`messageId` must be the `Message-ID` of a mail; `messageId` or `inviteId` must be there, \
                one of the two";
            assert_eq!(
                read(&json!({ "type": "bounced", "messageId": id })),
                Err(sentence.to_owned()),
                "{id}"
            );
        }
    }

    #[test]
    fn detail_is_one_bounded_line_with_invite_codes_redacted() {
        let code = "AZqvq2sPcAGc1_x-0123456789abcdefghijklmnopqrstuvwxyzAB";
        for (reason, kept) in [
            (
                "550 5.1.1 <ada@example.com>:\r\n\tno such user\u{1b}[2J".to_owned(),
                "550 5.1.1 <ada@example.com>: no such user [2J",
            ),
            (
                format!("link https://id.example/invites/{code}?x=1 ä"),
                "link https://id.example/invites/***?x=1 ä",
            ),
            (format!("{}={}", &code[..30], &code[30..]), "***=***"),
            (String::new(), ""),
        ] {
            assert_eq!(detail(&reason), kept);
        }
        assert_eq!(detail(&"ä ".repeat(900)).len(), 500);
    }
}
