//! Write batching: each call in a multi-row statement gets its own answer, and a fault of one call does not
//! affect the others.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use userdocks::db::batch::{Batchable, Batcher, ConflictKeys};
use userdocks::db::mail_quotas::QuotaUse;
use userdocks::db::{Error, Pool};
use userdocks::domain::id::{AppId, UserId};
use userdocks::metrics;
use uuid::Uuid;

use crate::support::{self, Answer, As, DEADLINE, Test, new_id};

/// Starts a call of the app's backend as a task.
fn begin(test: &Arc<Test>, method: &'static str, path: String, body: Option<Value>) -> JoinHandle<Answer> {
    let test = Arc::clone(test);
    tokio::spawn(async move { test.call(method, &path, As::Write(&test.app), body).await })
}

fn update(test: &Arc<Test>, user: UserId, nickname: &str) -> JoinHandle<Answer> {
    begin(test, "PUT", format!("/v1/users/{user}"), Some(json!({ "user": { "nickname": nickname } })))
}

fn invite(test: &Arc<Test>, path: Uuid, email: &str) -> JoinHandle<Answer> {
    let body = json!({ "email": email, "language": "en" });
    begin(test, "POST", format!("/v1/users/{path}"), Some(body))
}

fn refer(test: &Arc<Test>, user: UserId, email: &str) -> JoinHandle<Answer> {
    let body = json!({ "email": email, "language": "en" });
    begin(test, "POST", format!("/v1/users/{user}/referral-invites"), Some(body))
}

async fn members<const COUNT: usize>(test: &Test, name: &str) -> Vec<UserId> {
    let mut members = Vec::new();
    for n in 0..COUNT {
        members.push(test.member(&test.app, &format!("{name}{n}@example.com"), None).await);
    }
    members
}

/// Finishes the test, which must have no other owner.
async fn finish(test: Arc<Test>) {
    Arc::into_inner(test).unwrap().finish().await;
}

type Begin = fn(&Arc<Test>, UserId, &str) -> JoinHandle<Answer>;

#[tokio::test]
async fn locked_row_delays_only_its_own_request() {
    let test = Arc::new(Test::with(&[("USERDOCKS_DATABASE__MAX_CONNECTIONS", "16")]).await);
    let held = members::<8>(&test, "held").await;
    let others = members::<50>(&test, "other").await;
    let ids: Vec<Uuid> = held.iter().map(|user| user.0).collect();
    let calls: [Begin; 3] = [
        |test, user, mark| update(test, user, mark),
        |test, user, mark| invite(test, user.0, &format!("guest-{mark}@example.com")),
        |test, user, mark| refer(test, user, &format!("friend-{mark}@example.com")),
    ];
    for (kind, call) in calls.into_iter().enumerate() {
        let mut holder = PgConnection::connect(&test.database_url).await.unwrap();
        let mut lock = holder.begin().await.unwrap();
        sqlx::query("SELECT FROM users WHERE user_id = ANY($1) FOR UPDATE")
            .bind(&ids)
            .execute(&mut *lock)
            .await
            .unwrap();
        // Among the others, as many blocked calls as statements run at once, and then as many again.
        let mark = |who: &str, n: usize| format!("{kind}-{who}-{n}");
        let mut waiting: Vec<_> = (0..4).map(|n| call(&test, held[n], &mark("held", n))).collect();
        let waits = "SELECT (count(*) < 4)::int::bigint FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        test.until_none(waits).await;
        waiting.extend((4..8).map(|n| call(&test, held[n], &mark("held", n))));
        let answers: Vec<_> =
            others.iter().enumerate().map(|(n, other)| call(&test, *other, &mark("other", n))).collect();
        for answer in join_all(answers).await {
            let answer = answer.unwrap();
            assert!([200, 201].contains(&answer.status), "{kind}: {answer:?}");
        }
        assert!(waiting.iter().all(|call| !call.is_finished()), "{kind}: nobody gave them their row");
        lock.rollback().await.unwrap();
        for answer in join_all(waiting).await {
            let answer = answer.unwrap();
            assert!([200, 201].contains(&answer.status), "{kind}: {answer:?}");
        }
    }
    let nicknames = "SELECT count(*) FROM users WHERE nickname LIKE '0-%'";
    let (guests, friends) = (
        "SELECT count(*) FROM invites WHERE kind = 'invite'",
        "SELECT count(*) FROM invites WHERE kind = 'referral'",
    );
    assert_eq!(
        (test.count(nicknames).await, test.count(guests).await, test.count(friends).await),
        (58, 58, 58)
    );
    test.mails(116).await;
    finish(test).await;
}

#[tokio::test]
async fn cancelled_request_does_not_fail_its_batch() {
    let test = Arc::new(Test::start().await);
    let (users, leaving) = (members::<24>(&test, "user").await, members::<12>(&test, "leaving").await);
    for round in 0..5 {
        let nickname = format!("round {round}");
        let (mut calls, mut gone) = (Vec::new(), Vec::new());
        for (n, user) in users.iter().enumerate() {
            calls.push(update(&test, *user, &nickname));
            if let Some(user) = leaving.get(n) {
                gone.push(update(&test, *user, &nickname));
            }
        }
        // Some calls are cancelled while queued, some while their statement runs.
        gone.drain(..6).for_each(|call| call.abort());
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(call.await.unwrap().success(), (200, "the user was updated", &Value::Null));
            if n % 4 == 0
                && let Some(call) = gone.pop()
            {
                call.abort();
            }
        }
        for user in &users {
            assert_eq!(test.stored(*user).await["nickname"], json!(nickname));
        }
    }
    // A cancelled call was either applied or not, and holds no lock.
    for user in &leaving {
        assert_eq!(update(&test, *user, "back").await.unwrap().status, 200);
        assert_eq!(test.stored(*user).await["nickname"], json!("back"));
    }
    finish(test).await;
}

#[tokio::test]
async fn invalid_invite_does_not_fail_its_batch() {
    let test = Arc::new(Test::start().await);
    let inviters = members::<8>(&test, "inviter").await;
    let frozen = members::<2>(&test, "frozen").await;
    test.sql("UPDATE users SET freezed = true WHERE email LIKE 'frozen%'").await;
    for round in 0..3 {
        let leaving = members::<5>(&test, &format!("leaving{round}-")).await;
        let (mut good, mut same, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        let (mut either, mut erased) = (Vec::new(), Vec::new());
        for (n, inviter) in inviters.iter().enumerate() {
            good.push(invite(&test, inviter.0, &format!("guest{round}-{n}@example.com")));
            good.push(invite(&test, new_id(), &format!("new{round}-{n}@example.com")));
            same.push(invite(&test, new_id(), &format!("{}{round}@example.com", ["same", "SAME"][n % 2])));
            bad.extend(frozen.get(n).map(|user| invite(&test, user.0, "never@example.com")));
            if let Some(user) = leaving.get(n) {
                either.push(invite(&test, user.0, &format!("either{round}-{n}@example.com")));
                erased.push(begin(&test, "DELETE", format!("/v1/users/{user}"), None));
            }
        }
        for answer in join_all(good).await {
            assert_eq!(answer.unwrap().success().1, "the user was invited");
        }
        let same: Vec<_> = join_all(same).await.into_iter().map(Result::unwrap).collect();
        let (made, taken): (Vec<_>, Vec<_>) = same.iter().partition(|answer| answer.status == 200);
        assert_eq!(made.len(), 1);
        assert!(taken.iter().all(|answer| answer.code() == (400, "email_taken")), "{taken:?}");
        for answer in join_all(bad).await {
            assert_eq!(answer.unwrap().code(), (403, "user_out_of_reach"));
        }
        let mut mails = 17;
        for answer in join_all(either).await {
            let answer = answer.unwrap();
            if answer.status == 200 {
                mails += 1;
            } else {
                assert_eq!(answer.code(), (403, "user_out_of_reach"));
            }
        }
        for answer in join_all(erased).await {
            assert_eq!(answer.unwrap().status, 200);
        }
        test.mails(mails).await;
    }
    finish(test).await;
}

/// Simulates PgBouncer, where the connection can move to a session without the settings.
#[tokio::test]
async fn session_settings_are_reapplied_after_a_while() {
    let url = support::database(true).await;
    let db = Pool::new(url.parse().unwrap(), 1, Duration::from_mins(1));
    let jit = async || sqlx::query_scalar::<_, String>("SHOW jit").fetch_one(&db).await.unwrap();
    assert_eq!(jit().await, "off");
    sqlx::raw_sql("SET jit = on").execute(&db).await.unwrap();
    assert_eq!(jit().await, "on", "it is the same session");
    let begun = Instant::now();
    while jit().await == "on" {
        assert!(begun.elapsed() < DEADLINE);
        sleep(Duration::from_millis(50)).await;
    }
    db.close().await;
}

/// A change that is not written to PostgreSQL, and the batches that were written.
struct Change {
    app: AppId,
    batches: Arc<Mutex<Vec<Vec<AppId>>>>,
    /// The app whose rows are locked by another session.
    held: AppId,
}

impl Batchable for Change {
    type Answer = AppId;
    const CHANGE: metrics::Batched = metrics::Batched::Update;

    fn app(&self) -> AppId {
        self.app
    }

    fn conflict_keys(&self, _: &mut ConflictKeys) {}

    async fn write(db: &mut PgConnection, all: &[Self]) -> Result<Vec<Option<AppId>>, Error> {
        all[0].batches.lock().unwrap().push(all.iter().map(|change| change.app).collect());
        if all.iter().any(|change| change.app == change.held) {
            sqlx::raw_sql("DO $$ BEGIN RAISE EXCEPTION 'held' USING ERRCODE = 'lock_not_available'; END $$")
                .execute(db)
                .await?;
        }
        Ok(all.iter().map(|change| Some(change.app)).collect())
    }
}

#[tokio::test]
async fn app_with_locked_rows_is_split_from_the_batch() {
    let test = Test::start().await;
    let apps: Vec<AppId> = (1..=4).map(|number| AppId(Uuid::from_u128(number))).collect();
    let batches = Arc::new(Mutex::new(Vec::new()));
    let together = Batcher::new(&test.db);
    let ask = |app| {
        together.submit(Change { app, batches: Arc::clone(&batches), held: apps[1] }, QuotaUse::default())
    };
    // The test has one thread, so all calls are queued before the writing task starts.
    let answers = join_all([2, 0, 1, 3, 2].map(|at| ask(apps[at]))).await;
    let answers: Vec<Option<AppId>> =
        answers.into_iter().map(|answer| answer.map(|answer| answer.unwrap())).collect();
    assert_eq!(answers, [Some(apps[2]), Some(apps[0]), None, Some(apps[3]), Some(apps[2])]);
    let of = |numbers: &[usize]| numbers.iter().map(|at| apps[*at]).collect::<Vec<_>>();
    let expected: Vec<_> =
        [&[2, 0, 1, 3, 2][..], &[2, 2, 3], &[0, 1], &[1], &[0]].into_iter().map(of).collect();
    assert_eq!(*batches.lock().unwrap(), expected);
    // From here on changes of the locked app are not batched with others.
    assert!(ask(apps[1]).await.is_none());
    assert_eq!(ask(apps[0]).await.unwrap().unwrap(), apps[0]);
    assert_eq!(batches.lock().unwrap().len(), 6);

    test.finish().await;
}
