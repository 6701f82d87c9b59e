//! The outbox: one row per mail, written in the transaction that causes it. A worker claims due rows with a lease and
//! commits before it sends; if the worker dies, the lease expires. `attempts` counts claims and is a fencing token: a
//! worker that lost its lease cannot finish the row.

pub mod health;
pub mod manage;
pub mod search;
pub mod templates;

use std::time::Duration;

use sqlx::query;
use uuid::Uuid;

use crate::db::referrals::opt_outs::SealedKey;
use crate::db::{Error, Pool};
use crate::domain::brand::{Brand, Color, LogoUrl};
use crate::domain::credentials::opt_out::AddressHash;
use crate::domain::credentials::secret_key::{Purpose, SecretKey};
use crate::domain::id::AppId;
use crate::domain::invites::InviteCode;
use crate::domain::mail::kind::MailKind;
use crate::domain::mail::sender;
use crate::domain::text::WebUrl;

/// A mail to be stored in the transaction of a request.
pub struct NewMail {
    pub(crate) id: Uuid,
    pub(crate) code_hash: [u8; 32],
    pub(crate) secret: Vec<u8>,
    pub(crate) message_id: String,
    pub(crate) expires_after: Duration,
}

impl NewMail {
    /// A mail with a new code, valid for `expires_after`. `domain` is the sender's and part of the `Message-ID` (RFC
    /// 5322, 3.6.4).
    #[must_use]
    pub fn new(app: AppId, key: &SecretKey, domain: &str, expires_after: Duration) -> Self {
        let id = crate::domain::id::new();
        let code = InviteCode::generate(app);
        Self {
            id,
            code_hash: code.hash(),
            secret: key.seal(Purpose::Code, id, code.expose().as_bytes()),
            message_id: format!("<{id}@{domain}>"),
            expires_after,
        }
    }

    #[must_use]
    pub fn without_code(app: AppId, key: &SecretKey, domain: &str) -> Self {
        let mail = Self::new(app, key, domain, Duration::ZERO);
        Self { secret: key.seal(Purpose::Code, mail.id, &[]), ..mail }
    }
}

/// Extracts the mail id from a `Message-ID`.
pub(crate) fn mail_id(message_id: &str) -> Option<Uuid> {
    crate::domain::id::parse(message_id.strip_prefix('<')?.split_once('@')?.0)
}

/// A mail that this worker may send until its lease expires.
pub struct ClaimedMail {
    pub app: AppId,
    pub id: Uuid,
    /// The number of claims, including this one.
    pub attempts: i32,
    pub kind: MailKind,
    pub recipient: String,
    /// The recipient's language.
    pub language: String,
    /// The code in the link, sealed for `id`; empty if there is no link.
    pub secret: Vec<u8>,
    /// The same for every attempt.
    pub message_id: String,
    /// Seconds since 1970.
    pub created_at: i64,
    /// When the link expires, in seconds since 1970; `None` if there is no link.
    pub expires_at: Option<i64>,
    pub brand: Brand,
    /// The app's language, used if there are no texts in the recipient's.
    pub app_language: String,
    pub app_from: Option<String>,
    /// The `Reply-To` address of the app's mails.
    pub app_reply_to: Option<String>,
    /// Where bounces of the app's mails go.
    pub app_return_path: Option<String>,
    /// The app's own landing page.
    pub invite_url: Option<String>,
    /// The name of the inviter, if it is a user with a name.
    pub inviter: Option<String>,
    /// The referrer's code, if the mail is a referral.
    pub referral_code: Option<String>,
    /// The parts of the opt-out link, if the mail is a referral.
    pub opt_out: Option<(SealedKey, AddressHash)>,
    pub opted_out: bool,
    /// Whether the app has templates of its own for this kind.
    pub has_template: bool,
}

/// Claims up to `limit` due mails for the time of `lease`; those with an expired lease only if `take_over` is set.
/// Mails `at_hand`, each with its app, are left out even if their lease has expired: the caller still has them.
///
/// Apps take turns. The app with the fewest mails in progress comes first, and among equals the next by id
/// after `turn`, which the claim sets to the app where it ended. Within an app the oldest mail comes first. A claim
/// looks at apps with queued mails one by one, at most 32 and at most `limit`, then fills up with the oldest mails of
/// all apps. So its cost does not depend on the number of queued mails, and the next claim continues from there.
#[expect(clippy::too_many_lines, reason = "one statement")]
pub async fn claim(
    db: &Pool,
    turn: &mut Uuid,
    limit: i64,
    at_hand: &[(Uuid, Uuid)],
    take_over: bool,
    lease: Duration,
) -> Result<Vec<ClaimedMail>, Error> {
    // Comparing and sorting by pairs makes PostgreSQL use the index `outbox_turns`. With `app_id = …` and an order by
    // `due_at` it might use `outbox_due` and read past the mails of all other apps.
    let (apps, mails): (Vec<Uuid>, Vec<Uuid>) = at_hand.iter().copied().unzip();
    let rows = query!(
        r#"
        WITH RECURSIVE walk AS (
            SELECT $5::uuid AS app_id, NULL::timestamptz AS due_at, 0::bigint AS place, false AS wrapped
            UNION ALL
            SELECT next.app_id, next.due_at, w.place + 1, w.wrapped OR next.app_id <= w.app_id
            FROM walk w CROSS JOIN LATERAL (
                (SELECT app_id, due_at FROM outbox WHERE state = 'queued' AND app_id > w.app_id
                    ORDER BY app_id, due_at LIMIT 1)
                UNION ALL
                (SELECT app_id, due_at FROM outbox
                    WHERE state = 'queued' AND app_id >= '00000000-0000-0000-0000-000000000000'
                    ORDER BY app_id, due_at LIMIT 1)
                LIMIT 1
            ) next
            WHERE w.place < 32 + $1::bigint AND NOT (w.wrapped AND w.app_id >= $5)
        ), candidates AS (
            SELECT app_id, min(place) AS place FROM (
                SELECT app_id, place FROM walk WHERE due_at <= now() AND NOT (wrapped AND app_id > $5)
                UNION ALL
                (SELECT app_id, NULL FROM outbox WHERE state = 'queued' AND due_at <= now() AND mail_id <> ALL ($3)
                    AND ($4 OR NOT claimed)
                ORDER BY due_at LIMIT $1)
            ) c GROUP BY app_id
        ), turns AS (
            SELECT c.app_id, c.place
            FROM candidates c CROSS JOIN LATERAL (
                SELECT row_number() OVER () + cardinality(array_positions($6, c.app_id)) AS number FROM (
                    SELECT FROM outbox q
                    WHERE q.state = 'queued' AND (q.app_id, q.due_at) >= (c.app_id, '-infinity')
                        AND (q.app_id, q.due_at) <= (c.app_id, now())
                        AND q.mail_id <> ALL ($3) AND ($4 OR NOT q.claimed)
                    ORDER BY q.app_id, q.due_at LIMIT $1
                ) q
            ) t
            ORDER BY t.number, c.place LIMIT $1
        ), shares AS (
            SELECT app_id, min(place) AS place, count(*) AS mails FROM turns GROUP BY app_id
        ), due AS (
            SELECT d.app_id, d.mail_id FROM shares s CROSS JOIN LATERAL (
                SELECT q.app_id, q.mail_id FROM outbox q
                WHERE q.state = 'queued' AND (q.app_id, q.due_at) >= (s.app_id, '-infinity')
                    AND (q.app_id, q.due_at) <= (s.app_id, now())
                    AND q.mail_id <> ALL ($3) AND ($4 OR NOT q.claimed)
                ORDER BY q.app_id, q.due_at LIMIT s.mails FOR UPDATE SKIP LOCKED
            ) d
        ), claimed AS (
            UPDATE outbox o
            SET attempts = LEAST(attempts, 2147483646) + 1, claimed = true, due_at = now() + make_interval(secs => $2)
            FROM due WHERE o.app_id = due.app_id AND o.mail_id = due.mail_id
            RETURNING o.*
        )
        SELECT o.app_id, o.mail_id, o.attempts, o.kind, o.recipient, o.language, o.secret AS "secret!",
            o.message_id, extract(epoch FROM o.created_at)::bigint AS "created_at!",
            extract(epoch FROM COALESCE(i.expires_at, c.expires_at))::bigint AS expires_at,
            a.name AS app_name, a.language AS app_language, a.mail_from AS app_from,
            a.reply_to AS app_reply_to, a.return_path AS app_return_path, a.logo_url, a.color, a.home_url,
            a.footer, a.imprint_url, a.privacy_url, a.invite_url,
            COALESCE(u.name, NULLIF(concat_ws(' ', u.given_name, u.family_name), ''), u.nickname) AS inviter,
            CASE o.kind WHEN 'referral' THEN u.referral_code END AS referral_code,
            i.address_hash, k.key_id AS "key_id?", k.hash_key AS "hash_key?", (
                SELECT true FROM opt_outs n WHERE n.app_id = o.app_id AND n.address_hash = i.address_hash)
                IS NOT NULL AS "opted_out!",
            (SELECT true FROM mail_templates m WHERE m.app_id = o.app_id AND m.kind = o.kind LIMIT 1) IS NOT NULL
                AS "has_template!",
            COALESCE((SELECT app_id FROM shares WHERE place IS NOT NULL ORDER BY place DESC LIMIT 1),
                (SELECT app_id FROM walk ORDER BY place DESC LIMIT 1)) AS "turn!"
        FROM claimed o
        JOIN apps a ON a.app_id = o.app_id
        LEFT JOIN invites i ON i.app_id = o.app_id AND i.invite_id = o.invite_id
        LEFT JOIN email_confirmations c ON c.app_id = o.app_id AND c.user_id = o.user_id
        LEFT JOIN users u ON u.app_id = i.app_id AND u.user_id = i.inviter_id
        LEFT JOIN opt_out_keys k ON k.app_id = o.app_id AND i.address_hash IS NOT NULL
        "#,
        limit,
        lease.as_secs_f64(),
        &mails,
        take_over,
        *turn,
        &apps,
    )
    .fetch_all(db)
    .await?;
    if let Some(row) = rows.first() {
        *turn = row.turn;
    }
    let mails = rows.into_iter().filter_map(|row| {
        Some(ClaimedMail {
            app: AppId(row.app_id),
            id: row.mail_id,
            attempts: row.attempts,
            kind: MailKind::parse(&row.kind)?,
            recipient: row.recipient,
            language: row.language,
            secret: row.secret,
            message_id: row.message_id,
            created_at: row.created_at,
            expires_at: row.expires_at,
            brand: Brand {
                name: row.app_name,
                logo: LogoUrl::stored(row.logo_url.as_deref()),
                color: Color::stored(row.color.as_deref()),
                contact: sender::stored_address(row.app_reply_to.as_deref()),
                home: WebUrl::stored(row.home_url.as_deref()),
                footer: row.footer,
                imprint: WebUrl::stored(row.imprint_url.as_deref()),
                privacy: WebUrl::stored(row.privacy_url.as_deref()),
            },
            app_language: row.app_language,
            app_from: row.app_from,
            app_reply_to: row.app_reply_to,
            app_return_path: row.app_return_path,
            invite_url: row.invite_url,
            inviter: row.inviter,
            referral_code: row.referral_code,
            opt_out: row.key_id.zip(row.hash_key).zip(row.address_hash).and_then(|((id, key), hash)| {
                Some((SealedKey::new(id, key), AddressHash(hash.try_into().ok()?)))
            }),
            opted_out: row.opted_out,
            has_template: row.has_template,
        })
    });
    Ok(mails.collect())
}

/// Extends the lease of a mail that is still being sent. Returns false if the lease was lost.
pub async fn extend(db: &Pool, mail: &ClaimedMail, lease: Duration) -> Result<bool, Error> {
    let done = query!(
        "UPDATE outbox SET due_at = now() + make_interval(secs => $4)
        WHERE app_id = $1 AND mail_id = $2 AND attempts = $3 AND state = 'queued'",
        mail.app.0,
        mail.id,
        mail.attempts,
        lease.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Marks a mail as sent or permanently rejected, and deletes its secret. A mail that the server accepted while its
/// invite was being revoked counts as sent.
pub async fn finish(db: &Pool, mail: &ClaimedMail, sent: bool, reply: &str) -> Result<(), Error> {
    query!(
        "UPDATE outbox SET state = CASE WHEN $4 THEN 'sent' ELSE 'failed' END, last_reply = $5,
            secret = NULL, claimed = false, finished_at = now()
        WHERE app_id = $1 AND mail_id = $2 AND attempts = $3
            AND (state = 'queued' OR $4 AND state = 'failed' AND claimed)",
        mail.app.0,
        mail.id,
        mail.attempts,
        sent,
        reply,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Schedules the next attempt of a temporarily rejected mail after `delay`, or marks it as failed if that is later than
/// `give_up_after` from its creation. Returns true if it failed.
pub async fn retry_later(
    db: &Pool,
    mail: &ClaimedMail,
    delay: Duration,
    give_up_after: Duration,
    reply: &str,
) -> Result<bool, Error> {
    // The row has the last reply.
    let failed = sqlx::query_scalar!(
        r#"
        WITH tried AS (
            UPDATE outbox SET due_at = now() + make_interval(secs => $4), claimed = false, last_reply = $6,
                state = CASE WHEN last THEN 'failed' ELSE 'queued' END,
                secret = CASE WHEN last THEN NULL ELSE secret END,
                finished_at = CASE WHEN last THEN now() END
            FROM (SELECT now() + make_interval(secs => $4)
                > to_timestamp($7::bigint) + make_interval(secs => $5) AS last) l
            WHERE app_id = $1 AND mail_id = $2 AND attempts = $3 AND state = 'queued'
            RETURNING invite_id, last
        ), event AS (
            INSERT INTO invite_events (app_id, invite_id, event_id, mail_id, kind, detail)
            SELECT $1, invite_id, $8, $2, 'refused', $6 FROM tried WHERE NOT last AND invite_id IS NOT NULL
        )
        SELECT last AS "last!" FROM tried
        "#,
        mail.app.0,
        mail.id,
        mail.attempts,
        delay.as_secs_f64(),
        give_up_after.as_secs_f64(),
        reply,
        mail.created_at,
        crate::domain::id::new(),
    )
    .fetch_optional(db)
    .await?;
    Ok(failed.unwrap_or(false))
}

/// The number of queued mails (counted up to 100,000) and for how many seconds the oldest has been due.
pub async fn backlog(db: &Pool) -> Result<(i64, f64), Error> {
    let row = query!(
        r#"
        SELECT count(*) AS "queued!",
            COALESCE(extract(epoch FROM now() - min(due_at)), 0)::float8 AS "oldest!"
        FROM (SELECT due_at FROM outbox WHERE state = 'queued' AND due_at < 'infinity' ORDER BY due_at LIMIT 100000) o
        "#
    )
    .fetch_one(db)
    .await?;
    Ok((row.queued, row.oldest.max(0.0)))
}

/// Deletes one batch of mails that were sent or failed longer ago than `kept`. Returns true if there are more.
pub async fn delete_expired(db: &Pool, kept: Duration) -> Result<bool, Error> {
    // Rows that are locked by a concurrent retry are skipped. PostgreSQL plans without the value of $1; the lower bound
    // makes it expect few rows and use the index.
    let done = query!(
        "WITH final AS MATERIALIZED (
            SELECT app_id, mail_id FROM outbox
            WHERE state <> 'queued' AND finished_at > '-infinity'
                AND finished_at <= now() - make_interval(secs => $1)
            ORDER BY finished_at LIMIT 1000 FOR UPDATE SKIP LOCKED
        )
        DELETE FROM outbox WHERE (app_id, mail_id) IN (SELECT app_id, mail_id FROM final)",
        kept.as_secs_f64(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1000)
}

/// The NOTIFY channel that wakes workers when a mail is queued.
pub const CHANNEL: &str = "userdocks_outbox";

/// Wakes the workers of all processes. Must not run within the transaction of a request: NOTIFY serializes commits.
pub async fn wake(db: &Pool) -> Result<(), Error> {
    query!("SELECT pg_notify($1, '')", CHANNEL).execute(db).await?;
    Ok(())
}
