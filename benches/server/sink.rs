//! A mail server that accepts and discards every mail. While it holds, it does not respond.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Sink {
    /// The value for `USERDOCKS_MAIL__SMTP_URL`.
    pub url: String,
    hold: watch::Sender<bool>,
    taken: Arc<AtomicU64>,
}

impl Sink {
    /// Starts on a loopback port, holding.
    pub async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", socket.local_addr().unwrap());
        let (hold, waiting) = watch::channel(true);
        let taken = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let (waiting, counter) = (waiting.clone(), Arc::clone(&counter));
                // A disconnected client only ends its own conversation.
                tokio::spawn(async move { converse(stream, waiting, &counter).await.ok() });
            }
        });
        Self { url, hold, taken }
    }

    /// Accepts mails from now on, or holds them.
    pub fn hold(&self, hold: bool) {
        self.hold.send_replace(hold);
    }

    /// The number of mails accepted so far.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

async fn converse(
    stream: TcpStream,
    mut waiting: watch::Receiver<bool>,
    taken: &AtomicU64,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await?;
    let (mut line, mut in_data) = (Vec::new(), false);
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let reply: &[u8] = match (in_data, &line[..]) {
            (true, b".\r\n") => {
                let _ = waiting.wait_for(|hold| !hold).await;
                in_data = false;
                taken.fetch_add(1, Ordering::Relaxed);
                b"250 taken\r\n"
            }
            (true, _) => continue,
            (false, b"DATA\r\n") => {
                in_data = true;
                b"354 go on\r\n"
            }
            (false, line) if line.starts_with(b"EHLO") => b"250-sink\r\n250 8BITMIME\r\n",
            (false, b"QUIT\r\n") => b"221 bye\r\n",
            (false, _) => b"250 ok\r\n",
        };
        stream.write_all(reply).await?;
    }
}
