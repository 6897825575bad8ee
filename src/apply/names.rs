//! A container takes the names of its service: detached and attached again, network by network.

use std::collections::BTreeMap;
use std::time::Duration;

use super::outcome::Failure;
use super::perform::Done;
use super::{Hands, crash, failing, hooks};
use crate::engine::{ContainerRef, EngineError};
use crate::model::observed::ObservedContainer;
use crate::model::spec::Endpoint;
use crate::model::{ContainerName, NetworkName};
use crate::plan::Step;

/// What a container is to be found by.
pub struct Names<'a> {
    /// The networks and the names it gets there.
    pub endpoints: &'a [Endpoint],
    /// A further alias on each.
    pub own_alias: &'a ContainerName,
    /// How long what is run after a start may take.
    pub within: Duration,
}

/// Gives `container` its names; starts it again where its address has changed by that.
pub async fn take(
    hands: &Hands<'_>,
    step: &Step,
    container: &ContainerRef,
    names: &Names<'_>,
) -> Result<Done, Failure> {
    let of_engine = |error: EngineError| failing::of_engine(hands, step, &error);
    let before = find(hands, container).await.map_err(of_engine)?;
    for endpoint in names.endpoints {
        crash::point();
        attach(hands, container, &before, endpoint, names.own_alias).await.map_err(of_engine)?;
    }
    crash::point();
    let after = find(hands, container).await.map_err(of_engine)?;
    if addresses(&before) == addresses(&after) {
        return Ok(Done::Well);
    }
    hooks::stop(hands, container).await.map_err(of_engine)?;
    crash::point();
    hands.engine.start(container).await.map_err(of_engine)?;
    let hooks = &after.settings.hooks.post_start;
    let started = hooks::post_start(hands.engine, container, hooks, Some(names.within)).await;
    match started {
        Ok(()) => Ok(Done::Well),
        Err(stuck) => Err(failing::of_stuck(hands, container, &stuck).await),
    }
}

async fn find(
    hands: &Hands<'_>,
    container: &ContainerRef,
) -> Result<ObservedContainer, EngineError> {
    let found = hands.engine.inspect(container).await?;
    found.ok_or_else(|| EngineError::NotFound(format!("there is no container {container}")))
}

async fn attach(
    hands: &Hands<'_>,
    container: &ContainerRef,
    seen: &ObservedContainer,
    endpoint: &Endpoint,
    own_alias: &ContainerName,
) -> Result<(), EngineError> {
    if let Some(attached) = seen.attached.get(&endpoint.network) {
        let mut wanted = endpoint.aliases.iter().map(String::as_str).chain([own_alias.as_str()]);
        if wanted.all(|alias| attached.aliases.contains(alias)) {
            return Ok(());
        }
        hands.engine.disconnect(container, &endpoint.network).await?;
        crash::point();
    }
    hands.engine.connect(container, endpoint, &[own_alias.to_string()]).await
}

fn addresses(container: &ObservedContainer) -> BTreeMap<&NetworkName, &Option<String>> {
    container.attached.iter().map(|(network, attached)| (network, &attached.address)).collect()
}
