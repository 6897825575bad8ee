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

#[test]
fn the_status_without_an_engine_says_so_and_shows_what_is_remembered() {
    let host = deployed();
    let nowhere = format!("unix://{}", host.path("nobody.sock").display());
    let run = host.run(&["status", "--docker", &nowhere]);
    run.ends(1).says("nobody.sock");
    assert!(run.stdout.contains("shop-"), "the stack is named\n{}", run.everything());
    host.run(&["status", "--output", "json", "--docker", &nowhere]).ends(1).stack("shop");
}

#[test]
fn a_plan_without_the_repository_says_so() {
    let host = deployed();
    std::fs::rename(host.repo.directory(), host.path("elsewhere")).unwrap();
    let run = host.plan();
    run.ends(1).says("/repo").says("source");
    assert!(run.stderr.contains("hint"), "{}", run.stderr);
    host.run(&["status"]).ends(0);
    host.pass().ends(1);
    let run = host.run(&["status"]);
    run.ends(1).says("/repo");
    assert!(run.stdout.contains("running"), "what runs is shown\n{}", run.everything());
}

#[test]
fn a_registry_that_is_down_is_no_matter_where_the_image_is_on_the_host() {
    let mut host = deployed();
    host.push("acme/web", "2", Kind::Web);
    host.docker(&["pull", "--quiet", &format!("{}/acme/web:2", host.registry.host)]);
    host.registry.stop();
    host.commit(&[("shop-@ID@/compose.yaml", &SHOP.replace("web:1", "web:2"))]);
    host.run(&["plan"]).ends(0).says("going on with the image on this host");
    host.pass().ends(0).does(&["shop/web update done"]);
    host.is_settled();
}

#[test]
fn an_image_that_moved_to_another_repository_is_pulled_from_there() {
    let host = deployed();
    let same = host.push("acme/shop", "1", Kind::Web);
    assert_eq!(host.push("acme/web", "1", Kind::Web), same, "one image under two names");
    host.commit(&[("shop-@ID@/compose.yaml", &SHOP.replace("acme/web", "acme/shop"))]);
    host.pass().ends(0);
    host.is_settled();
    host.docker(&["rm", "-f", "shop-@ID@-web-1"]);
    host.pass().ends(0).does(&["shop/web create done"]);
    let image = host.inspect("shop-web-1", "{{.Config.Image}}");
    assert!(image.contains("/acme/shop:1@"), "{image}");
    host.is_settled();
}
