//! Pure: desired and observed state become steps, each with its reason.
//!
//! No I/O, no clock, no failure: the same input gives the same plan. [`change`] says WHAT changes and why,
//! [`rollout`] says HOW. What must never happen has no step to express it: no step removes a volume or an
//! image by id. Carrying steps out belongs in [`crate::apply`].

pub mod verdict;
pub mod step;
pub mod gate;
pub mod compare;
pub mod slots;
pub mod drift;
pub mod index;
pub mod networks;
pub mod volumes;
pub mod change;
pub mod peers;
pub mod following;
pub mod guards;
pub mod windows;
pub mod abilities;
pub mod moved;
pub mod alive;
pub mod builder;
pub mod stack_order;
pub mod build;
pub mod rollout;
pub mod way_back;
pub mod together;
pub mod groundwork;
pub mod removal;
pub mod clearing;
pub mod repair;
pub mod retention;
pub mod registry_retention;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::memory::{HoldScope, Memory};
use crate::model::spec::ContainerSpec;
use crate::model::{
    ContainerId, DesiredState, ImageId, ObservedState, ServiceId, SpecHash, StackName,
};

pub use gate::Gate;
pub use step::{PlannedStep, Section, SectionId, Step, StepId, Target};
pub use verdict::{Block, Difference, Held, Verdict};
pub use windows::{Waiting, Windows};

/// What a pass would do, and why.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// One per service, also for those that stay: the explanation.
    pub changes: Vec<Change>,
    /// Dependencies first: the work.
    pub steps: Vec<PlannedStep>,
    /// Runs of steps in which nobody else may take or free an address on some networks.
    pub sections: Vec<Section>,
    /// Containers found to match a spec whose hash they do not carry, to be remembered.
    pub matches: Vec<(ContainerId, SpecHash)>,
    /// Jobs found to have completed that are not known to, to be remembered: their containers may go.
    pub completed: Vec<(ServiceId, SpecHash)>,
}

/// What happens to one service, and why.
#[derive(Clone, Debug)]
pub struct Change {
    /// The service.
    pub service: ServiceId,
    /// What happens.
    pub verdict: Verdict,
    /// The spec it is to have; `None` where it is removed or its image is not known.
    pub spec: Option<SpecHash>,
    /// What leads back when one of its steps fails, leg by leg: one that fails keeps no other from being walked.
    pub way_back: Vec<way_back::Leg>,
    /// Networks on which the way back frees and takes addresses.
    pub way_back_networks: BTreeSet<crate::model::NetworkName>,
    /// Whether a failure leads back to a container that serves.
    pub has_way_back: bool,
    /// Whether a failure leaves it half-way for somebody to look (`failure_action: pause`): the way back is
    /// only for replicas that may fail then.
    pub pauses: bool,
    /// How many of its replicas may fail (`max_failure_ratio`, `failure_action: continue`): each goes back by
    /// itself, and the rollout goes on.
    pub bears: usize,
    /// The services that are changed as one, this one among them: where one fails, all go back that were
    /// touched, and the others are not begun. Empty where it is changed alone.
    pub together: Vec<ServiceId>,
    /// Those among them that cannot be without each other, this one among them: when one of them was touched,
    /// all were.
    pub mates: Vec<ServiceId>,
    /// The services for whose sake it is changed, too.
    pub follows: Vec<ServiceId>,
    /// Whether its spec has to prove itself, so that a failure can say something against it: not where containers
    /// run again or are replaced for another service's sake, with the spec they have.
    pub tries_spec: bool,
    /// The steps of a service that is left alone which try another spec than the wanted one: that of a container
    /// that is started again and has not been seen to be good here.
    pub tries_other: BTreeMap<StepId, SpecHash>,
    /// Whether a container of it is started again that ended as `docker stop` ends one.
    pub was_stopped: bool,
    /// Things worth saying.
    pub remarks: Vec<String>,
}

impl Change {
    /// Whether others are changed as one with it.
    pub fn is_one_of_several(&self) -> bool {
        self.together.len() > 1
    }

    /// Whether `service` goes back when this one fails: not a job, which is never taken back.
    pub fn takes_back(&self, service: &ServiceId) -> bool {
        self.way_back.iter().any(|leg| leg.service == *service)
    }
}

/// What the operator's configuration says about planning.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How many services one pass may remove.
    pub removals_max: MostRemovals,
    /// Lifts the removal guard.
    pub allow_removals: bool,
    /// From create to good, where neither the manifest nor the health check says more.
    pub deadline: std::time::Duration,
    /// When deployments may start.
    pub windows: Windows,
    /// Only these stacks or services are changed; empty for all.
    pub only: Vec<HoldScope>,
    /// Stacks that another pass has in hand: nothing is said of them.
    pub busy: BTreeSet<StackName>,
    /// Whether what the world kept from being done is tried before its time.
    pub retries: Retries,
}

/// When something is tried again that trouble of the world kept from being done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retries {
    /// When its time has come.
    #[default]
    WhenDue,
    /// In this pass: somebody asked for it.
    AtOnce,
    /// Not at all: somebody only wants to know how things stand.
    Never,
}

impl Retries {
    /// Whether `trouble` is still waited out at `now`.
    pub fn waits(self, trouble: &crate::model::memory::Trouble, now: Timestamp) -> bool {
        match self {
            Self::WhenDue => now < trouble.next_try,
            Self::AtOnce => false,
            Self::Never => true,
        }
    }
}

/// How many services one pass may remove. One may always go: half of one would be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MostRemovals {
    /// This share of the host's services, in percent.
    Percent(u32),
    /// So many.
    Count(u32),
}

impl std::fmt::Display for MostRemovals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent} %"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

impl Rules {
    /// Whether `service` may be changed in this pass.
    pub fn includes(&self, service: &ServiceId) -> bool {
        let is_named = self.only.is_empty() || self.only.iter().any(|scope| scope.covers(service));
        is_named && !self.busy.contains(&service.stack)
    }

    /// Whether anything of `stack` may be changed in this pass.
    pub fn concerns(&self, stack: &StackName) -> bool {
        let is_named = self.only.is_empty()
            || self.only.iter().any(|scope| match scope {
                HoldScope::Host => true,
                HoldScope::Stack(named) => named == stack,
                HoldScope::Service(named) => named.stack == *stack,
            });
        is_named && !self.busy.contains(stack)
    }
}

/// All that a plan is made from.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// What should be.
    pub desired: &'a DesiredState,
    /// What is.
    pub observed: &'a ObservedState,
    /// What happened before.
    pub memory: &'a Memory,
    /// What the operator allows.
    pub rules: &'a Rules,
    /// Now.
    pub now: Timestamp,
}

/// The way from the observed to the desired state.
///
/// Expects that [`repair::repair`] found nothing to do: rollouts that did not end are finished or taken
/// back before anything new is planned.
pub fn plan(situation: &Situation<'_>) -> Plan {
    let (survey, removals) = index::survey(situation);
    let mut verdicts = change::verdicts(&survey);
    following::settle(&survey, &mut verdicts);
    build::build(&survey, verdicts, removals)
}

/// The images whose contents [`plan`] needs in order to compare containers field by field.
pub fn images_to_inspect(situation: &Situation<'_>) -> BTreeSet<ImageId> {
    let survey = index::Survey::of(situation);
    let mut images = BTreeSet::new();
    for deployment in situation.desired.deployments() {
        for desired in deployment.services.values() {
            let Ok(pinned) = &desired.image else { continue };
            let id = ServiceId::new(&deployment.stack.name, &desired.service.name);
            let unknown = survey.containers_of(&id).filter(|container| {
                !compare::is_known_to_match(container, &pinned.hash, situation.memory)
            });
            images.extend(unknown.map(|container| container.image_id.clone()));
        }
    }
    images
}

/// The defaults of an image that was not inspected: none.
pub(crate) fn defaults_of<'a>(
    observed: &'a ObservedState,
    image: &ImageId,
) -> Option<&'a ContainerSpec> {
    observed.image_defaults.get(image)
}
