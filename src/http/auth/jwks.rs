//! Keys of external issuers (RFC 7517). They are fetched only from the URL that the app's operator configured: without
//! redirects or proxies, with limits for size and time. The last good keys stay in use while the issuer is
//! unreachable. An unknown `kid` triggers a fetch, at a bounded rate.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::http::header;
use parking_lot::RwLock;
use quick_cache::sync::Cache;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::domain::credentials::access_token::PublicKey;
use crate::http_client::{self, Authorities};
use crate::metrics;

/// How often keys are fetched.
#[derive(Clone, Copy)]
struct FetchLimits {
    /// Older keys are refreshed in the background; requests still use them.
    fresh: Duration,
    /// Shortest time between two fetches from one URL.
    cool_down: Duration,
    /// Timeout of a whole fetch.
    timeout: Duration,
}

const FETCH_LIMITS: FetchLimits = FetchLimits {
    fresh: Duration::from_mins(5),
    cool_down: Duration::from_secs(5),
    timeout: Duration::from_secs(5),
};
/// Longest response, bytes.
const MAX_SIZE: usize = 256 * 1024;
/// Most keys read from a response.
const MAX_KEYS: usize = 64;

#[derive(Debug, thiserror::Error)]
#[error("the keys of the external issuer at {url} cannot be had: {reason}")]
pub struct Unreachable {
    url: String,
    reason: String,
}

/// Cache of the keys of external issuers.
pub struct Jwks {
    pace: FetchLimits,
    issuers: Cache<String, Arc<Issuer>>,
    client: OnceLock<reqwest::Client>,
    authorities: Authorities,
}

#[derive(Default)]
struct Issuer {
    keys: RwLock<Option<Keys>>,
    /// Time of the last fetch. Locked during a fetch, so that concurrent requests share one.
    requested_at: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Keys {
    at: Instant,
    keys: Arc<Vec<PublicKey>>,
}

impl Issuer {
    fn known(&self) -> Option<Keys> {
        self.keys.read().clone()
    }
}

impl Jwks {
    /// An empty cache. `authorities` are the certificate authorities for the issuers' URLs.
    #[must_use]
    pub fn new(authorities: Authorities) -> Self {
        Self { pace: FETCH_LIMITS, issuers: Cache::new(1024), client: OnceLock::new(), authorities }
    }

    /// The keys at `url`, with the key `kid` if the issuer has it. Fails only if the issuer has never answered.
    pub async fn keys(&self, url: &str, kid: Option<&str>) -> Result<Arc<Vec<PublicKey>>, Unreachable> {
        let made = || Ok::<_, std::convert::Infallible>(Arc::new(Issuer::default()));
        let Ok(issuer) = self.issuers.get_or_insert_with(url, made);
        if let Some(known) = issuer.known()
            && known.keys.iter().any(|key| key.is(kid))
        {
            metrics::count_cache(metrics::Cache::IssuerKeys, true);
            if known.at.elapsed() > self.pace.fresh {
                let (client, cool_down) = (self.client(url)?, self.pace.cool_down);
                let url = url.to_owned();
                tokio::spawn(async move { refresh(&issuer, &client, &url, cool_down).await });
            }
            return Ok(known.keys);
        }
        metrics::count_cache(metrics::Cache::IssuerKeys, false);
        let refreshed = refresh(&issuer, &self.client(url)?, url, self.pace.cool_down).await;
        match (issuer.known(), refreshed) {
            (Some(known), _) => Ok(known.keys),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => {
                Err(Unreachable { url: url.to_owned(), reason: "it did not answer a moment ago".to_owned() })
            }
        }
    }

    fn client(&self, url: &str) -> Result<reqwest::Client, Unreachable> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let client = http_client::client(self.pace.timeout, &self.authorities)
            .build()
            .map_err(|error| Unreachable { url: url.to_owned(), reason: http_client::cause(error) })?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}

/// Fetches the issuer's keys, unless the last fetch was less than `cool_down` ago.
async fn refresh(
    issuer: &Issuer,
    client: &reqwest::Client,
    url: &str,
    cool_down: Duration,
) -> Result<(), Unreachable> {
    let mut requested_at = issuer.requested_at.lock().await;
    if requested_at.is_some_and(|at| at.elapsed() < cool_down) {
        return Ok(());
    }
    *requested_at = Some(Instant::now());
    match fetch(client, url).await {
        Ok(keys) => {
            let known = Keys { at: Instant::now(), keys: Arc::new(keys) };
            *issuer.keys.write() = Some(known);
            Ok(())
        }
        Err(reason) => {
            tracing::warn!(url, reason, "an external issuer's keys were not fetched");
            Err(Unreachable { url: url.to_owned(), reason })
        }
    }
}

/// JSON, or a type that servers use for files of unknown type.
fn may_be_json(declared: &str) -> bool {
    let Ok(declared) = declared.parse::<mime::Mime>() else { return false };
    matches!(declared.essence_str(), "application/json" | "text/plain" | "application/octet-stream")
        || declared.suffix() == Some(mime::JSON)
}

/// Fetches the keys at `url` once. Returns their number, or the reason of the failure.
pub async fn check(url: &str, authorities: &Authorities) -> Result<usize, String> {
    let client =
        http_client::client(FETCH_LIMITS.timeout, authorities).build().map_err(http_client::cause)?;
    Ok(fetch(&client, url).await?.len())
}

async fn fetch(client: &reqwest::Client, url: &str) -> Result<Vec<PublicKey>, String> {
    let mut response =
        client.get(url).header("accept", "application/json").send().await.map_err(http_client::cause)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("it answers {}", response.status()));
    }
    let declared =
        response.headers().get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    if let Some(declared) = declared.filter(|declared| !may_be_json(declared)) {
        return Err(format!("its answer is declared as {}", declared.escape_default()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(http_client::cause)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_SIZE {
            return Err(format!("its answer is longer than {MAX_SIZE} bytes"));
        }
    }
    let set: Value = serde_json::from_slice(&body).map_err(|_| "its answer is not JSON")?;
    let keys = set["keys"].as_array().ok_or("its answer is not a JWK set")?;
    let keys: Vec<PublicKey> = keys.iter().take(MAX_KEYS).filter_map(PublicKey::from_jwk).collect();
    if keys.is_empty() {
        Err("its JWK set has no key for RS256, ES256 or EdDSA".to_owned())
    } else {
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::Router;
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Response};
    use serde_json::json;
    use tokio::sync::watch;

    use super::*;
    use crate::domain::credentials::access_token::{Jwk, NewKeyPair};

    const DEADLINE: Duration = Duration::from_secs(20);

    /// A key that verifies no signature: its point is not on the curve.
    const NO_POINT: &str = r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"elsewhere"}"#;

    /// How an issuer on loopback responds.
    #[derive(Clone)]
    enum Does {
        Answers(u16, String),
        Declares(&'static str, String),
        SendsElsewhere(String),
        Nothing,
        NeverEnds,
    }

    struct Served {
        url: String,
        does: watch::Sender<Does>,
        requests: watch::Receiver<usize>,
    }

    impl Served {
        async fn start(does: Does) -> Self {
            let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/keys", socket.local_addr().unwrap());
            let (does, doing) = watch::channel(does);
            let (count, requests) = watch::channel(0);
            let router = Router::new().fallback(async move || {
                count.send_modify(|count| *count += 1);
                let does = doing.borrow().clone();
                answer(does).await
            });
            tokio::spawn(async move { axum::serve(socket, router).await });
            Self { url, does, requests }
        }

        fn requests(&self) -> usize {
            *self.requests.borrow()
        }
    }

    async fn answer(does: Does) -> Response {
        match does {
            Does::Answers(status, body) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
            Does::Declares(declared, body) => ([(header::CONTENT_TYPE, declared)], body).into_response(),
            Does::SendsElsewhere(url) => (StatusCode::FOUND, [(header::LOCATION, url)]).into_response(),
            Does::Nothing => pending().await,
            Does::NeverEnds => {
                let drip = futures_util::stream::unfold((), async |()| {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Some((Ok::<_, std::convert::Infallible>(" "), ()))
                });
                axum::body::Body::from_stream(drip).into_response()
            }
        }
    }

    fn set(kids: &[&str]) -> Does {
        Does::Declares("application/jwk-set+json", keys(kids))
    }

    fn keys(kids: &[&str]) -> String {
        let keys: Vec<Value> = kids
            .iter()
            .map(|kid| {
                let pair = NewKeyPair::generate();
                let mut jwk = serde_json::to_value(Jwk::new(pair.id, &pair.public).unwrap()).unwrap();
                jwk["kid"] = json!(kid);
                jwk
            })
            .collect();
        json!({ "keys": keys }).to_string()
    }

    fn hurried() -> Jwks {
        let fresh = Duration::from_millis(400);
        let pace =
            FetchLimits { fresh, cool_down: Duration::from_millis(100), timeout: Duration::from_millis(500) };
        Jwks { pace, ..Jwks::new(Authorities::default()) }
    }

    /// Whether the cache returns the key `kid`.
    async fn has(jwks: &Jwks, url: &str, kid: &str) -> Result<bool, Unreachable> {
        jwks.keys(url, Some(kid)).await.map(|keys| keys.iter().any(|key| key.is(Some(kid))))
    }

    async fn until_has(jwks: &Jwks, url: &str, kid: &str, expected: bool) {
        let deadline = Instant::now() + DEADLINE;
        while has(jwks, url, kid).await.ok() != Some(expected) {
            assert!(Instant::now() < deadline, "{kid}: not {expected}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn rotated_jwks_gains_the_new_key_and_drops_the_old() {
        let (jwks, issuer) = (hurried(), Served::start(set(&["a"])).await);
        assert!(has(&jwks, &issuer.url, "a").await.unwrap());
        issuer.does.send_replace(set(&["a", "b"]));
        until_has(&jwks, &issuer.url, "b", true).await;
        issuer.does.send_replace(set(&["b"]));
        // No request names an unknown key: the set is refreshed because of its age.
        let deadline = Instant::now() + DEADLINE;
        while has(&jwks, &issuer.url, "b").await.unwrap()
            && jwks.keys(&issuer.url, Some("b")).await.unwrap().len() > 1
        {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!has(&jwks, &issuer.url, "a").await.unwrap());
    }

    #[tokio::test]
    async fn unknown_kids_trigger_one_fetch_per_cool_down() {
        let jwks = Jwks { pace: FetchLimits { cool_down: DEADLINE, ..FETCH_LIMITS }, ..hurried() };
        let issuer = Served::start(set(&["a"])).await;
        let unknown: Vec<String> = (0..50).map(|n| format!("unknown{n}")).collect();
        let calls = unknown.iter().map(|kid| has(&jwks, &issuer.url, kid));
        for found in futures_util::future::join_all(calls).await {
            assert!(!found.unwrap());
        }
        assert_eq!(issuer.requests(), 1);
    }

    #[tokio::test]
    async fn failed_refresh_keeps_the_last_good_keys() {
        let elsewhere = Served::start(set(&["elsewhere"])).await;
        let (jwks, issuer) = (hurried(), Served::start(set(&["a"])).await);
        assert!(has(&jwks, &issuer.url, "a").await.unwrap());
        for does in [
            Does::Answers(500, String::new()),
            Does::Answers(204, String::new()),
            Does::Answers(200, "<html>".to_owned()),
            Does::Answers(200, "[]".to_owned()),
            Does::Answers(200, r#"{"keys":{}}"#.to_owned()),
            Does::Answers(200, r#"{"keys":[]}"#.to_owned()),
            Does::Answers(200, r#"{"keys":[7,null,{"kty":"oct","k":"AA","kid":"b"}]}"#.to_owned()),
            Does::Answers(200, format!(r#"{{"keys":[],"more":"{}"}}"#, "x".repeat(MAX_SIZE))),
            Does::Declares("text/html", keys(&["elsewhere"])),
            Does::Declares("", keys(&["elsewhere"])),
            Does::Answers(200, format!(r#"{{"keys":[{NO_POINT}]}}"#)),
            Does::Answers(200, keys(&["elsewhere"]).replace("\"sig\"", "\"enc\"")),
            Does::Answers(200, keys(&["elsewhere"]).replace("\"use\":\"sig\"", "\"key_ops\":[\"encrypt\"]")),
            Does::SendsElsewhere(elsewhere.url.clone()),
            Does::Nothing,
            Does::NeverEnds,
        ] {
            issuer.does.send_replace(does);
            let requests = issuer.requests();
            let deadline = Instant::now() + DEADLINE;
            // An unknown `kid` triggers a fetch as soon as the cool-down is over.
            while issuer.requests() == requests {
                assert!(!has(&jwks, &issuer.url, "elsewhere").await.unwrap());
                assert!(Instant::now() < deadline);
            }
            assert!(has(&jwks, &issuer.url, "a").await.unwrap());
        }
        assert_eq!(elsewhere.requests(), 0, "a redirect is not followed");
        issuer.does.send_replace(set(&["b"]));
        until_has(&jwks, &issuer.url, "b", true).await;
    }

    #[tokio::test]
    async fn unreachable_issuer_is_an_error_until_it_answers() {
        let closed = {
            let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            format!("http://{}/keys", socket.local_addr().unwrap())
        };
        let silent = Served::start(Does::Nothing).await;
        for url in [&closed, &silent.url] {
            let jwks = Jwks { pace: FetchLimits { cool_down: DEADLINE, ..hurried().pace }, ..hurried() };
            assert!(has(&jwks, url, "a").await.is_err());
            let error = has(&jwks, url, "a").await.unwrap_err();
            assert!(error.to_string().ends_with("it did not answer a moment ago"), "{error}");
        }
        let jwks = hurried();
        assert!(has(&jwks, &silent.url, "a").await.is_err());
        silent.does.send_replace(set(&["a"]));
        until_has(&jwks, &silent.url, "a", true).await;
    }
}
