//! Delivery of mails: SMTP replies and their outcomes.

use std::process::Command;
use std::time::Duration;

use mail_parser::MessageParser;
use userdocks::domain::mail::kind::MailKind;
use userdocks::http_client::Authorities;
use userdocks::mail::transport::{Refusal, TokenSource, Transport};

use crate::smtp::{Act, Encryption, Seen, Smtp, Stage};
use crate::{ID, invitation, mail};

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(300);

fn transport(url: &str, timeout: Duration) -> Transport {
    Transport::smtp(url, None, timeout, 2, &Authorities::default()).unwrap()
}

async fn send(transport: &Transport) -> Result<String, Refusal> {
    let message = mail(&invitation(MailKind::Invite, "en"));
    tokio::time::timeout(LONG * 2, transport.send(&message, ID)).await.unwrap()
}

fn temporary(text: &str) -> Result<String, Refusal> {
    Err(Refusal::Temporary(text.to_owned()))
}

fn no_session(text: &str) -> Result<String, Refusal> {
    Err(Refusal::NoSession(text.to_owned()))
}

#[track_caller]
fn assert_no_session(answer: &Result<String, Refusal>, part: &str) {
    assert!(matches!(answer, Err(Refusal::NoSession(text)) if text.contains(part)), "{answer:?}");
}

#[track_caller]
fn assert_temporary(answer: &Result<String, Refusal>, part: &str) {
    assert!(matches!(answer, Err(Refusal::Temporary(text)) if text.contains(part)), "{answer:?}");
}

#[tokio::test]
async fn mail_is_delivered_byte_for_byte() {
    let server = Smtp::start().await;
    let to = transport(&server.url(), LONG);
    let message = mail(&invitation(MailKind::Referral, "de"));
    assert_eq!(to.send(&message, ID).await.unwrap(), "250 2.0.0 Ok: queued");
    let mails = server.wait_for(1, LONG).await;
    assert_eq!(
        (mails[0].from.as_str(), mails[0].to.as_slice()),
        ("no-reply@id.example", &["ada@recipient.example".to_owned()][..])
    );
    assert_eq!(mails[0].raw.trim_ascii_end(), message.formatted().trim_ascii_end());
    let read = MessageParser::new().parse(&mails[0].raw).unwrap();
    assert_eq!(read.subject(), Some("Zoë O’Hara empfiehlt Ihnen Müller & Söhne"));
    assert_eq!(read.from().unwrap().first().unwrap().name(), Some("Müller & Söhne"));
    assert_eq!(read.message_id(), Some("0195c0de@id.example"));
    assert!(read.body_text(0).unwrap().contains("Zoë O’Hara nutzt Müller & Söhne"));
}

/// Builds the refusal that is expected for a reply.
type Make = fn(String) -> Refusal;

#[tokio::test]
async fn smtp_reply_is_classified_by_stage_and_code() {
    use Refusal::{NoSession, Permanent, Sender, Temporary};
    use Stage::{Auth, Data, Ehlo, Final, Greeting, Mail, Rcpt};
    let server = Smtp::with(Encryption::None, Some(("ada", "s3cret pass"))).await;
    let url = server.url().replace("://", "://ada:s3cret%20pass@");
    let replies: [(Stage, &str, Make); 17] = [
        (Greeting, "421 4.3.2 shutting down", NoSession),
        (Greeting, "554 no mail from you", NoSession),
        (Ehlo, "550 who are you", NoSession),
        (Auth, "454 4.7.0 later", NoSession),
        (Auth, "535 5.7.8 no", NoSession),
        (Auth, "550 5.0.0 no", NoSession),
        (Mail, "451 4.3.0 later", Temporary),
        (Mail, "530 5.7.0 login first", Sender),
        (Mail, "550 5.7.25 no reverse DNS", Sender),
        (Mail, "553 5.1.8 not your address", Sender),
        (Rcpt, "450 4.2.1 greylisted", Temporary),
        (Rcpt, "550 5.1.1 no such user", Permanent),
        (Data, "452 4.3.1 no room", Temporary),
        (Data, "554 5.5.1 no valid recipients", Permanent),
        (Final, "451 4.3.0 later", Temporary),
        (Final, "521 5.3.2 no mail here", Sender),
        (Final, "554 5.7.1 spam", Permanent),
    ];
    for (stage, reply, refusal) in replies {
        server.refuse(stage, reply);
        let answer = send(&transport(&url, LONG)).await;
        assert_eq!(answer, Err(refusal(reply.to_owned())), "{stage:?} {reply}");
    }
    assert_eq!(server.mails().len(), 0);
}

#[tokio::test]
async fn multiline_reply_is_joined_and_truncated() {
    let server = Smtp::start().await;
    server.refuse(Stage::Rcpt, "550-5.1.1 The account\r\n550-5.1.1 does not\r\n550 5.1.1 \u{1b}[31mexist.");
    let answer = send(&transport(&server.url(), LONG)).await;
    assert_eq!(answer, Err(Refusal::Permanent("550 5.1.1 The account does not [31mexist.".into())));
    server.refuse(Stage::Rcpt, &format!("550 {}", "x".repeat(700)));
    let answer = send(&transport(&server.url(), LONG)).await;
    assert_eq!(answer, Err(Refusal::Permanent(format!("550 {}", "x".repeat(496)))));
}

#[tokio::test]
async fn password_in_smtp_reply_is_masked() {
    let server = Smtp::with(Encryption::None, Some(("ada", "s3cret pass"))).await;
    server.refuse(Stage::Auth, "500 what is AUTH PLAIN AGFkYQBzM2NyZXQgcGFzcw== (s3cret pass)");
    let answer = send(&transport(&server.url().replace("://", "://ada:s3cret%20pass@"), LONG)).await;
    assert_eq!(answer, no_session("500 what is AUTH PLAIN *** (***)"));
}

#[tokio::test]
async fn connection_closed_mid_session_is_temporary() {
    let server = Smtp::start().await;
    for stage in [Stage::Greeting, Stage::Ehlo] {
        server.script(move |seen| (seen.stage == stage).then_some(Act::Close));
        assert_no_session(&send(&transport(&server.url(), LONG)).await, "");
    }
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Final] {
        server.script(move |seen| (seen.stage == stage).then_some(Act::Close));
        assert_temporary(&send(&transport(&server.url(), LONG)).await, "");
    }
    assert_eq!(server.mails().len(), 0);
    server.script(|seen| (seen.stage == Stage::Final).then_some(Act::TakeAndClose));
    assert_temporary(&send(&transport(&server.url(), LONG)).await, "");
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn silent_server_times_out_as_temporary() {
    let server = Smtp::start().await;
    for stage in [Stage::Greeting, Stage::Ehlo, Stage::Mail, Stage::Data, Stage::Final] {
        server.script(move |seen| (seen.stage == stage).then_some(Act::Hang));
        let answer = send(&transport(&server.url(), SHORT)).await;
        assert_eq!(answer, temporary("no final reply of localhost within 300ms"));
    }
}

#[tokio::test]
async fn timed_out_connection_is_not_reused() {
    let server = Smtp::start().await;
    let to = transport(&server.url(), Duration::from_secs(3));
    server.script(|seen| (seen.stage == Stage::Final && seen.connection == 1).then_some(Act::Hang));
    assert_temporary(&send(&to).await, "no final reply");
    assert_eq!(send(&to).await, Ok("250 2.0.0 Ok: queued".into()));
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn refused_connection_is_no_session() {
    let server = Smtp::start().await;
    let url = server.url();
    drop(server);
    assert_no_session(&send(&transport(&url, LONG)).await, "onnection");
}

#[tokio::test]
async fn connection_is_reused_even_after_a_refused_recipient() {
    let server = Smtp::start().await;
    let to = transport(&server.url(), LONG);
    for _ in 0..3 {
        send(&to).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
    server.refuse(Stage::Rcpt, "550 5.1.1 no such user");
    send(&to).await.unwrap_err();
    server.script(|_| None);
    send(&to).await.unwrap();
    assert_eq!((server.connections(), server.mails().len()), (1, 4));
}

#[tokio::test]
async fn closed_idle_connection_is_replaced() {
    let server = Smtp::start().await;
    let to = transport(&server.url(), LONG);
    send(&to).await.unwrap();
    server.close_connections().await;
    send(&to).await.unwrap();
    assert_eq!((server.connections(), server.mails().len()), (2, 2));
    server.script(|seen| {
        (seen.stage == Stage::Rset).then(|| Act::Reply("421 4.4.2 idle for too long".to_owned()))
    });
    send(&to).await.unwrap();
    assert_eq!((server.connections(), server.mails().len()), (3, 3));
}

/// Some servers accept only a limited number of mails per connection.
#[tokio::test]
async fn connection_mail_limit_opens_a_new_connection() {
    for stage in [Stage::Rset, Stage::Mail, Stage::Rcpt, Stage::Data] {
        for act in [Act::Reply("421 4.7.0 too many mails on this connection".to_owned()), Act::Close] {
            let server = Smtp::start().await;
            let to = transport(&server.url(), LONG);
            let mails = std::sync::Mutex::new(std::collections::HashMap::new());
            server.script(move |seen| {
                let mut mails = mails.lock().unwrap();
                let taken: &mut usize = mails.entry(seen.connection).or_default();
                if seen.stage == Stage::Final {
                    *taken += 1;
                }
                (seen.stage == stage && *taken >= 3).then(|| act.clone())
            });
            for _ in 0..7 {
                assert_eq!(send(&to).await, Ok("250 2.0.0 Ok: queued".to_owned()), "{stage:?}");
            }
            assert_eq!((server.connections(), server.mails().len()), (3, 7), "{stage:?}");
        }
    }
}

#[tokio::test]
async fn reply_421_on_new_connection_is_temporary() {
    let server = Smtp::start().await;
    server.refuse(Stage::Mail, "421 4.7.0 too much of you");
    assert_eq!(send(&transport(&server.url(), LONG)).await, temporary("421 4.7.0 too much of you"));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn xoauth2_token_is_read_from_file_or_command() {
    let server = Smtp::with(Encryption::None, Some(("ada", "s3cret"))).await;
    server.script(|seen| {
        (seen.stage == Stage::Ehlo).then(|| Act::Reply("250-mx\r\n250 AUTH XOAUTH2".to_owned()))
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "t0k\n").unwrap();
    let url = server.url().replace("://", "://ada@");
    let good = TokenSource::File(file.clone());
    for (source, said) in [
        // The server does not support XOAUTH2: the test only checks that the client tries it.
        (good, "504 5.5.4 Unrecognized authentication type"),
        (TokenSource::Command("printf t0k".to_owned()), "504 5.5.4 Unrecognized authentication type"),
        (
            TokenSource::Command("exit 3".to_owned()),
            "the access token of mail.token_command cannot be had: the command ended with exit status: 3",
        ),
        (
            TokenSource::Command("printf 'a b'".to_owned()),
            "the access token of mail.token_command must be one line of visible ASCII characters",
        ),
        (TokenSource::File(folder.path().join("none")), "cannot be had: No such file"),
    ] {
        let to = Transport::smtp(&url, Some(source), LONG, 1, &Authorities::default()).unwrap();
        assert_no_session(&send(&to).await, said);
    }
    let said = "AUTH XOAUTH2 dXNlcj1hZGEBYXV0aD1CZWFyZXIgdDBrAQE=";
    assert_eq!(server.commands().iter().filter(|line| *line == said).count(), 2);
}

#[tokio::test]
async fn hanging_idle_connection_is_replaced() {
    let server = Smtp::start().await;
    let to = transport(&server.url(), Duration::from_secs(4));
    send(&to).await.unwrap();
    server.script(|seen| (seen.stage == Stage::Rset).then_some(Act::Hang));
    send(&to).await.unwrap();
    assert_eq!((server.connections(), server.mails().len()), (2, 2));
}

#[tokio::test]
async fn concurrent_sends_respect_the_connection_limit() {
    let server = Smtp::start().await;
    let to = transport(&server.url(), LONG);
    let message = mail(&invitation(MailKind::Invite, "en"));
    let all = futures_util::future::join_all((0..20).map(|_| to.send(&message, ID))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!((server.connections(), server.mails().len()), (2, 20));
}

#[tokio::test]
async fn wrong_login_is_no_session_and_missing_login_is_refused() {
    let server = Smtp::with(Encryption::None, Some(("ada@x", "p:w/ü%"))).await;
    let right = server.url().replace("://", "://ada%40x:p%3Aw%2F%C3%BC%25@");
    assert_eq!(send(&transport(&right, LONG)).await, Ok("250 2.0.0 Ok: queued".into()));
    let wrong = server.url().replace("://", "://ada%40x:wrong@");
    let refused = no_session("535 5.7.8 Authentication credentials invalid");
    assert_eq!(send(&transport(&wrong, LONG)).await, refused);
    let none = send(&transport(&server.url(), LONG)).await;
    assert_eq!(none, Err(Refusal::Sender("530 5.7.0 Authentication required".to_owned())));
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn required_tls_sends_nothing_in_plaintext() {
    let plain = Smtp::start().await;
    let url = format!("{}?tls=required", plain.url().replace("://", "://ada:s3cret@"));
    assert_no_session(&send(&transport(&url, LONG)).await, "STARTTLS");
    let refusing = Smtp::with(Encryption::StartTls, None).await;
    refusing.refuse(Stage::StartTls, "454 4.7.0 TLS not available");
    let url = format!("{}?tls=required", refusing.url());
    assert_eq!(send(&transport(&url, LONG)).await, no_session("454 4.7.0 TLS not available"));
    for server in [plain, refusing] {
        let said = server.commands();
        assert!(
            said.iter().all(|line| ["EHLO", "STARTTLS", "QUIT"].iter().any(|verb| line.starts_with(verb))),
            "{said:?}"
        );
    }
}

#[tokio::test]
async fn untrusted_certificate_is_refused() {
    for (encryption, mode) in [
        (Encryption::StartTls, "?tls=required"),
        (Encryption::StartTls, "?tls=opportunistic"),
        (Encryption::Implicit, ""),
    ] {
        let server = Smtp::with(encryption, None).await;
        let url = format!("{}{mode}", server.url());
        assert_no_session(&send(&transport(&url, LONG)).await, "invalid peer certificate");
        assert_eq!(server.mails().len(), 0);
        assert!(!server.commands().iter().any(|line| line.starts_with("MAIL")));
    }
}

#[tokio::test]
async fn opportunistic_tls_falls_back_to_plaintext() {
    let server = Smtp::start().await;
    send(&transport(&format!("{}?tls=opportunistic", server.url()), LONG)).await.unwrap();
    assert_eq!(server.mails().len(), 1);
}

/// The trusted CAs come from the machine. Another process with other CAs must send: this test runs itself again and
/// passes the URL in an environment variable.
#[tokio::test]
async fn certificate_of_a_system_ca_is_accepted() {
    const SEND_TO: &str = "USERDOCKS_TEST_SEND_TO";
    if let Ok(url) = std::env::var(SEND_TO) {
        send(&transport(&url, LONG)).await.unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.pem");
    for (encryption, mode) in [(Encryption::StartTls, "?tls=required"), (Encryption::Implicit, "")] {
        let server = Smtp::with(encryption, Some(("ada", "s3cret"))).await;
        std::fs::write(&authority, server.authority()).unwrap();
        let url = format!("{}{mode}", server.url().replace("://", "://ada:s3cret@"));
        let authority = authority.clone();
        let sent = tokio::task::spawn_blocking(move || {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "delivery::certificate_of_a_system_ca_is_accepted"])
                .env("SSL_CERT_FILE", authority)
                .env(SEND_TO, url)
                .output()
                .unwrap()
        });
        let sent = sent.await.unwrap();
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stdout));
        let mails = server.wait_for(1, LONG).await;
        assert!(mails[0].encrypted);
    }
}

#[tokio::test]
async fn greylisted_mail_is_accepted_on_third_attempt() {
    let server = Smtp::start().await;
    server.script(|seen: &Seen| {
        (seen.stage == Stage::Rcpt && seen.attempt < 3 && seen.recipient == "ada@recipient.example")
            .then(|| Act::Reply("450 4.2.1 greylisted".to_owned()))
    });
    let to = transport(&server.url(), LONG);
    let answers = [send(&to).await, send(&to).await, send(&to).await];
    let grey = temporary("450 4.2.1 greylisted");
    assert_eq!(answers, [grey.clone(), grey, Ok("250 2.0.0 Ok: queued".into())]);
}

#[tokio::test]
async fn folder_transport_writes_each_mail_once() {
    let folder = tempfile::tempdir().unwrap();
    let to = Transport::Folder(folder.path().join("mail"));
    let message = mail(&invitation(MailKind::Invite, "en"));
    for _ in 0..2 {
        assert_eq!(to.send(&message, ID).await, Ok("250 written to mailbox".into()));
    }
    let files: Vec<_> =
        std::fs::read_dir(folder.path().join("mail")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, [folder.path().join("mail/0195c0de@id.example.eml")]);
    assert_eq!(std::fs::read(&files[0]).unwrap(), message.formatted());
}

#[tokio::test]
async fn unwritable_folder_is_temporary() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let to = Transport::Folder(file.path().join("mail"));
    assert_temporary(&send(&to).await, "mailbox folder: ");
}
