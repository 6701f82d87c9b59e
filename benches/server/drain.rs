//! Measures how fast mails are sent.

use std::time::{Duration, Instant};

use crate::served::Served;
use crate::sink::Sink;
use crate::store::Store;

/// Waits until the mails of the workloads are sent, then sends as many with lettre alone over as many connections.
pub async fn drain(store: &Store, sink: &Sink, served: &Served) {
    const CONNECTIONS: u64 = 8;
    // Delete the mails of `pgbench`: their codes cannot be decrypted.
    store.sql("DELETE FROM outbox WHERE due_at > now() AND NOT claimed").await;
    store.sql("ANALYZE outbox").await;
    let waiting = store.value("SELECT count(*)::text FROM outbox WHERE state = 'queued'").await;
    let mails = waiting.parse::<u64>().unwrap().min(5_000);
    let before = served.cpu();
    sink.hold(false);
    let ours = rate(sink, mails).await;
    let cpu = (served.cpu() - before) / mails as f64;
    sink.hold(true);
    let alone = tokio::spawn({
        let url = sink.url.clone();
        async move {
            let mut sending = tokio::task::JoinSet::new();
            for _ in 0..CONNECTIONS {
                let url = url.clone();
                sending.spawn(async move { send(&url).await });
            }
            sending.join_all().await
        }
    });
    sink.hold(false);
    let lettre = rate(sink, mails).await;
    alone.abort();
    println!(
        "mails, {CONNECTIONS} connections: {ours:.0} per second, lettre alone {lettre:.0}, ratio {:.2}; \
         CPU {cpu:.2} ms each",
        ours / lettre
    );
}

/// The latency of one mail on an idle server: from the API call until the mail server has accepted the mail.
pub async fn alone(sink: &Sink, served: &Served, app: &str, key: &str) {
    const MAILS: usize = 200;
    sink.hold(false);
    // First wait for the mails of the workloads.
    let mut before = u64::MAX;
    while before != sink.taken() {
        before = sink.taken();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let client = reqwest::Client::new();
    let mut times = Vec::new();
    for number in 0..MAILS {
        let (begun, before) = (Instant::now(), sink.taken());
        let answer = client
            .post(format!("{}/v1/users/{}", served.url, userdocks::domain::id::new()))
            .header("X-API-KEY", key)
            .header("X-API-KEY-TYPE", "write")
            .header("X-CLIENT-ID", app)
            .json(&serde_json::json!({ "email": format!("alone{number}@example.org"), "language": "en" }));
        assert!(answer.send().await.unwrap().status().is_success());
        while sink.taken() == before {
            assert!(begun.elapsed() < Duration::from_mins(1), "the mail does not leave");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "one mail, from the call to the mail server: p50 {:.1} ms, p99 {:.1} ms",
        times[MAILS / 2],
        times[MAILS * 99 / 100]
    );
}

/// Mails per second that the sink accepts, measured over the next `mails`.
pub async fn rate(sink: &Sink, mails: u64) -> f64 {
    let (begun, first) = (Instant::now(), sink.taken());
    while sink.taken() - first < mails {
        assert!(begun.elapsed() < Duration::from_mins(5), "{} mails only", sink.taken() - first);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    mails as f64 / begun.elapsed().as_secs_f64()
}

/// Sends mails of the size of an invite over one lettre connection until cancelled.
async fn send(url: &str) {
    use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor, message::MultiPart};
    let url = url::Url::parse(url).unwrap();
    let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(url.host_str().unwrap());
    let transport = transport.port(url.port().unwrap()).build();
    let message = Message::builder()
        .from("Userdocks <no-reply@id.example>".parse().unwrap())
        .to("ada@example.com".parse().unwrap())
        .subject("An invite")
        .multipart(MultiPart::alternative_plain_html("text ".repeat(200), "<p>html</p>".repeat(400)))
        .unwrap();
    loop {
        transport.send(message.clone()).await.unwrap();
    }
}
