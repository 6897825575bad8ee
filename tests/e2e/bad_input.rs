//! Bad input: each has its own clear error, everything else goes on, and what ran keeps running.

use crate::support::free_port;
use crate::support::host::Host;
use crate::support::registry::Kind;

const GOOD: &str = "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n";
const BETTER: &str = "services:\n  web:\n    image: @REGISTRY@/acme/web:2\n";

/// What runs before: on the engine's own network, since an engine has addresses for some thirty networks only.
const PLAIN: &str =
    "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    network_mode: bridge\n";

/// A stack's name, what its file says, and what the message must name: the place, and the thing or the next move.
type Case = (&'static str, &'static str, &'static [&'static str]);

const UNUSABLE: [Case; 13] = [
    ("yaml", "services:\n  web:\n    image: [\n", &["yaml/compose.yaml:"]),
    (
        "types",
        "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    ports: {a: b}\n",
        &["types/compose.yaml:4", "ports"],
    ),
    (
        "unknown",
        "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    enviroment: {A: b}\n",
        &["unknown/compose.yaml:4", "enviroment", "environment"],
    ),
    (
        "unset",
        "services:\n  web:\n    image: @REGISTRY@/acme/web:${TAG:?say which version}\n",
        &["unset/compose.yaml:3", "TAG", "say which version"],
    ),
    (
        "envfile",
        "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    env_file: api.env\n",
        &["envfile/compose.yaml:4", "api.env", "web"],
    ),
    (
        "depends",
        "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    depends_on: [databse]\n",
        &["depends/compose.yaml:4", "databse"],
    ),
    (
        "cycle",
        "services:\n  web: {image: '@REGISTRY@/acme/web:1', depends_on: [b]}\n  b: {image: '@REGISTRY@/acme/web:1', depends_on: [web]}\n",
        &["cycle/compose.yaml:", "depends_on"],
    ),
    (
        "twice",
        "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    image: @REGISTRY@/acme/web:2\n",
        &["twice/compose.yaml:4", "image"],
    ),
    ("build", "services:\n  web:\n    build: .\n", &["build/compose.yaml:3", "build"]),
    (
        "climbs",
        "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    env_file: ../../../etc/passwd\n",
        &["climbs/compose.yaml:4"],
    ),
    ("noservice", "services: {}\nnetwork: {}\n", &["noservice/compose.yaml:2", "network"]),
    (
        "badimage",
        "services:\n  web:\n    image: 'Not An Image'\n",
        &["badimage/compose.yaml:3", "Not An Image"],
    ),
    (
        "badkey",
        "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    x-evenkeel: {kep: 3}\n",
        &["badkey/compose.yaml:4", "kep"],
    ),
];

/// Deploys `names` as they should be, and one more stack, `good`.
fn deployed(names: &[&str]) -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    for name in names.iter().chain(&["good"]) {
        host.commit(&[(&format!("{name}-@ID@/compose.yaml"), PLAIN)]);
    }
    host.pass().ends(0);
    host
}

/// The pass updates `good`, and nothing else has changed since `before`.
#[track_caller]
fn only_the_good_one_moves(host: &Host) -> crate::support::run::Run {
    let before = host.containers();
    host.commit(&[("good-@ID@/compose.yaml", BETTER)]);
    let run = host.pass();
    assert_eq!(host.changed_since(&before), ["good-web-1"], "{}", run.everything());
    run
}

#[test]
fn manifests_that_cannot_be_used_are_named_and_touch_nothing() {
    let names = UNUSABLE.map(|(name, _, _)| name);
    let host = deployed(&names);
    for (name, manifest, _) in UNUSABLE {
        host.commit(&[(&format!("{name}-@ID@/compose.yaml"), manifest)]);
    }
    let run = only_the_good_one_moves(&host);
    run.ends(1);
    for text in UNUSABLE.iter().flat_map(|(_, _, texts)| *texts) {
        run.says(text);
    }
}

#[test]
fn files_that_are_too_large_or_not_text_are_refused_quickly() {
    let host = deployed(&["bomb", "huge", "bytes"]);
    let at = |name: &str| format!("{name}-{}/compose.yaml", host.id);
    host.repo.write(&at("bomb"), alias_bomb());
    host.repo.write(&at("huge"), format!("{GOOD}# {}\n", "x".repeat(50 << 20)));
    host.repo.write(&at("bytes"), b"services:\n  web:\n    image: \xff\xfe\n");
    let run = only_the_good_one_moves(&host);
    run.ends(1).says("bomb/compose.yaml").says("huge/compose.yaml").says("bytes/compose.yaml");
}

/// Nine levels of nine references each: 387 million values in three hundred bytes.
fn alias_bomb() -> String {
    let mut text = String::from("x-0: &a0 [lol]\n");
    for level in 1..=9 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("x-{level}: &a{level} [{below}]\n"));
    }
    text.push_str("services:\n  web:\n    image: web\n    command: *a9\n");
    text
}

#[test]
fn a_link_out_of_the_repository_is_not_followed() {
    let host = deployed(&["link", "mount"]);
    host.repo.remove(&format!("link-{}/compose.yaml", host.id));
    host.repo.link(&format!("link-{}/compose.yaml", host.id), "/etc/passwd");
    host.repo.link(&format!("mount-{}/conf", host.id), "/etc");
    host.commit(&[(
        "mount-@ID@/compose.yaml",
        &format!("{GOOD}    volumes: ['./conf:/conf:ro']\n"),
    )]);
    let run = only_the_good_one_moves(&host);
    run.ends(1).says("link").says("mount/compose.yaml:4");
    assert!(!run.everything().contains("/bin/bash"), "nothing of /etc/passwd is shown");
}

#[test]
fn two_stacks_of_one_name_are_both_named_and_both_left_alone() {
    let host = deployed(&["twin"]);
    let twin = format!("name: twin-@ID@\n{BETTER}");
    host.commit(&[("twin-@ID@/compose.yaml", &twin), ("other-@ID@/compose.yaml", &twin)]);
    let run = only_the_good_one_moves(&host);
    run.ends(1).says("twin/compose.yaml").says("other/compose.yaml");
}

#[test]
fn images_that_do_not_exist_are_named_and_what_runs_keeps_running() {
    let host = deployed(&["noimage", "notag"]);
    let image = |name: &str| format!("services:\n  web:\n    image: @REGISTRY@/{name}\n");
    host.commit(&[
        ("noimage-@ID@/compose.yaml", &image("acme/wbe:1")),
        ("notag-@ID@/compose.yaml", &image("acme/web:9.9")),
    ]);
    let run = only_the_good_one_moves(&host);
    run.ends(1).says("acme/wbe:1").says("acme/web:9.9");
}

#[test]
fn a_port_that_is_taken_is_named_and_what_ran_runs_again() {
    let host = deployed(&["port"]);
    let port = free_port();
    host.docker(&[
        "run",
        "-d",
        "--name",
        "thief-@ID@",
        "-p",
        &format!("{port}:8000"),
        "@REGISTRY@/acme/web:1",
    ]);
    host.commit(&[("port-@ID@/compose.yaml", &format!("{BETTER}    ports: ['{port}:8000']\n"))]);
    let run = only_the_good_one_moves(&host);
    run.says(&port.to_string());
    assert_ne!(run.code, 0);
    assert_eq!(host.inspect("port-web-1", "{{.State.Running}}"), "true");
}

#[test]
fn a_first_deployment_that_fails_says_why_and_others_go_on() {
    let host = deployed(&[]);
    host.push("acme/exits", "1", Kind::Exits);
    host.push("acme/sick", "1", Kind::BrokenHealth);
    let sick = "\
services:
  web:
    image: @REGISTRY@/acme/sick:1
    healthcheck: {test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8000/health'], interval: 500ms, retries: 2}
";
    host.commit(&[
        (
            "exits-@ID@/compose.yaml",
            "services:\n  web:\n    image: @REGISTRY@/acme/exits:1\n    restart: 'no'\n",
        ),
        ("sick-@ID@/compose.yaml", sick),
        ("good-@ID@/compose.yaml", BETTER),
    ]);
    host.pass()
        .ends(1)
        .does(&["exits/web create failed", "good/web update done", "sick/web create failed"])
        .says("cannot reach the database")
        .says("health");
}
