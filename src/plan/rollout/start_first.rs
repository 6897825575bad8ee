//! Start-first: the old container serves until the new one has proved itself, and a while longer.
//!
//! The new container is on its networks under its own name alone, since Docker's DNS answers with every
//! container that carries an alias, healthy or not. Once it is good it takes the names of its service, has to
//! be good again, and the two exchange their names, which marks the switch. Until then a pass that died is
//! taken back by removing the new container, and from then on it is finished.

use super::request::nameless;
use super::{Emission, summary};
use crate::model::ObservedContainer;
use crate::model::stack::Order;
use crate::plan::Difference;
use crate::plan::builder::For;
use crate::plan::change::Replica;
use crate::plan::gate::Until;
use crate::plan::slots::{next_name, previous_name};
use crate::plan::step::{Step, StepId, Target};
use crate::plan::way_back::WayBack;

impl Emission<'_, '_> {
    /// Which container goes first. A job has no old one that serves, and who shares a network with others
    /// is replaced as one with them.
    pub(super) fn order(&self) -> Order {
        let is_job = self.gate_of().until == Until::Completed;
        match self.service.desired.service.rollout.order {
            Order::StartFirst if !is_job && !self.is_shared => Order::StartFirst,
            Order::StartFirst | Order::StopFirst => Order::StopFirst,
        }
    }

    pub(super) fn replace_start_first(
        &mut self,
        replica: &Replica<'_>,
        old: &ObservedContainer,
        differences: &[Difference],
    ) -> WayBack {
        let Ok(pinned) = &self.service.desired.image else { return WayBack::default() };
        let because = summary(differences);
        let next = next_name(&replica.name);
        let target = Target::Name(next.clone());
        let volumes = old.anonymous_volumes.clone();
        let request = nameless(self.request(replica, pinned, next, volumes));
        let after = self.ground.before_create.clone();
        let created = self.add(Step::CreateContainer(Box::new(request)), &because, after);
        let started = self.start(target.clone(), &because, vec![created]);
        let first = Step::AwaitGate { container: target.clone(), gate: self.gate_after_start() };
        let proved = self.add(first, "it must prove itself before anybody finds it", vec![started]);
        let named = self.take_names(replica, &target, proved);
        let second = Step::AwaitGate { container: target.clone(), gate: self.gate_of() };
        let again = self.add(second, "it must be good under the service's names too", vec![named]);
        let old_id = Target::Id(old.id.clone());
        let aside = Step::RenameContainer { container: old_id, to: previous_name(&replica.name) };
        let aside = self.add(aside, &because, vec![again]);
        let switch = Step::RenameContainer { container: target, to: replica.name.clone() };
        let switched = self.add(switch, &because, vec![aside]);
        self.makes(replica);
        self.builder.reached(&self.service.id, started, switched);
        self.retire_after_watch(Target::Name(replica.name.clone()), old, switched, &because);
        self.way_back(replica, old)
    }

    /// Whoever is found under the service's names from here on may be the new container.
    fn take_names(&mut self, replica: &Replica<'_>, target: &Target, proved: StepId) -> StepId {
        let wanted = &self.service.desired.service;
        let endpoints = wanted.settings.network.endpoints().to_vec();
        if endpoints.is_empty() {
            return proved;
        }
        let within = wanted.rollout.deadline.unwrap_or(self.situation.rules.deadline);
        let step = Step::TakeNames {
            container: target.clone(),
            endpoints,
            own_alias: replica.name.clone(),
            within,
        };
        let purpose = For { stack: &self.service.id.stack, service: Some(&self.service.id) };
        let networks = super::networks_of(self.service);
        let because = "it has proved itself";
        let taken =
            self.builder.add_section(&purpose, vec![step], because, vec![proved], &networks);
        taken.unwrap_or(proved)
    }

    /// For a switch that an earlier pass made and did not see to its end: the old container still serves.
    pub(super) fn pass_beside(
        &mut self,
        target: Target,
        old: &ObservedContainer,
        started: StepId,
        because: &str,
    ) {
        let good = self.gate(target.clone(), started, self.gate_of());
        self.retire_after_watch(target, old, good, because);
    }

    /// The old container serves on while the new one is watched, then stops.
    fn retire_after_watch(
        &mut self,
        target: Target,
        old: &ObservedContainer,
        switched: StepId,
        because: &str,
    ) {
        let watched = self.watch(target, switched);
        let target = Target::Id(old.id.clone());
        if !old.is_up() {
            self.ends.push(watched);
            return self.set_aside.push((target, watched));
        }
        let had = self.policy_of(old);
        let step = Step::SetAside { container: old.id.clone(), had };
        let aside = self.add(step, because, vec![watched]);
        let step = Step::StopContainer(target.clone());
        let stopped = self.add_on_networks(step, because, vec![aside]);
        // Not before the old one has stopped, so that there are never more than one batch beside the rest.
        self.ends.push(stopped);
        self.set_aside.push((target, stopped));
    }
}
