//! Tests with archives in the layout of the real ones, served on loopback.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use aws_lc_rs::digest::{SHA512, digest};
use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{download, unpack};

const LINKS: &str = r#"[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]"#;

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        // `set_path` rejects paths that an attacker could write.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        builder.append(&header, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// Serves one response and returns its URL.
fn serve(head: &str, body: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/postgres.tgz", listener.local_addr().unwrap());
    let answer = [format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").as_bytes(), body].concat();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(&answer).unwrap();
    });
    url
}

fn sha512(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(digest(&SHA512, bytes))
}

/// The result of a download of an archive that is served completely.
fn fetch(files: &[(&str, &str)], into: &Path) -> Result<(), String> {
    let bytes = archive(files);
    let file = into.join("archive.tgz");
    let url = serve(&format!("200 OK\r\ncontent-length: {}", bytes.len()), &bytes);
    download(&url, &file, &sha512(&bytes))?;
    let programs = unpack(&file, into).map_err(|error| error.to_string())?;
    assert_eq!(programs, into.join("package/native"));
    Ok(())
}

#[test]
fn archive_is_unpacked_with_its_symlinks() {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        ("package/native/bin/postgres", "program"),
        ("package/native/lib/libpq.so.5.18", "library"),
        ("package/native/pg-symlinks.json", LINKS),
        ("package/scripts/install.js", "not for us"),
        ("package/native/../../../outside", "not for us"),
    ];
    fetch(&files, folder.path()).unwrap();
    let package = folder.path().join("package");
    let moved = folder.path().join("moved");
    std::fs::rename(package.join("native"), &moved).unwrap();
    assert_eq!(std::fs::read_to_string(moved.join("bin/postgres")).unwrap(), "program");
    assert_eq!(std::fs::read_to_string(moved.join("lib/libpq.so.5")).unwrap(), "library");
    assert!(!package.join("scripts").exists());
    assert!(!folder.path().join("../outside").exists() && !folder.path().join("outside").exists());
}

#[test]
fn symlinks_out_of_the_folder_are_refused() {
    for link in
        [r#"{"source":"../../etc/passwd","target":"native/lib/a"}"#, r#"{"source":"a","target":"/tmp/b"}"#]
    {
        let folder = tempfile::tempdir().unwrap();
        let error =
            fetch(&[("package/native/pg-symlinks.json", &format!("[{link}]"))], folder.path()).unwrap_err();
        assert!(error.starts_with("a link to ") && error.ends_with(" leads astray"), "{error}");
    }
}

#[test]
fn archive_with_wrong_checksum_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let url = serve("200 OK\r\ncontent-length: 5", b"other");
    let error = download(&url, &folder.path().join("archive.tgz"), &sha512(b"right")).unwrap_err();
    assert_eq!(
        error,
        format!("{url} has the SHA-512 {}, not {}, and is not used", sha512(b"other"), sha512(b"right"))
    );
}

#[test]
fn failed_download_reports_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.tgz");
    for (url, why) in [
        (serve("200 OK\r\ncontent-length: 5", b"oth"), "end of file before message length reached"),
        (serve("404 Not Found\r\ncontent-length: 0", b""), "404 Not Found"),
        ("http://127.0.0.1:1/postgres.tgz".to_owned(), "Connection refused"),
    ] {
        let error = download(&url, &file, &sha512(b"other")).unwrap_err();
        assert!(
            error.starts_with(&format!("{url} cannot be downloaded: ")) && error.contains(why),
            "{error}"
        );
    }
    let full = Path::new("/dev/full");
    let error =
        download(&serve("200 OK\r\ncontent-length: 5", b"other"), full, &sha512(b"other")).unwrap_err();
    assert_eq!(error, "cannot write /dev/full: No space left on device (os error 28)");
}
