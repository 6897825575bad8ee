//! A server whose only env file holds the variables of a case, and what it makes of the stack.

use std::path::Path;
use std::sync::Arc;

use evenkeel::manifest::interpolate::Unset;
use evenkeel::manifest::{
    Limits, Loaded, Options, RolloutDefaults, ServerFiles, Show, StackOptions, Which, globs, load,
    load_canonical,
};
use evenkeel::model::tree::{Revision, SharedTree};
use evenkeel::model::{CommitId, HostName, Problem, SourceName, Stack};
use serde_json::Value as Json;

use super::case::Case;

/// The home of whoever ran Compose.
const HOME: &str = "/nonexistent";

/// The stack of `case`, as it would run.
pub fn loaded(case: &Case) -> Result<Stack, Vec<Problem>> {
    only(with(case, load))
}

/// The canonical form of the stack.
pub fn canonical(case: &Case) -> Result<Json, Vec<Problem>> {
    let which = Which::Files(case.files.clone());
    let stack = only(with(case, |revision, options| {
        load_canonical(revision, options, &case.root, &which)
    }))?;
    Ok(stack.document(Show { values: true, extensions: false }))
}

fn only<T>(mut loaded: Loaded<T>) -> Result<T, Vec<Problem>> {
    match loaded.stacks.pop() {
        Some(stack) if loaded.stacks.is_empty() && loaded.problems.is_empty() => stack.result,
        _ => Err(loaded.problems),
    }
}

fn with<T>(case: &Case, read: impl FnOnce(&Revision, &Options<'_>) -> T) -> T {
    let env_dir = tempfile::tempdir().unwrap();
    // Not the stack's own file, which would be its `env_file: .env` too.
    std::fs::write(env_dir.path().join("common.env"), &case.variables).unwrap();
    let revision = Revision {
        source: SourceName::new(case.repository.as_str()),
        commit: CommitId::new("0123456789abcdef0123456789abcdef01234567"),
        tree: SharedTree(Arc::new(case.tree.clone())),
        path: String::new(),
    };
    let options = Options {
        host: &HostName::new("host"),
        env_dir: env_dir.path(),
        data_dir: Path::new("/data"),
        state_dir: Path::new("/state"),
        credentials_dir: None,
        home: Some(Path::new(HOME)),
        server: ServerFiles::Disk,
        opener: &evenkeel::model::sealed::Nobody,
        defaults: RolloutDefaults::default(),
        unset: Unset::Blank,
        limits: Limits::default(),
        policy: None,
        per_stack: &|_| StackOptions::default(),
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
