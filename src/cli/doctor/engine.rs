//! Whether the engine answers, how it is set up, and whether it has room for images.

use std::path::Path;

use super::{Finding, disk};
use crate::model::observed::{EngineDefaults, EngineInfo};
use crate::reconcile::World;

/// Storage drivers that Docker has given up, or that are for trying things out.
const POOR_DRIVERS: [&str; 4] = ["vfs", "aufs", "overlay", "devicemapper"];

/// The engine, and the disk it keeps images on.
pub(super) async fn look(world: &World) -> Vec<Finding> {
    let (info, defaults) = tokio::join!(world.engine.info(), world.engine.defaults());
    let info = match info {
        Ok(info) => info,
        Err(error) => {
            let remedy = "start it (`systemctl start docker`), and run evenkeel as root or in the group `docker`";
            return vec![Finding::failed("engine", error.to_string(), remedy)];
        }
    };
    let defaults = match defaults {
        Ok(defaults) => defaults,
        Err(error) => {
            let says = format!("it answers, but does not tell how it is set up: {error}");
            return vec![Finding::warning(
                "engine",
                says,
                "look at its log: `journalctl -u docker`",
            )];
        }
    };
    let mut findings = vec![judged(&info, &defaults)];
    // An engine on another host has its disk there.
    let root = defaults.root.as_deref().map(Path::new);
    if let Some(root) = root.filter(|root| root.is_dir()) {
        findings.push(disk::room("images", root, &format!("kept in {}", root.display())));
    }
    findings
}

fn judged(info: &EngineInfo, defaults: &EngineDefaults) -> Finding {
    let (version, api) = (&info.version, &info.api_version);
    let mut says = format!("Docker {version} (API {api}), {}/{}", info.os, info.architecture);
    let driver = defaults.storage_driver.as_deref();
    says.extend(driver.map(|driver| format!(", storage driver {driver}")));
    let cgroups = defaults.cgroup_version.as_deref();
    says.extend(cgroups.map(|version| format!(", cgroups v{version}")));
    says += match defaults.live_restore {
        true => ", containers go on while it restarts",
        false => ", containers stop while it restarts (no `live-restore`)",
    };
    match driver.filter(|driver| POOR_DRIVERS.contains(driver)) {
        None => Finding::ok("engine", says),
        Some(_) => {
            let remedy = "set `\"storage-driver\": \"overlay2\"` in /etc/docker/daemon.json; images are then pulled again";
            Finding::warning("engine", says, remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_storage_driver_that_docker_has_given_up_is_a_warning() {
        let check = |driver: &str, state, part: &str| {
            let defaults = EngineDefaults {
                storage_driver: Some(driver.to_owned()),
                cgroup_version: Some("2".to_owned()),
                ..EngineDefaults::default()
            };
            let found = judged(&EngineInfo::default(), &defaults);
            assert_eq!(found.state, state, "{}", found.says);
            assert!(found.says.contains(part), "{}", found.says);
        };
        check("overlay2", State::Ok, "storage driver overlay2, cgroups v2, containers stop");
        check("vfs", State::Warning, "storage driver vfs");
    }
}
