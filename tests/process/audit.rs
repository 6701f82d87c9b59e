//! The audit log: each change writes one complete event in its documented form, without personal data.

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::cli::commands::{App, create_app};
use crate::support::child::{Place, Serve, until};
use crate::support::smtp::Smtp;
use crate::support::{self, DEADLINE, SECRET_KEY, new_id};

/// The events in a text, without their times, which are checked to be valid.
pub fn events(said: &str) -> Vec<Value> {
    let events = said.lines().filter(|line| line.contains("userdocks::audit"));
    let events = events.map(|line| {
        let mut event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        let time = event.as_object_mut().unwrap().remove("timestamp").unwrap();
        let time = time.as_str().unwrap();
        assert!(time.len() == 27 && time.parse::<jiff::Timestamp>().is_ok(), "{time}");
        event
    });
    events.collect()
}

/// An event, given by its differences from the usual one.
fn event(action: &str, outcome: &str, more: Value) -> Value {
    let mut event = json!({
        "level": "INFO", "target": "userdocks::audit", "action": action, "outcome": outcome, "status": null,
        "code": null, "actor": "nobody", "authenticated": false, "app": null, "key": null, "user": null,
        "operator": null,
        "subject": null, "fields": [], "request_id": null,
    });
    let Value::Object(more) = more else { panic!("{more}") };
    for (name, value) in more {
        assert!(event.as_object_mut().unwrap().insert(name, value).is_some());
    }
    event
}

/// The id in an API key.
fn key_id(key: &str) -> String {
    let id = &key.rsplit('_').nth(1).unwrap()[..32];
    id.parse::<uuid::Uuid>().unwrap().to_string()
}

struct Caller<'a> {
    server: &'a Serve,
    app: &'a App,
    sent: std::cell::Cell<usize>,
}

impl Caller<'_> {
    /// Sends a call with a request id of its own, and returns its status and its single event.
    async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
        let number = self.sent.replace(self.sent.get() + 1);
        let id = format!("call-{number}");
        let mut request = reqwest::Client::new()
            .request(method.parse().unwrap(), format!("{}{path}", self.server.url))
            .header("X-Request-Id", &id)
            .body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let status = request.send().await.unwrap().status().as_u16();
        let mut of_call = Vec::new();
        until("the event is there", || {
            of_call = events(&self.server.said());
            of_call.retain(|event| event["request_id"] == json!(id));
            (!of_call.is_empty()).then_some(())
        });
        assert_eq!(of_call.len(), 1, "{of_call:?}");
        (status, of_call.remove(0))
    }

    /// The same with the app's write key.
    async fn write(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let headers = [
            ("x-client-id", self.app.id.as_str()),
            ("x-api-key-type", "write"),
            ("x-api-key", &self.app.write_key),
        ];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.call(method, path, &headers, &body).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_write_request_logs_one_audit_event() {
    let smtp = Smtp::start().await;
    let url = support::database(true).await;
    let place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
    ]);
    let app = create_app(&place, &[]);
    let server = place.serve();
    let caller = Caller { server: &server, app: &app, sent: std::cell::Cell::default() };
    let key = key_id(&app.write_key);
    let user = new_id().to_string();
    // An event of the write key, under the request id of the last call.
    let by_key = |action: &str, outcome: &str, status: u16, more: Value| {
        let mut base = json!({
            "status": status, "actor": "key", "authenticated": true, "app": app.id, "key": key, "subject": user,
            "request_id": format!("call-{}", caller.sent.get() - 1),
        });
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event(action, outcome, base)
    };

    let path = format!("/v1/users/{user}");
    let ada = json!({ "email": "ada@example.com", "language": "en" });
    let (status, told) = caller.write("POST", &path, &ada).await;
    let invited = json!({ "fields": ["email", "language"] });
    assert_eq!((status, told), (200, by_key("inviteUser", "done", 200, invited.clone())));
    let (status, told) = caller.write("POST", &path, &ada).await;
    assert_eq!((status, told), (200, by_key("inviteUser", "unchanged", 200, invited.clone())));
    let somebody = new_id().to_string();
    let (status, told) = caller.write("POST", &format!("/v1/users/{somebody}"), &ada).await;
    let facts = json!({ "code": "email_taken", "subject": somebody, "fields": ["email", "language"] });
    assert_eq!((status, told), (400, by_key("inviteUser", "refused", 400, facts)));

    // The invite is accepted by its code.
    let code = support::code(&smtp.wait_for(1, DEADLINE).await[0]);
    let accept = format!("/invites/{code}");
    let by_code = |outcome: &str, more: Value| {
        let mut base = json!({
            "status": 200, "actor": "code", "authenticated": true, "app": app.id,
            "request_id": format!("call-{}", caller.sent.get() - 1),
        });
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event("acceptInvite", outcome, base)
    };
    let (status, told) = caller.call("POST", &accept, &[], "").await;
    assert_eq!((status, told), (200, by_code("done", json!({ "subject": user }))));
    let (status, told) = caller.call("POST", &accept, &[], "").await;
    assert_eq!((status, told), (200, by_code("refused", json!({ "code": "accepted" }))));
    let (status, told) = caller.call("POST", "/invites/nothing", &[], "").await;
    let nobody =
        json!({ "status": 404, "code": "unknown", "actor": "nobody", "authenticated": false, "app": null });
    assert_eq!((status, told), (404, by_code("refused", nobody)));

    // A profile update: the names of the changed fields; none if nothing changed.
    let body = json!({ "user": { "id": "x", "given_name": "Ada", "birthdate": null }, "test": true });
    let (status, told) = caller.write("PUT", &format!("/api{path}"), &body).await;
    assert_eq!(
        (status, told),
        (200, by_key("updateUser", "done", 200, json!({ "fields": ["birthdate", "given_name"] })))
    );
    let (status, told) = caller.write("PUT", &path, &json!({ "user": {} })).await;
    assert_eq!((status, told), (200, by_key("updateUser", "unchanged", 200, json!({}))));
    let (status, told) = caller.write("PUT", &path, &json!({ "user": { "nope\n": 1 } })).await;
    assert_eq!(
        (status, told),
        (400, by_key("updateUser", "refused", 400, json!({ "code": "invalid_fields" })))
    );

    // A token, and the calls of its user.
    let (status, told) = caller.write("POST", &format!("{path}/tokens"), &Value::Null).await;
    assert_eq!((status, told), (200, by_key("createToken", "done", 200, json!({}))));
    let issued = place.run(&["token", "issue", "--app", &app.id, "--user", &user]);
    let token = issued.stdout.trim();
    let facts = json!({ "actor": "operator", "authenticated": true, "app": app.id, "subject": user });
    assert_eq!(events(&issued.stderr), [event("createToken", "done", facts)]);
    let bearer = format!("Bearer {token}");
    let refer = json!({ "email": "grace@example.com", "language": "de" }).to_string();
    let referral = ["/v1/users/me/referral-invites", &format!("{path}/tokens")].map(str::to_owned);
    for (path, action, outcome, status, more) in [
        (&referral[0], "createReferralInvite", "done", 201, json!({ "fields": ["email", "language"] })),
        (&referral[1], "createToken", "refused", 403, json!({ "code": "api_key_required", "subject": null })),
    ] {
        let (answered, told) = caller.call("POST", path, &[("authorization", &bearer)], &refer).await;
        let mut expected =
            by_key(action, outcome, status, json!({ "actor": "user", "key": null, "user": user }));
        expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!((answered, told), (status, expected));
    }

    let freeze = format!("/v1/apps/{}/users/{user}/access-status/0", app.id);
    let (status, told) = caller.write("PUT", &freeze, &Value::Null).await;
    assert_eq!(
        (status, told),
        (200, by_key("setAccessStatus", "done", 200, json!({ "fields": ["freezed"] })))
    );
    let (status, told) = caller.write("PUT", &freeze, &Value::Null).await;
    assert_eq!(
        (status, told),
        (200, by_key("setAccessStatus", "unchanged", 200, json!({ "fields": ["freezed"] })))
    );
    let body = json!({ "externalSubject": "ada" });
    let (status, told) = caller.write("PUT", &format!("{path}/external-subject"), &body).await;
    let fields = json!({ "fields": ["externalSubject"] });
    assert_eq!((status, told), (200, by_key("setExternalSubject", "done", 200, fields)));
    let (status, told) = caller.write("DELETE", &path, &Value::Null).await;
    assert_eq!((status, told), (200, by_key("eraseUser", "done", 200, json!({}))));
    let (status, told) = caller.write("DELETE", &path, &Value::Null).await;
    assert_eq!(
        (status, told),
        (403, by_key("eraseUser", "refused", 403, json!({ "code": "user_out_of_reach" })))
    );

    // Invalid credentials: the event contains the ids that they name, if any.
    let (status, told) = caller.call("PUT", &path, &[], "").await;
    let missing = json!({ "status": 401, "code": "credentials_missing", "request_id": told["request_id"] });
    assert_eq!((status, told), (401, event("updateUser", "refused", missing)));
    let other = new_id().to_string();
    let headers =
        [("x-client-id", other.as_str()), ("x-api-key-type", "write"), ("x-api-key", &app.write_key)];
    let (status, told) = caller.call("PUT", &path, &headers, "").await;
    let unproven = json!({
        "code": "invalid_api_key", "authenticated": false, "app": other, "subject": null,
    });
    assert_eq!((status, told), (401, by_key("updateUser", "refused", 401, unproven)));

    // Read requests and unknown routes write no event.
    let client = reqwest::Client::new();
    for (method, path) in
        [("GET", path.as_str()), ("GET", "/readyz"), ("PATCH", &path), ("POST", "/v1/nowhere")]
    {
        let request = client.request(method.parse().unwrap(), format!("{}{path}", server.url));
        request.header("X-Request-Id", "silent").send().await.unwrap();
    }

    // The client disconnects before the response: the outcome is unknown.
    let late = new_id().to_string();
    let body = json!({ "email": "late@example.com", "language": "en" });
    assert_eq!(caller.write("POST", &format!("/v1/users/{late}"), &body).await.0, 200);
    let mut database = PgConnection::connect(&url).await.unwrap();
    let mut transaction = database.begin().await.unwrap();
    sqlx::query("SELECT FROM users FOR UPDATE").execute(&mut *transaction).await.unwrap();
    let request = client
        .put(format!("{}/v1/users/{late}", server.url))
        .header("X-CLIENT-ID", &app.id)
        .header("X-API-KEY-TYPE", "write")
        .header("X-API-KEY", &app.write_key)
        .header("X-Request-Id", "gone")
        .body(json!({ "user": { "name": "x" } }).to_string());
    let waiting = tokio::spawn(request.send());
    let blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let deadline = std::time::Instant::now() + DEADLINE;
    while sqlx::query_scalar::<_, i64>(blocked).fetch_one(&mut *transaction).await.unwrap() == 0 {
        assert!(std::time::Instant::now() < deadline, "it does not wait");
    }
    waiting.abort();
    let told = until("the event is there", || {
        events(&server.said()).into_iter().find(|event| event["request_id"] == json!("gone"))
    });
    let gone = json!({
        "actor": "key", "authenticated": true, "app": app.id, "key": key, "subject": late, "fields": ["name"],
        "request_id": "gone",
    });
    assert_eq!(told, event("updateUser", "unknown", gone));
    transaction.rollback().await.unwrap();

    let said = server.said();
    let all = events(&said);
    assert_eq!(all.len(), caller.sent.get() + 1);
    // No personal data and no secrets.
    let told: String = all.iter().map(Value::to_string).collect();
    for private in ["ada@", "grace@", "example.com", "127.0.0.1", "Ada", code.as_str(), token, &app.write_key]
    {
        assert!(!told.contains(private), "{private}");
    }
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_changing_cli_commands_log_audit_events() {
    let url = support::database(true).await;
    let mut place = Place::new(&[("DATABASE_URL", &url), ("USERDOCKS_SECRET_KEY", SECRET_KEY)]);
    let run = |place: &Place, arguments: &[&str]| {
        let ended = place.run(&[arguments, &["--json"]].concat());
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        let json: Value = serde_json::from_str(&ended.stdout).unwrap();
        (json, ended.stderr)
    };
    let operator = |action: &str, app: &Value, subject: &Value, fields: &[&str]| {
        let facts = json!({
            "actor": "operator", "authenticated": true, "app": app, "subject": subject, "fields": fields,
        });
        event(action, "done", facts)
    };
    let (made, said) = run(&place, &["app", "create", "--name", "Acme"]);
    let app = &made["appId"];
    assert_eq!(events(&said), [operator("createApp", app, app, &["name"])]);
    let id = app.as_str().unwrap();
    let (_, said) = run(
        &place,
        &["app", "update", id, "--name", "Acme", "--language", "de", "--origin", "https://a.example"],
    );
    assert_eq!(events(&said), [operator("updateApp", app, app, &["language", "origins"])]);
    let (key, said) = run(&place, &["api-key", "create", "--app", id, "--type", "read"]);
    assert_eq!(events(&said), [operator("createApiKey", app, &key["id"], &[])]);
    let (_, said) = run(&place, &["api-key", "revoke", key["id"].as_str().unwrap()]);
    assert_eq!(events(&said), [operator("revokeApiKey", app, &key["id"], &[])]);
    let old = run(&place, &["signing-key", "list", "--app", id]).0[0]["id"].clone();
    let (key, said) = run(&place, &["signing-key", "create", "--app", id, "--at-once"]);
    assert_eq!(events(&said), [operator("createSigningKey", app, &key["id"], &[])]);
    let (_, said) = run(&place, &["signing-key", "revoke", old.as_str().unwrap()]);
    assert_eq!(events(&said), [operator("revokeSigningKey", app, &old, &[])]);
    let (_, said) = run(&place, &["secret-key", "reseal"]);
    assert_eq!(events(&said), [operator("resealSecrets", &Value::Null, &Value::Null, &[])]);
    for looking in
        [&["app", "list"][..], &["app", "show", id], &["mail", "list"], &["config", "check"], &["migrate"]]
    {
        assert_eq!(events(&run(&place, looking).1), Vec::<Value>::new());
    }

    // Audit events are written at every level, unless they or all logs are turned off. They are readable as text.
    for (level, events_told) in
        [("error", 1), ("userdocks=warn", 1), ("off", 0), ("info,userdocks::audit=off", 0), ("", 1)]
    {
        place.set("RUST_LOG", level);
        assert_eq!(
            events(&run(&place, &["app", "update", id, "--name", "x"]).1).len(),
            events_told,
            "{level}"
        );
    }
    place.set("USERDOCKS_LOG__FORMAT", "text");
    let said = run(&place, &["app", "update", id, "--name", "Bcme"]).1;
    let (_, told) = said.split_once(" INFO userdocks::audit: ").unwrap_or_else(|| panic!("{said}"));
    assert_eq!(
        told,
        format!(
            "action=\"updateApp\" outcome=\"done\" actor=\"operator\" authenticated=true app={id} subject={id} \
             fields=\"name\"\n"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limited_requests_log_no_audit_event() {
    let smtp = Smtp::start().await;
    let url = support::database(true).await;
    let place = Place::new(&[
        ("DATABASE_URL", &url),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
        ("USERDOCKS_LIMITS__FAILURES_PER_ADDRESS_PER_SECOND", "1"),
    ]);
    let app = create_app(&place, &[]);
    let server = place.serve();
    let caller = Caller { server: &server, app: &app, sent: std::cell::Cell::default() };
    let nobody = format!("/v1/users/{}", new_id());
    // A key that was cached before the flood is not affected by its rate limit.
    assert_eq!(caller.write("DELETE", &nobody, &Value::Null).await.0, 403);
    let client = reqwest::Client::new();
    let (mut refused, mut away) = (0, 0);
    for _ in 0..20 {
        let answer = client.put(format!("{}{nobody}", server.url)).send().await.unwrap();
        match answer.status().as_u16() {
            401 => refused += 1,
            429 => away += 1,
            other => panic!("{other}"),
        }
    }
    assert!(away > 0, "{refused} were let in");
    // Events are in order: after the event of an answered call, the events of earlier calls are there.
    assert_eq!(caller.write("DELETE", &nobody, &Value::Null).await.0, 403);
    let told: Vec<Value> = events(&server.said()).iter().map(|event| event["code"].clone()).collect();
    let mut expected = vec![json!("credentials_missing"); refused];
    expected.insert(0, json!("user_out_of_reach"));
    expected.push(json!("user_out_of_reach"));
    assert_eq!(told, expected);
    server.stop();
}
