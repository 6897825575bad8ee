//! What this host remembers and a plan depends on: holds, rejected specs, finished jobs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::spec::RestartPolicy;
use super::{
    ContainerId, ContainerName, DesiredState, GenerationNumber, Service, ServiceId, SpecHash,
    StackName,
};

/// What the planner is told of the past.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Services and stacks to be left as they are.
    pub holds: Vec<Hold>,
    /// Specs that failed their gate here.
    pub rejected: BTreeMap<(ServiceId, SpecHash), Rejection>,
    /// Services that trouble of the world keeps from what git wants.
    pub troubles: BTreeMap<ServiceId, Trouble>,
    /// What each service was last deployed as.
    pub deployed: BTreeMap<ServiceId, Deployed>,
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
    /// What git had as the service's image when a rollback held it, as people may see it: with another
    /// line it ends.
    pub image: Option<String>,
    /// The generation that a rollback is on its way back to; `None` once it is there.
    pub going_to: Option<GenerationNumber>,
}

impl Hold {
    /// Whether it has not ended by itself.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What a hold covers; the widest comes first.
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

    /// Whether all of `other` is covered.
    pub fn includes(&self, other: &HoldScope) -> bool {
        match (self, other) {
            (Self::Host, _) => true,
            (Self::Stack(stack), Self::Stack(other)) => stack == other,
            (_, Self::Service(service)) => self.covers(service),
            (Self::Stack(_) | Self::Service(_), _) => false,
        }
    }

    /// The stack it is of; `None` for the host.
    pub fn stack(&self) -> Option<&StackName> {
        match self {
            Self::Host => None,
            Self::Stack(stack) => Some(stack),
            Self::Service(service) => Some(&service.stack),
        }
    }

    /// As it is given on the command line.
    pub fn argument(&self) -> String {
        match self {
            Self::Host => "--all".to_owned(),
            Self::Stack(_) | Self::Service(_) => self.to_string(),
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

/// What a service was deployed as: what differs from it is a deployment, what is lost of it is put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Image and settings.
    pub spec: SpecHash,
    /// How many containers.
    pub replicas: u32,
    /// `container_name`
    pub container_name: Option<ContainerName>,
}

impl Deployed {
    /// What `service` is deployed as with the image and settings of `spec`.
    pub fn of(service: &Service, spec: &SpecHash) -> Self {
        Self {
            spec: spec.clone(),
            replicas: service.replicas,
            container_name: service.container_name.clone(),
        }
    }
}

/// Trouble of the world with a service: a registry, a full disk, a port that somebody else took. It passes, and
/// says nothing against the spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What was tried: the hash of a spec, or of an image line that no digest could be learnt for. Anything else
    /// is tried at once.
    pub about: String,
    /// Since when it has failed without a break.
    pub since: Timestamp,
    /// How many times it was tried.
    pub times: u32,
    /// When it is tried again.
    pub next_try: Timestamp,
    /// What happened the last time, masked.
    pub error: String,
}

impl Memory {
    /// The trouble there is with what is wanted of `service` now.
    pub fn trouble(&self, service: &ServiceId, about: &str) -> Option<&Trouble> {
        self.troubles.get(service).filter(|trouble| trouble.about == about)
    }

    /// Takes out the holds of rollbacks that git has ended: it asks for another image than at that time.
    pub fn end_rollbacks(&mut self, desired: &DesiredState) -> Vec<Hold> {
        let has_moved_on = |hold: &mut Hold| {
            let (HeldBy::Rollback, HoldScope::Service(id)) = (hold.by, &hold.scope) else {
                return false;
            };
            let deployment = desired.deployment(&id.stack);
            let service = deployment.and_then(|deployment| deployment.services.get(&id.service));
            service.is_some_and(|wanted| Some(&wanted.service.image_shown) != hold.image.as_ref())
        };
        self.holds.extract_if(.., has_moved_on).collect()
    }

    /// The holds of rollbacks that are on their way back at `now`, but for services that an operator holds since.
    pub fn going_back(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (&ServiceId, GenerationNumber, &Hold)> {
        let going = self.holds.iter().filter_map(|hold| match (&hold.scope, hold.going_to) {
            (HoldScope::Service(id), Some(number)) => Some((id, number, hold)),
            (HoldScope::Host | HoldScope::Stack(_) | HoldScope::Service(_), _) => None,
        });
        going.filter(move |(id, _, going)| {
            let mut later = self.holds.iter().filter(|hold| hold.since > going.since);
            !later.any(|hold| hold.scope.covers(id) && hold.is_in_force(now))
        })
    }

    /// The hold that covers `service` at `now`: of several the narrowest, and of those the operator's.
    pub fn hold(&self, service: &ServiceId, now: Timestamp) -> Option<&Hold> {
        let holds = self.holds.iter().filter(|hold| hold.scope.covers(service));
        let in_force = holds.filter(|hold| hold.is_in_force(now));
        in_force.min_by_key(|hold| (Reverse(&hold.scope), hold.by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(scope: HoldScope, by: HeldBy, until: Option<i64>) -> Hold {
        let at = |second| Timestamp::new(second, 0).unwrap();
        let until = until.map(at);
        Hold { scope, by, since: at(0), until, reason: None, image: None, going_to: None }
    }

    #[test]
    fn the_narrowest_hold_in_force_counts_and_the_operators_before_others() {
        let (shop, web) = (StackName::new("shop"), "web".into());
        let service = ServiceId::new(&shop, &web);
        let wide = hold(HoldScope::Host, HeldBy::Operator, None);
        let stack = hold(HoldScope::Stack(shop.clone()), HeldBy::Operator, None);
        let own = |by, until| hold(HoldScope::Service(service.clone()), by, until);
        let check = |holds: &[&Hold], expected: Option<&Hold>| {
            let memory =
                Memory { holds: holds.iter().copied().cloned().collect(), ..Memory::default() };
            assert_eq!(memory.hold(&service, Timestamp::new(60, 0).unwrap()), expected);
        };
        let (rollback, operator) = (own(HeldBy::Rollback, None), own(HeldBy::Operator, Some(61)));
        check(&[&wide, &stack, &rollback], Some(&rollback));
        check(&[&rollback, &operator, &wide], Some(&operator));
        check(&[&own(HeldBy::Operator, Some(60)), &wide, &stack], Some(&stack));
        check(&[&own(HeldBy::Operator, Some(60))], None);
        check(&[&hold(HoldScope::Stack("blog".into()), HeldBy::Operator, None)], None);
    }

    #[test]
    fn who_goes_back_goes_on_unless_an_operator_holds_it_since() {
        let at = |second| Timestamp::new(second, 0).unwrap();
        let service = ServiceId::new(&"shop".into(), &"web".into());
        let going = Hold {
            since: at(20),
            going_to: Some(GenerationNumber(7)),
            ..hold(HoldScope::Service(service.clone()), HeldBy::Rollback, None)
        };
        let check = |other: Option<(HoldScope, i64, Option<i64>)>, goes: bool| {
            let operators = other.map(|(scope, since, until)| Hold {
                since: at(since),
                ..hold(scope, HeldBy::Operator, until)
            });
            let holds = operators.into_iter().chain([going.clone()]).collect();
            let memory = Memory { holds, ..Memory::default() };
            let found: Vec<_> = memory.going_back(at(60)).collect();
            assert_eq!(found.is_empty(), !goes, "{:?}", memory.holds);
            assert!(found.iter().all(|one| *one == (&service, GenerationNumber(7), &going)));
        };
        check(None, true);
        check(Some((HoldScope::Host, 19, None)), true);
        check(Some((HoldScope::Host, 21, None)), false);
        check(Some((HoldScope::Service(service.clone()), 21, Some(61))), false);
        check(Some((HoldScope::Stack("shop".into()), 21, Some(60))), true);
        check(Some((HoldScope::Stack("blog".into()), 21, None)), true);
    }
}
