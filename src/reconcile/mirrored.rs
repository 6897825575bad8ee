//! Registries, with the engine's mirrors behind them: where Docker Hub does not answer, the engine is asked what a tag
//! points at, since it may have a mirror.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::engine::Engine;
use crate::model::login::Login;
use crate::model::proofs::Signatures;
use crate::model::{Digest, ImageRef, PinnedImage, Platform};
use crate::registry::{Beside, Etag, Left, Memory, Polled, Registry, RegistryError, TagList};

/// The one registry that the engine has mirrors for (`registry-mirrors` of the Docker daemon).
const MIRRORED: &str = "docker.io";

/// A registry behind which an engine stands.
pub struct Mirrored {
    /// Rounds first.
    pub registry: Arc<dyn Registry>,
    /// Rounds where that does not answer.
    pub engine: Arc<dyn Engine>,
}

#[async_trait]
impl Registry for Mirrored {
    async fn poll(&self, image: &ImageRef, known: Option<&Etag>) -> Result<Polled, RegistryError> {
        let error = match self.registry.poll(image, known).await {
            Err(error) if image.registry() == MIRRORED && is_silence(&error) => error,
            answer => return answer,
        };
        let login = self.registry.login(image).await.ok().flatten();
        match self.engine.distribution(image, login.as_ref()).await {
            Ok(digest) => Ok(Polled::Now { digest, etag: None }),
            // What the registry itself did says more.
            Err(_) => Err(error),
        }
    }

    async fn tags(&self, image: &ImageRef) -> Result<TagList, RegistryError> {
        self.registry.tags(image).await
    }

    async fn child(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<Digest, RegistryError> {
        self.registry.child(image, platform).await
    }

    async fn created(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<Option<Timestamp>, RegistryError> {
        self.registry.created(image, platform).await
    }

    async fn layers(
        &self,
        image: &PinnedImage,
        platform: &Platform,
    ) -> Result<BTreeMap<Digest, u64>, RegistryError> {
        self.registry.layers(image, platform).await
    }

    async fn signatures(
        &self,
        image: &PinnedImage,
        place: Beside,
    ) -> Result<Signatures, RegistryError> {
        self.registry.signatures(image, place).await
    }

    async fn login(&self, image: &ImageRef) -> Result<Option<Login>, RegistryError> {
        self.registry.login(image).await
    }

    fn memory(&self) -> Memory {
        self.registry.memory()
    }

    fn left(&self, image: &ImageRef) -> Option<Left> {
        self.registry.left(image)
    }
}

/// Whether the registry said nothing, as against "no".
fn is_silence(error: &RegistryError) -> bool {
    match error {
        RegistryError::Unknown { .. } | RegistryError::NotAsked { .. } => true,
        RegistryError::NoSuchImage { .. }
        | RegistryError::NotForPlatform { .. }
        | RegistryError::Denied { .. }
        | RegistryError::Credentials { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::{FakeEngine, ImageBehaviour};
    use crate::registry::FakeRegistry;

    fn silent(registry: &str) -> RegistryError {
        let why = "connection refused".to_owned();
        RegistryError::Unknown { registry: registry.to_owned(), why, retry_after: None }
    }

    async fn check(name: &str, error: RegistryError, expected: Option<&Digest>) {
        let engine = FakeEngine::new();
        let image = ImageRef::parse(&format!("{name}:1")).unwrap();
        let digest = engine.add_image(name, "1", ImageBehaviour::default());
        let registry = FakeRegistry::default();
        registry.fail(&image, error.clone());
        let mirrored = Mirrored { registry: Arc::new(registry), engine: Arc::new(engine) };
        let answer = mirrored.poll(&image, None).await;
        match expected {
            Some(_) => assert_eq!(answer, Ok(Polled::Now { digest, etag: None }), "{name}"),
            None => assert_eq!(answer, Err(error), "{name}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_engine_is_asked_where_docker_hub_is_silent_and_nowhere_else() {
        let digest = Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap();
        check("acme/web", silent("docker.io"), Some(&digest)).await;
        check("ghcr.io/acme/web", silent("ghcr.io"), None).await;
        let no = RegistryError::NoSuchImage { registry: "docker.io".into(), image: "x".into() };
        check("acme/web", no, None).await;
    }
}
