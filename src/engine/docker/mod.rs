//! The engine itself: Docker, over its socket, with bollard. bollard's types do not leave this folder.
//!
//! bollard logs whole requests and answers at level `debug`, environments included: whoever sets up
//! logging must keep the target `bollard` at `info` or above.

mod devices;
mod distribution;
mod errors;
mod events;
mod exec;
mod images;
mod inspect;
mod logs;
mod mounts;
mod networks;
mod observe;
mod pull;
mod request;
mod rescue;
mod resources;
mod session;
mod settings;
mod surroundings;

#[cfg(test)]
mod tests;

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use bollard::errors::Error;
use bollard::models::{NetworkConnectRequest, NetworkDisconnectRequest};
use bollard::query_parameters::{
    CreateContainerOptions, InspectContainerOptions, ListNetworksOptions, RemoveContainerOptions,
    RenameContainerOptions, StartContainerOptions, StopContainerOptions,
};
use jiff::Timestamp;

use self::errors::explain;
use self::rescue::rescue;
use self::session::{Session, at_host};
use super::{
    ContainerRef, ContainerRequest, ContainerUpdate, Engine, EngineError, Executed, Incident,
    Labels, PullProgress,
};
use crate::model::image::{PinnedImage, Platform};
use crate::model::login::Login;
use crate::model::observed::{EngineDefaults, EngineInfo, ObservedContainer, ObservedState};
use crate::model::spec::{Endpoint, Hook, USUAL_GRACE_PERIOD};
use crate::model::stack::{Network, Volume};
use crate::model::{
    ContainerId, ContainerName, ContainerSpec, Digest, Disk, ImageId, ImageName, ImageRef,
    NetworkName, StackName,
};

/// The longest a stop is waited for, whatever the container asks.
const LONGEST_STOP: Duration = Duration::from_secs(24 * 60 * 60);

/// A Docker engine.
///
/// Connects at the first call, and again after the engine did not answer: it may have been upgraded.
pub struct Docker {
    host: String,
    session: RwLock<Option<Session>>,
}

impl std::fmt::Debug for Docker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Docker").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Docker {
    /// An engine at `unix:///path` or `tcp://host:port`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] for any other scheme.
    pub fn connect(host: &str) -> Result<Self, EngineError> {
        let known = ["unix://", "tcp://", "http://"];
        if !known
            .iter()
            .any(|scheme| host.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
        {
            return Err(EngineError::Unreachable(format!(
                "`{host}` is no address of it; write unix:///var/run/docker.sock or tcp://host:port"
            )));
        }
        Ok(Self { host: host.to_owned(), session: RwLock::new(None) })
    }

    async fn session(&self) -> Result<Session, EngineError> {
        match self.known_session() {
            Some(session) => Ok(session),
            None => self.meet().await,
        }
    }

    fn known_session(&self) -> Option<Session> {
        self.session.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn meet(&self) -> Result<Session, EngineError> {
        let session = Session::open(&self.host).await?;
        *self.session.write().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
        Ok(session)
    }

    fn failed(&self, error: Error) -> EngineError {
        self.noticed(explain(&error))
    }

    /// Who does not answer, or no longer in the version agreed on, is met anew at the next call.
    fn noticed(&self, error: EngineError) -> EngineError {
        if matches!(error, EngineError::Unreachable(_) | EngineError::Version(_)) {
            *self.session.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        at_host(error, &self.host)
    }

    /// Volumes that the image declares, asked for only where an inherited volume could go there.
    async fn image_volumes(
        &self,
        session: &Session,
        request: &ContainerRequest,
    ) -> Result<Vec<String>, EngineError> {
        if request::only_the_images(request).next().is_none() {
            return Ok(Vec::new());
        }
        let image = session.reading().inspect_image(&request.image.pull_reference()).await;
        let image = image.map_err(|error| self.failed(error))?;
        let volumes = image.config.and_then(|config| config.volumes).unwrap_or_default();
        Ok(volumes.iter().map(|target| mounts::normal(target)).collect())
    }

    /// Connects what did not fit into the create request; a failure takes the container back.
    async fn connect_all(
        &self,
        session: &Session,
        id: &ContainerId,
        endpoints: &[Endpoint],
        own_alias: &ContainerName,
    ) -> Result<(), EngineError> {
        let container = ContainerRef::Id(id.clone());
        let own_alias = [own_alias.as_str().to_owned()];
        for endpoint in endpoints {
            if let Err(error) = self.connect(&container, endpoint, &own_alias).await {
                let gone = session.changing().remove_container(id.as_str(), remove_options()).await;
                if let Err(left) = gone {
                    tracing::warn!(container = %id, why = %explain(&left), "left a half-made container");
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// How long a container may take to stop.
    async fn grace_period(
        &self,
        session: &Session,
        container: &ContainerRef,
    ) -> Result<Duration, EngineError> {
        let inspected = session
            .reading()
            .inspect_container(container.as_str(), None::<InspectContainerOptions>)
            .await;
        let inspected = rescue(inspected).map_err(|error| self.failed(error))?;
        let seconds = inspected.config.and_then(|config| config.stop_timeout);
        // A negative one is "without end".
        let period = seconds.map_or(USUAL_GRACE_PERIOD, |seconds| {
            u64::try_from(seconds).map_or(LONGEST_STOP, Duration::from_secs)
        });
        Ok(period.min(LONGEST_STOP))
    }
}

fn remove_options() -> Option<RemoveContainerOptions> {
    Some(RemoveContainerOptions { v: false, force: false, link: false })
}

#[async_trait]
impl Engine for Docker {
    async fn info(&self) -> Result<EngineInfo, EngineError> {
        let session = self.session().await?;
        session.engine().await.map_err(|error| self.failed(error))
    }

    async fn defaults(&self) -> Result<EngineDefaults, EngineError> {
        let session = self.session().await?;
        session.defaults().await.map_err(|error| self.failed(error))
    }

    async fn observe(&self, stacks: &[StackName]) -> Result<ObservedState, EngineError> {
        let session = self.session().await?;
        observe::observe(&session, stacks).await.map_err(|error| self.failed(error))
    }

    async fn image_defaults(&self, image: &ImageId) -> Result<ContainerSpec, EngineError> {
        let session = self.session().await?;
        let inspected = session.reading().inspect_image(image.as_str()).await;
        let inspected = inspected.map_err(|error| self.failed(error))?;
        Ok(settings::of_image(inspected.config.unwrap_or_default()))
    }

    async fn distribution(
        &self,
        image: &ImageRef,
        login: Option<&Login>,
    ) -> Result<Digest, EngineError> {
        let session = self.session().await?;
        let asked = distribution::distribution(&session, image, login).await;
        asked.map_err(|error| self.noticed(error))
    }

    async fn pull(
        &self,
        image: &PinnedImage,
        platform: Option<&Platform>,
        login: Option<&Login>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<(), EngineError> {
        let session = self.session().await?;
        let pulled = pull::pull(&session, image, platform, login, progress).await;
        pulled.map_err(|error| self.noticed(error))
    }

    async fn disk(&self) -> Result<Option<Disk>, EngineError> {
        let session = self.session().await?;
        let root = session.defaults().await.map_err(|error| self.failed(error))?.root;
        // An engine on another host has its disk there.
        Ok(root.filter(|_| self.host.starts_with("unix://")).and_then(|root| images::disk(&root)))
    }

    async fn name_image(&self, image: &ImageId, name: &ImageName) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        images::name(&client, image, name).await.map_err(|error| self.failed(error))
    }

    async fn drop_image_name(&self, name: &ImageName) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        images::drop_name(&client, name).await.map_err(|error| self.failed(error))
    }

    async fn prune_build_cache(&self) -> Result<u64, EngineError> {
        let client = self.session().await?.changing();
        images::prune_build_cache(&client).await.map_err(|error| self.failed(error))
    }

    async fn create_network(&self, network: &Network, labels: &Labels) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        let created = client.create_network(request::network_body(network, labels)).await;
        let id = created.map_err(|error| self.failed(error))?.id;
        // Below API 1.44 the engine allows two networks of one name, and a request of a program that died
        // may still be under way. The one that was there first stays.
        let all = client.list_networks(None::<ListNetworksOptions>).await;
        let twins = all.map_err(|error| self.failed(error))?.into_iter();
        let mut twins: Vec<_> = twins
            .filter(|twin| twin.name.as_deref() == Some(network.name.as_str()))
            .map(|twin| (twin.created, twin.id))
            .collect();
        twins.sort();
        match twins.first() {
            Some((_, Some(first))) if *first != id => {
                client.remove_network(&id).await.map_err(|error| self.failed(error))
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn remove_network(&self, network: &NetworkName) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        client.remove_network(network.as_str()).await.map_err(|error| self.failed(error))
    }

    async fn connect(
        &self,
        container: &ContainerRef,
        endpoint: &Endpoint,
        extra_aliases: &[String],
    ) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        let aliases = extra_aliases.iter().map(String::as_str);
        let body = NetworkConnectRequest {
            container: container.as_str().to_owned(),
            endpoint_config: Some(networks::endpoint_settings(endpoint, aliases)),
        };
        let connected = client.connect_network(endpoint.network.as_str(), body).await;
        connected.map_err(|error| self.failed(error))
    }

    async fn disconnect(
        &self,
        container: &ContainerRef,
        network: &NetworkName,
    ) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        let body = NetworkDisconnectRequest {
            container: container.as_str().to_owned(),
            force: Some(true),
        };
        let disconnected = client.disconnect_network(network.as_str(), body).await;
        disconnected.map_err(|error| self.failed(error))
    }

    async fn create_volume(&self, volume: &Volume, labels: &Labels) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        let created = client.create_volume(request::volume_body(volume, labels)).await;
        created.map(drop).map_err(|error| self.failed(error))
    }

    async fn create_container(
        &self,
        request: &ContainerRequest,
    ) -> Result<ContainerId, EngineError> {
        let session = self.session().await?;
        let endpoints = request.settings.network.endpoints();
        let at_once = if session.takes_several_endpoints() { endpoints.len() } else { 1 };
        let (first, others) = endpoints.split_at(at_once.min(endpoints.len()));
        let image_volumes = self.image_volumes(&session, request).await?;
        let body = request::create_body(request, first, &image_volumes);
        let options = CreateContainerOptions {
            name: Some(request.name.as_str().to_owned()),
            platform: request
                .settings
                .platform
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
        };
        let created = session.changing().create_container(Some(options), body).await;
        let created = created.map_err(|error| self.failed(error))?;
        for warning in created.warnings {
            tracing::debug!(container = %request.name, %warning, "the engine warns");
        }
        let id = ContainerId::new(created.id);
        self.connect_all(&session, &id, others, &request.own_alias).await?;
        Ok(id)
    }

    async fn start(&self, container: &ContainerRef) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        let started = client.start_container(container.as_str(), None::<StartContainerOptions>);
        started.await.map_err(|error| self.failed(error))
    }

    async fn stop(&self, container: &ContainerRef) -> Result<(), EngineError> {
        let session = self.session().await?;
        // The engine answers once the container has stopped.
        let client = session.changing_for(self.grace_period(&session, container).await?);
        let stopped = client.stop_container(container.as_str(), None::<StopContainerOptions>).await;
        stopped.map_err(|error| self.failed(error))
    }

    async fn unpause(&self, container: &ContainerRef) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        client.unpause_container(container.as_str()).await.map_err(|error| self.failed(error))
    }

    async fn rename(
        &self,
        container: &ContainerRef,
        name: &ContainerName,
    ) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        let options = RenameContainerOptions { name: name.as_str().to_owned() };
        let renamed = client.rename_container(container.as_str(), options).await;
        renamed.map_err(|error| self.failed(error))
    }

    async fn remove_container(&self, container: &ContainerRef) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        let removed = client.remove_container(container.as_str(), remove_options()).await;
        removed.map_err(|error| self.failed(error))
    }

    async fn update(
        &self,
        container: &ContainerRef,
        update: &ContainerUpdate,
    ) -> Result<(), EngineError> {
        let client = self.session().await?.changing();
        let updated =
            client.update_container(container.as_str(), request::update_body(update)).await;
        updated.map_err(|error| self.failed(error))
    }

    async fn inspect(
        &self,
        container: &ContainerRef,
    ) -> Result<Option<ObservedContainer>, EngineError> {
        let session = self.session().await?;
        let inspected = observe::inspect(&session, container.as_str()).await;
        inspected.map_err(|error| self.failed(error))
    }

    async fn exec(&self, container: &ContainerRef, hook: &Hook) -> Result<Executed, EngineError> {
        let session = self.session().await?;
        let ended = exec::exec(&session, container.as_str(), hook).await;
        ended.map_err(|error| self.failed(error))
    }

    async fn logs(&self, container: &ContainerRef, lines: u32) -> Result<Vec<String>, EngineError> {
        let session = self.session().await?;
        let written = logs::logs(&session, container.as_str(), lines).await;
        written.map_err(|error| self.failed(error))
    }

    async fn watch(
        &self,
        since: Timestamp,
        heard: &(dyn Fn(Incident) + Send + Sync),
    ) -> Result<(), EngineError> {
        let session = self.session().await?;
        events::watch(&session, since, heard).await.map_err(|error| self.failed(error))
    }
}
