//! A real SMTP server for tests, on a loopback port. It keeps each mail it accepts, and can misbehave at any stage of a
//! conversation, by a script. All connections are closed when it is dropped.
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

/// A stage of a conversation at which the server replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The greeting of a new connection.
    Greeting,
    /// `EHLO` or `HELO`.
    Ehlo,
    StartTls,
    /// The end of `AUTH`.
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The dot after the mail.
    Final,
    Rset,
}

/// What the server does instead of the usual reply.
#[derive(Clone, Debug)]
pub enum Act {
    /// Replies with this text, without the line end; a code of 4xx or 5xx refuses.
    Reply(String),
    /// Closes the connection without a reply.
    Close,
    /// Accepts the mail, then closes the connection without a reply.
    TakeAndClose,
    /// Accepts the mail, and replies with these bytes, without the line end.
    TakeAndReply(Vec<u8>),
    /// Sends nothing more, and keeps the connection open.
    Hang,
    /// Continues as usual after it is notified; not at [`Stage::Final`].
    Hold(Arc<Notify>),
    /// Continues as usual after this delay.
    Late(Duration),
}

/// The state of a conversation when the script is called.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The stage of the next reply.
    pub stage: Stage,
    /// The number of the connection, from 1.
    pub connection: usize,
    /// The last recipient of the current mail, else empty.
    pub recipient: String,
    /// How often this recipient was seen at this stage, from 1.
    pub attempt: usize,
    /// The mail, at the end of it, else empty.
    pub raw: Vec<u8>,
}

/// Whether the server uses TLS, with a certificate for `localhost` from a CA of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encryption {
    #[default]
    None,
    /// It offers STARTTLS.
    StartTls,
    /// TLS from the first byte.
    Implicit,
}

/// An accepted mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The envelope sender.
    pub from: String,
    /// The envelope recipients.
    pub to: Vec<String>,
    /// The mail as received, with dots unstuffed.
    pub raw: Vec<u8>,
    /// The number of its connection, from 1.
    pub connection: usize,
    /// Whether the connection was encrypted.
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

pub struct Smtp {
    address: SocketAddr,
    authority: String,
    state: Arc<State>,
}

impl Smtp {
    /// A server without TLS that accepts every mail.
    pub async fn start() -> Self {
        Self::with(Encryption::None, None).await
    }

    /// A server with this encryption. With a login, it requires authentication.
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
                    // Tests break conversations on purpose.
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

    /// The CA certificate to trust, PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Calls `script` at each stage from now on; `None` is the usual reply.
    pub fn script(&self, script: impl Fn(&Seen) -> Option<Act> + Send + 'static) {
        *self.state.script.lock().unwrap() = Box::new(script);
    }

    /// Replies with `reply` at `stage` from now on.
    pub fn refuse(&self, stage: Stage, reply: &str) {
        let reply = reply.to_owned();
        self.script(move |seen| (seen.stage == stage).then(|| Act::Reply(reply.clone())));
    }

    /// The mails accepted so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.state.mails.borrow().clone()
    }

    /// The number of mails to this address so far.
    pub fn copies(&self, to: &str) -> usize {
        self.state.mails.borrow().iter().filter(|mail| mail.to[0] == to).count()
    }

    /// Waits for at least `count` mails and returns them; fails the test after `deadline`.
    pub async fn wait_for(&self, count: usize, deadline: Duration) -> Vec<Mail> {
        let mut mails = self.state.mails.subscribe();
        let enough = mails.wait_for(|mails| mails.len() >= count);
        let Ok(mails) = tokio::time::timeout(deadline, enough).await else {
            panic!("{} of {count} mails within {deadline:?}", self.mails().len())
        };
        mails.unwrap().clone()
    }

    /// The recipients of accepted mails whose reply could not be sent, once for each mail.
    pub fn unacknowledged(&self) -> Vec<String> {
        self.state.unacknowledged.lock().unwrap().clone()
    }

    /// The number of connections opened so far.
    pub fn connections(&self) -> usize {
        *self.state.connections.borrow()
    }

    /// The command lines so far; unencrypted and encrypted ones.
    pub fn commands(&self) -> Vec<String> {
        self.state.commands.lock().unwrap().clone()
    }

    /// Closes every open connection; new ones are accepted.
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
