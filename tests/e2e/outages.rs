//! Parts of the world that do not answer: what runs goes on running, and the message names who is silent.

use crate::support::host::Host;
use crate::support::registry::Kind;

const SHOP: &str = "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n";

fn deployed() -> Host {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().ends(0);
    host
}

#[test]
fn a_plan_touches_nothing() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.plan().ends(3).does(&["shop/web create"]);
    assert_eq!(host.engine.take_mutations(), Vec::<String>::new());
}

#[test]
fn a_registry_that_is_down_does_not_disturb_what_is_in_sync() {
    let mut host = deployed();
    host.registry.stop();
    host.is_settled();
}

#[test]
fn a_new_image_that_cannot_be_asked_for_leaves_the_old_one_running() {
    let mut host = deployed();
    let before = host.containers();
    host.registry.stop();
    host.commit(&[(
        "shop-@ID@/compose.yaml",
        "services:\n  web:\n    image: @REGISTRY@/acme/web:2\n",
    )]);
    host.pass().ends(1).says(&host.registry.host);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
}

#[test]
fn an_engine_that_does_not_answer_is_named() {
    let host = deployed();
    let before = host.containers();
    let nowhere = format!("unix://{}", host.path("nobody.sock").display());
    host.run(&["reconcile", "--once", "--docker", &nowhere]).ends(1).says("nobody.sock");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
}
