//! The state directory is memory, not truth: without it, or with a damaged one, nothing is restarted.

use crate::support::host::Host;
use crate::support::registry::Kind;

const SHOP: &str = "\
services:
  web: {image: '@REGISTRY@/acme/web:1', restart: always}
  job: {image: '@REGISTRY@/acme/job:1', restart: 'no'}
";

fn deployed() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.push("acme/job", "1", Kind::Job);
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().ends(0);
    host
}

#[test]
fn a_state_directory_that_is_gone_is_begun_anew() {
    let host = deployed();
    let before = host.containers();
    std::fs::remove_dir_all(host.path("state")).unwrap();
    host.plan().ends(0).does(&[]);
    host.is_settled();
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    assert!(host.path("state/evenkeel.db").is_file());
}

#[test]
fn a_damaged_database_is_set_aside_said_and_replaced() {
    let host = deployed();
    let before = host.containers();
    let garbage = b"this is no database\n".repeat(1000);
    std::fs::write(host.path("state/evenkeel.db"), &garbage).unwrap();
    let run = host.pass();
    run.ends(0).does(&[]).says("database was damaged").says("nothing is restarted");
    let kept = std::fs::read_dir(host.path("state")).unwrap().map(|entry| entry.unwrap());
    let kept: Vec<_> =
        kept.filter(|entry| entry.file_name().to_string_lossy().contains("corrupt")).collect();
    assert_eq!(std::fs::read(kept[0].path()).unwrap(), garbage, "it is kept for a closer look");
    let again = host.pass();
    again.ends(0).does(&[]);
    assert!(!again.everything().contains("damaged"), "said once");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.commit(&[("shop-@ID@/compose.yaml", &SHOP.replace("always", "unless-stopped"))]);
    host.pass().ends(0);
    host.run(&["history"]).ends(0).says("web");
    host.is_settled();
}

#[test]
fn those_who_only_look_say_what_becomes_of_a_damaged_database() {
    let host = deployed();
    std::fs::write(host.path("state/evenkeel.db"), b"garbage".repeat(1000)).unwrap();
    for command in ["plan", "status", "history"] {
        let run = host.run(&[command]);
        run.ends(1).says("evenkeel.db is damaged").says("the next pass");
    }
}
