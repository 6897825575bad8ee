//! One exchange with a repository: list its refs, and fetch what is followed if it is new.
//!
//! Everything here blocks, and is called with the mirror's lock held.

use std::sync::Arc;

use git2::{AutotagOption, Direction, ErrorClass, FetchOptions, ObjectType, Oid, Repository};
use url::Url;

use super::location::Location;
use super::mirror::{Lock, Mirror, Opened};
use super::transport::{self, Session};
use super::{Reference, SourceError};

/// The depth that completes a shallow history, as git's protocol has it.
const UNSHALLOW: i32 = i32::MAX;

/// Where a fetch has led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The newest commit of what is followed.
    pub commit: Oid,
    /// Whether that is another one than before.
    pub moved: bool,
    /// Whether the one before is known not to be in its history.
    pub rewritten: bool,
    /// What had to be mended.
    pub healed: Option<String>,
}

/// Why an attempt failed.
enum Trouble {
    /// For a reason that fetching anew would not mend.
    Final(SourceError),
    /// The mirror may be to blame.
    Mirror(String),
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Self::Final(error)
    }
}

/// Brings `mirror` up to date with `reference`, from nothing if it turns out to be damaged.
pub fn follow(
    mirror: &Mirror,
    lock: &Lock,
    session: &Arc<Session>,
    reference: &Reference,
) -> Result<Outcome, SourceError> {
    let attempt = |opened: Opened, before: Option<Oid>| {
        let exchange = Exchange { mirror, session, repository: &opened.repository };
        let outcome = session.enter(|| exchange.follow(reference, before))?;
        if opened.replacement {
            drop(opened.repository);
            mirror.replace(lock)?;
        }
        Ok(Outcome { healed: opened.healed, ..outcome })
    };
    let opened = mirror.open(lock)?;
    let recorded = mirror.read_recorded();
    match attempt(opened, recorded) {
        Ok(outcome) => Ok(outcome),
        Err(Trouble::Final(error)) => Err(error),
        Err(Trouble::Mirror(why)) => match attempt(mirror.renewed(Some(why))?, recorded) {
            Ok(outcome) => Ok(outcome),
            Err(Trouble::Final(error)) => Err(error),
            Err(Trouble::Mirror(why)) => {
                Err(SourceError::Unreachable { repo: session.location.to_string(), why })
            }
        },
    }
}

/// Whether all that is needed of `commit` seems to be in `repository`.
pub fn has(repository: &Repository, commit: Oid) -> bool {
    repository.find_commit(commit).is_ok_and(|commit| commit.tree().is_ok())
}

/// A ref that a server has, with the commit it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    name: String,
    id: Oid,
}

/// What to ask a server for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    /// A ref's name or a commit's id.
    source: String,
    /// The object that is asked for: a commit, or the tag that leads to one.
    object: Oid,
    /// The commit, where the listing tells it.
    commit: Oid,
}

struct Exchange<'a> {
    mirror: &'a Mirror,
    session: &'a Session,
    repository: &'a Repository,
}

impl Exchange<'_> {
    fn follow(&self, reference: &Reference, before: Option<Oid>) -> Result<Outcome, Trouble> {
        if let Reference::Commit(id) = reference {
            let commit = self.parse(id)?;
            // A commit never changes, so nobody needs to be asked.
            if has(self.repository, commit) {
                return self.settle(before, commit);
            }
        }
        let mut remote = self.connect()?;
        let heads = list(&mut remote).map_err(|error| self.trouble(&error))?;
        let wanted = choose(&heads, reference).map_err(|absent| self.absence(reference, absent))?;
        if !has(self.repository, wanted.commit) {
            self.download(&mut remote, reference, &wanted)?;
        }
        remote.disconnect().ok();
        let commit = self.peel(&wanted)?;
        self.settle(before, commit)
    }

    fn connect(&self) -> Result<git2::Remote<'_>, Trouble> {
        let url = self.url()?;
        let mut remote =
            self.repository.remote_anonymous(&url).map_err(|error| self.trouble(&error))?;
        remote.connect(Direction::Fetch).map_err(|error| self.trouble(&error))?;
        Ok(remote)
    }

    fn url(&self) -> Result<String, Trouble> {
        let Location::Disk(path) = &self.session.location else {
            return Ok(transport::URL.to_owned());
        };
        // As an address: libgit2 takes a path with a colon for a server's.
        let url = path.canonicalize().ok().and_then(|path| Url::from_file_path(path).ok());
        let unreachable = || self.unreachable("the directory is not there");
        url.map(String::from).ok_or_else(unreachable)
    }

    fn download(
        &self,
        remote: &mut git2::Remote<'_>,
        reference: &Reference,
        wanted: &Wanted,
    ) -> Result<(), Trouble> {
        let mut options = FetchOptions::new();
        options.download_tags(AutotagOption::None).update_fetchhead(false);
        // libgit2 cannot fetch a part of the history from a directory.
        if !matches!(self.session.location, Location::Disk(_)) {
            options.depth(1);
        }
        let refspec = format!("+{}:refs/evenkeel/incoming", wanted.source);
        let direct = remote.download(&[refspec], Some(&mut options));
        let Err(error) = direct else { return Ok(()) };
        match reference {
            // Not every server hands out a commit by its id: what its branches and tags reach is all there is.
            Reference::Commit(_) if self.session.take_failure().is_none() => self.download_all(),
            Reference::Commit(_)
            | Reference::DefaultBranch
            | Reference::Branch(_)
            | Reference::Tag(_) => Err(self.trouble(&error)),
        }
    }

    /// Fetches every branch and tag with its whole history.
    fn download_all(&self) -> Result<(), Trouble> {
        let mut options = FetchOptions::new();
        options.download_tags(AutotagOption::None).update_fetchhead(false);
        if !matches!(self.session.location, Location::Disk(_)) {
            options.depth(UNSHALLOW);
        }
        let refspecs =
            ["+refs/heads/*:refs/evenkeel/all/heads/*", "+refs/tags/*:refs/evenkeel/all/tags/*"];
        let mut remote = self.connect()?;
        let fetched = remote.download(&refspecs, Some(&mut options));
        fetched.map_err(|error| self.trouble(&error))
    }

    fn peel(&self, wanted: &Wanted) -> Result<Oid, Trouble> {
        if has(self.repository, wanted.commit) {
            return Ok(wanted.commit);
        }
        let object = self.repository.find_object(wanted.object, None);
        let commit = object.and_then(|object| object.peel(ObjectType::Commit));
        match commit {
            Ok(commit) if has(self.repository, commit.id()) => Ok(commit.id()),
            Ok(_) | Err(_) => Err(self.no_commit(wanted.commit, "no branch or tag leads to it")),
        }
    }

    fn settle(&self, before: Option<Oid>, commit: Oid) -> Result<Outcome, Trouble> {
        let recorded = self.mirror.record(self.repository, commit);
        recorded.map_err(|error| Trouble::Mirror(error.message().to_owned()))?;
        let moved = before != Some(commit);
        let replaces = |before| before != commit && replaced(self.repository, before, commit);
        let rewritten = before.is_some_and(replaces);
        Ok(Outcome { commit, moved, rewritten, healed: None })
    }

    fn parse(&self, id: &str) -> Result<Oid, SourceError> {
        commit_id(id).map_err(|why| SourceError::NoSuchCommit {
            repo: self.session.location.to_string(),
            commit: id.to_owned(),
            why,
        })
    }

    /// What a failure of libgit2 means: the session knows better, if it was the network's.
    fn trouble(&self, error: &git2::Error) -> Trouble {
        if let Some(failure) = self.session.take_failure() {
            return Trouble::Final(failure);
        }
        let why = error.message().to_owned();
        let no_room = ["No space left", "Permission denied", "Read-only", "quota"];
        if no_room.iter().any(|words| why.contains(words)) {
            return Trouble::Final(self.mirror.unusable(&why));
        }
        if error.class() == ErrorClass::Net {
            return self.unreachable(&why);
        }
        Trouble::Mirror(why)
    }

    fn absence(&self, wanted: &Reference, absent: Absent) -> Trouble {
        let (repo, wanted) = (self.session.location.to_string(), wanted.clone());
        Trouble::Final(match absent {
            Absent::Everything => SourceError::Empty { repo },
            Absent::Name { near, known } => {
                SourceError::NoSuchReference { repo, wanted, near, known }
            }
        })
    }

    fn no_commit(&self, commit: Oid, why: &str) -> Trouble {
        let (repo, commit) = (self.session.location.to_string(), commit.to_string());
        Trouble::Final(SourceError::NoSuchCommit { repo, commit, why: why.to_owned() })
    }

    fn unreachable(&self, why: &str) -> Trouble {
        let repo = self.session.location.to_string();
        Trouble::Final(SourceError::Unreachable { repo, why: why.to_owned() })
    }
}

/// Reads a full commit id.
pub fn commit_id(id: &str) -> Result<Oid, String> {
    let full = id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parsed = if full { Oid::from_str(id).ok() } else { None };
    parsed.ok_or_else(|| "it is not 40 hex digits".to_owned())
}

fn list(remote: &mut git2::Remote<'_>) -> Result<Vec<Head>, git2::Error> {
    let heads = remote.list()?.iter();
    Ok(heads.map(|head| Head { name: head.name().to_owned(), id: head.oid() }).collect())
}

/// What a listing does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Absent {
    Everything,
    Name { near: Option<String>, known: Vec<String> },
}

/// Finds what is followed among the refs of a server.
fn choose(heads: &[Head], reference: &Reference) -> Result<Wanted, Absent> {
    // An empty repository lists nothing, or a placeholder that carries the server's abilities.
    if !heads.iter().any(|head| head.name == "HEAD" || head.name.starts_with("refs/")) {
        return Err(Absent::Everything);
    }
    match reference {
        Reference::DefaultBranch => {
            named(heads, "HEAD").ok_or_else(|| near(heads, "refs/heads/", ""))
        }
        Reference::Branch(name) => named(heads, &format!("refs/heads/{name}"))
            .ok_or_else(|| near(heads, "refs/heads/", name)),
        Reference::Tag(name) => named(heads, &format!("refs/tags/{name}"))
            .ok_or_else(|| near(heads, "refs/tags/", name)),
        Reference::Commit(id) => {
            let object = Oid::from_str(id).unwrap_or(Oid::ZERO_SHA1);
            let tip = heads.iter().find(|head| head.id == object && !head.name.ends_with("^{}"));
            let source = tip.map_or_else(|| id.clone(), |head| head.name.clone());
            Ok(Wanted { source, object, commit: object })
        }
    }
}

fn named(heads: &[Head], name: &str) -> Option<Wanted> {
    let id = |name: &str| heads.iter().find(|head| head.name == name).map(|head| head.id);
    let object = id(name)?;
    let commit = id(&format!("{name}^{{}}")).unwrap_or(object);
    Some(Wanted { source: name.to_owned(), object, commit })
}

fn near(heads: &[Head], namespace: &str, wanted: &str) -> Absent {
    let names = heads.iter().filter_map(|head| head.name.strip_prefix(namespace));
    let mut known: Vec<String> =
        names.filter(|name| !name.ends_with("^{}")).map(str::to_owned).collect();
    known.sort();
    let likeness = |name: &String| strsim::jaro_winkler(name, wanted);
    let most_alike = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let near = most_alike.filter(|name| likeness(name) > 0.8).cloned();
    known.truncate(SourceError::NAMES_SHOWN);
    Absent::Name { near, known }
}

/// Whether `commit` is known not to build on `before`.
///
/// With the whole history that is a fact. A shallow mirror knows a commit's parents and no more: one that
/// takes the place of `before`, or was its parent, tells of a rewrite.
fn replaced(repository: &Repository, before: Oid, commit: Oid) -> bool {
    if !repository.is_shallow() {
        return !repository.graph_descendant_of(commit, before).unwrap_or(true);
    }
    let (ours, theirs) = (parents(repository, before), parents(repository, commit));
    let siblings = ours.iter().any(|parent| theirs.contains(parent)) || (theirs.is_empty());
    !theirs.contains(&before) && (siblings || ours.contains(&commit))
}

/// The parents as the commit names them. libgit2 hides those that a shallow mirror lacks.
fn parents(repository: &Repository, commit: Oid) -> Vec<Oid> {
    let Ok(odb) = repository.odb() else { return Vec::new() };
    let Ok(object) = odb.read(commit) else { return Vec::new() };
    let header = object.data().split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    let parent = |line: &[u8]| {
        let id = line.strip_prefix(b"parent ")?;
        Oid::from_str(std::str::from_utf8(id).ok()?).ok()
    };
    header.filter_map(parent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> Oid {
        Oid::from_str(&digit.to_string().repeat(40)).unwrap()
    }

    fn check(names: &[(&str, char)], reference: Reference) -> Result<Wanted, Absent> {
        let head = |(name, digit): &(&str, char)| Head { name: (*name).into(), id: id(*digit) };
        choose(&names.iter().map(head).collect::<Vec<_>>(), &reference)
    }

    #[test]
    fn an_annotated_tag_leads_to_its_commit() {
        let refs = [("refs/tags/v1", 'a'), ("refs/tags/v1^{}", 'b')];
        let wanted = check(&refs, Reference::Tag("v1".into())).unwrap();
        assert_eq!((wanted.object, wanted.commit), (id('a'), id('b')));
    }

    #[test]
    fn a_commit_at_the_tip_of_a_branch_is_asked_for_by_the_branch() {
        let refs = [("refs/heads/main", 'a')];
        let at = |digit: char| check(&refs, Reference::Commit(id(digit).to_string())).unwrap();
        assert_eq!(at('a').source, "refs/heads/main");
        assert_eq!(at('b').source, id('b').to_string());
    }

    #[test]
    fn a_missing_branch_names_the_one_that_is_like_it() {
        let refs = [("HEAD", 'a'), ("refs/heads/main", 'a'), ("refs/heads/dev", 'b')];
        let absent = check(&refs, Reference::Branch("mian".into())).unwrap_err();
        let known = vec!["dev".to_owned(), "main".to_owned()];
        assert_eq!(absent, Absent::Name { near: Some("main".into()), known });
    }

    #[test]
    fn a_repository_without_refs_is_empty() {
        let nothing = check(&[("capabilities^{}", '0')], Reference::DefaultBranch);
        assert_eq!(nothing, Err(Absent::Everything));
    }
}
