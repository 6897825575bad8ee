//! What is around a container's program: ports, rights, logging, networks.

use std::collections::BTreeSet;

use super::Found;
use crate::model::ContainerSpec;
use crate::model::spec::{Attachment, VolumesFrom};

pub(super) fn compare_surroundings(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    image: &ContainerSpec,
    found: &mut Found<'_>,
) {
    if wanted.platform.is_some() && has.platform.is_some() {
        found.hidden("platform", wanted.platform != has.platform);
    }
    let on_host_network = wanted.network == Attachment::Mode("host".to_owned());
    // There the engine shows the name of the container whose network it is.
    let on_anothers = wanted.shared().iter().any(|(key, _)| *key == "network_mode");
    if !on_host_network && !on_anothers {
        found.hidden("hostname", wanted.hostname != has.hostname);
    }
    let sorted =
        |ports: &[crate::model::spec::PortBinding]| ports.iter().cloned().collect::<BTreeSet<_>>();
    let text = |spec: &ContainerSpec| {
        let ports: Vec<String> = sorted(&spec.ports).iter().map(show_port).collect();
        if ports.is_empty() { "none".to_owned() } else { ports.join(", ") }
    };
    found.shown("ports", &text(has), &text(wanted));
    let bound: BTreeSet<_> =
        wanted.ports.iter().chain(&has.ports).map(|port| port.target).collect();
    let wanted_exposed: BTreeSet<_> =
        wanted.expose.union(&image.expose).filter(|port| !bound.contains(port)).collect();
    let has_exposed: BTreeSet<_> = has.expose.iter().filter(|port| !bound.contains(port)).collect();
    found.hidden("expose", wanted_exposed != has_exposed);
    let read_only =
        |all: &[VolumesFrom]| all.iter().map(|volumes| volumes.read_only).collect::<Vec<_>>();
    found.hidden("volumes_from", read_only(&wanted.volumes_from) != read_only(&has.volumes_from));
    // Compose writes a mapping's in any order.
    let hosts = |spec: &ContainerSpec| spec.extra_hosts.iter().cloned().collect::<BTreeSet<_>>();
    found.hidden("extra_hosts", hosts(wanted) != hosts(has));
    found.hidden("init", wanted.init.unwrap_or(false) != has.init.unwrap_or(false));
    let word = |value: bool| value.to_string();
    found.shown("read_only", &word(has.read_only), &word(wanted.read_only));
    found.shown("privileged", &word(has.privileged), &word(wanted.privileged));
    found.hidden("cap_add", wanted.cap_add != has.cap_add);
    found.hidden("cap_drop", wanted.cap_drop != has.cap_drop);
    let is_dropped = found.suspects() && wanted.logging.is_none() && has.logging.is_some();
    found.hidden("logging", is_dropped || logging_differs(wanted, has));
}

fn logging_differs(wanted: &ContainerSpec, has: &ContainerSpec) -> bool {
    match (&wanted.logging, &has.logging) {
        (Some(wanted), Some(has)) => {
            wanted.options != has.options
                || (!wanted.driver.is_empty() && wanted.driver != has.driver)
        }
        (Some(wanted), None) => {
            !wanted.options.is_empty() || !matches!(wanted.driver.as_str(), "" | "json-file")
        }
        // The engine's own default options (`daemon.json`) show on every container. Options that the manifest
        // dropped change the hash.
        (None, Some(_) | None) => false,
    }
}

fn show_port(port: &crate::model::spec::PortBinding) -> String {
    match (port.host_ip.as_str(), port.published.as_str()) {
        ("", "") => port.target.to_string(),
        ("", published) => format!("{published}:{}", port.target),
        (ip, published) => format!("{ip}:{published}:{}", port.target),
    }
}

pub(super) fn compare_endpoints(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    found: &mut Found<'_>,
) {
    match (&wanted.network, &has.network) {
        (Attachment::Mode(wanted), Attachment::Mode(has)) => {
            found.hidden("network_mode", wanted != has);
        }
        (Attachment::Mode(_), Attachment::Networks(_))
        | (Attachment::Networks(_), Attachment::Mode(_)) => {
            found.hidden("network_mode", true);
        }
        (Attachment::Networks(wanted), Attachment::Networks(has)) => {
            for endpoint in wanted {
                let same = has.iter().find(|other| other.network == endpoint.network);
                // A missing network is mended in place; addresses and names are given at create.
                let differs = same.is_some_and(|same| {
                    same.ipv4_address != endpoint.ipv4_address
                        || same.ipv6_address != endpoint.ipv6_address
                        || same.link_local_ips != endpoint.link_local_ips
                        || same.gw_priority != endpoint.gw_priority
                        || same.driver_opts != endpoint.driver_opts
                        || !endpoint.links.is_subset(&same.links)
                        || !endpoint.aliases.is_subset(&same.aliases)
                        || (found.suspects() && endpoint.aliases != same.aliases)
                });
                found.hidden(&format!("networks.{}", endpoint.network), differs);
            }
        }
    }
}
