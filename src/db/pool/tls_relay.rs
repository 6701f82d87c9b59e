//! A TLS relay for PostgreSQL servers whose certificate rustls cannot parse, used if `sslmode` is `prefer` or
//! `require`, under which no certificate is verified. rustls rejects X.509 version 1, the default of `openssl x509
//! -req`; libpq accepts it. sqlx connects to a Unix socket in a private folder, and the relay opens TLS without the
//! signature check, which loses nothing: these modes accept any certificate.

use std::fmt;
use std::io::{self, Error, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
};

/// The message `SSLRequest` of the PostgreSQL protocol.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// Timeout of the connection that tests whether a relay is needed.
const PROBE: Duration = Duration::from_secs(10);

/// Accepts connections until it is dropped.
pub struct Relay {
    folder: PathBuf,
    accept: AbortHandle,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accept.abort();
        // If this fails, an empty folder and a socket remain.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Starts a relay if the server's certificate need not be verified and rustls rejects it, and points the options to the
/// relay. The relay does not send a client certificate.
pub async fn if_needed(options: &mut PgConnectOptions) -> io::Result<Option<Relay>> {
    let unverified = matches!(options.get_ssl_mode(), PgSslMode::Prefer | PgSslMode::Require);
    if !unverified || options.get_socket().is_some() {
        return Ok(None);
    }
    match timeout(PROBE, PgConnection::connect_with(options)).await {
        Ok(Err(error)) if refusal(&error).is_some() => {}
        Ok(Ok(connection)) => {
            // The connection was only a test.
            let _ = connection.close().await;
            return Ok(None);
        }
        _ => return Ok(None),
    }
    let folder = std::env::temp_dir()
        .join(format!("userdocks-{}", hex::encode(crate::domain::credentials::secret_key::random::<8>())));
    std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
    let listener = UnixListener::bind(folder.join(format!(".s.PGSQL.{}", options.get_port())))?;
    let target = Arc::new(Target {
        host: options.get_host().to_owned(),
        port: options.get_port(),
        tls_required: matches!(options.get_ssl_mode(), PgSslMode::Require),
        tls: connector()?,
    });
    let accept = tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((local, _)) => drop(tokio::spawn(Arc::clone(&target).relay(local))),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    });
    *options = options.clone().socket(&folder).ssl_mode(PgSslMode::Disable);
    Ok(Some(Relay { folder, accept: accept.abort_handle() }))
}

struct Target {
    host: String,
    port: u16,
    tls_required: bool,
    tls: TlsConnector,
}

impl Target {
    /// Relays one connection. If this fails, sqlx sees a closed connection.
    async fn relay(self: Arc<Self>, mut local: UnixStream) -> io::Result<()> {
        let mut server = TcpStream::connect((self.host.as_str(), self.port)).await?;
        server.set_nodelay(true)?;
        server.write_all(&SSL_REQUEST).await?;
        match server.read_u8().await? {
            b'S' => {
                let name = ServerName::try_from(self.host.clone()).map_err(Error::other)?;
                let mut server = self.tls.connect(name, server).await?;
                copy_bidirectional(&mut local, &mut server).await?;
            }
            b'N' if !self.tls_required => drop(copy_bidirectional(&mut local, &mut server).await?),
            _ => return Err(ErrorKind::InvalidData.into()),
        }
        Ok(())
    }
}

fn connector() -> io::Result<TlsConnector> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything(provider)))
        .with_no_client_auth();
    Ok(Arc::new(config).into())
}

/// Accepts any certificate and any handshake signature.
struct Anything(Arc<CryptoProvider>);

impl fmt::Debug for Anything {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anything")
    }
}

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The TLS error by which rustls rejects the certificate of a server or an authority, if `error` is one.
pub(crate) fn refusal(error: &sqlx::Error) -> Option<&TlsError> {
    let refusal = match error {
        sqlx::Error::Io(error) => error.get_ref()?.downcast_ref::<TlsError>()?,
        sqlx::Error::Tls(error) => error.downcast_ref::<TlsError>()?,
        _ => return None,
    };
    matches!(refusal, TlsError::InvalidCertificate(_)).then_some(refusal)
}

/// A hint how to fix such a rejection.
pub(crate) fn help(refusal: &TlsError) -> &'static str {
    match refusal {
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "add sslrootcert=FILE with the certificate of its authority to the URL, or set sslmode=require, which \
             verifies nothing"
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the host of the URL has to be among its subject alternative names, or set sslmode=verify-ca",
        _ => {
            "give PostgreSQL one of X.509 version 3 that an authority has signed and that is valid now, and name the \
             authority with sslrootcert=FILE, or set sslmode=require, which verifies nothing"
        }
    }
}
