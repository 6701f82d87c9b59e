//! How fast mails leave.

use std::time::{Duration, Instant};

use crate::served::Served;
use crate::sink::Sink;
use crate::store::Store;

/// Lets the mails go that the works have left, and sends as many by lettre alone over as many connections.
pub async fn drain(store: &Store, sink: &Sink, served: &Served) {
    const CONNECTIONS: u64 = 8;
    // Those of `pgbench` have no code that opens.
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

/// Mails per second that the sink takes, over the next `mails`.
pub async fn rate(sink: &Sink, mails: u64) -> f64 {
    let (begun, first) = (Instant::now(), sink.taken());
    while sink.taken() - first < mails {
        assert!(begun.elapsed() < Duration::from_mins(5), "{} mails only", sink.taken() - first);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    mails as f64 / begun.elapsed().as_secs_f64()
}

/// Sends mails of the size of an invite by one connection of lettre, until ended.
async fn send(url: &str) {
    use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor, message::MultiPart};
    let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).unwrap().build();
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
