//! `cgroup`, `ipc`, `pid`, `userns_mode`, `uts`: what a container shares with its host.

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;

/// `cgroup`
pub fn cgroup(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.namespaces.cgroup = mode(at, "cgroup", &["host", "private"]);
}

/// `ipc`
pub fn ipc(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let modes = ["none", "private", "shareable", "host"];
    draft.settings.namespaces.ipc = mode(at, "ipc", &modes);
}

/// `pid`
pub fn pid(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.namespaces.pid = mode(at, "pid", &["host"]);
}

/// `userns_mode`
pub fn userns_mode(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.namespaces.user = mode(at, "userns_mode", &["host"]);
}

/// `uts`
pub fn uts(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.namespaces.uts = mode(at, "uts", &["host"]);
}

/// An empty text is a namespace of its own, as for the engine.
fn mode(at: &At<'_>, key: &str, modes: &[&'static str]) -> Option<String> {
    let text = at.text().filter(|text| !text.is_empty())?;
    if text.starts_with("service:") || text.starts_with("container:") {
        at.unsupported(key, "sharing another container's namespace is not supported yet");
        return None;
    }
    let words: Vec<(&str, &str)> = modes.iter().map(|mode| (*mode, *mode)).collect();
    at.word(&words).map(str::to_owned)
}
