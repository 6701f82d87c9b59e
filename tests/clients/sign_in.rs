//! Signing in to the console with a passkey and with an `OpenID` provider, in a real browser.

use std::net::TcpListener;

use serde_json::json;
use userdocks::db::operators;
use userdocks::domain::email::Email;
use userdocks::domain::operators::Role;
use uuid::Uuid;

use crate::axe;
use crate::browser::Browser;
use crate::console::{follow, heading, says, sign_in};
use crate::openid_provider::{CLIENT_ID, CLIENT_SECRET, Provider};
use crate::support::Test;

/// A free port of this machine. The console's URL must be known before it starts.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server whose console has this port and a host name, which passkeys need.
async fn start(port: u16, more: &[(&str, &str)]) -> Test {
    let (listen, url) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let settings = [
        ("USERDOCKS_ADMIN__LISTEN", &*listen),
        ("USERDOCKS_ADMIN__PUBLIC_URL", &url),
        ("USERDOCKS_SERVER__PUBLIC_URL", ""),
    ];
    Test::with(&[&settings, more].concat()).await
}

async fn create(test: &Test, email: &str) -> Uuid {
    let email = Email::parse(email).unwrap();
    operators::create(&test.db, &email, Role::Admin, None).await.unwrap().unwrap()
}

async fn sessions(test: &Test) -> i64 {
    test.count("SELECT count(*) FROM operator_sessions").await
}

async fn sign_out(browser: &Browser) {
    browser.click(".account summary").await;
    browser.click(".menu form[action='/sign-out'] button").await;
    heading(browser, "Sign in").await;
}

const USE_PASSKEY: &str = "#passkey-sign-in:not([hidden]) button";

#[tokio::test(flavor = "multi_thread")]
async fn passkey_signs_in_until_it_is_removed() {
    let test = start(free_port(), &[]).await;
    let browser = Browser::open(1280, 900).await;
    browser.add_authenticator().await;
    let url = sign_in(&test, &browser).await;
    browser.go(&format!("{url}/account")).await;
    heading(&browser, "Your account").await;
    assert_eq!(axe::violations(&browser).await, [""; 0]);
    browser.fill("#passkey-add:not([hidden]) [name=name]", "Laptop").await;
    browser.click("#passkey-add button").await;
    says(&browser, "The passkey is added.").await;
    assert_eq!(browser.text("#passkeys tbody td").await, "Laptop");
    assert_eq!(axe::violations(&browser).await, [""; 0]);
    browser.picture("console-account").await;

    // The device has a passkey of this operator already.
    browser.fill("#passkey-add:not([hidden]) [name=name]", "Laptop again").await;
    browser.click("#passkey-add button").await;
    says(&browser, "This device has a passkey for you already.").await;
    assert_eq!(test.count("SELECT count(*) FROM operator_passkeys").await, 1);

    for _ in 0..2 {
        browser.go(&format!("{url}/")).await;
        sign_out(&browser).await;
        assert_eq!(sessions(&test).await, 0);
        browser.text(USE_PASSKEY).await;
        assert_eq!(axe::violations(&browser).await, [""; 0]);
        browser.click(USE_PASSKEY).await;
        heading(&browser, "Apps").await;
    }
    browser.go(&format!("{url}/account")).await;
    browser.click("#passkeys details.ask summary").await;
    browser.click("#passkeys details.ask button").await;
    says(&browser, "The passkey is removed.").await;
    sign_out(&browser).await;
    browser.click(USE_PASSKEY).await;
    heading(&browser, "That did not work").await;
    says(&browser, "This passkey is not known here.").await;
    assert_eq!(axe::violations(&browser).await, [""; 0]);
    assert_eq!(sessions(&test).await, 0);
    browser.go(&format!("{url}/")).await;
    heading(&browser, "Sign in").await;
    test.finish().await;
}

/// A console with a provider.
struct Site {
    test: Test,
    url: String,
    _provider: Provider,
}

impl Site {
    async fn start() -> Self {
        let port = free_port();
        let url = format!("http://localhost:{port}");
        let provider = tokio::task::block_in_place(|| Provider::start(&url));
        let settings = [
            ("USERDOCKS_ADMIN__OIDC_ISSUER", &*provider.issuer),
            ("USERDOCKS_ADMIN__OIDC_CLIENT_ID", CLIENT_ID),
            ("USERDOCKS_ADMIN__OIDC_CLIENT_SECRET", CLIENT_SECRET),
        ];
        let test = start(port, &settings).await;
        Self { test, url, _provider: provider }
    }

    /// A new browser in which a person has signed in at the provider, which then asks for consent.
    async fn sign_in_at_provider(&self, account: &str) -> Browser {
        let browser = Browser::open(1280, 900).await;
        browser.go(&format!("{}/sign-in", self.url)).await;
        heading(&browser, "Sign in").await;
        assert_eq!(axe::violations(&browser).await, [""; 0]);
        follow(&browser, "Sign in with 127.0.0.1").await;
        browser.fill("[name=login]", account).await;
        browser.fill("[name=password]", "any password").await;
        browser.click(".login-submit").await;
        browser.text("[name=prompt][value=consent]").await;
        browser
    }

    /// The page says so, and there is no session.
    async fn refuses(&self, browser: &Browser, sentence: &str) {
        heading(browser, "That did not work").await;
        says(browser, sentence).await;
        assert_eq!(axe::violations(browser).await, [""; 0]);
        assert_eq!(sessions(&self.test).await, 0);
        browser.go(&format!("{}/", self.url)).await;
        heading(browser, "Sign in").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verified_address_of_an_operator_at_the_provider_signs_in() {
    let site = Site::start().await;
    let ada = create(&site.test, "ada@example.com").await;
    let browser = site.sign_in_at_provider("ADA@example.com").await;
    browser.click(".login-submit").await;
    heading(&browser, "Apps").await;
    browser.go(&format!("{}/account", site.url)).await;
    says(&browser, "How you sign in as ada@example.com.").await;
    let event: serde_json::Value = sqlx::query_scalar(
        "SELECT jsonb_build_array(operator_id, action, outcome, subject) FROM audit_events",
    )
    .fetch_one(&site.test.db)
    .await
    .unwrap();
    assert_eq!(event, json!([ada, "signIn", "done", ada]));
    site.test.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn address_of_no_enabled_operator_at_the_provider_gets_a_sentence_and_no_session() {
    let site = Site::start().await;
    create(&site.test, "ada@example.com").await;
    let disabled = create(&site.test, "disabled@example.com").await;
    assert!(operators::disable(&site.test.db, disabled).await.unwrap());
    for account in ["nobody@example.com", "disabled@example.com"] {
        let browser = site.sign_in_at_provider(account).await;
        browser.click(".login-submit").await;
        site.refuses(&browser, "No operator has the address of your account there.").await;
    }
    site.test.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unverified_address_or_refused_consent_gets_a_sentence_and_no_session() {
    let site = Site::start().await;
    create(&site.test, "ada@example.com").await;
    let browser = site.sign_in_at_provider("unverified:ada@example.com").await;
    browser.click(".login-submit").await;
    site.refuses(&browser, "The provider did not give an e-mail address that it has verified.").await;
    let browser = site.sign_in_at_provider("ada@example.com").await;
    follow(&browser, "[ Cancel ]").await;
    site.refuses(&browser, "The provider did not sign you in.").await;
    site.test.finish().await;
}
