//! The desired state: what the newest accepted commits say, with every image pinned.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use jiff::Timestamp;

use super::{
    CommitId, HostName, ImageRef, PinnedImage, Problem, Service, ServiceName, SourceName, SpecHash,
    Stack, StackName,
};

/// Everything this host should run.
#[derive(Clone, Debug)]
pub struct DesiredState {
    /// This host.
    pub host: HostName,
    /// By name; also the stacks that cannot be used, so that what runs of them is left alone.
    pub stacks: IndexMap<StackName, DesiredStack>,
    /// Sources that were read completely in this pass: only stacks of these can be removed. A source with
    /// a stack whose name could not be told is not among them.
    pub sources_read: BTreeSet<SourceName>,
    /// All sources the operator configured, read or not.
    pub sources_configured: BTreeSet<SourceName>,
}

/// One stack, usable or not.
#[derive(Clone, Debug)]
pub struct DesiredStack {
    /// Its name.
    pub name: StackName,
    /// Where it comes from.
    pub source: SourceName,
    /// The revision it was read from.
    pub commit: CommitId,
    /// What it asks for, or why that cannot be used.
    pub content: StackContent,
}

/// What a stack asks for.
#[derive(Clone, Debug)]
pub enum StackContent {
    /// It can be deployed.
    Usable(Box<Deployment>),
    /// Nothing of it is touched.
    Invalid(Vec<Problem>),
}

/// A stack with its services' images pinned.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// As the manifest describes it.
    pub stack: Stack,
    /// Its services, in dependency order.
    pub services: IndexMap<ServiceName, DesiredService>,
}

/// A service with its image pinned.
#[derive(Clone, Debug)]
pub struct DesiredService {
    /// As the manifest describes it.
    pub service: Service,
    /// Its image, or why the digest could not be learnt.
    pub image: Result<Pinned, ImageTrouble>,
}

/// A pinned image and all that follows from it.
#[derive(Clone, Debug)]
pub struct Pinned {
    /// The image by digest.
    pub image: PinnedImage,
    /// The hash of image and settings.
    pub hash: SpecHash,
    /// What the digest was taken from.
    pub origin: PinOrigin,
    /// Said aloud where something did not go the usual way: the registry did not answer.
    pub remark: Option<String>,
    /// What following the registry came to; `None` for a service that does not follow it.
    pub followed: Option<Followed>,
    /// Why it may not run here, where it does not run yet.
    pub barred: Option<Barred>,
    /// What is to be said of an image that is not known to have what the operator asks of images.
    pub unverified: Option<String>,
}

/// Why an image may not run here now (`policy.images`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Barred {
    /// It has not what the operator asks of it.
    Refused {
        /// One line, and what a program said of it below.
        why: String,
        /// The next move.
        hint: Option<String>,
        /// Since when.
        since: Timestamp,
        /// When it is looked at again; `None` where it is not.
        again: Option<Timestamp>,
    },
    /// Whether it has could not be found out: trouble of the world.
    Unknown {
        /// One line.
        why: String,
        /// The next move.
        hint: Option<String>,
        /// Since when.
        since: Timestamp,
        /// When it is tried again; `None` for the next pass.
        again: Option<Timestamp>,
    },
    /// It is not old enough.
    Young {
        /// One line.
        why: String,
        /// When it will be.
        until: Timestamp,
    },
}

impl Barred {
    /// Why.
    pub fn why(&self) -> &str {
        match self {
            Self::Refused { why, .. } | Self::Unknown { why, .. } | Self::Young { why, .. } => why,
        }
    }

    /// Since when; `None` for what passes by itself.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Refused { since, .. } | Self::Unknown { since, .. } => Some(*since),
            Self::Young { .. } => None,
        }
    }

    /// When it may be otherwise.
    pub fn again(&self) -> Option<Timestamp> {
        match self {
            Self::Refused { again, .. } | Self::Unknown { again, .. } => *again,
            Self::Young { until, .. } => Some(*until),
        }
    }
}

/// What following the registry came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Followed {
    /// Why this image was chosen now; `None` where it stays as it was.
    pub chosen: Option<String>,
    /// How it was chosen earlier, where it stays as it was.
    pub before: Option<Chosen>,
    /// Why a newer one is not chosen, or why it is not known whether there is one.
    pub waits: Option<String>,
    /// What is to be written into git before it is deployed from there.
    pub to_write: Option<ImageRef>,
    /// When a registry is asked again, or an image is old enough; `None` where that is due.
    pub again: Option<jiff::Timestamp>,
}

/// What a digest was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinOrigin {
    /// The manifest's own digest.
    Manifest,
    /// A pin recorded on this host.
    Record,
    /// A newer tag, or what the written one means by now, that the service follows.
    Followed,
    /// The container that runs with this very reference.
    Running,
    /// The registry.
    Registry,
    /// An image already on this host, while the registry did not answer.
    Host,
}

/// Why an image cannot be used now: trouble of the world, retried at the next pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageTrouble {
    /// One line, naming the image and the registry.
    pub message: String,
    /// The next move.
    pub hint: Option<String>,
    /// The trouble that an earlier pass had with it, where nobody was asked again.
    pub waits: Option<Box<super::memory::Trouble>>,
}

impl DesiredState {
    /// The stack's deployment; `None` where it is unknown or invalid.
    pub fn deployment(&self, stack: &StackName) -> Option<&Deployment> {
        match &self.stacks.get(stack)?.content {
            StackContent::Usable(deployment) => Some(deployment),
            StackContent::Invalid(_) => None,
        }
    }

    /// All usable stacks.
    pub fn deployments(&self) -> impl Iterator<Item = &Deployment> {
        self.stacks.keys().filter_map(|name| self.deployment(name))
    }
}

impl Deployment {
    /// The services that wait for `service` to complete; such a service is a job.
    pub fn is_awaited_job(&self, service: &ServiceName) -> bool {
        self.stack.services.values().any(|other| {
            other.depends_on.get(service).is_some_and(|dependency| {
                dependency.condition == super::stack::Condition::Completed
            })
        })
    }
}

/// Pins recorded on this host, or new ones to record, by written image line.
///
/// The key is a hash of the interpolated reference, which may hold a server value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(pub BTreeMap<(super::ServiceId, String), Pin>);

/// What an image line stands for on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The digest.
    pub digest: super::Digest,
    /// How it came to be, where following the registry led to it.
    pub chosen: Option<Chosen>,
}

/// An image that following the registry led to, and that has proved itself here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its tag; `None` for the written one, which may be a value of the server.
    pub tag: Option<String>,
    /// Why it was chosen.
    pub why: String,
    /// When it was recorded.
    pub at: jiff::Timestamp,
}

impl From<super::Digest> for Pin {
    fn from(digest: super::Digest) -> Self {
        Self { digest, chosen: None }
    }
}
