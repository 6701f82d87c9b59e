//! Reads returned mails from a Maildir folder, a mailbox file (mbox, RFC 4155), or a file with one message.

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Maximum bytes read of one message; the rest is skipped.
pub const SIZE: u64 = 1024 * 1024;

/// The messages at a path. In a folder, those in `cur/` and `new/`. Symbolic links in a folder are not followed:
/// otherwise a user who can write to the folder could make this process read any file.
pub fn open(path: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<Vec<u8>>>>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(Box::new(Messages::of(BufReader::new(File::open(path)?))));
    }
    let folders = ["cur", "new"].map(|name| path.join(name));
    if !folders.iter().all(|folder| fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir())) {
        return Err(io::Error::other("the folder is not a Maildir: it needs the folders cur and new"));
    }
    let [cur, new] = folders.map(fs::read_dir);
    Ok(Box::new(cur?.chain(new?).filter_map(|entry| entry.and_then(|entry| message(&entry)).transpose())))
}

/// The message in a file of a Maildir folder. Returns `None` if the entry is not a file, or was moved away.
fn message(entry: &DirEntry) -> io::Result<Option<Vec<u8>>> {
    if !entry.file_type()?.is_file() {
        return Ok(None);
    }
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        (nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK).bits(),
    );
    let file = match options.open(entry.path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut message = Vec::new();
    file.take(SIZE).read_to_end(&mut message)?;
    Ok(Some(message))
}

/// Iterates over the messages of a mailbox file. A file that does not begin with a `From ` line is one message.
pub struct Messages<R> {
    lines: R,
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    /// After the `From ` line of a message.
    Mailbox,
    /// Inside the only message.
    Single,
}

impl<R: BufRead> Messages<R> {
    pub fn of(lines: R) -> Self {
        Self { lines, place: Place::Start }
    }

    fn next_message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (mut message, mut blank) = (Vec::new(), false);
        loop {
            let mut line = Vec::new();
            // A line that is too long is read in pieces of the maximum size of a message.
            if self.lines.by_ref().take(SIZE).read_until(b'\n', &mut line)? == 0 {
                let any = self.place != Place::Start;
                self.place = Place::Start;
                return Ok(any.then_some(message));
            }
            let parts = line.starts_with(b"From ");
            match self.place {
                Place::Start if parts => {
                    self.place = Place::Mailbox;
                    continue;
                }
                Place::Start => self.place = Place::Single,
                Place::Mailbox if parts && blank => return Ok(Some(message)),
                Place::Mailbox | Place::Single => {}
            }
            blank = line.iter().all(u8::is_ascii_whitespace);
            if message.len() + line.len() <= usize::try_from(SIZE).unwrap_or(usize::MAX) {
                // Quoting (`>From `) is not undone: the parsers do not use such lines.
                message.append(&mut line);
            }
        }
    }
}

impl<R: BufRead> Iterator for Messages<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_message().transpose()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages(file: &[u8]) -> Vec<Vec<u8>> {
        Messages::of(file).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn mbox_file_is_split_into_messages() {
        let text = |file: &[u8]| -> Vec<String> {
            messages(file).iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect()
        };
        assert_eq!(text(b""), [""; 0]);
        for single in ["A: b\n\nc\nFrom here\n", "A: b\n\nc\n\nFrom here\n", "\nFrom x\n"] {
            assert_eq!(text(single.as_bytes()), [single]);
        }
        assert_eq!(
            text(b"From x Sun\nA: b\n\nc\n\nFrom y Mon\nD: e\n\nf\n>From g\n"),
            ["A: b\n\nc\n\n", "D: e\n\nf\n>From g\n"]
        );
        assert_eq!(text(b"From x\nFrom y\n\nFrom z\n"), ["From y\n\n", ""]);
        // The beginning of a message that is too long is kept, and the next message is separate.
        let long =
            [b"From x\nA: b\n\n".to_vec(), vec![b'x'; 3 << 20], b"\n\nFrom y\nC: d\n\n".to_vec()].concat();
        let read = messages(&long);
        assert_eq!((read.len(), &read[1][..]), (2, &b"C: d\n\n"[..]));
        assert!(read[0].starts_with(b"A: b\n\n") && read[0].len() <= 1 << 20);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in any::<Vec<u8>>()) {
            messages(&bytes);
        }
    }
}
