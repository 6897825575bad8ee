//! What happens to a service, in words that say why.

use jiff::Timestamp;

use super::windows::Waiting;
use crate::model::desired::Barred;
use crate::model::memory::{HeldBy, Hold, Trouble};
use crate::model::{ServiceId, StackName};

/// What happens to a service.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing.
    InSync,
    /// It is not there yet.
    Create,
    /// It is there and does not run.
    Start(Vec<Difference>),
    /// Its containers are changed in place: renamed, reconnected, unpaused, limits set.
    Mend(Vec<Difference>),
    /// The manifest, an image or a value changed: a new container takes over.
    Update(Vec<Difference>),
    /// The manifest is the same, and yet only a new container can be right.
    Recreate(Vec<Difference>),
    /// A rollout that did not end is finished.
    CleanUp,
    /// It is gone from git.
    Remove,
    /// Left as it is.
    Held(Held),
    /// It failed with this spec before.
    Rejected {
        /// Since when.
        since: Timestamp,
        /// What happened then.
        error: String,
        /// What would change.
        differences: Vec<Difference>,
    },
    /// Something it needs is not there.
    Blocked(Block),
}

/// Why a service is left as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Who holds it.
    pub by: HeldBy,
    /// Since when; `None` for what is decided anew in each pass.
    pub since: Option<Timestamp>,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// One sentence.
    pub why: String,
    /// What ends it.
    pub hint: Option<String>,
    /// Whether it counts as desired (exit code 0): an operator's wish, against a question to the operator.
    pub desired: bool,
    /// Whether it is as git says all the same: nobody has to wait for it.
    pub in_sync: bool,
    /// What would change.
    pub differences: Vec<Difference>,
}

impl Held {
    /// By an operator's word: a hold, or what a rollback left.
    pub fn by(hold: &Hold, differences: Vec<Difference>, in_sync: bool) -> Self {
        let nobody_said = match hold.by {
            HeldBy::Operator => "no reason given",
            HeldBy::Rollback => "rolled back",
            HeldBy::Adoption => "going on could cost data",
        };
        Self {
            by: hold.by,
            since: Some(hold.since),
            until: hold.until,
            why: hold.reason.clone().unwrap_or_else(|| nobody_said.to_owned()),
            hint: Some(format!("`evenkeel unhold {}` ends the hold", hold.scope.argument())),
            desired: true,
            in_sync,
            differences,
        }
    }

    /// For the sake of data, until somebody answers.
    pub fn question(why: String, differences: Vec<Difference>) -> Self {
        Self {
            by: HeldBy::Adoption,
            since: None,
            until: None,
            why,
            hint: None,
            desired: false,
            in_sync: false,
            differences,
        }
    }
}

/// What a service waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Another service of its stack, which cannot be had.
    On(Vec<ServiceId>),
    /// A stack that must be in sync first.
    OnStack(StackName),
    /// Other services of its stack that cannot be had now: the stack is changed as a whole or not at all.
    OnWhole(Vec<ServiceId>),
    /// The digest of its image could not be learnt.
    Image {
        /// What happened.
        message: String,
        /// The next move.
        hint: Option<String>,
    },
    /// Something of the host: a name that is taken, an external network that is missing.
    World {
        /// What is in the way.
        message: String,
        /// The next move.
        hint: Option<String>,
    },
    /// Its image may not run here now.
    Barred(Barred),
    /// An earlier run of this job is still going.
    RunningJob,
    /// Trouble of the world, which may have passed when it is tried again.
    Trouble(Trouble),
    /// The hours in which it may be deployed.
    Window(Waiting),
}

/// One thing that differs between what is wanted and what is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The field, in the manifest's words: `image`, `environment.LOG_LEVEL`, `state`.
    pub field: String,
    /// What is there; `None` where it is nobody's business.
    pub from: Option<String>,
    /// What is wanted; `None` where it is nobody's business.
    pub to: Option<String>,
}

impl Difference {
    /// A difference whose values are shown.
    pub fn shown(field: impl Into<String>, from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { field: field.into(), from: Some(from.into()), to: Some(to.into()) }
    }

    /// A difference whose values may hold a secret.
    pub fn hidden(field: impl Into<String>) -> Self {
        Self { field: field.into(), from: None, to: None }
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{}: {from} → {to}", self.field),
            (None, Some(to)) => write!(f, "{}: {to}", self.field),
            (Some(_), None) | (None, None) => write!(f, "{} changed", self.field),
        }
    }
}

impl Verdict {
    /// Whether nothing is done for a service that is not as it should be.
    pub fn is_left_alone(&self) -> bool {
        match self {
            Self::Held(_) | Self::Rejected { .. } | Self::Blocked(_) => true,
            Self::InSync
            | Self::Create
            | Self::Start(_)
            | Self::Mend(_)
            | Self::Update(_)
            | Self::Recreate(_)
            | Self::CleanUp
            | Self::Remove => false,
        }
    }

    /// Whether the service is as git says, held or not.
    pub fn is_in_sync(&self) -> bool {
        *self == Self::InSync || self.held().is_some_and(|held| held.in_sync)
    }

    /// The trouble of the world that keeps the service from what git wants.
    pub fn trouble(&self) -> Option<&Trouble> {
        if let Self::Blocked(Block::Trouble(trouble)) = self { Some(trouble) } else { None }
    }

    /// Why its image may not run here now.
    pub fn barred(&self) -> Option<&Barred> {
        if let Self::Blocked(Block::Barred(barred)) = self { Some(barred) } else { None }
    }

    /// Whether it waits for a time alone, as the operator has it: for its window, or for its image to be old enough.
    pub fn waits_for_its_time(&self) -> bool {
        self.waiting().is_some() || matches!(self.barred(), Some(Barred::Young { .. }))
    }

    /// Who holds it and why, if that is so.
    pub fn held(&self) -> Option<&Held> {
        if let Self::Held(held) = self { Some(held) } else { None }
    }

    /// The word in JSON and on the screen.
    pub fn word(&self) -> &'static str {
        match self {
            Self::InSync => "in-sync",
            Self::Create => "create",
            Self::Start(_) => "start",
            Self::Mend(_) | Self::Update(_) | Self::CleanUp => "update",
            Self::Recreate(_) => "recreate",
            Self::Remove => "remove",
            Self::Held(_) => "held",
            Self::Rejected { .. } | Self::Blocked(_) => "blocked",
        }
    }

    /// Why, field by field; also for a service that comes or goes as a whole.
    pub fn reasons(&self) -> Vec<Difference> {
        match self {
            Self::Create => vec![Difference::shown("state", "absent", "running")],
            Self::Remove => vec![Difference::shown("state", "present", "gone from git")],
            Self::CleanUp => vec![Difference::shown("rollout", "unfinished", "finished")],
            Self::InSync
            | Self::Start(_)
            | Self::Mend(_)
            | Self::Update(_)
            | Self::Recreate(_)
            | Self::Held(_)
            | Self::Rejected { .. }
            | Self::Blocked(_) => self.differences().to_vec(),
        }
    }

    /// What differs.
    pub fn differences(&self) -> &[Difference] {
        match self {
            Self::Start(differences)
            | Self::Mend(differences)
            | Self::Update(differences)
            | Self::Recreate(differences)
            | Self::Rejected { differences, .. } => differences,
            Self::Held(held) => &held.differences,
            Self::Blocked(Block::Window(waiting)) => &waiting.differences,
            Self::InSync | Self::Create | Self::CleanUp | Self::Remove | Self::Blocked(_) => &[],
        }
    }
}
