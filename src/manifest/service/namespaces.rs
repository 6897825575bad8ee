//! `cgroup`, `ipc`, `pid`, `userns_mode`, `uts`: what a container shares with its host, or with another one.

use super::Draft;
use super::sharing::share;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;

/// `cgroup`
pub fn cgroup(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.namespaces.cgroup = mode(at, &["host", "private"]);
}

/// `ipc`
pub fn ipc<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    let modes = ["none", "private", "shareable", "host"];
    draft.settings.namespaces.ipc = anothers(at, "ipc", draft).or_else(|| mode(at, &modes));
}

/// `pid`
pub fn pid<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    draft.settings.namespaces.pid = anothers(at, "pid", draft).or_else(|| mode(at, &["host"]));
}

/// `userns_mode`
pub fn userns_mode(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.namespaces.user = mode(at, &["host"]);
}

/// `uts`
pub fn uts(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.namespaces.uts = mode(at, &["host"]);
}

/// An empty text is a namespace of its own, as for the engine.
fn mode(at: &At<'_>, modes: &[&'static str]) -> Option<String> {
    at.text().filter(|text| !text.is_empty())?;
    let words: Vec<(&str, &str)> = modes.iter().map(|mode| (*mode, *mode)).collect();
    at.word(&words).map(str::to_owned)
}

/// The namespace of another service or container.
fn anothers<'a>(at: &At<'a>, key: &'static str, draft: &mut Draft<'a>) -> Option<String> {
    let words = at.text()?;
    share(key, words, at, draft).then(|| words.to_owned())
}
