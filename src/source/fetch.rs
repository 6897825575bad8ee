//! One exchange with a repository: list its refs, and fetch what is followed if it is new.
//!
//! Everything here blocks, and is called with the mirror's lock held.

use std::sync::Arc;

use git2::{AutotagOption, Direction, ErrorClass, FetchOptions, ObjectType, Oid, Repository};
use url::Url;

use super::ancestry;
use super::listing::{self, Absent, Wanted};
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
        Err(Trouble::Mirror(why)) => match attempt(mirror.renewed(&why)?, recorded) {
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
        let heads = listing::list(&mut remote).map_err(|error| self.trouble(&error))?;
        let wanted =
            listing::choose(&heads, reference).map_err(|absent| self.absence(reference, absent))?;
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
        url(self.session).map_err(|error| self.unreachable(error.message()))
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
        if let Some(failure) = self.session.take_failure() {
            return Err(Trouble::Final(failure));
        }
        // Not every server hands out a commit by its id: what its branches and tags reach is all there is.
        if matches!(reference, Reference::Commit(_)) {
            return self.download_all();
        }
        Err(self.trouble(&error))
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
        let replaces =
            |before| before != commit && ancestry::replaced(self.repository, before, commit);
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

/// The address that libgit2 is given for where `session` leads.
pub fn url(session: &Session) -> Result<String, git2::Error> {
    let Location::Disk(path) = &session.location else { return Ok(transport::URL.to_owned()) };
    // As an address: libgit2 takes a path with a colon for a server's.
    let url = path.canonicalize().ok().and_then(|path| Url::from_file_path(path).ok());
    url.map(String::from).ok_or_else(|| git2::Error::from_str("the directory is not there"))
}

/// Reads a full commit id.
pub fn commit_id(id: &str) -> Result<Oid, String> {
    let full = id.len() == 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parsed = if full { Oid::from_str(id).ok() } else { None };
    parsed.ok_or_else(|| "it is not 40 hex digits".to_owned())
}
