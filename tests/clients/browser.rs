//! Drives Chromium through `WebDriver` (W3C), with real clicks and key presses.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::support::DEADLINE;

/// How often chromedriver is started until it has a port.
const STARTS: usize = 5;

/// Starts chromedriver and returns its port. On a busy machine it sometimes ends without one; it is then started again,
/// and the test fails with its output after the last try.
fn start_driver() -> (Child, String) {
    let mut printed = Vec::new();
    for _ in 0..STARTS {
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = driver.spawn().unwrap_or_else(|error| {
            panic!("chromedriver must be installed for this test (Debian: chromium-driver): {error}")
        });
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let port = line.split_once("started successfully on port ").map(|(_, port)| port.to_owned());
            printed.push(line);
            port
        });
        if let Some(port) = port {
            // Read the pipe so that it does not fill up.
            std::thread::spawn(move || lines.for_each(drop));
            return (driver, port.trim_end_matches('.').to_owned());
        }
        let status = driver.wait();
        printed.push(format!("{status:?}"));
    }
    panic!("chromedriver does not start: {printed:#?}")
}

/// A browser window; closed when dropped.
pub struct Browser {
    driver: Child,
    session: String,
    client: reqwest::Client,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // End the session: otherwise the browser outlives its driver.
        let (address, path) = self.session.trim_start_matches("http://").split_once('/').unwrap_or_default();
        if let Ok(mut stream) = std::net::TcpStream::connect(address) {
            let request = format!("DELETE /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read(&mut [0; 1024]));
        }
        let pid = nix::unistd::Pid::from_raw(self.driver.id().cast_signed());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.driver.wait();
    }
}

impl Browser {
    pub async fn open(width: u32, height: u32) -> Self {
        Self::start(width, height, json!({})).await
    }

    /// Opens a mobile browser, which can be narrower than the smallest desktop window.
    pub async fn phone(width: u32, height: u32) -> Self {
        let screen = json!({ "width": width, "height": height, "pixelRatio": 2 });
        Self::start(width, height, json!({ "mobileEmulation": { "deviceMetrics": screen } })).await
    }

    async fn start(width: u32, height: u32, mut options: Value) -> Self {
        let (driver, port) = start_driver();
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            &format!("--window-size={width},{height}"),
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        options["args"] = json!(arguments);
        let options = json!({ "goog:chromeOptions": options });
        let mut browser = Self {
            driver,
            session: format!("http://127.0.0.1:{port}/session"),
            client: reqwest::Client::new(),
            _profile: profile,
        };
        let started = browser.command("", json!({ "capabilities": { "alwaysMatch": options } })).await;
        browser.session = format!("{}/{}", browser.session, started["sessionId"].as_str().unwrap());
        browser
    }

    async fn command(&self, path: &str, body: Value) -> Value {
        let answer = self.client.post(format!("{}{path}", self.session)).json(&body).send().await.unwrap();
        let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap());
        assert!(status.is_success(), "{path}: {body}");
        body["value"].clone()
    }

    pub async fn go(&self, url: &str) {
        self.command("/url", json!({ "url": url })).await;
    }

    /// Adds a device that keeps passkeys and confirms every use (WebAuthn, section 11.3).
    pub async fn add_authenticator(&self) {
        let device = json!({
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": true,
            "hasUserVerification": true,
            "isUserVerified": true,
        });
        self.command("/webauthn/authenticator", device).await;
    }

    /// Runs a script in the page and returns its value; a promise is awaited.
    pub async fn run(&self, script: &str, arguments: &[&str]) -> Value {
        self.command("/execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// Waits until the page has an element and returns its text.
    pub async fn text(&self, selector: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let script = "return document.querySelector(arguments[0])?.textContent";
            if let Value::String(text) = self.run(script, &[selector]).await {
                return text;
            }
            assert!(Instant::now() < deadline, "no {selector} on the page");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn element(&self, selector: &str) -> String {
        self.text(selector).await;
        let found = self.command("/element", json!({ "using": "css selector", "value": selector })).await;
        found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    }

    /// Clicks an element.
    pub async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.command(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Types into an element, replacing its content.
    pub async fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        // Select all with Ctrl+A, then type: a page may refill a field that was cleared.
        let keys = format!("\u{e009}a\u{e000}{text}");
        self.command(&format!("/element/{element}/value"), json!({ "text": keys })).await;
    }

    /// Chooses a file in a file field.
    pub async fn upload(&self, selector: &str, file: &Path) {
        let element = self.element(selector).await;
        let path = file.to_str().unwrap();
        self.command(&format!("/element/{element}/value"), json!({ "text": path })).await;
    }

    /// The address of the page.
    pub async fn url(&self) -> String {
        let answer = self.client.get(format!("{}/url", self.session)).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["value"].as_str().unwrap().to_owned()
    }

    /// Saves a screenshot in the folder `pictures` of the tests' temporary files.
    pub async fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
        std::fs::create_dir_all(&folder).unwrap();
        let answer = self.client.get(format!("{}/screenshot", self.session)).send().await.unwrap();
        let png = answer.json::<Value>().await.unwrap()["value"].as_str().unwrap().to_owned();
        std::fs::write(folder.join(format!("{name}.png")), STANDARD.decode(png).unwrap()).unwrap();
    }
}
