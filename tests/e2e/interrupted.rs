//! The program dies after its first, second, third, … change to the engine: the next pass finishes the work.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::support::{eventually, free_port, get};

fn manifest(tag: &str, port: u16) -> String {
    format!(
        "\
services:
  web:
    image: @REGISTRY@/acme/web:{tag}
    ports: ['127.0.0.1:{port}:8000']
    volumes: [data:/data]
  other:
    image: @REGISTRY@/acme/web:1
volumes:
  data:
"
    )
}

/// Starts a pass and kills it once it has made `changes` changes; `false` where it ended before that.
fn killed_after(host: &Host, changes: usize) -> bool {
    host.engine.hang_after(changes);
    let mut command = host.command(&["reconcile", "--once", "--quiet"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let killed = eventually(Duration::from_secs(60), "the pass ends or hangs", || {
        ended_or_hung(host, &mut child)
    });
    let _ = child.kill();
    let _ = child.wait();
    host.engine.go_on();
    killed
}

fn ended_or_hung(host: &Host, child: &mut Child) -> Option<bool> {
    let ended = child.try_wait().unwrap().is_some();
    (ended || host.engine.hangs()).then_some(!ended)
}

#[track_caller]
fn is_as_git_says(host: &Host, port: u16, tag: &str, after: usize) {
    let names: Vec<String> = host.containers().into_keys().collect();
    assert_eq!(names, ["shop-other-1", "shop-web-1"], "killed after {after} changes");
    eventually(
        Duration::from_secs(60),
        &format!("version {tag}, killed after {after} changes"),
        || get(port, "/").filter(|body| body.contains(&format!("version={tag}\n"))),
    );
}

#[test]
fn a_first_deployment_that_was_killed_anywhere_is_finished_by_the_next_pass() {
    for after in 0.. {
        let (host, port) = (Host::new(), free_port());
        host.push("acme/web", "1", Kind::Web);
        host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", port))]);
        let killed = killed_after(&host, after);
        host.pass().ends(0);
        is_as_git_says(&host, port, "1", after);
        host.is_settled();
        if !killed {
            assert!(after > 4, "a deployment takes more than {after} changes");
            return;
        }
    }
}

#[test]
fn an_update_that_was_killed_anywhere_is_finished_by_the_next_pass() {
    let (host, port) = (Host::new(), free_port());
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", port))]);
    host.pass().ends(0);
    for after in 0.. {
        let tag = format!("{}", after + 2);
        host.push("acme/web", &tag, Kind::Web);
        host.commit(&[("shop-@ID@/compose.yaml", &manifest(&tag, port))]);
        let killed = killed_after(&host, after);
        host.pass().ends(0);
        is_as_git_says(&host, port, &tag, after);
        if !killed {
            assert!(after > 4, "an update takes more than {after} changes");
            break;
        }
    }
    host.is_settled();
}
