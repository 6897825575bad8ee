//! The order of stacks by `x-evenkeel.after`, and what each of them waits for.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::Milestones;
use super::change::Judged;
use super::step::StepId;
use super::{Block, Verdict, windows};
use crate::model::{DesiredState, StackName};

/// The order of stacks by `x-evenkeel.after`, and what each of them waits for.
pub struct StackOrder {
    order: Vec<StackName>,
    after: BTreeMap<StackName, Vec<StackName>>,
    good: BTreeMap<StackName, Vec<StepId>>,
    not_to_be_had: BTreeSet<StackName>,
    /// Those of which something waits for a window.
    waiting: BTreeMap<StackName, Verdict>,
}

impl StackOrder {
    /// Nothing is planned yet.
    pub fn new(desired: &DesiredState) -> Self {
        let after: BTreeMap<StackName, Vec<StackName>> =
            desired.deployments().map(|d| (d.stack.name.clone(), d.stack.after.clone())).collect();
        let names: Vec<&StackName> = desired.deployments().map(|d| &d.stack.name).collect();
        let (order, left) = by_what_they_wait_for(&names, &after);
        let not_to_be_had = left.iter().cloned().collect();
        let order = order.into_iter().chain(left).collect();
        Self { order, after, good: BTreeMap::new(), not_to_be_had, waiting: BTreeMap::new() }
    }

    /// Puts the services of each stack behind those of the stacks it waits for.
    pub fn sort<'a>(&self, mut judged: Vec<Judged<'a>>) -> Vec<Judged<'a>> {
        let places: BTreeMap<&StackName, usize> = self.order.iter().zip(0..).collect();
        judged.sort_by_cached_key(|judged| places.get(&judged.id.stack).copied());
        judged
    }

    /// Why the service's stack has to wait for another pass.
    pub fn blocks(&self, service: &Judged<'_>) -> Option<Block> {
        let others = self.after.get(&service.id.stack)?;
        let bad = others.iter().find(|other| {
            !self.after.contains_key(other)
                || self.not_to_be_had.contains(other)
                || **other == service.id.stack
        });
        if let Some(bad) = bad {
            return Some(Block::OnStack(bad.clone()));
        }
        let waiting = others
            .iter()
            .filter_map(|other| Some((format!("the stack {other}"), self.waiting.get(other)?)));
        windows::behind(waiting, &service.verdict).map(Block::Window)
    }

    /// Notes a service whose stack is not in sync after this pass.
    pub fn note(&mut self, service: &Judged<'_>) {
        let counts_as_desired = matches!(&service.verdict, Verdict::Held(held) if held.desired);
        if service.verdict.is_left_alone() && !counts_as_desired {
            match service.verdict.waiting() {
                Some(_) => {
                    self.waiting.insert(service.id.stack.clone(), service.verdict.clone());
                }
                None => {
                    self.not_to_be_had.insert(service.id.stack.clone());
                }
            }
        }
    }

    /// The steps that the stack waits for.
    pub fn waits(&self, stack: &StackName) -> Vec<StepId> {
        let others = self.after.get(stack).into_iter().flatten();
        others.filter_map(|other| self.good.get(other)).flatten().copied().collect()
    }

    /// Notes the steps that stacks after this one wait for.
    pub fn reached(&mut self, stack: &StackName, milestones: &Milestones) {
        self.good.entry(stack.clone()).or_default().extend(&milestones.good);
    }
}

/// The stacks in an order in which each stands behind all that it waits for; and those for which there is
/// none, because they wait for themselves or for something unknown.
fn by_what_they_wait_for(
    names: &[&StackName],
    after: &BTreeMap<StackName, Vec<StackName>>,
) -> (Vec<StackName>, Vec<StackName>) {
    let places: BTreeMap<&StackName, usize> = names.iter().copied().zip(0..).collect();
    let mut waiting: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
    let mut open: Vec<usize> = vec![0; names.len()];
    for (place, name) in names.iter().enumerate() {
        for other in after.get(*name).into_iter().flatten() {
            open[place] += 1;
            if let Some(other) = places.get(other) {
                waiting[*other].push(place);
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..names.len()).filter(|place| open[*place] == 0).collect();
    let mut order = Vec::new();
    while let Some(place) = ready.pop_first() {
        order.push(names[place].clone());
        for waiting in &waiting[place] {
            open[*waiting] -= 1;
            if open[*waiting] == 0 {
                ready.insert(*waiting);
            }
        }
    }
    let left = names.iter().zip(&open).filter(|(_, open)| **open > 0);
    (order, left.map(|(name, _)| (*name).clone()).collect())
}
