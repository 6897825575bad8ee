//! What people are told of: kinds of events, what they are about, and what was told last.

use std::collections::BTreeMap;
use std::fmt;

use super::{SourceName, StackName};

/// A kind of event (interface: `notify`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// What git asks for was deployed.
    Deployed,
    /// Something failed, and was not taken back.
    Failed,
    /// Something failed, and what ran before runs again.
    RolledBack,
    /// What runs was no longer what was left there; it was put right.
    Drift,
    /// Something is left as it is.
    Held,
    /// A source or a registry has not answered for some time.
    Stale,
    /// The disk stays fuller than the operator wants.
    Disk,
    /// What was told to be wrong is right again.
    Recovered,
}

impl Event {
    /// The word in the configuration, in JSON and in the database.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deployed => "deployed",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
            Self::Drift => "drift",
            Self::Held => "held",
            Self::Stale => "stale",
            Self::Disk => "disk",
            Self::Recovered => "recovered",
        }
    }

    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Deployed,
        Self::Failed,
        Self::RolledBack,
        Self::Drift,
        Self::Held,
        Self::Stale,
        Self::Disk,
        Self::Recovered,
    ];

    /// The event that `word` stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.word() == word)
    }
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A stack.
    Stack(StackName),
    /// A source.
    Source(SourceName),
    /// A registry, by its host.
    Registry(String),
    /// The engine's disk.
    Disk,
    /// The newest commit of a source, as its forge was told of it.
    Commit(SourceName),
}

impl Subject {
    /// The kind's word in the database and in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stack(_) => "stack",
            Self::Source(_) => "source",
            Self::Registry(_) => "registry",
            Self::Disk => "disk",
            Self::Commit(_) => "commit",
        }
    }

    /// Its name; empty for the disk, of which there is one.
    pub fn name(&self) -> &str {
        match self {
            Self::Stack(name) => name.as_str(),
            Self::Source(name) | Self::Commit(name) => name.as_str(),
            Self::Registry(host) => host,
            Self::Disk => "",
        }
    }

    /// The subject of this kind and name.
    pub fn from_parts(kind: &str, name: &str) -> Option<Self> {
        match kind {
            "stack" => Some(Self::Stack(StackName::new(name))),
            "source" => Some(Self::Source(SourceName::new(name))),
            "registry" => Some(Self::Registry(name.to_owned())),
            "disk" => Some(Self::Disk),
            "commit" => Some(Self::Commit(SourceName::new(name))),
            _ => None,
        }
    }

    /// The stack, where it is one.
    pub fn stack(&self) -> Option<&StackName> {
        match self {
            Self::Stack(name) => Some(name),
            Self::Source(_) | Self::Registry(_) | Self::Disk | Self::Commit(_) => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stack(name) => name.fmt(f),
            Self::Source(name) => write!(f, "source {name}"),
            Self::Registry(host) => write!(f, "registry {host}"),
            Self::Disk => f.write_str("the disk"),
            Self::Commit(name) => write!(f, "the newest commit of source {name}"),
        }
    }
}

/// What is wrong and was told, part by part: a stack's parts are its services, and the stack as a whole is the part
/// without a name, as is all of any other subject.
pub type Told = BTreeMap<Subject, BTreeMap<String, Known>>;

/// What was told of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// As what.
    pub event: Event,
    /// What it was about: the hash of the spec that was tried, a hold's reason. Anything else is told anew.
    pub about: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_subjects_come_back_from_their_words() {
        for event in Event::ALL {
            assert_eq!(Event::from_word(event.word()), Some(event));
        }
        let subjects = [
            Subject::Stack("shop".into()),
            Subject::Source("infra".into()),
            Subject::Registry("ghcr.io".into()),
            Subject::Disk,
            Subject::Commit("infra".into()),
        ];
        for subject in subjects {
            let (kind, name) = (subject.kind(), subject.name());
            assert_eq!(Subject::from_parts(kind, name), Some(subject.clone()));
        }
    }
}
