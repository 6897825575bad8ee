//! One step, carried out: the engine's verb, and what counts as "already done".

use std::time::Duration;

use super::crash;
use super::failing;
use super::files::{self, FileError};
use super::gate::{self, Passed};
use super::hooks;
use super::names::{self, Names};
use super::outcome::Failure;
use super::{Event, Hands};
use crate::engine::{ContainerRef, ContainerRequest, ContainerUpdate, EngineError};
use crate::model::spec::RestartPolicy;
use crate::model::{
    ContainerId, ContainerName, ContainerState, ObservedContainer, PinnedImage, StackName, labels,
};
use crate::plan::{Gate, PlannedStep, Step, StepId, Target, retention};

/// What a step brought to light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Nothing special.
    Well,
    /// The container ended with exit code 0: a job.
    Completed,
}

/// Carries out one planned step.
pub async fn perform(hands: &Hands<'_>, planned: &PlannedStep) -> Result<Done, Failure> {
    hands.watcher.event(&Event::StepStarted(planned));
    let result = step(hands, &planned.stack, Some(planned), &planned.step).await;
    match &result {
        Ok(_) => hands.watcher.event(&Event::StepDone(planned)),
        Err(failure) => hands.watcher.event(&Event::StepFailed(planned, &failure.message)),
    }
    result
}

/// Carries out a step of a plan (`planned`) or of a way back.
pub async fn step(
    hands: &Hands<'_>,
    stack: &StackName,
    planned: Option<&PlannedStep>,
    step: &Step,
) -> Result<Done, Failure> {
    crash::point();
    let result = match step {
        Step::AwaitGate { container, gate } => {
            return await_gate(hands, planned, container, gate).await;
        }
        Step::Monitor { container, lasting, gate } => {
            return monitor(hands, container, gate, *lasting).await;
        }
        Step::TakeNames { container, endpoints, own_alias, within } => {
            let names = Names { endpoints, own_alias, within: *within };
            return names::take(hands, step, &reference(container), &names).await;
        }
        Step::Pause(lasting) => return pause(hands, *lasting).await,
        Step::ExportFiles(export) => {
            let export = export.clone();
            return write(hands, move || files::export(&export)).await;
        }
        Step::WriteSecret(secret) => {
            let secret = secret.clone();
            return write(hands, move || files::write_secret(&secret)).await;
        }
        Step::MakeDirectory(directory) => {
            let directory = directory.clone();
            return write(hands, move || files::make_directory(&directory)).await;
        }
        Step::PullImage { image, platform, shown } => {
            check_room(hands, image, hands.layers.get(image).copied())
                .await
                .map_err(|error| failing::of_engine(hands, step, &error))?;
            hands.journal.pulls(image, shown);
            pull(hands, planned.map(|planned| planned.id), image, platform.as_ref()).await
        }
        Step::SetAside { container, had } => set_aside(hands, stack, container, *had).await?,
        Step::Restore { container, policy } => restore(hands, container, *policy).await?,
        Step::CreateNetwork { .. }
        | Step::RemoveNetwork(_)
        | Step::CreateVolume { .. }
        | Step::CreateContainer(_)
        | Step::UpdateContainer { .. }
        | Step::StopContainer(_)
        | Step::LetGo { .. }
        | Step::RenameContainer { .. }
        | Step::StartContainer(_)
        | Step::UnpauseContainer(_)
        | Step::ConnectNetwork { .. }
        | Step::DisconnectNetwork { .. }
        | Step::RemoveContainer(_) => call(hands, step).await,
    };
    crash::point();
    result.map(|()| Done::Well).map_err(|error| failing::of_engine(hands, step, &error))
}

/// The steps that are one call to the engine and nothing else.
async fn call(hands: &Hands<'_>, step: &Step) -> Result<(), EngineError> {
    let engine = hands.engine;
    match step {
        Step::CreateNetwork { network, labels } => engine.create_network(network, labels).await,
        Step::RemoveNetwork(name) => gone_is_done(engine.remove_network(name).await),
        Step::CreateVolume { volume, labels } => engine.create_volume(volume, labels).await,
        Step::CreateContainer(request) => create(hands, request).await,
        Step::UpdateContainer { container, update } => match find(hands, container).await? {
            Some(found) => engine.update(&found, update).await,
            None => Ok(()),
        },
        Step::StopContainer(container) => match find(hands, container).await? {
            Some(found) => gone_is_done(hooks::stop(hands, &found).await),
            None => Ok(()),
        },
        Step::LetGo { container, peers } => let_go(hands, container, peers).await,
        Step::RemoveContainer(container) => match find(hands, container).await? {
            Some(found) => remove(hands, &found).await,
            None => Ok(()),
        },
        Step::RenameContainer { container, to } => rename(hands, &reference(container), to).await,
        Step::StartContainer(container) => start(hands, &reference(container)).await,
        Step::UnpauseContainer(container) => engine.unpause(&reference(container)).await,
        Step::ConnectNetwork { container, endpoint, own_alias } => {
            engine.connect(&reference(container), endpoint, &[own_alias.to_string()]).await
        }
        Step::DisconnectNetwork { container, network } => {
            gone_is_done(engine.disconnect(&reference(container), network).await)
        }
        Step::PullImage { .. }
        | Step::ExportFiles(_)
        | Step::WriteSecret(_)
        | Step::MakeDirectory(_)
        | Step::SetAside { .. }
        | Step::Restore { .. }
        | Step::TakeNames { .. }
        | Step::Pause(_)
        | Step::AwaitGate { .. }
        | Step::Monitor { .. } => Ok(()),
    }
}

fn gone_is_done(result: Result<(), EngineError>) -> Result<(), EngineError> {
    match result {
        Err(EngineError::NotFound(_)) => Ok(()),
        other => other,
    }
}

/// How often a name that is taken by nobody yet is asked for again, and the pause between.
const NAME_TRIES: u32 = 50;
const NAME_PAUSE: Duration = Duration::from_millis(100);

/// Stops a container that was started before one of `peers` was.
async fn let_go(
    hands: &Hands<'_>,
    container: &ContainerId,
    peers: &[ContainerId],
) -> Result<(), EngineError> {
    let container = ContainerRef::Id(container.clone());
    let Some(own) = hands.engine.inspect(&container).await?.filter(|own| own.is_up()) else {
        return Ok(());
    };
    for peer in peers {
        let peer = hands.engine.inspect(&ContainerRef::Id(peer.clone())).await?;
        if peer.is_none_or(|peer| peer.started_at > own.started_at) {
            return gone_is_done(hooks::stop(hands, &container).await);
        }
    }
    Ok(())
}

/// The request with the ids of those whom its settings name.
async fn joined(
    hands: &Hands<'_>,
    request: &ContainerRequest,
) -> Result<ContainerRequest, EngineError> {
    let mut request = request.clone();
    for (words, container) in std::mem::take(&mut request.joined) {
        let found = hands.engine.inspect(&container).await?.ok_or_else(|| {
            EngineError::NotFound(format!(
                "there is no container {container}, which it shares with"
            ))
        })?;
        request.settings.join(&words, &found.id);
    }
    Ok(request)
}

/// Makes a container, unless just that one is there: a request can outlive the program that sent it, and
/// the engine then carries it out after the next pass has looked.
async fn create(hands: &Hands<'_>, request: &ContainerRequest) -> Result<(), EngineError> {
    let name = ContainerRef::Name(request.name.clone());
    let mut tries = 0;
    let request = &joined(hands, request).await?;
    loop {
        let Err(error) = hands.engine.create_container(request).await else { return Ok(()) };
        if !matches!(error, EngineError::Conflict(_)) {
            return Err(error);
        }
        match hands.engine.inspect(&name).await? {
            Some(there) if is_just_made(&there, request) => return Ok(()),
            // The engine reserves a name before there is a container to be seen.
            None if tries < NAME_TRIES => tokio::time::sleep(NAME_PAUSE).await,
            Some(_) | None => return Err(error),
        }
        tries += 1;
    }
}

fn is_just_made(there: &ObservedContainer, request: &ContainerRequest) -> bool {
    let same =
        |label| request.labels.get(label).is_some_and(|wanted| there.label(label) == Some(wanted));
    there.state == ContainerState::Created && same(labels::SPEC) && same(labels::SOURCE)
}

fn reference(target: &Target) -> ContainerRef {
    match target {
        Target::Id(id) => ContainerRef::Id(id.clone()),
        Target::Name(name) | Target::Own { name, .. } => ContainerRef::Name(name.clone()),
    }
}

/// The container a step is about; `None` where there is none, or only one that is to be left alone.
async fn find(hands: &Hands<'_>, target: &Target) -> Result<Option<ContainerRef>, EngineError> {
    match target {
        Target::Id(_) | Target::Name(_) => Ok(Some(reference(target))),
        Target::Own { name, service, spared } => {
            let found = hands.engine.inspect(&ContainerRef::Name(name.clone())).await?;
            let own = found.filter(|found| {
                found.service() == Some(service) && Some(&found.id) != spared.as_ref()
            });
            Ok(own.map(|found| ContainerRef::Id(found.id)))
        }
    }
}

/// Starts a container; one that somebody has frozen goes on, since the engine starts no such container.
async fn start(hands: &Hands<'_>, container: &ContainerRef) -> Result<(), EngineError> {
    let result = hands.engine.start(container).await;
    let Err(EngineError::Conflict(_) | EngineError::Other(_)) = result else { return result };
    match hands.engine.inspect(container).await {
        Ok(Some(found)) if found.state == ContainerState::Paused => {
            hands.engine.unpause(container).await
        }
        Ok(_) | Err(_) => result,
    }
}

/// Whether a container runs; one of which nothing can be learnt does not.
pub async fn is_running(hands: &Hands<'_>, container: &Target) -> bool {
    let found = hands.engine.inspect(&reference(container)).await;
    matches!(found, Ok(Some(found)) if found.is_running())
}

/// Removes a container; one that runs after all (somebody started it) is stopped first.
async fn remove(hands: &Hands<'_>, container: &ContainerRef) -> Result<(), EngineError> {
    match hands.engine.remove_container(container).await {
        Err(EngineError::Conflict(_)) => {
            gone_is_done(hooks::stop(hands, container).await)?;
            gone_is_done(hands.engine.remove_container(container).await)
        }
        other => gone_is_done(other),
    }
}

async fn rename(
    hands: &Hands<'_>,
    container: &ContainerRef,
    to: &ContainerName,
) -> Result<(), EngineError> {
    let result = hands.engine.rename(container, to).await;
    if result.is_ok() {
        return result;
    }
    // The engine refuses to rename a container to the name it has.
    match hands.engine.inspect(container).await {
        Ok(Some(found)) if found.name == *to => Ok(()),
        Ok(_) | Err(_) => result,
    }
}

/// Refuses a pull that would not fit; `layers` are the bytes still to be fetched. Where they are not known, or the
/// disk is not, the engine has the last word.
async fn check_room(
    hands: &Hands<'_>,
    image: &PinnedImage,
    layers: Option<u64>,
) -> Result<(), EngineError> {
    let Some(layers) = layers else { return Ok(()) };
    let disk = match hands.engine.disk().await {
        Ok(Some(disk)) => disk,
        Ok(None) => return Ok(()),
        Err(error) => {
            tracing::warn!("whether {} fits is not known: {error}", image.digest());
            return Ok(());
        }
    };
    retention::fits(layers, &disk).map_err(|no_room| EngineError::DiskFull(no_room.to_string()))
}

async fn pull(
    hands: &Hands<'_>,
    id: Option<StepId>,
    image: &PinnedImage,
    platform: Option<&crate::model::Platform>,
) -> Result<(), EngineError> {
    let login = hands.logins.get(image.reference().registry());
    let watcher = hands.watcher;
    let progress = move |progress| {
        if let Some(id) = id {
            watcher.event(&Event::Pulling(id, progress));
        }
    };
    hands.engine.pull(image, platform, login, &progress).await
}

type EngineResult = Result<(), EngineError>;

async fn set_aside(
    hands: &Hands<'_>,
    stack: &StackName,
    container: &crate::model::ContainerId,
    had: RestartPolicy,
) -> Result<EngineResult, Failure> {
    hands.journal.set_aside(stack, container, had).map_err(Failure::of_the_world)?;
    crash::point();
    if had.same_for_the_engine(RestartPolicy::No) {
        return Ok(Ok(()));
    }
    let update = ContainerUpdate { restart: Some(RestartPolicy::No), resources: None };
    Ok(hands.engine.update(&ContainerRef::Id(container.clone()), &update).await)
}

async fn restore(
    hands: &Hands<'_>,
    container: &crate::model::ContainerId,
    policy: RestartPolicy,
) -> Result<EngineResult, Failure> {
    let update = ContainerUpdate { restart: Some(policy), resources: None };
    let result = hands.engine.update(&ContainerRef::Id(container.clone()), &update).await;
    if result.is_ok() {
        hands.journal.restored(container).map_err(Failure::of_the_world)?;
    }
    Ok(result)
}

async fn write(
    hands: &Hands<'_>,
    work: impl FnOnce() -> Result<(), FileError> + Send + 'static,
) -> Result<Done, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Ok(Done::Well),
        Ok(Err(error)) => Err(Failure::of_the_world(hands.masks.mask(&error.to_string()))),
        Err(error) => Err(Failure::of_the_world(format!("writing files did not end: {error}"))),
    }
}

async fn pause(hands: &Hands<'_>, lasting: Duration) -> Result<Done, Failure> {
    let waited = gate::wait(lasting, hands.stop).await;
    waited.map(|()| Done::Well).map_err(|stuck| Failure::of_the_world(stuck.to_string()))
}

async fn await_gate(
    hands: &Hands<'_>,
    planned: Option<&PlannedStep>,
    container: &Target,
    gate: &Gate,
) -> Result<Done, Failure> {
    let container = reference(container);
    match gate::pass(hands, planned, &container, gate).await {
        Ok(Passed::Running) => Ok(Done::Well),
        Ok(Passed::Completed) => Ok(Done::Completed),
        Err(stuck) => Err(failing::of_gate(hands, &container, gate, &stuck).await),
    }
}

async fn monitor(
    hands: &Hands<'_>,
    container: &Target,
    gate: &Gate,
    lasting: std::time::Duration,
) -> Result<Done, Failure> {
    let container = reference(container);
    match gate::monitor(hands.engine, &container, gate, lasting, hands.stop).await {
        Ok(()) => Ok(Done::Well),
        Err(stuck) => Err(failing::of_gate(hands, &container, gate, &stuck).await),
    }
}
