//! A revision becomes stacks: found, read, named, merged, interpolated, understood.

use std::collections::BTreeMap;

use super::discover::{self, Candidate, unreadable};
use super::excerpt::SourceTexts;
use super::interpolate::{self, Unset};
use super::node::{Node, Value};
use super::options::{Options, StackOptions};
use super::read::Findings;
use super::repository::{self, Found};
use super::scene::{Scene, Traces};
use super::server::Server;
use super::variables::Variables;
use super::{merge, names, project, yaml};
use crate::model::stack::{Remark, Stack};
use crate::model::tree::{Revision, Tree};
use crate::model::{Place, Problem, StackName};

/// What a revision holds for this host.
#[derive(Debug)]
pub struct Loaded {
    /// Its stacks, sorted by directory; those meant for other hosts are not among them.
    pub stacks: Vec<LoadedStack>,
    /// What is wrong with the source as a whole.
    pub problems: Vec<Problem>,
    /// Whether every stack could be told by its name. Where not, nothing of this source may be removed:
    /// what seems gone may be what could not be read.
    pub complete: bool,
}

/// One stack, or what is wrong with it.
#[derive(Debug)]
pub struct LoadedStack {
    /// Its name; of one that could not be read, as good as it can be told.
    pub name: StackName,
    /// Its directory in the repository.
    pub directory: String,
    /// Its files, in the order they are merged.
    pub files: Vec<String>,
    /// The stack, or all that is wrong with it.
    pub result: Result<Stack, Vec<Problem>>,
}

/// Reads every stack of `revision` that is meant for this host. May block on the disk.
pub fn load(revision: &Revision, options: &Options<'_>) -> Loaded {
    let candidates = match discover::candidates(revision, options) {
        Ok(candidates) => candidates,
        Err(problem) => {
            return Loaded { stacks: Vec::new(), problems: vec![*problem], complete: false };
        }
    };
    let mut loaded = Loaded { stacks: Vec::new(), problems: Vec::new(), complete: true };
    let (mut named, mut unnamed) = (Vec::new(), Vec::new());
    for candidate in candidates {
        match Manifest::read(candidate, revision, options) {
            Ok(manifest) if manifest.is_for(options) => named.push(manifest),
            Ok(_) => {}
            Err(failed) => unnamed.push(*failed),
        }
    }
    let owners = owners(&named);
    let mut services = 0;
    for manifest in named {
        services += manifest.service_count();
        let stack = match owners.get(&manifest.name) {
            Some(files) if files.len() > 1 => {
                let problem = two_of_a_name(&manifest.name, files);
                manifest.refused(problem)
            }
            Some(_) | None if services > options.limits.services => {
                manifest.refused(too_many(options.limits.services))
            }
            Some(_) | None => manifest.understand(revision, options),
        };
        loaded.stacks.push(stack);
    }
    unnamed.into_iter().for_each(|unnamed| loaded.add_unnamed(unnamed));
    loaded.stacks.sort_by(|a, b| a.directory.cmp(&b.directory));
    loaded
}

impl Loaded {
    /// A stack that could not be read far enough to know its name.
    fn add_unnamed(&mut self, unnamed: Unnamed) {
        self.complete = false;
        let guess =
            unnamed.guess.filter(|name| self.stacks.iter().all(|stack| stack.name != *name));
        match guess {
            Some(name) => self.stacks.push(LoadedStack {
                name,
                directory: unnamed.candidate.directory,
                files: unnamed.candidate.files,
                result: Err(unnamed.problems),
            }),
            None => self.problems.extend(unnamed.problems),
        }
    }
}

fn owners(manifests: &[Manifest]) -> BTreeMap<StackName, Vec<String>> {
    let mut owners: BTreeMap<StackName, Vec<String>> = BTreeMap::new();
    for manifest in manifests {
        let file = manifest.candidate.files.first().cloned().unwrap_or_default();
        owners.entry(manifest.name.clone()).or_default().push(file);
    }
    owners
}

fn two_of_a_name(name: &StackName, files: &[String]) -> Problem {
    let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
    Problem::new("two-stacks", format!("the name `{name}` is taken twice: {}", files.join(" and ")))
        .hint("give one of them another `name:`; its volumes and networks are called by it")
}

fn too_many(limit: usize) -> Problem {
    Problem::new("too-many-services", format!("the source has more than {limit} services"))
        .hint("raise `limits.services` if there have to be so many")
}

/// A stack that could not be read far enough to know its name.
struct Unnamed {
    candidate: Candidate,
    guess: Option<StackName>,
    problems: Vec<Problem>,
}

/// The files of one stack, parsed, and its name.
struct Manifest {
    candidate: Candidate,
    name: StackName,
    texts: SourceTexts,
    bytes: BTreeMap<String, Vec<u8>>,
    /// Every document of every file, in the order they are merged, before interpolation.
    trees: Vec<Node>,
    /// All of them merged, before interpolation.
    written: Node,
}

impl Manifest {
    fn read(
        candidate: Candidate,
        revision: &Revision,
        options: &Options<'_>,
    ) -> Result<Self, Box<Unnamed>> {
        let guess = name_of_directory(&candidate.directory);
        let mut reading = Reading::default();
        for file in &candidate.files {
            reading.add(file, revision, options);
        }
        let written = merge_all(&reading.trees, &mut reading.problems);
        let unnamed =
            |candidate, problems| Box::new(Unnamed { candidate, guess: guess.clone(), problems });
        let (Some(written), true) = (written, reading.problems.is_empty()) else {
            return Err(unnamed(candidate, reading.problems));
        };
        match written_name(&written, &candidate, revision, options) {
            Ok(name) => {
                let Reading { texts, bytes, trees, .. } = reading;
                Ok(Self { candidate, name, texts, bytes, trees, written })
            }
            Err(problem) => Err(unnamed(candidate, vec![*problem])),
        }
    }

    fn is_for(&self, options: &Options<'_>) -> bool {
        project::evenkeel::is_for(&self.written, options.host)
    }

    fn service_count(&self) -> usize {
        match self.written.get("services").map(|services| &services.value) {
            Some(Value::Mapping(services)) => services.len(),
            Some(Value::Null | Value::Scalar(_) | Value::Sequence(_)) | None => 0,
        }
    }

    fn refused(self, problem: Problem) -> LoadedStack {
        let place = Place::file(self.candidate.files.first().cloned().unwrap_or_default());
        LoadedStack {
            name: self.name,
            directory: self.candidate.directory,
            files: self.candidate.files,
            result: Err(vec![problem.at(place)]),
        }
    }

    fn understand(self, revision: &Revision, options: &Options<'_>) -> LoadedStack {
        let (name, candidate) = (self.name.clone(), self.candidate.clone());
        let result = self.stack(revision, options);
        LoadedStack { name, directory: candidate.directory, files: candidate.files, result }
    }

    fn stack(self, revision: &Revision, options: &Options<'_>) -> Result<Stack, Vec<Problem>> {
        let settings = (options.per_stack)(&self.name);
        let server = Server::new(&self.name, options);
        let mut problems = Vec::new();
        let mut variables = Variables::default();
        variables.add_server(&server, &mut problems);
        let mut scene = Scene {
            options,
            revision,
            stack: &self.name,
            directory: &self.candidate.directory,
            working_dir: working_dir(&self.name, &settings, options),
            server,
            variables,
            profiles: settings.profiles.clone(),
            networks: Default::default(),
            volumes: Default::default(),
            secrets: Default::default(),
            configs: Default::default(),
            written: self.written.clone(),
            traces: Default::default(),
        };
        scene.traces = kept(&self.bytes).into();
        add_git_variables(&mut scene, &mut problems);
        let mut findings = Findings::new(self.texts.clone());
        scene.variables.overlaps().into_iter().for_each(|remark| findings.remark(remark));
        let tree = interpolated(&self, &scene, &settings, &mut findings, &mut problems);
        problems.into_iter().for_each(|problem| findings.problem(problem));
        let Some(tree) = tree else { return Err(findings.into_parts(&scene.masks()).0) };
        project::read(&tree, findings, scene, self.candidate.files.clone())
    }
}

fn kept(bytes: &BTreeMap<String, Vec<u8>>) -> Traces {
    let mut traces = Traces::default();
    traces.record.manifest.clone_from(bytes);
    traces
}

fn working_dir(
    name: &StackName,
    settings: &StackOptions,
    options: &Options<'_>,
) -> std::path::PathBuf {
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

fn git_env(
    file: &str,
    revision: &Revision,
    options: &Options<'_>,
) -> Result<Option<Vec<u8>>, Box<Problem>> {
    let tree = &*revision.tree;
    match repository::look(tree, file).map_err(|error| unreadable(&error))? {
        Found::Nothing | Found::Directory => Ok(None),
        Found::File => Ok(read_limited(tree, file, options)?),
        Found::Obstacle { path, what } => Err(Box::new(link(&path, what))),
    }
}

fn read_limited(
    tree: &dyn Tree,
    file: &str,
    options: &Options<'_>,
) -> Result<Option<Vec<u8>>, Box<Problem>> {
    tree.read(file, options.limits.file_bytes).map_err(|error| Box::new(unreadable(&error)))
}

fn link(path: &str, what: &str) -> Problem {
    Problem::new("wrong-path", format!("`{path}` is {what}, which is not followed"))
        .at(Place::file(path))
        .hint("put the file itself there")
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
    for problem in found {
        match problem.code == MISSING_VARIABLE {
            true if scene.server.is_offline() => remarks.push(problem),
            true => problems.push(explained(problem, scene)),
            false => problems.push(problem),
        }
    }
    for remark in remarks {
        if let (true, Some(path)) = (scene.server.is_offline(), remark.path) {
            findings.excuse(path);
        }
        findings.remark(Remark { place: remark.place, service: None, text: remark.message });
    }
    merge_all(&trees, problems)
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

/// What reading the files of one stack came to.
#[derive(Default)]
struct Reading {
    texts: SourceTexts,
    bytes: BTreeMap<String, Vec<u8>>,
    trees: Vec<Node>,
    problems: Vec<Problem>,
}

impl Reading {
    fn add(&mut self, file: &str, revision: &Revision, options: &Options<'_>) {
        match self.parse(file, revision, options) {
            Ok(mut trees) => self.trees.append(&mut trees),
            Err(mut problems) => self.problems.append(&mut problems),
        }
    }

    fn parse(
        &mut self,
        file: &str,
        revision: &Revision,
        options: &Options<'_>,
    ) -> Result<Vec<Node>, Vec<Problem>> {
        let tree = &*revision.tree;
        let found = repository::look(tree, file).map_err(|error| vec![unreadable(&error)])?;
        if let Found::Obstacle { path, what } = found {
            return Err(vec![link(&path, what)]);
        }
        let bytes = read_limited(tree, file, options).map_err(|problem| vec![*problem])?;
        let bytes = bytes.unwrap_or_default();
        self.texts.add(file, &String::from_utf8_lossy(&bytes));
        let limit = usize::try_from(options.limits.file_bytes).unwrap_or(usize::MAX);
        let limits = yaml::Limits { bytes: limit, ..yaml::Limits::default() };
        let trees = yaml::parse(file, &bytes, &limits)?;
        self.bytes.insert(file.to_owned(), bytes);
        match trees.iter().any(|tree| !matches!(tree.value, Value::Null)) {
            true => only_mappings(trees),
            false => Err(vec![empty(file)]),
        }
    }
}

fn only_mappings(mut trees: Vec<Node>) -> Result<Vec<Node>, Vec<Problem>> {
    trees.retain(|tree| !matches!(tree.value, Value::Null));
    let other = trees.iter().find(|tree| !matches!(tree.value, Value::Mapping(_)));
    match other {
        Some(tree) => {
            let message = format!("expected a mapping with `services`, found {}", tree.kind());
            Err(vec![Problem::new("wrong-type", message).at(tree.place.clone())])
        }
        None => Ok(trees),
    }
}

fn empty(file: &str) -> Problem {
    Problem::new("empty-manifest", format!("`{file}` is empty"))
        .at(Place::file(file))
        .hint("write `services:` into it; a stack is removed by removing its directory")
}

fn merge_all(trees: &[Node], problems: &mut Vec<Problem>) -> Option<Node> {
    let (first, rest) = trees.split_first()?;
    let merged = rest.iter().try_fold(first.clone(), |base, over| merge::merge(base, over.clone()));
    match merged.and_then(merge::settle) {
        Ok(merged) => Some(merged),
        Err(mut why) => {
            problems.append(&mut why);
            None
        }
    }
}

fn name_of_directory(directory: &str) -> Option<StackName> {
    let name = names::normalise_project(directory.rsplit('/').next().unwrap_or_default());
    (!name.is_empty()).then(|| StackName::new(name))
}

/// `name:`, else the directory's name.
///
/// The stack's own server file cannot say what the stack is called, since it is found by that name.
fn written_name(
    tree: &Node,
    candidate: &Candidate,
    revision: &Revision,
    options: &Options<'_>,
) -> Result<StackName, Box<Problem>> {
    let file = candidate.files.first().cloned().unwrap_or_default();
    let Some(node) = tree.get("name").filter(|node| !matches!(node.value, Value::Null)) else {
        return name_of_directory(&candidate.directory).ok_or_else(|| Box::new(unnamed(&file)));
    };
    let trouble = |why: String| Problem::new("wrong-name", why).at(node.place.clone()).path("name");
    let Value::Scalar(scalar) = &node.value else {
        return Err(Box::new(trouble(format!("expected a name, found {}", node.kind()))));
    };
    let mut variables = Variables::default();
    let env = repository::join(&candidate.directory, ".env").unwrap_or_default();
    if let Some(bytes) = git_env(&env, revision, options)? {
        variables.add_git(&env, &bytes, &mut Vec::new());
    }
    variables.add_built_in(None, options.host, revision);
    let expanded = interpolate::expand(&scalar.text, &variables).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        trouble(errors.join("; "))
    })?;
    if let Some(name) = expanded.unset.first() {
        let problem = trouble(format!("the stack's name uses `{name}`, which is not set"));
        return Err(Box::new(
            problem.note(format!("only {env} and EVENKEEL_… can be used in a name")),
        ));
    }
    let name = expanded.text.reveal();
    names::check_project(name).map_err(|why| Box::new(trouble(why)))?;
    Ok(StackName::new(name))
}

fn unnamed(file: &str) -> Problem {
    Problem::new("unnamed-stack", "this stack has no name: it lies at the root of the repository")
        .at(Place::file(file))
        .hint("write `name:` at the top of the file")
}
