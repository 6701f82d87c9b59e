//! Isolation of two apps under random calls with random credentials. Each call is made twice, with something
//! of the other app and with something that does not exist. Both answers must be the same, and the other
//! app's rows must not change.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use userdocks::db::apps;
use userdocks::domain::credentials::access_token::PrivateKey;
use userdocks::domain::id::{AppId, UserId};
use userdocks::domain::invites::InviteCode;

use crate::support::{Answer, App, As, Test, code, create_app, new_app, new_id};
use uuid::Uuid;

/// Calls of one run, each made twice.
const CALLS: usize = 400;

/// xorshift64*, so that a seed reproduces the calls.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % bound
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// An app and the things in it that a call can name.
struct Side {
    app: App,
    members: Vec<UserId>,
    emails: Vec<String>,
    /// Codes of open invites. The next field has the ids of all invites.
    codes: Vec<String>,
    invites: Vec<Uuid>,
    /// Recorded `sub`s of an external issuer.
    subjects: Vec<String>,
    /// Keys of calls that were answered.
    idempotency_keys: Vec<String>,
    key: PrivateKey,
    /// Texts that occur only in this app's rows.
    marks: Vec<String>,
}

/// Creates an app with its users and invites. `name` has 5 letters, as the made-up names do, so that lengths
/// do not differ.
async fn side(test: &Test, name: &'static str) -> Side {
    let app = create_app(&test.db, &test.seal, &new_app(&format!("App of {name}"))).await;
    let as_app = As::Write(&app);
    let (mut members, mut emails, mut subjects) = (vec![], vec![], vec![]);
    for number in 0..4 {
        let email = format!("{name}{number}@example.com");
        let of = (number == 1).then(|| members[0]);
        let member = test.member(&app, &email, of).await;
        let path = format!("/v1/users/{member}");
        let body = json!({ "user": { "name": format!("Person of {name}"), "nickname": name } });
        assert_eq!(test.call("PUT", &path, as_app.clone(), Some(body)).await.status, 200);
        let subject = format!("{name}|{number}");
        let body = json!({ "externalSubject": subject });
        let path = format!("{path}/external-subject");
        assert_eq!(test.call("PUT", &path, as_app.clone(), Some(body)).await.status, 200);
        members.push(member);
        emails.push(email);
        subjects.push(subject);
    }
    let mut codes = vec![];
    let mut idempotency_keys = vec![];
    for (number, kind) in ["", "/referral-invites"].iter().enumerate() {
        let body = json!({ "email": format!("{name}-i{number}@example.com"), "language": "en" });
        let key = format!("{name}-key-{number}");
        let headers = [("idempotency-key", key.clone()), ("content-type", "application/json".to_owned())];
        let path = format!("/v1/users/{}{kind}", members[2]);
        let answer =
            test.raw("POST", &path, as_app.clone(), &headers, serde_json::to_vec(&body).unwrap()).await;
        assert!(answer.status < 300, "{answer:?}");
        codes.push(code(&test.mail().await));
        idempotency_keys.push(key);
    }
    let frozen = format!("/v1/apps/{}/users/{}/access-status/0", app.id, members[3]);
    assert_eq!(test.call("PUT", &frozen, as_app, None).await.status, 200);
    let (id, sealed) = apps::private_key(&test.db, app.id).await.unwrap().unwrap();
    let key = PrivateKey::new(
        id,
        &test
            .seal
            .open(userdocks::domain::credentials::secret_key::Purpose::SigningKey, id, &sealed)
            .unwrap(),
    )
    .unwrap();
    let marks: Vec<String> = sqlx::query_scalar(
        "SELECT tenant_id::text FROM users WHERE app_id = $1 UNION SELECT referral_code FROM users WHERE app_id = $1
        UNION SELECT invite_id::text FROM invites WHERE app_id = $1",
    )
    .bind(app.id.0)
    .fetch_all(&test.db)
    .await
    .unwrap();
    let invites = sqlx::query_scalar("SELECT invite_id FROM invites WHERE app_id = $1");
    let invites = invites.bind(app.id.0).fetch_all(&test.db).await.unwrap();
    let mut side = Side { app, members, emails, codes, invites, subjects, idempotency_keys, key, marks };
    side.marks.push(format!("of {name}"));
    side
}

/// Every row of an app, without the times at which its keys were used.
async fn rows(test: &Test, app: AppId) -> BTreeMap<&'static str, Vec<String>> {
    let mut all = BTreeMap::new();
    for table in [
        "apps",
        "signing_keys",
        "api_keys",
        "tenants",
        "users",
        "invites",
        "referral_counts",
        "email_confirmations",
        "invite_events",
        "referral_quotas",
        "outbox",
        "idempotency_keys",
    ] {
        let query = format!("SELECT t::text FROM {table} t WHERE app_id = $1 ORDER BY 1");
        let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(app.0);
        all.insert(table, rows.fetch_all(&test.db).await.unwrap());
    }
    all
}

/// The tables that calls change, ordered so that no table refers to a later one.
const CHANGED: [&str; 8] = [
    "outbox",
    "email_confirmations",
    "invites",
    "referral_counts",
    "users",
    "tenants",
    "referral_quotas",
    "idempotency_keys",
];

/// Copies the rows, for [`forget`].
async fn keep(test: &Test) {
    for table in CHANGED {
        let copy = format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}");
        sqlx::query(sqlx::AssertSqlSafe(copy)).execute(&test.db).await.unwrap();
    }
}

/// Restores the rows that [`keep`] copied.
async fn forget(test: &Test, app: AppId) {
    let mut transaction = userdocks::db::Transaction::begin(&test.db).await.unwrap();
    let delete = |table| format!("DELETE FROM {table} WHERE app_id = $1");
    let insert = |table| format!("INSERT INTO {table} SELECT * FROM kept_{table} WHERE app_id = $1");
    let statements = CHANGED.iter().map(delete).chain(CHANGED.iter().rev().map(insert));
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe(statement)).bind(app.0).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

/// The values that a call is made with: of the other app, or of nothing that exists.
#[derive(Clone)]
struct Thing {
    user: String,
    email: String,
    app: String,
    subject: String,
    idempotency_key: String,
    code: String,
    invite: Uuid,
}

impl Thing {
    fn of(side: &Side, own: AppId, random: &mut Random) -> Self {
        Self {
            user: random.of(&side.members).to_string(),
            email: random.of(&side.emails).clone(),
            app: side.app.id.to_string(),
            subject: random.of(&side.subjects).clone(),
            idempotency_key: random.of(&side.idempotency_keys).clone(),
            code: under(own, random.of::<String>(&side.codes)),
            invite: *random.of(&side.invites),
        }
    }

    fn of_nobody(own: AppId, random: &mut Random) -> Self {
        let name: String =
            (0..5).map(|_| char::from(b'a' + u8::try_from(random.below(26)).unwrap())).collect();
        Self {
            user: new_id().to_string(),
            email: format!("{name}{}@example.com", random.below(10)),
            app: new_id().to_string(),
            subject: format!("{name}|{}", random.below(10)),
            idempotency_key: format!("{name}-key-{}", random.below(10)),
            code: InviteCode::generate(own).expose().to_owned(),
            invite: new_id(),
        }
    }

    /// The text with the values of this thing replaced by placeholders.
    fn hidden(&self, text: &str) -> String {
        let parts = [
            (&self.user, "USER"),
            (&self.email, "EMAIL"),
            (&self.app, "APP"),
            (&self.subject, "SUBJECT"),
            (&self.idempotency_key, "KEY"),
            (&self.code, "CODE"),
        ];
        parts.iter().fold(text.to_owned(), |text, (part, name)| text.replace(part.as_str(), name))
    }
}

/// The code with another app's id in it.
fn under(app: AppId, code: &str) -> String {
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(code).unwrap();
    bytes[..16].copy_from_slice(app.0.as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Status, headers and body, without the parts that differ between any two answers: new ids, times, versions
/// and the remaining limits.
fn comparable(answer: &Answer, thing: &Thing) -> String {
    let mut headers: Vec<String> = Vec::new();
    for (name, value) in &answer.headers {
        let free = ["x-request-id", "date", "etag", "content-length"].contains(&name.as_str())
            || name.as_str().starts_with("ratelimit");
        headers.push(if free { name.to_string() } else { format!("{name}: {}", value.to_str().unwrap()) });
    }
    headers.sort();
    let mut body = answer.body.clone();
    for (at, made) in [("/data/user", "id"), ("/data/user", "tenantId"), ("/data", "accessToken")] {
        if let Some(value) = body.pointer_mut(at).and_then(|object| object.get_mut(made)) {
            *value = json!("made");
        }
    }
    thing.hidden(&format!("{} {headers:?} {body}", answer.status))
}

struct Call {
    method: &'static str,
    path: String,
    body: Option<Value>,
}

/// The call at index `route`, made with a thing.
fn call(route: usize, thing: &Thing, me: UserId, own: AppId) -> Call {
    let Thing { user, email, app, subject, code, invite: id, .. } = thing;
    let invite = |email: &str| Some(json!({ "email": email, "language": "en" }));
    let update = |email: &str| Some(json!({ "user": { "nickname": "x", "email": email } }));
    let (method, path, body) = match route {
        0 => ("POST", format!("users/{user}"), invite("new01@example.com")),
        1 => ("POST", format!("users/{me}"), invite(email)),
        2 => ("POST", format!("users/{user}"), invite(email)),
        3 => ("PUT", format!("users/{user}"), update("new02@example.com")),
        4 => ("PUT", format!("users/{me}"), update(email)),
        5 => ("POST", format!("users/{user}/referral-invites"), invite("new03@example.com")),
        6 => ("POST", format!("users/{me}/referral-invites"), invite(email)),
        7 => ("GET", format!("users/{user}"), None),
        8 => ("GET", format!("users/{email}"), None),
        9 => ("GET", format!("users?email={email}"), None),
        10 => ("DELETE", format!("users/{user}"), None),
        11 => ("PUT", format!("users/{user}/external-subject"), Some(json!({ "externalSubject": "new04" }))),
        12 => ("PUT", format!("users/{me}/external-subject"), Some(json!({ "externalSubject": subject }))),
        13 => ("POST", format!("users/{user}/tokens"), None),
        14 => ("PUT", format!("apps/{own}/users/{user}/access-status/0"), None),
        15 => ("PUT", format!("apps/{app}/users/{user}/access-status/0"), None),
        16 => ("GET", format!("apps/{app}/public-keys"), None),
        17 => ("GET", format!("/invites/{code}"), None),
        18 => ("POST", format!("/invites/{code}"), None),
        19 => ("GET", format!("invites/{code}"), None),
        20 => ("POST", format!("invites/{code}/accept"), None),
        21 => ("GET", format!("invites?inviterId={user}"), None),
        22 => ("GET", format!("invites?email={email}"), None),
        23 => ("GET", format!("invites/by-id/{id}"), None),
        24 => ("POST", format!("invites/by-id/{id}/resend"), None),
        25 => ("GET", format!("users/{user}/invites"), None),
        26 => ("GET", format!("users/{user}/referrals"), None),
        27 => ("POST", "mail-reports".to_owned(), Some(json!({ "type": "bounced", "inviteId": id }))),
        _ => ("POST", format!("invites/by-id/{id}/revoke"), None),
    };
    let path = if path.starts_with('/') { path } else { format!("/v1/{path}") };
    Call { method, path, body }
}
const ROUTES: usize = 29;

/// Credentials of a caller of `own`; some name the app or user of the thing. `theirs` has the keys of the
/// other app, which are not valid here.
fn credentials<'a>(kind: usize, own: &'a Side, theirs: &'a Side, thing: &Thing, test: &Test) -> As<'a> {
    let key = |key: &str, key_type: &str, app: &str| {
        As::Headers(vec![
            ("X-API-KEY", key.to_owned()),
            ("X-API-KEY-TYPE", key_type.to_owned()),
            ("X-CLIENT-ID", app.to_owned()),
        ])
    };
    let token = |app: &str, user: &str| {
        let (app, user) = (AppId(app.parse().unwrap()), UserId(user.parse().unwrap()));
        let issuer = test.config.issuer();
        As::Token(own.key.issue(&issuer, app, user, "en", Duration::from_mins(1)).unwrap())
    };
    let app = own.app.id.to_string();
    match kind {
        0..=2 => As::Write(&own.app),
        3 => As::Read(&own.app),
        4..=6 => token(&app, &own.members[0].to_string()),
        // A frozen user.
        7 => token(&app, &own.members[3].to_string()),
        // A token of ours for a user of theirs, or for one that does not exist.
        8 => token(&app, &thing.user),
        // Our token or key for their app, or for one that does not exist.
        9 => token(&thing.app, &thing.user),
        10 => key(&own.app.write_key, "write", &thing.app),
        11 => key(&own.app.read_key, "read", &thing.app),
        // Their keys for our app.
        12 => key(&theirs.app.write_key, "write", &app),
        13 => key(&theirs.app.read_key, "read", &app),
        _ => As::Nobody,
    }
}
const CREDENTIALS: usize = 15;

#[tokio::test]
async fn random_requests_never_reach_another_app() {
    let limits = [
        ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "1000000"),
        ("USERDOCKS_LIMITS__REFERRALS_PER_RECIPIENT_PER_DAY", "1000000"),
        ("USERDOCKS_LIMITS__REQUESTS_PER_KEY_PER_SECOND", "1000000"),
    ];
    let test = Test::with(&limits).await;
    let sides = [side(&test, "wolfe").await, side(&test, "tiger").await];
    test.idle().await;
    keep(&test).await;
    let seed = u64::from_str_radix(&new_id().simple().to_string()[16..], 16).unwrap() | 1;
    let mut random = Random(seed);
    let before = [rows(&test, sides[0].app.id).await, rows(&test, sides[1].app.id).await];
    let mut statuses: BTreeMap<(usize, u16), usize> = BTreeMap::new();
    for number in 0..CALLS {
        // First every route with the write key, then every kind of credential at random.
        let (route, kind) = (number % ROUTES, if number < ROUTES { 0 } else { random.below(CREDENTIALS) });
        let us = random.below(2);
        let (own, theirs) = (&sides[us], &sides[1 - us]);
        let things = [Thing::of(theirs, own.app.id, &mut random), Thing::of_nobody(own.app.id, &mut random)];
        let keyed = random.below(3) == 0;
        let me = own.members[random.below(3)];
        let mut answers = Vec::new();
        for thing in &things {
            let Call { method, path, body } = call(route, thing, me, own.app.id);
            let mut headers = vec![("content-type", "application/json".to_owned())];
            if keyed {
                headers.push(("idempotency-key", thing.idempotency_key.clone()));
            }
            let body = body.map(|body| serde_json::to_vec(&body).unwrap()).unwrap_or_default();
            let who = credentials(kind, own, theirs, thing, &test);
            let told = format!("seed {seed}, call {number}: {method} {path} as {kind}");
            let answer = test.raw(method, &path, who, &headers, body).await;
            let whole = format!("{answer:?}");
            for mark in &theirs.marks {
                assert!(!whole.contains(mark.as_str()), "{told}: {mark} in {whole}");
            }
            *statuses.entry((route, answer.status)).or_default() += 1;
            answers.push((told, comparable(&answer, thing)));
            // Wait, so that the next call finds the same state.
            test.idle().await;
            for (table, rows) in rows(&test, theirs.app.id).await {
                assert_eq!(rows, before[1 - us][table], "{table}: {}", answers[answers.len() - 1].0);
            }
            if rows(&test, own.app.id).await != before[us] {
                forget(&test, own.app.id).await;
            }
        }
        assert_eq!(answers[0].1, answers[1].1, "{} and {}", answers[0].0, answers[1].0);
    }
    // A mail contains nothing of the other app.
    for mail in test.smtp.mails() {
        let said = String::from_utf8_lossy(&mail.raw).into_owned() + &mail.text();
        let of = |side: &Side| side.marks.iter().any(|mark| said.contains(mark.as_str()));
        assert!(of(&sides[0]) != of(&sides[1]), "{said}");
    }
    // Each of these routes has succeeded at least once, so the calls were not all refused.
    for route in [0, 1, 2, 4, 6, 9, 12, 21, 22] {
        assert!(
            statuses.keys().any(|(seen, status)| *seen == route && *status < 300),
            "{route}: {statuses:?}"
        );
    }
    let Test { server, db, .. } = test;
    server.unwrap().stop().await;
    db.close().await;
}
