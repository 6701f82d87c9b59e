//! Machine resources for faults: programs, a small disk, network namespaces, shifted clocks.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sched::{CloneFlags, setns};
use tempfile::TempDir;

use crate::database::folder;

/// Runs a program to its end; panics if it fails.
#[track_caller]
pub fn done(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
pub fn run(program: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// A file system of a few megabytes, in memory.
pub struct Mount(TempDir);

impl Mount {
    pub fn tmpfs(size: &str) -> Self {
        let mount = Self(folder());
        let options = format!("size={size},mode=0755");
        done("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &mount.path().display().to_string()]);
        mount
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Unmount lazily: processes that still write are about to stop.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Two hosts connected by a cable: network namespaces with a veth pair.
pub struct Hosts {
    /// The host of the server.
    pub server: String,
    /// The host with the address of the database.
    pub database: String,
}

impl Hosts {
    /// The address of the database on the cable.
    pub const DATABASE: &str = "10.77.0.1";
    const SERVER: &str = "10.77.0.2";

    pub fn new() -> Self {
        let name = |host| format!("userdocks-{}-{host}", std::process::id());
        let hosts = Self { server: name("server"), database: name("database") };
        for host in hosts.names() {
            done("ip", &["netns", "add", host]);
            done("ip", &["-n", host, "link", "set", "lo", "up"]);
        }
        let [server, database] = hosts.names();
        let cable = ["type", "veth", "peer", "name", "cable", "netns", database];
        done("ip", &[&["link", "add", "cable", "netns", server], &cable[..]].concat());
        for (host, address) in [(server, Self::SERVER), (database, Self::DATABASE)] {
            done("ip", &["-n", host, "addr", "add", &format!("{address}/30"), "dev", "cable"]);
            done("ip", &["-n", host, "link", "set", "cable", "up"]);
        }
        hosts
    }

    /// Drops every packet between the hosts from now on: packets go to an unused Ethernet address.
    pub fn drop_packets(&self) {
        let nobody = ["lladdr", "02:00:00:00:00:99", "dev", "cable", "nud", "permanent"];
        for (host, other) in self.ways() {
            done("ip", &[&["-n", host, "neigh", "replace", other], &nobody[..]].concat());
        }
    }

    pub fn pass_packets(&self) {
        for (host, other) in self.ways() {
            done("ip", &["-n", host, "neigh", "del", other, "dev", "cable"]);
        }
    }

    fn names(&self) -> [&str; 2] {
        [&self.server, &self.database]
    }

    fn ways(&self) -> [(&str, &str); 2] {
        [(&self.server, Self::DATABASE), (&self.database, Self::SERVER)]
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in self.names() {
            let _ = Command::new("ip").args(["netns", "del", host]).output();
        }
    }
}

/// Runs a function on a host.
fn on<T: Send>(host: &str, act: impl FnOnce() -> T + Send) -> T {
    let enter = || {
        // Only this thread enters the namespace, and it ends afterwards.
        setns(File::open(Path::new("/run/netns").join(host)).unwrap(), CloneFlags::CLONE_NEWNET).unwrap();
        act()
    };
    std::thread::scope(|scope| scope.spawn(enter).join().unwrap())
}

pub fn listen_on(host: &str, address: &str) -> tokio::net::TcpListener {
    let listener = on(host, || TcpListener::bind((address, 0)).unwrap());
    listener.set_nonblocking(true).unwrap();
    tokio::net::TcpListener::from_std(listener).unwrap()
}

pub fn connect_on(host: &str, address: SocketAddr) -> std::io::Result<TcpStream> {
    on(host, || TcpStream::connect(address))
}

/// A shifted clock for programs that are started with [`Clock::variables`].
pub struct Clock(PathBuf);

impl Clock {
    pub fn new(file: PathBuf) -> Self {
        let clock = Self(file);
        clock.set(0);
        clock
    }

    /// Sets the offset from the right time, seconds.
    pub fn set(&self, seconds: i64) {
        let part = self.0.with_extension("part");
        std::fs::write(&part, format!("{seconds:+}s\n")).unwrap();
        std::fs::rename(part, &self.0).unwrap();
    }

    pub fn variables(&self) -> [(&'static str, String); 4] {
        let library = std::fs::read_dir("/usr/lib").unwrap().filter_map(|folder| {
            let library = folder.ok()?.path().join("faketime/libfaketimeMT.so.1");
            library.exists().then(|| library.display().to_string())
        });
        let library = library.into_iter().next().expect("the package faketime is installed");
        [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", self.0.display().to_string()),
            ("FAKETIME_CACHE_DURATION", "1".to_owned()),
            // Do not change durations (monotonic clock).
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }
}

/// Why this machine cannot run every fault, if so.
pub fn lacks() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("this needs root, for network namespaces and a small disk: run it as root".to_owned());
    }
    let programs =
        [("ip", "iproute2"), ("mount", "mount"), ("pgbouncer", "pgbouncer"), ("faketime", "faketime")];
    let paths: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .collect();
    programs.into_iter().find_map(|(program, package)| {
        let there = paths.iter().any(|folder| folder.join(program).exists());
        (!there).then(|| format!("{program} is missing: apt-get install {package}"))
    })
}
