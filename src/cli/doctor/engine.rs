//! Whether the engine answers, and has room for images.

use std::path::Path;

use super::{Finding, disk};
use crate::reconcile::World;

/// The engine, and the disk it keeps images on.
pub(super) async fn look(world: &World) -> Vec<Finding> {
    let info = match world.engine.info().await {
        Ok(info) => info,
        Err(error) => {
            let remedy = "start it (`systemctl start docker`), and run evenkeel as root or in the group `docker`";
            return vec![Finding::failed("engine", error.to_string(), remedy)];
        }
    };
    let mut findings = vec![Finding::ok(
        "engine",
        format!(
            "Docker {} (API {}), {}/{}",
            info.version, info.api_version, info.os, info.architecture
        ),
    )];
    // An engine on another host has its disk there.
    let root = world.engine.defaults().await.ok().and_then(|defaults| defaults.root);
    if let Some(root) = root.as_deref().map(Path::new).filter(|root| root.is_dir()) {
        findings.push(disk::room("images", root, &format!("kept in {}", root.display())));
    }
    findings
}
