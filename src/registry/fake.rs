//! A registry in memory, for tests of other rooms: it has images, and can be out of order.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Registry, RegistryError};
use crate::model::login::Login;
use crate::model::{Digest, ImageRef};

/// Registries in memory; every host exists and has the images that were put there.
#[derive(Debug, Default)]
pub struct FakeRegistry(Mutex<World>);

#[derive(Debug, Default)]
struct World {
    tags: BTreeMap<String, Result<Digest, RegistryError>>,
    logins: BTreeMap<String, Login>,
    asked: Vec<String>,
}

impl FakeRegistry {
    /// Lets the tag of `image` point at `digest`.
    pub fn put(&self, image: &ImageRef, digest: Digest) {
        self.world().tags.insert(key(image), Ok(digest));
    }

    /// Answers every question about the tag of `image` with `error`.
    pub fn fail(&self, image: &ImageRef, error: RegistryError) {
        self.world().tags.insert(key(image), Err(error));
    }

    /// Has credentials for the registry that `login` names.
    pub fn know(&self, login: Login) {
        self.world().logins.insert(login.registry.clone(), login);
    }

    /// The tags that were asked for, in the order of asking, written in full.
    pub fn asked(&self) -> Vec<String> {
        self.world().asked.clone()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Registry for FakeRegistry {
    async fn digest(&self, image: &ImageRef) -> Result<Digest, RegistryError> {
        let mut world = self.world();
        world.asked.push(key(image));
        world.tags.get(&key(image)).cloned().unwrap_or_else(|| {
            Err(RegistryError::NoSuchImage {
                registry: image.registry().to_owned(),
                image: image.to_string(),
            })
        })
    }

    async fn login(&self, image: &ImageRef) -> Result<Option<Login>, RegistryError> {
        Ok(self.world().logins.get(image.registry()).cloned())
    }
}

fn key(image: &ImageRef) -> String {
    format!("{}/{}:{}", image.registry(), image.path(), image.tag_or_latest())
}
