//! The checkout of a repository that a person or a CI job works in: commits onto its branch, and pushes.
//!
//! Here, unlike with a mirror, the repository's and the user's own git configuration counts. Files of the work tree are
//! written by the caller; no hook is run and nothing is signed.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use git2::{Index, IndexEntry, Oid, Reference, Repository, Status, StatusOptions};
use tokio_util::sync::CancellationToken;

use super::commit::{self, Sent};
use super::location::Location;
use super::push::{Draft, PAST, PushError, TRIES, wait};
use super::transport::{Client, Session, Wallet};
use super::tree::GitTree;
use super::{Credentials, Login, SourceError, libgit2};
use crate::model::tree::{Revision, SharedTree};
use crate::model::{CommitId, Hidden, SourceName};

/// A checkout, with the branch that is checked out.
pub struct Checkout {
    repository: Mutex<Repository>,
    root: PathBuf,
}

/// Where the commit is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed {
    /// The commit; the upstream's newest one where there was nothing to do.
    pub commit: CommitId,
    /// Where it was pushed to: `origin/main`.
    pub upstream: String,
    /// Whether it is a new one.
    pub is_new: bool,
    /// Whether the checkout is at this commit. If not, others have pushed before, and it has to be pulled.
    pub is_here: bool,
}

/// Why nothing was committed or pushed.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError<E> {
    /// It is not as it has to be.
    #[error("{text}")]
    Unfit {
        /// What is wrong.
        text: String,
        /// The next move.
        hint: String,
    },
    /// The push.
    #[error(transparent)]
    Push(#[from] PushError),
    /// Whoever was asked for the commit has none.
    #[error("nothing can be committed")]
    Draft(E),
}

/// What git does not let us do, in its own words.
fn unfit<E>(error: &git2::Error) -> CheckoutError<E> {
    told(error.message(), "see what `git status` says")
}

fn told<E>(text: impl Into<String>, hint: impl Into<String>) -> CheckoutError<E> {
    CheckoutError::Unfit { text: text.into(), hint: hint.into() }
}

impl Checkout {
    /// The checkout whose work tree has its root at `root`.
    ///
    /// # Errors
    /// There is none, or it is bare.
    pub fn open<E>(root: &Path) -> Result<Self, CheckoutError<E>> {
        libgit2::prepare_for_a_person().map_err(|error| unfit(&error))?;
        let no_git = |why: &str| {
            let text = format!("{} is no checkout of a git repository: {why}", root.display());
            told(text, "run it in a clone of the repository, or without --commit")
        };
        let repository = Repository::open(root).map_err(|error| no_git(error.message()))?;
        let root = repository.workdir().ok_or_else(|| no_git("it is bare"))?.to_owned();
        Ok(Self { repository: Mutex::new(repository), root })
    }

    /// The files of the commit that is checked out, to be read from `path` on.
    ///
    /// # Errors
    /// There is no commit yet.
    pub fn head<E>(&self, source: &SourceName, path: &str) -> Result<Revision, CheckoutError<E>> {
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let head = head(&repository)?;
        revision(&repository, head, source, path)
    }

    /// Refuses to go on where one of `files` has changes that are not committed, or commits have to be signed.
    ///
    /// # Errors
    /// So it is.
    pub fn check<'f, E>(
        &self,
        files: impl IntoIterator<Item = &'f str>,
    ) -> Result<(), CheckoutError<E>> {
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        for file in files {
            let status = repository.status_file(Path::new(file)).map_err(|error| unfit(&error))?;
            if status != Status::CURRENT {
                let text = format!("{file} has changes that are not committed");
                return Err(told(text, "commit or stash them first, or run it without --commit"));
            }
        }
        let config = repository.config().map_err(|error| unfit(&error))?;
        if config.get_bool("commit.gpgsign").unwrap_or(false) {
            let text = "commits are signed here (`commit.gpgsign`), which evenkeel does not do";
            return Err(told(text, "run it without --commit, then `git commit`"));
        }
        Ok(())
    }

    /// Commits `draft` onto the commit that is checked out, and moves the branch there. The files must be written
    /// already.
    ///
    /// # Errors
    /// Nothing is committed.
    pub fn commit<E>(&self, draft: &Draft) -> Result<CommitId, CheckoutError<E>> {
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let base = head(&repository)?;
        let made = make(&repository, base, draft)?;
        advance(&repository, base, made, draft).map_err(|error| unfit(&error))?;
        Ok(CommitId::new(made.to_string()))
    }

    /// Commits what `prepare` makes of the upstream's newest revision and pushes it there, on newer ones as long
    /// as others are faster. `write` puts the files into the work tree, where that is at the commit before.
    ///
    /// Must be called on a tokio runtime, where it may block.
    ///
    /// # Errors
    /// Nothing was pushed.
    pub fn push<E>(
        &self,
        source: &SourceName,
        path: &str,
        mut prepare: impl FnMut(&Revision) -> Result<Option<Draft>, E>,
        write: impl FnOnce() -> Result<(), E>,
    ) -> Result<Landed, CheckoutError<E>> {
        let repository = self.repository.lock().unwrap_or_else(PoisonError::into_inner);
        let local = head(&repository)?;
        let upstream = Upstream::of(&repository, &self.root)?;
        let (session, mut newest) = upstream.newest(&repository, &self.root)?;
        for number in 0..TRIES {
            if number > 0 {
                let handle = tokio::runtime::Handle::current();
                handle.block_on(tokio::time::sleep(wait(number)));
                newest = upstream.ask(&repository, &session)?;
            }
            // What is fetched is not seen by a repository that was opened before.
            let fresh = Repository::open(&self.root).map_err(|error| unfit(&error))?;
            upstream.check_pushed(&fresh, local, newest)?;
            let revision = revision(&fresh, newest, source, path)?;
            let Some(draft) = prepare(&revision).map_err(CheckoutError::Draft)? else {
                return Ok(upstream.landed(newest, false, local == newest));
            };
            let made = make(&fresh, newest, &draft)?;
            match commit::send(&fresh, &session, &upstream.branch, newest, made)? {
                Sent::Moved => {}
                Sent::Taken => {
                    upstream.note(&fresh, made);
                    let is_here = local == newest;
                    if is_here {
                        write().map_err(CheckoutError::Draft)?;
                        advance(&fresh, local, made, &draft).map_err(|error| unfit(&error))?;
                    }
                    return Ok(upstream.landed(made, true, is_here));
                }
            }
        }
        let branch = upstream.name().to_owned();
        Err(PushError::Moving { repo: session.location.to_string(), branch }.into())
    }
}

fn head<E>(repository: &Repository) -> Result<Oid, CheckoutError<E>> {
    let commit = repository.head().and_then(|head| head.peel_to_commit());
    commit.map(|commit| commit.id()).map_err(|error| unfit(&error))
}

fn revision<E>(
    repository: &Repository,
    commit: Oid,
    source: &SourceName,
    path: &str,
) -> Result<Revision, CheckoutError<E>> {
    let tree = GitTree::open(repository.commondir(), commit).map_err(|error| unfit(&error))?;
    Ok(Revision {
        source: source.clone(),
        commit: CommitId::new(commit.to_string()),
        tree: SharedTree(Arc::new(tree)),
        path: path.to_owned(),
    })
}

/// A commit by whoever `git commit` would name.
fn make<E>(repository: &Repository, base: Oid, draft: &Draft) -> Result<Oid, CheckoutError<E>> {
    let nobody = |_| {
        let hint = "git config user.name NAME; git config user.email ADDRESS";
        told("git does not know who commits", hint)
    };
    let author = repository.author_from_env().map_err(nobody)?;
    let committer = repository.committer_from_env().map_err(nobody)?;
    commit::signed_by(repository, base, draft, &author, &committer).map_err(|error| unfit(&error))
}

/// Moves the branch that is checked out, or a detached `HEAD`, and takes the files of `draft` for unchanged.
fn advance(repository: &Repository, from: Oid, to: Oid, draft: &Draft) -> Result<(), git2::Error> {
    let mut index = repository.index()?;
    distrust_changed(repository, &mut index)?;
    for file in draft.files.keys() {
        index.add_path(Path::new(file))?;
    }
    let subject = draft.message.lines().next().unwrap_or_default();
    let log = format!("commit: {subject}");
    match branch(repository) {
        Some(name) => drop(repository.reference_matching(&name, to, true, from, &log)?),
        None => repository.set_head_detached(to)?,
    }
    index.write()
}

/// Has git look into each changed file again. It compares times in whole seconds, and would take a file for unchanged
/// that was changed in the second it was checked out in, once the index is written in a later one.
fn distrust_changed(repository: &Repository, index: &mut Index) -> Result<(), git2::Error> {
    let mut options = StatusOptions::new();
    options.include_untracked(false).update_index(false);
    for found in repository.statuses(Some(&mut options))?.iter() {
        let path = Path::new(OsStr::from_bytes(found.path_bytes()));
        if found.status().contains(Status::WT_MODIFIED)
            && let Some(entry) = index.get_path(path, 0)
        {
            index.add(&IndexEntry { file_size: 0, ..entry })?;
        }
    }
    Ok(())
}

/// The branch that is checked out, as `refs/heads/…`.
fn branch(repository: &Repository) -> Option<String> {
    let head: Reference<'_> = repository.find_reference("HEAD").ok()?;
    head.symbolic_target().ok().flatten().map(str::to_owned)
}

/// Where the branch that is checked out is pushed to.
#[derive(Clone)]
struct Upstream {
    /// The remote's name in the checkout.
    remote: String,
    /// The branch there, as `refs/heads/…`.
    branch: String,
    location: Location,
}

impl Upstream {
    fn of<E>(repository: &Repository, root: &Path) -> Result<Self, CheckoutError<E>> {
        let Some(local) = branch(repository) else {
            return Err(told("no branch is checked out", "git switch the branch that is followed"));
        };
        let config = repository.config().map_err(|error| unfit(&error))?;
        let name = local.strip_prefix("refs/heads/").unwrap_or(&local);
        let setting = |key: &str| config.get_string(&format!("branch.{name}.{key}")).ok();
        let (Some(remote), Some(branch)) = (setting("remote"), setting("merge")) else {
            let text = format!("the branch {name} has no upstream");
            return Err(told(text, format!("git push -u origin {name}")));
        };
        let found = repository.find_remote(&remote).map_err(|error| unfit(&error))?;
        let url = found.pushurl().ok().flatten().or_else(|| found.url().ok()).unwrap_or_default();
        let location = match Location::parse(url).map_err(PushError::from)? {
            Location::Disk(path) => Location::Disk(root.join(path)),
            other @ (Location::Http { .. } | Location::Ssh(_)) => other,
        };
        Ok(Self { remote, branch, location })
    }

    fn name(&self) -> &str {
        self.branch.strip_prefix("refs/heads/").unwrap_or(&self.branch)
    }

    /// The newest commit there, fetched, and the session that it was asked with: one with what git
    /// is configured to prove access with, where nobody is let in without.
    fn newest<E>(
        &self,
        repository: &Repository,
        root: &Path,
    ) -> Result<(Arc<Session>, Oid), CheckoutError<E>> {
        let open = self.session(Credentials::None);
        let can_be_helped = |error: &SourceError| {
            matches!(error, SourceError::Denied { .. } | SourceError::NoSuchRepository { .. })
        };
        // The conversation of a push: reading may be open to all where writing is not.
        let asked = commit::may_push(repository, &open);
        match (asked, &self.location) {
            (Err(error), Location::Http { url, login: None }) if can_be_helped(&error) => {
                let helped = match header(repository, url) {
                    login @ Some(_) => {
                        let location = Location::Http { url: url.clone(), login };
                        Self { location, ..self.clone() }.session(Credentials::None)
                    }
                    None => self.session(helper(url, root)),
                };
                commit::may_push(repository, &helped).map_err(PushError::from)?;
                let newest = self.ask(repository, &helped)?;
                Ok((helped, newest))
            }
            (Err(error), _) => Err(PushError::from(error).into()),
            (Ok(()), _) => {
                let newest = self.ask(repository, &open)?;
                Ok((open, newest))
            }
        }
    }

    fn session(&self, credentials: Credentials) -> Arc<Session> {
        let wallet = Arc::new(Wallet::new(credentials));
        let (client, cancelled) = (Client::default(), CancellationToken::new());
        Arc::new(Session::new(self.location.clone(), wallet, client, cancelled))
    }

    fn ask<E>(
        &self,
        repository: &Repository,
        session: &Arc<Session>,
    ) -> Result<Oid, CheckoutError<E>> {
        let found = commit::newest(repository, session, &self.branch, PAST);
        match found.map_err(PushError::from)? {
            Some(newest) => Ok(newest),
            None => {
                let (remote, name) = (&self.remote, self.name());
                let text = format!("{remote} has no branch {name}");
                Err(told(text, format!("git push -u {remote} {name}")))
            }
        }
    }

    /// A commit that others have not seen yet would be pushed along.
    fn check_pushed<E>(
        &self,
        repository: &Repository,
        local: Oid,
        newest: Oid,
    ) -> Result<(), CheckoutError<E>> {
        let is_behind = || repository.graph_descendant_of(newest, local).unwrap_or(false);
        if local == newest || is_behind() {
            return Ok(());
        }
        let text = format!("the checkout has commits that {}/{} lacks", self.remote, self.name());
        Err(told(text, "git pull --rebase and git push them first, or run it without --push"))
    }

    /// Remembers where the branch is there, as `git push` does. Where that fails, the next `git fetch` does it.
    fn note(&self, repository: &Repository, commit: Oid) {
        let name = format!("refs/remotes/{}/{}", self.remote, self.name());
        if repository.find_reference(&name).is_ok() {
            let _ = repository.reference(&name, commit, true, "push by evenkeel");
        }
    }

    fn landed(&self, commit: Oid, is_new: bool, is_here: bool) -> Landed {
        let upstream = format!("{}/{}", self.remote, self.name());
        Landed { commit: CommitId::new(commit.to_string()), upstream, is_new, is_here }
    }
}

/// The name and password that the configuration has git send to `url` (`http.<url>.extraHeader`, git-config(1)): what
/// CI jobs are often given.
fn header(repository: &Repository, url: &url::Url) -> Option<Login> {
    let mut found = None;
    let entries = repository.config().ok()?;
    let mut entries = entries.entries(Some("^http\\..*\\.extraheader$")).ok()?;
    while let Some(Ok(entry)) = entries.next() {
        let (Ok(name), Ok(value)) = (entry.name(), entry.value()) else { continue };
        let prefix = name.strip_prefix("http.").and_then(|name| name.strip_suffix(".extraheader"));
        if prefix.is_some_and(|prefix| url.as_str().starts_with(prefix)) {
            found = basic(value).or(found);
        }
    }
    found
}

/// The name and password of `Authorization: basic …`.
fn basic(header: &str) -> Option<Login> {
    let (name, value) = header.split_once(':')?;
    let (scheme, encoded) = value.trim().split_once(' ')?;
    let is_basic =
        name.trim().eq_ignore_ascii_case("authorization") && scheme.eq_ignore_ascii_case("basic");
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let pair = String::from_utf8(decoded).ok()?;
    let (username, password) = pair.split_once(':')?;
    let login = Login { username: username.to_owned(), password: Hidden::new(password) };
    is_basic.then_some(login)
}

/// git's own helpers, as they are configured for this checkout (gitcredentials(7)).
fn helper(url: &url::Url, root: &Path) -> Credentials {
    const SCRIPT: &str = "printf 'protocol=%s\\nhost=%s\\npath=%s\\n\\n' \"$1\" \"$2\" \"$3\" \
                          | GIT_TERMINAL_PROMPT=0 git -C \"$4\" credential fill";
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let path = url.path().trim_start_matches('/').to_owned();
    let root = root.display().to_string();
    let words = ["sh", "-c", SCRIPT, "sh", url.scheme(), &host, &path, &root];
    Credentials::Command(words.map(str::to_owned).to_vec())
}
