//! Other tools find what evenkeel made, grouped as Compose groups it.

use crate::support::host::Host;
use crate::support::registry::Kind;

const SHOP: &str = "\
services:
  web:
    image: @REGISTRY@/acme/web:1
    volumes: [data:/data]
    deploy: {replicas: 2}
volumes:
  data:
";

#[test]
fn compose_labels_group_containers_networks_and_volumes() {
    let host = Host::new();
    host.push("acme/web", "1", Kind::Web);
    let commit = host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().ends(0);
    let project = "label=com.docker.compose.project=shop-@ID@";
    let names = |arguments: &[&str]| {
        let mut lines: Vec<String> = host.docker(arguments).lines().map(str::to_owned).collect();
        lines.sort();
        lines.join(" ").replace(&host.id, "ID")
    };
    assert_eq!(
        names(&["ps", "--filter", project, "--format", "{{.Names}}"]),
        "shop-ID-web-1 shop-ID-web-2"
    );
    assert_eq!(
        names(&["network", "ls", "--filter", project, "--format", "{{.Name}}"]),
        "shop-ID_default"
    );
    assert_eq!(
        names(&["volume", "ls", "--filter", project, "--format", "{{.Name}}"]),
        "shop-ID_data"
    );
    let label = |name: &str| {
        host.inspect("shop-web-2", &format!("{{{{index .Config.Labels \"{name}\"}}}}"))
    };
    assert_eq!(label("com.docker.compose.service"), "web");
    assert_eq!(label("com.docker.compose.container-number"), "2");
    assert_eq!(label("com.docker.compose.oneoff"), "False");
    assert_eq!(label("evenkeel.commit"), commit);
    assert_eq!(label("evenkeel.source"), format!("source-{}", host.id));
    assert!(!label("com.docker.compose.config-hash").is_empty());
    assert!(label("evenkeel.spec").contains(':'), "<version>:<hash>");
    let image = host.inspect("shop-web-1", "{{.Config.Image}}");
    assert!(
        image.starts_with(&format!("{}/acme/web:1", host.registry.host)),
        "the tag shows: {image}"
    );
}
