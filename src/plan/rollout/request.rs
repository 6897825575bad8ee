//! What a new container is asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::Emission;
use crate::engine::{ContainerRef, ContainerRequest};
use crate::model::desired::Pinned;
use crate::model::spec::{Attachment, Peer};
use crate::model::stack::{Condition, Dependency, Stamp};
use crate::model::{
    CommitId, ContainerId, ContainerName, Hidden, Service, ServiceId, ServiceName, labels,
};
use crate::plan::change::Replica;
use crate::plan::groundwork::ownership;
use crate::plan::peers;

impl Emission<'_, '_> {
    pub(super) fn request(
        &self,
        replica: &Replica<'_>,
        pinned: &Pinned,
        name: ContainerName,
        inherited_volumes: BTreeMap<String, crate::model::VolumeName>,
    ) -> ContainerRequest {
        let wanted = &self.service.desired.service;
        let mut all = wanted.settings.labels.clone();
        all.extend(ownership(self.service.deployment));
        all.extend([
            (labels::COMPOSE_SERVICE.to_owned(), wanted.name.to_string()),
            (labels::COMPOSE_NUMBER.to_owned(), replica.number.to_string()),
            (labels::COMPOSE_ONEOFF.to_owned(), "False".to_owned()),
            (labels::COMPOSE_DEPENDS_ON.to_owned(), dependencies(wanted)),
            (labels::COMPOSE_CONFIG_HASH.to_owned(), pinned.hash.to_string()),
            (labels::SPEC.to_owned(), pinned.hash.to_string()),
        ]);
        let hooks = wanted.settings.hooks.to_label();
        all.extend(hooks.map(|hooks| (labels::HOOKS.to_owned(), hooks)));
        let stamps: Vec<&str> = wanted.stamps.keys().map(String::as_str).collect();
        if !stamps.is_empty() {
            all.insert(labels::STAMPS.to_owned(), stamps.join(","));
        }
        let mut request = ContainerRequest {
            name,
            image: pinned.image.clone(),
            settings: wanted.settings.clone(),
            labels: all,
            numbered: BTreeSet::new(),
            own_alias: replica.name.clone(),
            inherited_volumes,
            joined: self.joined(),
        };
        stamp(&mut request, wanted, &self.service.deployment.stack.commit);
        request
    }

    /// The containers that the manifest's words mean once this one is made: one that this plan makes too is
    /// known by its name alone.
    fn joined(&self) -> BTreeMap<String, ContainerRef> {
        let stack = &self.service.id.stack;
        let mut joined = BTreeMap::new();
        for words in self.service.desired.service.settings.peers() {
            let planned = match Peer::parse(&words) {
                Some(Peer::Service(name)) => self.planned(&name),
                Some(Peer::Container(_)) | None => None,
            };
            let there = || peers::find(self.situation, stack, &words);
            let found = planned
                .or_else(|| there().map(|there| ContainerRef::Id(ContainerId::new(there.id))));
            if let Some(container) = found {
                joined.insert(words, container);
            }
        }
        joined
    }

    fn planned(&self, name: &ServiceName) -> Option<ContainerRef> {
        let id = ServiceId::new(&self.service.id.stack, name);
        self.builder.milestones.get(&id).filter(|milestones| milestones.makes_first)?;
        let other = self.service.deployment.services.get(name)?;
        Some(ContainerRef::Name(other.service.container(&id.stack, 1)))
    }
}

/// Puts the stamps into the container's environment, on top of what its spec holds.
fn stamp(request: &mut ContainerRequest, service: &Service, commit: &CommitId) {
    for (name, stamp) in &service.stamps {
        let value = match stamp {
            Stamp::Generation => {
                request.numbered.insert(name.clone());
                continue;
            }
            Stamp::Commit => commit.to_string(),
            Stamp::Image => request.image.familiar(),
            Stamp::Digest => request.image.digest().to_string(),
        };
        request.settings.environment.insert(name.clone(), Some(Hidden::new(value)));
    }
}

/// The same container without the names of its service, so that nobody finds it before it is good.
pub(super) fn nameless(mut request: ContainerRequest) -> ContainerRequest {
    if let Attachment::Networks(endpoints) = &mut request.settings.network {
        endpoints.iter_mut().for_each(|endpoint| endpoint.aliases.clear());
    }
    request.own_alias.clone_from(&request.name);
    request
}

/// What a service depends on, as Compose writes it on its containers.
fn dependencies(service: &Service) -> String {
    let one = |(name, dependency): (&ServiceName, &Dependency)| {
        let condition = match dependency.condition {
            Condition::Started => "service_started",
            Condition::Healthy => "service_healthy",
            Condition::Completed => "service_completed_successfully",
        };
        format!("{name}:{condition}:{}", dependency.restart)
    };
    service.depends_on.iter().map(one).collect::<Vec<_>>().join(",")
}
