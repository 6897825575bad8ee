//! A named manifest becomes a stack: the server's values are put in, the files merged, and all of it read.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::assemble::{Assembled, Surroundings, assemble};
use super::files::Files;
use super::findings::Findings;
use super::interpolate::Unset;
use super::node::{Node, Value};
use super::options::{Options, StackOptions};
use super::scene::{Scene, Traces};
use super::server::Server;
use super::variables::Variables;
use super::written::Manifest;
use super::{project, repository};
use crate::model::stack::{Remark, Stack};
use crate::model::tree::Revision;
use crate::model::{Place, Problem, StackName};
use crate::policy::Judged;

/// Understands the stack that `manifest` describes. May block on the disk.
///
/// # Errors
/// Everything that is wrong with it.
pub fn understand(
    manifest: Manifest,
    revision: &Revision,
    options: &Options<'_>,
    services_left: &mut usize,
) -> Result<Stack, Vec<Problem>> {
    with_prepared(manifest, revision, options, services_left, |prepared| {
        let Prepared { tree, findings, scene, files } = prepared;
        project::read(&tree, findings, scene, files)
    })
}

/// What the operator's rules make of the stack that `manifest` describes. May block on the disk.
///
/// # Errors
/// Everything that is wrong with it, whatever the rules say.
pub fn judge(
    manifest: Manifest,
    revision: &Revision,
    options: &Options<'_>,
    services_left: &mut usize,
) -> Result<Judged, Vec<Problem>> {
    with_prepared(manifest, revision, options, services_left, |prepared| {
        let Prepared { tree, findings, scene, files } = prepared;
        Ok(project::judge(&tree, findings, scene, files)?.judged)
    })
}

/// A stack of which nothing is understood yet but what its variables stand for.
pub struct Prepared<'a> {
    /// Its files, put together.
    pub tree: Node,
    /// What was found so far.
    pub findings: Findings,
    /// Where it is read.
    pub scene: Scene<'a>,
    /// Its files, in the order they are merged.
    pub files: Vec<String>,
}

/// Puts the server's values into the files of `manifest` and puts these together; `read` makes sense of
/// them. May block on the disk.
///
/// # Errors
/// The files cannot be put together; and those of `read`.
pub fn with_prepared<T>(
    manifest: Manifest,
    revision: &Revision,
    options: &Options<'_>,
    services_left: &mut usize,
    read: impl FnOnce(Prepared<'_>) -> Result<T, Vec<Problem>>,
) -> Result<T, Vec<Problem>> {
    let Manifest { candidate, name, mut files, documents, .. } = manifest;
    let settings = (options.per_stack)(&name);
    let server = Server::new(&name, options);
    let mut problems = Vec::new();
    let around = Surroundings {
        options,
        revision,
        server: &server,
        directory: &candidate.directory,
        unset: unset(&server, &settings, options),
    };
    let variables = variables(&name, &mut files, &around, &mut problems);
    let assembled = assemble(documents, &mut files, &variables, &around);
    let scene = Scene {
        options,
        revision,
        stack: &name,
        directory: &candidate.directory,
        working_dir: working_dir(&name, &settings, options),
        is_taken_over: settings.dir.is_none() && settings.taken_over.is_some(),
        server: &server,
        variables,
        included: assembled.included.clone(),
        profiles: settings.profiles,
        networks: Default::default(),
        volumes: Default::default(),
        secrets: Default::default(),
        configs: Default::default(),
        traces: kept(files.bytes).into(),
    };
    let mut findings = Findings::new(files.texts);
    files.flaws.into_iter().for_each(|problem| findings.problem(problem));
    let tree = tell(assembled, problems, &scene, &mut findings);
    let Some(tree) = tree else { return Err(findings.into_parts(&scene.masks()).0) };
    check_count(&tree, services_left, options, &findings);
    let files = candidate.files.clone();
    read(Prepared { tree, findings, scene, files })
}

fn kept(bytes: BTreeMap<String, Vec<u8>>) -> Traces {
    let mut traces = Traces::default();
    traces.record.manifest = bytes;
    traces
}

/// What a variable is that nothing sets. Without the server nobody knows what is set there; a remark then
/// says what has to be.
fn unset(server: &Server, settings: &StackOptions, options: &Options<'_>) -> Unset {
    match server.is_offline() {
        true => Unset::Blank,
        false => settings.unset.unwrap_or(options.unset),
    }
}

fn working_dir(name: &StackName, settings: &StackOptions, options: &Options<'_>) -> PathBuf {
    let known = settings.dir.clone().or_else(|| settings.taken_over.clone());
    known.unwrap_or_else(|| options.data_dir.join(name.as_str()))
}

/// The stack's own env files in git; the first one that has a name wins.
pub const GIT_ENV: [&str; 3] = [".env.age", ".sops.env", ".env"];

/// The server's values, the stack's `.env` in git, and what is built in.
fn variables(
    stack: &StackName,
    files: &mut Files,
    around: &Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> Variables {
    let mut variables = Variables::default();
    variables.add_server(around.server, problems);
    for name in GIT_ENV {
        let path = repository::join(around.directory, name).unwrap_or_default();
        match files.env(&path, around.revision, around.options) {
            Ok(Some(bytes)) => {
                variables.add_repository_file(&path, bytes, around.options, problems);
            }
            Ok(None) => {}
            Err(problem) => problems.push(*problem),
        }
    }
    variables.add_built_in(Some(stack), around.options.host, around.revision);
    variables
}

/// Sorts what putting the files together found into problems and remarks. What a missing variable made of
/// a value is no further problem.
fn tell(
    assembled: Assembled,
    problems: Vec<Problem>,
    scene: &Scene<'_>,
    findings: &mut Findings,
) -> Option<Node> {
    // Where a file with values could not be read, that is the problem, and not what would be in it.
    let unread = !problems.is_empty();
    scene.remarks().into_iter().for_each(|remark| findings.remark(remark));
    for (place, text) in assembled.remarks {
        findings.remark(Remark { place: Some(place), service: None, text });
    }
    problems.into_iter().chain(assembled.problems).for_each(|problem| findings.problem(problem));
    let mut blanks = assembled.blanks;
    let mut unknown = Vec::new();
    for problem in assembled.variables {
        unknown.push((problem.path.clone(), problem.place.clone()));
        if problem.code != MISSING_VARIABLE {
            findings.problem(problem);
        } else if scene.server.is_offline() {
            blanks.push(problem);
        } else if !unread {
            findings.problem(explained(problem, scene));
        }
    }
    for blank in blanks {
        if scene.server.is_offline() {
            unknown.push((blank.path, blank.place.clone()));
        }
        findings.remark(Remark { place: blank.place, service: None, text: blank.message });
    }
    unknown.into_iter().for_each(|(path, place)| findings.excuse(path, place));
    assembled.tree
}

/// Counts the services, those of included files among them.
fn check_count(tree: &Node, left: &mut usize, options: &Options<'_>, findings: &Findings) {
    let count = match tree.get("services").map(|services| &services.value) {
        Some(Value::Mapping(services)) => services.len(),
        Some(Value::Null | Value::Scalar(_) | Value::Sequence(_)) | None => 0,
    };
    match left.checked_sub(count) {
        Some(rest) => *left = rest,
        None => {
            *left = 0;
            findings.problem(too_many(&tree.place, options));
        }
    }
}

/// A source with more services than it may have.
pub fn too_many(place: &Place, options: &Options<'_>) -> Problem {
    let limit = options.limits.services;
    Problem::new("too-many-services", format!("the source has more than {limit} services"))
        .at(place.clone())
        .hint("raise `limits.services` if there have to be so many")
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
