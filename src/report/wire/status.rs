//! `evenkeel.status/v1`: where everything stands.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{WireProblem, WireRemark};
use crate::model::memory::HoldScope;
use crate::model::{ServiceId, ServiceName, StackName};
use crate::report::state::State;

/// Where everything stands.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StatusReport {
    /// `evenkeel.status/v1`
    pub schema: &'static str,
    /// This host.
    pub host: String,
    /// When this was seen.
    pub at: Timestamp,
    /// The engine.
    pub engine: StatusEngine,
    /// The engine's disk; null where it is as full as it may be.
    pub disk: Option<StatusDisk>,
    /// Every configured source.
    pub sources: Vec<StatusSource>,
    /// Every stack, the orphaned ones last.
    pub stacks: Vec<StatusStack>,
}

/// The engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatusEngine {
    /// `28.5.1`
    pub version: Option<String>,
    /// The API version that was agreed on.
    pub api_version: Option<String>,
    /// `linux`
    pub os: Option<String>,
    /// `amd64`, `arm64`
    pub architecture: Option<String>,
    /// Why it does not answer.
    pub error: Option<String>,
}

/// A disk that is too full, though images went that nothing needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatusDisk {
    /// `degraded`
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// How full it is and what takes up the room, in one line.
    pub error: String,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatusSource {
    /// Its name.
    pub name: String,
    /// Where the repository is, without credentials.
    pub repo: String,
    /// What is followed.
    pub branch: String,
    /// The newest commit that was read.
    pub commit: Option<String>,
    /// When it was last read.
    pub fetched_at: Option<Timestamp>,
    /// `ok` or `failing`
    pub state: &'static str,
    /// What went wrong.
    pub error: Option<String>,
    /// How long ago it was last read.
    pub stale_seconds: Option<i64>,
    /// Who has signed the commit, or that an operator has accepted it; null where nobody has to.
    pub signed_by: Option<String>,
    /// A newer commit that is not followed; null where there is none.
    pub refused: Option<StatusRefused>,
    /// What somebody should look at, though nothing has failed: the newest commit is older than `max_age`.
    pub alarm: Option<String>,
}

/// A commit that is not followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatusRefused {
    /// Which.
    pub commit: String,
    /// Why.
    pub reason: String,
}

/// One stack.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StatusStack {
    /// Its name.
    pub stack: String,
    /// Where it comes from; null where nothing says so.
    pub source: Option<String>,
    /// The revision; null where git no longer names it.
    pub commit: Option<String>,
    /// The worst of its services.
    pub state: State,
    /// The last attempt to change it.
    pub generation: Option<u64>,
    /// Why it cannot be used.
    pub error: Option<String>,
    /// The same, one by one.
    pub problems: Vec<WireProblem>,
    /// Things worth saying about its manifest.
    pub remarks: Vec<WireRemark>,
    /// Its services.
    pub services: Vec<StatusService>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StatusService {
    /// Its name.
    pub service: String,
    /// How it stands.
    pub state: State,
    /// Who holds it.
    pub held_by: Option<&'static str>,
    /// Since when it is held; null for what every pass decides anew.
    pub since: Option<Timestamp>,
    /// When the hold ends by itself, or the window opens that it waits for.
    pub until: Option<Timestamp>,
    /// The image git asks for, as people may see it.
    pub image: Option<String>,
    /// What the image is pinned to; of a service that git does not name, what runs.
    pub digest: Option<String>,
    /// The attempt that made its newest container.
    pub generation: Option<u64>,
    /// Why it is not in sync, in one line.
    pub reason: Option<String>,
    /// The next move.
    pub hint: Option<String>,
    /// Since when trouble of the world has kept it from what git wants.
    pub failing_since: Option<Timestamp>,
    /// When the daemon tries again.
    pub next_try_at: Option<Timestamp>,
    /// What following the registry came to; null for a service that does not follow it.
    pub follows: Option<StatusFollows>,
    /// Its containers, by number.
    pub containers: Vec<StatusContainer>,
    /// Whether it counts as it should be.
    #[serde(skip)]
    pub desired: bool,
}

/// A service that follows its registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatusFollows {
    /// What git asks for: tags by a rule, or what the written tag is at the registry.
    pub asks: String,
    /// The tag it is at, or is about to take.
    pub tag: String,
    /// Why that was chosen; null where it is what git says.
    pub why: Option<String>,
    /// When it had proved itself; null where it has not, or is what git says.
    pub chosen_at: Option<Timestamp>,
    /// Why there may be a newer one that is not taken: not known, too young, failed here, ….
    pub waits: Option<String>,
}

/// One container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StatusContainer {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `created`, `running`, `paused`, `restarting`, `exited`, `dead`
    pub state: &'static str,
    /// `none`, `starting`, `healthy`, `unhealthy`
    pub health: &'static str,
    /// Restarts by its restart policy.
    pub restarts: u32,
    /// When it last started.
    pub started_at: Option<Timestamp>,
    /// Its exit code, where it ended.
    pub exit_code: Option<i64>,
}

impl StatusReport {
    /// Keeps the stack or service of `scope` alone; the engine and the sources stay.
    pub fn narrow(&mut self, scope: &HoldScope) {
        for stack in &mut self.stacks {
            let name = StackName::new(stack.stack.as_str());
            stack.services.retain(|service| {
                scope.covers(&ServiceId::new(&name, &ServiceName::new(service.service.as_str())))
            });
        }
        self.stacks.retain(|stack| match scope {
            HoldScope::Host => true,
            HoldScope::Stack(name) => name.as_str() == stack.stack,
            HoldScope::Service(_) => !stack.services.is_empty(),
        });
    }
}
