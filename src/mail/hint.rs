//! What the stored reply of a mail means, for a person who looks after mails: by the enhanced status code (RFC 3463 and
//! the IANA registry of its codes), else by the reply code (RFC 5321), else by the texts of this server.

/// Sentences by the last two numbers of an enhanced code, for replies that are permanent (5) and temporary (4).
const ENHANCED: [(&str, &str, &str); 21] = [
    (
        "1.0",
        "The address is not accepted. Check it with the person.",
        "The address could not be checked. It is tried again by itself.",
    ),
    (
        "1.1",
        "There is no such mailbox. Ask the person for the right address.",
        "The mailbox could not be found for now. It is tried again by itself.",
    ),
    (
        "1.2",
        "The part after the @ receives no mail, often because of a typing error. Check the address.",
        "The domain of the address could not be found for now. Check the address; it is tried again by itself.",
    ),
    (
        "2.0",
        "The mailbox does not accept mail. Ask the person for another address.",
        "The mailbox does not accept mail for now. It is tried again by itself.",
    ),
    (
        "2.1",
        "The mailbox is disabled. Ask the person for another address.",
        "The mailbox takes no mail for now, often since it gets too much. It is tried again by itself.",
    ),
    (
        "2.2",
        "The mailbox is full. The person has to make room; then send it again.",
        "The mailbox is full. The person has to make room; it is tried again by itself.",
    ),
    (
        "3.1",
        "The recipient's mail server is full. Send it again later.",
        "The recipient's mail server is full for now. It is tried again by itself.",
    ),
    (
        "3.2",
        "The recipient's mail server accepts no mail now. Send it again later.",
        "The recipient's mail server accepts no mail for now. It is tried again by itself.",
    ),
    (
        "4.1",
        "The recipient's mail server did not answer. Check the address and send it again later.",
        "The recipient's mail server does not answer for now. It is tried again by itself.",
    ),
    (
        "4.2",
        "The connection to the recipient's mail server broke. Send it again later.",
        "The connection to the recipient's mail server broke. It is tried again by itself.",
    ),
    (
        "4.3",
        "The name service did not answer about the recipient's domain. Check the address and send it again.",
        "The name service does not answer for now. It is tried again by itself.",
    ),
    (
        "4.4",
        "No mail server is known for the domain of the address. Check the address.",
        "No mail server is known for the domain of the address for now. Check the address.",
    ),
    (
        "4.5",
        "The mail server has reached its sending limit. Raise the limit, or wait.",
        "The mail server is overloaded or has reached its sending limit. It is tried again by itself.",
    ),
    (
        "4.7",
        "Delivery took too long and was given up. Check the address and send it again.",
        "The mail is late. Its mail server goes on trying.",
    ),
    (
        "5.1",
        "The mail server did not expect this step. If all mails fail so, check the login to the mail server.",
        "The mail server did not expect this step. It is tried again by itself.",
    ),
    (
        "5.3",
        "There are too many recipients at once for the mail server. Send it again later.",
        "There are too many recipients at once for the mail server. It is tried again by itself.",
    ),
    (
        "7.0",
        "The mail server refuses the mail for its rules. If it says to log in, check the login in the settings.",
        "The mail server holds new senders back for some minutes. It is tried again by itself.",
    ),
    (
        "7.1",
        "A rule of the mail server refuses the mail: a spam filter, or it does not relay for us. Read the reply.",
        "The mail server makes new senders wait (greylisting) or limits their rate. It is tried again by itself.",
    ),
    (
        "7.8",
        "The login to the mail server is wrong. Check user and password in the server's settings.",
        "The login to the mail server fails for now. Check user and password if it lasts.",
    ),
    (
        "7.13",
        "The account of the recipient is disabled. Ask the person for another address.",
        "The account of the recipient is disabled for now. It is tried again by itself.",
    ),
    (
        "7.28",
        "Too many mails came from us at once, or were marked as spam. Send fewer, later.",
        "Too many mails came from us at once. It is tried again by itself.",
    ),
];

/// Sentences by the last two numbers of enhanced codes that say the same in permanent and temporary replies.
const EITHER: [(&[&str], &str); 13] = [
    (&["1.6"], "The mailbox has moved. Ask the person for the new address."),
    (&["1.7"], "The sender's address is not accepted. Check the sender in the settings of the app."),
    (
        &["1.8"],
        "The sender's domain is not accepted. Check its DNS records and the sender in the settings of the app.",
    ),
    (&["1.10"], "The domain says that it receives no mail. Check the address."),
    (
        &["1.90"],
        "The mail server has reached its sending limit. Raise the limit, or wait: it is tried again.",
    ),
    (&["2.3"], "The mail is larger than this mailbox accepts. Shorten the mail template."),
    (
        &["2.252", "7.60"],
        "The mail server does not let this account send as the sender. Allow it there, or change the sender.",
    ),
    (&["3.4"], "The mail is too large for the mail server. Shorten the mail template."),
    (
        &["6.7"],
        "A mail server on the way does not accept addresses with such letters (SMTPUTF8). Ask for another address.",
    ),
    (&["7.9"], "The mail server does not accept this way to log in. Check the server's settings."),
    (&["7.17"], "The mailbox has another owner now. Ask the person for the right address."),
    (&["7.25"], "The address of our mail server has no matching name in DNS (reverse DNS). Set it up."),
    (
        &["7.5", "7.15", "7.20", "7.21", "7.22", "7.23", "7.24", "7.26", "7.27", "7.30", "7.509", "7.515"],
        "The mail is not proven to be from the sender's domain. Set up SPF, DKIM and DMARC in its DNS.",
    ),
];

/// Sentences by the subject of an enhanced code that the others lack.
const SUBJECTS: [(&str, &str, &str); 7] = [
    (
        "1.",
        "The address is not accepted. Check it with the person.",
        "The address could not be checked. It is tried again by itself.",
    ),
    (
        "2.",
        "The mailbox does not accept the mail. Ask the person for another address.",
        "The mailbox does not accept mail for now. It is tried again by itself.",
    ),
    (
        "3.",
        "The recipient's mail server cannot take the mail. Send it again later.",
        "The recipient's mail server cannot take mail for now. It is tried again by itself.",
    ),
    (
        "4.",
        "The mail could not be brought to the recipient's mail server. Check the address.",
        "The network on the way has trouble. It is tried again by itself.",
    ),
    (
        "5.",
        "The mail servers do not understand each other. Read the reply.",
        "The mail servers do not understand each other for now. It is tried again by itself.",
    ),
    (
        "6.",
        "The mail server does not accept the form of the mail. Check the mail template.",
        "The mail server does not accept the form of the mail. Check the mail template.",
    ),
    (
        "7.",
        "A rule of the mail server refuses the mail or its sender. Read the reply.",
        "The mail server makes senders wait or limits their rate. It is tried again by itself.",
    ),
];

/// Sentences by the code of a reply without an enhanced code.
const BASIC: [(&str, &str); 22] = [
    ("421", "The mail server is busy or closes for now. It is tried again by itself."),
    (
        "450",
        "The mailbox cannot be reached for now, or new senders have to wait. It is tried again by itself.",
    ),
    ("451", "The mail server has trouble for now, or new senders have to wait. It is tried again by itself."),
    ("452", "The mail server or the mailbox is full for now. It is tried again by itself."),
    ("454", "The mail server cannot check our login or our limit for now. It is tried again by itself."),
    ("455", "The mail server does not accept this for now. It is tried again by itself."),
    ("500", "The mail server did not understand us. Check that the settings name a mail server."),
    (
        "501",
        "The mail server did not accept an address or a name. Check the sender in the settings of the app.",
    ),
    ("502", "The mail server lacks a command that is needed. Check that the settings name a mail server."),
    (
        "503",
        "The mail server did not expect this step, often because it needs a login. Check the server's settings.",
    ),
    (
        "521",
        "The server accepts no mail at all. Check the address, or the server's settings if all mails fail so.",
    ),
    ("530", "The mail server needs a login. Check user and password in the server's settings."),
    ("534", "The mail server does not accept this way to log in. Check the server's settings."),
    ("535", "The login to the mail server is wrong. Check user and password in the server's settings."),
    ("538", "The mail server wants encryption before the login. Check the server's settings."),
    ("541", "The mail was refused as spam. Check the sender's SPF, DKIM and DMARC, and the mail template."),
    ("550", "There is no such mailbox, or a rule refuses the mail. Read the reply and check the address."),
    ("551", "The mailbox is not on that server. Check the address."),
    (
        "552",
        "The mailbox is full, or the mail is too large. The person has to make room; then send it again.",
    ),
    ("553", "The name of the mailbox is not allowed there. Check the address."),
    (
        "554",
        "The mail server refuses the mail, often as spam. Read the reply and check the sender's SPF, DKIM and DMARC.",
    ),
    ("556", "The domain says that it receives no mail. Check the address."),
];

/// Sentences by a part of a text of this server. The first that fits counts.
const OURS: [(&str, &str); 30] = [
    (
        "the invite was revoked",
        "The invite was revoked before the mail was sent. Invite again if that was a mistake.",
    ),
    (
        "opted out",
        "The person wants no referral mails of this app, so nothing was sent. Only they should undo that.",
    ),
    (
        "template cannot be read",
        "The database did not answer while the mail was written. It is tried again by itself.",
    ),
    (
        "sealed value",
        "The link was encrypted under another secret key. Check USERDOCKS_SECRET_KEY of this server.",
    ),
    (
        "fault of the server",
        "Writing the mail failed in this server. Report it as a bug, with the id of the mail.",
    ),
    (
        "mail cannot be written",
        "The mail could not be written. Check the mail template and the settings of the app.",
    ),
    ("stored code is damaged", "The link of the mail is damaged. Send the invite again."),
    (
        "reply address is not",
        "The Reply-To address of the app is not valid. Correct it in the settings of the app.",
    ),
    ("sender is not", "The sender of the app is not valid. Correct it in the settings of the app."),
    ("return path is not", "The return path of the app is not valid. Correct it in the settings of the app."),
    ("recipient is not an address", "The address is not valid. Check it with the person."),
    (
        "invite URL is not",
        "The invite page of the app is not a valid URL. Correct it in the settings of the app.",
    ),
    ("time is out of range", "A date of the mail is not valid. Send the invite again."),
    (
        "takes no address that is not ASCII",
        "Our mail server does not accept addresses with such letters (SMTPUTF8). Ask for another address.",
    ),
    (
        "certificate",
        "The certificate of our mail server is not trusted. Check its name and the server's settings.",
    ),
    (
        "connection refused",
        "Our mail server does not accept connections. Check that it runs, and its host and port in the settings.",
    ),
    (
        "failed to lookup address",
        "The name of our mail server is not found. Check the host in the server's settings.",
    ),
    (
        "no connection to",
        "Our mail server cannot be reached. Check it and the network; it is tried again by itself.",
    ),
    ("no final reply", "Our mail server did not answer in time. It is tried again by itself."),
    (
        "does not offer starttls",
        "Our mail server offers no encryption. Enable it there, or change the server's settings.",
    ),
    (
        "after starttls",
        "Our mail server does not keep to the protocol. Check that the settings name the right server.",
    ),
    ("offers no auth", "Our mail server does not accept this way to log in. Check the server's settings."),
    (
        "access token",
        "The access token for our mail server is missing or wrong. Check the server's settings.",
    ),
    ("closed the connection", "Our mail server ended the connection. It is tried again by itself."),
    ("connection reset", "Our mail server ended the connection. It is tried again by itself."),
    ("broken pipe", "Our mail server ended the connection. It is tried again by itself."),
    (
        "not a valid smtp reply",
        "The server at this host and port is not a mail server. Check the server's settings.",
    ),
    (
        "mailbox folder",
        "The folder for the mails of this trial cannot be written. Check its permissions and the disk.",
    ),
    ("timed out", "Our mail server did not answer in time. It is tried again by itself."),
    ("greylist", "The mail server makes new senders wait (greylisting). It is tried again by itself."),
];

/// One sentence on what a stored reply means and what to do; `None` if nothing is known, or the mail was accepted.
#[must_use]
pub fn hint(reply: &str) -> Option<&'static str> {
    let lower = reply.to_ascii_lowercase();
    let ours =
        || OURS.iter().find(|(part, _)| lower.contains(&part.to_ascii_lowercase())).map(|(_, text)| *text);
    let code = reply.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
    let code = code.filter(|_| reply.as_bytes().get(3).is_none_or(|byte| !byte.is_ascii_alphanumeric()));
    if code.is_some_and(|code| code.starts_with('2')) {
        return None;
    }
    // A general code says less than the texts of this server.
    let basic =
        || code.and_then(|code| BASIC.iter().find(|(known, _)| *known == code)).map(|(_, text)| *text);
    let enhanced = enhanced(reply).and_then(|(class, detail)| by_enhanced(class, detail));
    enhanced.or_else(|| if lower.contains("smtputf8") { ours() } else { None }).or_else(basic).or_else(ours)
}

/// As [`hint`], for a mail that is not tried again.
#[must_use]
pub fn final_hint(reply: &str) -> Option<String> {
    hint(reply).map(|text| text.replace("is tried again by itself.", "was tried until its time was over."))
}

/// The first enhanced code of a reply: its class, `4` or `5`, and its other two numbers.
fn enhanced(reply: &str) -> Option<(char, &str)> {
    let words = reply.split(|c: char| !c.is_ascii_digit() && c != '.').map(|word| word.trim_matches('.'));
    words.filter(|word| word.len() <= 9).find_map(|word| {
        let (class, detail) = word.split_once('.')?;
        let class = class.parse().ok().filter(|class| matches!(class, '4' | '5'))?;
        let (subject, number) = detail.split_once('.')?;
        let is_number =
            |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        (subject.len() == 1 && is_number(subject) && is_number(number)).then_some((class, detail))
    })
}

fn by_enhanced(class: char, detail: &str) -> Option<&'static str> {
    if let Some((_, text)) = EITHER.iter().find(|(known, _)| known.contains(&detail)) {
        return Some(text);
    }
    let exact = ENHANCED.iter().find(|(known, ..)| *known == detail);
    let (_, permanent, temporary) =
        exact.or_else(|| SUBJECTS.iter().find(|(subject, ..)| detail.starts_with(subject)))?;
    Some(if class == '5' { permanent } else { temporary })
}

#[cfg(test)]
mod tests;
