//! A stack as its manifest describes it: merged, interpolated, checked; images still by tag.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;

use super::probe::Probe;
use super::tree::SharedTree;
use super::update::TagRule;
use super::{
    CommitId, ContainerName, ContainerSpec, Hidden, ImageRef, Masks, PinnedImage, Place,
    PullPolicy, ServiceName, SourceName, StackName, Update, VolumeName, Window,
};

pub use super::networks::{Network, Subnet};

/// A Compose project.
#[derive(Clone, Debug)]
pub struct Stack {
    /// `name:`, else the directory's name, normalised.
    pub name: StackName,
    /// The source it was read from.
    pub source: SourceName,
    /// The revision it was read from.
    pub commit: CommitId,
    /// The stack's directory in the repository; empty for the root.
    pub directory: String,
    /// The manifest's files, paths in the repository, in the order they were merged.
    pub files: Vec<String>,
    /// Where untracked relative paths live on this server: `stacks.<name>.dir`, else where Compose ran the
    /// project, else `<data_dir>/<stack>`.
    pub working_dir: PathBuf,
    /// Services in dependency order: a service stands behind everything it depends on.
    pub services: IndexMap<ServiceName, Service>,
    /// Networks that some service uses, by the manifest's key.
    pub networks: IndexMap<String, Network>,
    /// Volumes that some service uses, by the manifest's key.
    pub volumes: IndexMap<String, Volume>,
    /// Stacks that must be in sync first.
    pub after: Vec<StackName>,
    /// Where each of them is named in the manifest.
    pub after_at: BTreeMap<StackName, Place>,
    /// `x-evenkeel.rollout.atomic`: its services are changed as a whole or not at all.
    pub atomic: bool,
    /// `x-evenkeel.window`: when deployments of it may start.
    pub window: Option<Window>,
    /// `x-evenkeel.suspend`: nothing of this stack is changed.
    pub suspended: Option<Suspension>,
    /// Things worth saying that are no errors.
    pub remarks: Vec<Remark>,
    /// The server's values used here, to be masked in what others write.
    pub masks: Masks,
    /// What a generation keeps, so that this stack can be read again without the repository.
    pub record: StackRecord,
}

/// `x-evenkeel.suspend`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspension {
    /// When it ends by itself.
    pub until: Option<jiff::Timestamp>,
    /// Why, in the author's words.
    pub reason: Option<String>,
}

/// One thing worth saying about a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Where it stands.
    pub place: Option<Place>,
    /// The service it is about.
    pub service: Option<ServiceName>,
    /// One sentence, without values.
    pub text: String,
}

/// The files of a stack as they are in git, before interpolation: no server value is among them.
#[derive(Clone, Debug, Default)]
pub struct StackRecord {
    /// The manifest's own files, its `.env` and the env files in git, by path in the repository.
    pub manifest: BTreeMap<String, Vec<u8>>,
    /// Files and directories of the repository that services mount, by service.
    pub mounted: BTreeMap<ServiceName, BTreeSet<String>>,
}

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Where it stands in the manifest.
    pub place: Place,
    /// The image, interpolated.
    pub image: ImageRef,
    /// Where the image line stands: in an extended or included file, it may be another one than the service's.
    pub image_place: Place,
    /// The image as people may see it: interpolated, unless a server value is part of it; then as written.
    pub image_shown: String,
    /// `pull_policy`
    pub pull_policy: PullPolicy,
    /// Everything else that needs a new container when it changes.
    pub settings: ContainerSpec,
    /// Paths of fields that contain an interpolated server value (`command`, `labels.team`); their values
    /// are never shown. Environment values never are anyway.
    pub sensitive: BTreeSet<String>,
    /// `container_name`.
    pub container_name: Option<ContainerName>,
    /// How many containers.
    pub replicas: u32,
    /// What must have started, be healthy or have completed before this one starts.
    pub depends_on: IndexMap<ServiceName, Dependency>,
    /// How a change is rolled out.
    pub rollout: Rollout,
    /// How it is when a command goes back to an earlier generation: then this stands in the place of `rollout`.
    pub rollback: Rollout,
    /// `x-evenkeel.keep`: images of so many good generations stay on the host; `None` takes the host's default.
    pub keep: Option<u32>,
    /// What a new container is asked before it counts as good.
    pub probe: Option<Probe>,
    /// Which newer images it follows; `None` where git alone decides.
    pub update: Option<Update>,
    /// Variables that a new container gets and that its spec does not hold.
    pub stamps: BTreeMap<String, Stamp>,
    /// Files of the repository that it mounts, to be exported first.
    pub exports: Vec<Export>,
    /// Secrets and configs that it mounts, to be written first.
    pub secret_files: Vec<SecretFile>,
    /// Directories of the server that it mounts, to be made first where they are missing.
    pub directories: Vec<ServerDirectory>,
    /// Env files of the server that it reads, and the names it takes from each; never a value.
    pub server_files: BTreeMap<String, BTreeSet<String>>,
}

/// A directory of the server that containers mount.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerDirectory {
    /// Where it is.
    pub path: PathBuf,
    /// The stack's directory, above it: below that containers write, so no link is followed where it is made.
    pub below: PathBuf,
}

impl Service {
    /// The image that it was pinned to, as people may see it: its line, but for a newer tag.
    pub fn shown_with(&self, pinned: &PinnedImage) -> String {
        let reference = pinned.reference();
        match reference.tag() {
            Some(tag) if tag != self.image.tag_or_latest() => {
                let written = self.image.tag().map(|tag| format!(":{tag}"));
                let name = written.and_then(|tag| self.image_shown.strip_suffix(tag.as_str()));
                // Where the tag is a server's variable, the new one replaces nothing that can be told.
                name.map_or_else(
                    || format!("{} → {tag}", self.image_shown),
                    |name| format!("{name}:{tag}"),
                )
            }
            Some(_) | None => self.image_shown.clone(),
        }
    }

    /// Whether it follows its registry. Of a digest nobody is asked what it means.
    pub fn follows_its_registry(&self) -> bool {
        let has_rule = self.tag_rule().is_some();
        self.image.digest().is_none() && (has_rule || self.pull_policy.follows_the_registry())
    }

    /// Which newer tags it follows; `None` where it follows none.
    pub fn tag_rule(&self) -> Option<&TagRule> {
        self.update.as_ref()?.rule.as_ref()
    }

    /// A tag of its image as people may see it: the written one may be a value of the server.
    pub fn shown_tag<'a>(&self, tag: &'a str) -> &'a str {
        let is_hidden = self.image_shown != self.image.to_string();
        if is_hidden && tag == self.image.tag_or_latest() { "the written tag" } else { tag }
    }

    /// The tag other than the written one that [`Service::shown_with`] has shown.
    pub fn tag_shown(&self, shown: &str) -> Option<String> {
        let behind = |name: &str, sign: &str| {
            let tag = shown.strip_prefix(name)?.strip_prefix(sign)?;
            ImageRef::parse(&format!("any:{tag}")).ok()?.tag().map(str::to_owned)
        };
        let written = self.image.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
        let name = self.image_shown.strip_suffix(written.as_str());
        let tag = behind(&self.image_shown, " → ").or_else(|| behind(name?, ":"));
        tag.filter(|tag| tag != self.image.tag_or_latest())
    }

    /// The name of replica `number` (from 1).
    pub fn container(&self, stack: &StackName, number: u32) -> ContainerName {
        match &self.container_name {
            Some(name) => name.clone(),
            None => ContainerName::numbered(stack, &self.name, number),
        }
    }
}

/// `depends_on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// What is waited for.
    pub condition: Condition,
    /// Restart the dependant after this one was replaced.
    pub restart: bool,
    /// Without it, a missing or failed dependency is only remarked.
    pub required: bool,
}

/// `depends_on.condition`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// `service_started`
    Started,
    /// `service_healthy`
    Healthy,
    /// `service_completed_successfully`
    Completed,
}

/// How a change of a service is carried out (`deploy.update_config` or `deploy.rollback_config`, and
/// `x-evenkeel.rollout`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Which goes first.
    pub order: Order,
    /// Replicas at a time; 0 is all.
    pub parallelism: u32,
    /// Pause between batches.
    pub delay: Duration,
    /// How long the old container is kept after the switch.
    pub monitor: Duration,
    /// Share of replicas that may fail, in millionths.
    pub max_failure_ratio: u32,
    /// What to do when it fails.
    pub failure_action: FailureAction,
    /// How long a container without health check must run.
    pub stable: Duration,
    /// From create to healthy; `None` takes the larger of the host's default and what the health check needs.
    pub deadline: Option<Duration>,
    /// Restarts by the restart policy that are borne.
    pub restarts: u32,
    /// Two containers may write to the same volumes for a while.
    pub shared_writers: bool,
}

/// `order` of `deploy.update_config` and `deploy.rollback_config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The old container is stopped before the new one starts.
    StopFirst,
    /// The new container passes its gate before the old one stops.
    StartFirst,
}

/// `failure_action` of `deploy.update_config` and `deploy.rollback_config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureAction {
    /// Go back to what ran.
    Rollback,
    /// Leave it half-way and hold.
    Pause,
    /// Go on with the next replica.
    Continue,
}

/// What a variable tells a container of its own making (`x-evenkeel.stamp`). It is no part of the spec: a new
/// value is no reason for a new container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The number of the generation.
    Generation,
    /// The commit, in full.
    Commit,
    /// The image as `repository:tag`.
    Image,
    /// The digest of the image.
    Digest,
}

/// A file or directory of the repository, made available to containers on the host.
#[derive(Clone, Debug)]
pub struct Export {
    /// Where it is written: `<data_dir>/.exported/<fingerprint>`.
    pub target: PathBuf,
    /// The revision's files.
    pub tree: SharedTree,
    /// The path in the repository.
    pub path: String,
}

/// A secret or config, written below `<state_dir>/secrets/<hash>` and bound read-only.
#[derive(Clone, Debug)]
pub struct SecretFile {
    /// Where it is written.
    pub target: PathBuf,
    /// Its bytes.
    pub content: SecretContent,
    /// Owner, `None` for evenkeel's own user.
    pub uid: Option<u32>,
    /// Group, `None` for evenkeel's own group.
    pub gid: Option<u32>,
    /// Permissions.
    pub mode: u32,
}

/// The bytes of a secret; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretContent(pub Vec<u8>);

impl std::fmt::Debug for SecretContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", Hidden::default())
    }
}

/// A volume of a stack. It is created when missing and never touched again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name at the engine.
    pub name: VolumeName,
    /// Made by someone else; must exist.
    pub external: bool,
    /// `local` where nothing is written.
    pub driver: Option<String>,
    /// Options of the driver.
    pub driver_opts: BTreeMap<String, String>,
    /// The manifest's labels.
    pub labels: BTreeMap<String, String>,
}
