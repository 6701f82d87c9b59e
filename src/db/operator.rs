//! Operator statements over all apps, called by the command line and never by `http`. Only these and the worker's
//! statements on mails and quotas are not scoped by app.

use jiff::Timestamp;
use sqlx::{query, query_as, query_scalar};
use uuid::Uuid;

use super::apps::App;
use super::invites::manage::{Filter, invite_rows};
use super::outbox::manage::MailRow;
use super::{Error, Pool};
use crate::domain::credentials::secret_key::{Purpose, SecretKey};
use crate::domain::email::Email;
use crate::domain::id::AppId;
use crate::domain::invites::invite::Invite;
use crate::domain::invites::{Kind, State};

/// All apps, oldest first.
pub async fn apps(db: &Pool) -> Result<Vec<App>, Error> {
    Ok(query_as!(
        App,
        "SELECT app_id, name, language, mail_from, reply_to, return_path, logo_url, color, home_url, footer,
            imprint_url, privacy_url, invite_url, invite_expires_in, origins, issuer, jwks_url
        FROM apps
        ORDER BY created_at, app_id"
    )
    .fetch_all(db)
    .await?)
}

/// Invites, newest first, at most `limit`: of one app, or of all if `None`; or only the invite with this id.
pub async fn invites(
    db: &Pool,
    app: Option<AppId>,
    filter: &Filter,
    id: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Invite>, Error> {
    Ok(invite_rows!(
        r#"
        WHERE ($1::uuid IS NULL OR app_id = $1) AND ($2::uuid IS NULL OR invite_id = $2)
            AND ($3::text IS NULL OR kind = $3)
            AND ($4::text IS NULL OR invite_state(accepted_at, revoked_at, expires_at) = $4)
            AND ($5::text IS NULL OR lower(email) = lower($5)) AND ($6::uuid IS NULL OR inviter_id = $6)
        ORDER BY invite_id DESC LIMIT $7
        "#,
        app.map(|app| app.0),
        id,
        filter.kind.map(Kind::as_str),
        filter.state.map(State::as_str),
        filter.email.as_ref().map(Email::as_str),
        filter.inviter.map(|inviter| inviter.0),
        limit,
    )
    .fetch_all(db)
    .await?)
}

/// The app that owns this signing key.
pub async fn app_of_signing_key(db: &Pool, key: Uuid) -> Result<Option<AppId>, Error> {
    let app =
        query_scalar!("SELECT app_id FROM signing_keys WHERE key_id = $1", key).fetch_optional(db).await?;
    Ok(app.map(AppId))
}

/// Whether this secret key is the one of the database, or opens what was sealed under it. A database without one adopts
/// this key.
pub async fn is_secret_key(db: &Pool, seal: &SecretKey) -> Result<bool, Error> {
    loop {
        if let Some(sealed) = query_scalar!("SELECT sealed FROM secret_key_check").fetch_optional(db).await? {
            return Ok(seal.open(Purpose::Check, Uuid::nil(), &sealed).is_ok());
        }
        // The database is older than this check.
        let key = query!("SELECT key_id, private_key FROM signing_keys ORDER BY created_at LIMIT 1")
            .fetch_optional(db)
            .await?;
        if key.is_some_and(|key| seal.open(Purpose::SigningKey, key.key_id, &key.private_key).is_err()) {
            return Ok(false);
        }
        let sealed = seal.seal(Purpose::Check, Uuid::nil(), CHECK);
        // If several servers insert at once, one wins and all read again.
        query!("INSERT INTO secret_key_check (sealed) VALUES ($1) ON CONFLICT DO NOTHING", sealed)
            .execute(db)
            .await?;
    }
}

/// The plaintext of the check value.
const CHECK: &[u8] = b"userdocks";
/// Rows per statement.
const BATCH: i64 = 500;

/// How many values were resealed.
#[derive(Debug)]
pub struct ResealCounts {
    /// Private keys of apps.
    pub signing_keys: usize,
    /// Codes of queued mails.
    pub mails: usize,
    pub webhook_secrets: usize,
    /// Keys that hash opted-out addresses.
    pub opt_out_keys: usize,
    /// Secrets of the authenticator apps of operators.
    pub totp_secrets: usize,
    /// Values that neither key opens; they were left unchanged.
    pub unopened: usize,
}

/// Reseals the values of one table and returns how many. `$select` returns up to `$3` values after an app and an id
/// (`$1`, `$2`) as `app_id`, `id` and `sealed`; `$update` changes those that have not changed meanwhile.
macro_rules! reseal_table {
    ($db:expr, ($seal:expr, $purpose:expr), $unopened:expr, $select:literal, $update:literal) => {{
        let (mut last, mut done) = ((Uuid::nil(), Uuid::nil()), 0);
        loop {
            let rows = query!($select, last.0, last.1, BATCH).fetch_all($db).await?;
            let Some(row) = rows.last() else { break done };
            last = (row.app_id, row.id);
            let rows = rows.into_iter().map(|row| (row.app_id, row.id, row.sealed));
            let Batch { apps, ids, stale, fresh } = Batch::of($seal, $purpose, rows, $unopened);
            let changed = query!($update, &apps, &ids, &stale, &fresh).execute($db).await?;
            done += usize::try_from(changed.rows_affected()).unwrap_or(0);
        }
    }};
}

/// Reseals everything under the current key while servers run. The check value is resealed last, so that the old key is
/// required until all is done.
pub async fn reseal(db: &Pool, seal: &SecretKey) -> Result<ResealCounts, Error> {
    let mut unopened = 0;
    let signing_keys = reseal_table!(
        db,
        (seal, Purpose::SigningKey),
        &mut unopened,
        "SELECT app_id, key_id AS id, private_key AS sealed FROM signing_keys WHERE (app_id, key_id) > ($1, $2)
        ORDER BY app_id, key_id LIMIT $3",
        "UPDATE signing_keys k SET private_key = n.fresh
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) AS n (app_id, id, stale, fresh)
        WHERE k.app_id = n.app_id AND k.key_id = n.id AND k.private_key = n.stale"
    );
    let mails = reseal_table!(
        db,
        (seal, Purpose::Code),
        &mut unopened,
        r#"SELECT app_id, mail_id AS id, secret AS "sealed!" FROM outbox
        WHERE state = 'queued' AND (app_id, mail_id) > ($1, $2) ORDER BY app_id, mail_id LIMIT $3"#,
        "UPDATE outbox o SET secret = n.fresh
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) AS n (app_id, id, stale, fresh)
        WHERE o.app_id = n.app_id AND o.mail_id = n.id AND o.secret = n.stale"
    );
    let webhook_secrets = reseal_table!(
        db,
        (seal, Purpose::WebhookSecret),
        &mut unopened,
        "SELECT app_id, secret_id AS id, secret AS sealed FROM webhook_secrets
        WHERE (app_id, secret_id) > ($1, $2) ORDER BY app_id, secret_id LIMIT $3",
        "UPDATE webhook_secrets s SET secret = n.fresh
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) AS n (app_id, id, stale, fresh)
        WHERE s.app_id = n.app_id AND s.secret_id = n.id AND s.secret = n.stale"
    );
    let opt_out_keys = reseal_table!(
        db,
        (seal, Purpose::OptOutKey),
        &mut unopened,
        "SELECT app_id, key_id AS id, hash_key AS sealed FROM opt_out_keys WHERE (app_id, key_id) > ($1, $2)
        ORDER BY app_id, key_id LIMIT $3",
        "UPDATE opt_out_keys k SET hash_key = n.fresh
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) AS n (app_id, id, stale, fresh)
        WHERE k.app_id = n.app_id AND k.key_id = n.id AND k.hash_key = n.stale"
    );
    // An operator is of no app: `$1` takes the place of one.
    let totp_secrets = reseal_table!(
        db,
        (seal, Purpose::TotpSecret),
        &mut unopened,
        r#"SELECT $1::uuid AS "app_id!", operator_id AS id, totp_secret AS "sealed!" FROM operators
        WHERE totp_secret IS NOT NULL AND operator_id > $2 ORDER BY operator_id LIMIT $3"#,
        "UPDATE operators o SET totp_secret = n.fresh
        FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) AS n (app_id, id, stale, fresh)
        WHERE o.operator_id = n.id AND o.totp_secret = n.stale"
    );
    query!("UPDATE secret_key_check SET sealed = $1", seal.seal(Purpose::Check, Uuid::nil(), CHECK))
        .execute(db)
        .await?;
    Ok(ResealCounts { signing_keys, mails, webhook_secrets, opt_out_keys, totp_secrets, unopened })
}

/// Columns of the rows to change.
#[derive(Default)]
struct Batch {
    apps: Vec<Uuid>,
    ids: Vec<Uuid>,
    stale: Vec<Vec<u8>>,
    fresh: Vec<Vec<u8>>,
}

impl Batch {
    /// The `rows` (app, id, sealed value) that are not sealed under the current key.
    fn of(
        seal: &SecretKey,
        purpose: Purpose,
        rows: impl Iterator<Item = (Uuid, Uuid, Vec<u8>)>,
        unopened: &mut usize,
    ) -> Self {
        let mut batch = Self::default();
        for (app, id, stale) in rows {
            match seal.reseal(purpose, id, &stale) {
                Ok(None) => {}
                Err(_) => *unopened += 1,
                Ok(Some(fresh)) => {
                    batch.apps.push(app);
                    batch.ids.push(id);
                    batch.stale.push(stale);
                    batch.fresh.push(fresh);
                }
            }
        }
        batch
    }
}

/// Up to 1,000 failed mails with ids greater than `after`, by id; optionally of one app, or failed since a time.
pub async fn failed_mails(
    db: &Pool,
    app: Option<AppId>,
    since: Option<Timestamp>,
    after: Uuid,
) -> Result<Vec<MailRow>, Error> {
    Ok(query_as!(
        MailRow,
        r#"
        SELECT mail_id AS id, app_id, recipient AS "to", kind, state, attempts, last_reply, message_id,
            to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "created_at!",
            NULL::text AS next_attempt_at
        FROM outbox
        WHERE state = 'failed' AND mail_id > $3 AND ($1::uuid IS NULL OR app_id = $1)
            AND ($2::text IS NULL OR finished_at >= $2::text::timestamptz)
        ORDER BY mail_id LIMIT 1000
        "#,
        app.map(|app| app.0),
        since.map(|since| since.to_string()),
        after,
    )
    .fetch_all(db)
    .await?)
}
