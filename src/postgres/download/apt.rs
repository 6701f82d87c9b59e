//! Downloads the package of Debian or Ubuntu, whose signature apt verifies, and the libraries that the machine lacks.
//! Lists and files are kept in our own folders; nothing is installed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use super::progress;
use crate::postgres::places::named_in;
use crate::postgres::settings::OLDEST;

pub(super) fn fetch(into: &Path, required: Option<u32>) -> Result<PathBuf, String> {
    let apt = Apt { folder: into.to_owned() };
    for folder in ["lists/partial", "cache/archives/partial", "packages", "root"] {
        fs::create_dir_all(into.join(folder)).map_err(|error| error.to_string())?;
    }
    let bar = progress("reading the lists of packages", 0);
    let update = apt.run("apt-get", &["-qq", "update"]);
    bar.finish_and_clear();
    update?;
    let major = match required {
        Some(major) => major,
        None => major(&apt.show("postgresql")?).ok_or("there is no package `postgresql`")?,
    };
    if major < OLDEST {
        return Err(format!("the package is of PostgreSQL {major}, and {OLDEST} or later is needed"));
    }
    let package = format!("postgresql-{major}");
    let shown = apt.show(&package)?;
    let needed = libraries(&shown);
    let install =
        ["-qq", "--yes", "--no-install-recommends", "--no-remove", "--print-uris", "install"].into_iter();
    let install: Vec<&str> = install.chain(needed).collect();
    let missing = apt.run("apt-get", &install)?;
    let missing =
        files(&missing).map(|(name, _)| name).filter(|name| name.starts_with("lib") && *name != "libc6");
    let packages: Vec<&str> = [package.as_str()].into_iter().chain(missing).collect();
    apt.download(&packages)?;
    for deb in named_in(&into.join("packages").display().to_string(), "") {
        let root = into.join("root");
        run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&root), "dpkg-deb")?;
    }
    let usr = into.join("root/usr");
    gather(&into.join("root"), &usr.join(format!("lib/postgresql/{major}")))
        .map_err(|error| format!("cannot gather the libraries: {error}"))?;
    Ok(usr)
}

/// Moves the libraries into one folder, `libraries`, beside the programs. Removes the JIT compiler (LLVM), whose
/// library is not downloaded.
fn gather(root: &Path, version: &Path) -> io::Result<()> {
    let libraries = version.join("libraries");
    fs::create_dir(&libraries)?;
    for of in ["usr/lib", "lib"] {
        for folder in named_in(&root.join(of).display().to_string(), "") {
            if !folder.file_name().is_some_and(|name| name.to_string_lossy().contains("-linux-")) {
                continue;
            }
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                if !entry.file_type()?.is_dir() {
                    fs::rename(entry.path(), libraries.join(entry.file_name()))?;
                }
            }
        }
    }
    match fs::remove_file(version.join("lib/llvmjit.so")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (name, folder) in [("Dir::State::Lists", "lists"), ("Dir::Cache", "cache")] {
            command.arg("-o").arg(format!("{name}={}", self.folder.join(folder).display()));
        }
        for option in [
            // As root, apt would switch to a user who cannot write to this folder.
            "APT::Sandbox::User=root",
            "Acquire::Languages=none",
            "Acquire::Retries=1",
            "Acquire::http::Timeout=20",
            "Acquire::https::Timeout=20",
            // Treat an unreadable source as an error, not as a warning.
            "APT::Update::Error-Mode=any",
            "Debug::NoLocking=true",
        ] {
            command.args(["-o", option]);
        }
        command.args(arguments).current_dir(self.folder.join("packages"));
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        run(&mut self.command(program, arguments), program)
    }

    fn show(&self, package: &str) -> Result<String, String> {
        self.run("apt-cache", &["show", "--no-all-versions", package])
    }

    fn download(&self, packages: &[&str]) -> Result<(), String> {
        let of = |more: &[&'static str]| self.command("apt-get", &[more, &["download"], packages].concat());
        let listed = run(&mut of(&["-qq", "--print-uris"]), "apt-get")?;
        let total = files(&listed).map(|(_, bytes)| bytes).sum();
        tracing::info!(
            "PostgreSQL is not installed: downloading {} from the packages of this system ({} MB)",
            packages[0],
            total / 1_000_000
        );
        let bar = progress("downloading PostgreSQL", total);
        let mut child = spawn(&mut of(&["-qq"])).map_err(|error| format!("cannot be run ({error})"))?;
        while child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let names = ["packages", "cache/archives/partial"];
            let files =
                names.iter().flat_map(|name| fs::read_dir(self.folder.join(name)).into_iter().flatten());
            bar.set_position(files.flatten().filter_map(|file| Some(file.metadata().ok()?.len())).sum());
            thread::sleep(Duration::from_millis(100));
        }
        bar.finish_and_clear();
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        text(&output).map(drop)
    }
}

fn spawn(command: &mut Command) -> io::Result<Child> {
    command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

fn run(command: &mut Command, program: &str) -> Result<String, String> {
    let output = spawn(command).and_then(Child::wait_with_output);
    text(&output.map_err(|error| format!("{program} cannot be run ({error})"))?)
}

/// The output of a program, or its first error message.
fn text(output: &Output) -> Result<String, String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaints = String::from_utf8_lossy(&output.stderr);
    let lines = || complaints.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines().find(|line| line.starts_with("E: ")).or_else(|| lines().next());
    Err(first.map_or_else(|| output.status.to_string(), |line| line.trim_start_matches("E: ").to_owned()))
}

/// Names of the packages that a package depends on: the first of each set of alternatives, without versions.
fn depends(shown: &str) -> impl Iterator<Item = &str> {
    let field = shown.lines().find_map(|line| line.strip_prefix("Depends: ")).unwrap_or_default();
    field.split(',').filter_map(|one| one.split(['|', '(', ':']).next()).map(str::trim)
}

/// The major version that the package `postgresql` depends on.
fn major(shown: &str) -> Option<u32> {
    depends(shown).find_map(|name| name.strip_prefix("postgresql-")?.parse().ok())
}

/// The libraries of the server, without LLVM: it is larger than all others together and only speeds up long queries.
fn libraries(shown: &str) -> impl Iterator<Item = &str> {
    depends(shown).filter(|name| *name == "zlib1g" || name.starts_with("lib") && !name.starts_with("libllvm"))
}

/// Package names and sizes in bytes from lines such as `'http://…' libpq5_15.18-0_amd64.deb 123456 SHA256:…`.
fn files(listed: &str) -> impl Iterator<Item = (&str, u64)> {
    listed.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        Some((words.next()?.split('_').next()?, words.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::{files, libraries, major};

    const SHOWN: &str = "Package: postgresql-15\nDepends: locales | locales-all, postgresql-client-15, tzdata, \
        debconf (>= 0.5) | debconf-2.0, libc6 (>= 2.34), libllvm14, libssl3 (>= 3.0.0), libxml2, zlib1g (>= 1:1.1.4)\n";

    #[test]
    fn packages_and_sizes_are_parsed_from_apt_output() {
        assert_eq!(major("Package: postgresql\nDepends: postgresql-15\n"), Some(15));
        assert_eq!(major("Package: postgresql\n"), None);
        assert_eq!(libraries(SHOWN).collect::<Vec<_>>(), ["libc6", "libssl3", "libxml2", "zlib1g"]);
        let listed = "'http://x/libpq5_15.18-0%2bdeb12u1_amd64.deb' libpq5_15.18-0+deb12u1_amd64.deb 190 SHA256:00\n\n";
        assert_eq!(files(listed).collect::<Vec<_>>(), [("libpq5", 190)]);
    }
}
