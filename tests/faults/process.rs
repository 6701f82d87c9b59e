//! Servers that start together, stop under load, run out of file descriptors or have wrong clocks, and a network that
//! drops packets.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tokio::time::sleep;
use userdocks::postgres;

use crate::check::Report;
use crate::machine::{Clock, Hosts, connect_on, listen_on};
use crate::scenario::Scenario;
use crate::support::child::{Place, Serve};
use crate::support::proxy::{Connect, Proxy, Stream, tcp};
use crate::support::smtp::Smtp;
use crate::support::{self, SECRET_KEY};

pub async fn sigterm_under_load() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.serve();
    scenario.under_load().await;
    for _ in 0..3 {
        scenario.load.flows(30).await;
        let mut server = scenario.servers.remove(0);
        scenario.aim();
        server.signal(Signal::SIGTERM);
        scenario.injected += 1;
        let begun = Instant::now();
        let (status, more) = server.ended();
        let orderly =
            status.code() == Some(0) && more.is_empty() && begun.elapsed() < Duration::from_secs(30);
        scenario
            .expect(orderly, format!("I5: it ended with {status}, {:?}: {}", begun.elapsed(), server.said()));
        scenario.serve();
        scenario.recovers().await;
    }
    scenario.over().await
}

pub async fn four_replicas_at_once() -> Report {
    let smtp = Smtp::start().await;
    let url = support::database(false).await;
    let (line, through) = Proxy::to_database(&url).await;
    let place = Place::new(&[
        ("DATABASE_URL", &through),
        ("USERDOCKS_SECRET_KEY", SECRET_KEY),
        ("USERDOCKS_MAIL__SMTP_URL", &smtp.url()),
        ("USERDOCKS_DATABASE__MAX_CONNECTIONS", "4"),
        ("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "1000000"),
    ]);
    let spawned = [(); 4].map(|()| place.spawn());
    let servers = spawned.map(Serve::listening);
    let mut scenario = Scenario::along(&url, line, &through, smtp).await;
    scenario.injected = 4;
    scenario.servers = servers.into();
    scenario.aim();
    scenario.load.start();
    scenario.load.flows(100).await;
    scenario.over().await
}

/// 64 file descriptors for all connections: idle clients use them up.
pub async fn few_descriptors() -> Report {
    let mut scenario = Scenario::new().await;
    scenario.place.through = ["sh", "-c", "ulimit -n 64; exec \"$0\" \"$@\""].map(str::to_owned).into();
    scenario.serve();
    let address: SocketAddr = scenario.servers[0].url.strip_prefix("http://").unwrap().parse().unwrap();
    for _ in 0..2 {
        let idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
        scenario.injected += 1;
        if scenario.injected == 1 {
            scenario.load.start();
        }
        sleep(Duration::from_secs(8)).await;
        drop(idle);
        scenario.recovers().await;
        scenario.load.flows(20).await;
    }
    // Either the server reached the limit, or it stayed below it and refused callers.
    let met = scenario.servers[0].said().contains("Too many open files");
    let turned_away = scenario.load.calls().len() > scenario.load.acknowledged();
    scenario.expect(met || turned_away, "the descriptors were enough for all");
    scenario.over().await
}

/// The host of the database is up, but its packets are dropped in both directions, for longer than a request may take.
pub async fn packets_dropped() -> Report {
    let hosts = Hosts::new();
    let url = support::database(true).await;
    let database = listen_on(&hosts.database, Hosts::DATABASE);
    let (line, through) = Proxy::to_database_from(database, &url);
    let mut scenario = Scenario::along(&url, line, &through, Smtp::start().await).await;
    let mail = Proxy::from(listen_on(&hosts.server, "127.0.0.1"), tcp(scenario.smtp.address()));
    scenario.place.set("USERDOCKS_MAIL__SMTP_URL", &format!("smtp://{}", mail.address));
    scenario.place.through = ["ip", "netns", "exec", &hosts.server].map(str::to_owned).into();
    scenario.serve();
    let server: SocketAddr = scenario.servers[0].url.strip_prefix("http://").unwrap().parse().unwrap();
    let host = hosts.server.clone();
    let connect: Connect = Arc::new(move || {
        let host = host.clone();
        Box::pin(async move {
            let there = tokio::task::spawn_blocking(move || connect_on(&host, server)).await.unwrap()?;
            there.set_nonblocking(true)?;
            Ok(Box::new(tokio::net::TcpStream::from_std(there)?) as Box<dyn Stream>)
        })
    });
    let front = Proxy::from(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(), connect);
    scenario.load.to(vec![format!("http://{}", front.address)]);
    scenario.load.start();
    scenario.load.flows(40).await;
    for seconds in [3, 45] {
        hosts.drop_packets();
        scenario.injected += 1;
        sleep(Duration::from_secs(seconds)).await;
        hosts.pass_packets();
        scenario.recovers().await;
        scenario.load.flows(40).await;
    }
    scenario.over().await
}

/// A server and a PostgreSQL of its own, each with its own clock.
async fn clocks(smtp: Smtp, mail: &str) -> (Scenario, Clock, Clock) {
    let place = Place::new(&[]);
    let programs = place.file("programs");
    std::fs::create_dir(&programs).unwrap();
    let (server_clock, database_clock) =
        (Clock::new(place.file("server")), Clock::new(place.file("database")));
    let real = support::programs();
    let variables = database_clock.variables().map(|(name, value)| format!("{name}={value}")).join(" ");
    for (program, variables) in [("postgres", variables.as_str()), ("initdb", "")] {
        let script = format!(
            "#!/bin/sh\nLD_LIBRARY_PATH={0}/../libraries exec env {variables} {0}/{program} \"$@\"\n",
            real.display()
        );
        std::fs::write(programs.join(program), script).unwrap();
        std::fs::set_permissions(programs.join(program), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut place = place;
    for (name, value) in server_clock.variables() {
        place.set(name, &value);
    }
    place.set("POSTGRES_BIN_DIR", &programs.display().to_string());
    place.set("USERDOCKS_SECRET_KEY", SECRET_KEY);
    place.set("USERDOCKS_MAIL__SMTP_URL", mail);
    place.set("USERDOCKS_MAIL__RETRY_AFTER", "1s");
    place.set("USERDOCKS_LIMITS__REFERRALS_PER_USER_PER_DAY", "1000000");
    let server = place.serve();
    let options = postgres::running(&place.data().join("postgres")).unwrap();
    let socket = options.get_socket().unwrap().display().to_string();
    let url = format!("postgres:///postgres?user=postgres&host={}", socket.replace('/', "%2F"));
    let mut scenario = Scenario::on(&url, smtp).await;
    scenario.place = place;
    scenario.servers.push(server);
    scenario.aim();
    scenario.load.start();
    scenario.load.flows(40).await;
    (scenario, server_clock, database_clock)
}

const HOUR: i64 = 3600;
/// How long the clock library (libfaketime) caches its offset.
const SEEN: Duration = Duration::from_secs(2);

pub async fn clocks_off_by_an_hour() -> Report {
    let smtp = Smtp::start().await;
    let url = smtp.url();
    let (mut scenario, server, database) = clocks(smtp, &url).await;
    for (clock, seconds) in
        [(&server, HOUR), (&server, -HOUR), (&server, 0), (&database, HOUR), (&database, -HOUR)]
    {
        clock.set(seconds);
        scenario.injected += 1;
        sleep(SEEN).await;
        scenario.load.flows(30).await;
    }
    scenario.recovers().await;
    // A mail that waited while the clock was behind is due when the clock is right again.
    database.set(HOUR);
    sleep(SEEN).await;
    scenario.ends().await
}

/// The mail server is unavailable for an hour of the database's clock, which decides when a mail is due.
pub async fn smtp_down_for_an_hour() -> Report {
    let smtp = Smtp::start().await;
    let mut line = Proxy::to_tcp(smtp.address()).await;
    let url = format!("smtp://{}", line.address);
    let (mut scenario, _server, database) = clocks(smtp, &url).await;
    line.cut().await;
    // Mails whose acknowledgement was lost when the connection was cut.
    scenario.note_unrecorded().await;
    scenario.injected = 1;
    for minutes in [1, 5, 15, 30, 60] {
        database.set(minutes * 60);
        sleep(SEEN).await;
        scenario.load.flows(10).await;
    }
    let tried = scenario.count("SELECT count(*) FROM outbox WHERE state = 'queued' AND attempts > 0").await;
    scenario.expect(tried > 0, "no mail was tried");
    let failed =
        "SELECT count(*) FROM outbox WHERE state = 'failed' AND message_id NOT LIKE '%@demo.example.com>'";
    let failed = scenario.count(failed).await;
    scenario.expect(failed == 0, format!("I2: {failed} mails were given up within the hour"));
    line.restore().await;
    scenario.recovers().await;
    // A refused mail is retried within an hour, ±20 %.
    database.set(3 * HOUR);
    sleep(SEEN).await;
    scenario.ends().await
}
