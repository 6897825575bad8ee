//! A commit is put onto a branch and pushed, again and again on newer heads until nobody else was faster.
//!
//! What is committed is decided anew on each head by whoever asks; nothing is ever forced. Git's own programs and
//! hooks are not needed and not run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use git2::{Oid, Repository};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::commit::{self, Sent};
use super::follow::{EXCHANGE, Place, Source};
use super::mirror::{Lock, Mirror};
use super::transport::Session;
use super::tree::GitTree;
use super::{Reference, SourceError, SourceSpec, fetch, follow};
use crate::model::CommitId;
use crate::model::tree::Revision;

/// On how many heads a commit is tried.
pub(super) const TRIES: u32 = 5;
/// How long the second try waits, about; each one after it waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// How many commits back is looked.
pub(super) const PAST: i32 = 100;

/// Who commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// A name.
    pub name: String,
    /// An address.
    pub email: String,
}

/// What is to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Files that are there already, each as it is to be, by their paths in the repository. Their modes stay.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The message.
    pub message: String,
}

/// The newest commit of a branch, and those before it.
pub struct Head<'a> {
    /// Its files.
    pub revision: Revision,
    spec: &'a SourceSpec,
    mirror: &'a Mirror,
    past: Vec<Oid>,
}

impl Head<'_> {
    /// The revisions before it, newest first, as far as a hundred commits back. Of merges only what was merged
    /// into is among them. One that does not have the source's path is left out.
    pub fn earlier(&self) -> impl Iterator<Item = Revision> {
        self.past.iter().filter_map(|commit| revision(self.spec, self.mirror, *commit).ok())
    }
}

/// How it ended.
#[derive(Clone, Debug)]
pub struct Pushed<T> {
    /// The branch's newest revision: the commit that was pushed, or what was found where there was nothing to do.
    pub revision: Revision,
    /// Whether that is a commit that was pushed.
    pub is_new: bool,
    /// What was said of this revision when it was looked at.
    pub said: T,
}

/// Why nothing was pushed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The repository cannot be read, or does not let us in.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// What is followed is no branch.
    #[error("{repo} is followed at {followed}, which nothing can be committed to")]
    NoBranch {
        /// The address.
        repo: String,
        /// What is followed, in a few words.
        followed: String,
    },
    /// The server took the commit and refused it.
    #[error("{repo} does not take a commit on `{branch}`: {why}")]
    Refused {
        /// The address.
        repo: String,
        /// The branch.
        branch: String,
        /// What the server said.
        why: String,
        /// The next move.
        hint: String,
    },
    /// Others were faster each time.
    #[error("`{branch}` of {repo} has moved on {TRIES} times while a commit was made for it")]
    Moving {
        /// The address.
        repo: String,
        /// The branch.
        branch: String,
    },
}

impl PushError {
    /// The next move, in one sentence.
    pub fn hint(&self) -> String {
        match self {
            Self::Source(SourceError::Denied { .. } | SourceError::NoSuchRepository { .. }) => {
                "check that the credentials may write to the repository, not only read it".into()
            }
            Self::Source(error) => error.hint(),
            Self::NoBranch { .. } => {
                "follow a branch of a git repository: `branch` of this source".into()
            }
            Self::Refused { hint, .. } => hint.clone(),
            Self::Moving { .. } => "try it again when there is less going on".into(),
        }
    }
}

/// One try.
pub(super) enum Try<T> {
    Done(Pushed<T>),
    Moved { branch: String },
}

impl Source {
    /// Commits what `prepare` makes of the branch's newest revision, and pushes it; without a draft there is
    /// nothing to do. Where the branch moves on meanwhile, `prepare` is asked again on the new head.
    ///
    /// Must be called on a tokio runtime. `prepare` may block.
    ///
    /// # Errors
    /// Nothing was pushed, as far as is known: where the connection broke off, the server was asked once more.
    pub async fn push<T, F>(
        &self,
        author: &Author,
        now: Timestamp,
        mut prepare: F,
    ) -> Result<Pushed<T>, PushError>
    where
        T: Send + 'static,
        F: FnMut(&Head<'_>) -> (Option<Draft>, T) + Send + 'static,
    {
        let location = match self.place().await? {
            Place::Repository(location) => location,
            Place::Directory(path) => {
                let followed = "no commit: it is a directory without git".to_owned();
                return Err(PushError::NoBranch { repo: path.display().to_string(), followed });
            }
        };
        let repo = location.to_string();
        match &self.spec().reference {
            Reference::DefaultBranch | Reference::Branch(_) => {}
            other @ (Reference::Tag(_) | Reference::Commit(_)) => {
                return Err(PushError::NoBranch { repo, followed: other.to_string() });
            }
        }
        let mirror = self.mirror(&location, &self.spec().reference);
        let mut last = String::new();
        for number in 0..TRIES {
            if number > 0 {
                tokio::time::sleep(wait(number)).await;
            }
            let lock = mirror.lock(EXCHANGE).await?;
            let cancelled = CancellationToken::new();
            let session = Arc::new(self.session(location.clone(), cancelled.clone()));
            let (at, spec, author) = (mirror.clone(), self.spec().clone(), author.clone());
            let work = move || {
                let bench = Bench { mirror: &at, lock: &lock, session: &session, spec: &spec };
                let tried = bench.once(&author, now, &mut prepare);
                Ok((tried, prepare))
            };
            let _given_up = cancelled.drop_guard();
            let working = follow::blocking(&self.spec().repo, work);
            let Ok(worked) = tokio::time::timeout(EXCHANGE, working).await else {
                let why = format!("not done within {} min", EXCHANGE.as_secs() / 60);
                return Err(SourceError::Unreachable { repo, why }.into());
            };
            let (tried, again) = worked?;
            prepare = again;
            match tried? {
                Try::Done(pushed) => return Ok(pushed),
                Try::Moved { branch } => last = branch,
            }
        }
        Err(PushError::Moving { repo, branch: last })
    }
}

/// Twice as long for each try, and never the same for two who try at once.
pub(super) fn wait(number: u32) -> Duration {
    let random = {
        use std::hash::{BuildHasher as _, Hasher as _};
        // The one source of randomness in the standard library.
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    };
    let share = f64::from(u32::try_from(random % 1000).unwrap_or_default()) / 1000.0;
    FIRST_WAIT.mul_f64(f64::from(2_u32.pow(number - 1)) * (0.5 + share))
}

/// What one try works with.
struct Bench<'a> {
    mirror: &'a Mirror,
    lock: &'a Lock,
    session: &'a Arc<Session>,
    spec: &'a SourceSpec,
}

impl Bench<'_> {
    fn once<T>(
        &self,
        author: &Author,
        now: Timestamp,
        prepare: &mut impl FnMut(&Head<'_>) -> (Option<Draft>, T),
    ) -> Result<Try<T>, PushError> {
        let reference = &self.spec.reference;
        let base = fetch::follow(self.mirror, self.lock, self.session, reference)?.commit;
        let unusable = |error: git2::Error| self.mirror.unusable(error.message());
        let repository = self.open()?;
        let branch = match reference {
            Reference::Branch(name) => format!("refs/heads/{name}"),
            Reference::DefaultBranch | Reference::Tag(_) | Reference::Commit(_) => {
                commit::default_branch(&repository, self.session)?
            }
        };
        // What was in git before is asked of git itself, not of a memory that may be lost or another host's.
        commit::deepen(&repository, self.session, &branch, PAST)?;
        // A repository that is open keeps commits as it has seen them first: without parents.
        let repository = self.open()?;
        let past = commit::past(&repository, base, PAST).map_err(unusable)?;
        let revision_at = |commit| revision(self.spec, self.mirror, commit);
        let found = revision_at(base)?;
        let head = Head { revision: found.clone(), spec: self.spec, mirror: self.mirror, past };
        let (draft, said) = prepare(&head);
        let Some(draft) = draft else {
            return Ok(Try::Done(Pushed { revision: found, is_new: false, said }));
        };
        let made = commit::make(&repository, base, &draft, author, now).map_err(unusable)?;
        match commit::send(&repository, self.session, &branch, base, made)? {
            Sent::Taken => {
                self.mirror.record(&repository, made).map_err(unusable)?;
                Ok(Try::Done(Pushed { revision: revision_at(made)?, is_new: true, said }))
            }
            Sent::Moved => {
                let name = branch.strip_prefix("refs/heads/").unwrap_or(&branch);
                Ok(Try::Moved { branch: name.to_owned() })
            }
        }
    }

    fn open(&self) -> Result<Repository, SourceError> {
        self.mirror.read()?.ok_or_else(|| self.mirror.unusable("it has gone"))
    }
}

fn revision(spec: &SourceSpec, mirror: &Mirror, commit: Oid) -> Result<Revision, SourceError> {
    let unusable = |error: git2::Error| mirror.unusable(error.message());
    let tree = GitTree::open(mirror.path(), commit).map_err(unusable)?;
    follow::revision(spec, CommitId::new(commit.to_string()), Arc::new(tree))
}
