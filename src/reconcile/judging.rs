//! What every stack asks of this host's policy, whether it gets it or not.
//!
//! Nothing is refused here: a pass does that, with the same rules, when it reads the manifests ([`super::sources`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::World;
use super::acceptance;
use super::places::{Places, places};
use super::sources::{self, Fetched};
use super::view;
use crate::config::{self, Config};
use crate::decrypt::Vault;
use crate::history::{Accepted, History};
use crate::manifest::{self, ServerFiles};
use crate::model::tree::Revision;
use crate::model::{Problem, SourceName, StackName};
use crate::policy::{Judged, Policy};

/// The stacks of all sources, judged.
#[derive(Debug, Default)]
pub struct Judgements {
    /// Those that make sense, with what the rules make of them.
    pub stacks: BTreeMap<StackName, Judged>,
    /// Those that cannot be used for another reason, and what is wrong with them.
    pub unusable: BTreeMap<StackName, Vec<Problem>>,
    /// What is wrong with sources as a whole: there may be stacks besides.
    pub problems: Vec<Problem>,
}

/// Judges what was fetched by `policy` in the place of the host's.
pub async fn judge(world: &World, fetched: Vec<Fetched>, policy: &Policy) -> Judgements {
    let config = Config { policy: policy.clone(), ..world.config.clone() };
    let (config, at) = (Arc::new(config), Arc::new(where_files_are(world).await));
    let mut judgements = Judgements::default();
    let (accepted, now) = (accepted(world), Timestamp::now());
    let sources = world.sources.iter().zip(&world.config.sources);
    for (fetched, (source, settings)) in fetched.into_iter().zip(sources) {
        // What nobody vouches for is not read here either.
        let last = accepted.get(&settings.name);
        let (seen, revision) = acceptance::judge(world, source, settings, fetched, last, now).await;
        let Some(revision) = revision else {
            let why = seen.report.error.unwrap_or_default();
            let mut problem = Problem::new("source", format!("source {}: {why}", seen.name));
            problem.hint = seen.hint;
            judgements.problems.push(problem);
            continue;
        };
        let vault = Arc::clone(&world.vault);
        let loaded = one(revision, settings.clone(), config.clone(), at.clone(), vault).await;
        let loaded = loaded.map_err(|problem| judgements.problems.push(*problem));
        let Ok(loaded) = loaded else { continue };
        if !loaded.complete && loaded.problems.is_empty() {
            let text = format!("source {}: not every stack can be told by its name", seen.name);
            judgements.problems.push(Problem::new("source", text));
        }
        judgements.problems.extend(loaded.problems);
        for stack in loaded.stacks {
            match stack.result {
                Ok(judged) => judgements.add(stack.name, judged),
                Err(problems) => drop(judgements.unusable.insert(stack.name, problems)),
            }
        }
    }
    judgements
}

impl Judgements {
    /// Two stacks of one name are both refused; what both ask for is told.
    fn add(&mut self, name: StackName, judged: Judged) {
        let known = self.stacks.entry(name).or_default();
        known.found.extend(judged.found);
        known.used.extend(judged.used);
    }
}

async fn one(
    revision: Revision,
    settings: config::Source,
    config: Arc<Config>,
    at: Arc<Places>,
    vault: Arc<Vault>,
) -> Result<manifest::Loaded<Judged>, Box<Problem>> {
    let judging = tokio::task::spawn_blocking(move || {
        let globs = (settings.include.as_slice(), settings.exclude.as_slice());
        let disk = ServerFiles::Disk;
        sources::with_options(&revision, &config, &at, globs, disk, &*vault, |options| {
            manifest::judge(&revision, options)
        })
    });
    judging.await.unwrap_or_else(|error| {
        let text = format!("reading the manifests did not end: {error}");
        Err(Box::new(Problem::new("bug", text)))
    })
}

/// The commits that were accepted last. Without a record, none was.
fn accepted(world: &World) -> BTreeMap<SourceName, Accepted> {
    let history = History::read_only(&world.config.state_dir);
    history.and_then(|history| history.accepted()).unwrap_or_default()
}

/// As a pass has it. Where neither the record nor the engine can be asked, every stack is where evenkeel has it.
async fn where_files_are(world: &World) -> Places {
    let remembered = History::read_only(&world.config.state_dir);
    let remembered = remembered.and_then(|history| history.places()).unwrap_or_default();
    match view::look_early(world).await {
        Ok(early) => places(remembered, early.observed(), &world.config),
        Err(_) => remembered,
    }
}
