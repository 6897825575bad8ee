//! The state of a service in one word, and why in one line (`interface`: states of a service).

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::desired::Barred;
use crate::model::memory::HeldBy;
use crate::model::{ContainerState, Health, Masks, ObservedContainer, ServiceId};
use crate::plan::{Block, Change, Difference, Held, Verdict};

/// How a service stands, best first: a stack has the worst of its services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// As git says.
    #[default]
    InSync,
    /// Something is under way.
    Progressing,
    /// To be done by the next pass.
    Pending,
    /// Left as it is.
    Held,
    /// Of a source that is no longer configured.
    Orphaned,
    /// Deployed, no longer healthy.
    Degraded,
    /// Trouble of the world, retried.
    Failed,
    /// This spec failed here, or its image is not let in.
    Rejected,
    /// The manifest or an env reference is wrong.
    Invalid,
}

impl State {
    /// The word in JSON and on the screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::InSync => "in-sync",
            Self::Progressing => "progressing",
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Orphaned => "orphaned",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Invalid => "invalid",
        }
    }

    /// The state of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// All of them, best first.
    pub const ALL: [Self; 9] = [
        Self::InSync,
        Self::Progressing,
        Self::Pending,
        Self::Held,
        Self::Orphaned,
        Self::Degraded,
        Self::Failed,
        Self::Rejected,
        Self::Invalid,
    ];

    /// The state that follows from a verdict alone, without a look at the containers.
    pub fn of_verdict(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::InSync => Self::InSync,
            Verdict::Create
            | Verdict::Start(_)
            | Verdict::Mend(_)
            | Verdict::Update(_)
            | Verdict::Recreate(_)
            | Verdict::CleanUp
            | Verdict::Remove => Self::Pending,
            Verdict::Held(_) => Self::Held,
            Verdict::Rejected { .. } => Self::Rejected,
            Verdict::Blocked(Block::Image { .. } | Block::World { .. } | Block::Trouble(_)) => {
                Self::Failed
            }
            Verdict::Blocked(
                Block::On(_) | Block::OnStack(_) | Block::OnWhole(_) | Block::Window(_),
            ) => Self::Pending,
            Verdict::Blocked(Block::Barred(barred)) => match barred {
                Barred::Refused { .. } => Self::Rejected,
                Barred::Unknown { .. } => Self::Failed,
                Barred::Young { .. } => Self::Pending,
            },
            Verdict::Blocked(Block::RunningJob) => Self::Progressing,
        }
    }

    /// The state of a service with these containers.
    pub fn of_service(verdict: &Verdict, containers: &[&ObservedContainer]) -> Self {
        let state = Self::of_verdict(verdict);
        let is_ailing = || containers.iter().any(|container| ailment(container).is_some());
        if state == Self::InSync && is_ailing() { Self::Degraded } else { state }
    }
}

/// What is wrong with a container that the plan leaves as it is.
///
/// One that ended with 0 is a finished job: the plan would start anything else again.
pub fn ailment(container: &ObservedContainer) -> Option<String> {
    let name = &container.name;
    match &container.state {
        ContainerState::Running if container.health == Health::Unhealthy => {
            Some(format!("{name} is unhealthy"))
        }
        ContainerState::Running | ContainerState::Exited { code: 0, oom_killed: false } => None,
        ContainerState::Exited { oom_killed: true, .. } => {
            Some(format!("{name} was killed for want of memory"))
        }
        ContainerState::Exited { code, .. } => Some(format!("{name} ended with exit code {code}")),
        ContainerState::Restarting { .. } => Some(format!("{name} keeps restarting")),
        ContainerState::Created => Some(format!("{name} was never started")),
        ContainerState::Paused => Some(format!("{name} is paused")),
        ContainerState::Dead => Some(format!("{name} is dead")),
    }
}

/// Who holds a service, in the contract's word.
pub fn held_by(verdict: &Verdict) -> Option<&'static str> {
    verdict.held().map(|held| match held.by {
        HeldBy::Operator => "operator",
        HeldBy::Rollback => "rollback",
        HeldBy::Adoption => "adoption",
    })
}

/// Whether the service counts as it should be: all but what is held for an answer, rejected or blocked. What waits
/// for its hour is as the operator has it.
pub fn is_desired(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Held(held) => held.desired,
        Verdict::Blocked(Block::Window(_) | Block::Barred(Barred::Young { .. })) => true,
        Verdict::Rejected { .. } | Verdict::Blocked(_) => false,
        Verdict::InSync
        | Verdict::Create
        | Verdict::Start(_)
        | Verdict::Mend(_)
        | Verdict::Update(_)
        | Verdict::Recreate(_)
        | Verdict::CleanUp
        | Verdict::Remove => true,
    }
}

/// Whether a pass has something to do.
pub fn is_change(verdict: &Verdict) -> bool {
    *verdict != Verdict::InSync && !verdict.is_left_alone()
}

/// Why a service is left as it is, and the next move where there is one. Masked.
pub fn why(change: &Change, masks: &Masks) -> (Option<String>, Option<String>) {
    let (why, hint) = match &change.verdict {
        Verdict::Held(held) => (why_held(held), held.hint.clone()),
        Verdict::Rejected { since, error, .. } => (
            format!("failed with this spec at {}: {error}", super::span::at(*since)),
            Some(way_out(&change.service)),
        ),
        Verdict::Blocked(Block::On(others)) => {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            (format!("waits for {}", others.join(", ")), None)
        }
        Verdict::Blocked(Block::OnWhole(others)) => {
            let others: Vec<String> = others.iter().map(ToString::to_string).collect();
            let others = others.join(", ");
            let why = format!("waits for {others}: the stack is changed as a whole or not at all");
            (why, None)
        }
        Verdict::Blocked(Block::OnStack(stack)) => (format!("waits for the stack {stack}"), None),
        Verdict::Blocked(Block::Image { message, hint } | Block::World { message, hint }) => {
            (message.clone(), hint.clone())
        }
        Verdict::Blocked(Block::Trouble(trouble)) => (
            format!(
                "failing since {}: {}; it is tried again at {}",
                super::span::at(trouble.since),
                trouble.error,
                super::span::at(trouble.next_try)
            ),
            Some(format!("wait, or try at once: `evenkeel retry {}`", change.service)),
        ),
        Verdict::Blocked(Block::Barred(barred)) => why_barred(barred),
        Verdict::Blocked(Block::Window(waiting)) => (
            match waiting.until {
                Some(until) => format!("{waiting}, until {}", super::span::at(until)),
                None => format!("{waiting}, which is never open together with others"),
            },
            Some("to do it at once, run `evenkeel reconcile --once --now`".to_owned()),
        ),
        Verdict::Blocked(Block::RunningJob) => {
            ("an earlier run of this job is still going".to_owned(), None)
        }
        Verdict::Start(_) if change.was_stopped => return (None, Some(how_to_stop(change))),
        Verdict::InSync
        | Verdict::Create
        | Verdict::Start(_)
        | Verdict::Mend(_)
        | Verdict::Update(_)
        | Verdict::Recreate(_)
        | Verdict::CleanUp
        | Verdict::Remove => return (None, None),
    };
    (Some(masks.mask(&why)), hint.map(|hint| masks.mask(&hint)))
}

/// Why its image may not run here, and the next move.
fn why_barred(barred: &Barred) -> (String, Option<String>) {
    let again = |again: &Option<jiff::Timestamp>, how: &str| {
        again
            .map(|at| format!("; it is {how} again at {}", super::span::at(at)))
            .unwrap_or_default()
    };
    match barred {
        Barred::Refused { why, hint, again: at, .. } => {
            (format!("{why}{}", again(at, "looked at")), hint.clone())
        }
        Barred::Unknown { why, hint, since, again: at } => {
            let since = super::span::at(*since);
            (format!("failing since {since}: {why}{}", again(at, "tried")), hint.clone())
        }
        Barred::Young { why, .. } => (why.clone(), None),
    }
}

/// Why it is held, and what of git waits because of a rollback.
fn why_held(held: &Held) -> String {
    if held.by != HeldBy::Rollback || held.differences.is_empty() {
        return held.why.clone();
    }
    let waiting: Vec<&str> = held.differences.iter().map(|one| one.field.as_str()).collect();
    format!("{}; what git asks for waits: {}", held.why, waiting.join(", "))
}

/// What to do where a container was stopped on purpose, which is drift.
fn how_to_stop(change: &Change) -> String {
    format!("to keep it stopped, run `evenkeel hold {}`, then stop it", change.service)
}

/// What to do about a spec that failed here.
pub fn way_out(service: &ServiceId) -> String {
    format!("change it in git, or run `evenkeel retry {service}`")
}

/// One line on what is to be done and why; `None` where nothing is.
pub fn in_one_line(change: &Change, masks: &Masks) -> Option<String> {
    match &change.verdict {
        Verdict::InSync => None,
        Verdict::Create => Some("is not there yet".to_owned()),
        Verdict::CleanUp => Some("a rollout that did not end is finished".to_owned()),
        Verdict::Remove => Some("is gone from git".to_owned()),
        Verdict::Start(differences) if differences.is_empty() => Some("does not run".to_owned()),
        Verdict::Start(differences)
        | Verdict::Mend(differences)
        | Verdict::Update(differences)
        | Verdict::Recreate(differences) => Some(joined(differences)),
        Verdict::Held(_) | Verdict::Rejected { .. } | Verdict::Blocked(_) => why(change, masks).0,
    }
}

fn joined(differences: &[Difference]) -> String {
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    lines.join("; ")
}
