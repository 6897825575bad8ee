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
    // Takes no notice of being told to stop.
    let stubborn = "    command: [sh, -c, \"trap '' TERM; while :; do sleep 1; done\"]\n    \
                    stop_grace_period: 20s\n";
    host.commit(&[("shop-@ID@/compose.yaml", &(manifest("1") + stubborn))]);
    host.pass().ends(0);
    let mut daemon = Daemon(host.start(&["reconcile", "--verbose"], "daemon.log"));
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    eventually(LONG, "the old container is being stopped", || {
        host.read("daemon.log").contains("web: stop-container").then_some(())
    });
    let begun = Instant::now();
    assert_eq!(daemon.stop(), Some(0), "{}", host.read("daemon.log"));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let log = host.read("daemon.log");
    assert!(log.contains("a step takes long"), "{log}");
    host.pass().ends(0);
    runs(&host, "2");
    host.is_settled();
}

#[test]
fn a_changed_env_file_is_seen_at_once() {
    let host = drowsy();
    host.env("shop-@ID@.env", "COLOUR=red\n");
    let uses = "    environment: {COLOUR: '${COLOUR}'}\n";
    host.commit(&[("shop-@ID@/compose.yaml", &(manifest("1") + uses))]);
    let mut daemon = Daemon::start(&host);
    let shines = |colour: &str| {
        eventually(LONG, colour, || {
            let seen = host.try_inspect("shop-web-1", "{{.Config.Env}}")?;
            seen.contains(&format!("COLOUR={colour}")).then_some(())
        });
    };
    shines("red");
    // As editors do it.
    host.env("shop-@ID@.env.new", "COLOUR=green\n");
    let at = |name: &str| host.path("env").join(host.fill(name));
    std::fs::rename(at("shop-@ID@.env.new"), at("shop-@ID@.env")).unwrap();
    shines("green");
    host.env("shop-@ID@.env", "COLOUR=blue\n");
    shines("blue");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_changed_configuration_and_a_changed_directory_are_seen_at_once() {
    let host = drowsy();
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    let mut daemon = Daemon::start(&host);
    runs(&host, "1");
    // A plain directory in place of the repository, as before looked at once an hour.
    let stack = host.path("plain/shop-@ID@");
    std::fs::create_dir_all(&stack).unwrap();
    let write = |tag: &str| {
        std::fs::write(stack.join("compose.yaml"), host.fill(&manifest(tag))).unwrap();
    };
    write("2");
    let config = host.read("config.yaml");
    let repo = host.repo.directory().display().to_string();
    let config =
        config.replace(&format!("file://{repo}"), &host.path("plain").display().to_string());
    std::fs::write(host.path("config.yaml"), config.replace(" branch: main,", "")).unwrap();
    runs(&host, "2");
    write("1");
    runs(&host, "1");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_container_that_is_killed_or_becomes_unhealthy_is_seen_long_before_the_next_poll() {
    let host = drowsy();
    let check =
        "    healthcheck: {test: [CMD, test, '!', -e, /tmp/ill], interval: 1s, retries: 1}\n";
    host.commit(&[("shop-@ID@/compose.yaml", &(manifest("1") + check))]);
    let (mut systemd, mut daemon) = FakeSystemd::start(&host);
    systemd.hears("1 in sync");
    let id = host.containers()["shop-web-1"].clone();
    host.docker(&["kill", "shop-@ID@-web-1"]);
    eventually(LONG, "the pass after that has begun", || {
        host.read("daemon.log")
            .contains("shop-@ID@/web: start-container: done".replace("@ID@", &host.id).as_str())
            .then_some(())
    });
    assert_eq!(host.containers()["shop-web-1"], id, "it is started again");
    eventually(LONG, "it is well", || {
        let health = host.try_inspect("shop-web-1", "{{.State.Health.Status}}")?;
        (health == "healthy").then_some(())
    });
    host.docker(&["exec", "shop-@ID@-web-1", "sh", "-c", "echo >/tmp/ill"]);
    systemd.hears("1 degraded");
    assert_eq!(daemon.stop(), Some(0));
}
