//! Two concurrent calls on the same users must leave the answers and rows of one of the two sequential
//! orders. The model is the server itself, called in both orders. Each try runs in its own copy of one app.
//! `USERDOCKS_RACES` sets the number of tries, `USERDOCKS_RACES_SEED` repeats an earlier run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use sqlx::{Acquire, AssertSqlSafe, query_scalar};
use userdocks::clock;
use userdocks::db::{apps, webhooks};
use userdocks::domain::credentials::access_token::PrivateKey;
use userdocks::domain::credentials::secret_key::Purpose;
use userdocks::domain::id::{AppId, UserId};
use userdocks::domain::invites::InviteCode;
use userdocks::domain::webhook::Secret;
use uuid::Uuid;

use crate::support::{Answer, App, As, Test, new_id, secrets};

/// A call of one of the users of [`World`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Invite,
    InviteWithKey,
    InviteFriend,
    InviteMany,
    Resend,
    Revoke,
    Accept,
    Refer,
    ReferUser,
    AcceptReferral,
    Update,
    UpdateWithKey,
    ChangeAddress,
    ChangeAddressByToken,
    Confirm,
    TakeAddress,
    Subject,
    Freeze,
    Erase,
    EraseMyself,
    EraseReferrer,
}

impl Call {
    const ALL: [Self; 21] = [
        Self::Invite,
        Self::InviteWithKey,
        Self::InviteFriend,
        Self::InviteMany,
        Self::Resend,
        Self::Revoke,
        Self::Accept,
        Self::Refer,
        Self::ReferUser,
        Self::AcceptReferral,
        Self::Update,
        Self::UpdateWithKey,
        Self::ChangeAddress,
        Self::ChangeAddressByToken,
        Self::Confirm,
        Self::TakeAddress,
        Self::Subject,
        Self::Freeze,
        Self::Erase,
        Self::EraseMyself,
        Self::EraseReferrer,
    ];
}

const USER: &str = "user@races.example";
/// The address that the referrer has referred.
const FRIEND: &str = "friend@races.example";
/// The user's new address, which is not confirmed yet.
const WAITING: &str = "waiting@races.example";

/// An app with an invited user, who has referred an address and requested a change of their own, and a
/// referrer, who has referred a friend. A webhook subscribes to all events. Every copy has the same ids and
/// the same random parts of codes.
struct World {
    test: Test,
    first: App,
    key: PrivateKey,
    user: UserId,
    referrer: UserId,
    invite: Uuid,
    /// Codes of the user's invite, of the friend's referral and of the confirmation.
    codes: [Vec<u8>; 3],
}

/// The tables with rows of an app, in an order in which they can be filled.
const TABLES: [&str; 18] = [
    "apps",
    "opt_out_keys",
    "signing_keys",
    "api_keys",
    "webhooks",
    "webhook_secrets",
    "mail_quotas",
    "tenants",
    "users",
    "invites",
    "outbox",
    "invite_events",
    "email_confirmations",
    "referral_counts",
    "referral_quotas",
    "opt_outs",
    "idempotency_keys",
    "webhook_deliveries",
];

impl World {
    async fn new() -> Self {
        // No mail is delivered: a worker that updates rows would be a third participant.
        let test = Test::with(&[("USERDOCKS_MAIL__SMTP_URL", "smtp://127.0.0.1:9")]).await;
        let app = test.app.clone();
        let user = UserId(new_id());
        let referrer = test.member(&app, "referrer@races.example", None).await;
        let (key_id, sealed) = apps::private_key(&test.db, app.id).await.unwrap().unwrap();
        let key =
            PrivateKey::new(key_id, &test.seal.open(Purpose::SigningKey, key_id, &sealed).unwrap()).unwrap();
        let mut world =
            Self { first: app, key, user, referrer, invite: Uuid::nil(), codes: Default::default(), test };
        let app = &world.first;
        for call in [Call::Invite, Call::Refer] {
            let answer = world.answer(app, call).await;
            assert!([200, 201].contains(&answer.status), "{call:?}: {answer:?}");
        }
        let path = format!("/v1/users/{referrer}/referral-invites");
        let body = json!({ "email": FRIEND, "language": "en" });
        let answer = world.test.call("POST", &path, As::Write(app), Some(body)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let change = json!({ "user": { "email": WAITING } });
        let asked = world.test.call("PUT", "/v1/users/me", As::Token(world.token(app)), Some(change)).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        let db = &world.test.db;
        for (at, to) in [USER, FRIEND, WAITING].into_iter().enumerate() {
            let (mail, secret): (Uuid, Vec<u8>) =
                sqlx::query_as("SELECT mail_id, secret FROM outbox WHERE recipient = $1")
                    .bind(to)
                    .fetch_one(db)
                    .await
                    .unwrap();
            let code = world.test.seal.open(Purpose::Code, mail, &secret).unwrap();
            let code = String::from_utf8(code).unwrap();
            secrets::keep(&code);
            world.codes[at] = decode(&code);
        }
        world.invite =
            query_scalar("SELECT invite_id FROM invites WHERE kind = 'invite'").fetch_one(db).await.unwrap();
        // Move all times to yesterday.
        world
            .test
            .sql("UPDATE outbox SET state = 'sent', secret = NULL, finished_at = now() - interval '1 day'")
            .await;
        world.test.sql("UPDATE invites SET mailed_at = now() - interval '1 day'").await;
        world.test.sql("UPDATE email_confirmations SET created_at = now() - interval '1 day'").await;
        world.test.sql("DELETE FROM referral_quotas").await;
        webhooks::manage::create(
            db,
            app.id,
            "https://hooks.invalid/",
            &[],
            &Secret::generate(),
            &world.test.seal,
        )
        .await
        .unwrap();
        world
    }

    /// Makes this many copies of the first app, and waits until the server has loaded the webhook of each.
    async fn copies(&self, count: usize) -> Vec<App> {
        let ids: Vec<Uuid> = (0..count).map(|_| new_id()).collect();
        let mut db = self.test.db.acquire().await.unwrap();
        let mut transaction = db.begin().await.unwrap();
        for table in TABLES {
            let copy = format!(
                "INSERT INTO {table} SELECT (jsonb_populate_record(t, jsonb_build_object('app_id', copy))).*
                FROM {table} t, unnest($1::uuid[]) copy WHERE t.app_id = $2 ON CONFLICT DO NOTHING"
            );
            let copied = sqlx::query(AssertSqlSafe(copy)).bind(&ids).bind(self.first.id.0);
            copied.execute(&mut *transaction).await.unwrap();
        }
        for (code, table, whose) in [
            (&self.codes[0], "invites", USER),
            (&self.codes[1], "invites", FRIEND),
            (&self.codes[2], "email_confirmations", WAITING),
        ] {
            let hashes: Vec<Vec<u8>> =
                ids.iter().map(|app| encode(AppId(*app), code).hash().to_vec()).collect();
            let set = format!(
                "UPDATE {table} t SET code_hash = c.hash FROM unnest($1::uuid[], $2::bytea[]) c(app_id, hash)
                WHERE t.app_id = c.app_id AND t.email = $3"
            );
            let set = sqlx::query(AssertSqlSafe(set)).bind(&ids).bind(hashes).bind(whose);
            assert_eq!(set.execute(&mut *transaction).await.unwrap().rows_affected(), count as u64);
        }
        transaction.commit().await.unwrap();
        let apps: Vec<App> = ids.into_iter().map(|id| App { id: AppId(id), ..self.first.clone() }).collect();
        let deadline = Instant::now() + crate::support::DEADLINE;
        let subscriptions = &self.test.server.as_ref().unwrap().state.store.subscriptions;
        while apps.iter().any(|app| subscriptions.event_for(app.id).is_none()) {
            assert!(Instant::now() < deadline, "the server does not know the webhooks");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        apps
    }

    fn token(&self, app: &App) -> String {
        let token = self
            .key
            .issue(&self.test.config.issuer(), app.id, self.user, "en", Duration::from_mins(10))
            .unwrap();
        secrets::keep_token(&token);
        token
    }

    async fn answer(&self, app: &App, call: Call) -> Answer {
        let (backend, token) = (As::Write(app), As::Token(self.token(app)));
        let (user, referrer) = (format!("/v1/users/{}", self.user), format!("/v1/users/{}", self.referrer));
        let invite = format!("/v1/invites/by-id/{}", self.invite);
        let code = |at: usize| encode(app.id, &self.codes[at]).expose().to_owned();
        let to = |email: &str| Some(json!({ "email": email, "language": "en" }));
        let named = |name: &str, value: &str| Some(json!({ "user": { name: value } }));
        let (method, path, who, body) = match call {
            Call::Invite | Call::InviteWithKey => ("POST", user, backend, to(USER)),
            Call::InviteFriend => ("POST", user, backend, to(FRIEND)),
            Call::InviteMany => {
                // One address that other calls use too. A bulk call invites each address separately.
                let invites = json!({ "invites": [to(FRIEND), to("third@races.example")] });
                ("POST", "/v1/invites/bulk".to_owned(), backend, Some(invites))
            }
            Call::Resend => ("POST", format!("{invite}/resend"), backend, None),
            Call::Revoke => ("POST", format!("{invite}/revoke"), backend, None),
            Call::Accept => ("POST", format!("/invites/{}", code(0)), As::Nobody, None),
            Call::Refer => ("POST", format!("{user}/referral-invites"), token, to("stranger@races.example")),
            Call::ReferUser => ("POST", format!("{referrer}/referral-invites"), backend, to(USER)),
            Call::AcceptReferral => ("POST", format!("/invites/{}", code(1)), As::Nobody, None),
            Call::Update | Call::UpdateWithKey => ("PUT", user, token, named("given_name", "Ada")),
            Call::ChangeAddress => ("PUT", user, backend, named("email", FRIEND)),
            Call::ChangeAddressByToken => ("PUT", user, token, named("email", FRIEND)),
            Call::Confirm => ("POST", format!("/email-confirmations/{}", code(2)), As::Nobody, None),
            Call::TakeAddress => ("PUT", referrer, backend, named("email", FRIEND)),
            Call::Subject => {
                let body = json!({ "externalSubject": "subject" });
                ("PUT", format!("{user}/external-subject"), backend, Some(body))
            }
            Call::Freeze => {
                ("PUT", format!("/v1/apps/{}/users/{}/access-status/0", app.id, self.user), backend, None)
            }
            Call::Erase => ("DELETE", user, backend, None),
            Call::EraseMyself => ("DELETE", user, token, None),
            Call::EraseReferrer => ("DELETE", referrer, backend, None),
        };
        let mut headers = vec![("content-type", "application/json".to_owned())];
        if [Call::InviteWithKey, Call::UpdateWithKey].contains(&call) {
            headers.push(("idempotency-key", format!("\"{call:?}\"")));
        }
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        // While the first call with a key is in progress, the second one is retried.
        let deadline = Instant::now() + crate::support::DEADLINE;
        loop {
            let answer = self.test.raw(method, &path, who.clone(), &headers, body.clone()).await;
            if answer.status != 409 || answer.code().1 != "idempotency_in_progress" {
                return answer;
            }
            assert!(Instant::now() < deadline, "{answer:?}");
        }
    }

    /// The answers to two calls of an app, and the rows that they leave.
    async fn left(&self, app: &App, answers: [Answer; 2]) -> Outcome {
        let mut rows = BTreeMap::new();
        let of_table = |table: &&str| {
            format!(
                "SELECT '{table}', to_jsonb(t) FROM {table} t
                WHERE app_id = $1 AND to_jsonb(t)->>'kind' IS DISTINCT FROM 'refused'"
            )
        };
        let all = TABLES[COMPARED..].iter().map(of_table).collect::<Vec<_>>().join(" UNION ALL ");
        let all: Vec<(String, Value)> =
            sqlx::query_as(AssertSqlSafe(all)).bind(app.id.0).fetch_all(&self.test.db).await.unwrap();
        for (table, row) in all {
            let count = rows.entry(format!("{table} {}", self.plain(&row))).or_default();
            // An update made redundant by a concurrent one may or may not publish an event.
            *count = if row["type"] == "user.updated" { 1 } else { *count + 1 };
        }
        let answers = answers.map(|answer| {
            let said = answer.body["message"].as_str().unwrap_or_default().to_owned();
            (answer.status, answer.header("x-error-code").map(str::to_owned), said)
        });
        Outcome { answers, rows }
    }

    /// The value without the parts that differ between copies or runs, or that depend on delivery attempts.
    fn plain(&self, value: &Value) -> Value {
        const LEFT_OUT: [&str; 9] = [
            "due_at",
            "queued_at",
            "attempts",
            "begun",
            "claimed",
            "last_answer",
            "last_reply",
            "day",
            "version",
        ];
        match value {
            Value::Object(map) => Value::Object(
                map.iter()
                    .filter(|(name, value)| !value.is_null() && !LEFT_OUT.contains(&name.as_str()))
                    .map(|(name, value)| match name.as_str() {
                        "referral_code" | "message_id" => (name.clone(), json!("*")),
                        _ => (name.clone(), self.plain(value)),
                    })
                    .collect::<Map<_, _>>(),
            ),
            Value::Array(list) => list.iter().map(|value| self.plain(value)).collect(),
            Value::String(text) => {
                if let Ok(id) = text.parse::<Uuid>() {
                    let known =
                        [(self.user.0, "user"), (self.referrer.0, "referrer"), (self.invite, "invite")];
                    let name = known.iter().find(|(known, _)| *known == id).map_or("*", |(_, name)| name);
                    return json!(name);
                }
                if text.starts_with('{')
                    && let Ok(inner) = serde_json::from_str::<Value>(text)
                {
                    return self.plain(&inner);
                }
                let volatile = text.starts_with("\\x") || text.parse::<jiff::Timestamp>().is_ok();
                if volatile { json!("*") } else { json!(text) }
            }
            other => other.clone(),
        }
    }
}

/// Index in [`TABLES`] of the first table that is compared. The mail count of an app is leased in parts, so
/// it is not.
const COMPARED: usize = 7;

#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    /// Status, code and message. The user in an answer may be newer, so it is not compared.
    answers: [(u16, Option<String>, String); 2],
    /// Each row with the number of its occurrences.
    rows: BTreeMap<String, usize>,
}

impl Outcome {
    /// A readable list of the differences.
    fn unlike(&self, other: &Self) -> String {
        let answers: Vec<_> = self.answers.iter().zip(&other.answers).filter(|(a, b)| a != b).collect();
        let but = |a: &BTreeMap<String, usize>, b: &BTreeMap<String, usize>| -> Vec<String> {
            a.iter()
                .filter(|(row, count)| b.get(*row) != Some(*count))
                .map(|(row, count)| format!("{count} x {row}"))
                .collect()
        };
        let (more, less) = (but(&self.rows, &other.rows), but(&other.rows, &self.rows));
        format!("answers {answers:#?}\nmore {more:#?}\nless {less:#?}")
    }
}

fn decode(code: &str) -> Vec<u8> {
    use base64::prelude::*;
    BASE64_URL_SAFE_NO_PAD.decode(code).unwrap().split_off(16)
}

fn encode(app: AppId, random: &[u8]) -> InviteCode {
    use base64::prelude::*;
    InviteCode::parse(&BASE64_URL_SAFE_NO_PAD.encode([app.0.as_bytes(), random].concat())).unwrap()
}

/// How two calls are made to overlap.
#[derive(Clone, Copy, Debug)]
enum Meeting {
    /// The first call starts this many microseconds before the second.
    After(u64),
    /// Rows of this table are locked when both calls start, so that at least one of them waits.
    At(&'static str),
}

impl World {
    async fn race(&self, app: &App, calls: [Call; 2], meeting: Meeting) -> [Answer; 2] {
        let both = async |after: u64| {
            let second = async {
                tokio::time::sleep(Duration::from_micros(after)).await;
                self.answer(app, calls[1]).await
            };
            <[Answer; 2]>::from(tokio::join!(self.answer(app, calls[0]), second))
        };
        let table = match meeting {
            Meeting::After(after) => return both(after).await,
            Meeting::At(table) => table,
        };
        let mut db = self.test.db.acquire().await.unwrap();
        let mut transaction = db.begin().await.unwrap();
        let lock = format!("SELECT FROM {table} WHERE app_id = $1 FOR UPDATE");
        sqlx::query(AssertSqlSafe(lock)).bind(app.id.0).execute(&mut *transaction).await.unwrap();
        // Well below the lock timeout of statements that serve several apps.
        let hold = async {
            let deadline = Instant::now() + Duration::from_millis(40);
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND wait_event_type = 'Lock' AND pg_backend_pid() = ANY(pg_blocking_pids(pid))";
            while Instant::now() < deadline
                && query_scalar::<_, i64>(waiting).fetch_one(&mut *transaction).await.unwrap() < 2
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            transaction.rollback().await.unwrap();
        };
        tokio::join!(both(500), hold).0
    }
}

/// Pseudo-random numbers from a seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Parts of the pairs, each a test of its own, so that they run side by side.
const PARTS: usize = 3;

#[tokio::test]
async fn concurrent_call_pairs_match_a_sequential_order_part_1() {
    Box::pin(compare_with_sequential_orders(0)).await;
}

#[tokio::test]
async fn concurrent_call_pairs_match_a_sequential_order_part_2() {
    Box::pin(compare_with_sequential_orders(1)).await;
}

#[tokio::test]
async fn concurrent_call_pairs_match_a_sequential_order_part_3() {
    Box::pin(compare_with_sequential_orders(2)).await;
}

async fn compare_with_sequential_orders(part: usize) {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let tries = number("USERDOCKS_RACES").unwrap_or(1);
    let seed = number("USERDOCKS_RACES_SEED").unwrap_or_else(|| clock::now().as_microsecond().unsigned_abs());
    let mut numbers = Numbers(seed);
    let world = World::new().await;
    let pairs = Call::ALL.iter().enumerate().flat_map(|(at, a)| Call::ALL[at..].iter().map(|b| [*a, *b]));
    let pairs: Vec<[Call; 2]> = pairs.skip(part).step_by(PARTS).collect();
    let mut apps = world.copies(pairs.len() * (2 + usize::try_from(tries).unwrap())).await.into_iter();
    let mut faults = Vec::new();
    for [a, b] in pairs {
        let app = apps.next().unwrap();
        let first = world.answer(&app, a).await;
        let second = world.answer(&app, b).await;
        let a_then_b = world.left(&app, [first, second]).await;
        let app = apps.next().unwrap();
        let first = world.answer(&app, b).await;
        let second = world.answer(&app, a).await;
        let b_then_a = world.left(&app, [second, first]).await;
        for _ in 0..tries {
            let app = apps.next().unwrap();
            let meeting = match numbers.below(4) {
                0 => Meeting::At("users"),
                1 => Meeting::At("invites"),
                _ => Meeting::After(numbers.below(3000)),
            };
            let turned = numbers.below(2) == 1;
            let mut answers = world.race(&app, if turned { [b, a] } else { [a, b] }, meeting).await;
            if turned {
                answers.reverse();
            }
            let left = world.left(&app, answers).await;
            if left != a_then_b && left != b_then_a {
                faults.push(format!(
                    "{a:?} beside {b:?} ({meeting:?}, turned: {turned})\nagainst the first then the second: {}\nagainst \
                    the second then the first: {}",
                    left.unlike(&a_then_b),
                    left.unlike(&b_then_a)
                ));
            }
        }
    }
    assert!(faults.is_empty(), "USERDOCKS_RACES_SEED={seed}: {}\n{}", faults.len(), faults.join("\n\n"));
    world.test.sql("DELETE FROM outbox").await;
    world.test.finish().await;
}
