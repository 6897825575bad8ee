//! Releases that are bad in ways only the new container's answers and its first minutes tell: the old container
//! runs on untouched, and the report says what was wrong, with the new one's last words.
//!
//! Releases that end at once, never get healthy or have no image are in [`super::start_first`], under load.

use crate::support::host::Host;
use crate::support::registry::Kind;

fn manifest(tag: &str, keys: &str) -> String {
    format!(
        "\
services:
  web:
    image: @REGISTRY@/acme/web:{tag}
    stop_grace_period: 1s
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8000/health']
      interval: 500ms
      timeout: 2s
    deploy: {{update_config: {{order: start-first, monitor: 60s}}}}
    {keys}
    x-evenkeel:
      rollout: {{deadline: 10s}}
      probe: {{http: ':8000/', expect: {{body: 'version=${{IMAGE_TAG}}'}}}}
"
    )
}

/// A release: what is bad about it, its keys, what the report says, and the container's last words.
const BAD: [(&str, &str, &str, &str); 2] = [
    (
        "it is another version than its tag says",
        "environment: {VERSION: '1'}",
        "expected a text with \"version=2\", came status 200: version=1",
        "serving 1",
    ),
    (
        "it dies while it is watched",
        "command: [sh, -c, '/bin/web & sleep 8; echo lost the database; exit 3']",
        "it exited with code 3",
        "lost the database",
    ),
];

#[test]
fn the_old_container_is_not_touched_by_a_release_that_answers_wrongly_or_dies_later() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", ""))]);
    host.pass().ends(0).does(&["shop/web create done"]);
    let before = host.containers();
    let run_of = || host.inspect("shop-web-1", "{{.State.StartedAt}} {{.State.Status}}");
    let running = run_of();
    assert!(running.ends_with(" running"), "{running}");
    for (what, keys, says, last_words) in BAD {
        host.commit(&[("shop-@ID@/compose.yaml", &manifest("2", keys))]);
        let run = host.pass();
        run.ends(4).does(&["shop/web update rolled-back"]);
        let service = run.stack("shop")["services"][0].clone();
        let error = service["error"].as_str().unwrap_or_default();
        assert!(error.contains(says), "{what}: {error}");
        let logs = service["logs"].to_string();
        assert!(logs.contains(last_words), "{what}: {logs}");
        assert_eq!(host.changed_since(&before), Vec::<String>::new(), "{what}");
        assert_eq!(run_of(), running, "{what}");
    }
    let good = manifest("2", "").replace("monitor: 60s", "monitor: 1s");
    host.commit(&[("shop-@ID@/compose.yaml", &good)]);
    host.pass().ends(0).does(&["shop/web update done"]);
    host.is_settled();
}
