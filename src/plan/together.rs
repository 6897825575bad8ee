//! Services that are rolled out as one: a container, and all that are in its network. When one of them does
//! not pass, all of them go back, since each has lost what it was in.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::{Builder, For};
use super::change::{Judged, Need};
use super::step::{Step, StepId, Target};
use super::way_back::{Leg, WayBack};
use crate::model::spec::Peer;
use crate::model::{NetworkName, ServiceId};

/// Services that are rolled out as one, in dependency order.
#[derive(Default)]
pub struct Together {
    /// Their places among all that are planned.
    pub members: Vec<usize>,
    /// The last step so far that says that a member is good.
    pub passed: Vec<StepId>,
    set_aside: Vec<(ServiceId, Target)>,
    ways: Vec<(ServiceId, WayBack)>,
    networks: BTreeSet<NetworkName>,
}

impl Together {
    /// Adds the rollout of the next member.
    pub fn add(
        &mut self,
        id: &ServiceId,
        way: WayBack,
        networks: BTreeSet<NetworkName>,
        set_aside: Vec<(Target, StepId)>,
    ) {
        self.ways.push((id.clone(), way));
        self.networks.extend(networks);
        for (target, passed) in set_aside {
            self.passed.push(passed);
            self.set_aside.push((id.clone(), target));
        }
    }

    /// Once every member is planned: what was set aside goes when all have passed, and the way back of each
    /// is that of all.
    pub fn finish(self, builder: &mut Builder) {
        for (id, target) in &self.set_aside {
            let purpose = For { stack: &id.stack, service: Some(id) };
            let step = Step::RemoveContainer(target.clone());
            let because = "its successor and all that share with it have passed";
            builder.add(&purpose, step, because, self.passed.clone());
        }
        let undo = self.ways.iter().rev().flat_map(|(_, way)| way.undo.clone());
        let redo = self.ways.iter().flat_map(|(_, way)| way.redo.clone());
        let leg = Leg { replica: None, steps: undo.chain(redo).collect() };
        let members: Vec<ServiceId> = self.ways.iter().map(|(id, _)| id.clone()).collect();
        for change in &mut builder.plan.changes {
            if !members.contains(&change.service) {
                continue;
            }
            change.has_way_back = leg.leads_to_a_start();
            change.way_back = vec![leg.clone()];
            change.way_back_networks.clone_from(&self.networks);
            change.together.clone_from(&members);
        }
    }
}

/// The services among `judged` that are rolled out as one, by the place of each member.
pub fn of(judged: &[Judged<'_>]) -> (Vec<Together>, BTreeMap<usize, usize>) {
    let mut group_of: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, one) in judged.iter().enumerate().filter(|(_, one)| is_rolled_out(one)) {
        for (_, words) in one.desired.service.settings.shared() {
            let Some(Peer::Service(name)) = Peer::parse(words) else { continue };
            let id = ServiceId::new(&one.id.stack, &name);
            let Some(provider) = judged.iter().position(|provider| provider.id == id) else {
                continue;
            };
            if !is_rolled_out(&judged[provider]) {
                continue;
            }
            let group = *group_of.entry(provider).or_insert(provider);
            match group_of.insert(place, group) {
                Some(other) if other != group => {
                    group_of.values_mut().filter(|it| **it == other).for_each(|it| *it = group);
                }
                Some(_) | None => {}
            }
        }
    }
    let mut groups: Vec<Together> = Vec::new();
    let mut index: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, group) in &mut group_of {
        let at = *index.entry(*group).or_insert_with(|| {
            groups.push(Together::default());
            groups.len() - 1
        });
        groups[at].members.push(*place);
        *group = at;
    }
    (groups, group_of)
}

fn is_rolled_out(one: &Judged<'_>) -> bool {
    let is_rolled_out = |need: &Need<'_>| matches!(need, Need::Replace(..) | Need::Finish(..));
    !one.verdict.is_left_alone() && one.replicas.iter().any(|replica| is_rolled_out(&replica.need))
}
