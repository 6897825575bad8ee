//! Variables that tell a container what it was made from, and that make no new one.

use crate::support::host::Host;
use crate::support::registry::Kind;

const STAMP: &str = "x-evenkeel: {stamp: {ROLLOUT: generation, RELEASE: commit, IMAGE: image, IMAGE_DIGEST: digest}}";

fn manifest(greeting: &str, stamp: &str) -> String {
    format!(
        "services:\n  web:\n    image: @REGISTRY@/acme/web:1\n    environment: {{GREETING: {greeting}}}\n    {stamp}\n"
    )
}

fn variable(host: &Host, name: &str) -> String {
    host.docker(&["exec", "shop-@ID@-web-1", "sh", "-c", &format!("echo ${name}")])
}

fn generation_label(host: &Host) -> String {
    host.inspect("shop-web-1", "{{index .Config.Labels \"evenkeel.generation\"}}")
}

#[test]
fn a_container_is_told_its_generation_commit_and_image_and_lives_on_under_the_next_ones() {
    let host = Host::new();
    host.configure("rollout: {stable: 0s, monitor: 0s}");
    let digest = host.push("acme/web", "1", Kind::Web);
    let commit = host.commit(&[("shop-@ID@/compose.yaml", &manifest("hello", STAMP))]);
    host.pass().ends(0);
    assert_eq!(variable(&host, "RELEASE"), commit);
    assert_eq!(variable(&host, "IMAGE"), format!("{}/acme/web:1", host.registry.host));
    assert_eq!(variable(&host, "IMAGE_DIGEST"), digest);
    assert_eq!(variable(&host, "ROLLOUT"), generation_label(&host));
    host.is_settled();

    let before = host.containers();
    host.commit(&[("README.md", "nothing that runs\n")]);
    host.is_settled();
    assert_eq!(host.changed_since(&before), Vec::<String>::new(), "another commit");

    let next = host.commit(&[("shop-@ID@/compose.yaml", &manifest("bye", STAMP))]);
    host.pass().ends(0).does(&["shop/web update done"]).because("shop/web", "env.GREETING");
    assert_eq!(variable(&host, "RELEASE"), next);
    assert_eq!(variable(&host, "ROLLOUT"), generation_label(&host));
    host.is_settled();

    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", &manifest("bye", ""))]);
    host.is_settled();
    assert_eq!(host.changed_since(&before), Vec::<String>::new(), "without stamps");
}
