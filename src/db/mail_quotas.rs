//! How many mails an app may send in a day (UTC), over all processes: a row that each leases a part of.

use std::time::Duration;

use sqlx::query_scalar;

use super::{Error, Pool};
use crate::domain::id::AppId;

/// Leases a thousandth of the app's `bound` for this day, or what is left if that is less than it; how many, and
/// for how long the day lasts.
pub async fn lease(db: &Pool, app: AppId, bound: i64) -> Result<(i64, Duration), Error> {
    let part = (bound / 1000).max(1);
    // Towards the end one at a time, so that the bound is reached.
    for mails in [part, 1] {
        let left = query_scalar!(
            r#"
            INSERT INTO mail_quotas (app_id, day, used) VALUES ($1, (now() AT TIME ZONE 'UTC')::date, $2)
            ON CONFLICT (app_id, day) DO UPDATE SET used = mail_quotas.used + EXCLUDED.used
            WHERE mail_quotas.used + EXCLUDED.used <= $3
            RETURNING extract(epoch FROM (day + 1)::timestamp - now() AT TIME ZONE 'UTC')::float8 AS "left!"
            "#,
            app.0,
            mails,
            bound,
        )
        .fetch_optional(db)
        .await?;
        if let Some(left) = left {
            return Ok((mails, Duration::try_from_secs_f64(left).unwrap_or_default()));
        }
    }
    let left = query_scalar!(
        r#"
        SELECT extract(epoch FROM date_trunc('day', t + interval '1 day') - t)::float8 AS "left!"
        FROM (SELECT now() AT TIME ZONE 'UTC' AS t) n
        "#
    )
    .fetch_one(db)
    .await?;
    Ok((0, Duration::try_from_secs_f64(left).unwrap_or_default()))
}

/// Gives back what was leased this day and not sent.
pub async fn give_back(db: &Pool, app: AppId, mails: i64) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE mail_quotas SET used = GREATEST(used - $2, 0)
        WHERE app_id = $1 AND day = (now() AT TIME ZONE 'UTC')::date",
        app.0,
        mails,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Deletes the counts of days that are over.
pub async fn forget(db: &Pool) -> Result<(), Error> {
    sqlx::query!("DELETE FROM mail_quotas WHERE day < (now() AT TIME ZONE 'UTC')::date").execute(db).await?;
    Ok(())
}
