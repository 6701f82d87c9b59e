//! A webhook receiver that records posts and responds by a script.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use super::DEADLINE;

#[derive(Clone, Debug)]
pub struct Post {
    pub id: String,
    pub timestamp: String,
    pub signatures: Vec<String>,
    pub content_type: String,
    pub body: Bytes,
}

impl Post {
    /// Whether one of the signatures is valid for a secret, by the text of the specification.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", &self.body].concat();
        self.signatures.iter().any(|signature| {
            let (version, signature) = signature.split_once(',').unwrap();
            let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
            let signature = STANDARD.decode(signature).unwrap();
            version == "v1" && hmac::verify(&key, &signed, &signature).is_ok()
        })
    }

    /// The body, which has exactly three keys.
    pub fn json(&self) -> Value {
        let json: Value = serde_json::from_slice(&self.body).unwrap();
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["data", "timestamp", "type"]);
        assert!(json["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{json}");
        json
    }

    /// `type` and `data`.
    pub fn event(&self) -> (String, Value) {
        let json = self.json();
        (json["type"].as_str().unwrap().to_owned(), json["data"].clone())
    }
}

/// The action for a call, given the number of earlier calls.
pub type Script = Arc<dyn Fn(usize) -> Does + Send + Sync>;

pub enum Does {
    Answers(u16),
    /// Responds with a redirect to this URL.
    Redirects(String),
    /// Responds with 200 and a body that does not end.
    NeverEnds,
    /// Waits until it is released, then responds with 200.
    Waits,
}

pub struct Receiver {
    pub url: String,
    inner: Arc<Inner>,
}

struct Inner {
    posts: watch::Sender<Vec<Post>>,
    script: Mutex<Script>,
    released: watch::Sender<bool>,
}

impl Receiver {
    /// Starts a receiver that accepts everything.
    pub async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?x=1", socket.local_addr().unwrap());
        let inner = Arc::new(Inner {
            posts: watch::channel(Vec::new()).0,
            script: Mutex::new(Arc::new(|_| Does::Answers(200))),
            released: watch::channel(false).0,
        });
        let router = Router::new().fallback(take).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(socket, router).await });
        Self { url, inner }
    }

    /// Sets the script from now on.
    pub fn does(&self, script: impl Fn(usize) -> Does + Send + Sync + 'static) {
        *self.inner.script.lock().unwrap() = Arc::new(script);
    }

    /// Releases the waiting calls.
    pub fn release(&self) {
        self.inner.released.send_replace(true);
    }

    pub fn posts(&self) -> Vec<Post> {
        self.inner.posts.borrow().clone()
    }

    /// Waits for this many calls and returns all of them.
    pub async fn wait_for(&self, count: usize) -> Vec<Post> {
        let mut posts = self.inner.posts.subscribe();
        let enough = timeout(DEADLINE, posts.wait_for(|posts| posts.len() >= count)).await;
        enough.unwrap_or_else(|_| panic!("{} calls, not {count}", self.posts().len())).unwrap().clone()
    }
}

async fn take(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    assert_eq!((parts.method.as_str(), parts.uri.to_string().as_str()), ("POST", "/hook?x=1"));
    let header = |name: &str| parts.headers.get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let post = Post {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature").split(' ').map(str::to_owned).collect(),
        content_type: header("content-type"),
        body: to_bytes(body, 1 << 20).await.unwrap(),
    };
    let mut before = 0;
    inner.posts.send_modify(|posts| {
        before = posts.len();
        posts.push(post);
    });
    let does = { inner.script.lock().unwrap()(before) };
    match does {
        Does::Answers(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Does::Redirects(url) => (StatusCode::TEMPORARY_REDIRECT, [("location", url)]).into_response(),
        Does::NeverEnds => {
            let drip = futures_util::stream::unfold((), async |()| {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Ok::<_, std::convert::Infallible>(vec![b' '; 4096]), ()))
            });
            axum::body::Body::from_stream(drip).into_response()
        }
        Does::Waits => {
            inner.released.subscribe().wait_for(|released| *released).await.unwrap();
            StatusCode::OK.into_response()
        }
    }
}
