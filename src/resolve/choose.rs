//! Which digest a service's image line means, as far as this host knows. Nothing is asked here.

use std::collections::BTreeSet;

use crate::model::desired::{Pin, PinOrigin};
use crate::model::observed::ObservedImage;
use crate::model::update::TagRule;
use crate::model::{Digest, ImageRef, ObservedContainer, ObservedState, Service, ServiceId};

/// What is known about an image line before any registry is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// The digest, and where it is from.
    Known(Digest, PinOrigin),
    /// Only the registry can tell.
    Ask,
    /// `pull_policy: never`, and the image is not on the host.
    NotHere,
}

/// The written digest, else the recorded one, else that of the service's container with this very
/// reference, else the registry's.
pub(super) fn choose(
    id: &ServiceId,
    service: &Service,
    recorded: Option<&Pin>,
    observed: &ObservedState,
) -> Choice {
    let image = &service.image;
    if let Some(digest) = image.digest() {
        return if service.pull_policy.is_never() && !is_here(image, digest, observed) {
            Choice::NotHere
        } else {
            Choice::Known(digest.clone(), PinOrigin::Manifest)
        };
    }
    let recorded = recorded.map(|pin| (pin.digest.clone(), PinOrigin::Record));
    let known = recorded.or_else(|| Some((running(id, image, observed)?, PinOrigin::Running)));
    if service.pull_policy.is_never() {
        // What cannot be pulled again must still be here; a pin that is gone gives way to what is.
        return known
            .filter(|(digest, _)| is_here(image, digest, observed))
            .or_else(|| Some((on_host(image, observed)?, PinOrigin::Host)))
            .map_or(Choice::NotHere, |(digest, origin)| Choice::Known(digest, origin));
    }
    known.map_or(Choice::Ask, |(digest, origin)| Choice::Known(digest, origin))
}

/// The digest of the image on this host that carries the tag of `image`; `None` too where it was built
/// here, since such an image has no digest at any registry.
pub(super) fn on_host(image: &ImageRef, observed: &ObservedState) -> Option<Digest> {
    tagged(image, observed).find_map(|candidate| digest_in(image, candidate))
}

/// Whether an image with the tag of `image` is here, with or without a digest.
pub(super) fn is_tagged_here(image: &ImageRef, observed: &ObservedState) -> bool {
    tagged(image, observed).next().is_some()
}

fn tagged<'a>(
    image: &'a ImageRef,
    observed: &'a ObservedState,
) -> impl Iterator<Item = &'a ObservedImage> {
    observed.images.iter().filter(move |candidate| {
        candidate
            .tags
            .iter()
            .filter_map(|tag| ImageRef::parse(tag).ok())
            .any(|tag| tag.same_tag(image))
    })
}

/// Whether the image of exactly this repository and digest is here.
fn is_here(image: &ImageRef, digest: &Digest, observed: &ObservedState) -> bool {
    observed
        .images
        .iter()
        .flat_map(|candidate| digests_in(image, candidate))
        .any(|it| it == *digest)
}

/// The digest that the service's container was made from, if it was made from this very reference. A running
/// container goes before one that stands still, then the newest.
pub(super) fn running(
    id: &ServiceId,
    image: &ImageRef,
    observed: &ObservedState,
) -> Option<Digest> {
    observed
        .containers_of(id)
        .filter_map(|container| Some((container, container_digest(container, image, observed)?)))
        .max_by_key(|(container, _)| {
            (container.is_running(), container.created_at, container.id.clone())
        })
        .map(|(_, digest)| digest)
}

/// What a service stands at that follows newer tags and of which nothing is recorded: its container, where `rule`
/// takes the tag that it was made from.
pub(super) fn running_by(
    rule: &TagRule,
    id: &ServiceId,
    image: &ImageRef,
    observed: &ObservedState,
) -> Option<(String, Digest)> {
    let written = rule.read(image.tag_or_latest())?;
    let is_taken = |tag: &str| {
        rule.read(tag).is_some_and(|it| {
            written.otherwise(&it).is_none()
                && it.compare(&written).is_ge()
                && rule.takes(&written, &it)
                && rule.allows(&written, &it)
        })
    };
    let made_from = |container: &ObservedContainer| {
        let reference = ImageRef::parse(&container.image).ok()?;
        let (tag, digest) = (reference.tag()?.to_owned(), reference.digest()?.clone());
        (reference.same_repository(image) && is_taken(&tag)).then_some((tag, digest))
    };
    let mut containers = observed.containers_of(id).filter(|container| container.is_running());
    containers.find_map(made_from)
}

/// The images that the service's containers run, each as its digests in this repository: one may have several.
pub(super) fn images_running(
    id: &ServiceId,
    image: &ImageRef,
    observed: &ObservedState,
) -> Vec<BTreeSet<Digest>> {
    let running = observed.containers_of(id).filter(|container| container.is_running());
    let ids: BTreeSet<&str> = running.map(|container| container.image_id.as_str()).collect();
    let images = observed.images.iter().filter(|candidate| ids.contains(candidate.id.as_str()));
    images.map(|candidate| digests_in(image, candidate).collect()).collect()
}

fn container_digest(
    container: &ObservedContainer,
    image: &ImageRef,
    observed: &ObservedState,
) -> Option<Digest> {
    let reference = ImageRef::parse(&container.image).ok()?;
    // `nginx@sha256:…` says nothing about `nginx:latest`.
    if !reference.same_tag(image) || (reference.tag().is_none() && reference.digest().is_some()) {
        return None;
    }
    if let Some(digest) = reference.digest() {
        return Some(digest.clone());
    }
    // Compose names the tag alone; the image tells which digest that was.
    let of_container = |it: &&ObservedImage| it.id == container.image_id.as_str();
    digest_in(image, observed.images.iter().find(of_container)?)
}

/// The digests, in the repository of `image`, of what the container was made from.
pub(super) fn made_of<'a>(
    container: &'a ObservedContainer,
    image: &'a ImageRef,
    observed: &'a ObservedState,
) -> impl Iterator<Item = Digest> + 'a {
    let reference = ImageRef::parse(&container.image).ok();
    let written = reference.filter(|reference| reference.same_repository(image));
    let of_container = |it: &&ObservedImage| it.id == container.image_id.as_str();
    let found = observed.images.iter().find(of_container);
    let found = found.into_iter().flat_map(|candidate| digests_in(image, candidate));
    written.and_then(|reference| reference.digest().cloned()).into_iter().chain(found)
}

fn digest_in(image: &ImageRef, candidate: &ObservedImage) -> Option<Digest> {
    digests_in(image, candidate).next()
}

/// The candidate's digests in the repository of `image`.
fn digests_in<'a>(
    image: &'a ImageRef,
    candidate: &'a ObservedImage,
) -> impl Iterator<Item = Digest> + 'a {
    candidate
        .digests
        .iter()
        .filter_map(|text| ImageRef::parse(text).ok())
        .filter(|reference| reference.same_repository(image))
        .filter_map(|reference| reference.digest().cloned())
}
