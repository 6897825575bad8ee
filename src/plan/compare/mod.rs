//! What differs between the settings a service wants and those a container was made with.
//!
//! Only what needs a new container; what can be changed in place is in [`super::drift`]. Values are shown
//! where they can hold no secret: never those of environment variables, never those of a field that an
//! interpolated server value went into.

mod mounts;
mod program;
mod surroundings;

use std::collections::BTreeSet;

use super::Difference;
use crate::model::desired::Pinned;
use crate::model::memory::Memory;
use crate::model::observed::ObservedImage;
use crate::model::{ContainerSpec, ImageRef, ObservedContainer, Service, SpecHash};

pub use mounts::{data_conflict, left_behind};

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
/// the image has it.
pub fn differences(
    service: &Service,
    pinned: &Pinned,
    container: &ObservedContainer,
    defaults: &ContainerSpec,
    images: &[ObservedImage],
) -> Vec<Difference> {
    let mut found = Found { sensitive: &service.sensitive, differences: Vec::new() };
    compare_image(service, pinned, container, images, &mut found);
    let (wanted, has) = (&service.settings, &container.settings);
    program::compare_program(wanted, has, defaults, &mut found);
    program::compare_maps(wanted, has, defaults, &mut found);
    surroundings::compare_surroundings(wanted, has, defaults, &mut found);
    mounts::compare_mounts(wanted, has, defaults, &mut found);
    surroundings::compare_endpoints(wanted, has, &mut found);
    found.differences.sort();
    found.differences
}

struct Found<'a> {
    sensitive: &'a BTreeSet<String>,
    differences: Vec<Difference>,
}

impl Found<'_> {
    fn hidden(&mut self, field: &str, differs: bool) {
        if differs {
            self.differences.push(Difference::hidden(field));
        }
    }

    fn shown(&mut self, field: &str, from: &str, to: &str) {
        if from == to {
            return;
        }
        match self.sensitive.contains(field) {
            true => self.differences.push(Difference::hidden(field)),
            false => self.differences.push(Difference::shown(field, from, to)),
        }
    }
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
    found.shown("image", &from, &format!("{} ({})", service.image_shown, wanted.short()));
}
