//! What relates services to each other, and to networks, volumes, files and registries.

use super::{SECOND, World, manifest, refused, remarks, service};
use crate::model::spec::Attachment;
use crate::model::{PullPolicy, ServiceName};

#[test]
fn every_pull_policy_of_composes_is_taken() {
    let policy = |text: &str| service(&format!("build: .\npull_policy: {text}")).pull_policy;
    let day = SECOND * 86_400;
    for same in ["missing", "if_not_present", "build"] {
        assert_eq!(policy(same), PullPolicy::Missing, "{same}");
    }
    assert_eq!((policy("never"), policy("always")), (PullPolicy::Never, PullPolicy::Always));
    let (daily, weekly) = (PullPolicy::Every(day), PullPolicy::Every(day * 7));
    assert_eq!((policy("daily"), policy("weekly")), (daily, weekly));
    assert_eq!(policy("every_1d12h"), PullPolicy::Every(day * 3 / 2));
    refused("pull_policy: sometimes", "`sometimes` is no pull policy");
    refused("pull_policy: every_day", "`every_day` gives no time");
}

#[test]
fn labels_of_files_stand_below_those_that_are_written() {
    let world = World::shop(&manifest("label_file: [a.labels, b.labels]\nlabels: {team: own}"))
        .with_file("shop/a.labels", "team=a\ntier=a\nzone=a\n")
        .with_file("shop/b.labels", "tier=b\n");
    let labels = super::web(world.stack()).settings.labels;
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(labels, ["team=own", "tier=b", "zone=a"]);
    refused("label_file: nowhere", "wants label file `nowhere`, which this server does not have");
    let world = World::shop(&manifest("label_file: a")).with_file("shop/a", "evenkeel.spec=x\n");
    assert!(world.problems().contains("is evenkeel's own"), "{}", world.problems());
}

#[test]
fn a_network_says_how_its_addresses_are_managed() {
    let text = "services: {web: {image: a, networks: [n]}}\n\
                networks: {n: {enable_ipv4: false, ipam: {driver: dhcp, options: {a: b}, config: \
                [{subnet: 10.0.0.0/24, aux_addresses: {router: 10.0.0.9}}]}}}\n";
    let network = World::shop(text).stack().networks["n"].clone();
    assert_eq!((network.enable_ipv4, network.ipam_driver.as_deref()), (Some(false), Some("dhcp")));
    assert_eq!(network.ipam_options["a"], "b");
    assert_eq!(network.subnets[0].aux_addresses["router"], "10.0.0.9");
}

#[test]
fn a_service_says_how_it_stands_on_a_network() {
    let keys = "networks: {back: {link_local_ips: [169.254.1.2], mac_address: '02-42-AC-11-00-02', \
                gw_priority: 5, driver_opts: {a: 1}, interface_name: eth7}}";
    let spec = super::settings(keys);
    let endpoint = &spec.network.endpoints()[0];
    assert_eq!(endpoint.link_local_ips, ["169.254.1.2"]);
    assert_eq!(endpoint.mac_address.as_deref(), Some("02:42:ac:11:00:02"));
    assert_eq!(endpoint.gw_priority, 5);
    assert_eq!(endpoint.driver_opts["a"], "1");
    assert_eq!(endpoint.driver_opts["com.docker.network.endpoint.ifname"], "eth7");
    refused("networks: {back: {mac_address: x}}", "`x` is no MAC address");
    refused("networks: {back: {link_local_ips: [x]}}", "`x` is no address");
    refused("networks: {back: {interface_name: a/b}}", "`a/b` is no name of an interface");
    refused("scale: 2\nnetworks: {back: {mac_address: '02:42:ac:11:00:02'}}", "cannot share one");
}

fn two(web: &str) -> String {
    format!(
        "services:\n  web: {{image: a, {web}}}\n  db: {{image: a, networks: [back]}}\nnetworks: {{back: }}\n"
    )
}

#[test]
fn the_network_of_another_service_makes_it_a_dependency() {
    let stack = World::shop(&two("network_mode: 'service:db'")).stack();
    let names: Vec<&str> = stack.services.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["db", "web"]);
    let web = super::web(stack);
    assert_eq!(web.settings.network, Attachment::Mode("service:db".into()));
    assert!(web.depends_on[&ServiceName::new("db")].restart);
    let spec = super::settings("network_mode: container:tunnel");
    assert_eq!(spec.network, Attachment::Mode("container:tunnel".into()));
}

#[test]
fn what_belongs_to_the_others_network_is_told_to_stand_there() {
    let told = |keys: &str| World::shop(&two(keys)).problems();
    for keys in ["ports: ['80:80']", "expose: [80]", "hostname: x", "extra_hosts: ['a:10.0.0.1']"] {
        let told = told(&format!("network_mode: 'service:db', {keys}"));
        let key = keys.split(':').next().unwrap();
        assert!(told.contains(&format!("`{key}` has no place on service `web`")), "{told}");
        assert!(told.contains("write it on service `db`"), "{told}");
    }
    assert!(told("network_mode: 'service:web'").contains("in a circle: web → web"));
    assert!(told("network_mode: 'service:nobody'").contains("depends on `nobody`"));
    assert!(told("network_mode: 'service:db', networks: [back]").contains("exclude each other"));
    let none = two("network_mode: 'service:db'").replace("networks: [back]}", "scale: 0}");
    assert!(World::shop(&none).problems().contains("`db`, which has no replicas"));
    refused("network_mode: 'service:'", "is no network mode");
}

#[test]
fn a_link_is_a_dependency_and_an_alias_on_the_networks_both_have() {
    let stack = World::shop(&two("networks: {back: , default: }, links: ['db:base', db]")).stack();
    let web = super::web(stack);
    assert!(web.depends_on[&ServiceName::new("db")].restart);
    let links: Vec<(&str, Vec<&str>)> = web
        .settings
        .network
        .endpoints()
        .iter()
        .map(|one| (one.network.as_str(), one.links.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(links, [("shop_back", vec!["shop-db-1:base"]), ("shop_default", vec![])]);
    let apart = World::shop(&two("links: ['db:base']")).stack();
    assert!(remarks(&apart).contains("no network in common with `db`"));
    let spec = super::settings("external_links: [proxy, 'mail:smtp']");
    let links: Vec<&String> = spec.network.endpoints()[0].links.iter().collect();
    assert_eq!(links, ["mail:smtp", "proxy:proxy"]);
    refused("links: ['a:b:c']", "is no link");
    refused("network_mode: bridge\nexternal_links: [a]", "a link does not go with this");
}

#[test]
fn volumes_of_others_are_read_in_all_their_forms() {
    let stack =
        World::shop(&two("volumes_from: ['db:ro', 'container:old', 'container:new:rw']")).stack();
    let web = super::web(stack);
    let from: Vec<(&str, bool)> =
        web.settings.volumes_from.iter().map(|one| (one.from.as_str(), one.read_only)).collect();
    assert_eq!(from, [("service:db", true), ("container:old", false), ("container:new", false)]);
    assert!(!web.depends_on[&ServiceName::new("db")].restart);
    refused("volumes_from: ['db:rx']", "does not end in a mode");
}

#[test]
fn processes_and_memory_can_be_anothers_too() {
    let stack = World::shop(&two("pid: 'service:db', ipc: 'service:db'")).stack();
    assert!(remarks(&stack).contains("`db` has to say `ipc: shareable`"), "{}", remarks(&stack));
    let web = super::web(stack);
    assert_eq!(web.settings.namespaces.pid.as_deref(), Some("service:db"));
    assert!(web.depends_on[&ServiceName::new("db")].restart);
    let shareable = two("ipc: 'service:db'").replace("networks: [back]}", "ipc: shareable}");
    assert_eq!(remarks(&World::shop(&shareable).stack()), "");
    refused("pid: 'service:nobody'", "depends on `nobody`");
    refused("pid: nobody", "is not known here");
}

#[test]
fn hooks_are_read_with_all_that_they_say() {
    let keys = "post_start: [{command: 'chown -R app /data', user: root, privileged: true, working_dir: /data, \
                environment: {A: 1}}]\npre_stop: [{command: [sync]}]";
    let hooks = super::settings(keys).hooks;
    let hook = &hooks.post_start[0];
    assert_eq!(hook.command, ["chown", "-R", "app", "/data"]);
    assert_eq!((hook.user.as_deref(), hook.privileged), (Some("root"), true));
    assert_eq!((hook.working_dir.as_deref(), hook.environment["A"].reveal()), (Some("/data"), "1"));
    assert_eq!(hooks.pre_stop[0].command, ["sync"]);
    refused("post_start: [{user: root}]", "a hook needs a `command`");
    refused("pre_stop: [sync]", "expected a mapping");
    refused(
        "pre_start: [{command: a}]",
        "`pre_start` is not supported: write a service of its own",
    );
}
