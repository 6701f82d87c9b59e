//! Removes addresses and codes from a mail server's reply before it is logged or stored.

/// The part of a reply that may be logged, since erasing a user does not reach the logs. Of a mail server's reply,
/// only the code and the enhanced code, because the text may name the recipient. Of our own messages, everything
/// except addresses. The full text is stored in the mail's row.
pub(super) fn loggable(reply: &str) -> String {
    let is_code = |word: &&str| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_enhanced = |word: &&str| {
        word.split('.').count() == 3 && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let mut words = reply.split(' ');
    let Some(code) = words.next().filter(is_code) else {
        let shown = reply.split(' ').map(|word| if word.contains('@') { "…" } else { word });
        return shown.collect::<Vec<_>>().join(" ");
    };
    words.next().filter(is_enhanced).map_or_else(|| code.to_owned(), |enhanced| format!("{code} {enhanced}"))
}

/// Replaces quotes of the code in a reply with `***`, also parts of it: servers cut long replies and wrap long lines.
pub(super) fn masked(reply: &str, code: &str) -> String {
    /// Minimum bytes of a match. Shorter matches may be coincidence and reveal nothing.
    const PART: usize = 8;
    let (code, mut quoted) = (code.as_bytes(), vec![false; reply.len()]);
    for (at, window) in reply.as_bytes().windows(PART).enumerate() {
        if code.windows(PART).any(|part| part == window) {
            quoted[at..at + PART].fill(true);
        }
    }
    let mut text = String::with_capacity(reply.len());
    for (at, character) in reply.char_indices() {
        match (quoted[at], at > 0 && quoted[at - 1]) {
            (false, _) => text.push(character),
            (true, false) => text.push_str("***"),
            (true, true) => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loggable_reply_omits_the_recipient() {
        for (reply, logged) in [
            ("550 5.1.1 <ada@example.com>: user unknown", "550 5.1.1"),
            ("550 ada@example.com is unknown", "550"),
            ("451 4.7.1 ada is greylisted", "451 4.7.1"),
            ("250", "250"),
            ("no connection to mail.example: refused", "no connection to mail.example: refused"),
            ("the mail to ada@example.com cannot be written", "the mail to … cannot be written"),
        ] {
            assert_eq!(loggable(reply), logged);
        }
    }

    #[test]
    fn invite_code_in_a_reply_is_masked() {
        let code = "AZqvq2sPcAGc1_x-0123456789abcdefghijklmnopqrstuvwxyzAB";
        for (reply, kept) in [
            (format!("550 no {code}?x ä {code}"), "550 no ***?x ä ***"),
            (format!("550 {}", &code[..53]), "550 ***"),
            (format!("550 {} {}", &code[..20], &code[20..]), "550 *** ***"),
            ("550 5.1.1 nobody".to_owned(), "550 5.1.1 nobody"),
            ("€".repeat(9), "€€€€€€€€€"),
            (String::new(), ""),
        ] {
            assert_eq!(masked(&reply, code), kept);
        }
    }
}
