//! Sends a rendered mail to an SMTP server, or writes it to a folder in a trial setup. [`Refusal`] says whether the
//! mail can still arrive. Only a reply about the mail itself is permanent: errors of the network, TLS, our login or
//! our reputation pass or are fixed by the operator, and must not lose mails.

mod conversation;
mod login;
mod smtp;
mod verdict;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lettre::Message;

use super::mailbox;
use crate::config::Config;
use crate::config::write_private;
use crate::domain::text::one_line;
use crate::http_client::Authorities;
use crate::metrics;

pub use super::transport::login::TokenSource;
pub use super::transport::smtp::Server;

/// How mails are sent.
#[derive(Clone, Debug)]
pub enum Transport {
    Smtp(Arc<Server>),
    /// A folder that receives each mail as a file `<message id>.eml`.
    Folder(PathBuf),
}

/// Why a mail was not accepted: the reply of the server (code, enhanced code, text), or the error before it. One
/// line, at most 500 bytes, without credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Temporary: retry later.
    #[error("{0}")]
    Temporary(String),
    /// Temporary, and not about this mail: the server is unreachable or rejects our login.
    #[error("{0}")]
    NoSession(String),
    /// Temporary, but the server refuses our sender, login, quota or account. Other mails are refused too until the
    /// operator has fixed it.
    #[error("{0}")]
    Sender(String),
    /// Permanent: the server will never accept this mail.
    #[error("{0}")]
    Permanent(String),
}

/// Why the URL of an SMTP server is rejected. Never contains the password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// The URL does not have the required form.
    #[error("expected smtp://host, smtps://host or smtp://user:password@host:port?tls=required: {0}")]
    Form(&'static str),
    /// TLS cannot be set up, for example if this machine has no certificate authorities.
    #[error("TLS for the SMTP server: {0}")]
    Tls(String),
}

impl Transport {
    /// The mail server of the settings, or the mailbox folder of a trial.
    ///
    /// # Errors
    /// See [`UrlError`].
    pub fn of(config: &Config) -> Result<Self, UrlError> {
        let mail = &config.mail;
        let Some(url) = &mail.smtp_url else { return Ok(Self::Folder(config.mailbox_folder())) };
        let token = match (mail.token_file.as_str(), mail.token_command.as_str()) {
            ("", "") => None,
            ("", command) => Some(TokenSource::Command(command.to_owned())),
            (file, _) => Some(TokenSource::File(file.into())),
        };
        Self::smtp(url.expose(), token, mail.timeout, mail.connections, &config.server.ca_file)
    }

    /// An SMTP server by its URL. `smtp://` is plaintext on port 25, or with `?tls=required` (STARTTLS) or
    /// `?tls=opportunistic` port 587. `smtps://` is TLS from the first byte on port 465. The login is `user:password@`,
    /// percent-encoded. A path is the name sent in EHLO; the default is the host's name, if it has a domain.
    ///
    /// With a `token`, the login is XOAUTH2 with the user in the URL, which then has no password.
    ///
    /// `timeout` limits each whole [`Transport::send`]. At most `connections` are open at a time, and they are kept for
    /// the following mails.
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

    /// Sends one mail. Two calls with the same `message_id` send it twice by SMTP, but write one file to a folder.
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

/// Writes a mail atomically and syncs it to disk. A mail contains a code, so only the owner can read the file, and
/// the folder if it is created here.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let mut made = std::fs::DirBuilder::new();
    made.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut made, 0o700);
    made.create(folder)?;
    write_private(&folder.join(name), bytes)
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
}
