//! `ports` and `expose`: what is reached from outside, and what merely listens.

use std::net::IpAddr;

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::spec::{ExposedPort, PortBinding, Protocol};

/// `ports`
pub fn ports(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    for item in at.items() {
        let bindings = if item.is_scalar() { item.parse(short) } else { long(&item) };
        draft.settings.ports.extend(bindings.unwrap_or_default());
    }
}

/// `expose`
pub fn expose(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    for item in at.items() {
        let ports = item.parse(|text| {
            let (ports, protocol) = split_protocol(text)?;
            let (first, last) = range(ports)?;
            Ok((first..=last).map(move |port| ExposedPort { port, protocol }))
        });
        draft.settings.expose.extend(ports.into_iter().flatten());
    }
}

/// Sorts, and leaves out what is said twice.
pub fn settle(draft: &mut Draft<'_>) {
    let settings = &mut draft.settings;
    settings.ports.sort();
    settings.ports.dedup();
    let ports = &settings.ports;
    settings.expose.retain(|exposed| ports.iter().all(|port| port.target != *exposed));
}

/// `[[address:][published]:]target[/protocol]`, where ports may be ranges.
///
/// # Errors
/// A sentence for people.
pub fn short(text: &str) -> Result<Vec<PortBinding>, String> {
    let (rest, protocol) = split_protocol(text)?;
    let (rest, target) = rest.rsplit_once(':').unwrap_or(("", rest));
    // An address of IPv6 stands in brackets and has colons of its own.
    let (address, published) = match rest.rsplit_once(':') {
        Some((address, published)) if !published.ends_with(']') => (address, published),
        Some(_) => (rest, ""),
        None => ("", rest),
    };
    bindings(&host_address(address)?, published, target, protocol)
}

fn bindings(
    host_ip: &str,
    published: &str,
    target: &str,
    protocol: Protocol,
) -> Result<Vec<PortBinding>, String> {
    let targets = range(target)?;
    let binding = |port, published: String| PortBinding {
        target: ExposedPort { port, protocol },
        host_ip: host_ip.to_owned(),
        published,
    };
    if published.is_empty() {
        return Ok((targets.0..=targets.1).map(|port| binding(port, String::new())).collect());
    }
    let from = match published {
        // Any port of the host that is free.
        "0" => (0, 0),
        _ => range(published)?,
    };
    let (wanted, given) = (targets.1 - targets.0, from.1 - from.0);
    if wanted == given {
        let pairs = (targets.0..=targets.1).zip(from.0..=from.1);
        return Ok(pairs.map(|(port, from)| binding(port, from.to_string())).collect());
    }
    // One port of the container, and the engine picks one of the host's.
    if wanted == 0 {
        return Ok(vec![binding(targets.0, format!("{}-{}", from.0, from.1))]);
    }
    Err(format!("the ranges `{published}` and `{target}` are not equally long"))
}

fn split_protocol(text: &str) -> Result<(&str, Protocol), String> {
    match text.rsplit_once('/') {
        Some((ports, "")) => Ok((ports, Protocol::Tcp)),
        Some((ports, name)) => Ok((ports, protocol(name)?)),
        None => Ok((text, Protocol::Tcp)),
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text.to_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        _ => Err(format!("`{text}` is no protocol: `tcp`, `udp` or `sctp`")),
    }
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err(format!("the range `{text}` runs backwards"));
    }
    Ok((first, last))
}

fn port(text: &str) -> Result<u16, String> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 && !text.starts_with('+') => Ok(port),
        Ok(_) | Err(_) => Err(format!("`{text}` is no port (1 to 65535)")),
    }
}

fn host_address(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bare.unwrap_or(text).parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) if bare.is_none() => {
            Err(format!("write the address in brackets: `[{text}]`"))
        }
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!("`{text}` is no address of this host, such as `127.0.0.1`")),
    }
}

const LONG: [&str; 7] =
    ["target", "published", "host_ip", "protocol", "mode", "name", "app_protocol"];

fn long(at: &At<'_>) -> Option<Vec<PortBinding>> {
    at.only(&LONG, &[]);
    let target = at.value("target");
    if target.is_none() {
        at.problem("missing-key", "a port needs a `target`: the container's port");
    }
    let text = |key| at.value(key).and_then(|at| at.text()).unwrap_or_default();
    let protocol = match at.value("protocol") {
        Some(at) => at.parse(protocol),
        None => Some(Protocol::Tcp),
    };
    let address = match at.value("host_ip") {
        // Without the short form's colons there is nothing that brackets would have to keep apart.
        Some(at) => {
            at.parse(|text| host_address(text).or_else(|_| host_address(&format!("[{text}]"))))
        }
        None => Some(String::new()),
    };
    let (protocol, address) = (protocol?, address?);
    target?.parse(|target| bindings(&address, text("published"), target, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let shown = |binding: PortBinding| {
            format!("{}|{}|{}", binding.host_ip, binding.published, binding.target)
        };
        let found = short(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(found.into_iter().map(shown).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn a_port_is_read_as_compose_reads_it() {
        check("80", &["||80/tcp"]);
        check(":80", &["||80/tcp"]);
        check("8080:80", &["|8080|80/tcp"]);
        check("8080:80/UDP", &["|8080|80/udp"]);
        check("08080:80/", &["|8080|80/tcp"]);
        check("0:80", &["|0|80/tcp"]);
        check("127.0.0.1:8080:80", &["127.0.0.1|8080|80/tcp"]);
        check("127.0.0.1::80", &["127.0.0.1||80/tcp"]);
        check("[::1]:8080:80", &["::1|8080|80/tcp"]);
        check("[::1]::80", &["::1||80/tcp"]);
    }

    #[test]
    fn ranges_go_pairwise_or_leave_the_choice_to_the_engine() {
        check("80-81:8080-8081", &["|80|8080/tcp", "|81|8081/tcp"]);
        check("9090-9091:8080/udp", &["|9090-9091|8080/udp"]);
        check("3000-3002", &["||3000/tcp", "||3001/tcp", "||3002/tcp"]);
        check("65534-65535:65534-65535", &["|65534|65534/tcp", "|65535|65535/tcp"]);
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for text in [
            "",
            "0",
            "tcp",
            "a:80",
            "80/xyz",
            "127.0.1:8080:80",
            "::1:80:80",
            "1-3:1-2",
            "5-4",
            "65536",
            "80:",
            "+80",
            "80-",
        ] {
            assert!(short(text).is_err(), "{text:?} was accepted");
        }
    }
}
