//! A named manifest becomes a stack: the server's values are put in, the files merged, and all of it read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::findings::Findings;
use super::interpolate::{self, Unset};
use super::node::Node;
use super::options::{Options, StackOptions};
use super::scene::{Scene, Traces};
use super::server::Server;
use super::variables::Variables;
use super::written::{Manifest, git_env, merge_all};
use super::{project, repository};
use crate::model::stack::{Remark, Stack};
use crate::model::tree::Revision;
use crate::model::{Problem, StackName};

/// Understands the stack that `manifest` describes. May block on the disk.
///
/// # Errors
/// Everything that is wrong with it.
pub fn understand(
    manifest: &Manifest,
    revision: &Revision,
    options: &Options<'_>,
) -> Result<Stack, Vec<Problem>> {
    let settings = (options.per_stack)(&manifest.name);
    let server = Server::new(&manifest.name, options);
    let mut problems = Vec::new();
    let mut variables = Variables::default();
    variables.add_server(&server, &mut problems);
    let mut scene = Scene {
        options,
        revision,
        stack: &manifest.name,
        directory: &manifest.candidate.directory,
        working_dir: working_dir(&manifest.name, &settings, options),
        server,
        variables,
        profiles: settings.profiles.clone(),
        networks: Default::default(),
        volumes: Default::default(),
        secrets: Default::default(),
        configs: Default::default(),
        written: manifest.written.clone(),
        traces: Default::default(),
    };
    scene.traces = kept(&manifest.bytes).into();
    add_git_variables(&mut scene, &mut problems);
    let mut findings = Findings::new(manifest.texts.clone());
    manifest.flaws.iter().for_each(|problem| findings.problem(problem.clone()));
    scene.variables.overlaps().into_iter().for_each(|remark| findings.remark(remark));
    let tree = interpolated(manifest, &scene, &settings, &mut findings, &mut problems);
    problems.into_iter().for_each(|problem| findings.problem(problem));
    let Some(tree) = tree else { return Err(findings.into_parts(&scene.masks()).0) };
    project::read(&tree, findings, scene, manifest.candidate.files.clone())
}

fn kept(bytes: &BTreeMap<String, Vec<u8>>) -> Traces {
    let mut traces = Traces::default();
    traces.record.manifest.clone_from(bytes);
    traces
}

fn working_dir(name: &StackName, settings: &StackOptions, options: &Options<'_>) -> PathBuf {
    settings.dir.clone().unwrap_or_else(|| options.data_dir.join(name.as_str()))
}

/// The stack's `.env` in git, and what is built in.
fn add_git_variables(scene: &mut Scene<'_>, problems: &mut Vec<Problem>) {
    let file = repository::join(scene.directory, ".env").unwrap_or_default();
    match git_env(&file, scene.revision, scene.options) {
        Ok(Some(bytes)) => {
            scene.keep(&file, &bytes);
            scene.variables.add_git(&file, &bytes, problems);
        }
        Ok(None) => {}
        Err(problem) => problems.push(*problem),
    }
    scene.variables.add_built_in(Some(scene.stack), scene.options.host, scene.revision);
}

/// Every document with its variables replaced, then merged.
fn interpolated(
    manifest: &Manifest,
    scene: &Scene<'_>,
    settings: &StackOptions,
    findings: &mut Findings,
    problems: &mut Vec<Problem>,
) -> Option<Node> {
    // Without the server nobody knows what is set there; the remark says what has to be.
    let unset = match scene.server.is_offline() {
        true => Unset::Blank,
        false => settings.unset.unwrap_or(scene.options.unset),
    };
    let mut remarks = Vec::new();
    let mut found = Vec::new();
    let replace = |tree: &Node| {
        let tree = tree.clone();
        let texts = &manifest.texts;
        interpolate::interpolate(tree, &scene.variables, unset, texts, &mut found, &mut remarks)
    };
    let trees: Vec<Node> = manifest.trees.iter().map(replace).collect();
    tell(found, remarks, scene, findings, problems);
    merge_all(&trees, problems)
}

/// Sorts what interpolation found into problems and remarks. What a missing variable made of a value is
/// no further problem.
fn tell(
    found: Vec<Problem>,
    mut remarks: Vec<Problem>,
    scene: &Scene<'_>,
    findings: &mut Findings,
    problems: &mut Vec<Problem>,
) {
    // Where a file with values could not be read, that is the problem, and not what would be in it.
    let unread = !problems.is_empty();
    let mut unknown = Vec::new();
    for problem in found {
        unknown.extend(problem.path.clone());
        if problem.code != MISSING_VARIABLE {
            problems.push(problem);
        } else if scene.server.is_offline() {
            remarks.push(problem);
        } else if !unread {
            problems.push(explained(problem, scene));
        }
    }
    for remark in remarks {
        if scene.server.is_offline() {
            unknown.extend(remark.path);
        }
        findings.remark(Remark { place: remark.place, service: None, text: remark.message });
    }
    std::mem::take(problems).into_iter().for_each(|problem| findings.problem(problem));
    unknown.into_iter().for_each(|path| findings.excuse(path));
}

/// The code of a variable that has to be set and is not.
const MISSING_VARIABLE: &str = "missing-variable";

/// A missing variable, with who wants it, where it was looked for, and where to set it.
fn explained(mut problem: Problem, scene: &Scene<'_>) -> Problem {
    let service = problem.path.as_deref().and_then(service_of).map(str::to_owned);
    if let Some(service) = service {
        problem.message = format!("service `{service}`: {}", problem.message);
    }
    let [own, common] = scene.server.env_files();
    let git = repository::join(scene.directory, ".env").unwrap_or_default();
    let looked = format!("looked in {}, {} and {git}", own.display(), common.display());
    let (set, or) = match problem.hint.take() {
        Some(hint) => match hint.split_once(',') {
            Some((set, or)) => (set.to_owned(), format!(", {}", or.trim_start())),
            None => (hint, String::new()),
        },
        None => ("set it".to_owned(), String::new()),
    };
    problem.note(looked).hint(format!("{set} in {}{or}", own.display()))
}

fn service_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("services.")?;
    rest.split(['.', '[']).next()
}
