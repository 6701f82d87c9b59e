//! One SMTP server and its pooled connections. A connection is reused only after a final reply; otherwise it is closed.
//! If the server closes a reused connection, while it is idle or after a number of mails, that is not about the mail,
//! which is sent over the next connection.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use lettre::Message;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

use super::conversation::{Conversation, Failure, Login, Stream};
use super::login::{Secret, TokenSource, secrets};
use super::verdict::{Verdict, verdict};
use super::{Refusal, UrlError};
use crate::domain::text::one_line;
use crate::http_client::Authorities;

/// How long an unused connection is kept. Servers close idle connections after 5 minutes (RFC 5321, section
/// 4.5.3.2.7) or less.
const IDLE: Duration = Duration::from_secs(30);

/// An SMTP server and its open connections.
pub struct Server {
    host: String,
    port: u16,
    tls: Tls,
    login: Option<Secret>,
    hello: String,
    timeout: Duration,
    permits: Semaphore,
    idle: Arc<Mutex<Idle>>,
}

/// When a connection is encrypted.
enum Tls {
    Never,
    /// By STARTTLS, if the server offers it.
    Opportunistic(TlsConnector),
    /// By STARTTLS.
    Required(TlsConnector),
    /// From the first byte.
    Implicit(TlsConnector),
}

#[derive(Default)]
struct Idle {
    connections: Vec<(Instant, Conversation)>,
    /// Whether a task is running that closes idle connections.
    watched: bool,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// A TLS connector that trusts these authorities and those of this machine (`SSL_CERT_FILE`).
fn connector(authorities: &Authorities) -> Result<TlsConnector, UrlError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities.certificates().map(|der| der.to_vec().into()));
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let cause = found.errors.first().map_or("none were found".to_owned(), ToString::to_string);
        return Err(UrlError::Tls(cause));
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| UrlError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Server {
    pub(super) fn new(
        url: &str,
        token: Option<TokenSource>,
        timeout: Duration,
        connections: u32,
        authorities: &Authorities,
    ) -> Result<Self, UrlError> {
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
        let connector = || connector(authorities);
        let (tls, port) = match (url.scheme(), mode.as_deref()) {
            ("smtp", None | Some("none")) => (Tls::Never, 25),
            ("smtp", Some("required")) => (Tls::Required(connector()?), 587),
            ("smtp", Some("opportunistic")) => (Tls::Opportunistic(connector()?), 587),
            ("smtps", None | Some("required")) => (Tls::Implicit(connector()?), 465),
            ("smtp" | "smtps", _) => return Err(UrlError::Form("unknown value of tls")),
            _ => return Err(UrlError::Form("unknown scheme")),
        };
        let login = match (percent_decoded(url.username())?, url.password(), token) {
            (user, Some(password), None) if !user.is_empty() && !password.is_empty() => {
                Some(Secret::Password { user, password: percent_decoded(password)? })
            }
            (user, None, Some(source)) if !user.is_empty() => Some(Secret::Token { user, source }),
            (user, None, None) if user.is_empty() => None,
            (_, _, Some(_)) => {
                return Err(UrlError::Form("an access token needs a user in the URL, and no password"));
            }
            _ => return Err(UrlError::Form("a user needs a password, and a password a user")),
        };
        let hello = match url.path().trim_matches('/') {
            "" => hello(),
            name if name.chars().all(|c| c.is_ascii_alphanumeric() || "-.[:]".contains(c)) => name.to_owned(),
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

    /// Whether mails and passwords are always sent encrypted.
    #[must_use]
    pub fn is_always_encrypted(&self) -> bool {
        matches!(self.tls, Tls::Required(_) | Tls::Implicit(_))
    }

    pub(super) async fn send(&self, message: &Message) -> Result<String, Refusal> {
        let _permit = self.permits.acquire().await;
        let sent = timeout(self.timeout, self.converse(message)).await;
        sent.unwrap_or_else(|_| {
            Err(Refusal::Temporary(format!("no final reply of {} within {:?}", self.host, self.timeout)))
        })
    }

    async fn converse(&self, message: &Message) -> Result<String, Refusal> {
        let bytes = message.formatted();
        loop {
            let kept = self.kept().await;
            let used = kept.is_some();
            let mut connection = match kept {
                Some(connection) => connection,
                None => self.connect().await.map_err(Refusal::NoSession)?,
            };
            let failure = match connection.send(message.envelope(), &bytes).await {
                Ok(reply) => {
                    self.keep(connection);
                    return Ok(one_line(&reply.text()));
                }
                Err(failure) => failure,
            };
            // The server has not accepted the mail before the final dot, so sending it again does not duplicate it.
            if used && failure.ends_the_connection() {
                continue;
            }
            let text = one_line(&failure.to_string());
            let Failure::Refused { command, reply } = failure else { return Err(Refusal::Temporary(text)) };
            if reply.code != 421 {
                self.keep(connection);
            }
            return Err(match verdict(command, &reply) {
                Verdict::Later => Refusal::Temporary(text),
                Verdict::Sender => Refusal::Sender(text),
                Verdict::Mail => Refusal::Permanent(text),
            });
        }
    }

    /// An idle connection that still responds and is ready for a new mail.
    async fn kept(&self) -> Option<Conversation> {
        loop {
            let (since, mut connection) = self.idle.lock().connections.pop()?;
            if since.elapsed() > IDLE {
                continue;
            }
            match connection.reset(self.timeout / 4).await {
                Ok(true) => return Some(connection),
                Ok(false) => {}
                // The other connections probably hang too, and the remaining time is needed to send the mail.
                Err(_) => self.idle.lock().connections.clear(),
            }
        }
    }

    async fn connect(&self) -> Result<Conversation, String> {
        let login = match &self.login {
            Some(secret) => Some(secret.login().await?),
            None => None,
        };
        self.open(login.as_ref()).await.map_err(|error| {
            let mut text = error.to_string();
            for secret in login.iter().flat_map(secrets) {
                text = text.replace(&secret, "***");
            }
            one_line(&text)
        })
    }

    async fn open(&self, login: Option<&Login>) -> Result<Conversation, Failure> {
        let broken = |error: io::Error| Failure::Missing(format!("no connection to {}: {error}", self.host));
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(broken)?;
        tcp.set_nodelay(true).map_err(broken)?;
        let stream: Box<dyn Stream> = match &self.tls {
            Tls::Implicit(connector) => self.encrypt(connector, Box::new(tcp)).await.map_err(broken)?,
            _ => Box::new(tcp),
        };
        let mut connection = Conversation::greet(stream, &self.hello).await?;
        let connector = match &self.tls {
            Tls::Required(_) if !connection.can_starttls() => {
                return Err(Failure::Missing("the server does not offer STARTTLS".to_owned()));
            }
            Tls::Required(connector) => Some(connector),
            Tls::Opportunistic(connector) if connection.can_starttls() => Some(connector),
            _ => None,
        };
        if let Some(connector) = connector {
            connection = connection.starttls(&self.hello, |stream| self.encrypt(connector, stream)).await?;
        }
        if let Some(login) = login {
            connection.login(login).await?;
        }
        Ok(connection)
    }

    async fn encrypt(
        &self,
        connector: &TlsConnector,
        stream: Box<dyn Stream>,
    ) -> io::Result<Box<dyn Stream>> {
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        Ok(Box::new(connector.connect(name, stream).await?))
    }

    /// Keeps a connection for the next mail, and starts a task that closes it if it stays idle.
    fn keep(&self, connection: Conversation) {
        let mut idle = self.idle.lock();
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
                let mut idle = all.lock();
                idle.connections.retain(|(since, _)| since.elapsed() < IDLE);
                if idle.connections.is_empty() {
                    idle.watched = false;
                    return;
                }
            }
        });
    }
}

/// The name of this host if it has a domain, otherwise the address literal that RFC 5321, section 4.1.4, requires.
fn hello() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| name.contains('.')).unwrap_or("[127.0.0.1]".to_owned())
}

fn percent_decoded(text: &str) -> Result<String, UrlError> {
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .filter(|text| !text.contains(char::is_control))
        .map(Cow::into_owned)
        .ok_or(UrlError::Form("user and password must be percent-encoded UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Server, UrlError> {
        Server::new(url, None, Duration::from_secs(1), 1, &Authorities::default())
    }

    #[test]
    fn smtp_url_gives_host_port_and_encryption() {
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
    fn credentials_in_the_url_are_percent_decoded() {
        let server = server("smtp://ada%40x.example:a+b%26c%3D%25%C3%A4&d=e@mail.example").unwrap();
        let Some(Secret::Password { user, password }) = server.login else { panic!("no login") };
        assert_eq!((user.as_str(), password.as_str()), ("ada@x.example", "a+b&c=%ä&d=e"));
    }

    #[test]
    fn error_for_an_invalid_url_omits_the_password() {
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
