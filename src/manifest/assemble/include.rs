//! `include`: files of the same source, each with its own directory and variables, become part of the tree.
//!
//! Compose Specification, chapter "Include". What the including file says about the same thing is laid over
//! it; two included files must not say different things.

use std::sync::Arc;

use indexmap::IndexMap;

use super::paths::{inside, text, told_at};
use super::{Assembly, Project, parent};
use crate::manifest::findings::Findings;
use crate::manifest::merge;
use crate::manifest::node::{Field, Node, Value};
use crate::manifest::origin::{Origin, stamped};
use crate::manifest::project::{KNOWN, REFUSED};
use crate::manifest::read::At;
use crate::manifest::repository::{self, Found};
use crate::manifest::understand::GIT_ENV;
use crate::manifest::variables::Variables;
use crate::model::{Place, Problem};

/// What an included file brings along; whatever else stands at its top stays there.
const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "secrets", "configs"];

/// As many files as a stack may include, so that files that include each other over and over come to an end.
const MOST: usize = 500;

/// One entry of `include`.
struct Entry<'a> {
    /// Where it stands.
    at: At<'a>,
    /// The file, and what is laid over it.
    paths: Vec<At<'a>>,
    project_directory: Option<At<'a>>,
    env_files: Option<Vec<At<'a>>>,
}

impl Assembly<'_> {
    /// `document` laid over all that it includes.
    pub(super) fn with_includes(&mut self, mut document: Node, project: &Project) -> Node {
        let Some(field) = take(&mut document, "include") else { return document };
        let place = field.node.place.clone();
        let root = Value::Mapping(IndexMap::from([("include".to_owned(), field)]));
        let root = Node::new(place, root);
        let trail = trail(project, &document);
        let found = Findings::default();
        let top = At::root(&root, &found);
        let mut below: Option<Node> = None;
        for entry in entries(&top) {
            let Some(tree) = self.included(&entry, project, &trail) else {
                self.is_broken = true;
                continue;
            };
            below = match below {
                None => Some(tree),
                Some(others) => Some(self.beside(others, tree)),
            };
        }
        self.hear(found);
        match below {
            None => document,
            Some(below) => self.laid_over(below, document),
        }
    }

    /// Takes over what was found while reading a part.
    fn hear(&mut self, found: Findings) {
        let (problems, _) = found.into_parts(&Default::default());
        self.report_all(problems);
    }

    /// What one entry brings along.
    fn included(&mut self, entry: &Entry<'_>, outer: &Project, trail: &[String]) -> Option<Node> {
        let mut paths = Vec::new();
        for at in &entry.paths {
            match inside(at, outer) {
                Ok(path) => paths.push((at, path)),
                Err(problem) => at.report(*problem),
            }
        }
        let (_, first) = paths.first().filter(|_| paths.len() == entry.paths.len())?;
        if trail.contains(first) {
            report_circle(entry, trail, first);
            return None;
        }
        self.count(entry, trail)?;
        let directory = match &entry.project_directory {
            None => parent(first).to_owned(),
            Some(at) => inside(at, outer).map_err(|problem| at.report(*problem)).ok()?,
        };
        let variables = Arc::new(self.variables_of(entry, outer, &directory)?);
        self.included.push(variables.clone());
        let origin = Origin { directory: directory.clone(), variables: Some(variables) };
        let trail = [trail, std::slice::from_ref(first)].concat();
        let project = Project { directory, origin: Some(Arc::new(origin)), trail };
        let documents = self.documents(&paths, &project)?;
        let tree = self.project(documents, &project)?;
        self.only_sections(tree)
    }

    fn count(&mut self, entry: &Entry<'_>, trail: &[String]) -> Option<()> {
        let deepest = self.around.options.limits.nesting;
        if trail.len() > deepest {
            let message = format!("files include each other more than {deepest} levels deep");
            entry.at.problem("too-deep", message);
            return None;
        }
        if self.included.len() < MOST {
            return Some(());
        }
        if !self.is_spent {
            self.is_spent = true;
            entry.at.problem("too-large", format!("a stack cannot include more than {MOST} files"));
        }
        None
    }

    fn documents(&mut self, paths: &[(&At<'_>, String)], project: &Project) -> Option<Vec<Node>> {
        let mut documents = Vec::new();
        for (at, path) in paths {
            documents.extend(self.shared(at, path, "the included file")?);
        }
        let weight = documents.iter().map(Node::weight).sum();
        let place = paths.first()?.0.place();
        let origin = project.origin.as_ref()?;
        self.can_add(weight, place)
            .then(|| documents.into_iter().map(|document| stamped(document, origin)).collect())
    }

    /// The documents of the file at `path`, which is named at `at`.
    pub(super) fn shared(&mut self, at: &At<'_>, path: &str, what: &str) -> Option<Vec<Node>> {
        let (revision, options) = (self.around.revision, self.around.options);
        if let Ok(Found::Nothing | Found::Directory) = repository::look(&*revision.tree, path) {
            at.report(told_at(at, path, what));
            return None;
        }
        match self.files.shared(path, revision, options) {
            Ok(documents) => Some(documents),
            Err(problems) => {
                self.report_all(problems);
                None
            }
        }
    }

    /// The variables that the included files see: those of the including file, then their own.
    fn variables_of(
        &mut self,
        entry: &Entry<'_>,
        outer: &Project,
        directory: &str,
    ) -> Option<Variables> {
        let mut variables = outer.variables().map_or(self.own, |variables| variables).clone();
        let Some(files) = &entry.env_files else {
            if directory != outer.directory {
                for name in GIT_ENV {
                    let path = repository::join(directory, name).unwrap_or_default();
                    self.add_env(&mut variables, &path, &entry.at)?;
                }
            }
            return Some(variables);
        };
        // A later file goes before an earlier one.
        for at in files.iter().rev().filter(|at| text(at) != Some("/dev/null")) {
            let path = inside(at, outer).map_err(|problem| at.report(*problem)).ok()?;
            if !self.add_env(&mut variables, &path, at)? {
                let looked =
                    self.server_path(&path).map(|path| format!("{}, then ", path.display()));
                let message =
                    format!("the env file {} of an included file is not there", at.shown());
                let problem = at.trouble("missing-env-file", message);
                let looked = looked.unwrap_or_default();
                at.report(problem.note(format!("looked for {looked}{path} in the repository")));
                return None;
            }
        }
        Some(variables)
    }

    /// Where the server would have the file that the repository has at `path`: below the stack's directory
    /// the two look alike.
    fn server_path(&self, path: &str) -> Option<std::path::PathBuf> {
        let below = repository::beneath(self.around.directory, path)?;
        Some(self.around.server.directory.join(below))
    }

    /// Adds the values of an env file as the last ones to be asked; whether there is one. `None`: it cannot
    /// be read.
    fn add_env(&mut self, to: &mut Variables, path: &str, at: &At<'_>) -> Option<bool> {
        let (mut is_there, mut problems) = (false, Vec::new());
        let below = repository::beneath(self.around.directory, path).map(str::to_owned);
        match below.map(|below| self.around.server.file(&below)).transpose() {
            Ok(Some(Some(file))) => {
                is_there = true;
                to.add_server_file(&file, &mut problems);
            }
            Ok(Some(None) | None) => {}
            Err(problem) => problems.push(*problem),
        }
        match self.files.env(path, self.around.revision, self.around.options) {
            Ok(Some(bytes)) => {
                is_there = true;
                let options = self.around.options;
                to.add_repository_file(path, bytes, options, &mut problems);
            }
            Ok(None) => {}
            Err(problem) => problems.push(*problem),
        }
        let is_sound = problems.is_empty();
        problems.into_iter().for_each(|problem| at.report(problem));
        is_sound.then_some(is_there)
    }

    /// What is brought along of `tree`, and a word on what is not.
    fn only_sections(&mut self, tree: Node) -> Option<Node> {
        let found = Findings::default();
        At::root(&tree, &found).only(&KNOWN, &REFUSED);
        self.hear(found);
        let Value::Mapping(fields) = tree.value else { return None };
        if let Some(field) = fields.get("x-evenkeel") {
            let text = "`x-evenkeel` at the top of an included file has no effect";
            self.remarks.push((field.key_place.clone(), text.to_owned()));
        }
        let sections = fields.into_iter().filter(|(key, _)| SECTIONS.contains(&key.as_str()));
        Some(Node {
            value: Value::Mapping(sections.collect()),
            ..Node::new(tree.place, Value::Null)
        })
    }

    /// What two entries bring along, side by side; they must agree on what both of them describe.
    fn beside(&mut self, mut one: Node, other: Node) -> Node {
        let (Value::Mapping(sections), Value::Mapping(more)) = (&mut one.value, other.value) else {
            return one;
        };
        for (section, field) in more {
            let Some(below) = sections.get_mut(&section) else {
                sections.insert(section, field);
                continue;
            };
            let (Value::Mapping(below), Value::Mapping(more)) =
                (&mut below.node.value, field.node.value)
            else {
                continue;
            };
            for (name, field) in more {
                match below.get(&name) {
                    None => drop(below.insert(name, field)),
                    Some(first) if is_same(&first.node, &field.node, &section) => {}
                    Some(first) => {
                        let (first, second) = (first.key_place.clone(), field.key_place);
                        self.report(conflict(&section, &name, &first, second));
                    }
                }
            }
        }
        one
    }

    /// `document` over what it includes.
    fn laid_over(&mut self, below: Node, document: Node) -> Node {
        for section in SECTIONS {
            let (Some(Value::Mapping(base)), Some(Value::Mapping(own))) = (
                below.get(section).map(|node| &node.value),
                document.get(section).map(|node| &node.value),
            ) else {
                continue;
            };
            for (name, field) in own {
                if let Some(first) = base.get(name)
                    && !is_same(&first.node, &field.node, section)
                {
                    let (one, at) = (section.trim_end_matches('s'), &first.key_place);
                    let text = format!("{one} `{name}` is laid over the included one at {at}");
                    self.remarks.push((field.key_place.clone(), text));
                }
            }
        }
        let mut problems = Vec::new();
        let tree = merge::under(below, document, &[], &mut problems);
        problems.into_iter().for_each(|problem| self.found.problem(problem));
        tree
    }
}

fn entries<'a>(top: &At<'a>) -> Vec<Entry<'a>> {
    let Some(at) = top.value("include") else { return Vec::new() };
    at.items().into_iter().filter_map(entry).collect()
}

fn entry(at: At<'_>) -> Option<Entry<'_>> {
    if at.is_scalar() {
        let paths = vec![at.clone()];
        return Some(Entry { at, paths, project_directory: None, env_files: None });
    }
    if !at.is_mapping() {
        at.expected("a path or a mapping");
        return None;
    }
    at.only(&["path", "project_directory", "env_file"], &[]);
    let paths = at.value("path").map(|at| at.one_or_more()).unwrap_or_default();
    if paths.is_empty() {
        at.problem("missing-key", "an entry of `include` needs a `path`");
        return None;
    }
    let project_directory = at.value("project_directory");
    let env_files = at.value("env_file").map(|at| at.one_or_more()).filter(|all| !all.is_empty());
    Some(Entry { at, paths, project_directory, env_files })
}

fn report_circle(entry: &Entry<'_>, trail: &[String], again: &str) {
    let from = trail.iter().position(|path| path == again).unwrap_or_default();
    let chain: Vec<&str> = trail[from..].iter().map(String::as_str).chain([again]).collect();
    let message = format!("files include each other in a circle: {}", chain.join(" → "));
    let at = entry.paths.first().unwrap_or(&entry.at);
    at.report(at.trouble("circle", message).hint("take one of these `include`s out"));
}

fn conflict(section: &str, name: &str, first: &Place, second: Place) -> Problem {
    let one = section.trim_end_matches('s');
    let message = format!("two included files describe {one} `{name}` differently");
    Problem::new("include-conflict", message)
        .at(second)
        .path(crate::manifest::path::field(section, name))
        .note(format!("the other one is at {first}"))
        .hint("give one of them another name, or take it out")
}

/// Whether both say the same, also about where relative paths start.
fn is_same(one: &Node, other: &Node, section: &str) -> bool {
    let has_paths = !matches!(section, "networks" | "volumes");
    let same = |a: &Node, b: &Node| is_same(a, b, section);
    match (&one.value, &other.value) {
        (Value::Null, Value::Null) => true,
        (Value::Scalar(a), Value::Scalar(b)) => {
            a.text == b.text && (!has_paths || one.origin == other.origin)
        }
        (Value::Sequence(a), Value::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Mapping(a), Value::Mapping(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(&a.node, &b.node)))
        }
        _ => false,
    }
}

/// The files that include each other down to what `document` includes.
fn trail(project: &Project, document: &Node) -> Vec<String> {
    let mut trail = project.trail.clone();
    let file = &*document.place.file;
    if trail.iter().all(|above| above != file) {
        trail.push(file.to_owned());
    }
    trail
}

/// Takes a field out of a mapping; the order of the others stays.
fn take(document: &mut Node, key: &str) -> Option<Field> {
    match &mut document.value {
        Value::Mapping(fields) => fields.shift_remove(key),
        Value::Null | Value::Scalar(_) | Value::Sequence(_) => None,
    }
}
