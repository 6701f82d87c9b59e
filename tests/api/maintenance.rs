//! Deletion of expired rows, in any number, also if some rows cannot be deleted.

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use userdocks::domain::id::UserId;

use crate::invites::accept::accept;
use crate::outbox::queue::restart;
use crate::pages::invite::{
    ACCEPTED, EXPIRED, OPEN, UNKNOWN, assert_said, get, post, referred, until_one_waits,
};
use crate::support::{Answer, As, Test, code, new_id};

const OVER: &str = "SELECT (SELECT count(*) FROM referral_quotas WHERE day < '2020-02-01')
    + (SELECT count(*) FROM mail_quotas WHERE day < '2020-02-01')
    + (SELECT count(*) FROM idempotency_keys WHERE created_at < '2020-02-01')
    + (SELECT count(*) FROM webhook_deliveries WHERE finished_at < '2020-02-01')";

/// Inserts expired rows and as many current ones into each table that has them.
async fn fill(test: &Test) {
    for day in ["2020-01-01", "9999-01-01"] {
        for statement in [
            "INSERT INTO referral_quotas (app_id, scope, subject, day, used, allowed)
                SELECT $1, 'recipient', n::text, $2::text::date, 1, 1 FROM generate_series(1, 2500) n",
            "INSERT INTO mail_quotas (app_id, day, used) VALUES ($1, $2::text::date, 1)",
            "INSERT INTO idempotency_keys (app_id, caller, key, request, status, body, created_at)
                SELECT $1, gen_random_uuid(), n::text, '', 200, '', $2::text::date
                FROM generate_series(1, 2500) n",
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
async fn expired_rows_are_deleted_in_batches() {
    let mut test = Test::start().await;
    fill(&test).await;
    restart(&mut test, &[]).await;
    test.until_none(OVER).await;
    for (kept, count) in [
        ("SELECT count(*) FROM referral_quotas", 2_500),
        ("SELECT count(*) FROM mail_quotas", 1),
        ("SELECT count(*) FROM idempotency_keys", 2_500),
        ("SELECT count(*) FROM webhook_deliveries", 1),
    ] {
        assert_eq!(test.count(kept).await, count, "{kept}");
    }
    test.finish().await;
}

#[tokio::test]
async fn locked_table_does_not_block_cleanup_of_other_tables() {
    let mut test = Test::start().await;
    fill(&test).await;
    let mut holder = PgConnection::connect(&test.database_url).await.unwrap();
    let mut lock = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE referral_quotas IN SHARE MODE").execute(&mut *lock).await.unwrap();
    restart(&mut test, &[]).await;
    test.until_none("SELECT count(*) FROM idempotency_keys WHERE created_at < '2020-02-01'").await;
    test.until_none("SELECT count(*) FROM webhook_deliveries WHERE finished_at < '2020-02-01'").await;
    assert_eq!(test.count("SELECT count(*) FROM referral_quotas").await, 5_000);
    lock.rollback().await.unwrap();
    test.finish().await;
}

/// Rows of 2020 and of this year for the retention: mails of a user, and referrals with a mail and an event each.
async fn fill_retention(test: &Test) -> UserId {
    let ada = test.member(&test.app, "ada@example.com", None).await;
    for (age, count) in [("6 years", 6000), ("1 hour", 3)] {
        for statement in [
            "INSERT INTO outbox (app_id, mail_id, user_id, kind, recipient, language, message_id, state, finished_at)
                SELECT $1, gen_random_uuid(), $2, 'notice', 'ada@example.com', 'en', '',
                    CASE WHEN n % 2 = 0 THEN 'sent' ELSE 'failed' END, now() - $3::text::interval
                FROM generate_series(1, $4) n",
            "WITH made AS (
                INSERT INTO invites (app_id, invite_id, kind, inviter_id, email, language, code_hash, created_at, expires_at)
                SELECT $1, gen_random_uuid(), 'referral', $2, gen_random_uuid() || '@example.com', 'en',
                    uuid_send(gen_random_uuid()), now() - $3::text::interval, now() - $3::text::interval
                FROM generate_series(1, $4 / 2) n
                RETURNING invite_id, email
            ), mail AS (
                INSERT INTO outbox
                    (app_id, mail_id, invite_id, kind, recipient, language, message_id, state, finished_at)
                SELECT $1, invite_id, invite_id, 'referral', email, 'en', '', 'sent', now() FROM made
            )
            INSERT INTO invite_events (app_id, invite_id, event_id, mail_id, kind)
            SELECT $1, invite_id, invite_id, invite_id, 'viewed' FROM made",
        ] {
            let filled = sqlx::query(statement).bind(test.app.id.0).bind(ada.0).bind(age).bind(count);
            filled.execute(&test.db).await.unwrap();
        }
    }
    ada
}

const OLD_MAILS: &str = "SELECT count(*) FROM outbox WHERE finished_at < now() - interval '1 year'";
const OLD_INVITES: &str = "SELECT count(*) FROM invites WHERE expires_at < now() - interval '1 year'";

#[tokio::test]
async fn mails_and_invites_are_deleted_after_retention() {
    let mut test = Test::start().await;
    fill_retention(&test).await;
    // A queued mail is kept at any age, and so is its invite.
    test.sql(
        "INSERT INTO outbox (app_id, mail_id, invite_id, kind, recipient, language, secret, message_id, created_at, due_at)
        SELECT app_id, gen_random_uuid(), invite_id, kind, email, language, '', '', '2020-01-01', '9999-01-01' FROM invites
        WHERE expires_at < now() - interval '1 year' LIMIT 1",
    )
    .await;
    restart(&mut test, &[]).await;
    test.until_none(OLD_MAILS).await;
    test.until_none("SELECT count(*) - 1 FROM invites WHERE expires_at < now() - interval '1 year'").await;
    for (kept, count) in [
        ("SELECT count(*) FROM outbox WHERE user_id IS NOT NULL", 3),
        ("SELECT count(*) FROM invites", 2),
        // Kept invites keep all their mails. The oldest invite has the queued mail.
        ("SELECT count(*) FROM outbox WHERE invite_id IS NOT NULL", 3),
        ("SELECT count(*) FROM invite_events", 2),
    ] {
        assert_eq!(test.count(kept).await, count, "{kept}");
    }
    test.sql("DELETE FROM outbox WHERE due_at = '9999-01-01'").await;
    test.finish().await;
}

#[tokio::test]
async fn retention_of_0_keeps_mails_and_invites() {
    let mut test = Test::start().await;
    fill(&test).await;
    fill_retention(&test).await;
    let (mails, invites) = (test.count(OLD_MAILS).await, test.count(OLD_INVITES).await);
    restart(&mut test, &[("USERDOCKS_RETENTION__MAILS", "0"), ("USERDOCKS_RETENTION__INVITES", "0")]).await;
    // A cleanup round deletes deliveries last.
    test.until_none("SELECT count(*) FROM webhook_deliveries WHERE finished_at < '2020-02-01'").await;
    assert_eq!((test.count(OLD_MAILS).await, test.count(OLD_INVITES).await), (mails, invites));
    test.finish().await;
}

async fn ask_again(test: &Test, user: UserId, email: &str) -> Answer {
    let body = json!({ "email": email, "language": "en" });
    test.call("POST", &format!("/v1/users/{user}"), As::Write(&test.app), Some(body)).await
}

const AGE: &str = "UPDATE invites SET created_at = created_at - interval '2 years',
        mailed_at = mailed_at - interval '2 years', expires_at = expires_at - interval '2 years',
        accepted_at = accepted_at - interval '2 years', revoked_at = revoked_at - interval '2 years';
    UPDATE outbox SET created_at = created_at - interval '2 years', finished_at = finished_at - interval '2 years'
        WHERE state <> 'queued'";

async fn age(test: &Test) {
    test.idle().await;
    sqlx::raw_sql(AGE).execute(&test.db).await.unwrap();
}

#[tokio::test]
async fn deleted_invite_is_404_and_can_be_sent_again() {
    let mut test = Test::start().await;
    let (bob, of_bob) = test.invited("bob@example.com").await;
    let (carl, of_carl) = test.invited("carl@example.com").await;
    let (dora, of_dora) = test.invited("dora@example.com").await;
    assert_said(&post(&test, &of_carl).await, ACCEPTED);
    age(&test).await;
    let (_, of_eve) = test.invited("eve@example.com").await;
    assert_said(&get(&test, &of_bob).await, EXPIRED);
    assert_eq!(ask_again(&test, dora, "dora@example.com").await.status, 200);
    let renewed = code(&test.mail().await);
    test.idle().await;

    restart(&mut test, &[]).await;
    test.until_none(OLD_INVITES).await;
    for gone in [&of_bob, &of_carl, &of_dora] {
        assert_said(&get(&test, gone).await, UNKNOWN);
        assert_said(&post(&test, gone).await, UNKNOWN);
    }
    for open in [&renewed, &of_eve] {
        assert_said(&get(&test, open).await, OPEN);
    }
    assert_eq!(ask_again(&test, carl, "carl@example.com").await.code(), (400, "already_accepted"));

    // The user still exists. Of two concurrent calls one invites them again.
    let (one, two) =
        tokio::join!(ask_again(&test, bob, "bob@example.com"), ask_again(&test, bob, "bob@example.com"));
    let mut said = [&one, &two].map(|answer| answer.success().1);
    said.sort_unstable();
    let too_soon = "the user was invited a short while ago, so no second mail was sent";
    assert_eq!(said, ["the invite was sent again", too_soon]);
    assert_said(&post(&test, &code(&test.mail().await)).await, ACCEPTED);
    test.finish().await;
}

#[tokio::test]
async fn cleanup_skips_invites_locked_by_renewal_or_mail_retry() {
    let mut test = Test::start().await;
    let (bob, _) = test.invited("bob@example.com").await;
    test.invited("carl@example.com").await;
    test.invited("dora@example.com").await;
    age(&test).await;
    // The first invite is being renewed. The mail of the second one is being retried.
    let mut holder = PgConnection::connect(&test.database_url).await.unwrap();
    let mut renewal = holder.begin().await.unwrap();
    let renew = "UPDATE invites SET expires_at = now() + interval '7 days' WHERE email = 'bob@example.com'";
    sqlx::query(renew).execute(&mut *renewal).await.unwrap();
    let retry = "SELECT FROM outbox WHERE recipient = 'carl@example.com' FOR UPDATE";
    sqlx::query(retry).execute(&mut *renewal).await.unwrap();
    restart(&mut test, &[]).await;
    // The third invite is deleted, since the statement skips locked rows.
    test.until_none("SELECT count(*) FROM invites WHERE email = 'dora@example.com'").await;
    renewal.commit().await.unwrap();
    assert_eq!(test.count("SELECT count(*) FROM invites").await, 2);
    assert_eq!(test.count("SELECT count(*) FROM outbox WHERE recipient = 'carl@example.com'").await, 1);

    // A call during the deletion creates a new invite.
    let mut deletion = holder.begin().await.unwrap();
    for statement in ["DELETE FROM outbox", "DELETE FROM invites"] {
        sqlx::query(statement).execute(&mut *deletion).await.unwrap();
    }
    let commit = async {
        until_one_waits(&test).await;
        deletion.commit().await.unwrap();
    };
    let (answer, ()) = tokio::join!(ask_again(&test, bob, "bob@example.com"), commit);
    assert_eq!(answer.success().1, "the invite was sent again");
    assert_said(&get(&test, &code(&test.mail().await)).await, OPEN);
    test.finish().await;
}

#[tokio::test]
async fn referrals_of_existing_users_survive_invite_cleanup() {
    let mut test = Test::start().await;
    let ada = test.member(&test.app, "ada@example.com", None).await;
    let of_ada: String =
        sqlx::query_scalar("SELECT referral_code FROM users").fetch_one(&test.db).await.unwrap();
    let bob = referred(&test, ada, "bob@example.com", "en").await;
    assert_eq!(accept(&test, &code(&bob), None).await.status, 200);
    let (_, carl) = test.invited("carl@example.com").await;
    assert_eq!(accept(&test, &carl, Some(json!({ "referralCode": of_ada }))).await.status, 200);
    let body = json!({ "email": "dora@example.com", "language": "en", "referralCode": of_ada });
    test.call("POST", &format!("/v1/users/{}", new_id()), As::Write(&test.app), Some(body)).await.user();
    test.mail().await;
    referred(&test, ada, "eve@example.com", "en").await;
    age(&test).await;

    let told = async |test: &Test| {
        let path = format!("/v1/users/{ada}/referrals");
        let page = test.call("GET", &path, As::Read(&test.app), None).await.success().2.clone();
        let items = page["items"].as_array().unwrap().iter();
        let mut items: Vec<Value> =
            items.map(|item| json!([item["email"], item["by"], item["state"]])).collect();
        items.sort_by_key(Value::to_string);
        let board = test.call("GET", "/v1/referrals/leaderboard", As::Read(&test.app), None).await;
        (page["counts"].clone(), items, board.success().2.clone())
    };
    let (counts, mut items, board) = told(&test).await;
    assert_eq!(counts, json!({ "open": 0, "accepted": 2, "expired": 2, "revoked": 0 }));
    assert_eq!(
        json!(items),
        json!([
            ["bob@example.com", "invite", "accepted"],
            ["carl@example.com", "code", "accepted"],
            ["dora@example.com", "code", "expired"],
            ["eve@example.com", "invite", "expired"],
        ])
    );
    restart(&mut test, &[]).await;
    test.until_none("SELECT count(*) FROM invites").await;
    // No row is left of an invited user who never accepted.
    items.pop();
    let expired = json!({ "open": 0, "accepted": 2, "expired": 1, "revoked": 0 });
    assert_eq!(told(&test).await, (expired, items, board));
    test.finish().await;
}
