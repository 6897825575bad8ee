//! Whether a value is one of those that are allowed.

use std::net::IpAddr;
use std::path::Path;

use super::paths::{Seen, clean};
use super::rule::{Rule, Values};
use super::seams::Disk;

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing that could be told apart.
    Nothing,
    /// A word: `pid`, `NET_ADMIN`, `driver=nfs`.
    Word(String),
    /// A path of the host.
    Path(Seen),
    /// A published port.
    Port(Port),
}

/// A published port of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The address; empty for all.
    pub address: String,
    /// The first port; 0 is any free one.
    pub first: u16,
    /// The last one.
    pub last: u16,
    /// `tcp`
    pub protocol: String,
}

/// Who names the values that are fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A list of a rule: where the values are paths, what lies below is meant too.
    List,
    /// An exception: this alone.
    Exception,
}

impl Value {
    /// As it is written in an exception; `None` where there is nothing to write.
    pub fn written(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Word(word) => Some(word.clone()),
            Self::Path(seen) => Some(seen.text.display().to_string()),
            Self::Port(port) => Some(port.written()),
        }
    }
}

impl Port {
    /// `127.0.0.1:8000-8010/tcp`
    pub fn written(&self) -> String {
        let Self { address, first, last, protocol } = self;
        let address = match address.as_str() {
            "" => String::new(),
            v6 if v6.contains(':') => format!("[{v6}]:"),
            v4 => format!("{v4}:"),
        };
        match first == last {
            true => format!("{address}{first}/{protocol}"),
            false => format!("{address}{first}-{last}/{protocol}"),
        }
    }
}

/// Whether `pattern`, as it is written in the configuration, means `value`. `own` is the stack's directory, in
/// which its containers can make symbolic links.
pub fn means(
    rule: Rule,
    pattern: &str,
    value: &Value,
    by: By,
    own: &Path,
    disk: &dyn Disk,
) -> bool {
    match value {
        Value::Nothing => false,
        Value::Path(seen) => {
            let below = by == By::List && rule.values() == Values::Below;
            path_means(pattern, seen, below, own, disk)
        }
        Value::Port(port) => port_means(pattern, port),
        Value::Word(word) => match rule.values() {
            Values::None => false,
            Values::Capabilities => {
                let pattern = pattern.to_uppercase();
                let pattern = pattern.strip_prefix("CAP_").unwrap_or(&pattern);
                pattern == "ALL" || pattern == word
            }
            Values::Patterns => glob(pattern, word),
            Values::Below | Values::Paths | Values::Words | Values::Ports => pattern == word,
        },
    }
}

fn path_means(pattern: &str, seen: &Seen, below: bool, own: &Path, disk: &dyn Disk) -> bool {
    let pattern = Path::new(pattern);
    if !pattern.is_absolute() {
        return false;
    }
    let pattern = clean(pattern);
    // Where the way there leads can change what a container may write to; so the way itself means nothing.
    let is_own = !own.as_os_str().is_empty() && pattern.starts_with(own);
    let behind = match is_own {
        true => pattern.clone(),
        false => disk.real(&pattern).unwrap_or_else(|| pattern.clone()),
    };
    let Some(real) = &seen.real else {
        // Nobody can tell where it leads: only the operator's own words for it will do.
        return !below && pattern == seen.text;
    };
    match below {
        true => real.starts_with(&behind),
        false => *real == behind,
    }
}

fn port_means(pattern: &str, port: &Port) -> bool {
    let (pattern, protocol) = match pattern.rsplit_once('/') {
        Some((pattern, protocol)) => (pattern, Some(protocol)),
        None => (pattern, None),
    };
    let (address, ports) = match pattern.rsplit_once(':') {
        Some((address, ports)) => (address.trim_matches(['[', ']']), ports),
        None => ("", pattern),
    };
    let same_address = match (address, port.address.as_str()) {
        ("*", _) => true,
        (wanted, "0.0.0.0" | "::") => wanted.is_empty() || wanted == port.address,
        (wanted, given) => match (wanted.parse::<IpAddr>(), given.parse::<IpAddr>()) {
            (Ok(wanted), Ok(given)) => wanted == given,
            _ => wanted == given,
        },
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let within = match (ports, first.parse::<u16>(), last.parse::<u16>()) {
        ("*", _, _) => true,
        (_, Ok(first), Ok(last)) => first <= port.first && port.last <= last,
        _ => false,
    };
    same_address && within && protocol.is_none_or(|wanted| wanted == port.protocol)
}

/// Whether `text` is what `pattern` says: `*` stands for anything without a `/`, `**` for anything.
pub fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    // By the length of the pattern that was used up: which beginnings of the text it means.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let stars = pattern[at..].iter().take_while(|byte| **byte == b'*').count();
        let mut next = vec![false; text.len() + 1];
        if stars == 0 {
            for (end, byte) in text.iter().enumerate() {
                next[end + 1] = reached[end] && *byte == pattern[at];
            }
        } else {
            let mut open = false;
            for end in 0..=text.len() {
                let crossed = end > 0 && stars == 1 && text[end - 1] == b'/';
                open = reached[end] || (open && !crossed);
                next[end] = open;
            }
        }
        at += stars.max(1);
        reached = next;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_a_part_and_two_do_not() {
        for (pattern, text, expected) in [
            ("ghcr.io/acme/*", "ghcr.io/acme/api", true),
            ("ghcr.io/acme/*", "ghcr.io/acme/team/api", false),
            ("ghcr.io/acme/**", "ghcr.io/acme/team/api", true),
            ("ghcr.io/acme/api", "ghcr.io/acme/api2", false),
            ("ghcr.io/acme/a*i", "ghcr.io/acme/api", true),
            ("*/acme/*", "evil.io/x/acme/api", false),
            ("**", "a/b", true),
            ("net.*", "net.core.somaxconn", true),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_port_is_meant_by_its_number_its_address_and_its_protocol() {
        let port = |address: &str, first, last| Port {
            address: address.to_owned(),
            first,
            last,
            protocol: "tcp".to_owned(),
        };
        for (pattern, port, expected) in [
            ("443", port("", 443, 443), true),
            ("443", port("0.0.0.0", 443, 443), true),
            ("443", port("127.0.0.1", 443, 443), false),
            ("*:443", port("127.0.0.1", 443, 443), true),
            ("127.0.0.1:*", port("127.0.0.1", 5432, 5432), true),
            ("127.0.0.1:*", port("", 5432, 5432), false),
            ("8000-8010", port("", 8001, 8003), true),
            ("8000-8010", port("", 8001, 8011), false),
            ("443/udp", port("", 443, 443), false),
            ("443/tcp", port("", 443, 443), true),
            ("[::1]:80", port("::1", 80, 80), true),
            ("http", port("", 80, 80), false),
        ] {
            assert_eq!(port_means(pattern, &port), expected, "{pattern} {port:?}");
        }
    }
}
