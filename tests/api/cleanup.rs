//! What is over is deleted, however much there is, and whatever else cannot be deleted.

use sqlx::{Connection, PgConnection};

use crate::outbox::restart;
use crate::support::Test;

const OVER: &str = "SELECT (SELECT count(*) FROM referral_quotas WHERE day < '2020-02-01')
    + (SELECT count(*) FROM mail_quotas WHERE day < '2020-02-01')
    + (SELECT count(*) FROM idempotency_keys WHERE created_at < '2020-02-01')
    + (SELECT count(*) FROM webhook_deliveries WHERE finished_at < '2020-02-01')";

/// Makes rows that are over and as many that are not: of each table that has any.
async fn fill(test: &Test) {
    for day in ["2020-01-01", "9999-01-01"] {
        for statement in [
            "INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
                SELECT $1, 'recipient', n::text, $2::text::date, 1, 1 FROM generate_series(1, 12000) n",
            "INSERT INTO mail_quotas (app_id, day, used) VALUES ($1, $2::text::date, 1)",
            "INSERT INTO idempotency_keys (app_id, caller, key, request, status, body, created_at)
                SELECT $1, gen_random_uuid(), n::text, '', 200, '', $2::text::date
                FROM generate_series(1, 6000) n",
            "WITH w AS (
                INSERT INTO webhooks (app_id, webhook_id, url, events) VALUES ($1, gen_random_uuid(), '', '{}')
                RETURNING webhook_id)
            INSERT INTO webhook_deliveries
                (app_id, delivery_id, webhook_id, type, payload, state, finished_at)
                SELECT $1, gen_random_uuid(), webhook_id, '', '', 'delivered', $2::text::date FROM w",
        ] {
            sqlx::query(statement).bind(test.app.id.0).bind(day).execute(&test.db).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_over_is_deleted_in_steps() {
    let mut test = Test::start().await;
    fill(&test).await;
    restart(&mut test, &[]).await;
    test.until_none(OVER).await;
    for (kept, count) in [
        ("SELECT count(*) FROM referral_quotas", 12_000),
        ("SELECT count(*) FROM mail_quotas", 1),
        ("SELECT count(*) FROM idempotency_keys", 6_000),
        ("SELECT count(*) FROM webhook_deliveries", 1),
    ] {
        assert_eq!(test.count(kept).await, count, "{kept}");
    }
    test.finish().await;
}

#[tokio::test]
async fn a_kind_that_cannot_be_deleted_keeps_no_other() {
    let mut test = Test::start().await;
    fill(&test).await;
    let mut holder = PgConnection::connect(&test.database_url).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE referral_quotas IN SHARE MODE").execute(&mut *lock).await.unwrap();
    restart(&mut test, &[]).await;
    test.until_none("SELECT count(*) FROM idempotency_keys WHERE created_at < '2020-02-01'").await;
    test.until_none("SELECT count(*) FROM webhook_deliveries WHERE finished_at < '2020-02-01'").await;
    assert_eq!(test.count("SELECT count(*) FROM referral_quotas").await, 24_000);
    lock.rollback().await.unwrap();
    test.finish().await;
}
