//! Carries out a plan; decides nothing.
//!
//! Steps run as soon as what they wait for has succeeded, at most so many at once. When a step of a service
//! fails, the way back that its change brings along is walked, and what waited for it is skipped. What to
//! do, in which order and what leads back is decided in [`crate::plan`].

pub mod outcome;
pub mod files;
pub mod gate;
pub mod superseded;
mod hooks;
mod probe;
mod names;
pub mod perform;
mod failing;
pub mod addresses;
pub mod run;
pub mod schedule;
pub mod crash;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, PullProgress};
use crate::model::login::Login;
use crate::model::spec::RestartPolicy;
use crate::model::{ContainerId, Masks, ObservedContainer, PinnedImage, ServiceId, StackName};
use crate::plan::{Plan, PlannedStep, StepId};
use crate::probe::Prober;

pub use addresses::Networks;
pub use outcome::{Failure, Outcome, ServiceResult};
pub use superseded::Superseded;

/// All that carrying out a plan needs.
pub struct Hands<'a> {
    /// The engine.
    pub engine: &'a dyn Engine,
    /// Who asks new containers.
    pub prober: &'a dyn Prober,
    /// Credentials by registry host, for pulls.
    pub logins: &'a BTreeMap<String, Login>,
    /// Bytes of the layers that are not on the host, of images to be pulled for which that is known.
    pub layers: &'a BTreeMap<PinnedImage, u64>,
    /// Where a container that is set aside is written down first.
    pub journal: &'a dyn Journal,
    /// Who watches.
    pub watcher: &'a dyn Watcher,
    /// The server's values, to be masked in what containers and the engine say.
    pub masks: &'a Masks,
    /// Steps at once.
    pub parallel: usize,
    /// Ends the pass: the step under way is finished, waits are given up, nothing new begins.
    pub stop: &'a CancellationToken,
    /// Services that a newer commit changes.
    pub superseded: &'a Superseded,
    /// Who may take and free addresses on networks, where other plans are carried out at the same time.
    pub networks: &'a Networks,
}

/// The record of what is under way: on disk before the engine is asked.
pub trait Journal: Send + Sync {
    /// Writes down that `container` loses its restart policy `had`.
    fn set_aside(
        &self,
        stack: &StackName,
        container: &ContainerId,
        had: RestartPolicy,
    ) -> Result<(), String>;

    /// Writes down that an image is about to be pulled; `shown` is how people may see it. Nothing depends on that
    /// but who may remove it some day.
    fn pulls(&self, image: &PinnedImage, shown: &str);

    /// Writes down that `container` has its restart policy again, or is gone.
    fn restored(&self, container: &ContainerId) -> Result<(), String>;
}

/// Someone who watches a plan being carried out. Nothing a watcher does can fail a pass.
pub trait Watcher: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);
}

/// What happens while a plan is carried out.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step begins.
    StepStarted(&'a PlannedStep),
    /// A step has succeeded.
    StepDone(&'a PlannedStep),
    /// A step has failed; the text is masked.
    StepFailed(&'a PlannedStep, &'a str),
    /// An image comes in.
    Pulling(StepId, PullProgress),
    /// A container that is waited for was looked at.
    Seen(StepId, &'a ObservedContainer),
    /// A hook before a stop has failed, and the stop goes on; the text is masked.
    HookFailed(&'a str),
    /// A service goes back to what ran before.
    GoingBack(&'a ServiceId),
}

/// Carries out `plan`.
pub async fn apply(plan: &Plan, hands: &Hands<'_>) -> Outcome {
    run::run(plan, hands).await
}
