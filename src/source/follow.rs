//! A source: the newest revision, a certain one, or the last one known without asking anybody.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use git2::{Oid, Repository, RepositoryOpenFlags};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::fetch::{self, Outcome};
use super::location::Location;
use super::mirror::Mirror;
use super::transport::{Client, Heard, Session, Wallet};
use super::tree::{DirectoryTree, GitTree};
use super::{Fetched, Newest, Reference, SourceError, SourceSpec, libgit2};
use crate::model::login::expiry;
use crate::model::tree::{EntryKind, Revision, SharedTree, Tree};
use crate::model::{CommitId, CommitWords};

/// How long a whole exchange with a server may take, and how long another process may hold the mirror.
pub(super) const EXCHANGE: Duration = Duration::from_secs(15 * 60);

/// The most that is taken of a commit's author or subject, in characters.
const LONGEST_WORDS: usize = 200;

/// A repository, branch and path that is followed. Cheap to make; nothing is touched before it is asked.
pub struct Source {
    spec: SourceSpec,
    location: Result<Location, SourceError>,
    state_dir: PathBuf,
    wallet: Arc<Wallet>,
    client: Client,
    /// The fingerprint a plain directory had when it was last read.
    seen: Mutex<Option<CommitId>>,
}

impl Source {
    /// The source that `spec` describes, with its mirror below `state_dir`.
    ///
    /// An address that cannot be followed is told by the first call that needs it.
    pub fn open(spec: SourceSpec, state_dir: &Path) -> Self {
        let location = Location::parse(&spec.repo);
        let wallet = Arc::new(Wallet::new(spec.credentials.clone()));
        let (client, seen) = (Client::default(), Mutex::default());
        Self { spec, location, state_dir: state_dir.to_owned(), wallet, client, seen }
    }

    /// What is followed.
    pub fn spec(&self) -> &SourceSpec {
        &self.spec
    }

    /// The directory that is read from disk as it is; `None` for a repository, and where nothing can be read.
    pub async fn plain_directory(&self) -> Option<PathBuf> {
        match self.place().await {
            Ok(Place::Directory(path)) => Some(path),
            Ok(Place::Repository(_)) | Err(_) => None,
        }
    }

    /// What the server said last beside its answers; `None` where it is none that speaks http, or was not asked.
    pub fn heard(&self) -> Option<Heard> {
        self.client.heard()
    }

    /// When the token expires that the source is followed with, where that can be known: the token says so itself
    /// (a JWT), the server has, or GitHub is asked.
    pub async fn expires(&self) -> Option<Timestamp> {
        let Ok(Location::Http { url, login }) = &self.location else { return None };
        let login = self.wallet.login().await.ok()?.or_else(|| login.clone())?;
        let said = || self.heard().and_then(|heard| heard.expires);
        if let Some(at) = expiry(login.password.reveal()).or_else(said) {
            return Some(at);
        }
        // A repository's own address does not tell; of GitHub's interface this question costs nothing.
        let is_github = url.scheme() == "https" && url.host_str() == Some("github.com");
        let asked = url::Url::parse("https://api.github.com/rate_limit").ok();
        self.client.expiry(&asked.filter(|_| is_github)?, &login.password).await
    }

    /// The newest revision: one listing of refs, and a fetch if it is new.
    ///
    /// Dropping the future ends the exchange. Must be called on a tokio runtime.
    pub async fn latest(&self) -> Result<Fetched, SourceError> {
        match self.place().await? {
            Place::Directory(path) => self.latest_of_directory(path).await,
            Place::Repository(location) => self.latest_of_repository(location).await,
        }
    }

    /// The revision of `commit`, from the mirror if it is there, fetched otherwise.
    ///
    /// A plain directory has only the revision it is at.
    pub async fn at(&self, commit: &CommitId) -> Result<Revision, SourceError> {
        let location = match self.place().await? {
            Place::Directory(path) => {
                let revision = self.directory(path).await?;
                let gone = || self.no_commit(commit, "the directory holds something else now");
                return if revision.commit == *commit { Ok(revision) } else { Err(gone()) };
            }
            Place::Repository(location) => location,
        };
        let id = fetch::commit_id(commit.as_str()).map_err(|why| self.no_commit(commit, &why))?;
        let mirror = self.mirror(&location, &self.spec.reference);
        if mirror.read()?.is_some_and(|repository| fetch::has(&repository, id)) {
            return self.revision(&mirror, id).await;
        }
        // Under a name of its own, so that what is followed stays as it is.
        let reference = Reference::Commit(commit.as_str().to_owned());
        let mirror = self.mirror(&location, &reference);
        let outcome = self.fetch(&mirror, location, reference).await?;
        self.revision(&mirror, outcome.commit).await
    }

    /// The revision fetched last. Asks nobody and mends nothing; a directory is read as it is.
    pub async fn recorded(&self) -> Result<Revision, SourceError> {
        let location = match self.place().await? {
            Place::Directory(path) => return self.directory(path).await,
            Place::Repository(location) => location,
        };
        let mirror = self.mirror(&location, &self.spec.reference);
        let commit = mirror.read()?.and_then(|repository| mirror.recorded(&repository));
        match commit {
            Some(commit) => self.revision(&mirror, commit).await,
            None => Err(SourceError::NothingRecorded {
                repo: location.to_string(),
                wanted: self.spec.reference.clone(),
            }),
        }
    }

    /// The newest commit, fetched, of which nothing is read: it is still to be judged.
    ///
    /// As [`Source::latest`] otherwise. A plain directory has none.
    pub async fn newest(&self) -> Result<Newest, SourceError> {
        let location = match self.place().await? {
            Place::Directory(path) => {
                return Err(SourceError::NoCommits { path: path.display().to_string() });
            }
            Place::Repository(location) => location,
        };
        let reference = self.spec.reference.clone();
        let mirror = self.mirror(&location, &reference);
        let fetched = match self.fetch(&mirror, location.clone(), reference.clone()).await {
            Err(SourceError::Mirror { .. }) => self.fetch(&mirror, location, reference).await,
            outcome => outcome,
        };
        let Outcome { commit, rewritten, healed, .. } = fetched?;
        let words = words(&mirror, commit);
        Ok(Newest { commit: CommitId::new(commit.to_string()), words, rewritten, healed })
    }

    async fn latest_of_repository(&self, location: Location) -> Result<Fetched, SourceError> {
        match self.fetched(location.clone()).await {
            // Whatever could not be read is marked by now, and the second attempt starts from nothing.
            Err(SourceError::Mirror { .. }) => self.fetched(location).await,
            outcome => outcome,
        }
    }

    async fn fetched(&self, location: Location) -> Result<Fetched, SourceError> {
        let reference = self.spec.reference.clone();
        let mirror = self.mirror(&location, &reference);
        let Outcome { commit, moved, rewritten, healed } =
            self.fetch(&mirror, location, reference).await?;
        let revision = self.revision(&mirror, commit).await?;
        let words = words(&mirror, commit);
        Ok(Fetched { revision, words, fetched: moved, rewritten, healed })
    }

    async fn latest_of_directory(&self, path: PathBuf) -> Result<Fetched, SourceError> {
        let revision = self.directory(path).await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.replace(revision.commit.clone());
        let fetched = before.as_ref() != Some(&revision.commit);
        Ok(Fetched { revision, words: None, fetched, rewritten: false, healed: None })
    }

    pub(super) fn mirror(&self, location: &Location, reference: &Reference) -> Mirror {
        Mirror::new(&self.state_dir, &self.spec.name, location, reference)
    }

    /// One exchange with the repository; must be called on a tokio runtime.
    pub(super) fn session(&self, location: Location, cancelled: CancellationToken) -> Session {
        Session::new(location, Arc::clone(&self.wallet), self.client.clone(), cancelled)
    }

    async fn fetch(
        &self,
        mirror: &Mirror,
        location: Location,
        reference: Reference,
    ) -> Result<Outcome, SourceError> {
        let lock = mirror.lock(EXCHANGE).await?;
        let repo = location.to_string();
        let cancelled = CancellationToken::new();
        let session = self.session(location, cancelled.clone());
        let (mirror, session) = (mirror.clone(), Arc::new(session));
        let work = move || fetch::follow(&mirror, &lock, &session, &reference);
        // A dropped or late exchange must not go on behind our back.
        let _given_up = cancelled.drop_guard();
        match tokio::time::timeout(EXCHANGE, blocking(&self.spec.repo, work)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let why = format!("not done within {} min", EXCHANGE.as_secs() / 60);
                Err(SourceError::Unreachable { repo, why })
            }
        }
    }

    pub(super) async fn revision(
        &self,
        mirror: &Mirror,
        commit: Oid,
    ) -> Result<Revision, SourceError> {
        let (mirror, spec) = (mirror.clone(), self.spec.clone());
        blocking(&self.spec.repo, move || {
            let unusable = |error: git2::Error| mirror.unusable(error.message());
            let tree = GitTree::open(mirror.path(), commit).map_err(unusable)?;
            revision(&spec, CommitId::new(commit.to_string()), Arc::new(tree))
        })
        .await
    }

    async fn directory(&self, path: PathBuf) -> Result<Revision, SourceError> {
        let spec = self.spec.clone();
        blocking(&self.spec.repo, move || {
            let unreadable = |why: String| unreadable(&path, &why);
            let tree = DirectoryTree::open(&path).map_err(|error| unreadable(error.to_string()))?;
            let fingerprint = tree.fingerprint(&spec.path);
            let fingerprint = fingerprint.map_err(|error| unreadable(error.to_string()))?;
            let commit = CommitId::new(as_commit(&fingerprint.unwrap_or_default()));
            revision(&spec, commit, Arc::new(tree))
        })
        .await
    }

    pub(super) async fn place(&self) -> Result<Place, SourceError> {
        let location = self.location.clone()?;
        let Location::Disk(path) = location else { return Ok(Place::Repository(location)) };
        blocking(&self.spec.repo, move || place_on_disk(path)).await
    }

    fn no_commit(&self, commit: &CommitId, why: &str) -> SourceError {
        SourceError::NoSuchCommit {
            repo: super::location::without_user_information(&self.spec.repo),
            commit: commit.to_string(),
            why: why.to_owned(),
        }
    }
}

/// What `commit` says of itself. Nothing depends on it, so that a damage is left to be found by who does.
fn words(mirror: &Mirror, commit: Oid) -> Option<CommitWords> {
    let repository = mirror.read().ok()??;
    let commit = repository.find_commit(commit).ok()?;
    let text = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.trim().chars().take(LONGEST_WORDS).collect::<String>()
    };
    let author = text(commit.author().name_bytes());
    Some(CommitWords { author, subject: text(commit.summary_bytes().unwrap_or_default()) })
}

/// What is read from, and how.
pub(super) enum Place {
    Directory(PathBuf),
    Repository(Location),
}

/// Tells a git repository from other directories. Those above it are not looked at.
fn place_on_disk(path: PathBuf) -> Result<Place, SourceError> {
    let metadata = std::fs::metadata(&path);
    let metadata = metadata.map_err(|error| unreadable(&path, &error.to_string()))?;
    if !metadata.is_dir() {
        return Err(unreadable(&path, "it is not a directory"));
    }
    libgit2::prepare().map_err(|error| unreadable(&path, error.message()))?;
    let here = RepositoryOpenFlags::NO_SEARCH;
    let opened = Repository::open_ext(&path, here, std::iter::empty::<&Path>());
    match opened {
        Ok(_) => Ok(Place::Repository(Location::Disk(path))),
        // Meant as a repository, and broken: reading its work tree instead would be a surprise.
        Err(error) if path.join(".git").exists() => Err(unreadable(&path, error.message())),
        Err(_) => Ok(Place::Directory(path)),
    }
}

fn unreadable(path: &Path, why: &str) -> SourceError {
    SourceError::Directory { path: path.display().to_string(), why: why.to_owned() }
}

/// The revision of `tree`, if it has the source's path.
pub(super) fn revision(
    spec: &SourceSpec,
    commit: CommitId,
    tree: Arc<dyn Tree>,
) -> Result<Revision, SourceError> {
    let path = spec.path.trim_matches('/').to_owned();
    let repo = super::location::without_user_information(&spec.repo);
    let kind = tree.kind(&path);
    let kind =
        kind.map_err(|error| SourceError::Mirror { path: repo.clone(), why: error.to_string() })?;
    if kind != Some(EntryKind::Directory) {
        return Err(SourceError::NoSuchPath { repo, path, commit: commit.short().to_owned() });
    }
    Ok(Revision { source: spec.name.clone(), commit, tree: SharedTree(tree), path })
}

/// Forty digits of a fingerprint, so that it looks like a commit everywhere.
fn as_commit(fingerprint: &str) -> String {
    let digits = fingerprint.rsplit(':').next().unwrap_or_default();
    digits.get(..40).unwrap_or(digits).to_owned()
}

/// Runs `work` where it may block.
pub(super) async fn blocking<T: Send + 'static>(
    repo: &str,
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        let repo = super::location::without_user_information(repo);
        Err(SourceError::Unreachable { repo, why: format!("a bug in evenkeel: {error}") })
    })
}
