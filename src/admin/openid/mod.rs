//! The `OpenID` provider that operators can sign in with (OpenID Connect Core 1.0): authorization code flow with PKCE
//! (RFC 7636). Calls go only to the configured issuer and to the endpoints that it names: without redirects or proxies,
//! with limits for size and time.

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use form_urlencoded::byte_serialize;
use parking_lot::Mutex;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::config::Config;
use crate::domain::credentials::api_key::sha256;
use crate::domain::credentials::id_token::{Expected, Invalid, Person, Unverified};
use crate::domain::credentials::random_code::RandomCode;
use crate::domain::network::is_protected;
use crate::domain::text::one_line;
use crate::http::auth::jwks::{Jwks, Unreachable};
use crate::http_client::{self, Authorities};

/// Time limit of a call.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest response in bytes.
const MAX_SIZE: usize = 256 * 1024;
/// How long a discovery document is used.
const FRESH: Duration = Duration::from_mins(5);

/// Why the provider does not sign somebody in; for the log.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("{0}: {1}")]
    Call(&'static str, String),
    #[error("discovery document: {0}")]
    Discovery(&'static str),
    #[error(transparent)]
    Keys(#[from] Unreachable),
    #[error(transparent)]
    IdToken(#[from] Invalid),
    #[error("UserInfo endpoint: it answers about somebody else")]
    UserInfo,
}

/// The discovery document (OpenID Connect Discovery 1.0, section 3).
#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Endpoint,
    token_endpoint: Endpoint,
    jwks_uri: Endpoint,
    userinfo_endpoint: Option<Endpoint>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// RFC 9207.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// The URL of an endpoint.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct Endpoint(Url);

impl TryFrom<String> for Endpoint {
    type Error = url::ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// How the client proves itself at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientAuthentication {
    Basic,
    Post,
}

impl Metadata {
    /// Refuses a document of another issuer, and endpoints that the network could listen to.
    fn check(self, issuer: &str, production: bool) -> Result<Self, Failed> {
        if self.issuer != issuer {
            return Err(Failed::Discovery("its issuer is another one"));
        }
        let endpoints = [&self.authorization_endpoint, &self.token_endpoint, &self.jwks_uri];
        if !endpoints.into_iter().chain(&self.userinfo_endpoint).all(|url| is_protected(&url.0, production)) {
            return Err(Failed::Discovery("an endpoint is not https"));
        }
        self.client_authentication()?;
        Ok(self)
    }

    fn client_authentication(&self) -> Result<ClientAuthentication, Failed> {
        let Some(methods) = &self.token_endpoint_auth_methods_supported else {
            return Ok(ClientAuthentication::Basic);
        };
        let has = |name: &str| methods.iter().any(|method| method == name);
        match (has("client_secret_basic"), has("client_secret_post")) {
            (true, _) => Ok(ClientAuthentication::Basic),
            (false, true) => Ok(ClientAuthentication::Post),
            (false, false) => {
                Err(Failed::Discovery("it supports neither client_secret_basic nor client_secret_post"))
            }
        }
    }
}

/// One try to sign in. All its secrets derive from the code in the browser's cookie.
pub struct Flow(pub RandomCode);

impl Flow {
    #[must_use]
    pub fn state(&self) -> String {
        self.0.derive("openid state")
    }

    fn nonce(&self) -> String {
        self.0.derive("openid nonce")
    }

    fn code_verifier(&self) -> String {
        self.0.derive("openid code verifier")
    }

    fn code_challenge(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(sha256(self.code_verifier().as_bytes()))
    }
}

/// The configured provider.
pub struct Provider {
    issuer: String,
    client_id: String,
    client_secret: SecretString,
    production: bool,
    authorities: Authorities,
    client: OnceLock<reqwest::Client>,
    metadata: Mutex<Option<(Instant, Arc<Metadata>)>>,
}

impl Provider {
    /// The provider in the settings, if there is one.
    #[must_use]
    pub fn of(config: &Config) -> Option<Self> {
        let admin = &config.admin;
        (!admin.oidc_issuer.is_empty()).then(|| Self {
            issuer: admin.oidc_issuer.clone(),
            client_id: admin.oidc_client_id.clone(),
            client_secret: admin.oidc_client_secret.0.clone(),
            production: config.production(),
            authorities: config.server.ca_file.clone(),
            client: OnceLock::new(),
            metadata: Mutex::default(),
        })
    }

    /// The host of the issuer, to be shown.
    #[must_use]
    pub fn host(&self) -> String {
        let host = |url: Url| url.host_str().map(str::to_owned);
        Url::parse(&self.issuer).ok().and_then(host).unwrap_or_else(|| self.issuer.clone())
    }

    /// Where the browser goes to sign in.
    pub async fn authorization_url(&self, flow: &Flow, redirect_uri: &str) -> Result<Url, Failed> {
        let mut url = self.metadata().await?.authorization_endpoint.0.clone();
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", redirect_uri),
            ("scope", "openid email"),
            ("state", &flow.state()),
            ("nonce", &flow.nonce()),
            ("code_challenge", &flow.code_challenge()),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url)
    }

    /// Whether the answer is of this provider (RFC 9207). `issuer`: the parameter `iss`, or empty.
    pub async fn is_own_answer(&self, issuer: &str) -> Result<bool, Failed> {
        let required = self.metadata().await?.authorization_response_iss_parameter_supported;
        Ok(if issuer.is_empty() { !required } else { issuer == self.issuer })
    }

    /// Exchanges a code for the person who has signed in. The claims come from the `UserInfo` endpoint if the ID token
    /// has no address (OpenID Connect Core 1.0, section 5.4).
    pub async fn person(
        &self,
        keys: &Jwks,
        flow: &Flow,
        code: &str,
        redirect_uri: &str,
    ) -> Result<Person, Failed> {
        #[derive(Deserialize)]
        struct Tokens {
            id_token: String,
            access_token: Option<String>,
        }
        let metadata = self.metadata().await?;
        let tokens: Tokens =
            json("token endpoint", self.token_request(&metadata, flow, code, redirect_uri)?).await?;
        let token = Unverified::parse(&tokens.id_token)?;
        let keys = keys.keys(metadata.jwks_uri.0.as_str(), token.kid.as_deref()).await?;
        let expected = Expected { issuer: &self.issuer, client_id: &self.client_id, nonce: &flow.nonce() };
        let person = token.verify(&keys, &expected)?;
        match (&person.email, &metadata.userinfo_endpoint, tokens.access_token) {
            (None, Some(endpoint), Some(token)) => {
                let request = self.client()?.get(endpoint.0.clone()).bearer_auth(token);
                let informed: Person = json("UserInfo endpoint", request).await?;
                if informed.sub == person.sub { Ok(informed) } else { Err(Failed::UserInfo) }
            }
            _ => Ok(person),
        }
    }

    fn token_request(
        &self,
        metadata: &Metadata,
        flow: &Flow,
        code: &str,
        redirect_uri: &str,
    ) -> Result<RequestBuilder, Failed> {
        let verifier = flow.code_verifier();
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect_uri),
            ("code_verifier", &verifier),
        ]);
        let mut request = self.client()?.post(metadata.token_endpoint.0.clone());
        let (id, secret) = (&self.client_id, self.client_secret.expose_secret());
        match metadata.client_authentication()? {
            ClientAuthentication::Basic => {
                // Both are encoded before (RFC 6749, 2.3.1).
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                request = request.basic_auth(encoded(id), Some(encoded(secret)));
            }
            ClientAuthentication::Post => {
                form.extend_pairs([("client_id", id.as_str()), ("client_secret", secret)]);
            }
        }
        Ok(request.header("content-type", "application/x-www-form-urlencoded").body(form.finish()))
    }

    async fn metadata(&self) -> Result<Arc<Metadata>, Failed> {
        let known = self.metadata.lock().clone();
        if let Some((at, metadata)) = known
            && at.elapsed() < FRESH
        {
            return Ok(metadata);
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/'));
        let read: Metadata = json("discovery document", self.client()?.get(url)).await?;
        let metadata = Arc::new(read.check(&self.issuer, self.production)?);
        *self.metadata.lock() = Some((Instant::now(), Arc::clone(&metadata)));
        Ok(metadata)
    }

    fn client(&self) -> Result<&reqwest::Client, Failed> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = http_client::client(TIMEOUT, &self.authorities)
            .build()
            .map_err(|error| Failed::Call("client", http_client::cause(error)))?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Sends a request and reads its answer as JSON. `to`: where it goes, for the log.
async fn json<T: DeserializeOwned>(to: &'static str, request: RequestBuilder) -> Result<T, Failed> {
    let fail = |error| Failed::Call(to, http_client::cause(error));
    let mut response = request.header("accept", "application/json").send().await.map_err(fail)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(fail)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_SIZE {
            return Err(Failed::Call(to, format!("its answer is longer than {MAX_SIZE} bytes")));
        }
    }
    if status != StatusCode::OK {
        #[derive(Deserialize)]
        struct Problem {
            error: String,
        }
        let problem: Option<Problem> = serde_json::from_slice(&body).ok();
        let error = problem.map(|problem| format!(": {}", one_line(&problem.error))).unwrap_or_default();
        return Err(Failed::Call(to, format!("it answers {status}{error}")));
    }
    // The error of the parser would show what was sent.
    serde_json::from_slice(&body).map_err(|_| Failed::Call(to, "its answer is not as expected".to_owned()))
}
