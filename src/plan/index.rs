//! The situation, with what is looked up again and again gathered once, so that planning takes time in
//! proportion to the number of services.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use indexmap::IndexMap;

use super::moved::{self, Moves};
use super::removal::{self, Removal};
use super::{Situation, Verdict};
use crate::model::memory::Trouble;
use crate::model::observed::{ForeignContainer, ObservedNetwork};
use crate::model::stack::Condition;
use crate::model::{
    ContainerName, ImageRef, NetworkName, ObservedContainer, ObservedState, PinnedImage, ServiceId,
    ServiceName, StackName,
};

/// A situation and its index.
pub struct Survey<'a> {
    situation: Situation<'a>,
    containers: IndexMap<&'a ServiceId, Vec<&'a ObservedContainer>>,
    names: IndexMap<&'a ContainerName, &'a ObservedContainer>,
    foreign: BTreeMap<&'a ContainerName, &'a ForeignContainer>,
    networks: IndexMap<&'a str, &'a ObservedNetwork>,
    repositories: BTreeMap<&'a str, Vec<ImageRef>>,
    jobs: BTreeSet<(&'a StackName, &'a ServiceName)>,
    removed: BTreeSet<ServiceId>,
    moves: Moves,
    attached: OnceCell<BTreeMap<&'a NetworkName, Attached<'a>>>,
}

/// Who is attached to a network, in any state.
#[derive(Clone, Debug, Default)]
pub struct Attached<'a> {
    /// Containers of ours.
    pub ours: Vec<&'a ObservedContainer>,
    /// Containers of somebody else.
    pub foreign: Vec<&'a ForeignContainer>,
}

impl<'a> Deref for Survey<'a> {
    type Target = Situation<'a>;

    fn deref(&self) -> &Self::Target {
        &self.situation
    }
}

impl<'a> Survey<'a> {
    /// The trouble of the world with what is wanted of `service`, while it is waited out.
    pub fn waits_out(&self, service: &ServiceId, spec: &str) -> Option<&'a Trouble> {
        let trouble = self.situation.memory.trouble(service, spec)?;
        self.rules.retries.waits(trouble, self.now).then_some(trouble)
    }

    /// Looks over `situation` once.
    pub fn of(situation: &Situation<'a>) -> Self {
        let observed = situation.observed;
        let mut containers: IndexMap<&ServiceId, Vec<&ObservedContainer>> = IndexMap::new();
        for container in &observed.containers {
            let Some(id) = container.service() else { continue };
            containers.entry(id).or_default().push(container);
        }
        let foreign = observed.foreign.iter();
        let mut repositories: BTreeMap<&str, Vec<ImageRef>> = BTreeMap::new();
        for reference in observed.images.iter().flat_map(|image| &image.digests) {
            let digest = reference.split_once('@').map(|(_, digest)| digest);
            if let (Some(digest), Ok(image)) = (digest, ImageRef::parse(reference)) {
                repositories.entry(digest).or_default().push(image);
            }
        }
        Self {
            situation: *situation,
            containers,
            names: observed.containers.iter().map(|one| (&one.name, one)).collect(),
            foreign: foreign.flat_map(|one| one.names.iter().map(move |n| (n, one))).collect(),
            // Names are not unique at the engine; the first one counts.
            networks: observed.networks.iter().rev().map(|one| (one.name.as_str(), one)).collect(),
            repositories,
            jobs: awaited_jobs(situation),
            removed: BTreeSet::new(),
            moves: Moves::default(),
            attached: OnceCell::new(),
        }
    }

    /// The containers of a service, in no particular order.
    pub fn containers_of(
        &self,
        service: &ServiceId,
    ) -> impl Iterator<Item = &'a ObservedContainer> + use<'a, '_> {
        self.containers.get(service).into_iter().flatten().copied()
    }

    /// All services that have a container, in the engine's order.
    pub fn services(&self) -> impl Iterator<Item = (&'a ServiceId, &Vec<&'a ObservedContainer>)> {
        self.containers.iter().map(|(id, containers)| (*id, containers))
    }

    /// The container of ours that carries this name.
    pub fn named(&self, name: &ContainerName) -> Option<&'a ObservedContainer> {
        self.names.get(name).copied()
    }

    /// The container of somebody else that carries this name.
    pub fn foreign_named(&self, name: &ContainerName) -> Option<&'a ForeignContainer> {
        self.foreign.get(name).copied()
    }

    /// The network of exactly this name.
    pub fn network(&self, name: &NetworkName) -> Option<&'a ObservedNetwork> {
        self.networks.get(name.as_str()).copied()
    }

    /// Who is attached to the network of that name. Gathered when it is first asked for, which is seldom.
    pub fn attached_to(&self, network: &NetworkName) -> Option<&Attached<'a>> {
        let all = self.attached.get_or_init(|| attached(self.situation.observed));
        all.get(network)
    }

    /// Whether the engine has the image under its own repository: a container cannot be created from
    /// another repository's image, though it be the same.
    pub fn has_image(&self, image: &PinnedImage) -> bool {
        let Some(here) = self.repositories.get(image.digest().as_str()) else { return false };
        let wanted = image.reference();
        here.iter().any(|on_host| on_host.same_repository(&wanted))
    }

    /// Whether some service waits for `service` to complete.
    pub fn is_job(&self, service: &ServiceId) -> bool {
        self.jobs.contains(&(&service.stack, &service.service))
    }

    /// What renamed stacks put at risk.
    pub fn moves(&self) -> &Moves {
        &self.moves
    }

    /// Whether the service goes in this pass.
    pub fn is_removed(&self, service: &ServiceId) -> bool {
        self.removed.contains(service)
    }
}

/// A survey that knows what goes and what is moved, and what goes.
pub fn survey<'a>(situation: &Situation<'a>) -> (Survey<'a>, Vec<Removal<'a>>) {
    let mut survey = Survey::of(situation);
    let census = removal::census(&survey);
    survey.moves = moved::moves(&survey, &census.gone);
    let removals = removal::removals(&survey, census);
    let removed = removals.iter().filter(|removal| removal.verdict == Verdict::Remove);
    survey.removed = removed.map(|removal| removal.id.clone()).collect();
    (survey, removals)
}

fn attached(observed: &ObservedState) -> BTreeMap<&NetworkName, Attached<'_>> {
    let mut attached: BTreeMap<&NetworkName, Attached<'_>> = BTreeMap::new();
    for container in &observed.containers {
        for network in container.attached.keys() {
            attached.entry(network).or_default().ours.push(container);
        }
    }
    for container in &observed.foreign {
        for network in &container.networks {
            attached.entry(network).or_default().foreign.push(container);
        }
    }
    attached
}

fn awaited_jobs<'a>(situation: &Situation<'a>) -> BTreeSet<(&'a StackName, &'a ServiceName)> {
    let mut jobs = BTreeSet::new();
    for deployment in situation.desired.deployments() {
        for service in deployment.stack.services.values() {
            let awaited = service.depends_on.iter();
            let awaited = awaited.filter(|(_, one)| one.condition == Condition::Completed);
            jobs.extend(awaited.map(|(name, _)| (&deployment.stack.name, name)));
        }
    }
    jobs
}
