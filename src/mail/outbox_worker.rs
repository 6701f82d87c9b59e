//! Drains the outbox. Any number of workers, in any number of processes, share it: each claims due rows
//! with a lease, commits, sends outside any transaction, and writes down what became of it. Woken by its
//! own process and by NOTIFY, it also polls, so that a lost notification costs a second at most.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use lettre::message::Mailbox;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use url::Url;
use uuid::Uuid;

use super::render::render;
use super::reply::{loggable, masked};
use super::transport::{Refusal, Transport};
use super::{Brand, Envelope, Letter, message};
use crate::config::Config;
use crate::db;
use crate::db::outbox::{self, ClaimedMail};
use crate::db::pool::session;
use crate::domain::brand::{Color, LogoUrl};
use crate::domain::credentials::secret_key::{NotOurs, Purpose, SecretKey};
use crate::domain::email::Email;
use crate::domain::mail::kind::MailKind;
use crate::domain::mail::return_path::ReturnPath;
use crate::l10n::Texts;
use crate::metrics::{self, Outcome};
use crate::queue::retry_delay;

/// How long a worker has a mail unless it says that it is still at it. What a crash costs in time.
const LEASE: Duration = Duration::from_secs(15);
const RENEW_AFTER: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_secs(1);
/// After trouble with the database, how long leases that ran out are left to the workers that had them, who
/// may have an outcome to write down: a call that still hangs, and the next.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// For how long no mail is tried after the mail server let nobody in: what is due stays due, and leaves as soon as it can.
/// Less than [`POLL`], which looks again.
const DATABASE_TIMEOUT: Duration = Duration::from_millis(500);
/// How often it is an error in the log that the mail server refuses our sender; each refusal is a warning.
const WARN_AFTER: Duration = Duration::from_hours(1);

/// Why a mail has not left.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Key(#[from] NotOurs),
    #[error("not sent: the recipient has opted out of referrals")]
    OptedOut,
}

/// Sends what the outbox holds.
pub struct Worker {
    /// The store.
    pub db: db::Pool,
    /// Opens the codes.
    pub seal: SecretKey,
    /// Where mails go.
    pub transport: Transport,
    /// What links start with.
    pub public_url: Url,
    /// The settings.
    pub config: Config,
    /// What it knows of the database.
    pub database: Outage,
    /// What it knows of the mail server.
    pub mail_server: Outage,
    /// When an operator was last told that the mail server refuses our sender.
    pub sender: Outage,
}

/// When something did not work last.
#[derive(Default)]
pub struct Outage(Mutex<Option<Instant>>);

impl Outage {
    fn is_over(&self, after: Duration) -> bool {
        self.last().is_none_or(|last| last.elapsed() > after)
    }

    fn last(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    /// Works until `stop` says so, or is dropped, then finishes the mails at hand.
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
            if free > 0 && worker.mail_server.is_over(DATABASE_TIMEOUT) {
                let ids: Vec<(Uuid, Uuid)> = at_hand.iter().map(|(id, _)| *id).collect();
                let limit = i64::try_from(free).unwrap_or(i64::MAX);
                let take_over = worker.database.is_over(STOP_GRACE);
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
            // Mails may be due beside those that another worker was claiming at the same time.
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

    /// A database that does not answer must not hold up the worker, nor a mail beyond its lease.
    async fn with_timeout<T>(
        &self,
        call: impl Future<Output = Result<T, db::Error>>,
    ) -> Result<T, db::Error> {
        let done = timeout(RENEW_AFTER, call)
            .await
            .unwrap_or_else(|elapsed| Err(sqlx::Error::Io(elapsed.into()).into()));
        if done.is_err() {
            *self.database.last() = Some(Instant::now());
        }
        done
    }

    /// There may be more to send than this process can take.
    async fn wake_others(&self) {
        if let Err(error) = self.with_timeout(outbox::wake(&self.db)).await {
            tracing::debug!(%error, "other workers were not woken");
        }
    }

    /// Sends one mail and writes down what became of it. Whatever is wrong with it stays its own trouble.
    async fn deliver(&self, mail: &ClaimedMail) {
        let sent = tokio::select! {
            sent = AssertUnwindSafe(self.send(mail)).catch_unwind() => sent,
            never = self.keep_lease(mail) => match never {},
        };
        let result = sent.unwrap_or_else(|_| {
            Err(Refusal::Permanent("the mail could not be written: a fault of the server".to_owned()).into())
        });
        // The mail server has answered: that must not be forgotten while the database is away, or the mail
        // would be sent again.
        let deadline = Instant::now() + LEASE;
        while let Err(error) = self.with_timeout(self.record(mail, &result)).await {
            tracing::warn!(mail = %mail.id, %error, "the outcome of a mail was not written down");
            if !error.is_temporary() && Instant::now() > deadline {
                return;
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    /// Keeps the lease of a mail from running out.
    async fn keep_lease(&self, mail: &ClaimedMail) -> Infallible {
        loop {
            sleep(RENEW_AFTER).await;
            match self.with_timeout(outbox::extend(&self.db, mail, LEASE)).await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!(mail = %mail.id, "the lease of a mail ran out while it was sent");
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
        if matches!(result, Err(SendError::Refused(Refusal::Sender(_)))) && self.sender.is_over(WARN_AFTER) {
            *self.sender.last() = Some(Instant::now());
            tracing::error!(
                app = %mail.app, reply = %loggable(&reply),
                "the mail server refuses our sender, login, quota or account: mails stay queued until that is mended"
            );
        }
        let mut give_up = self.config.mail.give_up_after;
        if let Err(SendError::Key(_)) = result {
            // An operator's slip, or another server's key: no mail is lost for it while its link works.
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
            Mailbox::from_str(mailbox).map_err(|_| permanent("the app's sender is not `Name <address>`"))
        };
        let from = mail.app_from.as_deref().map_or(Ok(self.config.mail.from.clone()), own)?;
        let reply_to = mail.app_reply_to.as_deref().map(own).transpose()?;
        let return_path = match &mail.app_return_path {
            Some(own) => Some(own.parse().map_err(|_| permanent("the app's return path is no address"))?),
            None => self.config.mail.return_path.clone(),
        };
        let return_path = return_path.and_then(|path: ReturnPath| path.address(mail.id).ok());
        let to = Email::parse(&mail.recipient).map_err(|_| permanent("the recipient is not an address"))?;
        let to = to.address();
        let link = if mail.kind.has_link() {
            Some(self.link(mail, &code).ok_or_else(|| permanent("the app's invite URL is none"))?)
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
        let logo = mail.app_logo.as_deref().and_then(|logo| LogoUrl::parse(logo).ok());
        let rendered = render(&Letter {
            kind: mail.kind,
            language: texts.language(),
            brand: Brand {
                name: &mail.app_name,
                logo: logo.as_ref(),
                color: Color::stored(mail.app_color.as_deref()),
                contact: reply_to.as_ref().map(|mailbox| &mailbox.email),
            },
            inviter: mail.inviter.as_deref(),
            link: link.as_ref().map(Url::as_str),
            referral_code: mail.referral_code.as_deref(),
            expires_at: mail.expires_at.map(moment).transpose()?,
            opt_out: opt_out_link.as_ref().map(Url::as_str),
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
        };
        let message = message(&rendered, &envelope).map_err(|error| unwritten(&error))?;
        // Spam filters quote the link that they refuse.
        let masked = |reply: &str| masked(&masked(reply, &code), opt_out.as_deref().unwrap_or_default());
        let sent = self.transport.send(&message, &mail.message_id).await;
        *self.mail_server.last() = matches!(sent, Err(Refusal::NoSession(_))).then(Instant::now);
        match sent {
            Ok(reply) => Ok(masked(&reply)),
            Err(Refusal::Temporary(reply)) => Err(Refusal::Temporary(masked(&reply)).into()),
            // What the server says before it knows of the mail quotes nothing of it.
            Err(refusal @ Refusal::NoSession(_)) => Err(refusal.into()),
            Err(Refusal::Sender(reply)) => Err(Refusal::Sender(masked(&reply)).into()),
            Err(Refusal::Permanent(reply)) => Err(Refusal::Permanent(masked(&reply)).into()),
        }
    }

    /// Where the mail leads: to this server's page, or of an invite to the app's own with the code added; with the
    /// referral code.
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

    /// A page of this server.
    fn page(&self, of: &str, code: &str) -> Option<Url> {
        let mut page = self.public_url.clone();
        page.path_segments_mut().ok()?.pop_if_empty().extend([of, code]);
        Some(page)
    }
}

/// Wakes this process's worker on NOTIFY, over a connection of its own, for as long as the server runs.
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
