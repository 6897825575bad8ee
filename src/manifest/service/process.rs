//! `command`, `entrypoint`, `user`, `working_dir`, `hostname`, `domainname`, `init`, `stdin_open`, `tty`,
//! `stop_…`, `container_name`: the process in the container, how it starts and how it ends.

use std::time::Duration;

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::manifest::{names, words};
use crate::model::ContainerName;

/// `command`
pub fn command(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.command = split(at);
}

/// `entrypoint`
pub fn entrypoint(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.entrypoint = split(at);
}

/// A list as it is; a text cut into words, without any shell.
pub fn split(at: &At<'_>) -> Option<Vec<String>> {
    if !at.is_scalar() {
        return Some(texts(at));
    }
    match words::split(at.text()?) {
        Ok(words) => Some(words),
        Err(error) => {
            at.report(at.trouble("wrong-value", error.message).hint(error.hint));
            None
        }
    }
}

/// The texts of a list.
pub fn texts(at: &At<'_>) -> Vec<String> {
    at.items().iter().filter_map(At::text).map(str::to_owned).collect()
}

/// `user`
pub fn user(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.user = non_empty(at);
}

/// `working_dir`
pub fn working_dir(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.working_dir = non_empty(at);
}

/// `hostname`
pub fn hostname(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.hostname = non_empty(at);
}

/// `domainname`
pub fn domainname(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.domainname = non_empty(at);
}

/// `stdin_open`
pub fn stdin_open(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.stdin_open = at.boolean().unwrap_or_default();
}

/// `tty`
pub fn tty(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.tty = at.boolean().unwrap_or_default();
}

/// An empty text is "as the image has it", as for the engine.
pub fn non_empty(at: &At<'_>) -> Option<String> {
    at.text().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// `init`
pub fn init(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.init = at.boolean();
}

/// `stop_grace_period`; the engine knows whole seconds only, so a part of one counts as one.
pub fn stop_grace_period(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let Some(period) = at.duration() else { return };
    let seconds = period.as_secs() + u64::from(period.subsec_nanos() > 0);
    draft.settings.stop_grace_period = Some(Duration::from_secs(seconds));
}

/// `stop_signal`
pub fn stop_signal(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    draft.settings.stop_signal = non_empty(at);
}

/// `container_name`
pub fn container_name(at: &At<'_>, draft: &mut Draft<'_>, _scene: &Scene<'_>) {
    let Some(name) = at.text() else { return };
    match names::check_container(name) {
        Ok(()) => draft.container_name = Some(ContainerName::new(name)),
        Err(why) => at.invalid(&why),
    }
}
