//! Who is told what, seen from who is told: one message for each change of state, whoever does not answer.

use std::net::TcpListener;
use std::time::Duration;

use crate::support::eventually;
use crate::support::host::Host;
use crate::support::registry::Kind;

const LONG: Duration = Duration::from_secs(30);
const QUICK: &str = "rollout: {stable: 1s, monitor: 0s, deadline: 10s}";

fn manifest(tag: &str, more: &str) -> String {
    format!("services:\n  web:\n    image: @REGISTRY@/acme/web:{tag}\n    {more}\n")
}

/// Has a program told all there is, which adds it to the server's file `told`; another recipient takes
/// connections and never answers. The disk of whoever runs this is none of it.
fn told_beside_one_that_hangs(host: &Host) -> TcpListener {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", silent.local_addr().unwrap());
    let script = format!("cat >>{told}; echo >>{told}", told = host.path("told").display());
    let notify = format!(
        "notify: [{{webhook: {{url: '{url}'}}}}, {{command: [sh, -c, '{script}'], stacks: ['shop-*']}}]"
    );
    host.configure(&format!("{QUICK}\n{notify}"));
    silent
}

/// The event of each message, and all of them as text.
fn told(host: &Host) -> (Vec<String>, String) {
    let text = host.read("told");
    let messages = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let messages: Vec<serde_json::Value> = messages.collect();
    let stack = format!("shop-{}", host.id);
    let word = |message: &serde_json::Value| {
        assert_eq!((&message["kind"], &message["name"]), (&"stack".into(), &stack.clone().into()));
        message["event"].as_str().unwrap().to_owned()
    };
    (messages.iter().map(word).collect(), text)
}

#[test]
fn a_bad_release_is_told_once_and_so_is_the_good_one_after_it() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    let _silent = told_beside_one_that_hangs(&host);
    host.env("shop-@ID@.env", "PASSWORD=correct-horse\n");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", ""))]);
    host.pass().ends(0).does(&["shop/web create done"]);
    assert_eq!(told(&host).0, ["deployed"]);
    let bad = "environment: {P: '${PASSWORD}'}\n    command: [sh, -c, 'echo no $$P; exit 3']";
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2", bad))]);
    host.pass().ends(4);
    host.pass().ends(1);
    host.pass().ends(1);
    let (events, text) = told(&host);
    assert_eq!(events, ["deployed", "rolled-back"]);
    assert!(text.contains("it exited with code 3"), "{text}");
    assert!(!text.contains("correct-horse") && text.contains("no •••"), "{text}");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2", ""))]);
    host.pass().ends(0).does(&["shop/web update done"]);
    host.is_settled();
    assert_eq!(told(&host).0, ["deployed", "rolled-back", "recovered"]);
}

#[test]
fn the_daemon_tells_beside_its_passes_and_a_test_says_who_can_be_reached() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let silent = told_beside_one_that_hangs(&host);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", ""))]);
    let mut daemon = host.start(&["reconcile"], "daemon.log");
    eventually(LONG, "it is told", || (told(&host).0 == ["deployed"]).then_some(()));
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", "environment: {A: b}"))]);
    eventually(LONG, "passes go on", || (told(&host).0 == ["deployed"; 2]).then_some(()));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    drop(silent);
    std::fs::remove_file(host.path("told")).unwrap();
    let run = host.run(&["notify", "test"]);
    run.ends(1);
    assert!(run.stdout.contains("command (command): told"), "{}", run.stdout);
    assert!(run.stdout.contains("webhook (webhook): not told: "), "{}", run.stdout);
    host.run(&["notify", "test", "command"]).ends(0);
    assert_eq!(host.read("told").lines().count(), 2);
    let nobody = host.run(&["notify", "test", "nobody"]);
    nobody.ends(1);
    assert!(nobody.stderr.contains("there are webhook, command"), "{}", nobody.stderr);
}
