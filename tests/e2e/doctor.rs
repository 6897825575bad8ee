//! `doctor`: a host that is well, and one after the other what can be wrong with it.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::host::Host;
use crate::support::registry::Kind;
use crate::web_server::WebServer;

const SHOP: &str = "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    env_file: [web.env]\n";
const QUICK: &str = "rollout: {stable: 500ms, monitor: 0s, deadline: 20s}";

fn deployed() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.env("shop-@ID@/web.env", "A=1\n");
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().ends(0);
    host
}

/// The states of everything that `what` stands before, each with what is said.
fn found(host: &Host, arguments: &[&str], what: &str) -> Vec<(String, String)> {
    let run = host.run(&[&["doctor", "--output", "json"], arguments].concat());
    let report = run.json();
    assert_eq!(report["schema"], "evenkeel.doctor/v1");
    let findings = report["findings"].as_array().unwrap();
    let fails = findings.iter().any(|one| one["state"] == "fail");
    run.ends(i32::from(fails));
    let bad = findings.iter().filter(|one| one["state"] != "ok");
    assert!(bad.clone().all(|one| one["remedy"].is_string()), "{report}");
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let of_it = findings.iter().filter(|one| text(one, "what").starts_with(what));
    of_it.map(|one| (text(one, "state"), text(one, "says"))).collect()
}

#[track_caller]
fn check(host: &Host, what: &str, state: &str, part: &str) {
    let found = found(host, &[], what);
    let is_told = found.iter().any(|(is, says)| is == state && says.contains(part));
    assert!(is_told, "no {what} that is {state} and says `{part}`: {found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_a_pass_needs_is_looked_at() {
    let host = deployed();
    let server = WebServer::start(host.path("").as_path()).await;
    let repo = format!("repo: 'http://127.0.0.1:{}/repo/.git'", server.port);
    host.configure_source(&repo, QUICK);
    for (what, part) in [
        ("engine", "storage driver"),
        ("source", ", at "),
        ("clock", "agrees"),
        ("registry", "lets us in"),
        ("state_dir", "can be written"),
        ("lock", "free"),
        ("database", "sound"),
        ("unit file", ""),
    ] {
        check(&host, what, "ok", part);
    }
}

#[test]
fn a_watchtower_beside_evenkeel_is_a_failure() {
    let host = deployed();
    let (image, tower) =
        (format!("containrrr/watchtower:{}", host.id), format!("tower-{}", host.id));
    host.docker(&["tag", &host.inspect("shop-web-1", "{{.Image}}"), &image]);
    host.docker(&["run", "-d", "--name", &tower, &image]);
    check(&host, "other updaters", "fail", &tower);
    host.docker(&["stop", "-t", "0", &tower]);
    let found = found(&host, &[], "other updaters");
    host.docker(&["rm", "-f", &tower]);
    host.docker(&["rmi", &image]);
    assert!(found.iter().all(|(_, says)| !says.contains(&tower)), "{found:?}");
}

#[test]
fn what_is_wrong_with_env_files_is_told() {
    let host = deployed();
    check(&host, "env_dir", "warn", "web.env can be read by everybody");
    std::fs::remove_file(host.path("env/shop-@ID@/web.env")).unwrap();
    check(&host, "stack", "fail", "which this server does not have");
    std::fs::remove_dir_all(host.path("env")).unwrap();
    std::fs::write(host.path("env"), "").unwrap();
    check(&host, "env_dir", "fail", "/env");
}

#[test]
fn logs_that_grow_and_a_damaged_database_are_told() {
    let host = deployed();
    check(&host, "logs", "warn", "shop-");
    let limited = "    logging: {driver: json-file, options: {max-size: 1m}}\n";
    host.commit(&[("shop-@ID@/compose.yaml", &format!("{SHOP}{limited}"))]);
    host.pass().ends(0);
    let own = host.name("shop-web-1");
    let grows = found(&host, &[], "logs");
    assert!(grows.iter().all(|(_, says)| !says.contains(&own)), "{grows:?}");
    for name in ["evenkeel.db-wal", "evenkeel.db-shm"] {
        let _ = std::fs::remove_file(host.path(&format!("state/{name}")));
    }
    std::fs::write(host.path("state/evenkeel.db"), "no database, whatever it is").unwrap();
    check(&host, "database", "fail", "evenkeel.db");
}

#[test]
fn a_registry_and_an_engine_that_are_down_hide_nothing_else() {
    let mut host = deployed();
    host.registry.stop();
    check(&host, "registry", "warn", "gives no answer");
    let nowhere = format!("unix://{}", host.path("nobody.sock").display());
    let engine = found(&host, &["--docker", &nowhere], "engine");
    assert_eq!(engine[0].0, "fail", "{engine:?}");
    let source = found(&host, &["--docker", &nowhere], "source");
    assert_eq!(source[0].0, "ok", "{source:?}");
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for() {
    let host = deployed();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    host.configure_source(&format!("repo: 'http://127.0.0.1:{port}/infra.git'"), QUICK);
    let begun = Instant::now();
    check(&host, "source", "fail", "no answer within 10 s");
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
}
