//! Where a rendered mail goes: to an SMTP server, or in a trial into a folder.
//!
//! The question that [`Refusal`] answers is whether this mail can still arrive. Permanent is only what the
//! server says about the mail itself; trouble with the network, TLS, our login or our standing passes,
//! or is mended by the operator, and must lose no mail.

mod conversation;
mod login;
mod smtp;
mod verdict;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lettre::Message;

use super::mailbox;
use crate::config::write_private;
use crate::http_client::Authorities;
use crate::metrics;

pub use super::transport::login::TokenSource;
pub use super::transport::smtp::Server;

/// Bytes kept of what a server answers.
const REPLY_LENGTH: usize = 500;

/// A way for mails to leave.
#[derive(Clone, Debug)]
pub enum Transport {
    /// An SMTP server.
    Smtp(Arc<Server>),
    /// A folder that takes each mail as a file `<message id>.eml`.
    Folder(PathBuf),
}

/// Why a mail has not been taken: the reply of the server (code, enhanced code, text) or what went wrong
/// on the way to it; one line, at most 500 bytes, without credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Worth another try.
    #[error("{0}")]
    Temporary(String),
    /// So is this; and the server lets nobody in, whatever the mail: it is away, or takes no login of ours.
    #[error("{0}")]
    NoSession(String),
    /// So is this; and the server refuses our sender, login, quota or account: other mails as well, until the operator
    /// has mended it.
    #[error("{0}")]
    Sender(String),
    /// The server will never take this mail.
    #[error("{0}")]
    Permanent(String),
}

/// What is wrong with the URL of an SMTP server. Never contains the password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// It does not have the form.
    #[error("expected smtp://host, smtps://host or smtp://user:password@host:port?tls=required: {0}")]
    Form(&'static str),
    /// TLS cannot be set up, such as with no certificate authorities on this machine.
    #[error("TLS for the SMTP server: {0}")]
    Tls(String),
}

impl Transport {
    /// An SMTP server by its URL: `smtp://` is plain (port 25); with `?tls=required` (STARTTLS) or
    /// `?tls=opportunistic` port 587; `smtps://` TLS from the first byte, port 465. Login as
    /// `user:password@`, percent-encoded. A path is the name to greet with; else the host's name, if it
    /// has a domain.
    ///
    /// With a `token`, the login is XOAUTH2 by the user in the URL, which then has no password.
    ///
    /// `timeout` bounds each whole [`Transport::send`]; at most `connections` are open at a time, and are
    /// kept for the mails that follow.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn smtp(
        url: &str,
        token: Option<TokenSource>,
        timeout: Duration,
        connections: u32,
        authorities: &Authorities,
    ) -> Result<Self, UrlError> {
        Ok(Self::Smtp(Arc::new(Server::new(url, token, timeout, connections, authorities)?)))
    }

    /// Sends one mail. Two calls with one `message_id` send twice by SMTP, and once into a folder.
    /// Dropping the future closes the connection.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn send(&self, message: &Message, message_id: &str) -> Result<String, Refusal> {
        match self {
            Self::Smtp(server) => {
                let answer = server.send(message).await;
                metrics::count_smtp_reply(match &answer {
                    Ok(reply)
                    | Err(
                        Refusal::Temporary(reply)
                        | Refusal::NoSession(reply)
                        | Refusal::Sender(reply)
                        | Refusal::Permanent(reply),
                    ) => reply,
                });
                answer
            }
            Self::Folder(folder) => {
                let (folder, name, bytes) =
                    (folder.clone(), mailbox::file_name(message_id), message.formatted());
                let written = tokio::task::spawn_blocking(move || write(&folder, &name, &bytes)).await;
                match written.map_err(std::io::Error::other).flatten() {
                    Ok(()) => Ok("250 written to mailbox".to_owned()),
                    Err(error) => Err(Refusal::Temporary(one_line(&format!("mailbox folder: {error}")))),
                }
            }
        }
    }
}

/// A file that is there is whole and on disk. It has a code: only its owner may read it, or a folder that is made for it.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut made = std::fs::DirBuilder::new();
    made.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut made, 0o700);
    made.create(folder)?;
    write_private(&folder.join(name), bytes)
}

/// One line of bounded length, without control characters.
fn one_line(text: &str) -> String {
    let mut line = text.split(|c: char| c.is_control() || c == ' ').filter(|word| !word.is_empty()).fold(
        String::new(),
        |mut line, word| {
            if !line.is_empty() {
                line.push(' ');
            }
            line + word
        },
    );
    line.truncate(line.floor_char_boundary(REPLY_LENGTH));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_file_is_private_and_follows_no_symlink() {
        use std::os::unix::fs::{PermissionsExt, symlink};

        let place = tempfile::tempdir().unwrap();
        let (folder, victim) = (place.path().join("mailbox"), place.path().join("victim"));
        write(&folder, "a.eml", b"code").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join("a.eml"))), (0o700, 0o600));
        std::fs::write(&victim, "theirs").unwrap();
        symlink(&victim, folder.join("b.eml")).unwrap();
        write(&folder, "b.eml", b"code").unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "theirs");
        assert_eq!(std::fs::read_to_string(folder.join("b.eml")).unwrap(), "code");
    }

    #[test]
    fn smtp_reply_is_reduced_to_one_bounded_line() {
        assert_eq!(one_line("550 5.1.1\r\n no\tsuch\u{1b}[2J user "), "550 5.1.1 no such [2J user");
        assert_eq!(one_line(&"ä".repeat(400)), "ä".repeat(250));
    }
}
