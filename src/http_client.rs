//! HTTP client for outgoing calls: it follows no redirects, uses no proxy and has a timeout.

use std::error::Error;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize, Serializer};
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

use crate::domain::mail::report::detail;

/// Maximum size of a certificate file, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Certificate authorities, from a PEM file, that are trusted in addition to the system's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "PathBuf")]
pub struct Authorities {
    path: PathBuf,
    certificates: Vec<CertificateDer<'static>>,
}

impl TryFrom<PathBuf> for Authorities {
    type Error = String;

    /// Reads the file at `path`. An empty path gives no authorities.
    fn try_from(path: PathBuf) -> Result<Self, String> {
        if path.as_os_str().is_empty() {
            return Ok(Self::default());
        }
        let certificates = read(&path).map_err(|why| format!("{} {why}", path.display()))?;
        Ok(Self { path, certificates })
    }
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut pem))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if pem.len() as u64 > MAX_FILE {
        return Err(format!("is longer than {MAX_FILE} bytes"));
    }
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("is not PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("has no certificate in PEM".to_owned());
    }
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store
            .add(certificate.clone())
            .map_err(|error| format!("has a certificate that cannot be an authority: {error}"))?;
    }
    Ok(certificates)
}

impl Serialize for Authorities {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.path.serialize(to)
    }
}

impl Authorities {
    /// The certificates, in DER, that are trusted in addition to the system's. If the system has none, as in small
    /// container images, Mozilla's are included.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        static SYSTEM_HAS_NONE: LazyLock<bool> =
            LazyLock::new(|| rustls_native_certs::load_native_certs().certs.is_empty());
        let mozilla = SYSTEM_HAS_NONE.then_some(TLS_SERVER_ROOT_CERTS).into_iter().flatten();
        self.certificates.iter().chain(mozilla).map(|certificate| &**certificate)
    }
}

/// A client builder that trusts these authorities. Redirects, proxy and timeout are reqwest's defaults.
pub fn trusting(authorities: &Authorities) -> reqwest::ClientBuilder {
    let certificates = authorities.certificates().filter_map(|der| reqwest::Certificate::from_der(der).ok());
    reqwest::Client::builder()
        .tls_certs_merge(certificates)
        .user_agent(concat!("userdocks/", env!("CARGO_PKG_VERSION")))
}

/// A client builder without redirects and proxy. `timeout` limits each call.
pub fn client(timeout: Duration, authorities: &Authorities) -> reqwest::ClientBuilder {
    trusting(authorities).redirect(Policy::none()).no_proxy().timeout(timeout)
}

/// The error of a failed call and its causes, on one line, without the URL.
#[must_use]
pub fn cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let mut causes = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        causes = format!("{causes}: {cause}");
        next = cause.source();
    }
    detail(&causes)
}
