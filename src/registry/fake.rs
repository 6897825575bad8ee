//! A registry in memory, for tests of other rooms: it has images, and can be out of order.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Beside, Etag, Left, Memory, Polled, Registry, RegistryError, TagList};
use crate::model::login::Login;
use crate::model::proofs::{Attached, Signatures};
use crate::model::{Digest, ImageRef, PinnedImage, Platform};

/// Registries in memory; every host exists and has the images that were put there.
#[derive(Debug, Default)]
pub struct FakeRegistry(Mutex<World>);

#[derive(Debug, Default)]
struct World {
    tags: BTreeMap<String, Result<Digest, RegistryError>>,
    lists: BTreeMap<String, RegistryError>,
    children: BTreeMap<Digest, BTreeMap<Platform, Digest>>,
    created: BTreeMap<Digest, Timestamp>,
    layers: BTreeMap<Digest, BTreeMap<Digest, u64>>,
    signatures: BTreeMap<Digest, Result<Vec<Attached>, RegistryError>>,
    logins: BTreeMap<String, Login>,
    asked: Vec<String>,
}

impl FakeRegistry {
    /// Lets the tag of `image` point at `digest`.
    pub fn put(&self, image: &ImageRef, digest: Digest) {
        self.world().tags.insert(key(image), Ok(digest));
    }

    /// Makes `index` one of several platforms, with `child` for `platform`.
    pub fn put_child(&self, index: &Digest, platform: &str, child: Digest) {
        let mut world = self.world();
        let children = world.children.entry(index.clone()).or_default();
        children.insert(Platform(platform.to_owned()), child);
    }

    /// Lets the image behind `digest`, which is no index, say that it was built then.
    pub fn put_created(&self, digest: &Digest, created: Timestamp) {
        self.world().created.insert(digest.clone(), created);
    }

    /// Makes the image behind `digest`, which is no index, of these layers.
    pub fn put_layers(&self, digest: &Digest, layers: BTreeMap<Digest, u64>) {
        self.world().layers.insert(digest.clone(), layers);
    }

    /// Lets these lie beside the image behind `digest`, in place of what lay there.
    pub fn put_signatures(&self, digest: &Digest, attached: Vec<Attached>) {
        self.world().signatures.insert(digest.clone(), Ok(attached));
    }

    /// Answers every question for signatures of the image behind `digest` with `error`.
    pub fn fail_signatures(&self, digest: &Digest, error: RegistryError) {
        self.world().signatures.insert(digest.clone(), Err(error));
    }

    /// Answers every question about the tag of `image` with `error`.
    pub fn fail(&self, image: &ImageRef, error: RegistryError) {
        self.world().tags.insert(key(image), Err(error));
    }

    /// Answers every question for the tags of the repository of `image` with `error`.
    pub fn fail_tags(&self, image: &ImageRef, error: RegistryError) {
        self.world().lists.insert(repository(image), error);
    }

    /// Has credentials for the registry that `login` names.
    pub fn know(&self, login: Login) {
        self.world().logins.insert(login.registry.clone(), login);
    }

    /// What was asked for, in the order of asking: a tag written in full, `… tags`, `… @digest` or `… signatures`.
    pub fn asked(&self) -> Vec<String> {
        self.world().asked.clone()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    fn child(&self, image: &PinnedImage, platform: &Platform) -> Result<Digest, RegistryError> {
        let Some(children) = self.children.get(image.digest()) else {
            return Ok(image.digest().clone());
        };
        let reference = image.reference();
        children.get(platform).cloned().ok_or_else(|| RegistryError::NotForPlatform {
            registry: reference.registry().to_owned(),
            image: reference.to_string(),
            platform: platform.clone(),
        })
    }
}

#[async_trait]
impl Registry for FakeRegistry {
    async fn poll(&self, image: &ImageRef, known: Option<&Etag>) -> Result<Polled, RegistryError> {
        if let Some(digest) = image.digest() {
            return Ok(Polled::Now { digest: digest.clone(), etag: None });
        }
        let mut world = self.world();
        world.asked.push(key(image));
        let digest = world.tags.get(&key(image)).cloned().unwrap_or_else(|| Err(no_such(image)))?;
        let etag = Etag::new(&format!("\"{digest}\""));
        if known.is_some() && known == etag.as_ref() {
            return Ok(Polled::Same);
        }
        Ok(Polled::Now { digest, etag })
    }

    async fn tags(&self, image: &ImageRef) -> Result<TagList, RegistryError> {
        let mut world = self.world();
        let repository = repository(image);
        world.asked.push(format!("{repository} tags"));
        if let Some(error) = world.lists.get(&repository) {
            return Err(error.clone());
        }
        let of_it = world.tags.keys().filter_map(|key| key.rsplit_once(':'));
        let tags: TagList =
            of_it.filter(|(other, _)| *other == repository).map(|(_, tag)| tag).collect();
        if tags.is_empty() { Err(no_such(image)) } else { Ok(tags) }
    }

    async fn child(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<Digest, RegistryError> {
        let mut world = self.world();
        world.asked.push(format!("{} @{}", repository(&image.reference()), image.digest()));
        world.child(image, platform)
    }

    async fn created(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<Option<Timestamp>, RegistryError> {
        let mut world = self.world();
        world.asked.push(format!("{} @{}", repository(&image.reference()), image.digest()));
        let child = world.child(image, platform)?;
        Ok(world.created.get(&child).copied())
    }

    async fn layers(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<BTreeMap<Digest, u64>, RegistryError> {
        let mut world = self.world();
        world.asked.push(format!("{} @{}", repository(&image.reference()), image.digest()));
        let child = world.child(image, platform)?;
        world.layers.get(&child).cloned().ok_or_else(|| no_such(&image.reference()))
    }

    async fn signatures(
        &self,
        image: &PinnedImage,
        place: Beside,
    ) -> Result<Signatures, RegistryError> {
        let mut world = self.world();
        world.asked.push(format!("{} signatures", image.pull_reference()));
        match place {
            Beside::Tag => {
                let attached = world.signatures.get(image.digest()).cloned();
                let attached = attached.unwrap_or(Ok(Vec::new()))?;
                Ok(Signatures { attached, has_others: false })
            }
            Beside::Referrers => Ok(Signatures::default()),
        }
    }

    async fn login(&self, image: &ImageRef) -> Result<Option<Login>, RegistryError> {
        Ok(self.world().logins.get(image.registry()).cloned())
    }

    fn left(&self, _image: &ImageRef) -> Option<Left> {
        None
    }

    fn memory(&self) -> Memory {
        Memory::default()
    }
}

fn no_such(image: &ImageRef) -> RegistryError {
    RegistryError::NoSuchImage { registry: image.registry().to_owned(), image: image.to_string() }
}

fn repository(image: &ImageRef) -> String {
    format!("{}/{}", image.registry(), image.path())
}

fn key(image: &ImageRef) -> String {
    format!("{}:{}", repository(image), image.tag_or_latest())
}
