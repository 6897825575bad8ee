//! One pass at a time: whoever comes second waits, says for whom, and then finds nothing to do.

use std::time::Duration;

use crate::support::eventually;
use crate::support::host::Host;
use crate::support::registry::Kind;

const SHOP: &str = "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n";

#[test]
fn a_second_pass_waits_for_the_first_and_then_does_nothing() {
    let host = Host::new();
    host.configure("rollout: {stable: 5s, monitor: 0s, deadline: 60s}");
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    let mut first = host.start(&["reconcile", "--once"], "first.log");
    eventually(Duration::from_secs(60), "the first pass has its turn", || {
        host.read("state/lock").contains("reconcile").then_some(())
    });
    let second = host.pass();
    assert_eq!(first.wait().unwrap().code(), Some(0), "{}", host.read("first.log"));
    second.ends(0).does(&[]);
    let holder = format!("process {}", first.id());
    second.says("waiting for another pass").says(&holder);
    assert_eq!(host.containers().len(), 1);
    host.is_settled();
}
