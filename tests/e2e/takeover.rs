//! A project that Compose made is taken over; where data could be lost, only with the operator's word.

use crate::support::host::Host;
use crate::support::registry::Kind;

const SHOP: &str = "\
services:
  db:
    image: @REGISTRY@/acme/web:1
    volumes: [data:/data]
volumes:
  data:
";

/// Runs what `docker compose up -d` would have left, with `volume` at `/data`.
fn run_as_compose_would(host: &Host, volume: &str) {
    host.push("acme/web", "1", Kind::Web);
    let label = |name: &str, value: &str| format!("--label=com.docker.compose.{name}={value}");
    let project = label("project", &format!("shop-{}", host.id));
    host.docker(&[
        "network",
        "create",
        &project,
        &label("network", "default"),
        "shop-@ID@_default",
    ]);
    host.docker(&["volume", "create", &project, &label("volume", "data"), volume]);
    let mut command = vec!["run".to_owned(), "-d".into(), "--name=shop-@ID@-db-1".into(), project];
    command.extend([
        label("service", "db"),
        label("container-number", "1"),
        label("oneoff", "False"),
    ]);
    command.extend([label("config-hash", "0"), label("project.working_dir", "/opt/shop")]);
    command.extend(["--network=shop-@ID@_default".into(), "--network-alias=db".into()]);
    command.extend([format!("--volume={volume}:/data"), "@REGISTRY@/acme/web:1".into()]);
    host.docker(&command.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_project_of_compose_with_the_same_settings_is_not_restarted() {
    let host = Host::new();
    run_as_compose_would(&host, "shop-@ID@_data");
    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().ends(0);
    assert_eq!(host.changed_since(&before), Vec::<String>::new());
    host.is_settled();
}

#[test]
fn a_service_whose_data_lies_elsewhere_is_held_until_it_is_adopted() {
    let host = Host::new();
    run_as_compose_would(&host, "old-@ID@-data");
    let before = host.containers();
    host.commit(&[("shop-@ID@/compose.yaml", SHOP)]);
    host.pass().does(&["shop/db held held"]).says("old-data").says("shop_data");
    assert_eq!(host.changed_since(&before), Vec::<String>::new());

    host.run(&["adopt", "shop-@ID@/db"]).ends(0);
    host.pass().ends(0).does(&["shop/db update done"]);
    assert_eq!(host.changed_since(&before), ["shop-db-1"]);
    assert!(host.docker(&["volume", "ls", "-q"]).contains("old-"), "the old volume is still there");
    host.is_settled();
}
