//! axe-core, the accessibility checks of Deque, run in a page.

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use crate::browser::Browser;

const URL: &str = "https://registry.npmjs.org/axe-core/-/axe-core-4.14.1.tgz";
const SHA_256: &str = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745";

/// Rules of WCAG 2.2, levels A and AA, and good practice.
const RUN: &str = "
    return axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
        .then(found => found.violations.map(rule => `${rule.id}: ${rule.nodes.map(node => node.html).join(' ')}`))";

/// The script, fetched once with `curl`.
static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(URL.rsplit('/').next().unwrap());
    let is_whole = || {
        let bytes = std::fs::read(&file).ok()?;
        (hex::encode(digest(&SHA256, &bytes)) == SHA_256).then_some(bytes)
    };
    let package = is_whole().unwrap_or_else(|| {
        let fetched = Command::new("curl").args(["-fsS", "--retry", "3", "-o"]).arg(&file).arg(URL).status();
        assert!(fetched.unwrap().success(), "{URL} cannot be fetched");
        is_whole().unwrap_or_else(|| panic!("{URL} has another SHA-256 than {SHA_256}"))
    });
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(package.as_slice()));
    let mut script = String::new();
    let mut entries = archive.entries().unwrap().map(Result::unwrap);
    let mut entry = entries.find(|entry| entry.path().unwrap().ends_with("axe.min.js")).unwrap();
    entry.read_to_string(&mut script).unwrap();
    script
});

/// What axe finds wrong on the page.
pub async fn violations(browser: &Browser) -> Vec<String> {
    let found = browser.run(&format!("{}\n{RUN}", *SCRIPT), &[]).await;
    let Value::Array(found) = found else { panic!("{found}") };
    found.iter().map(|rule| rule.as_str().unwrap().to_owned()).collect()
}
