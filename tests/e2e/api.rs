//! The daemon's API, asked as others ask it: by its socket and by TCP.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::daemon::{Daemon, LONG, manifest, runs};
use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::support::run::Run;
use crate::support::{eventually, free_port};

const CHECKED: &str = "    healthcheck: {test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8000/health'], interval: 500ms, retries: 2}\n";

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

fn ask(stream: &mut (impl Read + Write), line: &str, head: &str, body: &str) -> Option<Answer> {
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.0\r\nHost: evenkeel\r\nContent-Length: {length}\r\n{head}\r\n{body}"
    );
    // A daemon that has heard enough closes before all is said.
    let _ = stream.write_all(request.as_bytes());
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

fn socket(host: &Host) -> UnixStream {
    let path = host.path("evenkeel.sock");
    let stream = eventually(LONG, "the daemon listens", || UnixStream::connect(&path).ok());
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

#[track_caller]
fn get(host: &Host, path: &str) -> Answer {
    ask(&mut socket(host), &format!("GET {}", host.fill(path)), "", "").unwrap()
}

#[track_caller]
fn post(host: &Host, path: &str, wish: &Value) -> Answer {
    let head = "Content-Type: application/json\r\n";
    let body = host.fill(&wish.to_string());
    ask(&mut socket(host), &format!("POST {path}"), head, &body).unwrap()
}

/// A request by TCP with a token; an empty one is not shown.
#[track_caller]
fn by_tcp(port: u16, line: &str, token: &str, body: &str) -> Answer {
    let address = ("127.0.0.1", port);
    let mut stream = eventually(LONG, "the daemon listens", || TcpStream::connect(address).ok());
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let token = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let head = format!("Content-Type: application/json\r\n{token}");
    ask(&mut stream, line, &head, body).unwrap()
}

/// A host with `web` in version 1, whose daemon looks by itself once an hour.
fn deployed() -> (Host, Daemon) {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    seldom(&host);
    let daemon = Daemon::start(&host);
    is_deployed(&host);
    (host, daemon)
}

fn seldom(host: &Host) {
    let config = host.read("config.yaml").replace("interval: 1s", "interval: 1h");
    std::fs::write(host.path("config.yaml"), config).unwrap();
}

fn is_ready(host: &Host) {
    eventually(LONG, "the daemon is ready", || (get(host, "/readyz").status == 200).then_some(()));
}

/// Ready is who makes passes: one that found nothing else to do may end before the one that deploys, and what runs may
/// still be at its gate.
fn is_deployed(host: &Host) {
    is_ready(host);
    eventually(LONG, "it is deployed", || {
        let history = host.run(&["history", "--output", "json"]).json();
        (history["generations"][0]["outcome"] == "converged").then_some(())
    });
}

/// The report without what depends on when it was made, and on what other hosts have at this engine.
fn of_host(host: &Host, mut report: Value) -> Value {
    report["at"] = Value::Null;
    for source in report["sources"].as_array_mut().into_iter().flatten() {
        source["stale_seconds"] = Value::Null;
    }
    if let Some(stacks) = report["stacks"].as_array_mut() {
        stacks.retain(|stack| stack["stack"].as_str().is_some_and(|name| name.contains(&host.id)));
        assert_eq!(stacks.len(), 1);
    }
    report
}

#[test]
fn the_socket_answers_what_the_commands_print() {
    let (host, mut daemon) = deployed();
    let mode = std::fs::metadata(host.path("evenkeel.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    get(&host, "/healthz").is(200);
    for (path, command) in [
        ("/api/v1/status", vec!["status"]),
        ("/api/v1/stacks/shop-@ID@", vec!["status", "shop-@ID@"]),
        ("/api/v1/stacks/shop-@ID@/web", vec!["status", "shop-@ID@/web"]),
        ("/api/v1/history", vec!["history"]),
        ("/api/v1/history?scope=shop-@ID@/web&outcome=converged", vec!["history", "shop-@ID@/web"]),
        ("/api/v1/plan", vec!["plan"]),
        ("/api/v1/plan?only=shop-@ID@&offline=true", vec!["plan", "--offline"]),
    ] {
        let (asked, printed) = (
            get(&host, path).is(200).json(),
            host.run(&[&command[..], &["--output", "json"]].concat()),
        );
        let printed = printed.ends(0).json();
        assert_eq!(of_host(&host, asked), of_host(&host, printed), "{path}");
    }
    let unknown = get(&host, "/api/v1/stacks/shpo").is(404).json();
    assert_eq!(unknown["schema"], "evenkeel.error/v1");
    assert!(unknown["hint"].as_str().unwrap().contains(&host.id), "{unknown}");
    get(&host, "/api/v1/status?scoop=x").is(400);
    get(&host, "/api/v1/plan?ref=main").is(400);
    get(&host, "/api/v1/nothing").is(404);
    get(&host, "/api/v1/hold").is(405);
    let document = get(&host, "/api/v1/openapi.json").is(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(daemon.stop(), Some(0));
    assert!(!host.path("evenkeel.sock").exists(), "it goes with its daemon");
}

#[test]
fn a_commit_is_compared_with_the_host_before_it_is_accepted() {
    let (host, mut daemon) = deployed();
    host.repo.git(&["checkout", "-q", "-b", "wish"]);
    let wish = host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    host.repo.git(&["checkout", "-q", "main"]);
    let before = host.containers();
    let plan = get(&host, &format!("/api/v1/plan?ref={wish}")).is(200).json();
    assert_eq!(plan["schema"], "evenkeel.plan/v1");
    assert_eq!((&plan["changes"], &plan["stacks"][0]["commit"]), (&json!(1), &json!(wish)));
    let now = get(&host, "/api/v1/plan").is(200).json();
    assert_eq!(now["changes"], 0, "what is followed is what it was: {now}");
    let nowhere = "0123456789012345678901234567890123456789";
    get(&host, &format!("/api/v1/plan?ref={nowhere}")).is(404);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn by_tcp_only_a_token_opens_and_the_second_one_only_reads() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    let port = free_port();
    let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::fs::write(host.path("token"), "all-7281\n").unwrap();
    std::fs::write(host.path("read"), "some-7281\n").unwrap();
    let at = |name: &str| host.path(name).display().to_string();
    let listen = |port: u16| {
        host.configure(&format!(
            "rollout: {{stable: 500ms, monitor: 0s, deadline: 20s}}\n\
             http: {{listen: '127.0.0.1:{port}', token_file: {}, read_token_file: {}}}",
            at("token"),
            at("read"),
        ));
    };
    listen(port);
    let mut daemon = Daemon::start(&host);
    runs(&host, "1");
    assert!(host.read("daemon.log").contains("cannot be had"), "{}", host.read("daemon.log"));
    drop(taken);
    // From the next pass on.
    by_tcp(port, "GET /healthz", "", "").is(200);
    for (line, token, status) in [
        ("GET /api/v1/status", "", 401),
        ("GET /api/v1/status", "all-7280", 401),
        ("GET /api/v1/status", "some-7281", 200),
        ("GET /api/v1/status", "all-7281", 200),
        ("POST /api/v1/reconcile", "", 401),
        ("POST /api/v1/reconcile", "some-7281", 403),
        ("POST /api/v1/reconcile", "all-7281", 202),
        ("POST /api/v1/hold", "all-7281", 400),
        ("GET /api/v1/openapi.json", "", 200),
    ] {
        let answer = by_tcp(port, line, token, "").is(status);
        let is_told = |token| answer.body.contains(token);
        assert!(!is_told("all-7281") && !is_told("some-7281"), "{answer:?}");
    }
    let large = format!("{{\"scope\": \"{}\"}}", "x".repeat(70_000));
    by_tcp(port, "POST /api/v1/hold", "all-7281", &large).is(413);
    let slow = TcpStream::connect(("127.0.0.1", port)).unwrap();
    (&slow).write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ").unwrap();
    slow.set_read_timeout(Some(LONG)).unwrap();
    let mut rest = Vec::new();
    assert!((&slow).read_to_end(&mut rest).is_ok(), "the daemon ends it, not this test");
    // All in one breath, however slow this machine is.
    let often = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".repeat(199)
        + "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.write_all(often.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    let refused = answers.split("HTTP/1.1 ").find(|answer| answer.starts_with("429"));
    let refused = refused.expect("too often").to_lowercase();
    assert!(refused.contains("retry-after: "), "{refused}");
    get(&host, "/healthz").is(200);
    std::fs::write(host.path("token"), "new-7281").unwrap();
    let other = free_port();
    listen(other);
    eventually(LONG, "the daemon has moved", || TcpStream::connect(("127.0.0.1", other)).ok());
    by_tcp(other, "POST /api/v1/reconcile", "new-7281", "").is(202);
    by_tcp(other, "POST /api/v1/reconcile", "all-7281", "").is(401);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody listens there any more");
    assert_eq!(daemon.stop(), Some(0));
}

/// A webhook with `body`, signed with `secret` as GitHub does it.
#[track_caller]
fn told(port: u16, path: &str, event: &str, secret: &str, body: &str) -> Answer {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = ring::hmac::sign(&key, body.as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let event =
        if event.is_empty() { String::new() } else { format!("X-GitHub-Event: {event}\r\n") };
    let head =
        format!("Content-Type: application/json\r\n{event}X-Hub-Signature-256: sha256={hex}\r\n");
    let address = ("127.0.0.1", port);
    let mut stream = eventually(LONG, "the daemon listens", || TcpStream::connect(address).ok());
    stream.set_read_timeout(Some(LONG)).unwrap();
    ask(&mut stream, &format!("POST {path}"), &head, body).unwrap()
}

#[test]
fn who_knows_the_secret_of_webhooks_wakes_what_follows_and_nobody_else_does() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    let follows = "services:\n  web: {image: '@REGISTRY@/acme/web:1', pull_policy: daily}\n";
    host.commit(&[("shop-@ID@/compose.yaml", follows)]);
    let port = free_port();
    std::fs::write(host.path("token"), "all-7281").unwrap();
    std::fs::write(host.path("secret"), "sesame-4093\n").unwrap();
    host.configure(&format!(
        "rollout: {{stable: 500ms, monitor: 0s, deadline: 20s}}\n\
         http: {{listen: '127.0.0.1:{port}', token_file: {}, webhook_secret_file: {}}}",
        host.path("token").display(),
        host.path("secret").display(),
    ));
    seldom(&host);
    let mut daemon = Daemon::start(&host);
    is_deployed(&host);
    let push = |branch: &str| {
        let repo = format!("file://{}", host.repo.directory().display());
        json!({"ref": format!("refs/heads/{branch}"), "repository": {"clone_url": repo}})
            .to_string()
    };
    let woken = |answer: Answer| answer.is(202).json()["woken"].as_array().unwrap().len();
    host.commit(&[("shop-@ID@/compose.yaml", &follows.replace("web:1", "web:2"))]);
    told(port, "/hooks/git", "push", "guessed", &push("main")).is(401);
    assert_eq!(woken(told(port, "/hooks/git", "push", "sesame-4093", &push("other"))), 0);
    assert_eq!(woken(told(port, "/hooks/git", "ping", "sesame-4093", "{}")), 0);
    runs(&host, "1");
    assert_eq!(woken(told(port, "/hooks/git", "push", "sesame-4093", &push("main"))), 1);
    runs(&host, "2");

    // The registry has another image under that tag, and says so.
    let (registry, moved) =
        (host.fill("@REGISTRY@"), host.push("acme/web", "2", Kind::BrokenHealth));
    let event = json!({"events": [{
        "action": "push",
        "target": {"repository": "acme/web", "tag": "2", "digest": moved},
        "request": {"host": registry},
    }]});
    assert_eq!(woken(told(port, "/hooks/registry", "", "sesame-4093", &event.to_string())), 1);
    eventually(LONG, "the image that the tag has now runs", || {
        let image = host.try_inspect("shop-web-1", "{{.Config.Image}}")?;
        image.contains(&moved).then_some(())
    });
    let large = " ".repeat(1 << 21);
    told(port, "/hooks/git", "push", "sesame-4093", &large).is(413);

    by_tcp(port, "GET /metrics", "", "").is(401);
    by_tcp(port, "GET /metrics", "all-7281", "").is(200);
    let counted = host.fill("evenkeel_rollouts_total{stack=\"shop-@ID@\",outcome=\"done\"} 3");
    eventually(LONG, "three rollouts are counted", || {
        let metrics = get(&host, "/metrics").is(200);
        assert!(metrics.head.contains("application/openmetrics-text"), "{}", metrics.head);
        metrics.body.contains(&counted).then_some(())
    });
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_hold_that_is_posted_during_a_pass_waits_for_it_and_holds() {
    let (host, mut daemon) = deployed();
    host.commit(&[("shop-@ID@/compose.yaml", &(manifest("2") + CHECKED))]);
    let asked = post(&host, "/api/v1/reconcile", &json!({})).is(202).json();
    let same = post(&host, "/api/v1/reconcile", &json!({})).is(202).json();
    assert!(same["pass"].as_u64() >= asked["pass"].as_u64(), "{asked} {same}");
    // At its gate: the pass has its turn, and a hold cannot come before it.
    runs(&host, "2");
    let wish = json!({"scope": "shop-@ID@/web", "for": "2h", "reason": "a look"});
    let done = post(&host, "/api/v1/hold", &wish).is(200).json();
    assert_eq!((&done["schema"], &done["changed"]), (&json!("evenkeel.done/v1"), &json!(1)));
    ended(&host, &asked);
    runs(&host, "2");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1"))]);
    let asked = post(&host, "/api/v1/reconcile", &json!({})).is(202).json();
    ended(&host, &asked);
    let web = get(&host, "/api/v1/stacks/shop-@ID@/web").is(200).json();
    assert_eq!(web["stacks"][0]["services"][0]["held_by"], "operator", "{web}");
    runs(&host, "2");
    post(&host, "/api/v1/unhold", &json!({"scope": "shop-@ID@"})).is(200);
    runs(&host, "1");
    post(&host, "/api/v1/hold", &json!({"scope": "shpo"})).is(404);
    assert_eq!(daemon.stop(), Some(0));
}

/// Waits for the end of a pass that was asked for.
#[track_caller]
fn ended(host: &Host, asked: &Value) -> Value {
    let path = format!("/api/v1/passes/{}", asked["pass"]);
    eventually(LONG, "the pass has ended", || {
        let answer = get(host, &path);
        (answer.status == 200).then(|| answer.json())
    })
}

#[test]
fn a_pass_that_is_waited_for_ends_as_one_made_here_would() {
    let (host, mut daemon) = deployed();
    host.push("acme/web", "9", Kind::BrokenHealth);
    let wait = ["reconcile", "--wait", "--output", "json"];
    host.run(&wait).ends(0).does(&[]);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    host.run(&["reconcile", "--wait"]).ends(0).says("shop/web: start-container: done").says("web");
    runs(&host, "2");
    host.commit(&[("shop-@ID@/compose.yaml", &(manifest("9") + CHECKED))]);
    let failed = host.run(&wait);
    failed.ends(4).does(&["shop/web update rolled-back"]).says("goes back to what ran before");
    host.run(&wait).ends(1);
    host.run(&["reconcile", "--wait", "--only", "shpo"]).ends(1).says("neither git nor this host");
    let rolled = post(&host, "/api/v1/rollback", &json!({"scope": "shop-@ID@/web"})).is(202);
    assert_eq!(ended(&host, &rolled.json())["outcome"], "converged");
    runs(&host, "1");
    assert_eq!(daemon.stop(), Some(0));
    host.run(&wait).ends(1).says("no daemon can be asked").says("systemctl start evenkeel");
}

#[test]
fn what_happens_in_a_pass_is_told_as_it_happens() {
    let (host, mut daemon) = deployed();
    let mut events = socket(&host);
    events.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: evenkeel\r\n\r\n").unwrap();
    let mut heard = String::new();
    let mut read = |until: &str| {
        let mut bytes = [0; 4096];
        while !heard.contains(until) {
            let length = events.read(&mut bytes).unwrap();
            assert!(length > 0, "{heard}");
            heard += &String::from_utf8_lossy(&bytes[..length]);
        }
        heard.clone()
    };
    read(": events follow");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    let pass = post(&host, "/api/v1/reconcile", &json!({})).is(202).json()["pass"].clone();
    let heard = read(&format!("\"pass\":{pass},\"event\":\"pass-ended\""));
    let kinds: Vec<Value> = heard
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .filter(|event: &Value| event["pass"] == pass)
        .map(|event| event["event"].clone())
        .filter(|kind| kind != "pulling")
        .collect();
    assert_eq!((&kinds[0], &kinds[1]), (&json!("pass-begun"), &json!("step-begun")), "{heard}");
    assert!(heard.contains("await-gate"), "{heard}");
    assert_eq!(kinds.last(), Some(&json!("pass-ended")));
    let many = |word: &str| kinds.iter().filter(|kind| **kind == word).count();
    assert_eq!(many("step-begun"), many("step-done"), "{heard}");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_thousand_who_ask_at_once_disturb_no_rollout() {
    let (host, mut daemon) = deployed();
    host.commit(&[("shop-@ID@/compose.yaml", &(manifest("2") + CHECKED))]);
    let asked = post(&host, "/api/v1/reconcile", &json!({})).is(202).json();
    let answers: Vec<Option<Answer>> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..1_000)
            .map(|_| scope.spawn(|| ask(&mut socket(&host), "GET /api/v1/status", "", "")))
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let answers: Vec<Answer> = answers.into_iter().map(Option::unwrap).collect();
    let good = answers.iter().filter(|answer| answer.status == 200).count();
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.head.to_lowercase().contains("retry-after: 1"), "{answer:?}");
    }
    assert!(good > 0);
    let report = ended(&host, &asked);
    assert_eq!(report["outcome"], "converged", "{report}");
    runs(&host, "2");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn no_answer_holds_a_value_of_the_server() {
    const SECRET: &str = "sesame-7281-open";
    let talks = "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    env_file: .env\n    labels: {note: '${PASSWORD}'}\n    command: [sh, -c, 'echo the password is $$PASSWORD; exit 1']\n";
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.env("shop-@ID@.env", &format!("PASSWORD={SECRET}\n"));
    host.commit(&[("shop-@ID@/compose.yaml", talks)]);
    seldom(&host);
    let mut daemon = Daemon::start(&host);
    is_ready(&host);
    let mut events = socket(&host);
    events.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: evenkeel\r\n\r\n").unwrap();
    post(&host, "/api/v1/retry", &json!({"scope": "shop-@ID@"})).is(200);
    let asked = post(&host, "/api/v1/reconcile", &json!({})).is(202).json();
    let report = ended(&host, &asked);
    let mut told = report.to_string();
    for path in [
        "/readyz",
        "/api/v1/status",
        "/api/v1/plan",
        "/api/v1/history",
        "/api/v1/stacks/shop-@ID@/web",
    ] {
        told += &get(&host, path).body;
    }
    assert_eq!(daemon.stop(), Some(0));
    let mut heard = String::new();
    let _ = events.read_to_string(&mut heard);
    assert!(heard.contains("pass-ended") && told.contains("password is"), "{heard}{told}");
    assert!(!(told + &heard).contains(SECRET));
}

#[test]
fn somebody_without_rights_asks_the_daemon() {
    let (host, mut daemon) = deployed();
    let open = |path, mode| {
        std::fs::set_permissions(host.path(path), PermissionsExt::from_mode(mode)).unwrap();
    };
    open("", 0o755);
    std::os::unix::fs::chown(host.path("evenkeel.sock"), None, Some(65_534)).unwrap();
    let run = |arguments: &[&str]| {
        let program = host.command(arguments);
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
        command.arg(program.get_program()).args(program.get_args());
        command.env("EVENKEEL_SOCKET", host.path("evenkeel.sock"));
        Run::new(&command.output().unwrap(), &host.id)
    };
    run(&["status"]).ends(0).says("in-sync");
    let mine = host.run(&["status", "--output", "json"]).stack("shop");
    assert_eq!(run(&["status", "--output", "json"]).stack("shop"), mine);
    run(&["plan", "--exit-code"]).ends(0);
    run(&["history"]).ends(0).says("web");
    run(&["hold", "shop-@ID@/web", "--reason", "a look"]).ends(0).says("shop/web is held");
    host.run(&["status"]).ends(0).says("a look");
    run(&["unhold", "--all"]).ends(0).says("shop/web: the hold since");
    run(&["retry", "shop-@ID@"]).ends(0).says("nothing of shop");
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2"))]);
    // Nothing tells the daemon of a commit that nobody fetched, but a question of a second later.
    eventually(LONG, "the commit is planned", || {
        (run(&["plan", "--exit-code"]).code == 3).then_some(())
    });
    run(&["reconcile", "--wait"]).ends(0);
    runs(&host, "2");
    run(&["rollback", "shop-@ID@/web"]).ends(0).says("is held until git changes");
    runs(&host, "1");
    run(&["status", "shpo"]).ends(1).says("neither git nor this host has");
    assert_eq!(daemon.stop(), Some(0));
    run(&["status"]).ends(1).says("run evenkeel as root");
}
