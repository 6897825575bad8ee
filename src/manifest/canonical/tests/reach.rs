//! Whom a service reaches, and who waits for whom.

use serde_json::json;

use super::{ALL, Stack, check, service, wrong};

#[test]
fn a_port_becomes_one_entry_for_each_port_of_the_container() {
    check(
        "ports: [8080, '127.0.0.1:80-81:90-91/UDP', {target: 443, published: 8443, app_protocol: https}]",
        json!({"ports": [
            {"mode": "ingress", "target": 8080, "protocol": "tcp"},
            {"mode": "ingress", "host_ip": "127.0.0.1", "target": 90, "published": "80", "protocol": "udp"},
            {"mode": "ingress", "host_ip": "127.0.0.1", "target": 91, "published": "81", "protocol": "udp"},
            {"mode": "ingress", "target": 443, "published": "8443", "protocol": "tcp",
             "app_protocol": "https"},
        ]}),
    );
    check("expose: [80, '90-91/udp']", json!({"expose": ["80", "90-91/udp"]}));
    wrong("ports: ['7000-7002:90-91']", "not equally long");
}

#[test]
fn a_port_that_is_written_twice_is_there_once() {
    let once = json!({"mode": "ingress", "target": 80, "published": "80", "protocol": "tcp"});
    check("ports: ['80:80', {target: 80, published: '80'}]", json!({ "ports": [once] }));
}

#[test]
fn a_dependency_by_name_waits_for_the_start() {
    check(
        "depends_on: [db]",
        json!({"depends_on": {"db": {"condition": "service_started", "required": true}}}),
    );
    check(
        "depends_on: {db: {condition: service_healthy, restart: true, required: false}}",
        json!({"depends_on": {"db": {
            "condition": "service_healthy", "restart": true, "required": false,
        }}}),
    );
}

#[test]
fn a_service_depends_on_those_whose_container_it_needs() {
    let implied = json!({"condition": "service_started", "restart": true, "required": true});
    for keys in ["links: ['db:database']", "pid: service:db", "ipc: service:db"] {
        assert_eq!(service(keys)["depends_on"], json!({"db": implied}), "{keys}");
    }
    let volumes = json!({"db": {"condition": "service_started", "required": true}});
    assert_eq!(service("volumes_from: ['db:ro', 'container:other']")["depends_on"], volumes);
    let written = service("links: [db]\ndepends_on: [db]");
    assert_eq!(written["depends_on"]["db"]["restart"], json!(null), "what is written counts");
}

#[test]
fn a_service_is_in_the_default_network_unless_it_is_elsewhere() {
    let document = Stack::new("services: {a: {image: a, networks: {}}}").document(ALL);
    assert_eq!(document["services"]["a"]["networks"], json!({"default": null}));
    assert_eq!(document["networks"], json!({"default": {"name": "shop_default", "ipam": {}}}));
    let document = Stack::new("services: {a: {image: a, network_mode: host}}").document(ALL);
    assert_eq!(document["services"]["a"].get("networks"), None);
    assert_eq!(document.get("networks"), None);
}

#[test]
fn networks_are_a_mapping_sorted_by_name() {
    let document = Stack::new(
        "services: {a: {image: a, networks: [front, back]}, b: {image: b, networks: {back: {aliases: [x], \
         priority: '5', ipv4_address: 10.0.0.2}}}}\nnetworks: {front: , back: }",
    )
    .document(ALL);
    assert_eq!(document["services"]["a"]["networks"], json!({"back": null, "front": null}));
    let back = json!({"aliases": ["x"], "priority": 5, "ipv4_address": "10.0.0.2"});
    assert_eq!(document["services"]["b"]["networks"], json!({ "back": back }));
}

#[test]
fn extra_hosts_are_sorted_and_may_have_several_addresses() {
    check(
        "extra_hosts: ['b:10.0.0.2', 'a=[::1]', 'host.docker.internal:host-gateway']",
        json!({"extra_hosts": ["a=::1", "b=10.0.0.2", "host.docker.internal=host-gateway"]}),
    );
    check(
        "extra_hosts: ['a=10.0.0.1,[::1]', 'b=10.0.0.2']",
        json!({"extra_hosts": ["a=10.0.0.1", "a=::1", "b=10.0.0.2"]}),
    );
    check(
        "extra_hosts: {b: 10.0.0.2, a: [10.0.0.1, '::1']}",
        json!({"extra_hosts": ["a=10.0.0.1", "a=::1", "b=10.0.0.2"]}),
    );
}
