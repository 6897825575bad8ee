//! Every stack of a repository in its canonical form, to be compared with what an edit made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::overlay::watched;
use super::{CANNOT_PIN, candidates, no_such};
use crate::manifest::canonical::{Show, understand};
use crate::manifest::discover::{self, Candidate};
use crate::manifest::node::{Node, Value};
use crate::manifest::options::{Options, StackOptions, globs};
use crate::manifest::understand::with_prepared;
use crate::manifest::variables::Variables;
use crate::manifest::written::Manifest;
use crate::model::tree::Revision;
use crate::model::{ImageRef, Place, Problem, ServiceId, StackName};

/// The stacks of a repository.
pub struct Forms {
    /// First those below the source's path, then all others.
    all: Vec<Stack>,
    /// How many are below the source's path.
    own: usize,
}

/// A stack, as far as it can be read.
#[derive(Clone)]
struct Stack {
    candidate: Candidate,
    /// The files that it is made of, and all others that were looked into for it.
    files: BTreeSet<String>,
    form: Result<Form, Vec<Problem>>,
}

/// One stack.
#[derive(Clone)]
pub struct Form {
    name: StackName,
    services: IndexMap<String, Option<Found>>,
    document: Json,
}

/// The image of a service, as it was found.
#[derive(Clone)]
pub struct Found {
    /// Its value with the variables replaced, and where it is written.
    pub image: Node,
    /// What the variables in it stand for.
    pub variables: Variables,
}

impl Found {
    /// Its text, with the variables replaced.
    pub fn text(&self) -> &str {
        match &self.image.value {
            Value::Scalar(scalar) => scalar.text.as_str(),
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => "",
        }
    }

    /// The image, if it is one.
    pub fn reference(&self) -> Option<ImageRef> {
        ImageRef::parse(self.text()).ok()
    }
}

impl Forms {
    /// Reads every stack of the repository.
    pub fn read(revision: &Revision, options: &Options<'_>) -> Result<Self, Box<Problem>> {
        let (all, own) = candidates(revision, options)?;
        Ok(Self { all: read_all(all, revision, options)?, own })
    }

    /// Reads those stacks below the source's path that are called so.
    pub fn below(
        revision: &Revision,
        options: &Options<'_>,
        names: &BTreeSet<&StackName>,
    ) -> Result<Self, Box<Problem>> {
        let mut all = discover::candidates(revision, options)?;
        all.retain(|candidate| {
            let manifest = Manifest::read(candidate.clone(), revision, options);
            manifest.is_ok_and(|manifest| names.contains(&manifest.name))
        });
        let own = all.len();
        Ok(Self { all: read_all(all, revision, options)?, own })
    }

    /// The same stacks in a revision in which nothing but `changed` is different: those that looked into one of
    /// these files are read again.
    pub fn again(
        &self,
        revision: &Revision,
        options: &Options<'_>,
        changed: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Self, Box<Problem>> {
        let is_concerned = |stack: &&Stack| changed.keys().any(|file| stack.files.contains(file));
        let concerned = self.all.iter().filter(is_concerned);
        let concerned = concerned.map(|stack| stack.candidate.clone()).collect();
        let mut again = read_all(concerned, revision, options)?.into_iter();
        let all = self.all.iter().map(|stack| match is_concerned(&stack) {
            true => again.next().unwrap_or_else(|| stack.clone()),
            false => stack.clone(),
        });
        Ok(Self { all: all.collect(), own: self.own })
    }

    /// Where the image of `service` is.
    ///
    /// # Errors
    /// There is no such service, two stacks have its name, or its stack cannot be read.
    pub fn find(&self, service: &ServiceId) -> Result<&Found, Box<Problem>> {
        let form = self.form(&service.stack)?;
        let name = service.service.as_str();
        match form.services.get(name) {
            Some(Some(found)) => Ok(found),
            Some(None) => Err(Problem::new(CANNOT_PIN, format!("{service} has no `image`"))
                .hint("write `image:` at the service first")
                .into()),
            None => {
                let names = form.services.keys().map(String::as_str);
                let text = format!("the stack `{}` has no service `{name}`", service.stack);
                Err(no_such(text, name, names))
            }
        }
    }

    /// The image of `service`, if it has one that can be read.
    pub fn image(&self, service: &ServiceId) -> Option<ImageRef> {
        self.find(service).ok()?.reference()
    }

    fn form(&self, stack: &StackName) -> Result<&Form, Box<Problem>> {
        let own = &self.all[..self.own];
        let sound = || own.iter().filter_map(|found| Some((found, found.form.as_ref().ok()?)));
        let named: Vec<(&Stack, &Form)> = sound().filter(|(_, form)| form.name == *stack).collect();
        if named.len() > 1 {
            let files: Vec<String> =
                named.iter().map(|(found, _)| format!("`{}`", found.file())).collect();
            let text = format!("two stacks are called `{stack}`: {}", files.join(" and "));
            let problem = Problem::new(CANNOT_PIN, text);
            return Err(problem.hint("name the directory of the one that is meant: --path").into());
        }
        if let Some((_, form)) = named.first() {
            return Ok(form);
        }
        let ill = own.iter().filter(|found| found.is_called(stack));
        match ill.filter_map(|found| found.form.as_ref().err()?.first()).next() {
            Some(problem) => Err(Box::new(problem.clone())),
            None => {
                let names = sound().map(|(_, form)| form.name.as_str());
                Err(no_such(format!("there is no stack `{stack}`"), stack.as_str(), names))
            }
        }
    }

    /// What `after` has changed besides the images of `wanted`, for people.
    ///
    /// A service that is pinned may change in other values too: those that the same variable is part of.
    pub fn others_changed(
        &self,
        after: &Self,
        wanted: &BTreeMap<ServiceId, ImageRef>,
    ) -> Vec<String> {
        let mut changed = Vec::new();
        let pairs = self.all.iter().zip(&after.all).enumerate();
        for (number, (stack, now)) in pairs {
            match (&stack.form, &now.form) {
                (Ok(before), Ok(after)) if before.document == after.document => {}
                (Ok(before), Ok(after)) if number < self.own => {
                    before.add_changed(after, wanted, &mut changed);
                }
                (Err(before), Err(after)) if told(before) == told(after) => {}
                (Ok(_) | Err(_), _) => changed.push(format!("`{}`", stack.file())),
            }
        }
        changed
    }
}

impl Stack {
    fn file(&self) -> &str {
        self.candidate.files.first().map_or("", String::as_str)
    }

    /// Whether one that could not be read is likely to be called so.
    fn is_called(&self, stack: &StackName) -> bool {
        self.candidate.directory.rsplit('/').next() == Some(stack.as_str())
    }
}

impl Form {
    fn add_changed(
        &self,
        after: &Self,
        wanted: &BTreeMap<ServiceId, ImageRef>,
        changed: &mut Vec<String>,
    ) {
        for name in self.services.keys() {
            let id = ServiceId::new(&self.name, &name.as_str().into());
            let of = |form: &Self| form.document["services"].get(name).cloned();
            let image =
                || after.services.get(name).and_then(Option::as_ref).and_then(Found::reference);
            let is_wanted =
                || wanted.get(&id).is_some_and(|wanted| image().as_ref() == Some(wanted));
            if of(self) != of(after) && !is_wanted() {
                changed.push(id.to_string());
            }
        }
        let rest = |form: &Self| {
            let mut rest = form.document.clone();
            rest["services"] = Json::Null;
            rest
        };
        if self.name != after.name || rest(self) != rest(after) {
            changed.push(format!("the stack `{}` itself", self.name));
        }
    }
}

fn read_all(
    all: Vec<Candidate>,
    revision: &Revision,
    options: &Options<'_>,
) -> Result<Vec<Stack>, Box<Problem>> {
    let bug = |error: globset::Error| Box::new(Problem::new("bug", error.to_string()));
    let (everything, nothing) = (globs(&["**"]).map_err(bug)?, globs::<&str>(&[]).map_err(bug)?);
    // What is inactive here is active elsewhere.
    let per_stack = |stack: &StackName| StackOptions {
        profiles: vec!["*".to_owned()],
        ..(options.per_stack)(stack)
    };
    let options = Options {
        server: options.server.clone(),
        policy: None,
        per_stack: &per_stack,
        include: &everything,
        exclude: &nothing,
        ..*options
    };
    let read = |candidate: Candidate| {
        let (watched, seen) = watched(revision);
        let form = read_one(candidate.clone(), &watched, &options);
        Stack { candidate, files: seen.files(), form }
    };
    Ok(all.into_iter().map(read).collect())
}

fn read_one(
    candidate: Candidate,
    revision: &Revision,
    options: &Options<'_>,
) -> Result<Form, Vec<Problem>> {
    let manifest =
        Manifest::read(candidate, revision, options).map_err(|unnamed| unnamed.problems)?;
    let (name, mut left) = (manifest.name.clone(), usize::MAX);
    with_prepared(manifest, revision, options, &mut left, |prepared| {
        let services = services(&prepared.tree, &prepared.scene.variables);
        let canonical = understand(prepared, Path::new("/"))?;
        let mut document = canonical.document(Show { values: true, extensions: true });
        // What others keep at the top, often for anchors, means nothing by itself.
        if let Some(top) = document.as_object_mut() {
            top.retain(|key, _| !key.starts_with("x-") || key == "x-evenkeel");
        }
        Ok(Form { name, services, document })
    })
}

fn services(tree: &Node, own: &Variables) -> IndexMap<String, Option<Found>> {
    let Some(Value::Mapping(services)) = tree.get("services").map(|node| &node.value) else {
        return IndexMap::new();
    };
    let found = |service: &Node| {
        let image = service.get("image")?.clone();
        let theirs = image.origin.as_ref().and_then(|origin| origin.variables.as_deref());
        let variables = theirs.unwrap_or(own).clone();
        matches!(image.value, Value::Scalar(_)).then_some(Found { image, variables })
    };
    services.iter().map(|(name, field)| (name.clone(), found(&field.node))).collect()
}

fn told(problems: &[Problem]) -> Vec<(Option<Place>, &'static str)> {
    problems.iter().map(|problem| (problem.place.clone(), problem.code)).collect()
}
