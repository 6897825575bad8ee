//! Names of images, and the room they take up.

use std::path::Path;

use bollard::errors::Error;
use bollard::query_parameters::{PruneBuildOptions, RemoveImageOptions, TagImageOptions};

use crate::model::{Disk, ImageId, ImageName};

/// The file system of the engine's directory; `None` where this host has no such directory.
pub(super) fn disk(root: &str) -> Option<Disk> {
    if !Path::new(root).is_dir() {
        return None;
    }
    let found = rustix::fs::statvfs(root).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    let used = found.f_blocks.saturating_sub(found.f_bfree);
    Some(Disk {
        path: root.to_owned(),
        total: bytes(used.saturating_add(found.f_bavail)),
        free: bytes(found.f_bavail),
    })
}

/// Docker Engine API, `ImageTag`.
pub(super) async fn name(
    client: &bollard::Docker,
    image: &ImageId,
    name: &ImageName,
) -> Result<(), Error> {
    let options = TagImageOptions {
        repo: Some(name.repository().to_owned()),
        tag: name.tag().map(str::to_owned),
    };
    client.tag_image(image.as_str(), Some(options)).await
}

/// Docker Engine API, `ImageDelete`. With `noprune=false` parents that nobody names go too: those of a pull have
/// none.
pub(super) async fn drop_name(client: &bollard::Docker, name: &ImageName) -> Result<(), Error> {
    let options = RemoveImageOptions { force: false, noprune: false, platforms: None };
    client.remove_image(&name.to_string(), Some(options), None).await.map(drop)
}

/// Docker Engine API, `BuildPrune`.
pub(super) async fn prune_build_cache(client: &bollard::Docker) -> Result<u64, Error> {
    let options = PruneBuildOptions { all: Some(true), ..PruneBuildOptions::default() };
    let freed = client.prune_build(Some(options)).await?.space_reclaimed;
    Ok(freed.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
}
