//! Plain-text bounces: of Exim (`X-Failed-Recipients`), of qmail and notqmail, and of any other server that
//! identifies itself in `From` and repeats the reply of a mail server. The rest may be in any language.

use mail_parser::Message;

use super::Outcome;
use super::fields::addresses;
use super::mime::Part;
use crate::domain::email::Email;
use crate::domain::mail::report::Kind;

/// The beginning of bounces of qmail and its descendants.
const QMAIL: &str = "Hi. This is the ";
/// Local parts of the sender addresses that mail servers use.
const SERVERS: [&str; 4] = ["mailer-daemon", "postmaster", "mail-daemon", "maildaemon"];
/// Header fields that begin the copy of the original mail after the text.
const COPY: [&str; 5] = ["return-path:", "received:", "message-id:", "dkim-signature:", "mime-version:"];
const DELAYED: [&str; 9] = [
    "not yet been delivered",
    "has been delayed",
    "is delayed",
    "(delay)",
    "warning message only",
    "do not need to resend",
    "will be retried",
    "will keep trying",
    "could not send message for past",
];
const FAILED: [&str; 7] = [
    "undeliverable",
    "undelivered",
    "could not be delivered",
    "delivery failed",
    "delivery failure",
    "returned to sender",
    "permanent error",
];

/// Parses the first such text in a mail, or in a mail that it forwards as an attachment.
pub(super) fn read(parts: &[Part]) -> Option<Outcome> {
    parts.iter().enumerate().filter(|(_, part)| part.is_mail()).find_map(|(at, mail)| {
        let text = parts[at + 1..].iter().find(|part| part.is_text())?.text();
        outcome(&mail.head()?, &text)
    })
}

fn outcome(head: &Message, text: &str) -> Option<Outcome> {
    let notice: Vec<&str> = text.lines().take_while(|line| !begins_copy(line)).collect();
    let mut recipients: Vec<Email> = head
        .header_values("X-Failed-Recipients")
        .filter_map(|value| value.as_text())
        .flat_map(|list| list.split(','))
        .flat_map(addresses)
        .collect();
    let refused = !recipients.is_empty() || notice.iter().any(|line| line.trim_start().starts_with(QMAIL));
    let from = head.from().and_then(|from| from.first()?.address()).unwrap_or_default();
    let (local, _) = from.split_once('@').unwrap_or((from, ""));
    if !refused && !SERVERS.iter().any(|server| local.eq_ignore_ascii_case(server)) {
        return None;
    }
    let words = format!("{}\n{}", head.subject().unwrap_or_default(), notice.join("\n")).to_lowercase();
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| words.contains(phrase));
    let code = |class: u8| notice.iter().position(|line| has_code(line, class));
    let (permanent, temporary) = (code(b'5'), code(b'4'));
    let kind = if has(&DELAYED) {
        Kind::Delayed
    } else if refused || permanent.is_some() || has(&FAILED) {
        Kind::Bounced
    } else if temporary.is_some() {
        Kind::Delayed
    } else {
        return None;
    };
    if recipients.is_empty() {
        recipients =
            notice.iter().flat_map(|line| line.split(is_around_address)).filter_map(address).collect();
    }
    // The line with the reply, or the line after the one with the address.
    let named =
        || notice.iter().position(|line| line.split(is_around_address).any(|word| address(word).is_some()));
    let at = permanent.or(temporary).or_else(|| named().map(|at| at + 1));
    let detail = at.and_then(|at| notice.get(at)).map_or(String::new(), |line| line.trim().to_owned());
    Some(Outcome { kind, recipients, detail })
}

fn begins_copy(line: &str) -> bool {
    COPY.iter().any(|field| line.get(..field.len()).is_some_and(|start| start.eq_ignore_ascii_case(field)))
}

fn is_around_address(character: char) -> bool {
    character.is_whitespace() || "<>()[]\"',;:".contains(character)
}

fn address(word: &str) -> Option<Email> {
    word.contains('@').then(|| Email::parse(word.trim_matches('.')).ok()).flatten()
}

/// Whether a line contains a reply code of this class (550 for `5`) or an enhanced status code (5.1.1).
fn has_code(line: &str, class: u8) -> bool {
    let is_edge = |character: char| !(character.is_alphanumeric() || ".-_/@".contains(character));
    line.split(is_edge).any(|word| {
        // A reply of several lines has `550-5.1.1`.
        let (code, rest) = word.split_once('-').unwrap_or((word, ""));
        let code = code.trim_end_matches('.');
        is_reply(code, class) && line.trim_end() != code || is_status(code, class) || is_status(rest, class)
    })
}

/// Whether this is a reply code that servers use for mails. Other numbers of three digits are sizes or hours.
fn is_reply(code: &str, class: u8) -> bool {
    let [first, rest @ ..] = code.as_bytes() else { return false };
    *first == class && matches!(rest, [b'5', b'0'..=b'9'] | [b'2' | b'4' | b'7', b'1'])
}

fn is_status(code: &str, class: u8) -> bool {
    let numbers: Vec<&str> = code.splitn(4, '.').collect();
    let is_number =
        |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    matches!(numbers[..], [first, subject, detail]
        if first.as_bytes() == [class] && is_number(subject) && is_number(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smtp_codes_are_distinguished_from_other_numbers() {
        for line in [
            "550 5.1.1 unknown user",
            "    550-5.1.1 The email account that you tried to reach",
            "Sorry, no mailbox here by that name. (#5.1.1)",
            "SMTP error: 550 no",
            "<<< 554 rejected",
            "Status: 5.0.0",
            "host mx said: 571 no",
        ] {
            assert!(has_code(line, b'5') && !has_code(line, b'4'), "{line}");
        }
        for line in
            ["192.0.2.1", "5.1.1.2", "mx5.1.1", "1550 bytes", "500 kB", "version 5.10", "a550b", "5.1.1.", ""]
        {
            assert_eq!(has_code(line, b'5'), line == "5.1.1.", "{line}");
        }
        assert!(has_code("451 4.3.0 later", b'4') && has_code("421 busy", b'4'));
    }
}
