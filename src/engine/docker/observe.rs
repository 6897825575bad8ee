//! Everything a plan needs to know, asked for at once.

use std::collections::BTreeMap;

use bollard::errors::Error;
use bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum as State, ImageSummary, IpamConfig, Network, Volume,
};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptions, ListImagesOptions, ListNetworksOptions,
    ListVolumesOptions,
};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::errors::is_not_found;
use super::inspect::observed_container;
use super::rescue::rescue;
use super::session::Session;
use crate::model::observed::{
    ForeignContainer, ObservedContainer, ObservedImage, ObservedNetwork, ObservedState,
    ObservedVolume,
};
use crate::model::stack::Subnet;
use crate::model::{ContainerName, NetworkName, StackName, VolumeName, labels};

/// How many containers are inspected at a time.
const AT_ONCE: usize = 16;

/// Lists everything and inspects the containers that are ours or of `stacks`.
pub(super) async fn observe(
    session: &Session,
    stacks: &[StackName],
) -> Result<ObservedState, Error> {
    let ((containers, foreign), networks, volumes, images) = tokio::try_join!(
        containers(session, stacks),
        networks(session),
        volumes(session),
        images(session),
    )?;
    let image_defaults = BTreeMap::new();
    Ok(ObservedState {
        engine: session.engine_version(),
        containers,
        foreign,
        networks,
        volumes,
        images,
        image_defaults,
    })
}

/// One container; `None` where there is none.
pub(super) async fn inspect(
    session: &Session,
    container: &str,
) -> Result<Option<ObservedContainer>, Error> {
    let answer = session.reading().inspect_container(container, None::<InspectContainerOptions>);
    match rescue(answer.await) {
        Ok(answer) => Ok(Some(observed_container(answer))),
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn containers(
    session: &Session,
    stacks: &[StackName],
) -> Result<(Vec<ObservedContainer>, Vec<ForeignContainer>), Error> {
    let all = ListContainersOptions { all: true, ..ListContainersOptions::default() };
    let listed = rescue(session.reading().list_containers(Some(all)).await)?;
    let (ours, foreign): (Vec<_>, Vec<_>) =
        listed.into_iter().partition(|listed| is_ours(listed, stacks));
    // One that went away since it was listed is none.
    let mut ours: Vec<ObservedContainer> = stream::iter(ours)
        .map(|listed| async move { inspect(session, listed.id.as_deref().unwrap_or("")).await })
        .buffer_unordered(AT_ONCE)
        .try_filter_map(|container| std::future::ready(Ok(container)))
        .try_collect()
        .await?;
    ours.sort_by(|a, b| a.name.cmp(&b.name));
    Ok((ours, foreign.into_iter().map(foreign_container).collect()))
}

/// What evenkeel made, and what Compose made for one of `stacks`; but not what `docker compose run` made.
fn is_ours(listed: &ContainerSummary, stacks: &[StackName]) -> bool {
    let label = |name: &str| listed.labels.as_ref().and_then(|labels| labels.get(name));
    if label(labels::SOURCE).is_some() || label(labels::SPEC).is_some() {
        return true;
    }
    let one_off = label(labels::COMPOSE_ONEOFF).is_some_and(|word| word == "True");
    let stack = label(labels::COMPOSE_PROJECT);
    !one_off && stack.is_some_and(|stack| stacks.iter().any(|asked| asked.as_str() == stack))
}

fn foreign_container(listed: ContainerSummary) -> ForeignContainer {
    let networks = listed.network_settings.and_then(|settings| settings.networks);
    let mounts = listed.mounts.into_iter().flatten();
    let label = |name: &str| listed.labels.as_ref().and_then(|all| all.get(name)).cloned();
    ForeignContainer {
        project: label(labels::COMPOSE_PROJECT).map(StackName::new),
        working_dir: labels::working_dir(label),
        id: listed.id.unwrap_or_default(),
        names: listed.names.into_iter().flatten().filter_map(|name| own_name(&name)).collect(),
        image_id: listed.image_id.unwrap_or_default(),
        image: listed.image.unwrap_or_default(),
        networks: networks.into_iter().flatten().map(|(name, _)| NetworkName::new(name)).collect(),
        mounts: mounts
            .filter_map(|mount| mount.name.filter(|name| !name.is_empty()).or(mount.source))
            .collect(),
        running: match listed.state {
            Some(State::RUNNING | State::PAUSED | State::RESTARTING | State::STOPPING) => true,
            Some(State::EMPTY | State::CREATED | State::EXITED | State::REMOVING | State::DEAD)
            | None => false,
        },
    }
}

/// A name with a second slash is the alias of a link, not a name.
fn own_name(name: &str) -> Option<ContainerName> {
    let name = name.trim_start_matches('/');
    (!name.contains('/')).then(|| ContainerName::new(name))
}

async fn networks(session: &Session) -> Result<Vec<ObservedNetwork>, Error> {
    let listed = session.reading().list_networks(None::<ListNetworksOptions>).await?;
    let mut networks: Vec<ObservedNetwork> = listed.into_iter().map(observed_network).collect();
    networks.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    Ok(networks)
}

fn observed_network(listed: Network) -> ObservedNetwork {
    let ipam = listed.ipam.unwrap_or_default();
    ObservedNetwork {
        id: listed.id.unwrap_or_default(),
        name: listed.name.unwrap_or_default(),
        driver: listed.driver.unwrap_or_default(),
        internal: listed.internal.unwrap_or(false),
        enable_ipv4: listed.enable_ipv4,
        enable_ipv6: listed.enable_ipv6.unwrap_or(false),
        attachable: listed.attachable.unwrap_or(false),
        driver_opts: listed.options.into_iter().flatten().collect(),
        ipam_driver: ipam.driver.unwrap_or_default(),
        ipam_options: ipam.options.into_iter().flatten().collect(),
        subnets: subnets(ipam.config),
        labels: listed.labels.into_iter().flatten().collect(),
    }
}

fn subnets(configs: Option<Vec<IpamConfig>>) -> Vec<Subnet> {
    let written = |text: Option<String>| text.filter(|text| !text.is_empty());
    configs
        .into_iter()
        .flatten()
        .map(|config| Subnet {
            subnet: written(config.subnet),
            ip_range: written(config.ip_range),
            gateway: written(config.gateway),
            aux_addresses: config.auxiliary_addresses.into_iter().flatten().collect(),
        })
        .collect()
}

async fn volumes(session: &Session) -> Result<BTreeMap<VolumeName, ObservedVolume>, Error> {
    let listed = session.reading().list_volumes(None::<ListVolumesOptions>).await?;
    Ok(listed.volumes.into_iter().flatten().map(observed_volume).collect())
}

fn observed_volume(listed: Volume) -> (VolumeName, ObservedVolume) {
    let volume = ObservedVolume {
        driver: listed.driver,
        driver_opts: listed.options.into_iter().collect(),
        labels: listed.labels.into_iter().collect(),
    };
    (VolumeName::new(listed.name), volume)
}

async fn images(session: &Session) -> Result<Vec<ObservedImage>, Error> {
    let listed = session.reading().list_images(None::<ListImagesOptions>).await?;
    let mut images: Vec<ObservedImage> = listed.into_iter().map(observed_image).collect();
    images.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(images)
}

/// Older engines write `<none>` for what an image does not have.
fn observed_image(listed: ImageSummary) -> ObservedImage {
    let named = |names: Vec<String>| -> Vec<String> {
        names.into_iter().filter(|name| !name.contains("<none>")).collect()
    };
    ObservedImage {
        id: listed.id,
        tags: named(listed.repo_tags),
        digests: named(listed.repo_digests),
        size: u64::try_from(listed.size).unwrap_or(0),
        // 0 stands for an image that does not say.
        created_at: Some(listed.created)
            .filter(|second| *second > 0)
            .and_then(|second| jiff::Timestamp::from_second(second).ok()),
    }
}
