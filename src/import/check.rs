//! The result is read by evenkeel's own loader, with the server's files as they are proposed.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{Advice, File, ServerText, Weight};
use crate::manifest::interpolate::Unset;
use crate::manifest::{self, Limits, Options, RolloutDefaults, ServerFiles, StackOptions};
use crate::model::memory_tree::MemoryTree;
use crate::model::sealed::Nobody;
use crate::model::stack::Remark;
use crate::model::tree::{Revision, SharedTree};
use crate::model::{CommitId, Hidden, HostName, Problem, SourceName, StackName};

/// What the loader says.
pub struct Checked {
    /// Why the result cannot be used.
    pub problems: Vec<Problem>,
    /// What it remarks.
    pub remarks: Vec<Advice>,
}

/// Loads the manifests.
pub fn check(
    stack: &StackName,
    manifests: &[File],
    server: &[ServerText],
    host: &HostName,
) -> Checked {
    let tree =
        MemoryTree::new(manifests.iter().map(|file| (file.name.as_str(), file.text.as_str())));
    let held: BTreeMap<String, Hidden> =
        server.iter().map(|file| (file.path.clone(), file.content.clone())).collect();
    let mut checked = Checked { problems: Vec::new(), remarks: Vec::new() };
    let loaded = match load(&tree, ServerFiles::Held(held), host) {
        Ok(loaded) => loaded,
        Err(problem) => {
            checked.problems.push(*problem);
            return checked;
        }
    };
    checked.problems = loaded.problems;
    for loaded in loaded.stacks {
        match loaded.result {
            Ok(found) => checked.remarks.extend(found.remarks.into_iter().map(advice)),
            Err(problems) => checked.problems.extend(problems),
        }
        debug_assert_eq!(loaded.name, *stack, "the result is called as it was decided");
    }
    checked
}

fn load(
    tree: &MemoryTree,
    server: ServerFiles,
    host: &HostName,
) -> Result<manifest::Loaded, Box<Problem>> {
    let bug = |error| Box::new(Problem::new("bug", format!("{error}")));
    let (include, exclude) =
        (manifest::globs(&["**"]).map_err(bug)?, manifest::globs::<&str>(&[]).map_err(bug)?);
    // Every profile: what is inactive today is to be right too.
    let per_stack =
        |_: &StackName| StackOptions { profiles: vec!["*".to_owned()], ..StackOptions::default() };
    let revision = Revision {
        source: SourceName::new("import"),
        commit: CommitId::new("0".repeat(40)),
        tree: SharedTree(Arc::new(tree.clone())),
        path: String::new(),
    };
    let options = Options {
        host,
        env_dir: Path::new("/etc/evenkeel/env"),
        credentials_dir: None,
        data_dir: Path::new("/var/lib/evenkeel/data"),
        state_dir: Path::new("/var/lib/evenkeel/state"),
        home: None,
        server,
        opener: &Nobody,
        defaults: RolloutDefaults::default(),
        unset: Unset::Blank,
        limits: Limits::default(),
        policy: None,
        per_stack: &per_stack,
        include: &include,
        exclude: &exclude,
    };
    Ok(manifest::load(&revision, &options))
}

fn advice(remark: Remark) -> Advice {
    let Remark { place, service, text } = remark;
    let unset = text.strip_prefix("variable `").and_then(|rest| rest.split_once('`'));
    let (weight, next) = match unset {
        Some((name, _)) => {
            let next = format!(
                "set {name} in the stack's file on the server, or write a default: ${{{name}:-…}}"
            );
            (Weight::Server, Some(next))
        }
        None if text.contains("has to be on the server") => (Weight::Server, None),
        None => (Weight::Worth, None),
    };
    Advice { weight, place, service, text, next }
}
