//! The daemon as a service: what it tells systemd, what wakes it, and what it takes up without a restart.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::daemon::{Daemon, LONG, manifest, runs};
use crate::support::eventually;
use crate::support::host::Host;
use crate::support::registry::Kind;

/// What listens where systemd would.
struct FakeSystemd {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl FakeSystemd {
    /// Listens, and starts the daemon as a service with a watchdog of a second.
    fn start(host: &Host) -> (Self, Daemon) {
        let path = host.path("notify.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let log = std::fs::File::create(host.path("daemon.log")).unwrap();
        let mut command = host.command(&["reconcile"]);
        command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", "1000000");
        let child = command.stdout(std::process::Stdio::null()).stderr(log).spawn().unwrap();
        (Self { socket, heard: Vec::new() }, Daemon(child))
    }

    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
    }

    /// Waits for a message that contains `text`.
    #[track_caller]
    fn hears(&mut self, text: &str) {
        eventually(LONG, text, || {
            self.listen();
            self.heard.iter().any(|message| message.contains(text)).then_some(())
        });
    }

    fn count(&mut self, message: &str) -> usize {
        self.listen();
        self.heard.iter().filter(|one| *one == message).count()
    }
}

/// A host whose source is looked at once an hour, so that only what wakes the daemon can be the cause.
fn drowsy() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    let config = host.read("config.yaml").replace("interval: 1s", "interval: 1h");
    std::fs::write(host.path("config.yaml"), config).unwrap();
    host
}

#[test]
fn systemd_is_told_when_the_daemon_is_ready_how_things_stand_and_that_it_gets_on() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    let commit = host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    let (mut systemd, mut daemon) = FakeSystemd::start(&host);
    systemd.hears("READY=1");
    systemd.hears(&format!("STATUS=source-{}@{} · 1 in sync", host.id, &commit[..7]));
    host.run(&["hold", "shop-@ID@"]).ends(0);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    systemd.hears(" · 1 held");
    let before = systemd.count("WATCHDOG=1");
    eventually(LONG, "the watchdog is fed twice in its time", || {
        (systemd.count("WATCHDOG=1") >= before + 4).then_some(())
    });
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(systemd.count("READY=1"), 1, "{:?}", systemd.heard);
    assert_eq!(systemd.count("STOPPING=1"), 1, "{:?}", systemd.heard);
}

#[test]
fn a_configuration_that_cannot_be_used_leaves_the_one_before_it_in_force() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    let good = host.read("config.yaml");
    let (mut systemd, mut daemon) = FakeSystemd::start(&host);
    runs(&host, "1");
    std::fs::write(host.path("config.yaml"), format!("{good}intervall: 3s\n")).unwrap();
    systemd.hears("the configuration cannot be used");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    runs(&host, "2");
    let log = host.read("daemon.log");
    assert!(log.contains("the one before it still holds"), "{log}");
    assert!(log.contains("unknown key `intervall`"), "{log}");
    assert_eq!(log.matches("cannot be used").count(), 1, "{log}");
    std::fs::write(host.path("config.yaml"), &good).unwrap();
    eventually(LONG, "the end of that is told", || {
        host.read("daemon.log").contains("again the one that holds").then_some(())
    });
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_changed_configuration_is_taken_up_without_a_restart() {
    let host = drowsy();
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    let mut daemon = Daemon::start(&host);
    runs(&host, "1");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    let config = host.read("config.yaml").replace("interval: 1h", "interval: 1s");
    std::fs::write(host.path("config.yaml"), config).unwrap();
    daemon.signal(Signal::HUP);
    runs(&host, "2");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    runs(&host, "1");
    assert!(host.read("daemon.log").contains("the configuration has changed"));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_daemon_that_is_told_to_stop_ends_within_ten_seconds_whatever_it_does() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    // Takes no notice of being told to stop, for a minute.
    let stubborn = "    command: [sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]\n    stop_grace_period: 60s\n";
    host.commit(&[("shop-@ID@/compose.yaml", &(manifest("1") + stubborn))]);
    host.pass().ends(0);
    let mut daemon = Daemon::start(&host);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    eventually(LONG, "the old container is being stopped", || {
        host.read("daemon.log").contains("create-container: done").then_some(())
    });
    let begun = Instant::now();
    assert_eq!(daemon.stop(), Some(0), "{}", host.read("daemon.log"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    host.docker(&["kill", &format!("shop-{}-web-1", host.id)]);
    host.pass().ends(0);
    runs(&host, "2");
    host.is_settled();
}
