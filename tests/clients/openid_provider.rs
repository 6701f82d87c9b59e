//! An `OpenID` provider on this machine: `oidc-provider` from npm, run by Node.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use crate::support::secrets;

/// The newest version that runs on Node 20, though it warns there.
const PACKAGE: &str = "oidc-provider@9.13.3";
const SCRIPT: &str = include_str!("openid_provider.mjs");
pub const CLIENT_ID: &str = "userdocks";
/// Characters that must be encoded in HTTP basic authentication.
pub const CLIENT_SECRET: &str = "client:secret+of%the tests";

/// The folder with the script and the package, which is installed once.
static FOLDER: LazyLock<&Path> = LazyLock::new(|| {
    let folder = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/openid"));
    std::fs::create_dir_all(folder).unwrap();
    // npm writes this file last.
    let installed = std::fs::read_to_string(folder.join("node_modules/.package-lock.json"));
    let (name, version) = PACKAGE.split_once('@').unwrap();
    if !installed.is_ok_and(|text| text.contains(&format!("/{name}-{version}.tgz"))) {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"]);
        let done = npm.arg(folder).arg(PACKAGE).stdin(Stdio::null()).stdout(Stdio::null()).status();
        let done = done.unwrap_or_else(|error| panic!("npm must be installed for this test: {error}"));
        assert!(done.success(), "{PACKAGE} cannot be installed");
    }
    std::fs::write(folder.join("provider.mjs"), SCRIPT).unwrap();
    folder
});

/// A running provider; stopped when dropped.
pub struct Provider {
    node: Child,
    pub issuer: String,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

impl Provider {
    /// Starts a provider whose only client may send browsers back to this console.
    pub fn start(console: &str) -> Self {
        secrets::keep(CLIENT_SECRET);
        let mut node = Command::new("node");
        node.arg("provider.mjs").current_dir(*FOLDER);
        node.env("CLIENT_ID", CLIENT_ID).env("CLIENT_SECRET", CLIENT_SECRET);
        node.env("REDIRECT_URI", format!("{console}/sign-in/openid/callback"));
        node.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let node = node.spawn();
        let node = node.unwrap_or_else(|error| panic!("node must be installed for this test: {error}"));
        let mut provider = Self { node, issuer: String::new() };
        let mut lines = BufReader::new(provider.node.stdout.take().unwrap()).lines();
        provider.issuer = lines
            .find_map(|line| line.ok().filter(|line| line.starts_with("http://")))
            .unwrap_or_else(|| panic!("the provider does not start"));
        // Read the pipe so that it does not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        provider
    }
}
