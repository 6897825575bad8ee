//! What this host remembers and a plan depends on: holds, rejected specs, finished jobs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::spec::RestartPolicy;
use super::{ContainerId, ServiceId, SpecHash, StackName};

/// What the planner is told of the past.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Services and stacks to be left as they are.
    pub holds: Vec<Hold>,
    /// Specs that failed their gate here.
    pub rejected: BTreeMap<(ServiceId, SpecHash), Rejection>,
    /// Jobs that completed with a spec, their container still there or not.
    pub completed_jobs: BTreeSet<(ServiceId, SpecHash)>,
    /// Containers that were compared field by field and found to match a spec whose hash they do not carry.
    pub matched: BTreeSet<(ContainerId, SpecHash)>,
    /// Takeovers of data that an operator confirmed.
    pub adopted: BTreeSet<(ServiceId, SpecHash)>,
    /// Containers set aside by a rollout that did not end, with the restart policy they had.
    pub set_aside: BTreeMap<ContainerId, RestartPolicy>,
    /// Services ever deployed here and not removed by a plan, for the removal guard; empty when unknown.
    pub known_services: BTreeSet<ServiceId>,
}

/// "Leave this as it is."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// What is held.
    pub scope: HoldScope,
    /// Who holds it.
    pub by: HeldBy,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Why, in the words of who holds it.
    pub reason: Option<String>,
}

/// What a hold covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoldScope {
    /// Everything on this host.
    Host,
    /// A stack.
    Stack(StackName),
    /// A service.
    Service(ServiceId),
}

impl HoldScope {
    /// Whether `service` is covered.
    pub fn covers(&self, service: &ServiceId) -> bool {
        match self {
            Self::Host => true,
            Self::Stack(stack) => *stack == service.stack,
            Self::Service(held) => held == service,
        }
    }
}

impl std::fmt::Display for HoldScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host => f.write_str("this host"),
            Self::Stack(stack) => stack.fmt(f),
            Self::Service(service) => service.fmt(f),
        }
    }
}

/// Who holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeldBy {
    /// An operator's `hold`.
    Operator,
    /// A `rollback`.
    Rollback,
    /// Going on could cost data.
    Adoption,
}

/// A spec that failed here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Since when.
    pub since: Timestamp,
    /// What happened, masked.
    pub error: String,
    /// Whether its rollout was left half-way for somebody to look (`failure_action: pause`).
    pub paused: bool,
}

impl Memory {
    /// The hold that covers `service` at `now`.
    pub fn hold(&self, service: &ServiceId, now: Timestamp) -> Option<&Hold> {
        self.holds
            .iter()
            .find(|hold| hold.scope.covers(service) && hold.until.is_none_or(|until| now < until))
    }
}
