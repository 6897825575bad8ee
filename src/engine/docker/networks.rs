//! Attachment to networks: ours → the engine's endpoint settings, and back.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::{EndpointIpamConfig, EndpointSettings};

use crate::model::observed::AttachedNetwork;
use crate::model::spec::{Attachment, Endpoint};
use crate::model::{NetworkId, NetworkName};

/// What an endpoint is asked for, `extra_aliases` added.
pub(super) fn endpoint_settings<'a>(
    endpoint: &'a Endpoint,
    extra_aliases: impl IntoIterator<Item = &'a str>,
) -> EndpointSettings {
    let own = endpoint.aliases.iter().map(String::as_str);
    let aliases: BTreeSet<&str> = own.chain(extra_aliases).collect();
    let (v4, v6) = (&endpoint.ipv4_address, &endpoint.ipv6_address);
    let local = &endpoint.link_local_ips;
    EndpointSettings {
        aliases: Some(aliases.into_iter().map(str::to_owned).collect()),
        ipam_config: (v4.is_some() || v6.is_some() || !local.is_empty()).then(|| {
            EndpointIpamConfig {
                ipv4_address: v4.clone(),
                ipv6_address: v6.clone(),
                link_local_ips: (!local.is_empty()).then(|| local.clone()),
            }
        }),
        links: (!endpoint.links.is_empty()).then(|| endpoint.links.iter().cloned().collect()),
        mac_address: endpoint.mac_address.clone(),
        driver_opts: (!endpoint.driver_opts.is_empty())
            .then(|| endpoint.driver_opts.clone().into_iter().collect()),
        gw_priority: (endpoint.gw_priority != 0).then_some(endpoint.gw_priority),
        ..EndpointSettings::default()
    }
}

/// Who the container is: names the engine adds to its aliases by itself.
pub(super) struct OwnNames<'a> {
    /// Its name at the moment.
    pub(super) name: &'a str,
    /// The first twelve characters of its id.
    pub(super) short_id: &'a str,
    /// `Config.Hostname`.
    pub(super) hostname: &'a str,
}

/// The attachment as it was asked for: the primary network first, the others by name.
pub(super) fn attachment(
    mode: &str,
    networks: &BTreeMap<String, EndpointSettings>,
    own: &OwnNames<'_>,
) -> Attachment {
    match mode {
        "" | "default" => return Attachment::Mode("bridge".to_owned()),
        "none" | "host" | "bridge" => return Attachment::Mode(mode.to_owned()),
        other if other.starts_with("container:") => return Attachment::Mode(other.to_owned()),
        _ => {}
    }
    let mut endpoints: Vec<Endpoint> =
        networks.iter().map(|(name, settings)| endpoint(name, settings, own)).collect();
    endpoints.sort_by_key(|endpoint| endpoint.network.as_str() != mode);
    Attachment::Networks(endpoints)
}

fn endpoint(name: &str, settings: &EndpointSettings, own: &OwnNames<'_>) -> Endpoint {
    let ipam = settings.ipam_config.as_ref();
    let written = |address: &Option<String>| address.clone().filter(|text| !text.is_empty());
    Endpoint {
        aliases: asked_aliases(settings.aliases.as_deref().unwrap_or_default(), own),
        ipv4_address: ipam.and_then(|ipam| written(&ipam.ipv4_address)),
        ipv6_address: ipam.and_then(|ipam| written(&ipam.ipv6_address)),
        link_local_ips: ipam.and_then(|ipam| ipam.link_local_ips.clone()).unwrap_or_default(),
        // The engine shows the address it made up where none was asked for.
        mac_address: None,
        gw_priority: settings.gw_priority.unwrap_or(0),
        driver_opts: settings
            .driver_opts
            .iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
        links: settings.links.iter().flatten().cloned().collect(),
        ..Endpoint::plain(NetworkName::new(name))
    }
}

/// The aliases without those that the engine adds (below API 1.45): behind all that was asked for it puts
/// the short id, and behind that the host name. A host name before the short id was asked for.
fn asked_aliases(aliases: &[String], own: &OwnNames<'_>) -> BTreeSet<String> {
    let asked = aliases.iter().position(|alias| alias == own.short_id).unwrap_or(aliases.len());
    aliases
        .iter()
        .enumerate()
        .filter(|(at, alias)| {
            let added = *at >= asked && (*alias == own.short_id || *alias == own.hostname);
            !added && *alias != own.name
        })
        .map(|(_, alias)| alias.clone())
        .collect()
}

/// The attachments as they are.
pub(super) fn attached(
    networks: &BTreeMap<String, EndpointSettings>,
) -> BTreeMap<NetworkName, AttachedNetwork> {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    networks
        .iter()
        .map(|(name, settings)| {
            let attached = AttachedNetwork {
                id: text(&settings.network_id).map(NetworkId::new),
                aliases: settings.aliases.iter().flatten().cloned().collect(),
                address: text(&settings.ip_address).or_else(|| text(&settings.global_ipv6_address)),
            };
            (NetworkName::new(name), attached)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(aliases: &[&str], expected: &[&str]) {
        let aliases: Vec<String> = aliases.iter().map(|alias| (*alias).to_owned()).collect();
        let own = OwnNames { name: "shop-web-1", short_id: "0123456789ab", hostname: "web" };
        let expected: BTreeSet<String> = expected.iter().map(|alias| (*alias).to_owned()).collect();
        assert_eq!(asked_aliases(&aliases, &own), expected, "{aliases:?}");
    }

    #[test]
    fn only_aliases_that_were_asked_for_are_compared() {
        check(&["shop-web-1", "api", "0123456789ab", "web"], &["api"]);
        check(&["shop-web-1", "web", "0123456789ab"], &["web"]);
        check(&["web", "api"], &["api", "web"]);
        check(&[], &[]);
    }

    #[test]
    fn the_primary_network_comes_first() {
        let networks =
            ["a", "b", "c"].map(|name| (name.to_owned(), EndpointSettings::default())).into();
        let own = OwnNames { name: "", short_id: "", hostname: "" };
        let attachment = attachment("b", &networks, &own);
        let names: Vec<&str> =
            attachment.endpoints().iter().map(|endpoint| endpoint.network.as_str()).collect();
        assert_eq!(names, ["b", "a", "c"]);
    }
}
