//! `evenkeel.explain/v1`: all that is known of a stack or of one service, on a page.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    HistoryGeneration, PlanStep, StatusContainer, StatusFollows, StatusSource, WireProblem,
    WireReason, WireRemark,
};
use crate::report::state::State;

/// All that is known of a stack, and of its services or the one that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainReport {
    /// `evenkeel.explain/v1`
    pub schema: &'static str,
    /// This host.
    pub host: String,
    /// When this was seen.
    pub at: Timestamp,
    /// What was asked for: `STACK` or `STACK/SERVICE`.
    pub scope: String,
    /// What cannot be known now, each with the reason.
    pub unknown: Vec<String>,
    /// The stack.
    pub stack: ExplainStack,
    /// The service that was asked for; of a stack, all of them.
    pub services: Vec<ExplainService>,
}

/// A stack.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainStack {
    /// Its name.
    pub stack: String,
    /// The worst of its services; null where that is not known.
    pub state: Option<State>,
    /// The source it comes from, as it was last read; null where nothing says so.
    pub source: Option<StatusSource>,
    /// The revision that was read last; null where git no longer names it, or cannot be read.
    pub commit: Option<String>,
    /// The manifest's files, in the order they were merged.
    pub files: Vec<String>,
    /// Why it cannot be used.
    pub problems: Vec<WireProblem>,
    /// Things worth saying about its manifest.
    pub remarks: Vec<WireRemark>,
    /// Stacks that must be in sync first.
    pub after: Vec<String>,
    /// Stacks that wait for this one.
    pub awaited_by: Vec<String>,
    /// Whether it is changed as a whole or not at all.
    pub atomic: bool,
    /// `x-evenkeel.suspend`.
    pub suspended: Option<ExplainSuspension>,
    /// When its deployments may start; always where there is none.
    pub windows: Vec<ExplainWindow>,
    /// The last attempt to change it.
    pub last: Option<HistoryGeneration>,
    /// Generations that it can go back to, newest first.
    pub back: Vec<ExplainBack>,
}

/// "Nothing of this stack is changed."
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainSuspension {
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    /// Why, in the author's words.
    pub reason: Option<String>,
}

/// Hours in which a deployment may start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainWindow {
    /// As it is written.
    pub window: String,
    /// Whose it is, to stand behind "the window".
    pub of: String,
    /// Whether it is open now.
    pub open: bool,
    /// When it opens; null while it is open.
    pub opens_at: Option<Timestamp>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainService {
    /// Its name.
    pub service: String,
    /// How it stands; null where that is not known.
    pub state: Option<State>,
    /// What git says; null where git does not name it, or cannot be read or used.
    pub git: Option<ExplainWritten>,
    /// What runs; null where the engine does not answer.
    pub runs: Option<ExplainRunning>,
    /// The last attempt that changed it: when, why, and how it ended.
    pub last: Option<HistoryGeneration>,
    /// Why it is left as it is; null where nothing keeps it from what git wants.
    pub kept: Option<ExplainKept>,
    /// What the next pass would do; null where that is not known.
    pub next: Option<ExplainNext>,
    /// How it follows its registry; null where only git decides.
    pub registry: Option<ExplainFollowing>,
    /// What it can go back to, newest first.
    pub back: Vec<ExplainBack>,
}

/// A line of a file in git.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainPlace {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
}

/// What git says of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainWritten {
    /// Where the service stands.
    pub at: ExplainPlace,
    /// The image, as people may see it.
    pub image: String,
    /// Where the image stands.
    pub image_at: ExplainPlace,
    /// How many containers.
    pub replicas: u32,
    /// Env files of the server that it reads, and the names it takes from each; never a value.
    pub server_files: BTreeMap<String, Vec<String>>,
    /// Its networks, by their names at the engine; or its network mode.
    pub networks: Vec<String>,
    /// Its ports: `8080 → 80/tcp`.
    pub ports: Vec<String>,
    /// What it mounts: `shop_data → /data`.
    pub volumes: Vec<String>,
    /// Services that it waits for, each with what of them: `started`, `healthy`, `completed`.
    pub depends_on: BTreeMap<String, &'static str>,
    /// Services that wait for it, likewise.
    pub needed_by: BTreeMap<String, &'static str>,
    /// Hours in which an image that it follows may be deployed.
    pub update_window: Option<ExplainWindow>,
}

/// What runs of a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainRunning {
    /// The image, as people may see it; null where nothing is there.
    pub image: Option<String>,
    /// Its digest.
    pub digest: Option<String>,
    /// When the image says that it was built.
    pub image_created_at: Option<Timestamp>,
    /// The attempt that made the newest container.
    pub generation: Option<u64>,
    /// Its containers, by number.
    pub containers: Vec<StatusContainer>,
}

/// Why a service is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainKept {
    /// `held`, `rejected`, `waiting`, `suspended`.
    pub how: &'static str,
    /// Who holds it: `operator`, `rollback`, `adoption`.
    pub held_by: Option<&'static str>,
    /// One sentence.
    pub why: String,
    /// Since when; null for what every pass decides anew.
    pub since: Option<Timestamp>,
    /// When it ends by itself, or the window opens.
    pub until: Option<Timestamp>,
    /// When the daemon tries again.
    pub next_try_at: Option<Timestamp>,
    /// What ends it.
    pub release: Option<String>,
}

/// What the next pass would do for a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainNext {
    /// What happens, as `plan` says it.
    pub verdict: &'static str,
    /// Which goes first where a container takes over from another.
    pub order: Option<&'static str>,
    /// What differs.
    pub reasons: Vec<WireReason>,
    /// The work, in order.
    pub steps: Vec<PlanStep>,
    /// The next move of whoever reads this.
    pub hint: Option<String>,
}

/// How a service follows its registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainFollowing {
    /// What git asks for, and what it came to; null where the image could not be resolved.
    pub follows: Option<StatusFollows>,
    /// What git asks for.
    pub asks: String,
    /// How old an image has to be, in seconds; null where its age does not matter.
    pub min_age_seconds: Option<u64>,
    /// Whether what is found is written into git before it is deployed.
    pub write_back: bool,
    /// When a registry is asked next; null where the next pass asks.
    pub next_at: Option<Timestamp>,
}

/// One thing that can be gone back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainBack {
    /// The generation.
    pub generation: u64,
    /// When it began; null where the record of it is gone.
    pub started_at: Option<Timestamp>,
    /// The image it ran, as people may see it; null for a stack.
    pub image: Option<String>,
    /// Its digest; null for a stack.
    pub digest: Option<String>,
    /// Whether the image is still on this host; null where the engine does not answer, and for a stack.
    pub on_host: Option<bool>,
    /// The command that goes there.
    pub command: String,
}
