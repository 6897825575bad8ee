//! `extra_hosts`: names that a container knows by itself.

use std::net::IpAddr;

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;

/// A host with what is written as its address.
pub struct HostEntry<'a> {
    /// Where the address stands.
    pub at: At<'a>,
    /// The name.
    pub host: String,
    /// What is written as its address, not looked at; without the brackets of IPv6.
    pub address: String,
}

/// Reads a mapping of hosts to one or more addresses, or a list of `host=address` or `host:address`, where
/// several addresses have commas between them.
pub fn entries<'a>(at: &At<'a>) -> Vec<HostEntry<'a>> {
    match at.is_mapping() {
        true => at.fields().iter().flat_map(|(host, at)| of_field(host, at)).collect(),
        false => at.items().iter().flat_map(of_item).collect(),
    }
}

fn of_field<'a>(host: &str, at: &At<'a>) -> Vec<HostEntry<'a>> {
    let texts = at.one_or_more().into_iter();
    texts
        .flat_map(|at| at.text().map(|text| addresses(&at, host, text)).unwrap_or_default())
        .collect()
}

fn of_item<'a>(at: &At<'a>) -> Vec<HostEntry<'a>> {
    let Some(text) = at.filled() else { return Vec::new() };
    let Some((host, text)) = text.split_once('=').or_else(|| text.split_once(':')) else {
        at.wrong("is no host with its address: write `host=address`");
        return Vec::new();
    };
    addresses(at, host, text)
}

fn addresses<'a>(at: &At<'a>, host: &str, text: &str) -> Vec<HostEntry<'a>> {
    let entry = |address: &str| {
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let (host, address) = (host.trim().to_owned(), bare.unwrap_or(address).to_owned());
        HostEntry { at: at.clone(), host, address }
    };
    text.split(',').map(str::trim).map(entry).collect()
}

/// `extra_hosts`
pub fn extra_hosts(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.extra_hosts = entries(at).iter().filter_map(line).collect();
}

/// The entry as the engine takes it.
fn line(HostEntry { at, host, address }: &HostEntry<'_>) -> Option<String> {
    let is_address = address == "host-gateway" || address.parse::<IpAddr>().is_ok();
    if host.is_empty() || !is_address {
        at.wrong("gives no host and address; `host-gateway` is this server");
        return None;
    }
    Some(format!("{host}:{address}"))
}
