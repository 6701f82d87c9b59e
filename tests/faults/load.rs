//! Continuous load during a fault: invites, referrals and updates, with and without `Idempotency-Key`. The outcome of
//! each call is recorded.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use userdocks::domain::id::UserId;
use uuid::Uuid;

use crate::support::{App, new_id};

/// The number of concurrent callers.
const CALLERS: usize = 6;
/// The pause between two calls of one caller: two cores can serve this load with capacity to spare for the fault.
const PACE: Duration = Duration::from_millis(40);
/// The longest time that a response may take, with a margin for the network.
const LONGEST: Duration = Duration::from_secs(32);

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `POST /v1/users/{userId}` with an unused id.
    Invite,
    /// The same with the id of the inviter.
    InviteBy,
    /// `POST /v1/users/{userId}/referral-invites`
    Referral,
    /// `PUT /v1/users/{userId}`, with a nickname.
    Update,
}

/// The outcome of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// 2xx, with `data`.
    Acknowledged(Value),
    /// Any other response: its status and code.
    Refused(u16, String),
    /// No response, or `timed_out`: the result is unknown.
    Lost(String),
}

#[derive(Clone, Debug)]
pub struct Call {
    pub kind: Kind,
    pub user: Uuid,
    /// The invited address, or the nickname.
    pub text: String,
    /// `Idempotency-Key`
    pub key: Option<String>,
    pub outcome: Outcome,
    pub took: Duration,
}

/// State shared by all callers.
pub struct Load {
    shared: Arc<Shared>,
    callers: JoinSet<()>,
    stop: watch::Sender<bool>,
}

struct Shared {
    urls: RwLock<Vec<String>>,
    app: App,
    people: Vec<UserId>,
    client: reqwest::Client,
    calls: Mutex<Vec<Call>>,
    begun: AtomicUsize,
}

impl Load {
    /// Creates the load without starting it. `people`: one user for each caller, which nothing else changes.
    pub fn new(app: App, people: Vec<UserId>) -> Self {
        assert_eq!(people.len(), CALLERS);
        let client = reqwest::Client::builder().timeout(LONGEST).build().unwrap();
        let shared = Shared {
            urls: RwLock::default(),
            app,
            people,
            client,
            calls: Mutex::default(),
            begun: AtomicUsize::new(0),
        };
        Self { shared: Arc::new(shared), callers: JoinSet::new(), stop: watch::Sender::new(false) }
    }

    /// The number of people to pass to `new`.
    pub const fn people() -> usize {
        CALLERS
    }

    /// The addresses of the servers; each call goes to one of them.
    pub fn to(&self, urls: Vec<String>) {
        *self.shared.urls.write().unwrap() = urls;
    }

    /// Starts the calls, which go on until [`Load::stop`].
    pub fn start(&mut self) {
        for caller in 0..CALLERS {
            let (shared, mut stop) = (Arc::clone(&self.shared), self.stop.subscribe());
            self.callers.spawn(async move {
                while !*stop.borrow() {
                    shared.next(caller).await;
                    let _ = tokio::time::timeout(PACE, stop.changed()).await;
                }
            });
        }
    }

    /// Stops the load and waits for the calls under way.
    pub async fn stop(&mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
    }

    /// The calls that have ended so far.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// The number of acknowledged calls so far.
    pub fn acknowledged(&self) -> usize {
        let calls = self.shared.calls.lock().unwrap();
        calls.iter().filter(|call| matches!(call.outcome, Outcome::Acknowledged(_))).count()
    }

    /// Waits until `count` more calls are acknowledged.
    pub async fn flows(&self, count: usize) {
        let (before, begun) = (self.acknowledged(), Instant::now());
        while self.acknowledged() < before + count {
            assert!(begun.elapsed() < Duration::from_mins(1), "the load does not flow");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until `count` more calls are not acknowledged.
    pub async fn ebbs(&self, count: usize) {
        let failed = || {
            let calls = self.shared.calls.lock().unwrap();
            calls.iter().filter(|call| !matches!(call.outcome, Outcome::Acknowledged(_))).count()
        };
        let (before, begun) = (failed(), Instant::now());
        while failed() < before + count {
            assert!(begun.elapsed() < Duration::from_mins(1), "nothing fails");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends one call and records its outcome, in a task of its own.
    pub fn call(
        &self,
        kind: Kind,
        user: Uuid,
        text: &str,
        key: Option<&str>,
    ) -> impl Future<Output = Call> + Send + 'static {
        let (shared, text, key) = (Arc::clone(&self.shared), text.to_owned(), key.map(str::to_owned));
        let call = tokio::spawn(async move { shared.call(kind, user, text, key).await });
        async move { call.await.unwrap() }
    }

    /// Sends a keyed invite whose client can be disconnected; its result is then unknown.
    pub fn leaves(&self, email: &str, key: &str) -> JoinHandle<()> {
        let (kind, user) = (Kind::Invite, new_id());
        let (shared, text, key) = (Arc::clone(&self.shared), email.to_owned(), key.to_owned());
        let outcome = Outcome::Lost("hung up".to_owned());
        let call =
            Call { kind, user, text: text.clone(), key: Some(key.clone()), outcome, took: Duration::ZERO };
        self.shared.calls.lock().unwrap().push(call);
        tokio::spawn(async move {
            // Use a separate connection, which ends with the task.
            let client = reqwest::Client::new();
            shared.ask(&client, kind, user, &text, Some(&key)).await;
        })
    }

    /// Sends a call again without recording it.
    pub async fn repeat(&self, call: &Call) -> Outcome {
        self.shared.ask(&self.shared.client, call.kind, call.user, &call.text, call.key.as_deref()).await
    }

    /// The user of a caller.
    pub fn person(&self, caller: usize) -> Uuid {
        self.shared.people[caller].0
    }
}

impl Shared {
    async fn next(&self, caller: usize) {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let key = number.is_multiple_of(3).then(|| format!("key-{number}"));
        let (kind, user, text) = match number % 4 {
            0 => (Kind::Invite, new_id(), format!("invite-{number}@load.example")),
            1 => (Kind::InviteBy, self.people[caller].0, format!("by-{number}@load.example")),
            2 => (Kind::Referral, self.people[caller].0, format!("referral-{number}@load.example")),
            _ => (Kind::Update, self.people[caller].0, format!("nickname-{number}")),
        };
        self.call(kind, user, text, key.filter(|_| kind != Kind::Update)).await;
    }

    async fn call(&self, kind: Kind, user: Uuid, text: String, key: Option<String>) -> Call {
        let begun = Instant::now();
        let outcome = self.ask(&self.client, kind, user, &text, key.as_deref()).await;
        let call = Call { kind, user, text, key, outcome, took: begun.elapsed() };
        self.calls.lock().unwrap().push(call.clone());
        call
    }

    async fn ask(
        &self,
        client: &reqwest::Client,
        kind: Kind,
        user: Uuid,
        text: &str,
        key: Option<&str>,
    ) -> Outcome {
        let url = {
            let urls = self.urls.read().unwrap();
            urls[self.begun.load(Ordering::Relaxed) % urls.len()].clone()
        };
        let body = match kind {
            Kind::Update => json!({ "user": { "nickname": text } }),
            _ => json!({ "email": text, "language": "en" }),
        };
        let request = match kind {
            Kind::Update => client.put(format!("{url}/v1/users/{user}")),
            Kind::Referral => client.post(format!("{url}/v1/users/{user}/referral-invites")),
            Kind::Invite | Kind::InviteBy => client.post(format!("{url}/v1/users/{user}")),
        };
        let mut request = request
            .header("X-CLIENT-ID", self.app.id.to_string())
            .header("X-API-KEY", &self.app.write_key)
            .header("X-API-KEY-TYPE", "write")
            .body(body.to_string());
        if let Some(key) = key {
            request = request.header("Idempotency-Key", format!("\"{key}\""));
        }
        let answer = async {
            let answer = request.send().await?;
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            Ok::<_, reqwest::Error>((status, headers, answer.text().await?))
        };
        let (status, headers, text) = match answer.await {
            Ok(answer) => answer,
            Err(error) => return Outcome::Lost(format!("{error:?}")),
        };
        let Ok(body) = serde_json::from_str::<Value>(&text) else {
            return Outcome::Refused(status, format!("not JSON: {text}"));
        };
        if (200..300).contains(&status) {
            return Outcome::Acknowledged(body["data"].clone());
        }
        let code = headers.get("x-error-code").map_or("none", |code| code.to_str().unwrap()).to_owned();
        if code == "timed_out" { Outcome::Lost(code) } else { Outcome::Refused(status, code) }
    }
}
