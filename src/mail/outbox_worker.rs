//! Sends the mails of the outbox. Any number of workers, in any number of processes, share it: each claims due rows
//! with a lease, commits, sends outside any transaction and stores the outcome. A worker is woken by its own process
//! and by NOTIFY; it also polls, so that a lost notification delays a mail by one second at most.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use lettre::message::Mailbox;
use parking_lot::Mutex;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use url::Url;
use uuid::Uuid;

use super::dkim::Signer;
use super::render::render;
use super::reply::{loggable, masked};
use super::transport::{Refusal, Transport};
use super::{Envelope, Letter, message, sender};
use crate::config::Config;
use crate::db;
use crate::db::outbox::templates;
use crate::db::outbox::{self, ClaimedMail};
use crate::db::pool::session;
use crate::domain::credentials::secret_key::{NotOurs, Purpose, SecretKey};
use crate::domain::email::Email;
use crate::domain::mail::kind::MailKind;
use crate::domain::mail::return_path::ReturnPath;
use crate::l10n::Texts;
use crate::metrics::{self, Outcome};
use crate::queue::retry_delay;

/// How long a claim on a mail lasts unless it is renewed. After a crash, a mail waits this long.
const LEASE: Duration = Duration::from_secs(15);
const RENEW_AFTER: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_secs(1);
/// After a database error, how long expired leases are not taken over. Their workers may still have an outcome to
/// store: a call that hangs, and the next one.
const TAKEOVER_DELAY: Duration = Duration::from_secs(10);
/// Pause of all sending after the mail server could not be reached or rejected the login. Due mails stay due. Less
/// than [`POLL`], so that the next poll tries again.
const UNREACHABLE_PAUSE: Duration = Duration::from_millis(500);
/// Minimum time between two error log lines about a mail server that refuses our sender. Each refusal is logged as a
/// warning.
const ERROR_LOG_INTERVAL: Duration = Duration::from_hours(1);

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Key(#[from] NotOurs),
    #[error("not sent: the recipient has opted out of referrals")]
    OptedOut,
    #[error("the app's template cannot be read now")]
    Template(#[from] db::Error),
}

/// A worker that sends the mails of the outbox.
pub struct Worker {
    pub db: db::Pool,
    /// Decrypts the codes.
    pub seal: SecretKey,
    pub transport: Transport,
    pub signer: Option<Signer>,
    /// The base of links.
    pub public_url: Url,
    pub config: Config,
    /// The last database error.
    pub database: Outage,
    /// The last failure to open a session with the mail server.
    pub mail_server: Outage,
    /// When it was last logged as an error that the mail server refuses our sender.
    pub sender: Outage,
}

/// Time of the last failure; `None` if there was none or it is over.
#[derive(Default)]
pub struct Outage(Mutex<Option<Instant>>);

impl Outage {
    fn is_over(&self, after: Duration) -> bool {
        self.0.lock().is_none_or(|last| last.elapsed() > after)
    }
}

impl Worker {
    /// Runs until `stop` is true or its sender is dropped, then finishes the mails in flight.
    pub async fn run(self, wake: Arc<Notify>, mut stop: watch::Receiver<bool>) {
        let worker = Arc::new(self);
        let most = worker.config.mail.connections as usize;
        let mut sending = JoinSet::new();
        let mut at_hand: Vec<((Uuid, Uuid), AbortHandle)> = Vec::new();
        let mut turn = Uuid::nil();
        let mut full = false;
        while !*stop.borrow() {
            while sending.try_join_next().is_some() {}
            at_hand.retain(|(_, task)| !task.is_finished());
            let free = most - at_hand.len();
            let mut claimed = 0;
            if free > 0 && worker.mail_server.is_over(UNREACHABLE_PAUSE) {
                let ids: Vec<(Uuid, Uuid)> = at_hand.iter().map(|(id, _)| *id).collect();
                let limit = i64::try_from(free).unwrap_or(i64::MAX);
                let take_over = worker.database.is_over(TAKEOVER_DELAY);
                let claim = outbox::claim(&worker.db, &mut turn, limit, &ids, take_over, LEASE);
                match worker.with_timeout(claim).await {
                    Ok(mails) => {
                        claimed = mails.len();
                        for mail in mails {
                            let (id, worker) = ((mail.app.0, mail.id), Arc::clone(&worker));
                            at_hand.push((id, sending.spawn(async move { worker.deliver(&mail).await })));
                        }
                    }
                    Err(error) => tracing::warn!(%error, "the outbox cannot be read now"),
                }
            }
            // More mails may be due: a concurrent claim of another worker can hide some.
            if claimed > 0 && claimed < free {
                continue;
            }
            let was_full = std::mem::replace(&mut full, at_hand.len() >= most);
            if full && !was_full {
                worker.wake_others().await;
            }
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { break },
                _ = sending.join_next(), if full => {}
                () = wake.notified(), if !full => {}
                () = sleep(POLL) => {}
            }
        }
        while sending.join_next().await.is_some() {}
    }

    /// Limits the time of a database call, so that a database that does not answer cannot block the worker, or a mail
    /// beyond its lease.
    async fn with_timeout<T>(
        &self,
        call: impl Future<Output = Result<T, db::Error>>,
    ) -> Result<T, db::Error> {
        let done = timeout(RENEW_AFTER, call)
            .await
            .unwrap_or_else(|elapsed| Err(sqlx::Error::Io(elapsed.into()).into()));
        if done.is_err() {
            *self.database.0.lock() = Some(Instant::now());
        }
        done
    }

    /// Wakes the workers of other processes, since more mails may be due than this process can send.
    async fn wake_others(&self) {
        if let Err(error) = self.with_timeout(outbox::wake(&self.db)).await {
            tracing::debug!(%error, "other workers were not notified");
        }
    }

    /// Sends one mail and stores the outcome. A panic fails this mail only.
    async fn deliver(&self, mail: &ClaimedMail) {
        let sent = tokio::select! {
            sent = AssertUnwindSafe(self.send(mail)).catch_unwind() => sent,
            never = self.keep_lease(mail) => match never {},
        };
        let result = sent.unwrap_or_else(|_| {
            Err(Refusal::Permanent("the mail could not be written: a fault of the server".to_owned()).into())
        });
        // The mail server has replied. Keep trying to store that while the database is unavailable; otherwise the mail
        // would be sent again.
        let deadline = Instant::now() + LEASE;
        while let Err(error) = self.with_timeout(self.record(mail, &result)).await {
            tracing::warn!(mail = %mail.id, %error, "the outcome of a mail was not recorded");
            if !error.is_temporary() && Instant::now() > deadline {
                return;
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    /// Renews the lease of a mail until dropped.
    async fn keep_lease(&self, mail: &ClaimedMail) -> Infallible {
        loop {
            sleep(RENEW_AFTER).await;
            match self.with_timeout(outbox::extend(&self.db, mail, LEASE)).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(mail = %mail.id, "the lease of a mail expired while it was sent");
                    std::future::pending::<()>().await;
                }
                Err(error) => tracing::warn!(mail = %mail.id, %error, "a lease was not extended"),
            }
        }
    }

    async fn record(&self, mail: &ClaimedMail, result: &Result<String, SendError>) -> Result<(), db::Error> {
        let reply = match result {
            Ok(reply) => {
                outbox::finish(&self.db, mail, true, reply).await?;
                metrics::count_mail(Outcome::Sent);
                tracing::info!(app = %mail.app, mail = %mail.id, attempts = mail.attempts, "mail sent");
                return Ok(());
            }
            Err(SendError::Refused(Refusal::Permanent(reply))) => {
                outbox::finish(&self.db, mail, false, reply).await?;
                metrics::count_mail(Outcome::Failed);
                tracing::warn!(app = %mail.app, mail = %mail.id, reply = loggable(reply), "mail failed");
                return Ok(());
            }
            Err(trouble @ SendError::OptedOut) => {
                outbox::finish(&self.db, mail, false, &trouble.to_string()).await?;
                metrics::count_mail(Outcome::Unwanted);
                tracing::info!(app = %mail.app, mail = %mail.id, "mail not sent: the recipient has opted out");
                return Ok(());
            }
            Err(trouble) => trouble.to_string(),
        };
        if matches!(result, Err(SendError::Refused(Refusal::Sender(_))))
            && self.sender.is_over(ERROR_LOG_INTERVAL)
        {
            *self.sender.0.lock() = Some(Instant::now());
            tracing::error!(
                app = %mail.app, reply = %loggable(&reply),
                "the mail server refuses our sender, login, quota or account: mails stay queued until that is fixed"
            );
        }
        let mut give_up = self.config.mail.give_up_after;
        if let Err(SendError::Key(_)) = result {
            // Caused by a wrong setting or another server's key: do not give up the mail while its link is valid.
            give_up = give_up.max(self.config.invite.expires_after);
        }
        let delay = retry_delay(self.config.mail.retry_after, mail.attempts);
        let failed = outbox::retry_later(&self.db, mail, delay, give_up, &reply).await?;
        metrics::count_mail(if failed { Outcome::Failed } else { Outcome::Refused });
        let outcome = if failed { "mail failed: given up" } else { "mail refused for now" };
        let reply = loggable(&reply);
        tracing::warn!(app = %mail.app, mail = %mail.id, attempts = mail.attempts, reply, "{outcome}");
        Ok(())
    }

    async fn send(&self, mail: &ClaimedMail) -> Result<String, SendError> {
        if mail.opted_out {
            return Err(SendError::OptedOut);
        }
        let permanent = |text: &str| Refusal::Permanent(text.to_owned());
        let code = self.seal.open(Purpose::Code, mail.id, &mail.secret)?;
        let code = String::from_utf8(code).map_err(|_| permanent("the stored code is damaged"))?;
        let own = |mailbox: &str| {
            Mailbox::from_str(mailbox)
                .map_err(|_| permanent("the app's reply address is not `Name <address>`"))
        };
        let from = sender(mail.app_from.as_deref(), &mail.brand.name, &self.config.mail.from)
            .ok_or_else(|| permanent("the app's sender is not `Name <address>`"))?;
        let reply_to = mail.app_reply_to.as_deref().map(own).transpose()?;
        let return_path = match &mail.app_return_path {
            Some(own) => {
                Some(own.parse().map_err(|_| permanent("the app's return path is not a valid address"))?)
            }
            None => self.config.mail.return_path.clone(),
        };
        let return_path = return_path.and_then(|path: ReturnPath| path.address(mail.id).ok());
        let to = Email::parse(&mail.recipient).map_err(|_| permanent("the recipient is not an address"))?;
        let to = to.address();
        let link = if mail.kind.has_link() {
            Some(self.link(mail, &code).ok_or_else(|| permanent("the app's invite URL is not valid"))?)
        } else {
            None
        };
        let opt_out = match &mail.opt_out {
            Some((key, address)) => Some(key.open(&self.seal)?.code(mail.app, *address).expose()),
            None => None,
        };
        let texts = Texts::for_person(&mail.language, &mail.app_language);
        let opt_out_link = opt_out.as_deref().and_then(|code| {
            let mut page = self.page("opt-out", code)?;
            page.query_pairs_mut().append_pair("language", texts.language());
            Some(page)
        });
        let moment =
            |seconds| jiff::Timestamp::from_second(seconds).map_err(|_| permanent("a time is out of range"));
        let template = if mail.has_template {
            let find = templates::find(&self.db, mail.app, mail.kind, texts.language());
            self.with_timeout(find).await?
        } else {
            None
        };
        let rendered = render(&Letter {
            kind: mail.kind,
            language: texts.language(),
            brand: &mail.brand,
            recipient: &mail.recipient,
            inviter: mail.inviter.as_deref(),
            link: link.as_ref().map(Url::as_str),
            referral_code: mail.referral_code.as_deref(),
            expires_at: mail.expires_at.map(moment).transpose()?,
            opt_out: opt_out_link.as_ref().map(Url::as_str),
            template: template.as_deref(),
        });
        let unwritten =
            |error: &dyn std::fmt::Display| permanent(&format!("the mail cannot be written: {error}"));
        let rendered = rendered.map_err(|error| unwritten(&error))?;
        let envelope = Envelope {
            from: &from,
            reply_to: reply_to.as_ref(),
            return_path: return_path.as_ref(),
            to: &to,
            message_id: &mail.message_id,
            date: moment(mail.created_at)?,
            signer: self.signer.as_ref(),
        };
        let message = message(&rendered, &envelope).map_err(|error| unwritten(&error))?;
        // Spam filters quote the refused link.
        let masked = |reply: &str| masked(&masked(reply, &code), opt_out.as_deref().unwrap_or_default());
        let sent = self.transport.send(&message, &mail.message_id).await;
        *self.mail_server.0.lock() = matches!(sent, Err(Refusal::NoSession(_))).then(Instant::now);
        match sent {
            Ok(reply) => Ok(masked(&reply)),
            Err(Refusal::Temporary(reply)) => Err(Refusal::Temporary(masked(&reply)).into()),
            // Before the session is open, the server has seen nothing of the mail that it could quote.
            Err(refusal @ Refusal::NoSession(_)) => Err(refusal.into()),
            Err(Refusal::Sender(reply)) => Err(Refusal::Sender(masked(&reply)).into()),
            Err(Refusal::Permanent(reply)) => Err(Refusal::Permanent(masked(&reply)).into()),
        }
    }

    /// The link of the mail: a page of this server, or the app's own invite page with the code added. Both get the
    /// referral code if there is one.
    fn link(&self, mail: &ClaimedMail, code: &str) -> Option<Url> {
        let mut link = match (mail.kind, &mail.invite_url) {
            (MailKind::Confirmation, _) => self.page("email-confirmations", code)?,
            (_, None) => self.page("invites", code)?,
            (_, Some(own)) => {
                let mut own = Url::parse(own).ok()?;
                own.query_pairs_mut().append_pair("code", code);
                own
            }
        };
        if let Some(referral_code) = &mail.referral_code {
            link.query_pairs_mut().append_pair("referral_code", referral_code);
        }
        Some(link)
    }

    /// The URL of a page of this server.
    fn page(&self, of: &str, code: &str) -> Option<Url> {
        let mut page = self.public_url.clone();
        page.path_segments_mut().ok()?.pop_if_empty().extend([of, code]);
        Some(page)
    }
}

/// Wakes this process's worker on NOTIFY. It uses its own connection and runs as long as the server.
pub async fn listen(options: PgConnectOptions, wake: Arc<Notify>) {
    loop {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(POLL)
            .after_connect(|connection, _| Box::pin(session::set_up(connection)))
            .connect_lazy_with(options.clone());
        let heard = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.listen(outbox::CHANNEL).await?;
            loop {
                listener.recv().await?;
                wake.notify_one();
            }
        };
        let result: Result<(), sqlx::Error> = heard.await;
        if let Err(error) = result {
            tracing::debug!(%error, "not listening for notifications");
        }
        sleep(POLL).await;
    }
}
