//! Ports and volumes in their short forms.

use evenkeel::manifest::short;
use proptest::prelude::*;

use super::{any_text, config, mixed, quick};

const PORTS: &[&str] = &[
    ":",
    "80",
    "8080",
    "0",
    "65535",
    "65536",
    "-",
    "80-82",
    "90-92",
    "[::1]",
    "[",
    "]",
    "::1",
    "127.0.0.1",
    "0.0.0.0",
    "/",
    "/tcp",
    "/UDP",
    "/sctp",
    "/xyz",
    "+",
    " ",
    "080",
    "$A",
];

const VOLUMES: &[&str] = &[
    ":",
    "/data",
    "./a",
    "../b",
    "~",
    "~/c",
    "name",
    "C:",
    "\\",
    "d:\\e",
    "ro",
    ":ro",
    "rw",
    ",",
    ":z",
    "Z",
    "nocopy",
    "rslave",
    "${A:-b}",
    "${",
    "}",
    "{",
    "$",
    ".",
    " ",
    "é",
    "\\\\.\\pipe",
];

/// A port the way people write it.
fn written(port: &evenkeel::model::spec::PortBinding) -> String {
    let address = match port.host_ip.contains(':') {
        true => format!("[{}]", port.host_ip),
        false => port.host_ip.clone(),
    };
    format!("{address}:{}:{}", port.published, port.target)
}

/// A volume the way people write it.
fn shown(volume: &short::ShortVolume) -> String {
    let mut text = volume.source.clone().map(|source| source + ":").unwrap_or_default();
    text += &volume.target;
    let words = [
        volume.read_only.then(|| "ro".to_owned()),
        (!volume.copy).then(|| "nocopy".to_owned()),
        volume.selinux.map(String::from),
        volume.propagation.clone(),
        volume.unknown.then(|| "unknown".to_owned()),
    ];
    let words: Vec<String> = words.into_iter().flatten().collect();
    if words.is_empty() { text } else { text + ":" + &words.join(",") }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_port_that_is_accepted_is_written_and_read_again(
        text in prop_oneof![4 => mixed(PORTS, 9), 1 => any_text()],
    ) {
        let Ok(ports) = quick(|| short::port(&text)) else { return Ok(()) };
        prop_assert!(!ports.is_empty());
        for port in &ports {
            prop_assert!(port.target.port > 0);
            let again = short::port(&written(port));
            prop_assert_eq!(again, Ok(vec![port.clone()]), "{}", text);
        }
        let targets = ports.windows(2).all(|two| two[0].target.port + 1 == two[1].target.port);
        prop_assert!(targets, "{}", text);
    }

    #[test]
    fn a_range_of_ports_is_as_long_as_it_says(first in 1..60_000_u16, more in 0..500_u16, to in 1..60_000_u16) {
        let (last, until) = (first + more, to + more);
        let ports = short::port(&format!("{first}-{last}:{to}-{until}/udp")).unwrap();
        prop_assert_eq!(ports.len(), usize::from(more) + 1);
        prop_assert_eq!(&ports.last().unwrap().published, &last.to_string());
        let backwards = short::port(&format!("{last}-{first}:{to}-{until}"));
        prop_assert!(more == 0 || backwards.is_err());
    }

    #[test]
    fn a_volume_that_is_accepted_is_written_and_read_again(
        text in prop_oneof![4 => mixed(VOLUMES, 9), 1 => any_text()],
    ) {
        let Ok(volume) = quick(|| short::volume(&text)) else { return Ok(()) };
        prop_assert!(!volume.target.is_empty());
        prop_assert!(volume.source.as_deref() != Some(""));
        let again = short::volume(&shown(&volume));
        prop_assert_eq!(again.as_ref(), Ok(&volume), "{} {}", text, shown(&volume));
    }
}
