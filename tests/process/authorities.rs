//! Outgoing HTTPS calls of the server to hosts with certificates of a private CA.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use userdocks::domain::credentials::access_token::{Jwk, NewKeyPair};

use crate::cli::commands::create_app;
use crate::support::child::Place;
use crate::support::smtp::{Encryption, Smtp};
use crate::support::{self, DEADLINE, SECRET_KEY, new_id};

/// An HTTPS server that answers each call with a JWK set.
struct Https {
    url: String,
    authority: String,
    /// The last `POST` request.
    posted: watch::Receiver<Option<String>>,
}

impl Https {
    async fn start() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let (to, posted) = watch::channel(None);
        let pair = NewKeyPair::generate();
        let body = json!({ "keys": [Jwk::new(pair.id, &pair.public).unwrap()] }).to_string();
        let length = body.len();
        let answer =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // The test includes a client that does not trust the certificate.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = vec![0; 8192];
                let length = stream.read(&mut request).await.unwrap_or_default();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
                if request.starts_with("POST") {
                    to.send_replace(Some(request));
                }
            }
        });
        Self { url, authority: issuer.pem(), posted }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn private_ca_is_trusted_for_jwks_smtp_and_webhooks() {
    let https = Https::start().await;
    let smtp = Smtp::with(Encryption::Implicit, None).await;
    let url = support::database(false).await;
    let mut place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
        ("USERDOCKS_WEBHOOK__ALLOW_PRIVATE_ADDRESSES", "true"),
    ]);
    let app = create_app(&place, &["--issuer", "https://issuer.example", "--jwks-url", &https.url]);
    let shown = |place: &Place| place.json(&["app", "show", &app.id])["jwks"].clone();
    let unknown = shown(&place);
    assert!(unknown["error"].as_str().unwrap().contains("UnknownIssuer"), "{unknown}");

    let file = place.file("ca.pem");
    std::fs::write(&file, format!("# ours\n{}{}", https.authority, smtp.authority())).unwrap();
    place.set("SSL_CERT_FILE", file.to_str().unwrap());
    assert_eq!(shown(&place), json!({ "keys": 1 }));
    place.variables.retain(|(name, _)| *name != "SSL_CERT_FILE");
    place.set("USERDOCKS_SERVER__CA_FILE", file.to_str().unwrap());
    assert_eq!(shown(&place), json!({ "keys": 1 }));

    place.json(&["webhook", "create", "--app", &app.id, "--url", &https.url, "--event", "user.invited"]);
    let server = place.serve();
    let user = new_id();
    let answer = reqwest::Client::new()
        .post(format!("{}/v1/users/{user}", server.url))
        .header("x-client-id", &app.id)
        .header("x-api-key-type", "write")
        .header("x-api-key", &app.write_key)
        .json(&json!({ "email": "ada@example.com", "language": "en" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    smtp.wait_for(1, DEADLINE).await;
    let mut posted = https.posted.clone();
    let posted = tokio::time::timeout(DEADLINE, posted.wait_for(Option::is_some)).await.unwrap().unwrap();
    assert!(posted.as_deref().unwrap().contains("webhook-signature"), "{posted:?}");
    drop(posted);
    server.stop();
}

#[test]
fn unusable_ca_file_is_a_configuration_error() {
    let mut place = Place::new(&[]);
    let file = place.file("ca.pem");
    let path = file.to_str().unwrap().to_owned();
    place.set("USERDOCKS_SERVER__CA_FILE", &path);
    for (content, why) in [
        (None, "cannot be read: No such file or directory (os error 2)"),
        (Some(""), "has no certificate in PEM"),
        (Some("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), "has no certificate in PEM"),
        (Some("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n"), "is not PEM"),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "has a certificate that cannot be an authority",
        ),
    ] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let sentence = place.failure(&["config", "check"]);
        assert!(sentence.contains(&format!("{path} {why}")), "{sentence}");
        assert!(sentence.ends_with("for key `server.ca_file`"), "{sentence}");
    }
}
