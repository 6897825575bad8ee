//! Every source's newest revision, read into stacks; what went wrong is told per source.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::time::Instant;

use super::World;
use super::acceptance;
use super::daemon::with_jitter;
use super::places::Places;
use super::rounds::Rounds;
use crate::config::{self, Config};
use crate::decrypt::Vault;
use crate::history::{Accepted, SourceReport, SourceState};
use crate::manifest::interpolate::Unset;
use crate::manifest::{
    self, HostPolicy, Limits, Options, RolloutDefaults, ServerFiles, StackOptions, stack_waits,
};
use crate::model::sealed::Opener;
use crate::model::stack::Remark;
use crate::model::tree::Revision;
use crate::model::{CommitId, CommitWords, Place, Problem, SourceName, StackName};
use crate::resolve::{Loaded, LoadedStack};
use crate::source::{Source, SourceError};

/// How new a revision has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The newest at the repository.
    Latest,
    /// The newest at the repository where its interval is over; else what it was when it was asked last.
    Due,
    /// The newest that was fetched before; no network.
    Recorded,
}

/// What all sources say.
pub struct Read {
    /// Their stacks.
    pub loaded: Loaded,
    /// One for each source.
    pub sources: Vec<SourceSeen>,
    /// The revision of each source that has one.
    pub revisions: BTreeMap<SourceName, Revision>,
    /// Where the files of those stacks lie that Compose ran before.
    pub places: Places,
}

/// How one source stands.
#[derive(Clone, Debug)]
pub struct SourceSeen {
    /// Its name.
    pub name: SourceName,
    /// For `status`.
    pub report: SourceReport,
    /// What its newest commit says of itself, where it was fetched just now.
    pub words: Option<CommitWords>,
    /// The next move, where it failed.
    pub hint: Option<String>,
    /// What is wrong with the source as a whole.
    pub problems: Vec<Problem>,
    /// Things worth saying: a rewritten branch, a mended mirror.
    pub remarks: Vec<Remark>,
    /// The commit that was accepted just now, where commits have to be vouched for.
    pub accepted: Option<Accepted>,
}

impl SourceSeen {
    /// Whether it was read, completely and without a problem.
    pub fn is_well(&self) -> bool {
        self.report.state == SourceState::Ok && self.problems.is_empty()
    }

    fn remark(&mut self, text: Option<String>) {
        let remark = |text| Remark { place: None, service: None, text };
        self.remarks.extend(text.map(remark));
    }
}

/// What was fetched of a source, before anything of it is read.
pub struct Fetched {
    pub(super) seen: SourceSeen,
    pub(super) found: Found,
}

/// What there is to read of a source.
pub(super) enum Found {
    /// Nothing: it failed.
    Nothing,
    /// This revision; nobody has to vouch for it.
    Revision(Revision),
    /// This commit, should it be accepted.
    Claim(CommitId),
    /// What was accepted last: nothing newer was asked for, or it was refused before.
    Accepted,
}

/// Fetches all sources at once.
pub async fn fetch(world: &World, freshness: Freshness, now: Timestamp) -> Vec<Fetched> {
    let all = world.sources.iter().zip(&world.config.sources);
    let fetching = all.map(|(source, settings)| async move {
        if freshness == Freshness::Due
            && let Some(known) = known(&world.rounds, source, settings).await
        {
            return known;
        }
        let begun = Instant::now();
        let fetched = fetch_one(source, settings, freshness, now).await;
        if freshness != Freshness::Recorded {
            world.rounds.note(&fetched.seen, begun + with_jitter(settings.interval, now));
        }
        fetched
    });
    futures_util::future::join_all(fetching).await
}

/// What a repository was when it was asked last, as long as that holds. A plain directory is always looked at.
async fn known(rounds: &Rounds, source: &Source, settings: &config::Source) -> Option<Fetched> {
    let seen = rounds.holds(&settings.name, Instant::now())?;
    if source.plain_directory().await.is_some() {
        return None;
    }
    let found = match &seen.report {
        SourceReport { refused: Some(_), .. } => Found::Accepted,
        SourceReport { state: SourceState::Ok, commit: Some(commit), .. } => {
            match settings.demands() {
                Some(_) => Found::Claim(commit.clone()),
                None => Found::Revision(source.at(commit).await.ok()?),
            }
        }
        // It is asked again when it is time, and until then it is as out of reach as it was.
        SourceReport { .. } => Found::Nothing,
    };
    Some(Fetched { seen, found })
}

/// The same, each of them for no longer than `limit`: one that is silent is told as such, and holds up no other.
pub async fn fetch_within(
    world: &World,
    freshness: Freshness,
    now: Timestamp,
    limit: Duration,
) -> Vec<Fetched> {
    let all = world.sources.iter().zip(&world.config.sources);
    let fetching = all.map(async |(source, settings)| {
        let fetched = tokio::time::timeout(limit, fetch_one(source, settings, freshness, now));
        fetched.await.unwrap_or_else(|_| {
            let mut seen = unread(source, settings);
            seen.report.error = Some(format!("no answer within {} s", limit.as_secs()));
            seen.hint = Some("see whether this host reaches its server".to_owned());
            Fetched { seen, found: Found::Nothing }
        })
    });
    futures_util::future::join_all(fetching).await
}

/// Reads the stacks of all sources; those that Compose ran before have their files in `places`. Where commits have to
/// be vouched for, none is read but one that is accepted now, or is the last of those that were `accepted`.
pub async fn read(
    world: &World,
    fetched: Vec<Fetched>,
    accepted: &BTreeMap<SourceName, Accepted>,
    places: Places,
    now: Timestamp,
) -> Read {
    let (config, shared) = (Arc::new(world.config.clone()), Arc::new(places));
    let judging = fetched.into_iter().zip(world.sources.iter().zip(&world.config.sources));
    let judging = judging.map(|(fetched, (source, settings))| {
        acceptance::judge(world, source, settings, fetched, accepted.get(&settings.name), now)
    });
    let judged = futures_util::future::join_all(judging).await;
    let revisions = judged.iter().filter_map(|(seen, it)| Some((seen.name.clone(), it.clone()?)));
    let revisions = revisions.collect();
    let reading = judged.into_iter().zip(&world.config.sources).map(|(judged, settings)| {
        let vault = Arc::clone(&world.vault);
        read_one(judged, settings, config.clone(), shared.clone(), vault)
    });
    let mut loaded = Loaded {
        host: world.config.host.clone(),
        stacks: Vec::new(),
        sources_read: BTreeSet::new(),
        sources_configured: world.config.sources.iter().map(|source| source.name.clone()).collect(),
    };
    let mut sources = Vec::new();
    for (seen, stacks, is_complete) in futures_util::future::join_all(reading).await {
        if is_complete {
            loaded.sources_read.insert(seen.name.clone());
        }
        loaded.stacks.extend(stacks);
        sources.push(seen);
    }
    refuse_shared_names(&mut loaded.stacks);
    refuse_hopeless_waits(&mut loaded);
    let mut places = Arc::unwrap_or_clone(shared);
    places.retain(|stack, _| loaded.stacks.iter().any(|loaded| loaded.name == *stack));
    Read { loaded, sources, revisions, places }
}

async fn fetch_one(
    source: &Source,
    settings: &config::Source,
    freshness: Freshness,
    now: Timestamp,
) -> Fetched {
    let mut seen = unread(source, settings);
    let found = match (settings.demands(), freshness) {
        (None, _) => revision(source, freshness, &mut seen).await.map(Found::Revision),
        (Some(_), Freshness::Recorded) => return Fetched { seen, found: Found::Accepted },
        (Some(_), Freshness::Latest | Freshness::Due) => {
            newest(source, &mut seen).await.map(Found::Claim)
        }
    };
    let commit = match &found {
        Ok(Found::Revision(revision)) => Some(revision.commit.clone()),
        Ok(Found::Claim(commit)) => Some(commit.clone()),
        Ok(Found::Nothing | Found::Accepted) => None,
        Err(error) => {
            fail(&mut seen, error);
            return Fetched { seen, found: Found::Nothing };
        }
    };
    seen.report.commit = commit;
    seen.report.fetched_at = Some(now);
    seen.report.state = SourceState::Ok;
    Fetched { seen, found: found.unwrap_or(Found::Nothing) }
}

/// Notes why a source failed.
pub(super) fn fail(seen: &mut SourceSeen, error: &SourceError) {
    seen.report.error = Some(error.to_string());
    seen.report.state = SourceState::Failing;
    seen.hint = Some(error.hint());
}

/// The newest commit of a source, of which nothing is read.
async fn newest(source: &Source, seen: &mut SourceSeen) -> Result<CommitId, SourceError> {
    let newest = source.newest().await?;
    seen.words = newest.words;
    seen.remark(newest.healed);
    Ok(newest.commit)
}

/// A source before it was read.
fn unread(source: &Source, settings: &config::Source) -> SourceSeen {
    SourceSeen {
        name: settings.name.clone(),
        report: SourceReport {
            repo: settings.repo.shown(),
            branch: source.spec().reference.to_string(),
            commit: None,
            fetched_at: None,
            state: SourceState::Failing,
            error: None,
            signed_by: None,
            refused: None,
            alarm: None,
        },
        words: None,
        hint: None,
        problems: Vec::new(),
        remarks: Vec::new(),
        accepted: None,
    }
}

async fn read_one(
    judged: (SourceSeen, Option<Revision>),
    settings: &config::Source,
    config: Arc<Config>,
    places: Arc<Places>,
    vault: Arc<Vault>,
) -> (SourceSeen, Vec<LoadedStack>, bool) {
    let (mut seen, revision) = judged;
    let Some(revision) = revision else { return (seen, Vec::new(), false) };
    let (source_name, commit) = (revision.source.clone(), revision.commit.clone());
    let (include, exclude) = (settings.include.clone(), settings.exclude.clone());
    let loading = tokio::task::spawn_blocking(move || {
        let disk = ServerFiles::Disk;
        with_options(&revision, &config, &places, (&include, &exclude), disk, &*vault, |options| {
            manifest::load(&revision, options)
        })
    });
    let loaded = match loading.await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(problem)) => {
            seen.problems.push(*problem);
            return (seen, Vec::new(), false);
        }
        Err(error) => {
            seen.problems
                .push(Problem::new("bug", format!("reading the manifests did not end: {error}")));
            return (seen, Vec::new(), false);
        }
    };
    seen.problems.extend(loaded.problems);
    seen.problems.extend(acceptance::unsigned_write_back(settings, &loaded.stacks));
    let stacks = loaded.stacks.into_iter().map(|stack| LoadedStack {
        name: stack.name,
        source: source_name.clone(),
        commit: commit.clone(),
        content: stack.result,
    });
    (seen, stacks.collect(), loaded.complete)
}

async fn revision(
    source: &Source,
    freshness: Freshness,
    seen: &mut SourceSeen,
) -> Result<Revision, SourceError> {
    match freshness {
        Freshness::Recorded => source.recorded().await,
        Freshness::Latest | Freshness::Due => {
            let fetched = source.latest().await?;
            seen.words = fetched.words;
            let rewritten = "the branch was rewritten; it is followed".to_owned();
            seen.remark(fetched.rewritten.then_some(rewritten));
            seen.remark(fetched.healed);
            Ok(fetched.revision)
        }
    }
}

/// Reads stacks of `revision` as `config` and `places` describe this host; `read` says what becomes of them.
/// May block on the disk.
pub fn with_options<T>(
    revision: &Revision,
    config: &Config,
    places: &Places,
    (include, exclude): (&[String], &[String]),
    server: ServerFiles,
    opener: &dyn Opener,
    read: impl FnOnce(&Options<'_>) -> T,
) -> Result<T, Box<Problem>> {
    let bad_glob = |error| {
        let message = format!("`stacks` of source {}: {error}", revision.source);
        Box::new(Problem::new("bad-glob", message))
    };
    let (include, exclude) =
        (manifest::globs(include).map_err(bad_glob)?, manifest::globs(exclude).map_err(bad_glob)?);
    let per_stack = |name: &StackName| {
        let taken_over = places.get(name).cloned();
        match config.stacks.get(name) {
            None => StackOptions { taken_over, ..StackOptions::default() },
            Some(settings) => StackOptions {
                profiles: settings.profiles.clone(),
                dir: settings.dir.clone(),
                taken_over,
                unset: settings.unset_variables.map(unset),
            },
        }
    };
    let source = config.sources.iter().find(|source| source.name == revision.source);
    let source = source.and_then(|source| source.unset_variables);
    // Where no server is at hand, nobody knows what its operator allows.
    let policy = (server == ServerFiles::Disk).then(|| HostPolicy {
        policy: &config.policy,
        today: Timestamp::now().to_zoned(TimeZone::UTC).date(),
        socket: config.docker_host.strip_prefix("unix://").map(Path::new),
    });
    let options = Options {
        host: &config.host,
        env_dir: &config.env_dir,
        credentials_dir: config.credentials_dir.as_deref(),
        data_dir: &config.data_dir,
        state_dir: &config.state_dir,
        home: config.home.as_deref(),
        server,
        opener,
        defaults: RolloutDefaults {
            stable: config.rollout.stable,
            monitor: config.rollout.monitor,
            deadline: None,
        },
        unset: unset(source.unwrap_or(config.unset_variables)),
        limits: Limits {
            file_bytes: config.limits.file,
            nesting: config.limits.nesting as usize,
            expansion: config.limits.expansion as usize,
            services: config.limits.services as usize,
        },
        policy,
        per_stack: &per_stack,
        include: &include,
        exclude: &exclude,
    };
    Ok(read(&options))
}

fn unset(setting: config::UnsetVariables) -> Unset {
    match setting {
        config::UnsetVariables::Error => Unset::Error,
        config::UnsetVariables::Blank => Unset::Blank,
    }
}

/// Two sources must not claim one stack: neither may change it.
fn refuse_shared_names(stacks: &mut Vec<LoadedStack>) {
    let mut refused: Vec<LoadedStack> = Vec::new();
    for stack in std::mem::take(stacks) {
        match refused.iter_mut().find(|other| other.name == stack.name) {
            None => refused.push(stack),
            // Two of one source: the loader has said so of both, with their files.
            Some(other) if other.source == stack.source => {
                if let (Err(problems), Err(more)) = (&mut other.content, stack.content) {
                    problems.extend(more);
                }
            }
            Some(other) => {
                let message = format!(
                    "two sources have a stack named `{}`: {} and {}",
                    stack.name, other.source, stack.source
                );
                let hint = "give one of them another `name:`, or narrow the sources with `stacks: {exclude: […]}`";
                let problem = Problem::new("two-stacks", message).hint(hint);
                other.content = Err(vec![problem.at(Place::file(stack.source.as_str()))]);
            }
        }
    }
    *stacks = refused;
}

/// A stack may wait for one of another source, so only all sources together show what can never be had. What a
/// source that was not read in full would have brought along is waited for.
fn refuse_hopeless_waits(loaded: &mut Loaded) {
    let Loaded { stacks, sources_read, sources_configured, .. } = loaded;
    let known: BTreeSet<StackName> = stacks.iter().map(|stack| stack.name.clone()).collect();
    stack_waits::refuse_circles(stacks.iter_mut().map(|stack| &mut stack.content));
    if sources_read == sources_configured {
        stack_waits::refuse_unknown(stacks.iter_mut().map(|stack| &mut stack.content), &known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ambient;
    use crate::model::memory_tree::MemoryTree;
    use crate::model::sealed::Nobody;
    use crate::model::tree::SharedTree;
    use crate::model::{CommitId, HostName};

    /// The stacks of one source: their names, and what each waits for.
    fn source(name: &str, stacks: &[(&str, &str)]) -> Vec<LoadedStack> {
        let text = "sources: [{repo: https://git.lan/acme/infra.git}]";
        let ambient = Ambient { hostname: "web-1".into(), ..Ambient::default() };
        let config = Config::parse("config.yaml", text, &ambient).unwrap();
        let files: Vec<(String, String)> = stacks
            .iter()
            .map(|(stack, after)| {
                let text =
                    format!("services: {{web: {{image: a}}}}\nx-evenkeel: {{after: {after}}}");
                (format!("{stack}/compose.yaml"), text)
            })
            .collect();
        let tree = MemoryTree::new(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
        let revision = Revision {
            source: SourceName::new(name),
            commit: CommitId::new("c1"),
            tree: SharedTree(Arc::new(tree)),
            path: String::new(),
        };
        let server = ServerFiles::Offline { env: None };
        let (places, all) = (Places::default(), ["**".to_owned()]);
        let loaded =
            with_options(&revision, &config, &places, (&all, &[]), server, &Nobody, |options| {
                manifest::load(&revision, options)
            });
        let stacks = loaded.unwrap().stacks.into_iter().map(|stack| LoadedStack {
            name: stack.name,
            source: revision.source.clone(),
            commit: revision.commit.clone(),
            content: stack.result,
        });
        stacks.collect()
    }

    /// The codes of the problems of each stack, all sources together; `base` and `apps` are configured.
    fn codes(stacks: [Vec<LoadedStack>; 2], read: &[&str]) -> Vec<String> {
        let mut loaded = Loaded {
            host: HostName::new("web-1"),
            stacks: stacks.into_iter().flatten().collect(),
            sources_read: read.iter().map(|&name| SourceName::new(name)).collect(),
            sources_configured: ["base".into(), "apps".into()].into(),
        };
        refuse_hopeless_waits(&mut loaded);
        let code = |stack: &LoadedStack| match &stack.content {
            Ok(_) => format!("{}: sound", stack.name),
            Err(problems) => format!("{}: {}", stack.name, problems[0].code),
        };
        loaded.stacks.iter().map(code).collect()
    }

    #[test]
    fn a_stack_may_wait_for_one_of_another_source_but_not_in_a_circle() {
        let apps = || source("apps", &[("shop", "[dns]"), ("wiki", "[]")]);
        let sound = codes([source("base", &[("dns", "[]")]), apps()], &["base", "apps"]);
        assert_eq!(sound, ["dns: sound", "shop: sound", "wiki: sound"]);
        let circle = codes([source("base", &[("dns", "[shop]")]), apps()], &["base", "apps"]);
        assert_eq!(circle, ["dns: stack-cycle", "shop: stack-cycle", "wiki: sound"]);
    }

    #[test]
    fn an_unknown_stack_is_an_error_only_when_every_source_was_read() {
        let apps = || source("apps", &[("shop", "[dns]"), ("wiki", "[]")]);
        assert_eq!(codes([Vec::new(), apps()], &["apps"]), ["shop: sound", "wiki: sound"]);
        assert_eq!(
            codes([Vec::new(), apps()], &["base", "apps"]),
            ["shop: unknown-stack", "wiki: sound"]
        );
    }
}
