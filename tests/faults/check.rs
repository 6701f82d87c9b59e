//! Checks the invariants from outside: the responses, the stored rows and the mails received.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use uuid::Uuid;

use crate::load::{Call, Kind, Outcome};
use crate::scenario::{RECOVERY, Scenario};

/// How long mails may take to become final: longer than any lease and any retry delay.
const FINAL: Duration = Duration::from_mins(1);

/// The result of a fault.
#[derive(Default)]
pub struct Report {
    pub injected: usize,
    pub acknowledged: usize,
    pub refused: usize,
    pub lost: usize,
    pub rows: usize,
    pub mails: usize,
    /// Mails sent more than once for one row.
    pub copies: usize,
    pub recovery: Option<Duration>,
    /// Each breach begins with the invariant.
    pub breaches: Vec<String>,
}

/// The number of users, invites and mails stored for an address.
type Stored = BTreeMap<String, (i64, i64, i64)>;

/// Checks all invariants after the load has ended.
pub async fn whole(scenario: &mut Scenario) -> Report {
    let mut breaches = std::mem::take(&mut scenario.breaches);
    let recovery = scenario.recovery;
    if recovery > RECOVERY {
        breaches.push(format!("I5: it worked again after {recovery:?}"));
    }
    let calls = scenario.load.calls();
    for call in &calls {
        if call.took > Duration::from_secs(31) {
            breaches.push(format!("I5: a call took {:?}: {call:?}", call.took));
        }
        if let Outcome::Refused(status, code) = &call.outcome
            && !(*status == 503 && code == "unavailable")
        {
            breaches.push(format!("answer {status} {code}: {call:?}"));
        }
    }
    pairs(scenario, &calls, &mut breaches).await;
    nicknames(scenario, &calls, &mut breaches).await;
    repeats(scenario, &calls, &mut breaches).await;
    let begun = Instant::now();
    while scenario.count("SELECT count(*) FROM outbox WHERE state = 'queued'").await > 0
        && begun.elapsed() < FINAL
    {
        sleep(Duration::from_millis(50)).await;
    }
    let (rows, mails, copies) = mails(scenario, &mut breaches).await;
    for server in scenario.servers.drain(..) {
        server.stop();
    }
    let count = |test: fn(&Outcome) -> bool| calls.iter().filter(|call| test(&call.outcome)).count();
    Report {
        injected: scenario.injected,
        acknowledged: count(|outcome| matches!(outcome, Outcome::Acknowledged(_))),
        refused: count(|outcome| matches!(outcome, Outcome::Refused(..))),
        lost: count(|outcome| matches!(outcome, Outcome::Lost(_))),
        rows,
        mails,
        copies,
        recovery: Some(recovery),
        breaches,
    }
}

async fn stored(scenario: &Scenario) -> Stored {
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT email, sum(u)::bigint, sum(i)::bigint, sum(o)::bigint FROM (
            SELECT email, 1 AS u, 0 AS i, 0 AS o FROM users
            UNION ALL SELECT email, 0, 1, 0 FROM invites
            UNION ALL SELECT recipient, 0, 0, 1 FROM outbox) t
        GROUP BY email",
    )
    .fetch_all(&scenario.db)
    .await
    .unwrap();
    rows.into_iter().map(|(email, users, invites, mails)| (email, (users, invites, mails))).collect()
}

/// I1 and I6 of POST: complete rows for each success, none for each refusal, complete or none for a lost call.
async fn pairs(scenario: &Scenario, calls: &[Call], breaches: &mut Vec<String>) {
    let stored = stored(scenario).await;
    for call in calls.iter().filter(|call| call.kind != Kind::Update) {
        let there = stored.get(&call.text).copied().unwrap_or_default();
        let whole = if call.kind == Kind::Referral { (0, 1, 1) } else { (1, 1, 1) };
        let (right, name) = match call.outcome {
            Outcome::Acknowledged(_) => (there == whole, "I1"),
            Outcome::Refused(..) => (there == (0, 0, 0), "I6"),
            Outcome::Lost(_) => (there == whole || there == (0, 0, 0), "I1"),
        };
        if !right {
            breaches.push(format!("{name}: users, invites, mails are {there:?} after {call:?}"));
        }
    }
    // The stored user is the one in the response.
    let users: BTreeMap<String, Uuid> =
        sqlx::query_as::<_, (String, Uuid)>("SELECT email, user_id FROM users")
            .fetch_all(&scenario.db)
            .await
            .unwrap()
            .into_iter()
            .collect();
    for call in calls {
        let Outcome::Acknowledged(data) = &call.outcome else { continue };
        let (told, has) = (&data["user"]["id"], users.get(&call.text));
        if matches!(call.kind, Kind::Invite | Kind::InviteBy)
            && told.as_str() != has.map(ToString::to_string).as_deref()
        {
            breaches.push(format!("I1: {has:?} is stored, {told} was answered to {call:?}"));
        }
    }
    let known: Vec<&String> = calls.iter().map(|call| &call.text).collect();
    for (email, there) in &stored {
        if there.2 > 0 && email.ends_with("@load.example") && !known.contains(&email) {
            breaches.push(format!("I1: {there:?} stored for {email}, whom nobody invited"));
        }
    }
}

/// I1 and I6 of PUT: the nickname is the last acknowledged one, or one of a lost call after it.
async fn nicknames(scenario: &Scenario, calls: &[Call], breaches: &mut Vec<String>) {
    let rows: Vec<(Uuid, Option<String>)> =
        sqlx::query_as("SELECT user_id, nickname FROM users WHERE name = 'Ada'")
            .fetch_all(&scenario.db)
            .await
            .unwrap();
    for (user, nickname) in rows {
        let mut possible = vec![None];
        for call in calls.iter().filter(|call| call.kind == Kind::Update && call.user == user) {
            match call.outcome {
                Outcome::Acknowledged(_) => possible = vec![Some(call.text.clone())],
                Outcome::Lost(_) => possible.push(Some(call.text.clone())),
                Outcome::Refused(..) => {}
            }
        }
        if !possible.contains(&nickname) {
            breaches.push(format!("I6: {user} is {nickname:?}, not of {possible:?}"));
        }
    }
}

/// I1: repeating a lost call succeeds, and there is one complete result.
async fn repeats(scenario: &Scenario, calls: &[Call], breaches: &mut Vec<String>) {
    let lost = |call: &&Call| {
        matches!(call.outcome, Outcome::Lost(_)) && (call.kind == Kind::Invite || call.key.is_some())
    };
    let again: Vec<&Call> = calls.iter().filter(lost).collect();
    for call in &again {
        let outcome = scenario.load.repeat(call).await;
        if !matches!(outcome, Outcome::Acknowledged(_)) {
            breaches.push(format!("I1: repeated, it came to {outcome:?}: {call:?}"));
        }
    }
    let stored = stored(scenario).await;
    for call in again {
        let there = stored.get(&call.text).copied().unwrap_or_default();
        let whole = if call.kind == Kind::Referral { (0, 1, 1) } else { (1, 1, 1) };
        if there != whole {
            breaches.push(format!("I1: users, invites, mails are {there:?} after repeating {call:?}"));
        }
    }
}

/// I2, I3, I4: the number of rows, mails and copies. Nothing was mailed to the sample people of a trial.
async fn mails(scenario: &Scenario, breaches: &mut Vec<String>) -> (usize, usize, usize) {
    let rows: Vec<(String, String, Option<String>, String, bool)> = sqlx::query_as(
        "SELECT recipient, state, last_reply, message_id, secret IS NOT NULL FROM outbox
            WHERE message_id NOT LIKE '%@demo.example.com>'",
    )
    .fetch_all(&scenario.db)
    .await
    .unwrap();
    let mut arrived: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mails = scenario.smtp.mails();
    for mail in &mails {
        arrived.entry(mail.to[0].clone()).or_default().push(format!("<{}>", mail.message_id()));
    }
    let mut lost = scenario.lost.clone();
    for to in scenario.smtp.unacknowledged() {
        *lost.entry(to).or_default() += 1;
    }
    for (to, state, reply, message_id, secret) in &rows {
        let ids = arrived.get(to).cloned().unwrap_or_default();
        let why = reply.as_deref().unwrap_or_default();
        if !["sent", "failed"].contains(&state.as_str()) || why.is_empty() || *secret {
            breaches.push(format!("I2: the mail to {to} is {state}: {why:?}"));
        }
        if state == "sent" && ids.is_empty() {
            breaches.push(format!("I2: the mail to {to} is sent and did not arrive"));
        }
        let allowed = 1 + lost.get(to).copied().unwrap_or_default();
        if ids.len() > allowed || ids.iter().any(|id| id != message_id) {
            breaches.push(format!("I3: {allowed} of {message_id} may arrive, but {ids:?} did for {to}"));
        }
    }
    for to in arrived.keys() {
        if !rows.iter().any(|row| row.0 == *to) {
            breaches.push(format!("I4: a mail to {to} without a row"));
        }
    }
    (rows.len(), mails.len(), mails.len() - arrived.len())
}
