//! What git no longer has goes, within limits, and data stays.

use crate::support::host::Host;
use crate::support::registry::Kind;

const FOUR: &str = "\
services:
  a: {image: '@REGISTRY@/acme/web:1', volumes: ['data:/data']}
  b: {image: '@REGISTRY@/acme/web:1'}
  c: {image: '@REGISTRY@/acme/web:1'}
  d: {image: '@REGISTRY@/acme/web:1'}
volumes: {data: {}}
";
const ALL: [&str; 4] = ["shop-a-1", "shop-b-1", "shop-c-1", "shop-d-1"];

fn deployed() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", FOUR)]);
    host.pass().ends(0);
    assert_eq!(names(&host), ALL);
    host
}

fn names(host: &Host) -> Vec<String> {
    host.containers().into_keys().collect()
}

fn without(services: &[&str]) -> String {
    let gone = |line: &&str| !services.iter().any(|name| line.starts_with(&format!("  {name}:")));
    FOUR.lines().filter(gone).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_service_that_left_the_manifest_is_removed_and_its_volume_stays() {
    let host = deployed();
    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", &without(&["a"]))]);
    host.pass().ends(0).does(&["shop/a remove done"]);
    assert_eq!(host.changed_since(&before), ["shop-a-1"]);
    assert!(host.docker(&["volume", "ls", "-q"]).contains(&format!("shop-{}_data", host.id)));
    host.is_settled();
}

#[test]
fn a_commit_that_removes_most_services_is_held_until_it_is_allowed() {
    let host = deployed();
    host.commit(&[("shop-@ID@/compose.yaml", &without(&["a", "b", "c"]))]);
    host.pass().says("--allow-removals");
    assert_eq!(names(&host), ALL);
    host.run(&["reconcile", "--once", "--output", "json", "--allow-removals"]).ends(0);
    assert_eq!(names(&host), ["shop-d-1"]);
    host.is_settled();
}

#[test]
fn an_empty_repository_removes_nothing() {
    let host = deployed();
    let before = host.containers();
    host.repo.remove(&format!("shop-{}", host.id));
    host.repo.commit("everything is gone");
    host.pass();
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
}

#[test]
fn a_repository_that_cannot_be_reached_removes_nothing() {
    let host = deployed();
    let before = host.containers();
    std::fs::rename(host.repo.directory(), host.path("elsewhere")).unwrap();
    host.pass().ends(1);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
}

#[test]
fn containers_of_others_are_left_alone() {
    let host = deployed();
    host.docker(&["run", "-d", "--name", "mine-@ID@", "@REGISTRY@/acme/web:1"]);
    let before = host.containers();
    host.is_settled();
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
}

#[test]
fn losing_the_state_directory_restarts_nothing() {
    let host = deployed();
    let before = host.containers();
    std::fs::remove_dir_all(host.path("state")).unwrap();
    host.pass().ends(0);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.is_settled();
}
