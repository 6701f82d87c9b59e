use tokio::io::DuplexStream;
use tokio::task::JoinHandle;

use super::*;

/// A mock server that sends a greeting, then expects each command in order and sends its reply.
fn server(greeting: &str, script: &[(&str, &str)]) -> (Box<dyn Stream>, JoinHandle<()>) {
    let (client, server): (DuplexStream, DuplexStream) = tokio::io::duplex(64 * 1024);
    let greeting = greeting.to_owned();
    let script: Vec<_> = script.iter().map(|(line, reply)| (line.to_string(), reply.to_string())).collect();
    let task = tokio::spawn(async move {
        let mut stream = BufReader::new(server);
        stream.get_mut().write_all(greeting.as_bytes()).await.unwrap();
        for (expected, reply) in script {
            let mut received = String::new();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                received.push_str(&line);
                if received.len() >= expected.len() || line.is_empty() {
                    break;
                }
            }
            assert_eq!(received, expected);
            stream.get_mut().write_all(reply.as_bytes()).await.unwrap();
        }
    });
    (Box::new(client), task)
}

fn envelope(to: &str) -> Envelope {
    let address = |text: &str| {
        let (user, domain) = text.split_once('@').unwrap();
        Address::new(user, domain).unwrap()
    };
    Envelope::new(Some(address("a@id.example")), vec![address(to)]).unwrap()
}

fn password() -> Login {
    Login::Password { user: "ada".to_owned(), password: "pw".to_owned() }
}

#[tokio::test]
async fn reply_without_text_is_accepted() {
    let script = [
        ("EHLO me\r\n", "250\r\n"),
        ("MAIL FROM:<a@id.example>\r\n", "250\r\n"),
        ("RCPT TO:<b@x.example>\r\n", "250 \r\n"),
        ("DATA\r\n", "354\n"),
        ("hello\r\n.\r\n", "250\r\n"),
    ];
    let (stream, task) = server("220\r\n", &script);
    let mut conversation = Conversation::greet(stream, "me").await.unwrap();
    let reply = conversation.send(&envelope("b@x.example"), b"hello\r\n").await.unwrap();
    assert_eq!((reply.code, reply.text().trim()), (250, "250"));
    task.await.unwrap();
}

#[tokio::test]
async fn refused_ehlo_falls_back_to_helo() {
    for refusal in ["500 what\r\n", "502 5.5.1 what\r\n", "504\r\n", "550 no\r\n"] {
        let (stream, task) = server("220 mx\r\n", &[("EHLO me\r\n", refusal), ("HELO me\r\n", "250 mx\r\n")]);
        let conversation = Conversation::greet(stream, "me").await.unwrap();
        assert!(!conversation.can_starttls());
        task.await.unwrap();
    }
    let (stream, _task) = server("220 mx\r\n", &[("EHLO me\r\n", "421 later\r\n")]);
    let failure = Conversation::greet(stream, "me").await.err().unwrap();
    assert_eq!(failure.to_string(), "421 later");
}

#[tokio::test]
async fn ehlo_keywords_are_case_insensitive() {
    let features = "250-mx\r\n250-starttls\r\n250-Auth Login plain\r\n250 SmtpUtf8\r\n";
    let script = [
        ("EHLO me\r\n", features),
        ("AUTH PLAIN AGFkYQBwdw==\r\n", "235\r\n"),
        ("MAIL FROM:<a@id.example> SMTPUTF8\r\n", "250 ok\r\n"),
        ("RCPT TO:<m\u{fc}ller@x.example>\r\n", "550 5.1.1 no\r\n"),
    ];
    let (stream, task) = server("220 mx\r\n", &script);
    let mut conversation = Conversation::greet(stream, "me").await.unwrap();
    assert!(conversation.can_starttls());
    conversation.login(&password()).await.unwrap();
    let failure = conversation.send(&envelope("m\u{fc}ller@x.example"), b"").await.unwrap_err();
    assert_eq!(failure.to_string(), "550 5.1.1 no");
    task.await.unwrap();
}

#[tokio::test]
async fn auth_login_accepts_any_challenge_text() {
    for (offer, first, second) in [
        ("250 AUTH LOGIN\r\n", "334 TG9naW46\r\n", "334 S2VubndvcnQ6\r\n"),
        ("250 auth=login\r\n", "334 \r\n", "334\r\n"),
        ("250 AUTH LOGIN\r\n", "334 not base64!\r\n", "334 VXNlcg==\r\n"),
    ] {
        let offer = format!("250-mx\r\n{offer}");
        let script = [
            ("EHLO me\r\n", &*offer),
            ("AUTH LOGIN\r\n", first),
            ("YWRh\r\n", second),
            ("cHc=\r\n", "235 2.7.0 ok\r\n"),
        ];
        let (stream, task) = server("220 mx\r\n", &script);
        let mut conversation = Conversation::greet(stream, "me").await.unwrap();
        conversation.login(&password()).await.unwrap();
        task.await.unwrap();
    }
}

#[tokio::test]
async fn xoauth2_sends_the_token_and_an_empty_line_after_refusal() {
    let login = Login::Token { user: "ada@x.example".to_owned(), token: "t0k".to_owned() };
    let auth = "AUTH XOAUTH2 dXNlcj1hZGFAeC5leGFtcGxlAWF1dGg9QmVhcmVyIHQwawEB\r\n";
    let (stream, task) =
        server("220 mx\r\n", &[("EHLO me\r\n", "250-mx\r\n250 AUTH XOAUTH2\r\n"), (auth, "235 ok\r\n")]);
    let mut conversation = Conversation::greet(stream, "me").await.unwrap();
    conversation.login(&login).await.unwrap();
    task.await.unwrap();

    let script = [
        ("EHLO me\r\n", "250-mx\r\n250 AUTH XOAUTH2\r\n"),
        (auth, "334 eyJzdGF0dXMiOiI0MDEifQ==\r\n"),
        ("\r\n", "535 5.7.8 no\r\n"),
    ];
    let (stream, task) = server("220 mx\r\n", &script);
    let mut conversation = Conversation::greet(stream, "me").await.unwrap();
    assert_eq!(conversation.login(&login).await.unwrap_err().to_string(), "535 5.7.8 no");
    task.await.unwrap();
}

#[tokio::test]
async fn missing_auth_mechanism_lists_the_offered_ones() {
    for (offer, error) in [
        (
            "250-mx\r\n250 AUTH GSSAPI NTLM\r\n",
            "the server offers no AUTH PLAIN or LOGIN; it offers: GSSAPI NTLM",
        ),
        ("250 mx\r\n", "the server offers no AUTH PLAIN or LOGIN; it offers: none"),
    ] {
        let (stream, _task) = server("220 mx\r\n", &[("EHLO me\r\n", offer)]);
        let mut conversation = Conversation::greet(stream, "me").await.unwrap();
        assert_eq!(conversation.login(&password()).await.unwrap_err().to_string(), error);
    }
}

#[tokio::test]
async fn plaintext_injected_after_starttls_is_refused() {
    let ready = "220 go\r\n250-mx\r\n250 AUTH PLAIN\r\n";
    let (stream, _task) =
        server("220 mx\r\n", &[("EHLO me\r\n", "250-mx\r\n250 STARTTLS\r\n"), ("STARTTLS\r\n", ready)]);
    let conversation = Conversation::greet(stream, "me").await.unwrap();
    let failure = conversation.starttls("me", async |stream| Ok(stream)).await.err().unwrap();
    assert_eq!(failure.to_string(), "the server went on in clear after STARTTLS");
}

#[tokio::test]
async fn malformed_smtp_reply_is_an_error() {
    let long = format!("220-{}\r\n", "x".repeat(5000));
    let many = "220-x\r\n".repeat(200);
    for (greeting, error) in [
        ("SSH-2.0-OpenSSH\r\n", "not a valid SMTP reply: SSH-2.0-OpenSSH"),
        ("22\r\n", "not a valid SMTP reply: 22"),
        ("2200 x\r\n", "not a valid SMTP reply: 2200 x"),
        ("999 x\r\n", "not a valid SMTP reply: 999 x"),
        (&many, "a reply has more than 100 lines"),
        (&long, "not a valid SMTP reply: xxxx"),
    ] {
        let (stream, _task) = server(greeting, &[]);
        let failure = Conversation::greet(stream, "me").await.err().unwrap();
        assert!(failure.to_string().starts_with(error), "{failure}");
    }
}

#[test]
fn leading_dots_are_doubled() {
    for (message, sent) in [
        (&b"a\r\n"[..], &b"a\r\n.\r\n"[..]),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n..a\r\nb.\r\n", b"..\r\n...a\r\nb.\r\n.\r\n"),
        (b"", b".\r\n"),
    ] {
        assert_eq!(dot_stuffed(message), sent);
    }
}
