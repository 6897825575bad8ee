//! Names of images and what becomes of an image that loses one (moby, `daemon/images/image_delete.go`), and the
//! disk.

use std::collections::BTreeSet;

use super::world::{Host, HostImage};
use crate::engine::EngineError;
use crate::model::{Disk, ImageId, ImageName};

impl Host {
    /// The disk with all that lies on it.
    pub(super) fn disk(&self) -> Option<Disk> {
        let total = self.disk?;
        let images: u64 = self.images.values().map(|image| image.behaviour.size).sum();
        let used = images + self.elsewhere + self.build_cache;
        Some(Disk { path: "/var/lib/docker".into(), total, free: total.saturating_sub(used) })
    }

    pub(super) fn name_image(
        &mut self,
        image: &ImageId,
        name: &ImageName,
    ) -> Result<(), EngineError> {
        if !self.images.contains_key(image) {
            return Err(EngineError::NotFound(format!("No such image: {image}")));
        }
        if name.digest().is_some() {
            let text = "refusing to create a tag with a digest reference";
            return Err(EngineError::Refused(text.into()));
        }
        let text = name.to_string();
        for (id, other) in &mut self.images {
            other.tags.retain(|tag| *tag != text);
            if id == image {
                other.tags.push(text.clone());
            }
        }
        Ok(())
    }

    pub(super) fn drop_image_name(&mut self, name: &ImageName) -> Result<(), EngineError> {
        let text = name.to_string();
        let found = self.images.iter().find(|(_, image)| image.names().any(|one| *one == text));
        let Some((id, image)) = found else {
            return Err(EngineError::NotFound(format!("No such image: {text}")));
        };
        let id = id.clone();
        let used = self.containers.values().find(|one| one.image_id == id);
        if let Some(container) = used.filter(|_| image.is_called_by_one_name()) {
            let (short, named) = (container.id.short(), text);
            return Err(EngineError::Conflict(format!(
                "conflict: unable to remove repository reference \"{named}\" (must force) - container {short} is \
                 using its referenced image"
            )));
        }
        let Some(image) = self.images.get_mut(&id) else { return Ok(()) };
        image.lose(name);
        if image.names().next().is_none() {
            self.images.remove(&id);
        }
        Ok(())
    }
}

impl HostImage {
    fn names(&self) -> impl Iterator<Item = &String> {
        self.tags.iter().chain(&self.digests)
    }

    /// At most one tag, and digests of one repository only, the tag's: the engine calls that a single name.
    fn is_called_by_one_name(&self) -> bool {
        let tags: Vec<&str> = self.tags.iter().filter_map(|tag| repository(tag)).collect();
        let digests: BTreeSet<&str> =
            self.digests.iter().filter_map(|digest| repository(digest)).collect();
        match (tags.as_slice(), digests.len()) {
            ([], 1) | ([_], 0) => true,
            ([tag], 1) => digests.contains(tag),
            _ => false,
        }
    }

    /// A repository whose last tag goes takes its digests along.
    fn lose(&mut self, name: &ImageName) {
        let text = name.to_string();
        self.tags.retain(|tag| *tag != text);
        self.digests.retain(|digest| *digest != text);
        let own = name.repository();
        if name.tag().is_some() && !self.tags.iter().any(|tag| repository(tag) == Some(own)) {
            self.digests.retain(|digest| repository(digest) != Some(own));
        }
    }
}

/// The repository of a name.
fn repository(name: &str) -> Option<&str> {
    match name.split_once('@') {
        Some((repository, _)) => Some(repository),
        None => name.rsplit_once(':').map(|(repository, _)| repository),
    }
}
