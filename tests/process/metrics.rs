//! `/metrics` after known traffic: every family and value, in valid Prometheus format.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Instant;

use serde_json::json;

use crate::cli::commands::create_app;
use crate::support::child::Place;
use crate::support::smtp::{Smtp, Stage};
use crate::support::{self, DEADLINE, SECRET_KEY};

/// A family: its type, and its samples by name and labels.
struct Family {
    kind: String,
    samples: Vec<(String, String)>,
}

/// Parses a page with the checks of `promtool check metrics`.
fn families(page: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '))
            .unwrap_or_else(|| panic!("{line}"));
        assert!(help.len() > 10, "{line}");
        let kind = lines
            .next()
            .unwrap()
            .strip_prefix(&format!("# TYPE {name} "))
            .unwrap_or_else(|| panic!("{line}"));
        let bare = name.strip_prefix("userdocks_").unwrap_or_else(|| panic!("{name}"));
        assert!(bare.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert_eq!(bare.ends_with("_total"), kind == "counter", "{name}");
        assert!(kind != "histogram" || bare.ends_with("_seconds"), "{name}");
        assert!(
            !["_milliseconds", "_bucket", "_count", "_sum"].iter().any(|end| bare.ends_with(end)),
            "{name}"
        );
        let mut samples = Vec::new();
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = sample.rsplit_once(' ').unwrap();
            let (of, labels) = series.split_once('{').unwrap_or((series, "}"));
            let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.contains(&of.strip_prefix(name).unwrap()), "{sample}");
            for label in labels.strip_suffix('}').unwrap().split("\",").filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once("=\"").unwrap();
                let known = [
                    "cache", "change", "class", "le", "limit", "method", "of", "outcome", "pool", "route",
                    "state", "status", "version",
                ];
                assert!(known.contains(&label) && !value.contains('\\'), "{sample}");
            }
            assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{sample}");
            samples.push((series.to_owned(), value.to_owned()));
        }
        let mut distinct: Vec<&str> = samples.iter().map(|(series, _)| series.as_str()).collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), samples.len(), "{name}: a series twice");
        let family = Family { kind: kind.to_owned(), samples };
        assert!(families.insert(name.to_owned(), family).is_none(), "{name} twice");
    }
    families
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_requests_mails_and_limit_refusals() {
    let smtp = Smtp::start().await;
    let mut place = Place::new(&[
        ("DATABASE_URL", &support::database(true).await),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
        ("USERDOCKS_MAIL__RETRY_AFTER", "1h"),
        ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "1"),
        ("USERDOCKS_DATABASE__MAX_CONNECTIONS", "8"),
    ]);
    let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    place.set("USERDOCKS_SERVER__METRICS_LISTEN", &listen);
    let app = create_app(&place, &[]);
    let server = place.serve();
    let client = reqwest::Client::new();
    let call = async |method: &str, path: &str, key: &str, body: serde_json::Value| {
        let request = client
            .request(method.parse().unwrap(), format!("{}{path}", server.url))
            .header("X-CLIENT-ID", &app.id)
            .header("X-API-KEY-TYPE", "write")
            .header("X-API-KEY", key);
        request.body(body.to_string()).send().await.unwrap().status().as_u16()
    };
    let scrape = async || {
        let answer = reqwest::get(format!("http://{listen}/metrics")).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        answer.text().await.unwrap()
    };
    assert!(families(&scrape().await)["userdocks_http_requests_total"].samples.is_empty());

    let user = support::new_id().to_string();
    let path = format!("/v1/users/{user}");
    assert_eq!(
        call("POST", &path, &app.write_key, json!({ "email": "ada@example.com", "language": "en" })).await,
        200
    );
    smtp.wait_for(1, DEADLINE).await;
    for _ in 0..2 {
        let body = json!({ "user": { "name": "Ada" } });
        assert_eq!(call("PUT", &format!("/api{path}"), &app.write_key, body).await, 200);
    }
    assert_eq!(call("PUT", &path, &app.read_key, json!({ "user": {} })).await, 401);
    assert_eq!(call("PATCH", &path, &app.write_key, json!({})).await, 405);
    assert_eq!(call("GET", &format!("/nowhere/{user}"), &app.write_key, json!({})).await, 404);
    let referral = format!("{path}/referral-invites");
    smtp.refuse(Stage::Rcpt, "550 5.1.1 no such user");
    assert_eq!(
        call("POST", &referral, &app.write_key, json!({ "email": "b@example.org", "language": "en" })).await,
        201
    );
    assert_eq!(
        call("POST", &referral, &app.write_key, json!({ "email": "c@example.org", "language": "en" })).await,
        429
    );
    let begun = Instant::now();
    let page = loop {
        let page = scrape().await;
        if ["sent", "failed"].iter().all(|outcome| page.contains(&format!("{{outcome=\"{outcome}\"}} 1\n"))) {
            break page;
        }
        assert!(begun.elapsed() < DEADLINE, "{page}");
    };

    let families = families(&page);
    let of = |name: &str| {
        let samples = families[name].samples.iter();
        let samples: Vec<String> = samples
            .map(|(series, value)| format!("{} {value}", series.strip_prefix(name).unwrap()))
            .collect();
        samples.join("\n")
    };
    let requests = [
        r#"{method="PUT",route="/api/v1/users/{userId}",status="200"} 2"#,
        r#"{method="POST",route="/v1/users/{userId}",status="200"} 1"#,
        r#"{method="PUT",route="/v1/users/{userId}",status="401"} 1"#,
        r#"{method="other",route="/v1/users/{userId}",status="405"} 1"#,
        r#"{method="POST",route="/v1/users/{userId}/referral-invites",status="201"} 1"#,
        r#"{method="POST",route="/v1/users/{userId}/referral-invites",status="429"} 1"#,
        r#"{method="GET",route="none",status="404"} 1"#,
    ];
    assert_eq!(of("userdocks_http_requests_total"), requests.join("\n"));
    let batched = "{change=\"update\"} 2\n{change=\"invite\"} 1\n{change=\"referral\"} 2";
    assert_eq!(of("userdocks_batch_rows_total"), batched);
    assert_eq!(
        of("userdocks_batch_statements_total"),
        batched,
        "one at a time; who is refused was written to no avail"
    );
    let mails = [
        "{outcome=\"sent\"} 1",
        "{outcome=\"refused\"} 0",
        "{outcome=\"failed\"} 1",
        "{outcome=\"unwanted\"} 0",
    ];
    assert_eq!(of("userdocks_mails_total"), mails.join("\n"));
    let replies = ["{class=\"2xx\"} 1", "{class=\"4xx\"} 0", "{class=\"5xx\"} 1", "{class=\"none\"} 0"];
    assert_eq!(of("userdocks_smtp_replies_total"), replies.join("\n"));
    let limits = ["caller", "address", "referrals", "mails"]
        .map(|limit| format!("{{limit=\"{limit}\"}} {}", u8::from(limit == "referrals")));
    assert_eq!(of("userdocks_limit_refusals_total"), limits.join("\n"));
    assert_eq!(of("userdocks_admission_refused_total"), " 0");
    assert_eq!(of("userdocks_admission_at_work"), " 0");
    assert_eq!(of("userdocks_admission_waiting"), " 0");
    assert_eq!(of("userdocks_database_up"), " 1");
    assert_eq!(of("userdocks_database_connections_limit"), "{pool=\"requests\"} 6\n{pool=\"mails\"} 2");
    assert_eq!(of("userdocks_database_waiting"), "{pool=\"requests\"} 0\n{pool=\"mails\"} 0");
    assert_eq!(of("userdocks_outbox_queued"), " 0");
    assert_eq!(of("userdocks_outbox_oldest_due_seconds"), " 0");
    assert_eq!(of("userdocks_build_info"), format!("{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));

    // Every cache look-up is a hit or a miss: two keys were looked up six times; no token, issuer or origin was.
    let looks = |name: &str| {
        families[name].samples.iter().map(|(_, value)| value.parse().unwrap()).collect::<Vec<u64>>()
    };
    let (hits, misses) = (looks("userdocks_cache_hits_total"), looks("userdocks_cache_misses_total"));
    assert_eq!(hits.iter().zip(&misses).map(|(hit, miss)| hit + miss).collect::<Vec<_>>(), [6, 0, 0, 0, 0]);
    assert!(misses[0] >= 2, "{misses:?}");

    for (name, family) in families.iter().filter(|(_, family)| family.kind == "histogram") {
        let (mut before, mut total) = (0, 0);
        for (series, value) in
            family.samples.iter().filter(|(series, _)| !series.starts_with(&format!("{name}_sum")))
        {
            let value: u64 = value.parse().unwrap();
            if series.starts_with(&format!("{name}_count")) {
                assert_eq!(value, before, "{name}: the last bucket has all");
                total += value;
            } else {
                assert!(value >= before || series.contains("le=\"0.0005\""), "{name}: {series}");
                before = value;
            }
        }
        match name.as_str() {
            "userdocks_http_request_duration_seconds" => assert_eq!(total, 8),
            "userdocks_admission_wait_seconds" => assert_eq!(total, 6),
            _ => assert!(total >= 8, "{name}: {total}"),
        }
    }
    let table = include_str!("../../docs/operations.md");
    for name in families.keys() {
        assert!(table.contains(&format!("| `{name}`")), "{name} is not in docs/operations.md");
    }
    server.stop();
}
