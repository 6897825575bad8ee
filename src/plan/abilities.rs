//! What a manifest may ask for and only newer engines can do (Docker Engine API, "Version history").
//!
//! An engine that is too old would pass over such a key in silence, so nothing of the service is done.

use super::Block;
use super::change::Judged;
use super::index::Survey;
use crate::model::observed::EngineVersion;
use crate::model::spec::{Endpoint, Mount, MountSource, Recursion};

/// A key, and the engine that first knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Need {
    key: String,
    api: (u32, u32),
    engine: &'static str,
}

/// The first thing that the service asks for and this engine cannot do.
pub fn lacking(situation: &Survey<'_>, judged: &Judged<'_>) -> Option<Block> {
    let engine = &situation.observed.engine;
    let api = version(&engine.api)?;
    let need = needs(judged).into_iter().find(|need| api < need.api)?;
    Some(Block::World { message: message(&need, engine), hint: Some(hint(&need)) })
}

fn message(need: &Need, engine: &EngineVersion) -> String {
    let (key, (major, minor)) = (&need.key, need.api);
    format!(
        "`{key}` needs an engine with API {major}.{minor}; this one, Docker {}, has {}",
        engine.release, engine.api
    )
}

fn hint(need: &Need) -> String {
    format!("upgrade the engine to Docker {} or newer, or take the key out", need.engine)
}

/// `1.41` as numbers, which compare as versions do.
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn needs(judged: &Judged<'_>) -> Vec<Need> {
    let settings = &judged.desired.service.settings;
    let endpoints = settings.network.endpoints();
    let mut needs = Vec::new();
    if !settings.annotations.is_empty() {
        needs.push(Need { key: "annotations".to_owned(), api: (1, 43), engine: "24.0" });
    }
    if settings.healthcheck.as_ref().is_some_and(|check| check.start_interval.is_some()) {
        let key = "healthcheck.start_interval".to_owned();
        needs.push(Need { key, api: (1, 44), engine: "25.0" });
    }
    for (key, network) in &judged.deployment.stack.networks {
        let is_used = endpoints.iter().any(|endpoint| endpoint.network == network.name);
        if is_used && network.enable_ipv4.is_some() {
            let key = format!("networks.{key}.enable_ipv4");
            needs.push(Need { key, api: (1, 48), engine: "28.0" });
        }
    }
    for endpoint in endpoints {
        needs.extend(of_endpoint(endpoint));
    }
    needs.extend(settings.mounts.iter().filter_map(of_mount));
    needs
}

/// The path in the container says which mount it is, and is no secret ([`super::compare`]).
fn of_mount(mount: &Mount) -> Option<Need> {
    let (key, api, engine) = match &mount.source {
        MountSource::Bind {
            recursive: Some(Recursion::Writable | Recursion::ReadOnly), ..
        } => ("bind.recursive", (1, 44), "25.0"),
        MountSource::Volume { subpath: Some(_), .. } => ("volume.subpath", (1, 45), "26.0"),
        MountSource::Image { .. } => ("type: image", (1, 48), "28.0"),
        // `recursive: disabled` is older than any engine that evenkeel speaks to.
        MountSource::Bind { .. } | MountSource::Volume { .. } | MountSource::Anonymous => {
            return None;
        }
    };
    Some(Need { key: format!("volumes.{}.{key}", mount.target), api, engine })
}

fn of_endpoint(endpoint: &Endpoint) -> Vec<Need> {
    let asked = [
        ("mac_address", endpoint.mac_address.is_some(), (1, 44), "25.0"),
        ("gw_priority", endpoint.gw_priority != 0, (1, 48), "28.0"),
        (
            "interface_name",
            endpoint.driver_opts.contains_key(Endpoint::INTERFACE_NAME),
            (1, 49),
            "28.1",
        ),
    ];
    let asked = asked.into_iter().filter(|(_, is_asked, ..)| *is_asked);
    asked
        .map(|(key, _, api, engine)| {
            let key = format!("networks.{}.{key}", endpoint.network);
            Need { key, api, engine }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number_and_not_by_letter() {
        assert!(version("1.9") < version("1.41"));
        assert!(version("1.100") > version("1.48"));
        assert_eq!(version("newest"), None);
    }
}
