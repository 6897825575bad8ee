//! A Docker host in memory, as strict as Docker: it has containers, networks, volumes, images and ports, and
//! refuses what Docker refuses.
//!
//! Nothing is scripted here. What programs do stands in [`behaviour`], what goes wrong on purpose in
//! [`faults`], what people do behind our back in `people`.

pub mod behaviour;
pub mod faults;
mod world;
mod life;
mod containers;
mod networks;
mod addresses;
mod ports;
mod images;
mod names;
mod observe;
mod incidents;
mod setup;
mod scenes;
mod people;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

pub use behaviour::{HealthStory, ImageBehaviour, Process};
pub use faults::{Call, Fault, Matcher, Verb};
pub use scenes::{Scene, Seen};

use self::faults::Aftermath;
use self::world::Host;
use super::{
    ContainerRef, ContainerRequest, ContainerUpdate, Engine, EngineError, Executed, Incident,
    Labels, PullProgress,
};
use crate::model::login::Login;
use crate::model::observed::{EngineDefaults, EngineInfo, ObservedContainer, ObservedState};
use crate::model::spec::{Endpoint, Hook};
use crate::model::stack::{Network, Volume};
use crate::model::{
    ContainerId, ContainerName, ContainerSpec, Digest, Disk, ImageId, ImageName, ImageRef,
    NetworkName, PinnedImage, Platform, StackName,
};

/// The host, behind the engine's verbs. Clones share the host; [`FakeEngine::snapshot`] copies it.
#[derive(Clone)]
pub struct FakeEngine {
    host: Arc<Mutex<Host>>,
}

impl Default for FakeEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeEngine {
    /// An empty host. Its time is tokio's.
    pub fn new() -> Self {
        Self { host: Arc::new(Mutex::new(Host::new())) }
    }

    /// Another host, equal to this one now, calls and faults included.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { host: Arc::new(Mutex::new(self.now().clone())) }
    }

    /// The host with everything that is due by now.
    fn now(&self) -> MutexGuard<'_, Host> {
        let mut host = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        host.settle();
        host
    }

    /// One call: logged, let in or refused, carried out.
    fn call<T>(
        &self,
        verb: Verb,
        subject: Subject<'_>,
        act: impl FnOnce(&mut Host) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let mut host = self.now();
        let aftermath = admit(&mut host, verb, subject)?;
        let result = act(&mut host);
        host.shoot(verb, subject);
        aftermath.of(result)
    }
}

/// What a call is about.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Name(&'a str),
    Container(&'a ContainerRef),
}

fn admit(host: &mut Host, verb: Verb, subject: Subject<'_>) -> Result<Aftermath, EngineError> {
    let subject = match subject {
        Subject::Name(name) => name.to_owned(),
        Subject::Container(wanted) => host.name_of(wanted),
    };
    host.faults.admit(Call { verb, subject, mutating: verb.mutates() })
}

#[async_trait]
impl Engine for FakeEngine {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.call(Verb::Info, Subject::Name(""), |host| Ok(host.info.clone()))
    }

    async fn defaults(&self) -> Result<EngineDefaults, EngineError> {
        self.call(Verb::Info, Subject::Name(""), |host| Ok(host.defaults.clone()))
    }

    async fn observe(&self, stacks: &[StackName]) -> Result<ObservedState, EngineError> {
        self.call(Verb::Observe, Subject::Name(""), |host| Ok(host.observe(stacks)))
    }

    async fn image_defaults(&self, image: &ImageId) -> Result<ContainerSpec, EngineError> {
        let subject = Subject::Name(image.as_str());
        self.call(Verb::ImageDefaults, subject, |host| host.defaults_of(image))
    }

    async fn distribution(
        &self,
        image: &ImageRef,
        _login: Option<&Login>,
    ) -> Result<Digest, EngineError> {
        let subject = image.to_string();
        self.call(Verb::Distribution, Subject::Name(&subject), |host| host.at_registry(image))
    }

    async fn pull(
        &self,
        image: &PinnedImage,
        _platform: Option<&Platform>,
        _login: Option<&Login>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<(), EngineError> {
        let subject = image.familiar();
        self.call(Verb::Pull, Subject::Name(&subject), |host| host.pull_image(image))?;
        progress(PullProgress { current: 1, total: 1 });
        Ok(())
    }

    async fn disk(&self) -> Result<Option<Disk>, EngineError> {
        self.call(Verb::Disk, Subject::Name(""), |host| Ok(host.disk()))
    }

    async fn name_image(&self, image: &ImageId, name: &ImageName) -> Result<(), EngineError> {
        let subject = name.to_string();
        self.call(Verb::NameImage, Subject::Name(&subject), |host| host.name_image(image, name))
    }

    async fn drop_image_name(&self, name: &ImageName) -> Result<(), EngineError> {
        let subject = name.to_string();
        self.call(Verb::DropImageName, Subject::Name(&subject), |host| host.drop_image_name(name))
    }

    async fn prune_build_cache(&self) -> Result<u64, EngineError> {
        self.call(Verb::PruneBuildCache, Subject::Name(""), |host| {
            Ok(std::mem::take(&mut host.build_cache))
        })
    }

    async fn create_network(&self, network: &Network, labels: &Labels) -> Result<(), EngineError> {
        let subject = Subject::Name(network.name.as_str());
        self.call(Verb::CreateNetwork, subject, |host| host.ensure_network(network, labels))
    }

    async fn remove_network(&self, network: &NetworkName) -> Result<(), EngineError> {
        let subject = Subject::Name(network.as_str());
        self.call(Verb::RemoveNetwork, subject, |host| host.drop_network(network))
    }

    async fn connect(
        &self,
        container: &ContainerRef,
        endpoint: &Endpoint,
        extra_aliases: &[String],
    ) -> Result<(), EngineError> {
        self.call(Verb::Connect, Subject::Container(container), |host| {
            host.attach(container, endpoint, extra_aliases)
        })
    }

    async fn disconnect(
        &self,
        container: &ContainerRef,
        network: &NetworkName,
    ) -> Result<(), EngineError> {
        self.call(Verb::Disconnect, Subject::Container(container), |host| {
            host.detach(container, network)
        })
    }

    async fn create_volume(&self, volume: &Volume, labels: &Labels) -> Result<(), EngineError> {
        self.call(Verb::CreateVolume, Subject::Name(volume.name.as_str()), |host| {
            let record = host.volumes.entry(volume.name.clone());
            record.or_insert_with(|| world::VolumeRecord {
                driver: volume.driver.clone(),
                driver_opts: volume.driver_opts.clone(),
                labels: labels.clone(),
                writers: vec![],
            });
            Ok(())
        })
    }

    async fn create_container(
        &self,
        request: &ContainerRequest,
    ) -> Result<ContainerId, EngineError> {
        let subject = Subject::Name(request.name.as_str());
        self.call(Verb::CreateContainer, subject, |host| host.create(request))
    }

    async fn start(&self, container: &ContainerRef) -> Result<(), EngineError> {
        self.call(Verb::Start, Subject::Container(container), |host| host.start(container))
    }

    async fn stop(&self, container: &ContainerRef) -> Result<(), EngineError> {
        let (aftermath, id, grace) = {
            let mut host = self.now();
            let aftermath = admit(&mut host, Verb::Stop, Subject::Container(container))?;
            (aftermath, host.id_of(container), host.grace(container))
        };
        let stopped = match (id, grace) {
            (Ok(id), Ok(grace)) => {
                tokio::time::sleep(grace).await;
                let mut host = self.now();
                let stopped = host.stop(&ContainerRef::Id(id));
                host.shoot(Verb::Stop, Subject::Container(container));
                stopped
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        aftermath.of(stopped)
    }

    async fn unpause(&self, container: &ContainerRef) -> Result<(), EngineError> {
        self.call(Verb::Unpause, Subject::Container(container), |host| host.unpause(container))
    }

    async fn rename(
        &self,
        container: &ContainerRef,
        name: &ContainerName,
    ) -> Result<(), EngineError> {
        self.call(Verb::Rename, Subject::Container(container), |host| host.rename(container, name))
    }

    async fn remove_container(&self, container: &ContainerRef) -> Result<(), EngineError> {
        let subject = Subject::Container(container);
        self.call(Verb::RemoveContainer, subject, |host| host.remove(container))
    }

    async fn update(
        &self,
        container: &ContainerRef,
        update: &ContainerUpdate,
    ) -> Result<(), EngineError> {
        self.call(Verb::Update, Subject::Container(container), |host| {
            host.update(container, update)
        })
    }

    async fn inspect(
        &self,
        container: &ContainerRef,
    ) -> Result<Option<ObservedContainer>, EngineError> {
        self.call(Verb::Inspect, Subject::Container(container), |host| {
            Ok(host.find(container).map(|found| host.show(found)))
        })
    }

    async fn exec(&self, container: &ContainerRef, hook: &Hook) -> Result<Executed, EngineError> {
        let (aftermath, runs) = {
            let mut host = self.now();
            let aftermath = admit(&mut host, Verb::Exec, Subject::Container(container))?;
            (aftermath, host.exec(container, hook))
        };
        let ended = match runs {
            Ok((lasting, ended)) => {
                tokio::time::sleep(lasting).await;
                Ok(ended)
            }
            Err(error) => Err(error),
        };
        aftermath.of(ended)
    }

    async fn logs(&self, container: &ContainerRef, lines: u32) -> Result<Vec<String>, EngineError> {
        self.call(Verb::Logs, Subject::Container(container), |host| {
            let logs = &host.container_mut(container)?.logs;
            let skipped = logs.len().saturating_sub(lines as usize);
            Ok(logs.iter().skip(skipped).cloned().collect())
        })
    }

    async fn watch(
        &self,
        _since: Timestamp,
        heard: &(dyn Fn(Incident) + Send + Sync),
    ) -> Result<(), EngineError> {
        let mut before = self.call(Verb::Watch, Subject::Name(""), |host| Ok(host.faces()))?;
        loop {
            tokio::time::sleep(incidents::LOOK).await;
            let after = self.now().faces();
            incidents::between(&before, &after).into_iter().for_each(heard);
            before = after;
        }
    }
}
