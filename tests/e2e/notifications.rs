//! Who is told what, seen from who is told: one message for each change of state, whoever does not answer.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::eventually;
use crate::support::host::Host;
use crate::support::registry::Kind;

const LONG: Duration = Duration::from_secs(90);
const QUICK: &str = "rollout: {stable: 1s, monitor: 0s, deadline: 30s}";

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

/// A forge that takes every status, and remembers path, token and what it was told.
struct SmallForge {
    address: String,
    asked: Arc<Mutex<Vec<(String, String, serde_json::Value)>>>,
}

impl SmallForge {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<_>>> = Arc::default();
        let remembered = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let request = answer(stream.unwrap());
                remembered.lock().unwrap().push(request);
            }
        });
        Self { address, asked }
    }

    /// The state of each status it was told of `commit`.
    fn told_of(&self, commit: &str) -> Vec<String> {
        let path = format!("/api/v4/projects/acme%2Finfra/statuses/{commit}");
        let asked = self.asked.lock().unwrap();
        let of_commit = asked.iter().filter(|(asked, _, _)| *asked == path);
        of_commit.map(|(_, _, told)| told["state"].as_str().unwrap().to_owned()).collect()
    }
}

/// Reads one request and answers it.
fn answer(stream: TcpStream) -> (String, String, serde_json::Value) {
    let mut reader = BufReader::new(stream);
    let (mut path, mut token, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim();
        match line.split_once(": ") {
            _ if line.is_empty() => break,
            None => path = line.split(' ').nth(1).unwrap().to_owned(),
            Some((name, value)) => match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "private-token" => token = value.to_owned(),
                _ => {}
            },
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer = "HTTP/1.1 201 Created\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    reader.get_mut().write_all(answer.as_bytes()).unwrap();
    (path, token, serde_json::from_slice(&body).unwrap())
}

#[test]
fn a_forge_is_told_how_each_commit_fares() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    let forge = SmallForge::start();
    std::fs::write(host.path("token"), "glpat-1\n").unwrap();
    let source = format!(
        "repo: 'file://{repo}', commit_status: {{forge: gitlab, token_file: '{token}', \
         url: '{url}/api/v4', project: acme/infra}}",
        repo = host.repo.directory().display(),
        token = host.path("token").display(),
        url = forge.address,
    );
    host.configure_source(&source, QUICK);
    host.env("shop-@ID@.env", "PASSWORD=correct-horse\n");
    let good = host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", ""))]);
    host.pass().ends(0);
    host.pass().ends(0);
    assert_eq!(forge.told_of(&good), ["success"]);
    let bad = "environment: {P: '${PASSWORD}'}\n    command: [sh, -c, 'echo no $$P; exit 3']";
    let bad = host.commit(&[("shop-@ID@/compose.yaml", &manifest("2", bad))]);
    host.pass().ends(4);
    host.pass().ends(1);
    assert_eq!(forge.told_of(&bad), ["failed"]);
    {
        let asked = forge.asked.lock().unwrap();
        let (_, token, told) = asked.last().unwrap();
        assert_eq!(token, "glpat-1");
        let why = told["description"].as_str().unwrap();
        assert!(why.contains("it exited with code 3"), "{told}");
        assert!(told["name"].as_str().unwrap().starts_with("evenkeel/"), "{told}");
        let link = format!("{}/acme/infra/-/tree/{bad}/shop-{}", forge.address, host.id);
        assert_eq!(told["target_url"], link);
        assert!(!told.to_string().contains("correct-horse"), "{told}");
    }
    // Long enough at its gate for the forge to hear that something is under way.
    host.configure_source(&source, "rollout: {stable: 5s, monitor: 0s, deadline: 60s}");
    let again = host.commit(&[("shop-@ID@/compose.yaml", &manifest("2", ""))]);
    let mut daemon = host.start(&["reconcile"], "daemon.log");
    eventually(LONG, "it succeeds", || {
        (forge.told_of(&again) == ["pending", "success"]).then_some(())
    });
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}
