//! The numbers themselves: what adds up over the life of this process, and what was seen last.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::{ImageFigures, PassFigures, SourceFigures};
use crate::model::{Disk, GenerationNumber, ServiceOutcome, SourceName, StackName};

/// The upper ends of the steps in which the length of passes is told, seconds.
pub(super) const STEPS: [f64; 12] =
    [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];

/// As many names as one counter tells apart; what comes later is counted as [`OTHER`].
const MOST: usize = 500;
const OTHER: &str = "other";

/// All numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub ended: u64,
    pub broken_off: u64,
    pub last_end: Option<Timestamp>,
    pub durations: Durations,
    pub sources: BTreeMap<SourceName, SourceFigures>,
    pub services: BTreeMap<(StackName, &'static str), u64>,
    pub stacks: BTreeMap<StackName, Standing>,
    pub rollouts: BTreeMap<(StackName, ServiceOutcome), u64>,
    pub drift: BTreeMap<StackName, u64>,
    pub generations: BTreeMap<StackName, u64>,
    pub unknown: BTreeMap<String, u64>,
    pub engine_errors: BTreeMap<&'static str, u64>,
    pub requests: BTreeMap<(String, &'static str), u64>,
    pub remaining: BTreeMap<String, u64>,
    pub images_kept: Option<u64>,
    pub images_removed: u64,
    pub removed_bytes: u64,
    pub build_cache_bytes: u64,
    pub disk: Option<Disk>,
}

/// How a stack stands as a whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    pub is_invalid: bool,
    pub generation: Option<GenerationNumber>,
}

/// How long things took.
#[derive(Clone, Debug, Default)]
pub(super) struct Durations {
    /// Seconds.
    pub sum: f64,
    pub count: u64,
    /// Those within each of [`STEPS`] and above the one before, and those above all.
    pub in_step: [u64; STEPS.len() + 1],
}

impl Durations {
    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let step = STEPS.iter().position(|end| seconds <= *end).unwrap_or(STEPS.len());
        self.sum += seconds;
        self.count += 1;
        if let Some(count) = self.in_step.get_mut(step) {
            *count += 1;
        }
    }
}

/// Every state that a service can have after a pass, so that each has a number, if only nought.
const STATES: [&str; 5] = ["in-sync", "pending", "held", "failed", "rejected"];

impl Figures {
    pub fn passed(&mut self, pass: &PassFigures, now: Timestamp) {
        self.ended += 1;
        self.last_end = Some(now);
        self.durations.add(pass.took);
        self.seen_sources(pass, now);
        self.seen_stacks(pass);
        for ((stack, outcome), many) in &pass.rollouts {
            *self.rollouts.entry((stack.clone(), *outcome)).or_default() += many;
        }
        for (stack, many) in &pass.drift {
            *self.drift.entry(stack.clone()).or_default() += many;
        }
        self.unknown.clone_from(&pass.unknown);
    }

    /// One that was never read counts as read when it was first seen: it has been out of reach since then at least.
    fn seen_sources(&mut self, pass: &PassFigures, now: Timestamp) {
        let before = std::mem::take(&mut self.sources);
        for (name, seen) in &pass.sources {
            let known = before.get(name).and_then(|source| source.last_read);
            let last_read = seen.last_read.or(known).unwrap_or(now);
            let seen = SourceFigures { last_read: Some(last_read), ..seen.clone() };
            self.sources.insert(name.clone(), seen);
        }
    }

    fn seen_stacks(&mut self, pass: &PassFigures) {
        self.services.retain(|(stack, _), _| pass.unseen.contains(stack));
        let mut before = std::mem::take(&mut self.stacks);
        for stack in &pass.unseen {
            self.stacks.extend(before.remove_entry(stack));
        }
        let seen = pass.services.keys().map(|(stack, _)| stack).chain(&pass.invalid);
        for stack in seen {
            let generation = before.get(stack).and_then(|standing| standing.generation);
            let is_invalid = pass.invalid.contains(stack);
            self.stacks.insert(stack.clone(), Standing { is_invalid, generation });
            for state in STATES {
                self.services.entry((stack.clone(), state)).or_default();
            }
        }
        for (key, many) in &pass.services {
            self.services.insert(key.clone(), *many);
        }
        for (stack, number) in &pass.generations {
            *self.generations.entry(stack.clone()).or_default() += 1;
            if let Some(standing) = self.stacks.get_mut(stack) {
                standing.generation = Some(*number);
            }
        }
    }

    pub fn broke_off(&mut self, engine_error: Option<&'static str>) {
        self.broken_off += 1;
        if let Some(kind) = engine_error {
            *self.engine_errors.entry(kind).or_default() += 1;
        }
    }

    pub fn looked_through(&mut self, images: &ImageFigures) {
        self.images_kept = images.kept.or(self.images_kept);
        self.images_removed += images.removed;
        self.removed_bytes += images.removed_bytes;
        self.build_cache_bytes += images.build_cache_bytes;
        if images.disk.is_some() {
            self.disk.clone_from(&images.disk);
        }
    }

    pub fn asked(&mut self, registry: &str, status: Option<u16>, remaining: Option<u64>) {
        let is_known = self.requests.keys().any(|(host, _)| host == registry);
        let host = match is_known || self.requests.len() < MOST {
            true => registry,
            false => OTHER,
        };
        *self.requests.entry((host.to_owned(), outcome(status))).or_default() += 1;
        if let Some(remaining) = remaining {
            self.remaining.insert(host.to_owned(), remaining);
        }
    }
}

/// The status of an answer in a word. That a registry first wants a login is no failure.
fn outcome(status: Option<u16>) -> &'static str {
    match status {
        None => "no-answer",
        Some(429) => "too-many",
        Some(401 | 403) => "unauthorized",
        Some(404) => "not-found",
        Some(status) if status >= 500 => "server-error",
        Some(status) if status >= 400 => "refused",
        Some(_) => "ok",
    }
}
