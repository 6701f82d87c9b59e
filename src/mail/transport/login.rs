//! Credentials for a mail server: a password, or an access token that is read again for each login.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::AsyncReadExt;
use tokio::process;

use super::conversation::Login;

/// Maximum bytes of an access token.
const MAX_TOKEN: u64 = 64 * 1024;

/// Source of an access token, read at every login.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// A file that another program keeps up to date.
    File(PathBuf),
    /// A command line, run by `sh -c`, that prints the token.
    Command(String),
}

/// The configured credentials.
pub(super) enum Secret {
    Password { user: String, password: String },
    Token { user: String, source: TokenSource },
}

impl Secret {
    pub(super) async fn login(&self) -> Result<Login, String> {
        match self {
            Self::Password { user, password } => {
                Ok(Login::Password { user: user.clone(), password: password.clone() })
            }
            Self::Token { user, source } => {
                Ok(Login::Token { user: user.clone(), token: source.token().await? })
            }
        }
    }
}

impl TokenSource {
    async fn token(&self) -> Result<String, String> {
        let mut bytes = Vec::new();
        let read: io::Result<()> = async {
            match self {
                Self::File(path) => {
                    tokio::fs::File::open(path).await?.take(MAX_TOKEN).read_to_end(&mut bytes).await?;
                }
                Self::Command(line) => {
                    let mut command = process::Command::new("sh");
                    command
                        .arg("-c")
                        .arg(line)
                        .stdin(Stdio::null())
                        .stdout(Stdio::piped())
                        .kill_on_drop(true);
                    let mut child = command.spawn()?;
                    if let Some(stdout) = child.stdout.take() {
                        stdout.take(MAX_TOKEN).read_to_end(&mut bytes).await?;
                    }
                    let status = child.wait().await?;
                    if !status.success() {
                        return Err(io::Error::other(format!("the command ended with {status}")));
                    }
                }
            }
            Ok(())
        }
        .await;
        let name = match self {
            Self::File(path) => format!("the access token in {}", path.display()),
            Self::Command(_) => "the access token of mail.token_command".to_owned(),
        };
        read.map_err(|error| format!("{name} cannot be had: {error}"))?;
        let token = String::from_utf8(bytes).ok().map(|token| token.trim().to_owned());
        let token =
            token.filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        token.ok_or_else(|| format!("{name} must be one line of visible ASCII characters"))
    }
}

/// The forms of a login's secrets that a server could repeat in a reply.
pub(super) fn secrets(login: &Login) -> Vec<String> {
    match login {
        Login::Password { user, password } => vec![
            BASE64_STANDARD.encode(format!("\0{user}\0{password}")),
            BASE64_STANDARD.encode(password),
            password.clone(),
        ],
        Login::Token { user, token } => {
            vec![BASE64_STANDARD.encode(format!("user={user}\x01auth=Bearer {token}\x01\x01")), token.clone()]
        }
    }
}
