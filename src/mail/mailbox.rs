//! Reads the folder that receives the mails of a trial setup. A file name from a request opens only files that
//! [`Mailbox::list`] could return: plain `….eml` files directly in the folder. All calls block.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::time::SystemTime;

use aws_lc_rs::digest;
use jiff::Timestamp;
use mail_parser::{Address, Message, MessageParser};

/// Maximum number of mails in a list.
const LISTED: usize = 200;

/// Maximum bytes read of a mail.
const SIZE: u64 = 1024 * 1024;

#[derive(Clone, Debug)]
pub struct Mailbox {
    /// It need not exist yet.
    pub folder: PathBuf,
    /// Whether the server shows the mails to its callers.
    pub shown: bool,
}

/// Header fields of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The file name, of letters, digits and `.-_@` only.
    pub name: String,
    pub from: String,
    pub to: String,
    /// Decoded.
    pub subject: String,
    /// The `Date` field.
    pub date: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct Mail {
    pub head: Head,
    /// The HTML part, decoded. If the mail has none, it is made from the plain part.
    pub html: String,
    /// The plain part, decoded. If the mail has none, it is made from the HTML part.
    pub text: String,
    /// The bytes as they were sent.
    pub source: Vec<u8>,
}

impl Mailbox {
    /// The newest 200 mails, newest first. Files that cannot be parsed as a mail are left out.
    ///
    /// # Errors
    /// If the folder exists and cannot be read.
    pub fn list(&self) -> io::Result<Vec<Head>> {
        let files = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            files => files?,
        };
        let mut names: Vec<(SystemTime, String)> = files
            .filter_map(|file| {
                let file = file.ok()?;
                let name = file.file_name().into_string().ok().filter(|name| is_name(name))?;
                Some((file.metadata().ok()?.modified().ok()?, name))
            })
            .collect();
        names.sort_unstable_by(|one, other| other.cmp(one));
        let mails = names.iter().take(LISTED).filter_map(|(_, name)| self.get(name).ok()?);
        Ok(mails.map(|mail| mail.head).collect())
    }

    /// Deletes the mails with these `Message-ID`s. A missing mail is not an error.
    ///
    /// # Errors
    /// If an existing mail cannot be deleted.
    pub fn delete(&self, message_ids: &[String]) -> io::Result<()> {
        for id in message_ids {
            match std::fs::remove_file(self.folder.join(file_name(id))) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The mail in the file `name`, if it exists.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn get(&self, name: &str) -> io::Result<Option<Mail>> {
        if !is_name(name) {
            return Ok(None);
        }
        let path = self.folder.join(name);
        match std::fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            found => {
                if !found?.is_file() {
                    return Ok(None);
                }
            }
        }
        let mut source = Vec::new();
        File::open(&path)?.take(SIZE).read_to_end(&mut source)?;
        Ok(MessageParser::new().parse(&source).map(|message| Mail {
            head: head(name, &message),
            html: message.body_html(0).unwrap_or_default().into_owned(),
            text: message.body_text(0).unwrap_or_default().into_owned(),
            source: message.raw_message().to_vec(),
        }))
    }
}

/// The file name of a mail: its message id if that is a valid name, otherwise the id's letters and digits and a hash.
pub(super) fn file_name(message_id: &str) -> String {
    let id = message_id.trim_start_matches('<').trim_end_matches('>');
    let name = format!("{id}.eml");
    if !id.is_empty() && is_name(&name) {
        return name;
    }
    let left: String = id.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
    let hash = hex::encode(digest::digest(&digest::SHA256, id.as_bytes()));
    format!("{left}_{}.eml", &hash[..32])
}

/// Whether this is a valid file name for a mail on every operating system.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    !name.starts_with('.')
        && name.len() <= 200
        && name.strip_suffix(".eml").is_some_and(|stem| stem.chars().all(plain))
}

fn head(name: &str, message: &Message) -> Head {
    Head {
        name: name.to_owned(),
        from: message.from().map(people).unwrap_or_default(),
        to: message.to().map(people).unwrap_or_default(),
        subject: message.subject().unwrap_or_default().to_owned(),
        date: message.date().and_then(|date| Timestamp::from_second(date.to_timestamp()).ok()),
    }
}

fn people(addresses: &Address) -> String {
    let one = |person: &mail_parser::Addr| match (person.name(), person.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or_default().to_owned(),
    };
    addresses.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(mails: &[(&str, &str)]) -> (tempfile::TempDir, Mailbox) {
        let folder = tempfile::tempdir().unwrap();
        for (second, (name, mail)) in (1..).zip(mails) {
            let path = folder.path().join(name);
            std::fs::write(&path, mail).unwrap();
            let moment = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
            File::options().write(true).open(path).unwrap().set_modified(moment).unwrap();
        }
        let mailbox = Mailbox { folder: folder.path().to_owned(), shown: true };
        (folder, mailbox)
    }

    #[test]
    fn message_id_becomes_a_safe_file_name() {
        assert_eq!(file_name("<0195-aa.B_c@id.example>"), "0195-aa.B_c@id.example.eml");
        for hostile in ["", "<>", "../../etc/passwd", ".hidden", "a/b", "a\0b", "ü", &"x".repeat(300)] {
            let name = file_name(hostile);
            assert!(name.len() <= 80 && !name.starts_with('.') && !name.contains(['/', '\0']), "{name}");
        }
        assert_ne!(file_name("a/b"), file_name("a\\b"));
    }

    #[cfg(unix)]
    #[test]
    fn list_returns_mails_newest_first() {
        let mail = "From: A <a@x.example>\r\nTo: b@x.example\r\nSubject: =?utf-8?q?gr=C3=BCn?=\r\n\
                    Date: Sun, 22 Nov 2026 22:53:00 +0000\r\n\r\nHello\r\n";
        let (_folder, mailbox) =
            mailbox(&[("z.eml", mail), ("a.eml", mail), ("note.txt", mail), (".b.eml", mail)]);
        let listed = mailbox.list().unwrap();
        assert_eq!(listed.iter().map(|head| head.name.as_str()).collect::<Vec<_>>(), ["a.eml", "z.eml"]);
        assert_eq!(
            listed[0],
            Head {
                name: "a.eml".into(),
                from: "A <a@x.example>".into(),
                to: "b@x.example".into(),
                subject: "grün".into(),
                date: Some("2026-11-22T22:53:00Z".parse().unwrap()),
            }
        );
        let mail = mailbox.get("a.eml").unwrap().unwrap();
        assert_eq!(mail.text, "Hello\r\n");
        assert!(mail.source.starts_with(b"From: A"));
    }

    #[test]
    fn path_traversal_and_symlinks_open_no_file() {
        let (folder, mailbox) = mailbox(&[("a.eml", "Subject: x\r\n\r\ny\r\n"), ("note.txt", "x")]);
        let inner = folder.path().join("inner");
        std::fs::create_dir_all(inner.join("folder.eml")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("note.txt"), inner.join("link.eml")).unwrap();
        let inside = Mailbox { folder: inner, shown: true };
        for name in
            ["../a.eml", "..", "", ".eml", "link.eml", "folder.eml", "/etc/passwd", "a\0.eml", "no.eml"]
        {
            assert!(inside.get(name).unwrap().is_none(), "{name}");
        }
        assert_eq!(inside.list().unwrap(), []);
        assert!(mailbox.get("note.txt").unwrap().is_none());
        assert!(mailbox.get("a.eml").unwrap().is_some());
    }

    #[test]
    fn missing_folder_is_an_empty_mailbox() {
        let mailbox = Mailbox { folder: "/no/such/folder".into(), shown: true };
        assert_eq!(mailbox.list().unwrap(), []);
        mailbox.delete(&["<a@x.example>".to_owned()]).unwrap();
    }
}
