//! The daemon follows the repository until it is stopped.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::eventually;
use crate::support::host::Host;
use crate::support::registry::Kind;

const LONG: Duration = Duration::from_secs(30);

/// A daemon that does not outlive its test.
struct Daemon(Child);

impl Daemon {
    fn start(host: &Host) -> Self {
        let mut command = host.command(&["reconcile"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Asks it to stop; gives its exit code.
    fn stop(&mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        eventually(LONG, "the daemon ends", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn manifest(tag: &str) -> String {
    format!("services:\n  web:\n    image: @REGISTRY@/acme/web:{tag}\n")
}

#[track_caller]
fn runs(host: &Host, tag: &str) {
    let image = format!("/acme/web:{tag}");
    eventually(LONG, &format!("{image} runs"), || {
        let running =
            host.docker(&["ps", "--filter", "name=@ID@", "--format", "{{.Image}} {{.Names}}"]);
        let names = format!("shop-{}-web-1", host.id);
        running.lines().any(|line| line.contains(&image) && line.ends_with(&names)).then_some(())
    });
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
