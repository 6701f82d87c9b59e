use super::*;

fn says(reply: &str, part: &str) {
    let hint = hint(reply).unwrap_or_else(|| panic!("no hint for {reply}"));
    assert!(hint.contains(part), "{reply}: {hint}");
}

#[test]
fn enhanced_code_decides_before_the_basic_code() {
    for (reply, part) in [
        ("550 5.1.1 <ada@example.com>: user unknown", "no such mailbox"),
        ("550 5.1.2 no such domain", "after the @"),
        ("552 5.2.2 over quota", "mailbox is full"),
        ("452 4.2.2 over quota", "tried again"),
        ("550 5.7.1 Relay access denied", "does not relay"),
        ("550 5.7.26 This mail is unauthenticated", "DMARC"),
        ("550 5.7.509 Access denied", "DMARC"),
        ("550 5.7.515 Access denied", "DMARC"),
        ("451 4.7.1 ada is greylisted", "greylisting"),
        ("451 4.7.650 throttled", "limits their rate"),
        ("451 4.4.1 no answer", "does not answer"),
        ("552 5.3.4 message too big", "too large"),
        ("550 5.4.316 expired", "Check the address"),
        ("5.1.1 smtp; 550 5.1.1 no such user", "no such mailbox"),
        ("smtp; 550-5.1.1 no such user", "no such mailbox"),
        ("535 5.7.8 no", "login"),
    ] {
        says(reply, part);
    }
}

#[test]
fn reply_without_enhanced_code_is_read_by_its_basic_code() {
    for (reply, part) in [
        ("550 no", "no such mailbox"),
        ("550", "no such mailbox"),
        ("550 see 192.5.1.1", "no such mailbox"),
        ("550 host 5.1.1.9 is unknown", "no such mailbox"),
        ("421 busy", "busy"),
        ("554 spam", "spam"),
        ("553 the mail server takes no address that is not ASCII (SMTPUTF8)", "SMTPUTF8"),
    ] {
        says(reply, part);
    }
}

#[test]
fn texts_of_this_server_have_hints() {
    for (reply, part) in [
        ("the invite was revoked", "revoked"),
        ("not sent: the recipient has opted out of referrals", "no referral mails"),
        ("the app's template cannot be read now", "database"),
        ("a sealed value does not open with this USERDOCKS_SECRET_KEY", "USERDOCKS_SECRET_KEY"),
        ("the mail could not be written: a fault of the server", "bug"),
        ("the mail cannot be written: the layout of the mail is wrong", "template"),
        ("the app's sender is not `Name <address>`", "sender"),
        ("the app's reply address is not `Name <address>`", "Reply-To"),
        ("no connection to mail.example: Connection refused (os error 111)", "does not accept connections"),
        ("no connection to mail.example: invalid peer certificate: UnknownIssuer", "certificate"),
        ("no connection to mail.example: failed to lookup address information", "name of our mail server"),
        ("no final reply of mail.example within 30s", "in time"),
        ("the server does not offer STARTTLS", "encryption"),
        ("the server offers no AUTH PLAIN or LOGIN; it offers: none", "log in"),
        ("the access token in /run/token cannot be had: not found", "access token"),
        ("not a valid SMTP reply: HTTP/1.1 400", "not a mail server"),
        ("mailbox folder: no space", "folder"),
    ] {
        says(reply, part);
    }
}

#[test]
fn accepted_and_unknown_replies_have_no_hint() {
    for reply in ["", "250 2.0.0 queued", "250 written to mailbox", "999 x", "hello", "é", "5", "5.", "5.1"]
    {
        assert_eq!(hint(reply), None, "{reply}");
    }
}

#[test]
fn final_hint_promises_no_further_attempt() {
    for reply in ["451 4.7.1 later", "452 4.2.2 full", "421 busy", "timed out"] {
        let hint = final_hint(reply).unwrap();
        assert!(hint.ends_with("was tried until its time was over."), "{hint}");
    }
    assert_eq!(final_hint("550 5.1.1 no").as_deref(), hint("550 5.1.1 no"));
}
