//! `networks`, `network_mode`: whom a container can reach, and under which names it is found.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::Draft;
use super::process::texts;
use super::settings::options;
use super::sharing::share;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::NetworkName;
use crate::model::spec::{Attachment, Endpoint};

/// One entry of `networks`.
pub struct Joined<'a> {
    key: String,
    at: At<'a>,
    /// All but the network's name at the engine, which is told when the service is attached.
    endpoint: Endpoint,
    priority: i64,
}

impl<'a> Joined<'a> {
    fn new(key: &str, at: At<'a>) -> Self {
        let endpoint = Endpoint::plain(NetworkName::new(key));
        Self { key: key.to_owned(), at, endpoint, priority: 0 }
    }
}

/// `networks`
pub fn networks<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    let joined: Vec<Joined<'a>> = match at.is_mapping() {
        true => at.fields().into_iter().map(|(key, at)| long(key, at)).collect(),
        false => at
            .items()
            .into_iter()
            .filter_map(|item| Some(Joined::new(item.filled()?, item)))
            .collect(),
    };
    draft.networks = Some(joined).filter(|joined| !joined.is_empty());
}

const LONG: [&str; 9] = [
    "aliases",
    "ipv4_address",
    "ipv6_address",
    "link_local_ips",
    "mac_address",
    "priority",
    "gw_priority",
    "driver_opts",
    "interface_name",
];

fn long<'a>(key: &str, at: At<'a>) -> Joined<'a> {
    if !at.is_null() && !at.is_mapping() {
        at.expected("a mapping");
    }
    at.only(&LONG, &[]);
    let mut joined = Joined::new(key, at.clone());
    let endpoint = &mut joined.endpoint;
    endpoint.aliases =
        at.value("aliases").map(|at| texts(&at).into_iter().collect()).unwrap_or_default();
    endpoint.ipv4_address = at.value("ipv4_address").and_then(|at| address::<Ipv4Addr>(&at));
    endpoint.ipv6_address = at.value("ipv6_address").and_then(|at| address::<Ipv6Addr>(&at));
    if let Some(at) = at.value("link_local_ips") {
        endpoint.link_local_ips = at.items().iter().filter_map(address::<IpAddr>).collect();
    }
    endpoint.mac_address = at.value("mac_address").and_then(|at| at.parse(mac_address));
    endpoint.driver_opts = at.value("driver_opts").map(|at| options(&at)).unwrap_or_default();
    if let Some(name) = at.value("interface_name").and_then(|at| at.parse(interface_name)) {
        endpoint.driver_opts.insert(Endpoint::INTERFACE_NAME.to_owned(), name);
    }
    let number = |key| at.value(key).and_then(|at| at.integer()).unwrap_or(0);
    endpoint.gw_priority = number("gw_priority");
    joined.priority = number("priority");
    joined
}

fn address<T: FromStr + ToString>(at: &At<'_>) -> Option<String> {
    at.parse(|text| text.parse::<T>().map_err(|_| no_address(text)))
        .map(|address| address.to_string())
}

/// Six pairs of hex digits, as the engine prints them.
///
/// # Errors
/// A sentence for people.
pub fn mac_address(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let is_pair = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    match parts.len() == 6 && parts.iter().all(is_pair) {
        true => Ok(parts.join(":").to_ascii_lowercase()),
        false => Err(format!("`{text}` is no MAC address, such as `02:42:ac:11:00:02`")),
    }
}

/// What Linux takes as the name of an interface.
fn interface_name(text: &str) -> Result<String, String> {
    let is_plain = |c: char| !c.is_whitespace() && !"/:".contains(c);
    match (1..=15).contains(&text.len()) && text.chars().all(is_plain) && !text.starts_with('.') {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is no name of an interface: at most 15 letters, no `/`")),
    }
}

fn no_address(text: &str) -> String {
    format!("`{text}` is no address")
}

/// `network_mode`
pub fn network_mode<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    let Some(mode) = at.filled() else { return };
    match mode {
        "none" | "host" | "bridge" => {
            draft.network_mode = Some((mode.to_owned(), at.clone()));
        }
        // The engine's default network, not the stack's.
        "default" => draft.network_mode = Some(("bridge".to_owned(), at.clone())),
        _ if share("network_mode", mode, at, draft) => {
            draft.network_mode = Some((mode.to_owned(), at.clone()));
        }
        _ => {
            let known = ["none", "host", "bridge", "service:<name>", "container:<name>"];
            at.other_than(&known, "is no network mode");
        }
    }
}

/// Attaches the service, once all its keys are read.
pub fn attach(draft: &mut Draft<'_>, scene: &Scene<'_>) {
    if let Some((mode, at)) = draft.network_mode.take() {
        if draft.networks.is_some() {
            at.problem("contradiction", "`network_mode` and `networks` exclude each other");
        }
        if mode == "host" && !draft.settings.ports.is_empty() {
            at.remark(Some(&draft.name), "`ports` have no effect with `network_mode: host`");
        }
        draft.settings.network = Attachment::Mode(mode);
        return;
    }
    let default = || vec![Joined::new("default", draft.at.clone())];
    let mut joined = draft.networks.take().unwrap_or_else(default);
    joined.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.key.cmp(&b.key)));
    let endpoints = joined.into_iter().filter_map(|joined| endpoint(joined, draft, scene));
    draft.settings.network = Attachment::Networks(endpoints.collect());
}

fn endpoint(joined: Joined<'_>, draft: &mut Draft<'_>, scene: &Scene<'_>) -> Option<Endpoint> {
    let Some(network) = scene.networks.get(&joined.key) else {
        let (name, shown) = (&draft.name, joined.at.quoted(&joined.key));
        let message = format!("service `{name}` joins network {shown}, which is not declared");
        let at = &joined.at;
        let problem = at.trouble("undefined-network", message).at(at.key_place().clone());
        let known = scene.networks.keys().map(String::as_str);
        at.undefined(problem, &joined.key, known, "declare it under `networks:` at the top");
        return None;
    };
    let mut endpoint = joined.endpoint;
    endpoint.network = network.name.clone();
    endpoint.aliases.insert(draft.name.to_string());
    draft.network_keys.insert(joined.key);
    Some(endpoint)
}
