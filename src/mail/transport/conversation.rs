//! An SMTP session (RFC 5321) over one connection. It replaces lettre's client, which rejects replies without text and
//! lower-case keywords, lacks HELO and accepts few challenges of AUTH LOGIN.

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lettre::Address;
use lettre::address::Envelope;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;

/// Maximum bytes of a line of a reply; RFC 5321, 4.5.3.1.5 allows 512.
const MAX_LINE: u64 = 4096;
/// Maximum lines of one reply.
const MAX_LINES: usize = 100;

/// A stream, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A server's reply to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The texts of the lines, without the code.
    pub(super) lines: Vec<String>,
}

impl Reply {
    /// Code and text on one line. An enhanced code that each line repeats is included once.
    pub(super) fn text(&self) -> String {
        let enhanced = self.lines.first().and_then(|line| line.split(' ').next()).unwrap_or_default();
        let repeats = enhanced.starts_with(['2', '4', '5']) && enhanced.contains('.');
        let mut text = self.code.to_string();
        for (at, line) in self.lines.iter().enumerate() {
            let line = if at > 0 && repeats { line.strip_prefix(enhanced).unwrap_or(line) } else { line };
            text = text + " " + line.trim();
        }
        text
    }
}

/// The commands whose replies are classified differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Everything before a mail: the greeting, EHLO, STARTTLS and AUTH.
    Session,
    Mail,
    Rcpt,
    Data,
    /// The mail itself, up to the final dot.
    Message,
}

/// Why a conversation failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{}", reply.text())]
    Refused { command: Command, reply: Reply },
    #[error("{error}")]
    Broken { command: Command, error: io::Error },
    /// The server does not support a required feature.
    #[error("{0}")]
    Missing(String),
}

impl Failure {
    /// Whether the server closed the connection before it accepted the mail.
    pub(super) fn ends_the_connection(&self) -> bool {
        match self {
            Self::Refused { reply, .. } => reply.code == 421,
            Self::Broken { command, .. } => *command != Command::Message,
            Self::Missing(_) => false,
        }
    }
}

/// Credentials of one login.
#[derive(Clone, Debug)]
pub(super) enum Login {
    Password {
        user: String,
        password: String,
    },
    /// XOAUTH2 with an access token.
    Token {
        user: String,
        token: String,
    },
}

/// The features that a server lists in its reply to EHLO.
#[derive(Debug, Default)]
struct Features {
    starttls: bool,
    smtputf8: bool,
    /// In upper case.
    auth: Vec<String>,
}

impl Features {
    /// Parses a reply to EHLO. Keywords are in any case (RFC 5321, 4.1.1.1). `AUTH=` is an old form of `AUTH`.
    fn read(reply: &Reply) -> Self {
        let mut features = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("STARTTLS") => features.starttls = true,
                Some("SMTPUTF8") => features.smtputf8 = true,
                Some("AUTH") => features.auth.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        features
    }
}

/// An open connection.
pub(super) struct Conversation {
    stream: BufReader<Box<dyn Stream>>,
    features: Features,
}

impl Conversation {
    /// Waits for the greeting, then sends EHLO, or HELO if EHLO is refused.
    pub(super) async fn greet(stream: Box<dyn Stream>, name: &str) -> Result<Self, Failure> {
        let mut conversation = Self { stream: BufReader::new(stream), features: Features::default() };
        conversation.reply(Command::Session).await?;
        conversation.hello(name).await?;
        Ok(conversation)
    }

    async fn hello(&mut self, name: &str) -> Result<(), Failure> {
        match self.command(Command::Session, &format!("EHLO {name}")).await {
            Ok(reply) => self.features = Features::read(&reply),
            Err(Failure::Refused { reply, .. }) if reply.code >= 500 => {
                self.features = Features::default();
                self.command(Command::Session, &format!("HELO {name}")).await?;
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    /// Whether the server offers TLS.
    pub(super) fn can_starttls(&self) -> bool {
        self.features.starttls
    }

    /// Sends STARTTLS; `encrypt` does the handshake. Features received in plaintext are discarded.
    pub(super) async fn starttls<F>(
        mut self,
        name: &str,
        encrypt: impl FnOnce(Box<dyn Stream>) -> F,
    ) -> Result<Self, Failure>
    where
        F: Future<Output = io::Result<Box<dyn Stream>>>,
    {
        self.command(Command::Session, "STARTTLS").await?;
        if !self.stream.buffer().is_empty() {
            return Err(Failure::Missing("the server went on in clear after STARTTLS".to_owned()));
        }
        let broken = |error| Failure::Broken { command: Command::Session, error };
        let stream = encrypt(self.stream.into_inner()).await.map_err(broken)?;
        let mut encrypted = Self { stream: BufReader::new(stream), features: Features::default() };
        encrypted.hello(name).await?;
        Ok(encrypted)
    }

    /// Logs in with the first mechanism that both sides support.
    pub(super) async fn login(&mut self, login: &Login) -> Result<(), Failure> {
        let known: &[&str] = match login {
            Login::Password { .. } => &["PLAIN", "LOGIN"],
            Login::Token { .. } => &["XOAUTH2"],
        };
        let offered = |mechanism: &&&str| self.features.auth.iter().any(|offered| offered == **mechanism);
        let Some(mechanism) = known.iter().find(offered) else {
            let offered = match self.features.auth.join(" ") {
                none if none.is_empty() => "none".to_owned(),
                some => some,
            };
            let known = known.join(" or ");
            return Err(Failure::Missing(format!("the server offers no AUTH {known}; it offers: {offered}")));
        };
        let secrets = match login {
            Login::Password { user, password } if *mechanism == "LOGIN" => {
                vec![user.clone(), password.clone()]
            }
            Login::Password { user, password } => vec![format!("\0{user}\0{password}")],
            Login::Token { user, token } => vec![format!("user={user}\x01auth=Bearer {token}\x01\x01")],
        };
        let mut secrets = secrets.iter().map(|secret| BASE64_STANDARD.encode(secret));
        let first = if *mechanism == "LOGIN" { None } else { secrets.next() };
        let mut line = first.map_or(format!("AUTH {mechanism}"), |first| format!("AUTH {mechanism} {first}"));
        loop {
            let reply = self.say(Command::Session, &line).await?;
            match reply.code {
                235 => return Ok(()),
                // The text of the challenge is ignored. An empty response ends a refused XOAUTH2.
                334 => line = secrets.next().unwrap_or_default(),
                _ => return Err(Failure::Refused { command: Command::Session, reply }),
            }
        }
    }

    /// Sends one mail.
    pub(super) async fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<Reply, Failure> {
        let text = |address: &Address| AsRef::<str>::as_ref(address).to_owned();
        let addresses: Vec<String> = envelope.from().into_iter().chain(envelope.to()).map(text).collect();
        let utf8 = match addresses.iter().all(|address| address.is_ascii()) {
            true => "",
            false if self.features.smtputf8 => " SMTPUTF8",
            false => {
                let missing = "the mail server takes no address that is not ASCII (SMTPUTF8)";
                let lines = vec![missing.to_owned()];
                return Err(Failure::Refused { command: Command::Rcpt, reply: Reply { code: 553, lines } });
            }
        };
        let from = envelope.from().map(text).unwrap_or_default();
        self.command(Command::Mail, &format!("MAIL FROM:<{from}>{utf8}")).await?;
        for to in envelope.to() {
            self.command(Command::Rcpt, &format!("RCPT TO:<{}>", text(to))).await?;
        }
        let reply = self.say(Command::Data, "DATA").await?;
        if reply.code != 354 {
            return Err(Failure::Refused { command: Command::Data, reply });
        }
        self.write(Command::Message, &dot_stuffed(message)).await?;
        self.reply(Command::Message).await
    }

    /// Whether the connection is ready for another mail.
    pub(super) async fn reset(&mut self, within: Duration) -> Result<bool, tokio::time::error::Elapsed> {
        timeout(within, self.command(Command::Session, "RSET")).await.map(|reply| reply.is_ok())
    }

    /// Sends a command. Returns its reply if that is 2xx, otherwise an error.
    async fn command(&mut self, command: Command, line: &str) -> Result<Reply, Failure> {
        let reply = self.say(command, line).await?;
        if reply.code / 100 == 2 { Ok(reply) } else { Err(Failure::Refused { command, reply }) }
    }

    async fn say(&mut self, command: Command, line: &str) -> Result<Reply, Failure> {
        self.write(command, format!("{line}\r\n").as_bytes()).await?;
        self.read(command).await
    }

    async fn write(&mut self, command: Command, bytes: &[u8]) -> Result<(), Failure> {
        let stream = self.stream.get_mut();
        let written = async { stream.write_all(bytes).await.and(stream.flush().await) };
        written.await.map_err(|error| Failure::Broken { command, error })
    }

    async fn reply(&mut self, command: Command) -> Result<Reply, Failure> {
        let reply = self.read(command).await?;
        if reply.code / 100 == 2 { Ok(reply) } else { Err(Failure::Refused { command, reply }) }
    }

    /// Reads a reply (RFC 5321, 4.2). Each line has a code, a hyphen except on the last line, and optional text in any
    /// charset.
    async fn read(&mut self, command: Command) -> Result<Reply, Failure> {
        let broken = |error| Failure::Broken { command, error };
        let mut lines = Vec::new();
        loop {
            let mut bytes = Vec::new();
            let mut limited = (&mut self.stream).take(MAX_LINE);
            limited.read_until(b'\n', &mut bytes).await.map_err(broken)?;
            if bytes.is_empty() {
                let closed = "the server closed the connection";
                return Err(broken(io::Error::new(io::ErrorKind::UnexpectedEof, closed)));
            }
            let line = String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned();
            let code = line.get(..3).and_then(|code| code.parse().ok());
            let code = code.filter(|code| (200..600).contains(code));
            let rest = line.get(3..).unwrap_or_default();
            let (Some(code), true) = (code, rest.is_empty() || rest.starts_with([' ', '-', '\t'])) else {
                return Err(broken(io::Error::other(format!("not a valid SMTP reply: {line}"))));
            };
            lines.push(rest.get(1..).unwrap_or_default().to_owned());
            if !rest.starts_with('-') {
                return Ok(Reply { code, lines });
            }
            if lines.len() >= MAX_LINES {
                return Err(broken(io::Error::other(format!("a reply has more than {MAX_LINES} lines"))));
            }
        }
    }
}

/// Encodes a mail for DATA: a line that begins with a dot gets another one, and a single dot ends the mail (RFC 5321,
/// 4.5.2).
fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len() + 64);
    let mut at_line_start = true;
    for byte in message {
        if at_line_start && *byte == b'.' {
            bytes.push(b'.');
        }
        bytes.push(*byte);
        at_line_start = *byte == b'\n';
    }
    bytes.extend_from_slice(if at_line_start { b".\r\n" } else { b"\r\n.\r\n" });
    bytes
}

#[cfg(test)]
mod tests;
