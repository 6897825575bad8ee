//! The steps of a plan: one engine call each, complete in themselves, repeatable.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::gate::Gate;
use crate::engine::{ContainerRequest, ContainerUpdate, Labels};
use crate::model::image::{PinnedImage, Platform};
use crate::model::spec::{Endpoint, RestartPolicy};
use crate::model::stack::{Export, Network, SecretFile, ServerDirectory, Volume};
use crate::model::{ContainerId, ContainerName, NetworkName, ServiceId, StackName};

/// A step's place in its plan, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepId(pub u32);

/// A run of steps that belong together, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SectionId(pub usize);

/// A step with its reason and what it waits for.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// Its place.
    pub id: StepId,
    /// The stack whose generation it belongs to.
    pub stack: StackName,
    /// The service it serves; `None` for what a whole stack needs.
    pub service: Option<ServiceId>,
    /// The replica it is done for, where several are rolled out and some may fail.
    pub replica: Option<u32>,
    /// What is done.
    pub step: Step,
    /// Why, in a few words.
    pub because: String,
    /// Steps that must have succeeded.
    pub after: Vec<StepId>,
    /// Steps that must have ended, well or not.
    pub behind: Vec<StepId>,
    /// The section it is part of.
    pub section: Option<SectionId>,
    /// Networks on which it takes or frees an address.
    pub networks: BTreeSet<NetworkName>,
}

/// Steps that follow each other without anyone else taking or freeing an address on `networks`, so that
/// the new container gets the address of the old one.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// The networks.
    pub networks: BTreeSet<NetworkName>,
}

/// A container, as a step names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This very container.
    Id(ContainerId),
    /// Whoever carries the name: a container that the plan itself creates.
    Name(ContainerName),
    /// Whoever carries the name, if it is a container of this service and not the one to be spared; else
    /// there is nothing to do.
    Own {
        /// The name.
        name: ContainerName,
        /// The service.
        service: ServiceId,
        /// The container to be spared.
        spared: Option<ContainerId>,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id.short()),
            Self::Name(name) | Self::Own { name, .. } => write!(f, "{name}"),
        }
    }
}

/// What is done.
#[derive(Clone, Debug)]
pub enum Step {
    /// Download an image by digest.
    PullImage {
        /// The image.
        image: PinnedImage,
        /// The platform, where the manifest names one.
        platform: Option<Platform>,
        /// The image as people may see it.
        shown: String,
    },
    /// Write files of the repository where containers can mount them.
    ExportFiles(Export),
    /// Write a secret or config where containers can mount it.
    WriteSecret(SecretFile),
    /// Make a directory of the server that a container mounts.
    MakeDirectory(ServerDirectory),
    /// Create a network.
    CreateNetwork {
        /// The network.
        network: Network,
        /// Its labels.
        labels: Labels,
    },
    /// Remove a network that no stack wants.
    RemoveNetwork(NetworkName),
    /// Create a volume.
    CreateVolume {
        /// The volume.
        volume: Volume,
        /// Its labels.
        labels: Labels,
    },
    /// Create a container.
    CreateContainer(Box<ContainerRequest>),
    /// Keep the engine from starting a container again by itself; its restart policy is written down.
    SetAside {
        /// The container.
        container: ContainerId,
        /// The policy it has.
        had: RestartPolicy,
    },
    /// Give a container that was set aside its restart policy back.
    Restore {
        /// The container.
        container: ContainerId,
        /// The policy it had.
        policy: RestartPolicy,
    },
    /// Change limits or the restart policy.
    UpdateContainer {
        /// The container.
        container: Target,
        /// What changes.
        update: ContainerUpdate,
    },
    /// Stop a container, with its own signal and grace period.
    StopContainer(Target),
    /// Stop a container that runs in what is left of another one's network: that one was started after it.
    LetGo {
        /// The container.
        container: ContainerId,
        /// Those whose network it is in.
        peers: Vec<ContainerId>,
    },
    /// Rename a container.
    RenameContainer {
        /// The container.
        container: Target,
        /// Its new name.
        to: ContainerName,
    },
    /// Start a container.
    StartContainer(Target),
    /// Let a paused container go on.
    UnpauseContainer(Target),
    /// Attach a container to a network.
    ConnectNetwork {
        /// The container.
        container: Target,
        /// The network and the names it gets there.
        endpoint: Endpoint,
        /// A further alias: the container's own name.
        own_alias: ContainerName,
    },
    /// Detach a container from a network.
    DisconnectNetwork {
        /// The container.
        container: Target,
        /// The network.
        network: NetworkName,
    },
    /// Give a container that was made without them the names of its service: on each network in turn it is
    /// detached and attached again, which is the only way. One whose address has changed by that is started
    /// again, since connections it holds would hang in silence.
    TakeNames {
        /// The container.
        container: Target,
        /// The networks and the names it gets there.
        endpoints: Vec<Endpoint>,
        /// A further alias: the name it will carry.
        own_alias: ContainerName,
        /// How long what is run after a start may take.
        within: Duration,
    },
    /// Wait, so that a batch can settle before the next one.
    Pause(Duration),
    /// Wait until a container is good.
    AwaitGate {
        /// The container.
        container: Target,
        /// What good means.
        gate: Gate,
    },
    /// Watch a container that took over, while the old one is still there.
    Monitor {
        /// The container.
        container: Target,
        /// How long.
        lasting: Duration,
        /// What good means.
        gate: Gate,
    },
    /// Remove a stopped container; its volumes stay.
    RemoveContainer(Target),
}

impl Step {
    /// The word in JSON and on the screen.
    pub fn word(&self) -> &'static str {
        match self {
            Self::PullImage { .. } => "pull-image",
            Self::ExportFiles(_) => "export-files",
            Self::WriteSecret(_) => "write-secret",
            Self::MakeDirectory(_) => "make-directory",
            Self::CreateNetwork { .. } => "create-network",
            Self::RemoveNetwork(_) => "remove-network",
            Self::CreateVolume { .. } => "create-volume",
            Self::CreateContainer(_) => "create-container",
            Self::SetAside { .. } => "set-aside",
            Self::Restore { .. } => "restore",
            Self::UpdateContainer { .. } => "update-container",
            Self::StopContainer(_) | Self::LetGo { .. } => "stop-container",
            Self::RenameContainer { .. } => "rename-container",
            Self::StartContainer(_) => "start-container",
            Self::UnpauseContainer(_) => "unpause-container",
            Self::ConnectNetwork { .. } => "connect-network",
            Self::DisconnectNetwork { .. } => "disconnect-network",
            Self::TakeNames { .. } => "take-names",
            Self::Pause(_) => "pause",
            Self::AwaitGate { .. } => "await-gate",
            Self::Monitor { .. } => "monitor",
            Self::RemoveContainer(_) => "remove-container",
        }
    }

    /// What it is done to, for people.
    pub fn subject(&self) -> String {
        match self {
            Self::PullImage { shown, .. } => shown.clone(),
            Self::ExportFiles(export) => export.path.clone(),
            Self::WriteSecret(file) => file.target.display().to_string(),
            Self::MakeDirectory(directory) => directory.path.display().to_string(),
            Self::CreateNetwork { network, .. } => network.name.to_string(),
            Self::RemoveNetwork(name) => name.to_string(),
            Self::CreateVolume { volume, .. } => volume.name.to_string(),
            Self::CreateContainer(request) => request.name.to_string(),
            Self::SetAside { container, .. }
            | Self::Restore { container, .. }
            | Self::LetGo { container, .. } => container.short().to_owned(),
            Self::RenameContainer { container, to } => format!("{container} → {to}"),
            Self::ConnectNetwork { container, endpoint, .. } => {
                format!("{container} → {}", endpoint.network)
            }
            Self::DisconnectNetwork { container, network } => format!("{container} ↛ {network}"),
            Self::Pause(lasting) => humantime::format_duration(*lasting).to_string(),
            Self::UpdateContainer { container, .. }
            | Self::TakeNames { container, .. }
            | Self::StopContainer(container)
            | Self::StartContainer(container)
            | Self::UnpauseContainer(container)
            | Self::AwaitGate { container, .. }
            | Self::Monitor { container, .. }
            | Self::RemoveContainer(container) => container.to_string(),
        }
    }
}
