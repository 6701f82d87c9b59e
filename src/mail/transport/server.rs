//! One SMTP server and the connections to it.
//!
//! Connections are kept here and not in lettre's pool: there a send that is cut off by a time-out gives its
//! connection back in the middle of a conversation, and the next mail would read the answers meant for the
//! last one. Here a connection comes back only after the final reply; anything else closes it. And knowing
//! how far a conversation came tells a refusal of us from a refusal of the mail.

use std::error::Error;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lettre::Message;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Tls, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset, Starttls};
use lettre::transport::smtp::extension::{ClientId, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use url::{Host, Url, form_urlencoded};

use super::legible::Legible;
use super::{Refusal, UrlError, one_line};

/// How long a connection is kept unused. Servers close theirs after 5 minutes (RFC 5321, section 4.5.3.2.7)
/// or less.
const IDLE: Duration = Duration::from_secs(30);

/// Replies that are about our login or the connection, whatever command they answer, and so pass or can be
/// mended: 503 bad sequence, as some ask for a login; 521 no mail here (RFC 7504); 530, 534, 535, 538
/// authentication (RFC 4954).
const ABOUT_US: [u16; 6] = [503, 521, 530, 534, 535, 538];

/// Enhanced codes of the same sort: 5.7.8 and 5.7.9 login (RFC 4954); 5.7.20 to 5.7.26 the DKIM, SPF and
/// reverse DNS of the sender (RFC 7372).
const ABOUT_US_ENHANCED: [&str; 9] =
    ["5.7.8", "5.7.9", "5.7.20", "5.7.21", "5.7.22", "5.7.23", "5.7.24", "5.7.25", "5.7.26"];

/// An SMTP server, with the open connections to it.
pub struct Server {
    host: String,
    port: u16,
    tls: Tls,
    login: Option<Login>,
    hello: ClientId,
    timeout: Duration,
    permits: Semaphore,
    idle: Arc<Mutex<Idle>>,
}

struct Login {
    credentials: Credentials,
    /// What a server could repeat of it in a reply.
    secrets: [String; 3],
}

#[derive(Default)]
struct Idle {
    connections: Vec<(Instant, AsyncSmtpConnection)>,
    /// Whether a task is there that closes what has been idle for long.
    watched: bool,
}

impl Login {
    fn new(user: String, password: String) -> Self {
        let plain = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
        let secrets = [plain, BASE64_STANDARD.encode(&password), password.clone()];
        Self { credentials: Credentials::new(user, password), secrets }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Server {
    pub(super) fn new(url: &str, timeout: Duration, connections: u32) -> Result<Self, UrlError> {
        let url = Url::parse(url).map_err(|_| UrlError::Form("not a URL"))?;
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            _ => return Err(UrlError::Form("no host")),
        };
        let mode = match url.query_pairs().collect::<Vec<_>>().as_slice() {
            [] => None,
            [(key, mode)] if key == "tls" => Some(mode.clone().into_owned()),
            _ => return Err(UrlError::Form("only tls may be set after the question mark")),
        };
        let parameters = || TlsParameters::new(host.clone()).map_err(UrlError::Tls);
        let (tls, port) = match (url.scheme(), mode.as_deref()) {
            ("smtp", None | Some("none")) => (Tls::None, smtp::SMTP_PORT),
            ("smtp", Some("required")) => (Tls::Required(parameters()?), smtp::SUBMISSION_PORT),
            ("smtp", Some("opportunistic")) => (Tls::Opportunistic(parameters()?), smtp::SUBMISSION_PORT),
            ("smtps", None | Some("required")) => (Tls::Wrapper(parameters()?), smtp::SUBMISSIONS_PORT),
            ("smtp" | "smtps", _) => return Err(UrlError::Form("unknown value of tls")),
            _ => return Err(UrlError::Form("unknown scheme")),
        };
        let login = match (percent_decoded(url.username())?, url.password()) {
            (user, Some(password)) if !user.is_empty() && !password.is_empty() => {
                Some(Login::new(user, percent_decoded(password)?))
            }
            (user, None) if user.is_empty() => None,
            _ => return Err(UrlError::Form("a user needs a password, and a password a user")),
        };
        let hello = match url.path().trim_matches('/') {
            "" => hello(),
            name if name.chars().all(|c| c.is_ascii_alphanumeric() || "-.[:]".contains(c)) => {
                ClientId::Domain(name.to_owned())
            }
            _ => return Err(UrlError::Form("the path is not a host name to greet with")),
        };
        Ok(Self {
            port: url.port().unwrap_or(port),
            host,
            tls,
            login,
            hello,
            timeout,
            permits: Semaphore::new(connections.max(1) as usize),
            idle: Arc::default(),
        })
    }

    /// Whether no mail and no password ever leaves in clear.
    #[must_use]
    pub fn is_always_encrypted(&self) -> bool {
        matches!(self.tls, Tls::Required(_) | Tls::Wrapper(_))
    }

    pub(super) async fn send(&self, message: &Message) -> Result<String, Refusal> {
        let _permit = self.permits.acquire().await;
        let conversation = async {
            let mut connection = match self.kept().await {
                Some(connection) => connection,
                None => self.connect().await.map_err(Refusal::NoSession)?,
            };
            let (in_step, answer) = match deliver(&mut connection, message).await {
                Ok(reply) if reply.code().severity == Severity::PositiveCompletion => {
                    (true, Ok(text(&reply)))
                }
                Ok(reply) => (false, Err(Refusal::Temporary(text(&reply)))),
                Err(error) => {
                    let about_mail = error.is_permanent() && !is_about_us(&error);
                    let refusal = if about_mail { Refusal::Permanent } else { Refusal::Temporary };
                    (error.status().is_some(), Err(refusal(self.words(&error))))
                }
            };
            if in_step {
                self.keep(connection);
            }
            answer
        };
        tokio::time::timeout(self.timeout, conversation).await.unwrap_or_else(|_| {
            Err(Refusal::Temporary(format!("no final reply of {} within {:?}", self.host, self.timeout)))
        })
    }

    /// An open connection that still answers, ready for a new mail: a server, or a gateway on the way, may
    /// have closed it meanwhile, which says nothing about the mail.
    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let (since, mut connection) = lock(&self.idle).connections.pop()?;
            if since.elapsed() > IDLE {
                continue;
            }
            match tokio::time::timeout(self.timeout / 4, connection.command(Rset)).await {
                Ok(Ok(_)) => return Some(connection),
                Ok(Err(_)) => {}
                // The others hang as well, most likely, and there is a mail to send in the time that is left.
                Err(_) => lock(&self.idle).connections.clear(),
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let words = |error: smtp::Error| self.words(&error);
        let connected = async {
            // The dot that ends a mail is a write of its own: with Nagle's algorithm it would wait until the
            // server acknowledges the one before, which servers put off for 40 ms and more.
            let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
            tcp.set_nodelay(true)?;
            // A second handle, for after STARTTLS; what was read in clear stays behind with the first.
            let tcp = tcp.into_std()?;
            Ok((TcpStream::from_std(tcp.try_clone()?)?, tcp))
        };
        let connected: std::io::Result<_> = connected.await;
        let (tcp, again) = connected.map_err(|error| one_line(&format!("Connection error: {error}")))?;
        let implicit = if let Tls::Wrapper(parameters) = &self.tls { Some(parameters) } else { None };
        let stream = Legible::new(tcp, implicit).await.map_err(words)?;
        let mut connection = self.greet(stream).await.map_err(words)?;
        let starttls = match &self.tls {
            Tls::Required(_) if !connection.can_starttls() => {
                return Err("STARTTLS is not supported on this server".to_owned());
            }
            Tls::Required(parameters) => Some(parameters),
            Tls::Opportunistic(parameters) if connection.can_starttls() => Some(parameters),
            _ => None,
        };
        if let Some(parameters) = starttls {
            connection.command(Starttls).await.map_err(words)?;
            drop(connection);
            let tcp = TcpStream::from_std(again).map_err(|error| one_line(&error.to_string()))?;
            let stream = Legible::new(tcp, Some(parameters)).await.map_err(words)?;
            connection = self.greet(stream.greeted()).await.map_err(words)?;
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, &login.credentials).await.map_err(words)?;
        }
        Ok(connection)
    }

    async fn greet(&self, stream: Legible) -> Result<AsyncSmtpConnection, smtp::Error> {
        AsyncSmtpConnection::connect_with_transport(Box::new(stream), &self.hello).await
    }

    /// Keeps a connection for the next mail, and sees to it that it is closed if there is none.
    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = lock(&self.idle);
        idle.connections.push((Instant::now(), connection));
        if idle.watched {
            return;
        }
        idle.watched = true;
        let all = Arc::downgrade(&self.idle);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(IDLE).await;
                let Some(all) = all.upgrade() else { return };
                let mut idle = lock(&all);
                idle.connections.retain(|(since, _)| since.elapsed() < IDLE);
                if idle.connections.is_empty() {
                    idle.watched = false;
                    return;
                }
            }
        });
    }

    /// What happened, as the operator is to read it: a reply as the server gave it, else every cause.
    fn words(&self, error: &smtp::Error) -> String {
        let first = error.source();
        let mut words = match (error.status(), first) {
            (Some(code), Some(text)) => format!("{code} {text}"),
            _ => error.to_string(),
        };
        let mut cause = first.and_then(Error::source);
        while let Some(error) = cause {
            let text = error.to_string();
            if !words.contains(&text) {
                words = words + ": " + &text;
            }
            cause = error.source();
        }
        for secret in self.login.iter().flat_map(|login| &login.secrets) {
            words = words.replace(secret, "***");
        }
        one_line(&words)
    }
}

/// One mail over an open connection. Nothing is sent twice here: what fails is left to the next attempt.
async fn deliver(connection: &mut AsyncSmtpConnection, message: &Message) -> Result<Response, smtp::Error> {
    let envelope = message.envelope();
    let ascii = envelope
        .from()
        .into_iter()
        .chain(envelope.to())
        .all(|address| AsRef::<str>::as_ref(address).is_ascii());
    let parameters = if ascii { vec![] } else { vec![MailParameter::SmtpUtfEight] };
    connection.command(Mail::new(envelope.from().cloned(), parameters)).await?;
    for to in envelope.to() {
        connection.command(Rcpt::new(to.clone(), vec![])).await?;
    }
    connection.command(Data).await?;
    connection.message(&message.formatted()).await
}

fn is_about_us(error: &smtp::Error) -> bool {
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    let enhanced = text.split(' ').next().unwrap_or_default();
    error.status().is_some_and(|code| ABOUT_US.contains(&code.into()))
        || ABOUT_US_ENHANCED.contains(&enhanced)
}

fn text(reply: &Response) -> String {
    one_line(&format!("{} {}", reply.code(), reply.message().collect::<Vec<_>>().join(" ")))
}

fn lock(idle: &Mutex<Idle>) -> std::sync::MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of this host if it has a domain, else the address literal that RFC 5321, section 4.1.4, asks
/// for.
fn hello() -> ClientId {
    match ClientId::default() {
        ClientId::Domain(name) if name.contains('.') => ClientId::Domain(name),
        _ => ClientId::Ipv4(Ipv4Addr::LOCALHOST),
    }
}

fn percent_decoded(text: &str) -> Result<String, UrlError> {
    // What a form encodes differs from a percent-encoded text in these two characters only.
    let form = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    let decoded = form_urlencoded::parse(form.as_bytes()).map(|(_, value)| value.into_owned()).next();
    decoded
        .filter(|text| !text.contains(char::REPLACEMENT_CHARACTER) && !text.contains(char::is_control))
        .ok_or(UrlError::Form("user and password must be percent-encoded UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Server, UrlError> {
        Server::new(url, Duration::from_secs(1), 1)
    }

    #[test]
    fn a_url_says_how_to_connect() {
        for (url, host, port, encrypted) in [
            ("smtp://mail.example", "mail.example", 25, false),
            ("smtp://mail.example?tls=none", "mail.example", 25, false),
            ("smtp://mail.example/?tls=opportunistic", "mail.example", 587, false),
            ("smtp://mail.example/me.example?tls=required", "mail.example", 587, true),
            ("smtps://mail.example:2465", "mail.example", 2465, true),
            ("smtp://[::1]:1025", "::1", 1025, false),
        ] {
            let server = server(url).unwrap();
            assert_eq!(
                (server.host.as_str(), server.port, server.is_always_encrypted()),
                (host, port, encrypted),
                "{url}"
            );
        }
    }

    #[test]
    fn the_login_is_percent_decoded() {
        let server = server("smtp://ada%40x.example:a+b%26c%3D%25%C3%A4&d=e@mail.example").unwrap();
        let expected = Credentials::new("ada@x.example".into(), "a+b&c=%ä&d=e".into());
        assert_eq!(server.login.unwrap().credentials, expected);
    }

    #[test]
    fn a_wrong_url_is_told_without_its_password() {
        for url in [
            "",
            "mail.example:25",
            "http://mail.example",
            "smtp://",
            "smtp://mail.example?tls=yes",
            "smtps://mail.example?tls=none",
            "smtp://mail.example?tsl=required",
            "smtp://ada@mail.example",
            "smtp://ada:@mail.example",
            "smtp://:s3cret@mail.example",
            "smtp://ada:s3cret%FF@mail.example",
            "smtp://ada:s3cret%0d%0a@mail.example",
            "smtp://mail.example/a%20b",
        ] {
            let error = server(url).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
