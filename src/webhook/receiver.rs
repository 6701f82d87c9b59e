//! One call of a receiver. Its address is what an app's operator gave, so it could lead to anything that this
//! machine reaches: the address that its name stands for is looked at when it is connected to, and no other is
//! connected to then. What it answers beside its status is thrown away.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;
use url::{Host, Url};

use crate::domain::network::is_public;
use crate::http_client::{self, Authorities};

/// Bytes of an answer that are read, so that the connection can be used again.
const MAX_RESPONSE: usize = 16 * 1024;
/// How long they may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// What came of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Response {
    /// It was taken.
    Accepted(String),
    /// Nobody is there any more (410).
    Gone(String),
    /// It was not taken, or nobody could be reached.
    Refused(String),
}

/// Calls receivers.
pub struct Receivers {
    client: reqwest::Client,
    any_address: bool,
}

/// Names stand for public addresses, and for no others.
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

/// A client that connects only to public addresses, or with `any_address` to private ones too. The caller checks
/// hosts that are addresses themselves.
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
    /// `any_address`: private addresses too.
    pub fn new(
        timeout: Duration,
        https_only: bool,
        any_address: bool,
        authorities: &Authorities,
    ) -> reqwest::Result<Self> {
        Ok(Self { client: client(timeout, https_only, any_address, authorities)?, any_address })
    }

    /// Posts `payload` with these headers.
    pub async fn post(&self, url: &str, headers: [(&'static str, String); 3], payload: String) -> Response {
        let Ok(url) = Url::parse(url) else { return Response::Refused("the URL is none".to_owned()) };
        // A host that is an address is not looked up.
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

/// The address that a URL names itself.
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
    // What it says does not matter, nor whether it ends.
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
            Response::Refused("the URL is none".to_owned())
        );
        // Nobody has connected.
        let accepted = futures_util::FutureExt::now_or_never(socket.accept());
        assert!(accepted.is_none());
    }
}
