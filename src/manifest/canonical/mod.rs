//! A stack in Compose's canonical form: short forms made long, defaults and names filled in, paths made
//! absolute, as `docker compose config` prints it.
//!
//! It works on the merged and interpolated tree, so that it shows every key of the Compose Specification,
//! also those that cannot be used here. Nothing is decided by this form; what runs is read from the tree
//! by [`super::project`].

mod around;
mod build;
mod deploy;
mod environment;
mod form;
mod load;
mod make;
mod mounts;
mod networks;
mod parts;
mod ports;
mod process;
mod resources;
mod service;
mod show;
#[cfg(test)]
mod tests;

pub(super) use load::understand;
pub use load::{Canonical, Which, load_canonical};
pub use show::Show;

use around::Around;

use super::node::Node;
use super::read::At;
use super::service::is_active;

/// The keys of a file besides its resources.
const KEYS: [&str; 4] = ["name", "version", "services", "include"];

/// The canonical form of the stack at `top`; what does not fit is a problem in its findings.
///
/// Services whose profiles are not active, and resources that nobody uses, are left out.
fn canonical(top: &At<'_>, around: &Around<'_>) -> Node {
    let services = services(top, around);
    let mut shown = vec![("name".to_owned(), make::text(top, around.scene.stack.as_str()))];
    let resources = resources::KINDS
        .iter()
        .map(|kind| (kind.key.to_owned(), resources::used(kind, top, &services, around)));
    let resources: Vec<(String, Option<Node>)> = resources.collect();
    shown.push(("services".to_owned(), services));
    shown.extend(resources.into_iter().filter_map(|(key, node)| Some((key, node?))));
    for (key, at) in top.fields() {
        let known = KEYS.iter().copied().chain(resources::KINDS.iter().map(|kind| kind.key));
        match key.starts_with("x-") {
            true => shown.push((key.to_owned(), at.node.clone())),
            false if known.clone().any(|name| name == key) => {}
            false => at.unknown(key, known),
        }
    }
    make::mapping(top, shown)
}

fn services(top: &At<'_>, around: &Around<'_>) -> Node {
    let at = top.value("services");
    let services = at.as_ref().map(At::fields).unwrap_or_default().into_iter();
    let active =
        services.filter(|(_, at)| at.is_mapping() && is_active(at, &around.scene.profiles));
    let mut services: Vec<(String, Node)> =
        active.map(|(name, at)| (name.to_owned(), service::service(name, &at, around))).collect();
    services.sort_by(|(one, _), (other, _)| one.cmp(other));
    make::mapping(at.as_ref().unwrap_or(top), services)
}
