//! A revision becomes stacks: found, read, named, merged, interpolated, understood.

use std::collections::BTreeMap;

use super::discover::{self, Candidate};
use super::options::{Options, ServerFiles};
use super::stack_waits;
use super::understand::{self, too_many, understand};
use super::written::{Manifest, Unnamed};
use crate::model::stack::Stack;
use crate::model::tree::Revision;
use crate::model::{Place, Problem, StackName};
use crate::policy::Judged;

/// What a revision holds for this host.
#[derive(Debug)]
pub struct Loaded<T = Stack> {
    /// Its stacks, sorted by directory; those meant for other hosts are not among them.
    pub stacks: Vec<LoadedStack<T>>,
    /// What is wrong with the source as a whole.
    pub problems: Vec<Problem>,
    /// Whether every stack could be told by its name. Where not, nothing of this source may be removed:
    /// what seems gone may be what could not be read.
    pub complete: bool,
}

/// One stack, or what is wrong with it.
#[derive(Debug)]
pub struct LoadedStack<T = Stack> {
    /// Its name; of one that could not be read, as good as it can be told.
    pub name: StackName,
    /// Its directory in the repository.
    pub directory: String,
    /// Its files, in the order they are merged.
    pub files: Vec<String>,
    /// The stack, or all that is wrong with it.
    pub result: Result<T, Vec<Problem>>,
}

/// Reads every stack of `revision` that is meant for this host. May block on the disk.
pub fn load(revision: &Revision, options: &Options<'_>) -> Loaded {
    match discover::candidates(revision, options) {
        Ok(candidates) => {
            let mut loaded = load_each(candidates, revision, options, understand);
            stack_waits::refuse_circles(loaded.stacks.iter_mut().map(|stack| &mut stack.result));
            loaded
        }
        Err(problem) => Loaded { stacks: Vec::new(), problems: vec![*problem], complete: false },
    }
}

/// What the operator's rules make of every stack of `revision` that is meant for this host: of one that cannot be
/// used for another reason, what is wrong with it. May block on the disk.
pub fn judge(revision: &Revision, options: &Options<'_>) -> Loaded<Judged> {
    match discover::candidates(revision, options) {
        Ok(candidates) => load_each(candidates, revision, options, understand::judge),
        Err(problem) => Loaded { stacks: Vec::new(), problems: vec![*problem], complete: false },
    }
}

/// Reads the stacks of `candidates` that are meant for this host, and makes of each what `make` does.
pub fn load_each<T>(
    candidates: Vec<Candidate>,
    revision: &Revision,
    options: &Options<'_>,
    make: impl Fn(Manifest, &Revision, &Options<'_>, &mut usize) -> Result<T, Vec<Problem>>,
) -> Loaded<T> {
    let mut loaded = Loaded { stacks: Vec::new(), problems: Vec::new(), complete: true };
    let (mut named, mut unnamed) = (Vec::new(), Vec::new());
    for candidate in candidates {
        match Manifest::read(candidate, revision, options) {
            Ok(manifest) => {
                // A key that stands twice may be the name, or say which hosts it is for.
                loaded.complete &= manifest.files.flaws.is_empty();
                if manifest.is_for(options) {
                    named.push(manifest);
                }
            }
            Err(failed) => unnamed.push(*failed),
        }
    }
    let owners = owners(&named, options);
    let mut services_left = options.limits.services;
    for manifest in named {
        let (name, candidate) = (manifest.name.clone(), manifest.candidate.clone());
        let rivals = rivals(&manifest, &owners);
        let result = match rivals.len() {
            2.. => Err(vec![two_of_a_name(&manifest, &rivals)]),
            _ if manifest.service_count() > services_left => {
                services_left = 0;
                Err(vec![too_many(&place(&manifest), options)])
            }
            _ => make(manifest, revision, options, &mut services_left),
        };
        let Candidate { directory, files } = candidate;
        loaded.stacks.push(LoadedStack { name, directory, files, result });
    }
    for unnamed in unnamed {
        loaded.add_unnamed(unnamed.with_the_rest(revision, options, &make));
    }
    loaded.stacks.sort_by(|a, b| a.directory.cmp(&b.directory));
    loaded
}

impl Unnamed {
    /// Adds what is wrong besides the name. Where the server keeps the values of a stack without a name,
    /// nobody knows.
    fn with_the_rest<T>(
        mut self,
        revision: &Revision,
        options: &Options<'_>,
        make: impl Fn(Manifest, &Revision, &Options<'_>, &mut usize) -> Result<T, Vec<Problem>>,
    ) -> Self {
        let nameless = Options { server: ServerFiles::Offline { env: None }, ..*options };
        let mut any = usize::MAX;
        let manifest = self.readable.take();
        let rest = manifest.map(|manifest| make(manifest, revision, &nameless, &mut any));
        self.problems.extend(rest.and_then(Result::err).unwrap_or_default());
        self.problems.sort_by(|a, b| a.place.cmp(&b.place));
        self
    }
}

impl<T> Loaded<T> {
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

/// The manifests of one name: the hosts that each is for, and its file. Where it is known which host this is, all
/// of them are for it, and no hosts are noted.
type Owners = BTreeMap<StackName, Vec<(Vec<String>, String)>>;

fn owners(manifests: &[Manifest], options: &Options<'_>) -> Owners {
    let mut owners = Owners::new();
    for manifest in manifests {
        let hosts = if options.server.is_away() { manifest.hosts() } else { Vec::new() };
        let file = manifest.candidate.files.first().cloned().unwrap_or_default();
        owners.entry(manifest.name.clone()).or_default().push((hosts, file));
    }
    owners
}

/// The files that claim the name of `manifest` on a host that it is for, its own among them. Of two that name
/// other hosts, each may have the name.
fn rivals(manifest: &Manifest, owners: &Owners) -> Vec<String> {
    let all = owners.get(&manifest.name).map(Vec::as_slice).unwrap_or_default();
    let own = manifest.candidate.files.first();
    let Some((hosts, _)) = all.iter().find(|(_, file)| Some(file) == own) else {
        return Vec::new();
    };
    let meets = |others: &Vec<String>| others == hosts || others.is_empty() || hosts.is_empty();
    all.iter().filter(|(others, _)| meets(others)).map(|(_, file)| file.clone()).collect()
}

fn two_of_a_name(manifest: &Manifest, files: &[String]) -> Problem {
    let files: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
    let (name, files) = (&manifest.name, files.join(" and "));
    Problem::new("two-stacks", format!("the name `{name}` is taken twice: {files}"))
        .at(place(manifest))
        .hint("give one of them another `name:`; its volumes and networks are called by it")
}

fn place(manifest: &Manifest) -> Place {
    Place::file(manifest.candidate.files.first().cloned().unwrap_or_default())
}
