//! `dns`, `dns_opt`, `dns_search`: how the container resolves names.

use std::net::IpAddr;

use super::Draft;
use super::process::texts;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;

/// `dns`
pub fn dns(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    for item in at.one_or_more() {
        let Some(text) = item.filled() else { continue };
        // The zone of a link-local address is the host's to know.
        let address = text.split_once('%').map_or(text, |(address, _)| address);
        match address.parse::<IpAddr>() {
            Ok(_) => draft.settings.dns.servers.push(text.to_owned()),
            Err(_) => item.wrong("is no IP address"),
        }
    }
}

/// `dns_opt`
pub fn dns_opt(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.dns.options = texts(at);
}

/// `dns_search`; `.` is "no domain at all".
pub fn dns_search(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let domains = at.one_or_more();
    draft.settings.dns.search = domains.iter().filter_map(At::filled).map(str::to_owned).collect();
}
