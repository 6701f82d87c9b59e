//! What is sent to the provider, and which discovery documents are refused.

use serde_json::{Value, json};

use super::*;

fn document() -> Value {
    json!({
        "issuer": "https://id.example",
        "authorization_endpoint": "https://id.example/auth?tenant=7",
        "token_endpoint": "https://id.example/token",
        "jwks_uri": "https://keys.example/jwks",
    })
}

fn check(document: &Value, production: bool) -> Result<Metadata, Failed> {
    let metadata: Metadata = serde_json::from_value(document.clone()).unwrap();
    metadata.check("https://id.example", production)
}

fn provider() -> Provider {
    let metadata = check(&document(), true).unwrap();
    Provider {
        issuer: "https://id.example".to_owned(),
        client_id: "the console".to_owned(),
        client_secret: "a+b".to_owned().into(),
        production: true,
        authorities: Authorities::default(),
        client: OnceLock::new(),
        metadata: Mutex::new(Some((Instant::now(), Arc::new(metadata)))),
    }
}

#[test]
fn document_of_another_issuer_or_with_an_open_endpoint_is_refused() {
    assert!(check(&document(), true).is_ok());
    for (name, value) in [
        ("issuer", "https://id.example/"),
        ("authorization_endpoint", "http://id.example/auth"),
        ("token_endpoint", "http://127.0.0.1/token"),
        ("jwks_uri", "file:///keys"),
        ("userinfo_endpoint", "http://id.example/me"),
    ] {
        let mut document = document();
        document[name] = json!(value);
        assert!(check(&document, true).is_err(), "{name}");
        assert_eq!(check(&document, false).is_ok(), name == "token_endpoint", "{name}");
    }
}

#[test]
fn client_authenticates_as_the_provider_supports() {
    for (methods, expected) in [
        (json!(null), Some(ClientAuthentication::Basic)),
        (json!(["client_secret_post", "client_secret_basic"]), Some(ClientAuthentication::Basic)),
        (json!(["private_key_jwt", "client_secret_post"]), Some(ClientAuthentication::Post)),
        (json!(["none"]), None),
    ] {
        let mut document = document();
        document["token_endpoint_auth_methods_supported"] = methods;
        let found = check(&document, true).and_then(|metadata| metadata.client_authentication()).ok();
        assert_eq!(found, expected);
    }
    let (provider, flow) = (provider(), Flow(RandomCode::generate()));
    let mut metadata = check(&document(), true).unwrap();
    let request = provider.token_request(&metadata, &flow, "c&d", "https://c.example/x").unwrap();
    let request = request.build().unwrap();
    let expected = base64::prelude::BASE64_STANDARD.encode("the+console:a%2Bb");
    assert_eq!(request.headers()["authorization"], format!("Basic {expected}"));
    let body = String::from_utf8(request.body().unwrap().as_bytes().unwrap().to_vec()).unwrap();
    assert_eq!(
        body,
        format!(
            "grant_type=authorization_code&code=c%26d&redirect_uri=https%3A%2F%2Fc.example%2Fx&code_verifier={}",
            flow.code_verifier()
        )
    );
    metadata.token_endpoint_auth_methods_supported = Some(vec!["client_secret_post".to_owned()]);
    let request = provider.token_request(&metadata, &flow, "c", "x").unwrap().build().unwrap();
    assert!(!request.headers().contains_key("authorization"));
    let body = String::from_utf8(request.body().unwrap().as_bytes().unwrap().to_vec()).unwrap();
    assert!(body.ends_with("&client_id=the+console&client_secret=a%2Bb"), "{body}");
}

#[tokio::test]
async fn authorization_url_keeps_the_query_of_the_endpoint_and_has_the_challenge() {
    let flow = Flow(RandomCode::generate());
    let url = provider().authorization_url(&flow, "https://c.example/back").await.unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let get = |name: &str| pairs.iter().find(|pair| pair.0 == name).unwrap().1.clone();
    assert_eq!((get("tenant"), get("redirect_uri")), ("7".into(), "https://c.example/back".into()));
    assert_eq!((get("state"), get("nonce")), (flow.state(), flow.nonce()));
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(sha256(flow.code_verifier().as_bytes()));
    assert_eq!((get("code_challenge"), get("code_challenge_method")), (challenge, "S256".into()));
    let secrets = [flow.state(), flow.nonce(), flow.code_verifier(), flow.0.expose().to_owned()];
    for (at, secret) in secrets.iter().enumerate() {
        assert!(!secrets[..at].contains(secret));
    }
    assert!(!url.as_str().contains(&flow.code_verifier()) && !url.as_str().contains(flow.0.expose()));
}

#[tokio::test]
async fn answer_must_name_the_issuer_if_the_provider_says_so() {
    let provider = provider();
    for (issuer, own) in [("", true), ("https://id.example", true), ("https://other.example", false)] {
        assert_eq!(provider.is_own_answer(issuer).await.unwrap(), own, "{issuer}");
    }
    let mut document = document();
    document["authorization_response_iss_parameter_supported"] = json!(true);
    let metadata = check(&document, true).unwrap();
    *provider.metadata.lock() = Some((Instant::now(), Arc::new(metadata)));
    assert!(!provider.is_own_answer("").await.unwrap());
}
