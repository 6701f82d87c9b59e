//! Closed-loop clients with a connection each. They are lightweight, so that the figures measure the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Response times by status.
#[derive(Default)]
pub struct Seen {
    answers: Vec<(u16, Duration)>,
    pub elapsed: Duration,
}

impl Seen {
    /// Response times with this status, ascending.
    fn times(&self, status: u16) -> Vec<Duration> {
        let mut times: Vec<Duration> =
            self.answers.iter().filter(|(of, _)| *of == status).map(|(_, time)| *time).collect();
        times.sort_unstable();
        times
    }

    pub fn count(&self, status: u16) -> usize {
        self.answers.iter().filter(|(of, _)| *of == status).count()
    }

    /// Responses per second with this status.
    pub fn rate(&self, status: u16) -> f64 {
        self.count(status) as f64 / self.elapsed.as_secs_f64()
    }

    /// A percentile of the response times with a status, milliseconds.
    pub fn quantile(&self, status: u16, share: f64) -> f64 {
        let times = self.times(status);
        let at = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    }

    /// Panics unless every response has one of these statuses.
    pub fn assert_only(&self, statuses: &[u16]) {
        let other = self.answers.iter().find(|(status, _)| !statuses.contains(status));
        assert_eq!(other, None);
    }

    /// One line of a report.
    pub fn line(&self, what: &str) -> String {
        let mut line = format!("{what:<44}");
        for status in [200, 503, 429, 401] {
            if self.count(status) > 0 {
                let (p50, p99) = (self.quantile(status, 0.5), self.quantile(status, 0.99));
                line += &format!("  {status}: {:>6.0}/s p50 {p50:>6.1} p99 {p99:>6.1} ms", self.rate(status));
            }
        }
        line
    }
}

/// Runs clients for this long. Each sends its requests in turn and pauses after each response, longer after a refusal.
pub struct Callers {
    pub address: SocketAddr,
    pub requests: Vec<Arc<Vec<Vec<u8>>>>,
    pub pause: Duration,
    pub pause_refused: Duration,
    pub lasting: Duration,
    /// The warm-up time to leave out.
    pub unseen: Duration,
}

impl Callers {
    pub async fn call(self) -> Seen {
        let begun = Instant::now();
        let from = begun + self.unseen;
        let end = from + self.lasting;
        let (pause, refused, address) = (self.pause, self.pause_refused, self.address);
        let mut callers = JoinSet::new();
        for requests in self.requests {
            callers.spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut buffer = Vec::with_capacity(4096);
                let mut answers = Vec::new();
                for request in requests.iter().cycle() {
                    if Instant::now() >= end {
                        break;
                    }
                    let sent = Instant::now();
                    stream.write_all(request).await.unwrap();
                    let answer = timeout(Duration::from_secs(30), answer(&mut stream, &mut buffer));
                    let status = answer.await.expect("an answer in time");
                    if sent >= from {
                        answers.push((status, sent.elapsed()));
                    }
                    let pause = if status == 200 { pause } else { refused };
                    if !pause.is_zero() {
                        sleep(pause).await;
                    }
                }
                answers
            });
        }
        let answers = callers.join_all().await.concat();
        Seen { answers, elapsed: from.elapsed() }
    }
}

/// Reads one response to its end and returns its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> u16 {
    buffer.clear();
    loop {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server closed the connection");
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end]).unwrap();
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        if buffer.len() >= end + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap()) {
            return head[9..12].parse().unwrap();
        }
    }
}
