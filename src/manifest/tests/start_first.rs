//! What a service may and may not have whose new container starts beside the old one.

use super::{World, refused, service};
use crate::model::stack::Order;

const START_FIRST: &str = "deploy: {update_config: {order: start-first}}";

fn alone(keys: &str, expected: &str) {
    assert_eq!(service(&format!("{keys}\n")).rollout.order, Order::StopFirst, "{keys}");
    refused(&format!("{keys}\n{START_FIRST}"), expected);
}

#[test]
fn what_only_one_container_can_have_keeps_a_new_one_from_starting_first() {
    alone("ports: ['8080:80']", "only one container can have port `8080` of the host");
    alone("ports: ['127.0.0.1:9000-9001:80']", "port `9000-9001` of the host");
    alone("network_mode: host", "two containers in the host's network want the same ports");
    alone("network_mode: 'container:vpn'", "by `network_mode` it is in another container's");
    alone("pid: 'container:vpn'", "by `pid` it is in another container's");
    alone(
        "volumes: ['/srv/data:/data']",
        "two containers would write to what is mounted at `/data`",
    );
    alone("volumes: ['/cache']", "the anonymous volume at `/cache` would be written to by two");
    alone("volumes_from: ['container:old']", "write to the volumes of `container:old`");
}

#[test]
fn what_two_containers_can_share_does_not() {
    let keys = "ports: ['80', '0:81']\nvolumes: ['/etc/app:/etc/app:ro']\ntmpfs: /tmp\n\
                volumes_from: ['container:old:ro']\ncontainer_name: api";
    assert_eq!(service(&format!("{keys}\n{START_FIRST}")).rollout.order, Order::StartFirst);
    let shared =
        "volumes: ['/srv/data:/data', '/cache']\nx-evenkeel: {rollout: {shared_writers: true}}";
    let service = service(&format!("{shared}\n{START_FIRST}"));
    assert!(service.rollout.shared_writers && service.rollout.order == Order::StartFirst);
    let port = format!("ports: ['80:80']\n{shared}\n{START_FIRST}");
    refused(&port, "only one container can have port `80`");
}

#[test]
fn everything_that_stands_against_it_is_told_where_it_is_asked_for() {
    let keys = format!("ports: ['80:80', '443:443']\nvolumes: ['./data:/data']\n{START_FIRST}");
    let problems = World::shop(&super::manifest(&keys)).problems();
    let told = problems.matches("cannot start first").count();
    assert_eq!(told, 3, "{problems}");
    assert!(problems.contains("services.web.deploy.update_config.order"), "{problems}");
}

#[test]
fn going_back_cannot_start_first_either() {
    let keys = "ports: ['80:80']\ndeploy: {rollback_config: {order: start-first}}";
    let problems = World::shop(&super::manifest(keys)).problems();
    assert!(problems.contains("services.web.deploy.rollback_config.order"), "{problems}");
    assert!(problems.contains("only one container can have port `80`"), "{problems}");
}

#[test]
fn a_service_in_whose_network_others_are_does_not_start_first() {
    let text = format!(
        "services:\n  vpn:\n    image: a\n    {START_FIRST}\n  web: {{image: a, network_mode: 'service:vpn'}}\n"
    );
    let problems = World::shop(&text).problems();
    assert!(problems.contains("service `web` is in its network"), "{problems}");
}

#[test]
fn a_servers_value_is_not_told() {
    let text = format!(
        "services:\n  web:\n    image: a\n    ports: ['${{PORT}}:80']\n    {START_FIRST}\n"
    );
    let world = World::shop(&text).with_server_file("shop.env", "PORT=8123\n");
    let problems = world.problems();
    assert!(problems.contains("port the value of the host"), "{problems}");
    assert!(!problems.contains("8123"), "{problems}");
}
