//! One SMTP connection, from the greeting to its end.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{Act, Encryption, Mail, Seen, Stage, State};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One connection, between two commands.
struct Conversation {
    stream: BufReader<Box<dyn Stream>>,
    connection: usize,
    encrypted: bool,
    logged_in: bool,
    from: Option<String>,
    to: Vec<String>,
}

/// The conversation has ended.
pub(super) struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl State {
    pub(super) async fn serve(self: Arc<Self>, tcp: TcpStream, connection: usize) -> Result<(), Over> {
        let encrypted = self.encryption == Encryption::Implicit;
        let stream: Box<dyn Stream> =
            if encrypted { Box::new(self.tls.accept(tcp).await?) } else { Box::new(tcp) };
        let mut talk = Conversation {
            stream: BufReader::new(stream),
            connection,
            encrypted,
            logged_in: false,
            from: None,
            to: Vec::new(),
        };
        self.answer(&mut talk, Stage::Greeting, "220 localhost ESMTP").await?;
        loop {
            let line = talk.line().await?;
            self.commands.lock().unwrap().push(line.clone());
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" | "HELO" => {
                    let features = self.features(&talk);
                    self.answer(&mut talk, Stage::Ehlo, &features).await?;
                }
                "STARTTLS" if self.encryption == Encryption::StartTls && !talk.encrypted => {
                    if self.answer(&mut talk, Stage::StartTls, "220 go ahead").await? {
                        talk.stream =
                            BufReader::new(Box::new(self.tls.accept(talk.stream.into_inner()).await?));
                        talk.encrypted = true;
                    }
                }
                "AUTH" if self.login.is_some() => self.login(&mut talk, rest).await?,
                "MAIL" if self.login.is_some() && !talk.logged_in => {
                    talk.say("530 5.7.0 Authentication required").await?;
                }
                "MAIL" => {
                    talk.to.clear();
                    if self.answer(&mut talk, Stage::Mail, "250 2.1.0 Ok").await? {
                        talk.from = Some(address(rest));
                    }
                }
                "RCPT" if talk.from.is_some() => {
                    talk.to.push(address(rest));
                    if !self.answer(&mut talk, Stage::Rcpt, "250 2.1.5 Ok").await? {
                        talk.to.pop();
                    }
                }
                "DATA" if !talk.to.is_empty() => {
                    if self.answer(&mut talk, Stage::Data, "354 End data with <CR><LF>.<CR><LF>").await? {
                        self.mail(&mut talk).await?;
                    }
                }
                "RSET" => {
                    talk.from = None;
                    talk.to.clear();
                    self.answer(&mut talk, Stage::Rset, "250 2.0.0 Ok").await?;
                }
                "NOOP" => talk.say("250 2.0.0 Ok").await?,
                "QUIT" => {
                    talk.say("221 2.0.0 Bye").await?;
                    return Ok(());
                }
                "RCPT" | "DATA" => talk.say("503 5.5.1 Bad sequence of commands").await?,
                _ => talk.say("502 5.5.2 Command not recognized").await?,
            }
        }
    }

    fn features(&self, talk: &Conversation) -> String {
        let mut features = "250-localhost\r\n".to_owned();
        if self.encryption == Encryption::StartTls && !talk.encrypted {
            features += "250-STARTTLS\r\n";
        }
        if self.login.is_some() {
            features += "250-AUTH PLAIN LOGIN\r\n";
        }
        features + "250 8BITMIME"
    }

    async fn login(&self, talk: &mut Conversation, rest: &str) -> Result<(), Over> {
        let decode = |text: &str| {
            String::from_utf8_lossy(&BASE64_STANDARD.decode(text).unwrap_or_default()).into_owned()
        };
        let given = match rest.split_once(' ').unwrap_or((rest, "")) {
            ("PLAIN", "") => {
                talk.say("334 ").await?;
                decode(&talk.line().await?)
            }
            ("PLAIN", initial) => decode(initial),
            ("LOGIN", _) => {
                let mut given = String::new();
                for prompt in ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6"] {
                    talk.say(prompt).await?;
                    let _ = write!(given, "\0{}", decode(&talk.line().await?));
                }
                given
            }
            _ => return talk.say("504 5.5.4 Unrecognized authentication type").await,
        };
        let right =
            self.login.as_ref().is_some_and(|(user, password)| given == format!("\0{user}\0{password}"));
        let usual = if right { "235 2.7.0 Ok" } else { "535 5.7.8 Authentication credentials invalid" };
        talk.logged_in = self.answer(talk, Stage::Auth, usual).await? && right;
        Ok(())
    }

    async fn mail(&self, talk: &mut Conversation) -> Result<(), Over> {
        let mut raw = Vec::new();
        loop {
            let start = raw.len();
            if talk.stream.read_until(b'\n', &mut raw).await? == 0 {
                return Err(Over);
            }
            if &raw[start..] == b".\r\n" {
                raw.truncate(start);
                break;
            }
            if raw[start] == b'.' {
                raw.remove(start);
            }
        }
        let mail = Mail {
            from: talk.from.take().unwrap_or_default(),
            to: talk.to.clone(),
            raw,
            connection: talk.connection,
            encrypted: talk.encrypted,
        };
        let act = self.act_on(talk, Stage::Final, &mail.raw);
        let taken = matches!(act, None | Some(Act::TakeAndClose | Act::TakeAndReply(_) | Act::Late(_)));
        if taken {
            self.mails.send_modify(|mails| mails.push(mail));
        }
        let to = std::mem::take(&mut talk.to);
        let said = talk.perform(act, "250 2.0.0 Ok: queued").await;
        if taken && said.is_err() {
            self.unacknowledged.lock().unwrap().extend(to);
        }
        said.map(drop)
    }

    /// The action of the script at this stage.
    fn act(&self, talk: &Conversation, stage: Stage) -> Option<Act> {
        self.act_on(talk, stage, &[])
    }

    fn act_on(&self, talk: &Conversation, stage: Stage, raw: &[u8]) -> Option<Act> {
        let recipient = talk.to.last().cloned().unwrap_or_default();
        let mut before = self.seen.lock().unwrap();
        let attempt = before.entry((stage, recipient.clone())).or_default();
        *attempt += 1;
        let attempt = *attempt;
        drop(before);
        let seen = Seen { stage, connection: talk.connection, recipient, attempt, raw: raw.to_vec() };
        (self.script.lock().unwrap())(&seen)
    }

    /// Replies, and returns whether the client may continue.
    async fn answer(&self, talk: &mut Conversation, stage: Stage, usual: &str) -> Result<bool, Over> {
        let act = self.act(talk, stage);
        talk.perform(act, usual).await
    }
}

impl Conversation {
    async fn line(&mut self) -> Result<String, Over> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(Over);
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    async fn say(&mut self, reply: &str) -> Result<(), Over> {
        self.stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        Ok(self.stream.flush().await?)
    }

    async fn perform(&mut self, act: Option<Act>, usual: &str) -> Result<bool, Over> {
        let reply = match act {
            None => usual.to_owned(),
            Some(Act::Reply(reply)) => reply,
            Some(Act::Close | Act::TakeAndClose) => return Err(Over),
            Some(Act::TakeAndReply(bytes)) => {
                self.stream.write_all(&[&bytes, &b"\r\n"[..]].concat()).await?;
                self.stream.flush().await?;
                return Ok(true);
            }
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Late(delay)) => {
                tokio::time::sleep(delay).await;
                usual.to_owned()
            }
            Some(Act::Hold(until)) => {
                until.notified().await;
                usual.to_owned()
            }
        };
        self.say(&reply).await?;
        Ok(!reply.starts_with(['4', '5']))
    }
}

/// The address of `FROM:<…>` or `TO:<…>`.
fn address(text: &str) -> String {
    let start = text.find('<').map_or(0, |at| at + 1);
    let end = text.find('>').unwrap_or(text.len());
    text[start..end.max(start)].to_owned()
}
