//! `links`, `external_links`, `volumes_from`: other containers that a service knows by name or mounts from.
//!
//! Whether those services are there is looked at when all are read ([`crate::manifest::project`]).

use super::Draft;
use crate::manifest::read::At;
use crate::manifest::scene::Scene;
use crate::model::ServiceName;
use crate::model::spec::{Peer, VolumesFrom};

/// One entry of `links` or `external_links`.
pub struct Link<'a> {
    /// A service's name, or a container's.
    pub target: String,
    /// What this service calls it besides.
    pub alias: Option<String>,
    /// Where it stands.
    pub at: At<'a>,
}

/// Something of another service that this one cannot be made without.
pub struct Shared<'a> {
    /// The other service.
    pub service: ServiceName,
    /// Whether a container that replaces the other's needs another one here too.
    pub follows: bool,
    /// Where it stands.
    pub at: At<'a>,
}

/// `links`: `service[:alias]`
pub fn links<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    draft.links = at.items().into_iter().filter_map(link).collect();
}

/// `external_links`: `container[:alias]`
pub fn external_links<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    draft.external_links = at.items().into_iter().filter_map(link).collect();
}

fn link(at: At<'_>) -> Option<Link<'_>> {
    let text = at.filled()?;
    let (target, alias) = match text.split_once(':') {
        Some((target, alias)) => (target, Some(alias)),
        None => (text, None),
    };
    if target.is_empty() || alias.is_some_and(|alias| alias.is_empty() || alias.contains(':')) {
        at.wrong("is no link: a name, or `name:alias`");
        return None;
    }
    Some(Link { target: target.to_owned(), alias: alias.map(str::to_owned), at })
}

/// `volumes_from`: `service[:mode]` or `container:name[:mode]`
pub fn volumes_from<'a>(at: &At<'a>, draft: &mut Draft<'a>, _scene: &Scene<'_>) {
    for item in at.items() {
        let Some(text) = item.filled() else { continue };
        let (words, mode) = match text.strip_prefix("container:") {
            Some(rest) => {
                let (name, mode) = rest.split_once(':').unwrap_or((rest, "rw"));
                (format!("container:{name}"), mode)
            }
            None => {
                let (name, mode) = text.split_once(':').unwrap_or((text, "rw"));
                (format!("service:{name}"), mode)
            }
        };
        let read_only = match mode {
            "ro" => true,
            "rw" => false,
            _ => {
                item.other_than(&["ro", "rw"], "does not end in a mode");
                continue;
            }
        };
        match share("volumes_from", &words, &item, draft) {
            true => draft.settings.volumes_from.push(VolumesFrom { from: words, read_only }),
            false => item.wrong("names neither a service nor a container"),
        }
    }
}

/// Notes that the service needs whom `words` name; false where they name nobody.
pub fn share<'a>(key: &'static str, words: &str, at: &At<'a>, draft: &mut Draft<'a>) -> bool {
    match Peer::parse(words) {
        None => false,
        Some(Peer::Container(_)) => true,
        Some(Peer::Service(service)) => {
            let follows = key != "volumes_from";
            draft.shared.push(Shared { service, follows, at: at.clone() });
            true
        }
    }
}
