//! Whole loads: a repository with one stack, and a server that sets nothing.

use std::path::Path;
use std::sync::Arc;

use evenkeel::manifest::interpolate::Unset;
use evenkeel::manifest::{
    Limits, Options, RolloutDefaults, ServerFiles, StackOptions, globs, load,
};
use evenkeel::model::tree::{Revision, SharedTree};
use evenkeel::model::{CommitId, HostName, MemoryTree, Problem, SourceName, Stack};

/// The only stack of `tree`, or all that is wrong with it. As in Compose, an unset variable is nothing.
pub fn loaded(tree: MemoryTree, profiles: &[String]) -> Result<Stack, Vec<Problem>> {
    let revision = Revision {
        source: SourceName::new("records"),
        commit: CommitId::new("0123456789abcdef0123456789abcdef01234567"),
        tree: SharedTree(Arc::new(tree)),
        path: String::new(),
    };
    let all = globs(&["**"]).unwrap();
    let none = globs::<&str>(&[]).unwrap();
    let per_stack = |_: &_| StackOptions { profiles: profiles.to_vec(), ..StackOptions::default() };
    let mut loaded = load(
        &revision,
        &Options {
            host: &HostName::new("host"),
            credentials_dir: None,
            env_dir: Path::new("/nonexistent/env"),
            data_dir: Path::new("/data"),
            state_dir: Path::new("/state"),
            home: None,
            server: ServerFiles::Disk,
            defaults: RolloutDefaults::default(),
            unset: Unset::Blank,
            limits: Limits::default(),
            per_stack: &per_stack,
            include: &all,
            exclude: &none,
        },
    );
    match loaded.stacks.pop() {
        Some(stack) if loaded.stacks.is_empty() && loaded.problems.is_empty() => stack.result,
        _ => Err(loaded.problems),
    }
}

/// Problems, a line each.
pub fn told(problems: &[Problem]) -> String {
    let told = |problem: &Problem| {
        let path = problem.path.as_deref().unwrap_or_default();
        format!("    {} {path}: {}", problem.code, problem.message)
    };
    problems.iter().map(told).collect::<Vec<_>>().join("\n")
}
