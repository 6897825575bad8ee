//! Ports, volumes and host entries in their short forms.

use evenkeel::manifest::short;
use evenkeel::model::MemoryTree;
use serde_json::{Value as Json, json};

use super::records::{check, input};
use super::world::{loaded, told};

/// A port as Compose writes it in full.
fn ports(record: &Json) -> Result<Json, String> {
    let described = |port: evenkeel::model::spec::PortBinding| {
        let mut described = json!({
            "mode": "ingress",
            "target": port.target.port,
            "protocol": port.target.protocol.to_string(),
        });
        for (key, value) in [("host_ip", &port.host_ip), ("published", &port.published)] {
            if !value.is_empty() {
                described[key] = json!(value);
            }
        }
        described
    };
    Ok(short::port(input(record))?.into_iter().map(described).collect())
}

#[test]
fn a_port_is_read_as_compose_reads_it() {
    check("port_short", ports);
}

#[test]
fn ports_from_real_files_are_read_as_compose_reads_them() {
    check("real_port_short", ports);
}

/// A volume as Compose writes it in full.
fn volume(record: &Json) -> Result<Json, String> {
    let volume = short::volume(input(record))?;
    let mut described = json!({ "target": volume.target });
    if let Some(source) = &volume.source {
        described["source"] = json!(source);
    }
    if volume.read_only {
        described["read_only"] = json!(true);
    }
    if volume.is_bind() {
        described["type"] = json!("bind");
        described["bind"] = json!({});
    } else {
        described["type"] = json!("volume");
        described["volume"] = if volume.copy { json!({}) } else { json!({ "nocopy": true }) };
    }
    for (key, value) in
        [("selinux", volume.selinux.map(String::from)), ("propagation", volume.propagation.clone())]
    {
        let Some(value) = value else { continue };
        if !volume.is_bind() {
            described["bind"]["create_host_path"] = json!(false);
        }
        described["bind"][key] = json!(value);
    }
    // Of one or two characters Compose says nothing more.
    if input(record).len() < 3 {
        described.as_object_mut().unwrap().remove("volume");
    }
    Ok(described)
}

#[test]
fn a_volume_is_read_as_compose_reads_it() {
    check("volume_short", volume);
}

#[test]
fn volumes_from_real_files_are_read_as_compose_reads_them() {
    check("real_volume_short", volume);
}

/// The addresses of each host, of a service with these entries.
fn hosts(record: &Json) -> Result<Json, String> {
    let service = json!({ "image": "image", "extra_hosts": record["input"] });
    let manifest = json!({ "services": { "service": service } }).to_string();
    let stack = loaded(MemoryTree::new([("stack/compose.yaml", manifest)]), &[]);
    let stack = stack.map_err(|problems| told(&problems))?;
    let mut hosts = json!({});
    for line in &stack.services.values().next().unwrap().settings.extra_hosts {
        let (host, address) = line.split_once(':').unwrap();
        let addresses = hosts.as_object_mut().unwrap().entry(host).or_insert_with(|| json!([]));
        addresses.as_array_mut().unwrap().push(json!(address));
    }
    Ok(hosts)
}

#[test]
fn host_entries_are_read_as_compose_reads_them() {
    check("extra_hosts", hosts);
}
