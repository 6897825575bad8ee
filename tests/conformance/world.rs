//! Whole loads: a repository with one stack, and a server that sets nothing.

use std::path::Path;
use std::sync::Arc;

use evenkeel::manifest::interpolate::Unset;
use evenkeel::manifest::{
    Limits, Loaded, Options, RolloutDefaults, ServerFiles, Show, StackOptions, Which, globs, load,
    load_canonical,
};
use evenkeel::model::tree::{Revision, SharedTree};
use evenkeel::model::{CommitId, HostName, MemoryTree, Problem, SourceName, Stack};
use serde_json::Value as Json;

/// The only stack of `tree`, or all that is wrong with it. As in Compose, an unset variable is nothing.
pub fn loaded(tree: MemoryTree, profiles: &[String]) -> Result<Stack, Vec<Problem>> {
    only(with("records", tree, profiles, load))
}

/// The canonical form of the stack whose `compose.yaml` lies at the top of the repository, which is at `root`
/// on the disk.
pub fn canonical(
    repository: &str,
    tree: MemoryTree,
    profiles: &[String],
    root: &Path,
) -> Result<Json, Vec<Problem>> {
    let which = Which::Files(vec!["compose.yaml".to_owned()]);
    let stack = only(with(repository, tree, profiles, |revision, options| {
        load_canonical(revision, options, root, &which)
    }))?;
    Ok(stack.document(Show { values: true, extensions: false }))
}

fn only<T>(mut loaded: Loaded<T>) -> Result<T, Vec<Problem>> {
    match loaded.stacks.pop() {
        Some(stack) if loaded.stacks.is_empty() && loaded.problems.is_empty() => stack.result,
        _ => Err(loaded.problems),
    }
}

fn with<T>(
    repository: &str,
    tree: MemoryTree,
    profiles: &[String],
    read: impl FnOnce(&Revision, &Options<'_>) -> T,
) -> T {
    let revision = Revision {
        source: SourceName::new(repository),
        commit: CommitId::new("0123456789abcdef0123456789abcdef01234567"),
        tree: SharedTree(Arc::new(tree)),
        path: String::new(),
    };
    let per_stack = |_: &_| StackOptions { profiles: profiles.to_vec(), ..StackOptions::default() };
    let options = Options {
        host: &HostName::new("host"),
        credentials_dir: None,
        env_dir: Path::new("/nonexistent/env"),
        data_dir: Path::new("/data"),
        state_dir: Path::new("/state"),
        home: None,
        server: ServerFiles::Disk,
        opener: &evenkeel::model::sealed::Nobody,
        defaults: RolloutDefaults::default(),
        unset: Unset::Blank,
        limits: Limits::default(),
        policy: None,
        per_stack: &per_stack,
        include: &globs(&["**"]).unwrap(),
        exclude: &globs::<&str>(&[]).unwrap(),
    };
    read(&revision, &options)
}

/// Problems, a line each.
pub fn told(problems: &[Problem]) -> String {
    let told = |problem: &Problem| {
        let path = problem.path.as_deref().unwrap_or_default();
        format!("    {} {path}: {}", problem.code, problem.message)
    };
    problems.iter().map(told).collect::<Vec<_>>().join("\n")
}
