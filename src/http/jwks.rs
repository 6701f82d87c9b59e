//! Keys of outside issuers (RFC 7517), fetched from the address that an app's operator configured and from
//! nowhere else: no redirect, no proxy, a bounded size and time. The last good keys serve while the issuer is
//! away. An unknown `kid` asks again, at a bounded rate.

use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use reqwest::redirect::Policy;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::domain::access_token::PublicKey;

/// Keys older than this are fetched anew, beside the requests that use them.
const FRESH: Duration = Duration::from_mins(5);
/// Between two fetches from one address.
const COOL_DOWN: Duration = Duration::from_secs(10);
/// One whole fetch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer, bytes.
const MAX_SIZE: usize = 256 * 1024;
/// Keys that are looked at.
const MAX_KEYS: usize = 64;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
#[error("the keys of the outside issuer at {url} cannot be had: {reason}")]
pub struct Unreachable {
    url: String,
    reason: String,
}

/// The keys of all outside issuers that were asked for lately.
pub struct Jwks {
    issuers: Cache<String, Arc<Issuer>>,
    client: OnceLock<reqwest::Client>,
}

#[derive(Default)]
struct Issuer {
    keys: RwLock<Option<Keys>>,
    /// When it was last asked. Held while asking, so that one request does for all.
    asked: Mutex<Option<Instant>>,
}

#[derive(Clone)]
struct Keys {
    at: Instant,
    keys: Arc<Vec<PublicKey>>,
}

impl Default for Jwks {
    fn default() -> Self {
        Self { issuers: Cache::new(1024), client: OnceLock::new() }
    }
}

impl Issuer {
    fn known(&self) -> Option<Keys> {
        self.keys.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Jwks {
    /// The keys at `url`, with the one named `kid` if the issuer has it. An error only if it never answered.
    pub async fn keys(&self, url: &str, kid: Option<&str>) -> Result<Arc<Vec<PublicKey>>, Unreachable> {
        let made = || Ok::<_, std::convert::Infallible>(Arc::new(Issuer::default()));
        let Ok(issuer) = self.issuers.get_or_insert_with(url, made);
        if let Some(known) = issuer.known()
            && known.keys.iter().any(|key| key.is(kid))
        {
            if known.at.elapsed() > FRESH {
                let client = self.client(url)?;
                let url = url.to_owned();
                tokio::spawn(async move { refresh(&issuer, &client, &url).await });
            }
            return Ok(known.keys);
        }
        let refreshed = refresh(&issuer, &self.client(url)?, url).await;
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
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent(concat!("userdocks/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Unreachable { url: url.to_owned(), reason: error.to_string() })?;
        Ok(self.client.get_or_init(|| client).clone())
    }
}

/// Asks the issuer for its keys, unless it was asked a moment ago.
async fn refresh(issuer: &Issuer, client: &reqwest::Client, url: &str) -> Result<(), Unreachable> {
    let mut asked = issuer.asked.lock().await;
    if asked.is_some_and(|at| at.elapsed() < COOL_DOWN) {
        return Ok(());
    }
    *asked = Some(Instant::now());
    match fetch(client, url).await {
        Ok(keys) => {
            let known = Keys { at: Instant::now(), keys: Arc::new(keys) };
            *issuer.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(known);
            Ok(())
        }
        Err(reason) => {
            tracing::warn!(url, reason, "an outside issuer's keys were not fetched");
            Err(Unreachable { url: url.to_owned(), reason })
        }
    }
}

async fn fetch(client: &reqwest::Client, url: &str) -> Result<Vec<PublicKey>, String> {
    let text = |error: reqwest::Error| error.without_url().to_string();
    let mut response = client.get(url).header("accept", "application/json").send().await.map_err(text)?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("it answers {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(text)? {
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
