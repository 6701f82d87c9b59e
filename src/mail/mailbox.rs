//! The folder that takes the mails of a trial, to read from. A name from outside opens only what
//! [`Mailbox::list`] could show: a plain file `….eml` right in the folder. Reading blocks.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::time::SystemTime;

use aws_lc_rs::digest;
use jiff::Timestamp;
use mail_parser::{Address, Message, MessageParser};

/// Mails that are listed at most.
const LISTED: usize = 200;

/// Bytes read of a mail.
const SIZE: u64 = 1024 * 1024;

/// A folder with mails.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// It need not be there yet.
    pub folder: PathBuf,
    /// Whether whoever calls the server may read them.
    pub shown: bool,
}

/// The head of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The name of its file, of letters, digits and `.-_@` only.
    pub name: String,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: String,
    /// The subject, decoded.
    pub subject: String,
    /// The date it bears.
    pub date: Option<Timestamp>,
}

/// A mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Its head.
    pub head: Head,
    /// The HTML part, decoded; made from the text if there is none.
    pub html: String,
    /// The plain part, decoded; made from the HTML if there is none.
    pub text: String,
    /// The bytes as they were sent.
    pub source: Vec<u8>,
}

impl Mailbox {
    /// The newest 200 mails, newest first. What cannot be read as a mail is left out.
    ///
    /// # Errors
    /// If the folder is there and cannot be read.
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

    /// Deletes the mails that bear one of these `Message-ID`s. Those that are not there are no fault.
    ///
    /// # Errors
    /// If one that is there cannot be deleted.
    pub fn delete(&self, message_ids: &[String]) -> io::Result<()> {
        for id in message_ids {
            match std::fs::remove_file(self.folder.join(file_name(id))) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The mail in the file `name`, if there is one.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
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

/// The file of a mail: its id where that is a plain file name, else what is left of it and a hash.
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

/// Whether this can be the file of a mail, in any folder of any system.
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
