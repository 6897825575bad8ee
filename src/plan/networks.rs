//! Networks of ours that are not as the manifest has them. A network cannot be changed, and making it anew
//! takes every container off it, so that is left to a person.

use super::change::Judged;
use super::index::Survey;
use super::{Block, Difference};
use crate::model::observed::ObservedNetwork;
use crate::model::stack::{Network, Subnet};
use crate::model::{NetworkName, labels};

/// The first network of the service that was made from another definition.
pub fn changed(situation: &Survey<'_>, judged: &Judged<'_>) -> Option<Block> {
    let stack = &judged.deployment.stack;
    let endpoints = judged.desired.service.settings.network.endpoints();
    let names = endpoints.iter().map(|endpoint| &endpoint.network);
    let wanted = names.filter_map(|name| {
        stack.networks.values().find(|network| network.name == *name && !network.external)
    });
    let (network, differences) = wanted
        .filter_map(|wanted| Some((wanted, situation.network(&wanted.name)?)))
        .map(|(wanted, has)| (wanted, differences(wanted, has)))
        .find(|(_, differences)| !differences.is_empty())?;
    let all: Vec<String> = differences.iter().map(ToString::to_string).collect();
    Some(Block::World {
        message: format!("the network {} was made otherwise ({})", network.name, all.join("; ")),
        hint: Some(by_hand(situation, &network.name)),
    })
}

/// What a person does: stopped containers do not keep a network from being removed, and the next pass makes
/// it anew, connects them again and starts them in order.
fn by_hand(situation: &Survey<'_>, network: &NetworkName) -> String {
    let (mut ours, mut foreign) = (Vec::new(), Vec::new());
    if let Some(attached) = situation.attached_to(network) {
        let running = attached.ours.iter().filter(|container| container.is_up());
        ours.extend(running.map(|container| container.name.as_str()));
        let names = attached.foreign.iter().filter_map(|container| container.names.first());
        foreign.extend(names.map(|name| name.as_str()));
    }
    let mut commands: Vec<String> = foreign
        .iter()
        .map(|name| format!("docker network disconnect --force {network} {name}"))
        .collect();
    if !ours.is_empty() {
        commands.push(format!("docker stop {}", ours.join(" ")));
    }
    commands.push(format!("docker network rm {network}"));
    let mut hint = format!(
        "run `{}`; the next pass makes the network anew and starts on it what was stopped",
        commands.join(" && ")
    );
    if !foreign.is_empty() {
        hint += &format!(" (not {}, which no stack here describes)", foreign.join(", "));
    }
    hint
}

fn differences(wanted: &Network, has: &ObservedNetwork) -> Vec<Difference> {
    let mut differences = Vec::new();
    let driver = wanted.driver.as_deref().filter(|driver| *driver != "default");
    let driver = driver.unwrap_or("bridge");
    if has.driver != driver {
        differences.push(Difference::shown("driver", &*has.driver, driver));
    }
    let mut compare = |field: &str, from: bool, to: bool| {
        if from != to {
            differences.push(Difference::shown(field, from.to_string(), to.to_string()));
        }
    };
    compare("internal", has.internal, wanted.internal);
    if let (Some(wanted), Some(has)) = (wanted.enable_ipv4, has.enable_ipv4) {
        compare("enable_ipv4", has, wanted);
    }
    let is_made_by_us = has.labels.contains_key(labels::SOURCE);
    // The engine may be configured to give IPv6 to whoever does not speak of it, as Compose does not.
    if wanted.enable_ipv6 || is_made_by_us {
        compare("enable_ipv6", has.enable_ipv6, wanted.enable_ipv6);
    }
    let ipam = wanted.ipam_driver.as_deref().unwrap_or("default");
    if !has.ipam_driver.is_empty() && has.ipam_driver != ipam {
        differences.push(Difference::shown("ipam.driver", &*has.ipam_driver, ipam));
    }
    // By name alone: an option may be a password.
    let mut options = vec![("driver_opts", &wanted.driver_opts, &has.driver_opts)];
    // Compose makes a network without those that are written.
    if is_made_by_us {
        options.push(("ipam.options", &wanted.ipam_options, &has.ipam_options));
    }
    for (field, wanted, has) in options {
        let changed = wanted.iter().filter(|(name, value)| has.get(*name) != Some(*value));
        differences.extend(changed.map(|(name, _)| Difference::hidden(format!("{field}.{name}"))));
    }
    for subnet in &wanted.subnets {
        if !has.subnets.iter().any(|other| is_as_written(subnet, other)) {
            let from: Vec<&str> = has.subnets.iter().filter_map(|s| s.subnet.as_deref()).collect();
            differences.push(Difference::shown("subnets", from.join(", "), show(subnet)));
        }
    }
    differences
}

fn is_as_written(wanted: &Subnet, has: &Subnet) -> bool {
    let same = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
    same(&wanted.subnet, &has.subnet)
        && same(&wanted.ip_range, &has.ip_range)
        && same(&wanted.gateway, &has.gateway)
        && wanted.aux_addresses.iter().all(|(name, one)| has.aux_addresses.get(name) == Some(one))
}

fn show(subnet: &Subnet) -> String {
    let parts = [&subnet.subnet, &subnet.ip_range, &subnet.gateway];
    parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn wanted() -> Network {
        Network {
            name: NetworkName::new("shop_default"),
            external: false,
            driver: None,
            driver_opts: BTreeMap::new(),
            internal: false,
            enable_ipv4: None,
            enable_ipv6: false,
            attachable: false,
            ipam_driver: None,
            ipam_options: BTreeMap::new(),
            subnets: Vec::new(),
            labels: BTreeMap::new(),
        }
    }

    fn subnet(parts: [&str; 3]) -> Subnet {
        let [subnet, ip_range, gateway] =
            parts.map(|part| (!part.is_empty()).then(|| part.to_owned()));
        Subnet { subnet, ip_range, gateway, ..Subnet::default() }
    }

    /// What the engine shows where nothing was asked for but the subnet.
    fn has() -> ObservedNetwork {
        ObservedNetwork {
            id: "1".to_owned(),
            name: "shop_default".to_owned(),
            driver: "bridge".to_owned(),
            internal: false,
            enable_ipv4: Some(true),
            enable_ipv6: false,
            attachable: false,
            driver_opts: BTreeMap::new(),
            ipam_driver: "default".to_owned(),
            ipam_options: BTreeMap::new(),
            subnets: vec![subnet(["10.1.0.0/16", "", "10.1.0.1"])],
            labels: BTreeMap::new(),
        }
    }

    fn check(wanted: &Network, has: &ObservedNetwork, expected: &[&str]) {
        let told: Vec<String> = differences(wanted, has).iter().map(ToString::to_string).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_subnet_is_the_same_where_all_that_is_written_of_it_is() {
        let with = |subnet| Network { subnets: vec![subnet], ..wanted() };
        check(&wanted(), &has(), &[]);
        check(&with(subnet(["10.1.0.0/16", "", ""])), &has(), &[]);
        check(&with(subnet(["10.1.0.0/16", "", "10.1.0.1"])), &has(), &[]);
        for (other, shown) in [
            (["10.2.0.0/16", "", ""], "10.2.0.0/16"),
            (["10.1.0.0/16", "10.1.8.0/24", ""], "10.1.0.0/16 10.1.8.0/24"),
            (["10.1.0.0/16", "", "10.1.0.9"], "10.1.0.0/16 10.1.0.9"),
        ] {
            let told = format!("subnets: 10.1.0.0/16 → {shown}");
            check(&with(subnet(other)), &has(), &[&told]);
        }
        let mut reserved = subnet(["10.1.0.0/16", "", ""]);
        reserved.aux_addresses.insert("router".to_owned(), "10.1.0.2".to_owned());
        check(&with(reserved.clone()), &has(), &["subnets: 10.1.0.0/16 → 10.1.0.0/16"]);
        check(&with(reserved.clone()), &ObservedNetwork { subnets: vec![reserved], ..has() }, &[]);
    }

    #[test]
    fn what_differs_is_named_with_both_sides_but_for_options() {
        check(&Network { driver: Some("default".into()), ..wanted() }, &has(), &[]);
        let macvlan = Network { driver: Some("macvlan".into()), ..wanted() };
        check(&macvlan, &has(), &["driver: bridge → macvlan"]);
        check(&Network { internal: true, ..wanted() }, &has(), &["internal: false → true"]);
        let without = Network { enable_ipv4: Some(false), ..wanted() };
        check(&without, &has(), &["enable_ipv4: true → false"]);
        check(&Network { enable_ipv6: true, ..wanted() }, &has(), &["enable_ipv6: false → true"]);
        let ipam = Network { ipam_driver: Some("dhcp".into()), ..wanted() };
        check(&ipam, &has(), &["ipam.driver: default → dhcp"]);
        let options = BTreeMap::from([("parent".to_owned(), "eth0".to_owned())]);
        let option = Network { driver_opts: options.clone(), ..wanted() };
        check(&option, &has(), &["driver_opts.parent changed"]);
        check(&option, &ObservedNetwork { driver_opts: options.clone(), ..has() }, &[]);
    }

    #[test]
    fn options_of_who_manages_addresses_are_compared_where_we_made_the_network() {
        let options = BTreeMap::from([("pool".to_owned(), "a".to_owned())]);
        let wanted = Network { ipam_options: options.clone(), ..wanted() };
        check(&wanted, &has(), &[]);
        let labels = BTreeMap::from([(labels::SOURCE.to_owned(), "git".to_owned())]);
        let ours = ObservedNetwork { labels, ..has() };
        check(&wanted, &ours, &["ipam.options.pool changed"]);
        check(&wanted, &ObservedNetwork { ipam_options: options, ..ours }, &[]);
    }

    #[test]
    fn ipv6_that_the_engine_gives_by_itself_is_a_difference_only_where_we_made_the_network() {
        let six = ObservedNetwork { enable_ipv6: true, ..has() };
        check(&wanted(), &six, &[]);
        let labels = BTreeMap::from([(labels::SOURCE.to_owned(), "git".to_owned())]);
        check(&wanted(), &ObservedNetwork { labels, ..six }, &["enable_ipv6: true → false"]);
    }
}
