//! What somebody did to the engine by hand is seen, named and mended.

use std::time::Duration;

use crate::support::eventually;
use crate::support::host::Host;
use crate::support::registry::Kind;

const SHOP: &str = "\
services:
  web:
    image: @REGISTRY@/acme/web:1
    restart: unless-stopped
    deploy: {resources: {limits: {memory: 64M}}}
  other:
    image: @REGISTRY@/acme/web:1
";

fn deployed() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().ends(0).does(&["shop/other create done", "shop/web create done"]);
    host
}

/// Runs each docker command, then expects one pass to bring `web` back, to say why, and to leave `other` alone.
#[track_caller]
fn check(sabotage: &[&[&str]], because: &str) {
    let host = deployed();
    let other = host.containers().remove("shop-other-1");
    for command in sabotage {
        host.docker(command);
    }
    host.plan().ends(3).because("shop/web", because);
    host.pass().ends(0).because("shop/web", because);
    assert_eq!(host.containers().remove("shop-other-1"), other, "the other service is left alone");
    let state = "{{.State.Running}} {{.State.Paused}} {{.HostConfig.Memory}}";
    assert_eq!(host.inspect("shop-web-1", state), "true false 67108864");
    let names: Vec<String> = host.containers().into_keys().collect();
    assert_eq!(names, ["shop-other-1", "shop-web-1"], "nothing is left lying about");
    assert_reachable(&host);
    host.is_settled();
}

#[track_caller]
fn assert_reachable(host: &Host) {
    let request = "wget -q -O - http://web:8000/ && echo";
    eventually(Duration::from_secs(60), "`other` reaches `web` by name", || {
        let answer = host.docker(&[
            "exec",
            &host.name("shop-other-1"),
            "sh",
            "-c",
            &format!("{request} || true"),
        ]);
        answer.contains("version=1").then_some(())
    });
}

#[test]
fn a_stopped_container_is_started_again() {
    check(&[&["stop", "shop-@ID@-web-1"]], "state");
}

#[test]
fn a_killed_container_is_started_again() {
    check(&[&["kill", "shop-@ID@-web-1"]], "state");
}

#[test]
fn a_paused_container_goes_on() {
    check(&[&["pause", "shop-@ID@-web-1"]], "state");
}

#[test]
fn a_removed_container_is_made_anew() {
    let host = deployed();
    host.docker(&["rm", "-f", "shop-@ID@-web-1"]);
    host.plan().ends(3).does(&["shop/web create"]).says("it is not there");
    host.pass().ends(0).does(&["shop/web create done"]);
    assert_reachable(&host);
    host.is_settled();
}

#[test]
fn a_renamed_container_gets_its_name_back() {
    check(&[&["rename", "shop-@ID@-web-1", "@ID@-mine"]], "");
}

#[test]
fn a_container_with_another_limit_is_set_right() {
    check(&[&["update", "--memory", "128m", "--memory-swap", "256m", "shop-@ID@-web-1"]], "");
}

#[test]
fn a_container_with_another_restart_policy_is_set_right() {
    check(&[&["update", "--restart", "no", "shop-@ID@-web-1"]], "restart");
}

#[test]
fn a_disconnected_container_is_connected_again() {
    check(&[&["network", "disconnect", "-f", "shop-@ID@_default", "shop-@ID@-web-1"]], "network");
}

#[test]
fn a_removed_image_is_pulled_again_when_the_container_goes_with_it() {
    let image = "@REGISTRY@/acme/web:1";
    let host = deployed();
    host.docker(&["rm", "-f", "shop-@ID@-web-1", "shop-@ID@-other-1"]);
    let ids = host.docker(&[
        "images",
        "-q",
        "--no-trunc",
        "--filter",
        &format!("label=salt={}", host.id),
    ]);
    let id = ids.lines().next().unwrap_or(image).to_owned();
    host.docker(&["rmi", "-f", &id]);
    host.pass().ends(0);
    host.is_settled();
}

#[test]
fn a_removed_network_is_made_again_with_everything_on_it() {
    let host = deployed();
    for container in ["shop-@ID@-web-1", "shop-@ID@-other-1"] {
        host.docker(&["network", "disconnect", "-f", "shop-@ID@_default", container]);
    }
    host.docker(&["network", "rm", "shop-@ID@_default"]);
    host.plan().ends(3);
    host.pass().ends(0).because("shop/web", "network");
    assert_reachable(&host);
    host.is_settled();
}

#[test]
fn a_network_recreated_while_its_containers_were_stopped_is_joined_anew() {
    let host = deployed();
    host.docker(&["stop", "shop-@ID@-web-1", "shop-@ID@-other-1"]);
    host.docker(&["network", "rm", "shop-@ID@_default"]);
    host.pass().ends(0);
    assert_reachable(&host);
    host.is_settled();
}
