//! The words for what was attempted and how it ended.

use std::fmt;

/// Why a generation came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// A commit changed the manifest.
    Commit,
    /// A tag was resolved to another image.
    Image,
    /// A file on the server changed.
    Env,
    /// The engine no longer showed what was left there.
    Drift,
    /// Going back.
    Rollback,
    /// An operator's command.
    Operator,
}

impl Trigger {
    /// The word in JSON, in the database and on the screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Image => "image",
            Self::Env => "env",
            Self::Drift => "drift",
            Self::Rollback => "rollback",
            Self::Operator => "operator",
        }
    }

    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Commit, Self::Image, Self::Env, Self::Drift, Self::Rollback, Self::Operator];
}

/// What a commit says of itself, for people who look back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitWords {
    /// Its author's name.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
}

/// How a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GenerationOutcome {
    /// Everything is as git says.
    Converged,
    /// Something failed and could not be taken back.
    Failed,
    /// Something failed and what ran before runs again.
    RolledBack,
    /// The program died half-way.
    Interrupted,
}

impl GenerationOutcome {
    /// The word in JSON, in the database and on the screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
            Self::Interrupted => "interrupted",
        }
    }

    /// All of them.
    pub const ALL: [Self; 4] = [Self::Converged, Self::Failed, Self::RolledBack, Self::Interrupted];
}

/// How a service came out of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceOutcome {
    /// Nothing was to be done.
    Unchanged,
    /// Done, and it passed its gate.
    Done,
    /// It failed, and there was nothing to go back to.
    Failed,
    /// It failed, and what ran before runs again.
    RolledBack,
    /// Left as it is by a hold.
    Held,
    /// Something it needs is not there.
    Blocked,
    /// Not part of this pass.
    Skipped,
}

impl ServiceOutcome {
    /// The word in JSON, in the database and on the screen.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
            Self::Held => "held",
            Self::Blocked => "blocked",
            Self::Skipped => "skipped",
        }
    }

    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Unchanged,
        Self::Done,
        Self::Failed,
        Self::RolledBack,
        Self::Held,
        Self::Blocked,
        Self::Skipped,
    ];
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for GenerationOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for ServiceOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
