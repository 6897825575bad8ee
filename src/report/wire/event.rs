//! `evenkeel.event/v1`: what happens in passes, as it happens.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PassOutcome;
use crate::apply::Event;
use crate::model::{ContainerState, Health, ObservedContainer};
use crate::plan::{PlannedStep, Step};
use crate::report::style::one_line;

/// Something that happened in a pass. The only reports that are read back: by whoever follows a pass from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PassEvent {
    /// `evenkeel.event/v1`
    pub schema: String,
    /// When.
    pub at: Timestamp,
    /// The pass, by its number since the daemon has begun.
    pub pass: u64,
    /// What happened.
    pub event: EventKind,
    /// What it is about; null for what concerns the pass as a whole.
    pub step: Option<StepEvent>,
    /// How the pass ended; null before, and where there was none.
    pub outcome: Option<PassOutcome>,
    /// Why there was no pass.
    pub error: Option<String>,
}

/// What happens in passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A pass begins.
    PassBegun,
    /// A step begins.
    StepBegun,
    /// An image comes in.
    Pulling,
    /// A container that is waited for was looked at.
    Seen,
    /// A step has succeeded.
    StepDone,
    /// A step has failed.
    StepFailed,
    /// A hook before a stop has failed, and the stop goes on.
    HookFailed,
    /// A service goes back to what ran before.
    GoingBack,
    /// The pass has ended.
    PassEnded,
}

/// A step, or what else happened to a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepEvent {
    /// The step's place in the whole plan, from 1; null for what is no step.
    pub id: Option<u32>,
    /// The stack.
    pub stack: Option<String>,
    /// The service; null for what a whole stack needs.
    pub service: Option<String>,
    /// The step in words.
    pub name: String,
    /// What went wrong, masked.
    pub error: Option<String>,
    /// Bytes of the image that have come in.
    pub bytes: Option<u64>,
    /// Bytes of the whole image; 0 while that is not known.
    pub total: Option<u64>,
    /// What the container does that is waited for, in words.
    pub container: Option<String>,
}

impl PassEvent {
    /// Something that concerns the pass as a whole.
    pub fn of_pass(pass: u64, event: EventKind, at: Timestamp) -> Self {
        let schema = "evenkeel.event/v1".to_owned();
        Self { schema, at, pass, event, step: None, outcome: None, error: None }
    }

    /// Something that happened in `pass`.
    pub fn of_step(pass: u64, event: &Event<'_>, at: Timestamp) -> Self {
        let (kind, step) = step_event(event);
        Self { step: Some(step), ..Self::of_pass(pass, kind, at) }
    }
}

/// An event of a pass without values: of what a step is done to only an image comes as people may see it.
pub fn step_event(event: &Event<'_>) -> (EventKind, StepEvent) {
    match event {
        Event::StepStarted(planned) => (EventKind::StepBegun, of(planned)),
        Event::StepDone(planned) => (EventKind::StepDone, of(planned)),
        Event::StepFailed(planned, why) => {
            (EventKind::StepFailed, StepEvent { error: Some(one_line(why)), ..of(planned) })
        }
        Event::Pulling(id, progress) => {
            let (bytes, total) = (Some(progress.current), Some(progress.total));
            (EventKind::Pulling, StepEvent { id: Some(id.0), bytes, total, ..StepEvent::default() })
        }
        Event::Seen(id, container) => {
            let container = Some(how(container));
            (EventKind::Seen, StepEvent { id: Some(id.0), container, ..StepEvent::default() })
        }
        Event::HookFailed(why) => (
            EventKind::HookFailed,
            StepEvent { error: Some(one_line(why)), ..StepEvent::default() },
        ),
        Event::GoingBack(id) => {
            let step = StepEvent {
                stack: Some(id.stack.to_string()),
                service: Some(id.service.to_string()),
                name: format!("{id}: goes back to what ran before"),
                ..StepEvent::default()
            };
            (EventKind::GoingBack, step)
        }
    }
}

fn of(planned: &PlannedStep) -> StepEvent {
    StepEvent {
        id: Some(planned.id.0),
        stack: Some(planned.stack.to_string()),
        service: planned.service.as_ref().map(|id| id.service.to_string()),
        name: named(planned),
        ..StepEvent::default()
    }
}

fn named(planned: &PlannedStep) -> String {
    let word = planned.step.word();
    let who = match &planned.service {
        Some(service) => service.to_string(),
        None => planned.stack.to_string(),
    };
    if let Step::PullImage { shown, .. } = &planned.step {
        return format!("{who}: {word} {}", one_line(shown));
    }
    format!("{who}: {word}")
}

/// `running, starting`, `running, healthy`, `restarting`: what it does, and what its health check says.
fn how(container: &ObservedContainer) -> String {
    let state = match container.state {
        ContainerState::Created => "created",
        ContainerState::Running => "running",
        ContainerState::Paused => "paused",
        ContainerState::Restarting { .. } => "restarting",
        ContainerState::Exited { .. } => "ended",
        ContainerState::Dead => "dead",
    };
    match container.health {
        Health::None => state.to_owned(),
        Health::Starting => format!("{state}, starting"),
        Health::Healthy => format!("{state}, healthy"),
        Health::Unhealthy => format!("{state}, unhealthy"),
    }
}
