//! The daemon follows the repository until it is stopped.

use std::net::TcpListener;
use std::process::Child;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, Signal};

use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::support::{eventually, free_port};

pub const LONG: Duration = Duration::from_secs(90);

/// A daemon that does not outlive its test.
pub struct Daemon(pub Child);

impl Daemon {
    /// Its log goes to the server's file `daemon.log`.
    pub fn start(host: &Host) -> Self {
        Self(host.start(&["reconcile"], "daemon.log"))
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Asks it to stop; gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        eventually(LONG, "the daemon ends", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn manifest(tag: &str) -> String {
    format!("services:\n  web:\n    image: @REGISTRY@/acme/web:{tag}\n")
}

#[track_caller]
pub fn runs(host: &Host, tag: &str) {
    let image = format!("/acme/web:{tag}");
    eventually(LONG, &format!("{image} runs"), || {
        let running =
            host.docker(&["ps", "--filter", "name=@ID@", "--format", "{{.Image}} {{.Names}}"]);
        let names = format!("shop-{}-web-1", host.id);
        running.lines().any(|line| line.contains(&image) && line.ends_with(&names)).then_some(())
    });
}

#[test]
fn an_operator_holds_beside_the_daemon() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    let mut daemon = Daemon::start(&host);
    runs(&host, "1");
    host.run(&["hold", "shop-@ID@"]).ends(0);
    let commit = host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    eventually(LONG, "the daemon has seen the commit", || {
        let shop = host.run(&["status", "--output", "json"]).stack("shop");
        (shop["commit"] == commit.as_str() && shop["state"] == "held").then_some(())
    });
    runs(&host, "1");
    host.run(&["unhold", "shop-@ID@"]).ends(0);
    runs(&host, "2");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn the_daemon_follows_commits_mends_drift_and_stops_when_asked() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    let mut daemon = Daemon::start(&host);
    runs(&host, "1");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    runs(&host, "2");
    host.docker(&["rm", "-f", "shop-@ID@-web-1"]);
    runs(&host, "2");
    assert_eq!(daemon.stop(), Some(0));
    // It may have been asked while a container was still being watched; the next pass ends that.
    host.pass().ends(0);
    runs(&host, "2");
    host.is_settled();
}

#[test]
fn a_newer_commit_supersedes_a_rollout_that_waits_at_its_gate() {
    let host = Host::new();
    for tag in ["1", "2", "3"] {
        host.push("acme/web", tag, Kind::Web);
    }
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    let mut daemon = Daemon::start(&host);
    runs(&host, "1");
    // It would be waited for ten minutes and more.
    let check = "    healthcheck: {test: [CMD, 'false'], interval: 1s, start_period: 600s}\n";
    host.commit(&[("shop-@ID@/compose.yaml", &(manifest("2") + check))]);
    runs(&host, "2");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("3"))]);
    runs(&host, "3");
    assert_eq!(daemon.stop(), Some(0));
    host.pass().ends(0);
    let history = host.run(&["history", "--output", "json"]).json();
    let told = history.to_string();
    assert!(told.contains("a newer commit changes it"), "{told}");
    assert_eq!(host.docker(&["ps", "-a", "-q", "--filter", "name=@ID@"]).lines().count(), 1);
}

#[test]
fn a_stack_that_waits_for_its_containers_keeps_no_other_one_waiting() {
    let host = Host::new();
    for tag in ["1", "2"] {
        host.push("acme/web", tag, Kind::Web);
    }
    let blog = |tag: &str| ("blog-@ID@/compose.yaml", manifest(tag));
    let both = |shop: &str, blog_tag: &str| {
        let (path, blog) = blog(blog_tag);
        host.commit(&[("shop-@ID@/compose.yaml", shop), (path, &blog)])
    };
    both(&manifest("1"), "1");
    let mut daemon = Daemon::start(&host);
    runs(&host, "1");
    let check = "    healthcheck: {test: [CMD, 'false'], interval: 1s, start_period: 600s}\n";
    both(&(manifest("2") + check), "1");
    runs(&host, "2");
    let blog_runs = |what: &str, image: &str, not: &str| {
        eventually(LONG, what, || {
            let format = "{{.ID}} {{.Image}}";
            let name = "name=blog-@ID@-web-1";
            let running = host.docker(&["ps", "--no-trunc", "--filter", name, "--format", format]);
            let (id, found) = running.trim().split_once(' ')?;
            (found.contains(image) && id != not).then(|| id.to_owned())
        })
    };
    // Drift, and a newer commit: both are looked after while the shop still waits.
    let before = blog_runs("it runs", "acme/web:1", "");
    host.docker(&["rm", "-f", "blog-@ID@-web-1"]);
    blog_runs("it runs again", "acme/web:1", &before);
    both(&(manifest("2") + check), "2");
    blog_runs("the newer one runs", "acme/web:2", "");
    let shop = || host.docker(&["ps", "-q", "--filter", "name=shop-@ID@-web-1", "--no-trunc"]);
    let waits = shop();
    eventually(LONG, "the blog is recorded", || {
        let blog = host.run(&["status", "--output", "json"]).stack("blog");
        (blog["state"] == "in-sync").then_some(())
    });
    assert_eq!(shop(), waits, "nobody touched what waits");
    both(&manifest("1"), "2");
    runs(&host, "1");
    assert_eq!(daemon.stop(), Some(0));
    host.pass().ends(0);
    host.is_settled();
}

#[test]
fn commands_work_beside_the_daemon() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    let mut daemon = Daemon::start(&host);
    runs(&host, "1");
    host.run(&["status"]).ends(0).says("in-sync");
    host.run(&["history"]).ends(0).says("web");
    host.run(&["retry", "shop-@ID@/web"]);
    // Waits for a pass of the daemon to end, and finds nothing left to do.
    host.pass().ends(0).does(&[]);
    host.run(&["plan"]).ends(0);
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_daemon_with_nothing_to_do_is_quiet_and_one_with_trouble_tells_it_once() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    host.pass().ends(0);
    let mut daemon = Daemon::start(&host);
    passes(&host, 3);
    assert_eq!(host.read("daemon.log"), "");
    host.commit(&[("shop-@ID@/compose.yaml", "services: {web: {imaeg: a}}\n")]);
    eventually(LONG, "the trouble is told", || {
        host.read("daemon.log").contains("imaeg").then_some(())
    });
    passes(&host, 3);
    let log = host.read("daemon.log");
    assert_eq!(log.matches("unknown key").count(), 1, "{log}");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    eventually(LONG, "the end of the trouble is told", || {
        host.read("daemon.log").contains("in sync again").then_some(())
    });
    assert_eq!(daemon.stop(), Some(0));
}

/// Waits until the daemon has begun `count` more passes.
fn passes(host: &Host, count: usize) {
    let mut seen = host.read("state/lock");
    for _ in 0..count {
        seen = eventually(LONG, "another pass", || {
            Some(host.read("state/lock")).filter(|now| !now.is_empty() && *now != seen)
        });
    }
}

#[test]
fn a_source_is_asked_in_its_own_time_and_at_once_when_the_daemon_is_told_to() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    let config = host.read("config.yaml").replace("interval: 1s", "interval: 1h");
    std::fs::write(host.path("config.yaml"), config).unwrap();
    let mut daemon = Daemon::start(&host);
    runs(&host, "1");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    let id = || host.docker(&["ps", "-q", "--no-trunc", "--filter", "name=shop-@ID@-web-1"]);
    let before = id();
    host.docker(&["rm", "-f", "shop-@ID@-web-1"]);
    eventually(LONG, "it runs again", || Some(id()).filter(|id| *id != before && !id.is_empty()));
    // A pass for another reason: git was asked a moment ago.
    runs(&host, "1");
    daemon.signal(Signal::HUP);
    runs(&host, "2");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn an_update_that_was_stopped_at_its_gate_goes_on_with_the_same_container() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    host.pass().ends(0);
    host.configure("rollout: {stable: 30m, monitor: 0s, deadline: 1h}");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    let mut daemon = Daemon::start(&host);
    let new = eventually(LONG, "the new container runs", || {
        let running =
            host.docker(&["ps", "--no-trunc", "--format", "{{.ID}} {{.Image}} {{.Names}}"]);
        let line = running.lines().find(|line| line.contains(&host.id) && line.contains("web:2"));
        line.and_then(|line| line.split(' ').next()).map(str::to_owned)
    });
    assert_eq!(daemon.stop(), Some(0), "{}", host.read("daemon.log"));
    assert!(host.containers().values().any(|id| *id == new), "it is left as it is");
    host.configure("rollout: {stable: 500ms, monitor: 0s, deadline: 60s}");
    host.pass().ends(0);
    let containers: Vec<(String, String)> = host.containers().into_iter().collect();
    assert_eq!(containers, [("shop-web-1".to_owned(), new)]);
    host.is_settled();
}

#[test]
fn a_port_that_a_stranger_holds_is_tried_again_at_its_time_and_delays_nobody_else() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let port = free_port();
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let published = format!("    ports: ['127.0.0.1:{port}:80']\n");
    let other = manifest("1").replace("services:\n  web", "  other");
    host.commit(&[("shop-@ID@/compose.yaml", &(manifest("1") + &published + &other))]);
    let mut daemon = Daemon::start(&host);
    let service = || {
        let run = host.run(&["status", "--output", "json"]);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).ok()?;
        let services = report["stacks"][0]["services"].as_array()?.iter();
        services.clone().find(|service| service["service"] == "web").cloned()
    };
    let time = |text: &serde_json::Value| text.as_str()?.parse::<Timestamp>().ok();
    let (since, next_try) = eventually(LONG, "the service waits", || {
        let service = service().filter(|service| service["state"] == "failed")?;
        time(&service["failing_since"]).zip(time(&service["next_try_at"]))
    });
    assert!(next_try.duration_since(since).as_secs() >= 9, "{since} {next_try}");
    eventually(LONG, "the other service runs", || {
        host.containers().contains_key("shop-other-1").then_some(())
    });
    drop(stranger);
    let service = eventually(LONG, "the service is as it should be", || {
        service().filter(|service| service["state"] == "in-sync")
    });
    assert!(service["failing_since"].is_null() && service["next_try_at"].is_null(), "{service}");
    let started: Timestamp = host.inspect("shop-web-1", "{{.State.StartedAt}}").parse().unwrap();
    assert!(started >= next_try, "{started} {next_try}");
    assert_eq!(daemon.stop(), Some(0));
    host.pass().ends(0);
    host.is_settled();
}

#[test]
fn who_runs_a_pass_or_asks_for_it_does_not_wait_for_a_service_s_time() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let port = free_port();
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let published = format!("    ports: ['127.0.0.1:{port}:80']\n");
    host.commit(&[("shop-@ID@/compose.yaml", &(manifest("1") + &published))]);
    host.pass().ends(1);
    host.run(&["status"]).ends(1).says("it is tried again at");
    host.run(&["retry", "shop-@ID@/web"]).ends(0).says("is tried again in the next pass");
    host.pass().ends(1);
    drop(stranger);
    host.pass().ends(0);
    host.is_settled();
}
