//! An update that does not work: what ran before goes on serving, and the same thing is not tried again.

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
    healthcheck:
      test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8000/health']
      interval: 500ms
      timeout: 2s
      retries: 2
"
    )
}

fn deployed(port: u16) -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/web", "2", Kind::BrokenHealth);
    host.push("acme/web", "3", Kind::Exits);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", port))]);
    host.pass().ends(0).does(&["shop/web create done"]);
    host
}

#[track_caller]
fn assert_serves(port: u16, version: &str) {
    eventually(Duration::from_secs(60), &format!("version {version} answers"), || {
        get(port, "/").filter(|body| body.contains(&format!("version={version}\n")))
    });
}

#[test]
fn a_version_that_never_gets_healthy_is_rolled_back_and_not_tried_again() {
    let port = free_port();
    let host = deployed(port);
    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2", port))]);
    let run = host.pass();
    run.ends(4)
        .does(&["shop/web update rolled-back"])
        .says("health")
        .says("evenkeel retry shop/web");
    assert_serves(port, "1");
    assert_eq!(host.changed_since(&before), Vec::<String>::new(), "the very container runs again");

    host.pass().ends(1);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.run(&["status"]).ends(1).says("rejected");
}

#[test]
fn a_version_that_ends_at_once_is_rolled_back_and_its_last_words_are_shown() {
    let port = free_port();
    let host = deployed(port);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("3", port))]);
    host.pass().ends(4).does(&["shop/web update rolled-back"]).says("cannot reach the database");
    assert_serves(port, "1");
}

#[test]
fn the_next_good_commit_is_deployed_after_a_bad_one() {
    let port = free_port();
    let host = deployed(port);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("3", port))]);
    host.pass().ends(4);
    host.push("acme/web", "4", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("4", port))]);
    host.pass().ends(0).does(&["shop/web update done"]);
    assert_serves(port, "4");
    host.is_settled();
}

#[test]
fn a_revert_in_git_puts_everything_right_without_touching_anything() {
    let port = free_port();
    let host = deployed(port);
    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2", port))]);
    host.pass().ends(4);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("1", port))]);
    host.is_settled();
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
}

#[test]
fn a_rejected_version_is_tried_again_when_the_operator_says_so() {
    let port = free_port();
    let host = deployed(port);
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("2", port))]);
    host.pass().ends(4);
    host.run(&["retry", "shop-@ID@/web"]).ends(0);
    host.pass().ends(4).does(&["shop/web update rolled-back"]);
    assert_serves(port, "1");
}

#[test]
fn what_failed_for_want_of_something_on_the_server_works_after_a_retry() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let manifest = "\
services:
  web:
    image: @REGISTRY@/acme/web:1
    volumes: ['./keys:/keys']
    healthcheck: {test: [CMD, cat, /keys/licence], interval: 500ms, timeout: 2s, retries: 2}
";
    host.commit(&[("shop-@ID@/compose.yaml", manifest)]);
    host.pass().ends(1).does(&["shop/web create failed"]);
    let after_failure = host.containers();
    host.pass().ends(1);
    assert_eq!(host.changed_since(&after_failure), Vec::<String>::new(), "not tried again");
    host.run(&["status"]).ends(1).says("rejected").says("retry");

    std::fs::write(host.path("data/shop-@ID@/keys/licence"), "granted\n").unwrap();
    host.run(&["retry", "shop-@ID@"]).ends(0).says("1 rejected spec");
    host.pass().ends(0);
    host.run(&["status"]).ends(0).says("in-sync");
    host.is_settled();
}

/// An API, and a web server that only works with its version.
fn as_a_whole(api: &str, web: &str) -> String {
    let check = "healthcheck: {test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:8000/health'], \
                 interval: 500ms, timeout: 2s, retries: 2}";
    format!(
        "\
services:
  api:
    image: @REGISTRY@/acme/web:{api}
    {check}
    deploy: {{update_config: {{monitor: 1s}}}}
  web:
    image: @REGISTRY@/acme/web:{web}
    {check}
    depends_on: {{api: {{condition: service_healthy}}}}
    deploy: {{update_config: {{order: start-first, monitor: 1s}}}}
x-evenkeel: {{rollout: {{atomic: true}}}}
"
    )
}

#[test]
fn a_stack_that_is_changed_as_a_whole_goes_back_as_a_whole_and_waits() {
    let host = Host::new();
    for (tag, kind) in [("1", Kind::Web), ("2", Kind::BrokenHealth), ("4", Kind::Web)] {
        host.push("acme/web", tag, kind);
    }
    let file = "shop-@ID@/compose.yaml";
    host.commit(&[(file, &as_a_whole("1", "1"))]);
    host.pass().ends(0).does(&["shop/api create done", "shop/web create done"]);
    let before = host.containers();
    host.commit(&[(file, &as_a_whole("4", "2"))]);
    host.pass()
        .ends(4)
        .does(&["shop/api update rolled-back", "shop/web update rolled-back"])
        .says("it goes back with shop");
    assert_eq!(host.changed_since(&before), Vec::<String>::new(), "the very containers run again");

    host.pass().ends(1).says("the stack is changed as a whole or not at all");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.docker(&["rm", "-f", "shop-@ID@-api-1"]);
    host.pass()
        .ends(1)
        .says("shop/api had lost its container: it runs again what generation 1 ran");
    host.commit(&[(file, &as_a_whole("4", "4"))]);
    host.pass().ends(0).does(&["shop/api update done", "shop/web update done"]);
    host.is_settled();
}
