//! The nouns of the program: plain values that every other room speaks in.
//!
//! Nothing here does I/O, reads a clock or decides anything. A type that only one room needs belongs in
//! that room.

pub mod container_labels;
pub mod desired;
pub mod disk;
pub mod event;
pub mod fingerprint;
pub mod generation;
pub mod hidden;
pub mod image;
pub mod image_name;
pub mod image_policy;
pub mod labels;
pub mod login;
pub mod memory;
pub mod memory_tree;
pub mod names;
pub mod needed;
pub mod networks;
pub mod observed;
pub mod polls;
pub mod probe;
pub mod problem;
pub mod proofs;
pub mod pull_policy;
pub mod retention;
pub mod sealed;
pub mod secrets;
pub mod spec;
pub mod stack;
pub mod stored;
pub mod tree;
pub mod update;
pub mod version;
pub mod window;

pub use container_labels::ContainerLabels;
pub use desired::{DesiredService, DesiredStack, DesiredState, StackContent};
pub use disk::Disk;
pub use event::{Event, Subject};
pub use generation::{CommitWords, GenerationOutcome, ServiceOutcome, Trigger};
pub use hidden::{Hidden, Masks};
pub use image::{Digest, ImageRef, PinnedImage, Platform};
pub use image_name::ImageName;
pub use memory_tree::MemoryTree;
pub use names::{
    CommitId, ContainerId, ContainerName, GenerationNumber, HostName, ImageId, NetworkId,
    NetworkName, ServiceId, ServiceName, SourceName, SpecHash, StackName, VolumeName,
};
pub use needed::Needed;
pub use networks::{Network, Subnet};
pub use observed::{ContainerState, Health, ObservedContainer, ObservedState};
pub use problem::{Place, Problem};
pub use pull_policy::PullPolicy;
pub use spec::ContainerSpec;
pub use stack::{Service, Stack};
pub use update::Update;
pub use window::Window;
