//! What a terminal gets to see, and what a pipe does: progress, colours, widths, and readers that have gone.

use std::process::{Command, Stdio};

use crate::support::host::Host;
use crate::support::registry::Kind;

const SHOP: &str = "services:\n  web: {image: '@REGISTRY@/acme/web:1'}\n";

fn with_a_commit() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host
}

/// What the program writes to a terminal of `columns` (`script` of bsdutils makes one).
fn on_a_terminal(host: &Host, columns: u32, environment: &str, arguments: &str) -> String {
    let program = env!("CARGO_BIN_EXE_evenkeel");
    let config = host.path("config.yaml").display().to_string();
    let arguments = host.fill(arguments);
    let line = format!(
        "stty cols {columns} rows 40; exec env {environment} '{program}' --config '{config}' {arguments}"
    );
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]).stdin(Stdio::null());
    command.env("TERM", "xterm").env("HOME", host.path("")).env_remove("DOCKER_HOST");
    let output = command.env_remove("NO_COLOR").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments}: {}\n{text}", output.status);
    text
}

#[test]
fn a_terminal_sees_each_step_at_work_and_a_pipe_sees_lines() {
    let host = with_a_commit();
    let seen = on_a_terminal(&host, 100, "", "reconcile --once");
    for part in ["pull-image", "await-gate running", "\u{1b}["] {
        assert!(seen.contains(part), "no `{part}` in {seen:?}");
    }
    host.commit(&[("shop-@ID@/compose.yaml", &SHOP.replace("}", ", init: true}"))]);
    let run = host.run(&["reconcile", "--once"]);
    run.ends(0).says("start-container: done");
    assert!(!run.everything().contains(['\u{1b}', '\r']), "{:?}", run.everything());
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    let run = host.run(&["reconcile", "--once", "--quiet"]);
    assert_eq!(run.ends(0).stderr, "");
    host.commit(&[("shop-@ID@/compose.yaml", &SHOP.replace("}", ", init: true}"))]);
    let seen = on_a_terminal(&host, 100, "", "reconcile --once --quiet");
    assert!(!seen.contains("await-gate"), "{seen:?}");
}

#[test]
fn colours_are_for_terminals_and_not_where_they_are_not_wanted() {
    let host = with_a_commit();
    host.pass().ends(0);
    let painted = |environment: &str, arguments: &str| {
        on_a_terminal(&host, 100, environment, arguments).contains("\u{1b}[")
    };
    assert!(painted("", "status"));
    assert!(!painted("NO_COLOR=1", "status"));
    assert!(!painted("", "status --color never"));
    assert!(!host.run(&["status"]).everything().contains('\u{1b}'));
    assert!(host.run(&["status", "--color", "always"]).stdout.contains('\u{1b}'));
}

#[test]
fn a_table_is_no_wider_than_its_terminal() {
    let host = with_a_commit();
    host.pass().ends(0);
    let longest = |text: &str| text.lines().map(|line| line.trim_end().chars().count()).max();
    let narrow = on_a_terminal(&host, 50, "NO_COLOR=1", "history");
    assert!(longest(&narrow) <= Some(50), "{narrow}");
    assert!(narrow.contains('…'), "{narrow}");
    assert!(longest(&host.run(&["history"]).stdout) > Some(80), "a pipe has room for everything");
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let host = with_a_commit();
    host.pass().ends(0);
    let repo = host.repo.directory().display().to_string();
    let commands: [&[&str]; 16] = [
        &["--help"],
        &["plan", "-v"],
        &["plan", "--output", "json"],
        &["validate", &repo],
        &["config", &repo],
        &["status"],
        &["status", "--output", "json"],
        &["explain", "shop-@ID@/web"],
        &["history"],
        &["history", "--source", "none"],
        &["images"],
        &["prune", "--dry-run"],
        &["sbom"],
        &["schema", "manifest"],
        &["doctor"],
        &["reconcile", "--once"],
    ];
    for arguments in commands {
        let mut command = host.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
    }
    // The same for whoever reads the log.
    host.commit(&[("shop-@ID@/compose.yaml", &SHOP.replace("}", ", init: true}"))]);
    let mut command = host.command(&["reconcile", "--once", "-vv"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    host.is_settled();
}
