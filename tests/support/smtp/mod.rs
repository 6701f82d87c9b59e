//! A real SMTP server for tests, on a loopback port: it keeps each mail it takes, and misbehaves at any
//! point of a conversation as its script says. It closes everything when dropped.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test server that cannot go on fails its test")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

mod conversation;

/// A point of a conversation at which the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The connection is open.
    Greeting,
    /// `EHLO` or `HELO`.
    Ehlo,
    /// `STARTTLS`.
    StartTls,
    /// The end of `AUTH`.
    Auth,
    /// `MAIL`.
    Mail,
    /// `RCPT`.
    Rcpt,
    /// `DATA`.
    Data,
    /// The dot after the mail.
    Final,
    /// `RSET`.
    Rset,
}

/// What the server does instead of what it should.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answers this, without the line end; a code of 4 or 5 refuses.
    Reply(String),
    /// Closes the connection without an answer.
    Close,
    /// Takes the mail, then closes the connection without an answer.
    TakeAndClose,
    /// Takes the mail, and answers these bytes, without the line end.
    TakeAndReply(Vec<u8>),
    /// Says nothing more, and keeps the connection open.
    Hang,
    /// Goes on as usual once it is notified; not at [`Stage::Final`].
    Hold(Arc<Notify>),
    /// Goes on as usual, this late.
    Late(Duration),
}

/// Where a conversation stands when the script is asked.
#[derive(Clone, Debug)]
pub struct Seen {
    /// What the server is about to answer.
    pub stage: Stage,
    /// Which connection this is, from 1.
    pub connection: usize,
    /// The last recipient of the mail under way, else empty.
    pub recipient: String,
    /// How often this recipient was seen at this stage, from 1.
    pub attempt: usize,
    /// The mail, at the end of it, else empty.
    pub raw: Vec<u8>,
}

/// Whether the server speaks TLS, by a certificate for `localhost` of an authority of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    /// It does not.
    #[default]
    None,
    /// It offers STARTTLS.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The sender of the envelope.
    pub from: String,
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The mail as it came, dots unstuffed.
    pub raw: Vec<u8>,
    /// The connection it came by, from 1.
    pub connection: usize,
    /// Whether that was encrypted.
    pub encrypted: bool,
}

impl Mail {
    /// The subject, decoded.
    pub fn subject(&self) -> String {
        self.parsed(|mail| mail.subject().unwrap().to_owned())
    }

    /// The plain part, decoded.
    pub fn text(&self) -> String {
        self.parsed(|mail| mail.body_text(0).unwrap().into_owned())
    }

    /// The HTML part, decoded.
    pub fn html(&self) -> String {
        self.parsed(|mail| mail.body_html(0).unwrap().into_owned())
    }

    /// The `Message-ID`, without its brackets.
    pub fn message_id(&self) -> String {
        self.parsed(|mail| mail.message_id().unwrap().to_owned())
    }

    fn parsed<T>(&self, read: impl FnOnce(&mail_parser::Message) -> T) -> T {
        read(&mail_parser::MessageParser::new().parse(&self.raw).unwrap())
    }
}

type Script = Box<dyn Fn(&Seen) -> Option<Act> + Send>;

struct State {
    script: Mutex<Script>,
    login: Option<(String, String)>,
    encryption: Encryption,
    tls: TlsAcceptor,
    seen: Mutex<HashMap<(Stage, String), usize>>,
    commands: Mutex<Vec<String>>,
    mails: watch::Sender<Vec<Mail>>,
    unacknowledged: Mutex<Vec<String>>,
    connections: watch::Sender<usize>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// The server. See the module.
pub struct Smtp {
    address: SocketAddr,
    authority: String,
    state: Arc<State>,
}

impl Smtp {
    /// A plain server that takes every mail.
    pub async fn start() -> Self {
        Self::with(Encryption::None, None).await
    }

    /// A server with encryption, and with a login if there is one, which it then insists on.
    pub async fn with(encryption: Encryption, login: Option<(&str, &str)>) -> Self {
        let issuer = CertifiedIssuer::self_signed(
            {
                let mut params = CertificateParams::default();
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
                params
            },
            KeyPair::generate().unwrap(),
        )
        .unwrap();
        let key = KeyPair::generate().unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            script: Mutex::new(Box::new(|_| None)),
            login: login.map(|(user, password)| (user.to_owned(), password.to_owned())),
            encryption,
            tls: TlsAcceptor::from(Arc::new(config)),
            seen: Mutex::default(),
            commands: Mutex::default(),
            mails: watch::Sender::default(),
            unacknowledged: Mutex::default(),
            connections: watch::Sender::default(),
            tasks: Mutex::default(),
        });
        let accepting = Arc::clone(&state);
        let accept = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepting.connections.send_modify(|count| *count += 1);
                let number = *accepting.connections.borrow();
                let conversation = Arc::clone(&accepting).serve(stream, number);
                accepting.tasks.lock().unwrap().push(tokio::spawn(async move {
                    // A conversation that breaks off is one of the things under test.
                    let _ = conversation.await;
                }));
            }
        });
        state.tasks.lock().unwrap().push(accept);
        Self { address, authority: issuer.pem(), state }
    }

    /// The URL for the settings, without login and without `?tls=`.
    pub fn url(&self) -> String {
        let scheme = if self.state.encryption == Encryption::Implicit { "smtps" } else { "smtp" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate authority to trust, PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// From now on asks `script` at each stage; `None` is the usual answer.
    pub fn script(&self, script: impl Fn(&Seen) -> Option<Act> + Send + 'static) {
        *self.state.script.lock().unwrap() = Box::new(script);
    }

    /// From now on answers `reply` at `stage`.
    pub fn refuse(&self, stage: Stage, reply: &str) {
        let reply = reply.to_owned();
        self.script(move |seen| (seen.stage == stage).then(|| Act::Reply(reply.clone())));
    }

    /// The mails taken so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.state.mails.borrow().clone()
    }

    /// How many mails came to this address so far.
    pub fn copies(&self, to: &str) -> usize {
        self.state.mails.borrow().iter().filter(|mail| mail.to[0] == to).count()
    }

    /// The mails, once there are `count` at least; fails the test if that takes longer than `deadline`.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Vec<Mail> {
        let mut mails = self.state.mails.subscribe();
        let enough = mails.wait_for(|mails| mails.len() >= count);
        let Ok(mails) = tokio::time::timeout(deadline, enough).await else {
            panic!("{} of {count} mails within {deadline:?}", self.mails().len())
        };
        mails.unwrap().clone()
    }

    /// To whom mails were taken whose acknowledgement did not leave, once for each.
    pub fn unacknowledged(&self) -> Vec<String> {
        self.state.unacknowledged.lock().unwrap().clone()
    }

    /// How many connections were opened so far.
    pub fn connections(&self) -> usize {
        *self.state.connections.borrow()
    }

    /// The command lines so far; those in clear and those encrypted.
    pub fn commands(&self) -> Vec<String> {
        self.state.commands.lock().unwrap().clone()
    }

    /// Closes every open connection; new ones are taken.
    pub async fn close_connections(&self) {
        let open: Vec<_> = self.state.tasks.lock().unwrap().drain(1..).collect();
        for task in open {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        for task in self.state.tasks.lock().unwrap().iter() {
            task.abort();
        }
    }
}
