//! The console over HTTP: sessions, forms, roles, and which app an operator sees.

mod forms;
mod passwords;
mod scope;
mod screens;
mod sessions;

use reqwest::header::{HeaderMap, SET_COOKIE};
use serde_json::{Value, json};
use userdocks::db::operators;
use userdocks::domain::credentials::random_code::RandomCode;
use userdocks::domain::operators::{LINK_VALID, Role};
use uuid::Uuid;

use crate::support::{Test, secrets};

/// A server with a console.
pub async fn start() -> Test {
    Test::with(&[("USERDOCKS_ADMIN__LISTEN", "127.0.0.1:0")]).await
}

/// The answer of a page.
#[derive(Debug)]
pub struct Shown {
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
}

impl Shown {
    /// Status and `X-Error-Code`.
    pub fn code(&self) -> (u16, &str) {
        (self.status, self.header("x-error-code"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and `Location` of a redirect.
    pub fn goes(&self) -> (u16, &str) {
        (self.status, self.header("location"))
    }
}

/// A browser at the console: one cookie.
pub struct Visitor<'a> {
    test: &'a Test,
    pub url: String,
    pub cookie: String,
    /// The token in the forms of the session.
    pub token: String,
    pub operator: Uuid,
}

impl<'a> Visitor<'a> {
    /// Signs a new operator in.
    pub async fn new(test: &'a Test, email: &str, role: Role, apps: Option<&[Uuid]>) -> Self {
        let email = userdocks::domain::email::Email::parse(email).unwrap();
        let operator = operators::create(&test.db, &email, role, apps).await.unwrap().unwrap();
        let mut visitor = Self::nobody(test);
        visitor.operator = operator;
        visitor.sign_in().await;
        visitor
    }

    /// Somebody without a session.
    pub fn nobody(test: &'a Test) -> Self {
        let url = test.server.as_ref().unwrap().state.console_url.as_ref().unwrap();
        Self {
            test,
            url: url.as_str().trim_end_matches('/').to_owned(),
            cookie: String::new(),
            token: String::new(),
            operator: Uuid::nil(),
        }
    }

    /// A new sign-in link of the operator, as a path.
    pub async fn link(&self) -> String {
        let code = RandomCode::generate();
        secrets::keep(code.expose());
        assert!(operators::set_link(&self.test.db, self.operator, &code, LINK_VALID).await.unwrap());
        format!("/sign-in/{}", code.expose())
    }

    /// Begins a session with a new link.
    pub async fn sign_in(&mut self) {
        let begun = self.send("POST", &self.link().await, &[], "").await;
        self.take_session(&begun);
    }

    /// Takes the cookie of an answer that begins a session.
    pub fn take_session(&mut self, begun: &Shown) {
        assert_eq!(begun.goes(), (303, "/"));
        let cookie = begun.headers.get(SET_COOKIE).unwrap().to_str().unwrap();
        cookie.split(';').next().unwrap().clone_into(&mut self.cookie);
        let code = self.cookie.split_once('=').unwrap().1;
        secrets::keep(code);
        self.token = RandomCode::parse(code).unwrap().form_token();
    }

    pub async fn get(&self, path: &str) -> Shown {
        self.send("GET", path, &[], "").await
    }

    /// Sends a form as the console's own pages do.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let mut form = form_urlencoded(&[("token", &self.token)]);
        if !fields.is_empty() {
            form = format!("{form}&{}", form_urlencoded(fields));
        }
        self.send("POST", path, &[("sec-fetch-site", "same-origin")], &form).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Shown {
        let mut request = self
            .test
            .client
            .request(method.parse().unwrap(), format!("{}{path}", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.to_owned());
        if !self.cookie.is_empty() {
            request = request.header("cookie", &self.cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Shown { status, headers, html: response.text().await.unwrap() }
    }
}

pub fn form_urlencoded(fields: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://x").unwrap();
    url.query_pairs_mut().extend_pairs(fields);
    url.query().unwrap_or_default().to_owned()
}

/// The stored audit events, oldest first: app, operator, action, outcome, subject, fields.
pub async fn audited(test: &Test) -> Value {
    let rows: Option<Value> = sqlx::query_scalar(
        "SELECT jsonb_agg(jsonb_build_array(app_id, operator_id, action, outcome, subject, fields) ORDER BY event_id)
        FROM audit_events",
    )
    .fetch_one(&test.db)
    .await
    .unwrap();
    rows.unwrap_or(json!([]))
}
