//! How much of an image is still to be fetched, so that a pull that would fill the disk is refused before it begins.
//!
//! Only what may not fit is looked into closely; what a registry does not tell is left to the engine.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;

use super::World;
use super::view::View;
use crate::model::{Digest, Disk, ImageRef, PinnedImage, Platform};
use crate::plan::{Plan, Step, retention};

/// Images asked about at a time.
const AT_ONCE: usize = 8;
/// Images of one repository on the host that a new one is compared with.
const MOST_RELATIVES: usize = 3;

/// The bytes that each image to be pulled takes on the way, for those that a registry tells of.
pub async fn missing_layers(world: &World, plan: &Plan, view: &View) -> BTreeMap<PinnedImage, u64> {
    let pulls = plan.steps.iter().filter_map(|planned| {
        let Step::PullImage { image, platform, .. } = &planned.step else { return None };
        Some((image, platform))
    });
    let pulls: BTreeMap<&PinnedImage, &Option<Platform>> = pulls.collect();
    let Ok(Some(disk)) = world.engine.disk().await else { return BTreeMap::new() };
    let Ok(engine) = world.engine.info().await else { return BTreeMap::new() };
    let (disk, engine) = (&disk, engine.platform());
    let asking = pulls.into_iter().map(|(image, platform)| {
        let platform = platform.clone().unwrap_or_else(|| engine.clone());
        async move { Some((image.clone(), missing(world, view, image, &platform, disk).await?)) }
    });
    let asking = futures_util::stream::iter(asking).buffer_unordered(AT_ONCE);
    asking.filter_map(std::future::ready).collect().await
}

async fn missing(
    world: &World,
    view: &View,
    image: &PinnedImage,
    platform: &Platform,
    disk: &Disk,
) -> Option<u64> {
    let mut layers = world.registry.layers(image, platform).await.ok()?;
    if retention::fits(layers.values().sum(), disk).is_ok() {
        return Some(layers.values().sum());
    }
    // It may be made of what is here.
    for digest in relatives(view, image) {
        let relative = PinnedImage::new(&image.reference(), digest);
        if let Ok(here) = world.registry.layers(&relative, platform).await {
            layers.retain(|layer, _| !here.contains_key(layer));
        }
    }
    Some(layers.values().sum())
}

/// Images of the same repository on the host.
fn relatives(view: &View, image: &PinnedImage) -> Vec<Digest> {
    let reference = image.reference();
    let named = view.observed.images.iter().flat_map(|image| &image.digests);
    let references = named.filter_map(|name| ImageRef::parse(name).ok());
    let same = references.filter(|it| it.same_repository(&reference));
    same.filter_map(|it| it.digest().cloned()).take(MOST_RELATIVES).collect()
}
