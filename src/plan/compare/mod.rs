//! What differs between the settings a service wants and those a container was made with.
//!
//! Only what needs a new container; what can be changed in place is in [`super::drift`]. Values are shown
//! where they can hold no secret: never those of environment variables, never those of a field that an
//! interpolated server value went into.

mod host;
mod limits;
mod mounts;
mod program;
mod surroundings;

use std::collections::{BTreeMap, BTreeSet};

use super::Difference;
use crate::model::desired::Pinned;
use crate::model::memory::Memory;
use crate::model::observed::ObservedImage;
use crate::model::{ContainerSpec, ImageRef, ObservedContainer, Service, SpecHash, labels};

pub use limits::{Limit, live_limits};
pub use mounts::{data_conflict, left_behind, other_place};

/// How far a comparison goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// What only a new container can mend.
    Made,
    /// And what can be mended in place: of a container whose hash says that something is different.
    Live,
    /// And what the engine may have made of a setting by itself, for want of anything else to name.
    Suspected,
}

/// Whether `container` is known to be made from the spec `hash`: by its label, or because it was once
/// compared and found to match.
pub fn is_known_to_match(container: &ObservedContainer, hash: &SpecHash, memory: &Memory) -> bool {
    container.spec() == Some(hash) || memory.matched.contains(&(container.id.clone(), hash.clone()))
}

/// Whether the hash on `container` can be compared with `hash` at all: same version of hashing.
pub fn has_comparable_hash(container: &ObservedContainer, hash: &SpecHash) -> bool {
    let version =
        |hash: &SpecHash| hash.as_str().split_once(':').map(|(version, _)| version.to_owned());
    container.spec().and_then(version) == version(hash)
}

/// Everything in which `container` differs from what `service` wants, sorted by field.
///
/// `defaults` is what the container's own image brings along: a field that the manifest leaves open is as
/// the image or the engine has it.
pub fn differences(
    service: &Service,
    pinned: &Pinned,
    container: &ObservedContainer,
    defaults: &ContainerSpec,
    images: &[ObservedImage],
    depth: Depth,
) -> Vec<Difference> {
    let mut found = Found { sensitive: &service.sensitive, depth, differences: Vec::new() };
    compare_image(service, pinned, container, images, &mut found);
    let has = &container.settings;
    let wanted = &in_the_engines_words(&service.settings, has);
    compare_settings(wanted, has, defaults, &stamped(service, container), &mut found);
    found.differences.sort();
    found.differences
}

fn compare_settings(
    wanted: &ContainerSpec,
    has: &ContainerSpec,
    defaults: &ContainerSpec,
    stamped: &BTreeSet<&str>,
    found: &mut Found<'_>,
) {
    program::compare_program(wanted, has, defaults, found);
    program::compare_environment(wanted, has, defaults, stamped, found);
    program::compare_labels(wanted, has, defaults, found);
    surroundings::compare_surroundings(wanted, has, defaults, found);
    host::compare_host(wanted, has, defaults, found);
    limits::compare_limits(wanted, has, found);
    mounts::compare_mounts(wanted, has, defaults, found);
    surroundings::compare_endpoints(wanted, has, found);
}

/// The variables that are no part of the spec: those with which the container was stamped, and those that a new
/// one would be.
fn stamped<'a>(service: &'a Service, container: &'a ObservedContainer) -> BTreeSet<&'a str> {
    let has = container.label(labels::STAMPS).into_iter().flat_map(|names| names.split(','));
    has.chain(service.stamps.keys().map(String::as_str)).collect()
}

/// What is wanted, with the ids that the engine shows in place of the manifest's words for other containers:
/// which those are now is looked at for itself ([`super::following`]).
fn in_the_engines_words<'a>(
    wanted: &'a ContainerSpec,
    has: &ContainerSpec,
) -> std::borrow::Cow<'a, ContainerSpec> {
    let shared = wanted.shared().into_iter();
    let known = shared.filter_map(|(key, words)| Some((words, has.joined(key)?)));
    known.fold(std::borrow::Cow::Borrowed(wanted), |all, (words, id)| {
        let mut all = all.into_owned();
        all.join(words, &crate::model::ContainerId::new(id));
        std::borrow::Cow::Owned(all)
    })
}

struct Found<'a> {
    sensitive: &'a BTreeSet<String>,
    depth: Depth,
    differences: Vec<Difference>,
}

impl Found<'_> {
    /// Whether to name what is perhaps of the engine's own making.
    fn suspects(&self) -> bool {
        self.depth >= Depth::Suspected
    }

    fn hidden(&mut self, field: &str, differs: bool) {
        if differs {
            self.differences.push(Difference::hidden(field));
        }
    }

    fn shown(&mut self, field: &str, from: &str, to: &str) {
        if from == to {
            return;
        }
        let key = field.split_once('.').map_or(field, |(key, _)| key);
        match self.sensitive.contains(key) || self.sensitive.contains(field) {
            true => self.differences.push(Difference::hidden(field)),
            false => self.differences.push(Difference::shown(field, from, to)),
        }
    }
}

impl Found<'_> {
    /// As [`Found::shown`], for a limit that may also stand below `deploy`.
    fn limit(&mut self, field: &str, from: &str, to: &str) {
        match from != to && self.sensitive.contains("deploy") {
            true => self.differences.push(Difference::hidden(field)),
            false => self.shown(field, from, to),
        }
    }

    /// A setting for which the engine has a value of its own. `daemon.json` may give another one, which is
    /// not told: so where nothing is wanted, whatever is there is as good as the usual one.
    fn usual(
        &mut self,
        field: &str,
        wanted: Option<&String>,
        has: Option<&String>,
        usual: Option<&String>,
    ) {
        let Some(expected) = wanted.or(usual.filter(|_| self.suspects())) else { return };
        self.shown(field, has.map_or("", String::as_str), expected);
    }

    /// Entries of a mapping, each under its name.
    fn entries<V: PartialEq>(
        &mut self,
        field: &str,
        wanted: &BTreeMap<String, V>,
        has: &BTreeMap<String, V>,
    ) {
        for name in changed_keys(wanted, has) {
            self.hidden(&format!("{field}.{name}"), true);
        }
    }
}

fn changed_keys<'a, V: PartialEq>(
    wanted: &'a BTreeMap<String, V>,
    has: &'a BTreeMap<String, V>,
) -> BTreeSet<&'a String> {
    wanted.keys().chain(has.keys()).filter(|key| wanted.get(*key) != has.get(*key)).collect()
}

fn compare_image(
    service: &Service,
    pinned: &Pinned,
    container: &ObservedContainer,
    images: &[ObservedImage],
    found: &mut Found<'_>,
) {
    let wanted = pinned.image.digest();
    let created_from = ImageRef::parse(&container.image).ok();
    let digest_of_reference = created_from.as_ref().and_then(ImageRef::digest);
    if digest_of_reference == Some(wanted) {
        return;
    }
    let repository = format!("@{wanted}");
    let same_image = images
        .iter()
        .filter(|image| image.digests.iter().any(|digest| digest.ends_with(&repository)))
        .any(|image| image.id == container.image_id.as_str());
    if same_image {
        return;
    }
    let from = created_from.map_or_else(
        || container.image.clone(),
        |reference| match reference.digest() {
            Some(digest) => format!("{} ({})", reference.without_digest(), digest.short()),
            None => reference.to_string(),
        },
    );
    found.shown(
        "image",
        &from,
        &format!("{} ({})", service.shown_with(&pinned.image), wanted.short()),
    );
}

#[cfg(test)]
mod tests;
