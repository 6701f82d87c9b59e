//! The console in a real browser: a support person's day, and every screen as a person with a screen reader, a phone or
//! dark eyes would meet it.

use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};
use userdocks::db::operators;
use userdocks::domain::credentials::random_code::RandomCode;
use userdocks::domain::email::Email;
use userdocks::domain::operators::{LINK_VALID, Role};

use crate::axe;
use crate::browser::Browser;
use crate::support::smtp::{Act, Stage};
use crate::support::{App, As, DEADLINE, Test, secrets};

/// A table with a wrong address, a user who exists already, and a column that says nothing.
const FILE: &str = "Kontakt;Vorname;Nachname;Sprache\n\
    anna@example.com;Anna;Seghers;de\n\
    not an address;Bert;Brecht;de\n\
    grace@example.com;Grace;Hopper;en\n\
    nobody@gone.example;No;Body;en\n";

async fn start() -> Test {
    Test::with(&[
        ("USERDOCKS_ADMIN__LISTEN", "127.0.0.1:0"),
        ("USERDOCKS_SERVER__PUBLIC_URL", ""),
        ("USERDOCKS_INVITE__RESEND_AFTER", "1ms"),
    ])
    .await
}

/// A browser in which a new operator is signed in.
pub async fn sign_in(test: &Test, browser: &Browser) -> String {
    let email = Email::parse("ada@example.com").unwrap();
    let id = operators::create(&test.db, &email, Role::Admin, None).await.unwrap().unwrap();
    let code = RandomCode::generate();
    secrets::keep(code.expose());
    assert!(operators::set_link(&test.db, id, &code, LINK_VALID).await.unwrap());
    let url = test.server.as_ref().unwrap().state.console_url.clone().unwrap();
    let url = url.as_str().trim_end_matches('/').to_owned();
    browser.go(&format!("{url}/sign-in/{}", code.expose())).await;
    heading(browser, "Sign in").await;
    assert_eq!(axe::violations(browser).await, [""; 0]);
    browser.click("button").await;
    heading(browser, "Apps").await;
    url
}

/// Waits for a page with this heading.
pub async fn heading(browser: &Browser, text: &str) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let script = "return document.querySelector('h1')?.textContent";
        let shown = browser.run(script, &[]).await;
        if shown == json!(text) {
            return;
        }
        assert!(Instant::now() < deadline, "not {text}: {shown}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the page has this text.
pub async fn says(browser: &Browser, text: &str) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let shown = browser.run("return document.body.innerText", &[]).await;
        if shown.as_str().is_some_and(|shown| shown.contains(text)) {
            return;
        }
        assert!(Instant::now() < deadline, "no {text}: {shown}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Follows the link with this text.
pub async fn follow(browser: &Browser, text: &str) {
    let script = "
        const link = [...document.querySelectorAll('a')].find(link => link.textContent.trim() === arguments[0]);
        link?.click();
        return Boolean(link)";
    let deadline = Instant::now() + DEADLINE;
    while browser.run(script, &[text]).await != json!(true) {
        assert!(Instant::now() < deadline, "no link {text}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn support_makes_an_app_imports_people_and_helps_one_whose_mail_bounced() {
    let mut test = start().await;
    test.smtp.script(|seen| {
        let gone = seen.recipient == "nobody@gone.example" && seen.attempt == 1;
        (seen.stage == Stage::Rcpt && gone).then(|| Act::Reply("550 5.1.1 no such mailbox".to_owned()))
    });
    let browser = Browser::open(1280, 900).await;
    sign_in(&test, &browser).await;

    // Ada makes an app. Its keys are shown once.
    follow(&browser, "New app").await;
    heading(&browser, "New app").await;
    browser.fill("[name=name]", "Book club").await;
    browser.click("main form button").await;
    says(&browser, "userdocks_write_").await;
    let keys =
        browser.run("return [...document.querySelectorAll('code')].map(code => code.textContent)", &[]).await;
    let keys: Vec<&str> = keys.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let key = |kind: &str| {
        let key = keys.iter().find(|key| key.starts_with(&format!("userdocks_{kind}_"))).unwrap();
        secrets::keep(key);
        (*key).to_owned()
    };
    let app: uuid::Uuid = sqlx::query_scalar("SELECT app_id FROM apps WHERE name = 'Book club'")
        .fetch_one(&test.db)
        .await
        .unwrap();
    test.app = App { id: userdocks::domain::id::AppId(app), read_key: key("read"), write_key: key("write") };
    test.invited("grace@example.com").await;

    // She imports a file that has mistakes.
    let url = test.server.as_ref().unwrap().state.console_url.clone().unwrap();
    browser.go(&format!("{url}apps/{app}/imports/new")).await;
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    std::fs::write(file.path(), FILE).unwrap();
    browser.upload("#file", file.path()).await;
    browser.click("main form button").await;
    says(&browser, "What the columns are").await;
    browser.click("main form button").await;
    says(&browser, "Choose which column holds the e-mail address.").await;
    browser.click("tbody tr:first-child option[value=email]").await;
    browser.click("main form button").await;
    says(&browser, "would be invited").await;
    let figures = "return [...document.querySelectorAll('.figure b')].map(figure => figure.textContent)";
    assert_eq!(browser.run(figures, &[]).await, json!(["2", "1", "1"]));
    says(&browser, "must be one e-mail address such as ada@example.com").await;
    browser.picture("console-import").await;
    browser.click("details.ask summary").await;
    browser.click("details.ask button").await;
    says(&browser, "Imported").await;
    assert_eq!(browser.run(figures, &[]).await, json!(["2", "1", "1"]));
    assert_eq!(test.mail().await.to, ["anna@example.com"]);
    test.idle().await;

    // Somebody did not get the invite: Ada finds out why, and sends it again.
    browser.go(&format!("{url}apps/{app}")).await;
    says(&browser, "failed mails in 7 days").await;
    browser.picture("console-home").await;
    browser.fill("[name=email]", "nobody@gone.example").await;
    browser.click("main .search button").await;
    heading(&browser, "Invites").await;
    follow(&browser, "nobody@gone.example").await;
    heading(&browser, "nobody@gone.example").await;
    says(&browser, "550 5.1.1 no such mailbox").await;
    browser.picture("console-invite").await;
    assert_eq!(axe::violations(&browser).await, [""; 0]);
    browser.click("form.action button").await;
    says(&browser, "A new mail with a new link is on its way.").await;
    let mail = test.mail().await;
    assert_eq!(mail.to, ["nobody@gone.example"]);
    crate::support::code(&mail);

    // The person accepts, and Ada sees it.
    let here = browser.url().await;
    let html = mail.html();
    let link =
        html.split("href=\"").find(|rest| rest.contains("/invites/")).unwrap().split('"').next().unwrap();
    browser.go(&link.replace("&amp;", "&")).await;
    browser.click("button").await;
    says(&browser, "Thank you!").await;
    browser.go(&here).await;
    heading(&browser, "nobody@gone.example").await;
    let latest = browser.run("return document.querySelector('.timeline li strong').textContent", &[]).await;
    assert_eq!(latest, json!("Accepted"));

    // She signs out. The way back leads to the sign-in page.
    browser.click(".account summary").await;
    browser.click(".menu form:last-of-type button").await;
    heading(&browser, "Sign in").await;
    browser.go(&here).await;
    heading(&browser, "Sign in").await;
    let missing = test.call("GET", "/v1/users", As::Read(&test.app), None).await;
    assert_eq!(missing.success().2["itemsLength"], json!(3));
    test.finish().await;
}

/// What every screen must be, wide and narrow, light and dark.
#[tokio::test(flavor = "multi_thread")]
async fn every_screen_is_accessible_and_fits_the_window() {
    let test = start().await;
    let user = test.user("grace@example.com").await;
    test.idle().await;
    test.smtp.refuse(Stage::Rcpt, "550 5.1.1 no such mailbox");
    for name in ["alan", "barbara"] {
        let body = json!({ "email": format!("{name}@example.com"), "language": "en" });
        let path = format!("/v1/users/{user}/referral-invites");
        test.call("POST", &path, As::Write(&test.app), Some(body)).await;
    }
    test.idle().await;
    test.sql("INSERT INTO webhooks (app_id, webhook_id, url, events) SELECT app_id, app_id, 'https://hooks.example/', '{}' FROM apps")
        .await;
    let one = async |statement: &'static str| -> String {
        let id: uuid::Uuid = sqlx::query_scalar(statement).fetch_one(&test.db).await.unwrap();
        id.to_string()
    };
    let invite = one("SELECT invite_id FROM invites LIMIT 1").await;
    let mail = one("SELECT mail_id FROM outbox LIMIT 1").await;
    let key = one("SELECT key_id FROM api_keys LIMIT 1").await;
    let app = test.app.id;
    let screens = [
        "/".to_owned(),
        "/sign-in".to_owned(),
        "/account".to_owned(),
        "/account/password".to_owned(),
        "/operators".to_owned(),
        "/audit".to_owned(),
        "/apps/new".to_owned(),
        format!("/apps/{app}"),
        format!("/apps/{app}/users"),
        format!("/apps/{app}/users?q=nothing"),
        format!("/apps/{app}/users/{user}"),
        format!("/apps/{app}/invites"),
        format!("/apps/{app}/invites/{invite}"),
        format!("/apps/{app}/imports/new"),
        format!("/apps/{app}/mails"),
        format!("/apps/{app}/mails/{mail}"),
        format!("/apps/{app}/referrals"),
        format!("/apps/{app}/bounces"),
        format!("/apps/{app}/webhooks"),
        format!("/apps/{app}/webhooks/new"),
        format!("/apps/{app}/webhooks/{app}"),
        format!("/apps/{app}/keys"),
        format!("/apps/{app}/keys/{key}"),
        format!("/apps/{app}/settings"),
        format!("/apps/{app}/branding"),
        format!("/apps/{app}/audit"),
        format!("/apps/{app}/audit?subject={app}"),
        "/no/such/page".to_owned(),
    ];
    let wide = Browser::open(1280, 900).await;
    let url = sign_in(&test, &wide).await;
    let phone = Browser::phone(320, 640).await;
    let code = RandomCode::generate();
    secrets::keep(code.expose());
    let operator: uuid::Uuid =
        sqlx::query_scalar("SELECT operator_id FROM operators").fetch_one(&test.db).await.unwrap();
    assert!(operators::set_link(&test.db, operator, &code, LINK_VALID).await.unwrap());
    phone.go(&format!("{url}/sign-in/{}", code.expose())).await;
    phone.click("button").await;
    heading(&phone, "Apps").await;
    for screen in &screens {
        for browser in [&wide, &phone] {
            browser.go(&format!("{url}{screen}")).await;
            let width = browser
                .run("return [document.documentElement.scrollWidth <= innerWidth, innerWidth]", &[])
                .await;
            assert_eq!(width[0], json!(true), "{screen} is wider than {}", width[1]);
            assert_eq!(axe::violations(browser).await, [""; 0], "{screen} at {}", width[1]);
            let heads = browser.run("return document.querySelectorAll('h1').length", &[]).await;
            assert_eq!(heads, json!(1), "{screen}");
        }
    }
    test.finish_with_any_mail().await;
}
