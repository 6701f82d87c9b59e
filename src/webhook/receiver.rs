//! HTTP calls to webhook receivers. An app's operator sets the URL, so it could point to any host that this machine
//! can reach (SSRF). The IP addresses are therefore checked when the name is resolved for the connection, and only
//! those that pass are connected to. The response body is discarded.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;
use url::{Host, Url};

use crate::domain::app_settings::{Problem, web_url};
use crate::domain::network::is_public;
use crate::http_client::{self, Authorities};

/// Maximum bytes of a response body that are read. Reading it to the end lets the connection be reused.
const MAX_RESPONSE: usize = 16 * 1024;
/// Time limit for reading the response body.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Result of a call. The text is the HTTP status or the error.
#[derive(Debug, PartialEq, Eq)]
pub enum Response {
    /// Status 2xx.
    Accepted(String),
    /// Status 410: the receiver no longer exists.
    Gone(String),
    /// Any other status, or the receiver could not be called.
    Refused(String),
}

/// HTTP client for webhook receivers.
pub struct Receivers {
    client: reqwest::Client,
    any_address: bool,
}

/// DNS resolver that returns only public addresses, unless `any_address` is set.
struct Public {
    any_address: bool,
}

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        let any_address = self.any_address;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| any_address || is_public(address.ip())).collect();
            if allowed.is_empty() {
                return Err(io::Error::other(NOT_PUBLIC).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

const NOT_PUBLIC: &str = "the address is not a public one";

/// A client that connects only to public addresses, or with `any_address` also to private ones. It does not check a
/// host that is an IP address: the caller must do so.
pub fn client(
    timeout: Duration,
    https_only: bool,
    any_address: bool,
    authorities: &Authorities,
) -> reqwest::Result<reqwest::Client> {
    http_client::client(timeout, authorities)
        .https_only(https_only)
        .dns_resolver(Arc::new(Public { any_address }))
        .build()
}

impl Receivers {
    /// `any_address` also allows private addresses.
    pub fn new(
        timeout: Duration,
        https_only: bool,
        any_address: bool,
        authorities: &Authorities,
    ) -> reqwest::Result<Self> {
        Ok(Self { client: client(timeout, https_only, any_address, authorities)?, any_address })
    }

    pub async fn post(&self, url: &str, headers: [(&'static str, String); 3], payload: String) -> Response {
        let Ok(url) = Url::parse(url) else { return Response::Refused("the URL is not valid".to_owned()) };
        // The resolver is not called for a host that is an IP address, so it is checked here.
        if !self.any_address && literal(&url).is_some_and(|address| !is_public(address)) {
            return Response::Refused(NOT_PUBLIC.to_owned());
        }
        let mut request = self.client.post(url).header("content-type", "application/json").body(payload);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => {
                let status = response.status();
                drain(response).await;
                match status {
                    _ if status.is_success() => Response::Accepted(status.to_string()),
                    StatusCode::GONE => Response::Gone(status.to_string()),
                    _ => Response::Refused(status.to_string()),
                }
            }
            Err(error) => Response::Refused(http_client::cause(error)),
        }
    }
}

/// Parses the URL of a receiver; an error says what it must be. In production it is `https`. Host names are resolved, and
/// their addresses checked, at each delivery; `any_address` also allows an IP address that is private.
pub fn parse_url(text: &str, production: bool, any_address: bool) -> Result<String, Problem> {
    let text = web_url(text, production)?;
    let url = Url::parse(&text).map_err(|_| "must be an absolute https URL")?;
    let extra = !url.username().is_empty() || url.password().is_some() || url.fragment().is_some();
    if url.as_str().len() > 2048 || extra {
        return Err("must have no user, no password and no fragment, and at most 2048 characters".into());
    }
    if !any_address && literal(&url).is_some_and(|address| !is_public(address)) {
        return Err(
            "must not name a private address, unless USERDOCKS_WEBHOOK__ALLOW_PRIVATE_ADDRESSES is true"
                .into(),
        );
    }
    Ok(url.into())
}

/// The host of the URL if it is an IP address.
#[must_use]
pub fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

async fn drain(mut response: reqwest::Response) {
    let mut left = MAX_RESPONSE;
    let rest = async {
        while let Ok(Some(chunk)) = response.chunk().await
            && chunk.len() <= left
        {
            left -= chunk.len();
        }
    };
    // Neither the content nor a timeout matters.
    let _ = timeout(DRAIN_TIMEOUT, rest).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn http_webhook_url_is_refused_in_production() {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", socket.local_addr().unwrap());
        let receivers = Receivers::new(Duration::from_secs(5), true, true, &Authorities::default()).unwrap();
        let headers = || ["a", "b", "c"].map(|name| (name, String::new()));
        let Response::Refused(why) = receivers.post(&url, headers(), String::new()).await else { panic!() };
        assert!(why.contains("scheme"), "{why}");
        assert_eq!(
            receivers.post("hook", headers(), String::new()).await,
            Response::Refused("the URL is not valid".to_owned())
        );
        // No connection was made.
        let accepted = futures_util::FutureExt::now_or_never(socket.accept());
        assert!(accepted.is_none());
    }
}
