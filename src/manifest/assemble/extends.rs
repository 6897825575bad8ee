//! `extends`: a service begins as a copy of another one, of the same file or of another file of the source.
//!
//! Compose Specification, chapter "extends". Everything is inherited but `extends` itself; the rules are those
//! of laying files over each other. Of another file only the services that are wanted are looked at, so that
//! variables that the others need do not have to be set.

use std::sync::Arc;

use indexmap::IndexMap;

use super::paths::{inside, text};
use super::{Assembly, Project, parent};
use crate::manifest::findings::Findings;
use crate::manifest::keys;
use crate::manifest::merge;
use crate::manifest::node::{Field, Node, Value};
use crate::manifest::origin::{Origin, stamped};
use crate::manifest::read::At;
use crate::model::{Place, Problem};

/// Services that can extend each other by name alone: those of one file.
pub(super) struct Family {
    /// The file.
    file: String,
    services: IndexMap<String, Field>,
    /// Whether variables are replaced already.
    is_interpolated: bool,
    /// The project its relative paths belong to.
    project: Project,
    /// Services that are complete; `None` where that failed.
    done: IndexMap<String, Option<Node>>,
}

/// A service, by the index of its family and its name.
type Member = (usize, String);

/// What `extends` says.
struct Extends<'a> {
    file: Option<At<'a>>,
    service: At<'a>,
}

impl Assembly<'_> {
    /// `document` with every service complete.
    pub(super) fn with_extends(&mut self, mut document: Node, project: &Project) -> Node {
        let Value::Mapping(top) = &mut document.value else { return document };
        let Some(services) = top.get_mut("services") else { return document };
        let Value::Mapping(services) = &mut services.node.value else { return document };
        if services.values().all(|service| service.node.get("extends").is_none()) {
            return document;
        }
        let family = Family {
            file: document.place.file.to_string(),
            services: std::mem::take(services),
            is_interpolated: true,
            project: project.again(),
            done: IndexMap::new(),
        };
        let names: Vec<(String, Place)> = family
            .services
            .iter()
            .map(|(name, service)| (name.clone(), service.key_place.clone()))
            .collect();
        let index = self.adopt(family);
        for (name, key_place) in names {
            if let Some(node) = self.complete((index, name.clone()), &mut Vec::new()) {
                services.insert(name, Field { key_place, node });
            }
        }
        document
    }

    fn adopt(&mut self, family: Family) -> usize {
        self.families.push(family);
        self.families.len() - 1
    }

    /// The service with all it inherits. The `trail` is who extends it.
    fn complete(&mut self, member: Member, trail: &mut Vec<Member>) -> Option<Node> {
        let (index, name) = (member.0, member.1.as_str());
        if let Some(done) = self.families[index].done.get(name) {
            return done.clone();
        }
        let service = self.families[index].services.get(name)?.node.clone();
        let service = self.ready(index, name, service);
        trail.push(member.clone());
        let complete = self.extended(service, &member, trail);
        trail.pop();
        self.families[index].done.insert(member.1, complete.clone());
        complete
    }

    /// The service with its variables replaced.
    fn ready(&mut self, index: usize, name: &str, service: Node) -> Node {
        if self.families[index].is_interpolated {
            return service;
        }
        let wrapped = wrapped(service, &["services", name]);
        let project = self.families[index].project.again();
        let mut tree = self.interpolated(wrapped, &project);
        for key in ["services", name] {
            tree = match tree.value {
                Value::Mapping(mut fields) => match fields.swap_remove(key) {
                    Some(field) => field.node,
                    None => return Node::new(tree.place, Value::Null),
                },
                Value::Null | Value::Scalar(_) | Value::Sequence(_) => return tree,
            };
        }
        tree
    }

    fn extended(
        &mut self,
        mut service: Node,
        member: &Member,
        trail: &mut Vec<Member>,
    ) -> Option<Node> {
        let Value::Mapping(fields) = &mut service.value else { return Some(service) };
        let Some(field) = fields.shift_remove("extends") else { return Some(service) };
        if matches!(field.node.value, Value::Null) {
            return Some(service);
        }
        let found = Findings::default();
        let keys = ["services", &member.1, "extends"];
        let root = wrapped(field.node, &keys);
        let at = keys.iter().try_fold(At::root(&root, &found), |at, key| at.get(key));
        let extends = at.and_then(|at| read(&at));
        let base = extends.and_then(|extends| self.base(&extends, member, trail));
        let (problems, _) = found.into_parts(&Default::default());
        let is_sound = problems.is_empty();
        self.report_all(problems);
        let base = base.filter(|_| is_sound);
        self.is_broken |= base.is_none();
        let base = base?;
        if matches!(base.value, Value::Null) {
            return Some(service);
        }
        self.can_add(base.weight(), &service.place).then_some(())?;
        let mut problems = Vec::new();
        let merged = merge::under(base, service, &["services", &member.1], &mut problems);
        problems.into_iter().for_each(|problem| self.found.problem(problem));
        Some(merged)
    }

    /// The service that is extended, complete itself.
    fn base(
        &mut self,
        extends: &Extends<'_>,
        member: &Member,
        trail: &mut Vec<Member>,
    ) -> Option<Node> {
        let name = text(&extends.service)?.to_owned();
        let index = match &extends.file {
            None => member.0,
            Some(at) => self.family_at(at, member.0)?,
        };
        let family = &self.families[index];
        if !family.services.contains_key(&name) {
            extends.service.report(not_found(extends, &name, family));
            return None;
        }
        let again = |(other, service): &Member| {
            *service == name && self.families[*other].file == self.families[index].file
        };
        if let Some(from) = trail.iter().position(again) {
            let circle = [&trail[from..], &[(index, name)]].concat();
            extends.service.report(self.circle(&extends.service, &circle));
            return None;
        }
        let deepest = self.around.options.limits.nesting;
        if trail.len() >= deepest {
            let message = format!("services extend each other more than {deepest} levels deep");
            extends.service.problem("too-deep", message);
            return None;
        }
        self.complete((index, name), trail)
    }

    /// The family of the file that is named at `at`, by a service of the family `from`.
    fn family_at(&mut self, at: &At<'_>, from: usize) -> Option<usize> {
        let path = match inside(at, &self.families[from].project) {
            Ok(path) => path,
            Err(problem) => {
                at.report(*problem);
                return None;
            }
        };
        let variables = self.families[from].project.variables().cloned();
        let same_variables = |family: &Family| match (family.project.variables(), &variables) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let is_it = |family: &Family| {
            !family.is_interpolated && family.file == path && same_variables(family)
        };
        if let Some(index) = self.families.iter().position(is_it) {
            return Some(index);
        }
        let documents = self.shared(at, &path, "the extended file")?;
        let directory = parent(&path).to_owned();
        let origin = Arc::new(Origin { directory: directory.clone(), variables });
        let mut problems = Vec::new();
        let mut documents: Vec<Node> = documents.into_iter().map(only_services).collect();
        let tree = match documents.len() {
            // Its tags rule over what its own services extend, and are settled then.
            1 => documents.pop(),
            _ => merge::all(documents, &mut problems),
        };
        self.report_all(problems);
        let services = tree.map_or_else(IndexMap::new, |tree| services_of(stamped(tree, &origin)));
        let project = Project { directory, origin: Some(origin), trail: Vec::new() };
        let done = IndexMap::new();
        Some(self.adopt(Family { file: path, services, is_interpolated: false, project, done }))
    }

    fn circle(&self, at: &At<'_>, members: &[Member]) -> Problem {
        let file_of = |member: &Member| self.families[member.0].file.as_str();
        let is_one_file = members.iter().all(|member| file_of(member) == file_of(&members[0]));
        let names = members.iter().map(|member| match is_one_file {
            true => member.1.clone(),
            false => format!("{} ({})", member.1, file_of(member)),
        });
        let chain = names.collect::<Vec<_>>().join(" → ");
        let message = format!("services extend each other in a circle: {chain}");
        at.trouble("circle", message).hint("take one of these `extends` out")
    }
}

impl Project {
    fn again(&self) -> Self {
        let Self { directory, origin, trail } = self;
        Self { directory: directory.clone(), origin: origin.clone(), trail: trail.clone() }
    }
}

fn read<'a>(at: &At<'a>) -> Option<Extends<'a>> {
    if at.is_scalar() {
        at.filled()?;
        return Some(Extends { file: None, service: at.clone() });
    }
    if !at.is_mapping() {
        at.expected("the name of a service, or a mapping");
        return None;
    }
    at.only(&["service", "file"], &[]);
    let Some(service) = at.value("service") else {
        at.problem("missing-key", "`extends` needs a `service`");
        return None;
    };
    service.filled()?;
    Some(Extends { file: at.value("file"), service })
}

fn not_found(extends: &Extends<'_>, name: &str, family: &Family) -> Problem {
    let at = &extends.service;
    let (shown, file) = (at.quoted(name), &family.file);
    let message = format!("service {shown}, which is extended, is not in `{file}`");
    let problem = at.trouble("undefined-service", message);
    let problem = match &extends.file {
        Some(_) => problem,
        None => problem.note("without `file`, only services of the same file can be extended"),
    };
    match keys::nearest(name, family.services.keys().map(String::as_str)) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint("write the name of one of its services"),
    }
}

/// `node` below these keys.
fn wrapped(node: Node, keys: &[&str]) -> Node {
    keys.iter().rev().fold(node, |node, key| {
        let place = node.place.clone();
        let field = Field { key_place: place.clone(), node };
        Node::new(place, Value::Mapping(IndexMap::from([((*key).to_owned(), field)])))
    })
}

/// What `extends` may want of a document.
fn only_services(mut document: Node) -> Node {
    if let Value::Mapping(fields) = &mut document.value {
        fields.retain(|key, _| key == "services");
    }
    document
}

fn services_of(tree: Node) -> IndexMap<String, Field> {
    let Value::Mapping(mut fields) = tree.value else { return IndexMap::new() };
    match fields.swap_remove("services").map(|field| field.node.value) {
        Some(Value::Mapping(services)) => services,
        Some(Value::Null | Value::Scalar(_) | Value::Sequence(_)) | None => IndexMap::new(),
    }
}
