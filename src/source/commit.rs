//! A commit is made in a repository that may be shallow, and sent to where the repository came from.
//!
//! Everything here blocks.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use git2::build::TreeUpdateBuilder;
use git2::{
    AutotagOption, Direction, FetchOptions, FileMode, ObjectType, Odb, Oid, PushOptions,
    RemoteCallbacks, Repository, RepositoryOpenFlags, Signature, Time,
};
use jiff::Timestamp;

use super::location::Location;
use super::push::{Author, Draft, PushError};
use super::transport::{self, Session};
use super::{SourceError, fetch};

/// How a commit fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is the branch's newest one.
    Taken,
    /// The branch has moved on, and the commit is not in it.
    Moved,
}

/// The most that is kept of what a server says, in bytes.
const SAID: usize = 2000;

/// The branch that the `HEAD` of the repository at the other end points to, as `refs/heads/…`.
pub fn default_branch(
    repository: &Repository,
    session: &Arc<Session>,
) -> Result<String, SourceError> {
    let asked = session.enter(|| {
        let mut remote = repository.remote_anonymous(&fetch::url(session)?)?;
        remote.connect(Direction::Fetch)?;
        let name = remote.default_branch()?;
        Ok(String::from_utf8_lossy(&name).into_owned())
    });
    asked.map_err(|error| failure(session, &error))
}

/// Fetches `branch` with as many commits as `depth` says, so that there is a past to look at.
pub fn deepen(
    repository: &Repository,
    session: &Arc<Session>,
    branch: &str,
    depth: i32,
) -> Result<(), SourceError> {
    // From a directory, everything is fetched anyway.
    if matches!(session.location, Location::Disk(_)) || !repository.is_shallow() {
        return Ok(());
    }
    let fetched = session.enter(|| {
        let mut options = FetchOptions::new();
        options.download_tags(AutotagOption::None).update_fetchhead(false).depth(depth);
        let mut remote = repository.remote_anonymous(transport::URL)?;
        remote.connect(Direction::Fetch)?;
        remote.download(&[format!("+{branch}:refs/evenkeel/incoming")], Some(&mut options))
    });
    fetched.map_err(|error| failure(session, &error))
}

/// The newest commit of `branch`, fetched; a shallow repository gets as many before it as `depth` says.
pub fn newest(
    repository: &Repository,
    session: &Arc<Session>,
    branch: &str,
    depth: i32,
) -> Result<Option<Oid>, SourceError> {
    let is_shallow = repository.is_shallow() && !matches!(session.location, Location::Disk(_));
    let fetched = session.enter(|| {
        let mut options = FetchOptions::new();
        options.download_tags(AutotagOption::None).update_fetchhead(false);
        if is_shallow {
            options.depth(depth);
        }
        let mut remote = repository.remote_anonymous(&fetch::url(session)?)?;
        remote.connect(Direction::Fetch)?;
        let heads = super::listing::list(&mut remote)?;
        let Some(head) = heads.into_iter().find(|head| head.name == branch) else {
            return Ok(None);
        };
        remote.download(&[format!("+{branch}:refs/evenkeel/incoming")], Some(&mut options))?;
        Ok(Some(head.id))
    });
    fetched.map_err(|error| failure(session, &error))
}

/// Whether the other end would listen to a push; a directory is asked when it comes to that.
pub fn may_push(repository: &Repository, session: &Arc<Session>) -> Result<(), SourceError> {
    if matches!(session.location, Location::Disk(_)) {
        return Ok(());
    }
    let asked = session.enter(|| {
        let mut remote = repository.remote_anonymous(transport::URL)?;
        remote.connect(Direction::Push)?;
        remote.disconnect()
    });
    match asked {
        Ok(()) => Ok(()),
        Err(error) => Err(failure(session, &error)),
    }
}

/// The commits before `head`, newest first, going by first parents only; those with the same files as the one
/// behind them are left out.
pub fn past(repository: &Repository, head: Oid, most: i32) -> Result<Vec<Oid>, git2::Error> {
    let mut found = Vec::new();
    let mut at = repository.find_commit(head)?;
    let mut tree = at.tree_id();
    for _ in 0..most {
        // A shallow repository lacks the rest.
        let Ok(parent) = at.parent(0) else { break };
        if parent.tree_id() != tree {
            tree = parent.tree_id();
            found.push(parent.id());
        }
        at = parent;
    }
    Ok(found)
}

/// Makes a commit of `draft` with `base` as its only parent. No ref is moved.
pub fn make(
    repository: &Repository,
    base: Oid,
    draft: &Draft,
    author: &Author,
    now: Timestamp,
) -> Result<Oid, git2::Error> {
    let signature = Signature::new(&author.name, &author.email, &Time::new(now.as_second(), 0))?;
    signed_by(repository, base, draft, &signature, &signature)
}

/// As [`make`], by an author and a committer with times of their own.
pub fn signed_by(
    repository: &Repository,
    base: Oid,
    draft: &Draft,
    author: &Signature<'_>,
    committer: &Signature<'_>,
) -> Result<Oid, git2::Error> {
    let parent = repository.find_commit(base)?;
    let tree = tree(repository, &parent.tree()?, draft)?;
    let message = format!("{}\n", draft.message.trim_end());
    repository.commit(None, author, committer, &message, &tree, &[&parent])
}

/// `base` with the files of `draft`; all other entries, and all modes, stay.
fn tree<'r>(
    repository: &'r Repository,
    base: &git2::Tree<'_>,
    draft: &Draft,
) -> Result<git2::Tree<'r>, git2::Error> {
    let mut builder = TreeUpdateBuilder::new();
    for (path, bytes) in &draft.files {
        let mode = match base.get_path(Path::new(path))?.filemode() & 0o111 {
            0 => FileMode::Blob,
            _ => FileMode::BlobExecutable,
        };
        builder.upsert(path.as_str(), repository.blob(bytes)?, mode);
    }
    repository.find_tree(builder.create_updated(repository, base)?)
}

/// Moves `branch` (`refs/heads/…`) at the other end from `base` to `commit`, unless it has moved meanwhile.
pub fn send(
    repository: &Repository,
    session: &Arc<Session>,
    branch: &str,
    base: Oid,
    commit: Oid,
) -> Result<Sent, PushError> {
    let sending = Sending { repository, session, branch, base, commit };
    match &session.location {
        Location::Disk(path) => sending.to_disk(path),
        Location::Http { .. } | Location::Ssh(_) => sending.to_server(),
    }
}

/// What libgit2's failure means: the session knows better, if it was the network's.
fn failure(session: &Session, error: &git2::Error) -> SourceError {
    let repo = session.location.to_string();
    let why = error.message().to_owned();
    session.take_failure().unwrap_or(SourceError::Unreachable { repo, why })
}

struct Sending<'a> {
    repository: &'a Repository,
    session: &'a Arc<Session>,
    branch: &'a str,
    base: Oid,
    commit: Oid,
}

impl Sending<'_> {
    fn to_server(&self) -> Result<Sent, PushError> {
        let (said, status) = (Words::default(), Words::default());
        let pushed = self.session.enter(|| self.push(&said, &status));
        let refused = status.take();
        if pushed.is_ok() && refused.is_empty() {
            return Ok(Sent::Taken);
        }
        let known = self.session.take_failure();
        if let Some(
            error @ (SourceError::Denied { .. }
            | SourceError::Credentials { .. }
            | SourceError::HostKey { .. }
            | SourceError::NoSuchRepository { .. }),
        ) = &known
        {
            // Nothing has been sent yet, and asking would give the same answer.
            return Err(error.clone().into());
        }
        // Whatever went wrong: the branch itself tells whether the commit has arrived, or another one.
        let head = self.head().map_err(|error| known.clone().unwrap_or(error))?;
        if head == Some(self.commit) {
            return Ok(Sent::Taken);
        }
        if head != Some(self.base) {
            return Ok(Sent::Moved);
        }
        if let (Some(error), true) = (known, refused.is_empty()) {
            return Err(error.into());
        }
        let library = pushed.err().map(|error| error.message().to_owned());
        let words = [refused, said.take(), library.unwrap_or_default()];
        let words: Vec<String> = words.into_iter().filter(|one| !one.is_empty()).collect();
        let hint = "let evenkeel's user push to this branch, or follow one that takes commits";
        Err(self.refused(words.join("; "), hint))
    }

    fn push(&self, said: &Words, status: &Words) -> Result<(), git2::Error> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.sideband_progress(|bytes| {
            said.add(&String::from_utf8_lossy(bytes));
            true
        });
        callbacks.push_update_reference(|_, refused| {
            status.add(refused.unwrap_or_default());
            Ok(())
        });
        // The branch must be where the commit was made for it, neither further on nor gone.
        callbacks.push_negotiation(|updates| {
            match updates.iter().all(|update| update.src() == self.base) {
                true => Ok(()),
                false => Err(git2::Error::from_str("the branch has moved")),
            }
        });
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks).packbuilder_parallelism(1);
        let mut remote = self.repository.remote_anonymous(transport::URL)?;
        remote.push(&[format!("{}:{}", self.commit, self.branch)], Some(&mut options))
    }

    /// Where the branch is now.
    fn head(&self) -> Result<Option<Oid>, SourceError> {
        let asked = self.session.enter(|| {
            let mut remote = self.repository.remote_anonymous(transport::URL)?;
            remote.connect(Direction::Fetch)?;
            let heads = super::listing::list(&mut remote)?;
            Ok(heads.into_iter().find(|head| head.name == self.branch).map(|head| head.id))
        });
        asked.map_err(|error| failure(self.session, &error))
    }

    /// A directory has no server that would keep an eye on its branches; libgit2 would overwrite what another one
    /// pushed meanwhile.
    fn to_disk(&self, path: &Path) -> Result<Sent, PushError> {
        let library = |error: git2::Error| self.failed(&error);
        let none = std::iter::empty::<&Path>();
        let there = Repository::open_ext(path, RepositoryOpenFlags::NO_SEARCH, none);
        let there = there.map_err(library)?;
        self.check_directory(&there)?;
        let (from, to) = (self.repository.odb().map_err(library)?, there.odb().map_err(library)?);
        copy(self.repository, &from, &to, self.commit).map_err(library)?;
        let log = "push by evenkeel";
        let moved = there.reference_matching(self.branch, self.commit, true, self.base, log);
        match moved {
            Ok(_) => Ok(Sent::Taken),
            Err(error) => match there.refname_to_id(self.branch) {
                Ok(head) if head == self.commit => Ok(Sent::Taken),
                Ok(head) if head != self.base => Ok(Sent::Moved),
                // Somebody holds its lock and is about to move it.
                Ok(_) if error.code() == git2::ErrorCode::Locked => Ok(Sent::Moved),
                Ok(_) => Err(library(error)),
                Err(_) => Ok(Sent::Moved),
            },
        }
    }

    fn check_directory(&self, there: &Repository) -> Result<(), PushError> {
        let head = there.find_reference("HEAD").ok();
        let head = head.as_ref().and_then(|head| head.symbolic_target().ok().flatten());
        if !there.is_bare() && head == Some(self.branch) {
            let why = "it is checked out there, and its files would be behind";
            return Err(self.refused(why.into(), "give the address of a bare repository"));
        }
        if let Some(hook) = hook(there) {
            let why = format!("its hook {} would not be run", hook.display());
            return Err(
                self.refused(why, "give its address by ssh:// or https://, where git runs it")
            );
        }
        let owner = std::fs::metadata(there.path().join("objects")).map(|found| found.uid());
        let ours = rustix::process::geteuid().as_raw();
        if owner.is_ok_and(|owner| owner != ours) {
            let why = "it belongs to another user, who could not write to it any more".to_owned();
            return Err(self.refused(why, "give its address by ssh:// or https://"));
        }
        Ok(())
    }

    fn failed(&self, error: &git2::Error) -> PushError {
        let hint = "check owner, mode and free space of the repository";
        self.refused(error.message().to_owned(), hint)
    }

    fn refused(&self, why: String, hint: &str) -> PushError {
        let branch = self.branch.strip_prefix("refs/heads/").unwrap_or(self.branch).to_owned();
        let (repo, hint) = (self.session.location.to_string(), hint.to_owned());
        PushError::Refused { repo, branch, why, hint }
    }
}

/// A hook that git would run when somebody pushes.
fn hook(there: &Repository) -> Option<PathBuf> {
    let configured = there.config().ok().and_then(|config| config.get_path("core.hooksPath").ok());
    let directory = configured.map(|path| there.path().join(path));
    let directory = directory.unwrap_or_else(|| there.path().join("hooks"));
    let names = [
        "pre-receive",
        "update",
        "reference-transaction",
        "proc-receive",
        "post-receive",
        "post-update",
    ];
    let is_run = |path: &PathBuf| {
        let found = std::fs::metadata(path);
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    names.into_iter().map(|name| directory.join(name)).find(is_run)
}

/// Copies `id` and all that is below it and not there yet. What is there has all that is below it.
pub(super) fn copy(
    repository: &Repository,
    from: &Odb<'_>,
    to: &Odb<'_>,
    id: Oid,
) -> Result<(), git2::Error> {
    if to.exists(id) {
        return Ok(());
    }
    let object = from.read(id)?;
    match object.kind() {
        ObjectType::Commit => copy(repository, from, to, repository.find_commit(id)?.tree_id())?,
        ObjectType::Tree => {
            for entry in repository.find_tree(id)?.iter() {
                // The commit of a submodule is in another repository.
                if entry.kind() != Some(ObjectType::Commit) {
                    copy(repository, from, to, entry.id())?;
                }
            }
        }
        ObjectType::Blob | ObjectType::Tag | ObjectType::Any => {}
    }
    to.write(object.kind(), object.data()).map(|_| ())
}

/// What somebody says, piece by piece, on one line and not without end.
#[derive(Default)]
struct Words(Mutex<String>);

impl Words {
    fn add(&self, words: &str) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < SAID {
            kept.push_str(words);
        }
    }

    fn take(&self) -> String {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let lines = kept.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty());
        let mut told = lines.collect::<Vec<_>>().join("; ");
        told.retain(|c| !c.is_control());
        told
    }
}
