//! A stack as a generation's record describes it, read with the server's files of today.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::RollbackError;
use crate::history::History;
use crate::manifest::{self, ServerFiles};
use crate::model::desired::{Chosen, Pin, Pins};
use crate::model::memory::{HoldScope, Memory};
use crate::model::memory_tree::MemoryTree;
use crate::model::spec::Peer;
use crate::model::stack::{Condition, FailureAction, Rollout};
use crate::model::tree::{Revision, SharedTree};
use crate::model::{Problem, Service, ServiceId, ServiceName, Stack, StackName};
use crate::reconcile::World;
use crate::reconcile::pass::PassError;
use crate::reconcile::places::Places;
use crate::reconcile::sources;
use crate::reconcile::target::{self, Target, TargetError};
use crate::resolve::{self, Loaded, LoadedStack};

/// A stack as a generation's record describes it, and what of it is deployed again.
pub struct Again {
    /// The generation, and the digests by service that are deployed again.
    pub target: Target,
    /// The stack as its record has it.
    pub stack: Stack,
}

impl Again {
    /// Reads the record with the server's files of today.
    pub async fn read(
        world: &World,
        history: &History,
        target: Target,
        places: Places,
    ) -> Result<Self, RollbackError> {
        let number = target.row.number;
        let mut tree = MemoryTree::default();
        for (path, file) in history.files(number)? {
            match file.executable {
                true => tree.insert_executable(path, file.bytes),
                false => tree.insert(path, file.bytes),
            }
        }
        let revision = Revision {
            source: target.row.source.clone(),
            commit: target.row.commit.clone(),
            tree: SharedTree(Arc::new(tree)),
            path: target.row.directory.clone(),
        };
        let (config, vault) = (world.config.clone(), Arc::clone(&world.vault));
        let reading = tokio::task::spawn_blocking(move || {
            let (disk, all) = (ServerFiles::Disk, ["**".to_owned()]);
            sources::with_options(
                &revision,
                &config,
                &places,
                (&all, &[]),
                disk,
                &*vault,
                |options| manifest::load(&revision, options),
            )
        });
        let loaded = reading.await.map_err(|error| PassError::Broken(error.to_string()))?;
        let refused = |problems| RollbackError::Record(number, problems);
        let loaded = loaded.map_err(|problem| refused(vec![*problem]))?;
        let of_stack = |one: &manifest::LoadedStack| one.name == target.row.stack;
        let Some(found) = loaded.stacks.into_iter().find(of_stack) else {
            let message = format!("its record has no stack {}", target.row.stack);
            let problem = Problem::new("no-stack", message);
            return Err(refused(loaded.problems.into_iter().chain([problem]).collect()));
        };
        let mut stack = found.result.map_err(refused)?;
        // An operator's word counts now, whatever was to be waited for then.
        (stack.after, stack.suspended) = (Vec::new(), None);
        if let Some(gone) = target.services.keys().find(|name| !stack.services.contains_key(*name))
        {
            let id = ServiceId::new(&stack.name, gone);
            return Err(RollbackError::NotInManifest(number, id));
        }
        let mut again = Self { target, stack };
        for service in again.stack.services.values_mut() {
            service.rollout = rollout(service);
        }
        Ok(again)
    }

    /// Adds those that live in another's network, or are to be restarted with it: they go along.
    pub fn with_followers(mut self) -> Self {
        // In dependency order, so that those who follow a follower come behind it.
        for (name, service) in &self.stack.services {
            let goes = |other: &ServiceName| self.target.services.contains_key(other);
            let shares = service.settings.peers().iter().any(|words| match Peer::parse(words) {
                Some(Peer::Service(other)) => goes(&other),
                Some(Peer::Container(_)) | None => false,
            });
            let restarts = service.depends_on.iter().any(|(other, it)| it.restart && goes(other));
            let row = self.target.row.services.iter().find(|row| row.service == *name);
            let digest = row.filter(|row| target::is_good(row)).and_then(|row| row.digest.clone());
            if let Some(digest) = digest.filter(|_| shares || restarts) {
                self.target.services.insert(name.clone(), digest);
            }
        }
        self
    }

    /// Leaves jobs out: what they did, they did.
    pub fn without_jobs(
        mut self,
        memory: &Memory,
        scope: &HoldScope,
    ) -> Result<Self, RollbackError> {
        let names = self.target.services.keys();
        let jobs: BTreeSet<ServiceName> =
            names.filter(|name| is_job(&self.stack, name, memory)).cloned().collect();
        self.target.services.retain(|name, _| !jobs.contains(name));
        match (scope, self.target.services.is_empty()) {
            (HoldScope::Service(id), _) if jobs.contains(&id.service) => {
                Err(TargetError::Job(id.clone()).into())
            }
            (_, true) => Err(TargetError::NothingEarlier(scope.clone()).into()),
            (_, false) => Ok(self),
        }
    }

    /// What is wanted today, with this stack as it was.
    pub fn in_place_of(&self, mut today: Loaded) -> Loaded {
        let name: &StackName = &self.stack.name;
        let again = LoadedStack {
            name: name.clone(),
            source: self.target.row.source.clone(),
            commit: self.target.row.commit.clone(),
            content: Ok(self.stack.clone()),
        };
        match today.stacks.iter_mut().find(|stack| stack.name == *name) {
            Some(stack) => *stack = again,
            None => today.stacks.push(again),
        }
        // What is gone from git is not this command's business.
        today.sources_read.clear();
        today
    }

    /// The digests and tags of then go before whatever is known of the image lines.
    pub fn pin(&self, pins: &mut Pins) {
        let row = &self.target.row;
        for (name, digest) in &self.target.services {
            let Some(service) = self.stack.services.get(name) else { continue };
            let id = ServiceId::new(&self.stack.name, name);
            let of_service = row.services.iter().find(|one| one.service == *name);
            let tag = of_service.and_then(|one| service.tag_shown(one.image.as_deref()?));
            let why = format!("generation {} ran it", row.number);
            let chosen = tag.map(|tag| Chosen { tag: Some(tag), why, at: row.started_at });
            let pin = Pin { digest: digest.clone(), chosen };
            pins.0.insert((id, resolve::pin_key(&service.image)), pin);
        }
    }

    /// The services that are deployed again.
    pub fn ids(&self) -> Vec<ServiceId> {
        let names = self.target.services.keys();
        names.map(|name| ServiceId::new(&self.stack.name, name)).collect()
    }
}

/// How a service is rolled out on its way back. One that fails goes back to what ran: what `pause`, which is
/// also what Compose takes where nothing is written, would leave half-way serves nobody.
fn rollout(service: &Service) -> Rollout {
    let failure_action = match service.rollback.failure_action {
        FailureAction::Rollback | FailureAction::Pause => FailureAction::Rollback,
        FailureAction::Continue => FailureAction::Continue,
    };
    Rollout { failure_action, ..service.rollback.clone() }
}

/// Whether some service of `stack` waits for this one to complete, or it is known to have done so.
pub fn is_job(stack: &Stack, name: &ServiceName, memory: &Memory) -> bool {
    let is_awaited = stack.services.values().any(|other| {
        let awaited = other.depends_on.get(name);
        awaited.is_some_and(|it| it.condition == Condition::Completed)
    });
    let id = ServiceId::new(&stack.name, name);
    is_awaited || memory.completed_jobs.iter().any(|(job, _)| *job == id)
}
