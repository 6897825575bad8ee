//! The files of one stack, read, parsed and named; nothing in them is understood yet.

use std::collections::BTreeMap;

use super::discover::{Candidate, unreadable};
use super::excerpt::SourceTexts;
use super::interpolate;
use super::node::{Node, Value};
use super::options::Options;
use super::repository::{self, Found};
use super::schema::lookup;
use super::variables::Variables;
use super::{merge, names, project, yaml};
use crate::model::tree::{Revision, Tree};
use crate::model::{Place, Problem, StackName};

/// A stack that could not be read far enough to know its name.
pub struct Unnamed {
    /// Its directory and files.
    pub candidate: Candidate,
    /// What its directory makes of a name.
    pub guess: Option<StackName>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// What there is of it under a name that is only guessed, where its files could be read.
    pub readable: Option<Manifest>,
}

/// The files of one stack, parsed, and its name.
pub struct Manifest {
    /// Its directory and files.
    pub candidate: Candidate,
    /// The stack's name.
    pub name: StackName,
    /// The files by line, for excerpts.
    pub texts: SourceTexts,
    /// The files as they are in git.
    pub bytes: BTreeMap<String, Vec<u8>>,
    /// Every document of every file, in the order they are merged, before interpolation.
    pub trees: Vec<Node>,
    /// All of them merged, before interpolation.
    pub written: Node,
    /// What is wrong with single keys of the text: the rest can be looked at, but no more.
    pub flaws: Vec<Problem>,
}

impl Manifest {
    /// Reads and names the stack of `candidate`.
    ///
    /// # Errors
    /// A file cannot be read or parsed, or gives no name.
    pub fn read(
        candidate: Candidate,
        revision: &Revision,
        options: &Options<'_>,
    ) -> Result<Self, Box<Unnamed>> {
        let guess = name_of_directory(&candidate.directory, revision);
        let mut reading = Reading::default();
        for file in &candidate.files {
            reading.add(file, revision, options);
        }
        let written = merge_all(&reading.trees, &mut reading.flaws);
        let (Some(written), true) = (written, reading.problems.is_empty()) else {
            let mut problems = [reading.problems, reading.flaws].concat();
            problems.iter_mut().for_each(|problem| reading.texts.show_line(problem));
            return Err(Box::new(Unnamed { candidate, guess, problems, readable: None }));
        };
        let mut problem = match written_name(&written, &candidate, revision, options) {
            Ok(name) => return Ok(Self::new(candidate, name, reading, written)),
            Err(problem) => problem,
        };
        reading.texts.show_line(&mut problem);
        let readable =
            guess.clone().map(|name| Self::new(candidate.clone(), name, reading, written));
        Err(Box::new(Unnamed { candidate, guess, problems: vec![*problem], readable }))
    }

    fn new(candidate: Candidate, name: StackName, reading: Reading, written: Node) -> Self {
        let Reading { texts, bytes, trees, flaws, .. } = reading;
        Self { candidate, name, texts, bytes, trees, written, flaws }
    }

    /// Whether it is meant for this host.
    pub fn is_for(&self, options: &Options<'_>) -> bool {
        project::evenkeel::is_for(&self.written, options.host)
    }

    /// How many services it lists, whatever their profiles.
    pub fn service_count(&self) -> usize {
        match self.written.get("services").map(|services| &services.value) {
            Some(Value::Mapping(services)) => services.len(),
            Some(Value::Null | Value::Scalar(_) | Value::Sequence(_)) | None => 0,
        }
    }
}

/// What reading the files of one stack came to.
#[derive(Default)]
struct Reading {
    texts: SourceTexts,
    bytes: BTreeMap<String, Vec<u8>>,
    trees: Vec<Node>,
    /// Why a file cannot be looked at.
    problems: Vec<Problem>,
    /// What is wrong with single keys of those that can.
    flaws: Vec<Problem>,
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
        let (trees, mut flaws) = yaml::read(file, &bytes, &limits)?;
        self.flaws.append(&mut flaws);
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
            let problem = Problem::new("wrong-type", message).at(tree.place.clone());
            let example = lookup::example("services").unwrap_or_default();
            Err(vec![problem.hint(format!("write it like `{example}`"))])
        }
        None => Ok(trees),
    }
}

fn empty(file: &str) -> Problem {
    Problem::new("empty-manifest", format!("`{file}` is empty"))
        .at(Place::file(file))
        .hint("write `services:` into it; a stack is removed by removing its directory")
}

/// Lays all documents over each other; what does not fit is added to `problems`.
pub fn merge_all(trees: &[Node], problems: &mut Vec<Problem>) -> Option<Node> {
    let (first, rest) = trees.split_first()?;
    let mut merged = first.clone();
    for over in rest {
        merged = merge::lay(merged, over.clone(), problems);
    }
    Some(merge::settled(merged, problems))
}

/// What Compose would make of the directory's name. The root is called as its source is: by default as the
/// repository, so as the directory of a clone.
fn name_of_directory(directory: &str, revision: &Revision) -> Option<StackName> {
    let last = match directory.rsplit('/').next() {
        None | Some("") => revision.source.as_str(),
        Some(last) => last,
    };
    let name = names::normalise_project(last);
    (!name.is_empty()).then(|| StackName::new(name))
}

/// `name:`, else the directory's name; at the root of the repository, the source's.
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
        return name_of_directory(&candidate.directory, revision)
            .ok_or_else(|| Box::new(unnamed(&file)));
    };
    let trouble = |why: String| Problem::new("wrong-name", why).at(node.place.clone()).path("name");
    let Value::Scalar(scalar) = &node.value else {
        let problem = trouble(format!("expected a name, found {}", node.kind()));
        return Err(Box::new(problem.hint("write it like `name: shop`")));
    };
    let mut variables = Variables::default();
    let env = repository::join(&candidate.directory, ".env").unwrap_or_default();
    if let Some(bytes) = git_env(&env, revision, options)? {
        variables.add_git(&env, &bytes, &mut Vec::new());
    }
    variables.add_built_in(None, options.host, revision);
    let expanded = interpolate::expand(&scalar.text, &variables).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        trouble(errors.join("; ")).hint("write the name without variables")
    })?;
    if let Some(name) = expanded.unset.first() {
        let problem = trouble(format!("the stack's name uses `{name}`, which is not set"));
        return Err(Box::new(
            problem
                .note(format!("only {env} and EVENKEEL_… can be used in a name"))
                .hint(format!("set `{name}` in {env}, or write the name out")),
        ));
    }
    let name = expanded.text.reveal();
    names::check_project(name).map_err(|why| {
        let possible = names::normalise_project(name);
        let problem = trouble(why);
        Box::new(match possible.is_empty() {
            true => problem.hint("give it another name"),
            false => problem.hint(format!("write `name: {possible}`")),
        })
    })?;
    Ok(StackName::new(name))
}

fn unnamed(file: &str) -> Problem {
    Problem::new("unnamed-stack", "this stack has no name, and its directory's makes none")
        .at(Place::file(file))
        .hint("write `name:` at the top of the file")
}

/// The `.env` that lies in git at `file`.
///
/// # Errors
/// It is a link, too large, or cannot be read.
pub fn git_env(
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
