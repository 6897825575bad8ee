//! The bare mirror of a repository below the state directory: where it is, who may use it, how it heals.
//!
//! It holds nothing that cannot be fetched again, so whatever looks wrong is thrown away.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{ErrorCode, Oid, Repository};

use super::location::Location;
use super::{Reference, SourceError, commit, libgit2};
use crate::model::SourceName;
use crate::model::fingerprint::sha256_hex;

const HEAD: &str = "ref: refs/heads/none\n";
const DAMAGE_MARK: &str = "evenkeel-damaged";
/// The commit that is taken along when the mirror is made anew, by its id.
const KEEP_MARK: &str = "evenkeel-keep";
/// Every fetch adds a pack and nothing takes one away, so a mirror is made anew at this many.
const PACKS_BEFORE_RENEWAL: usize = 64;
const LOCK_POLL: Duration = Duration::from_millis(50);

/// The mirror of one source; on disk only after the first fetch.
#[derive(Clone, Debug)]
pub struct Mirror {
    path: PathBuf,
    /// The ref that holds the newest commit of what is followed.
    head: String,
}

/// The right to write to a mirror, among all processes. Given back when dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "closing the file gives the lock back")] File);

/// A mirror opened for fetching.
pub struct Opened {
    /// The repository to fetch into: the mirror, or what will replace it.
    pub repository: Repository,
    /// What had to be mended.
    pub healed: Option<String>,
    /// Whether the repository is a new one beside a mirror that it will replace.
    pub replacement: bool,
}

impl Mirror {
    /// The mirror of `location`, where `reference` is followed, below `state_dir`.
    pub fn new(
        state_dir: &Path,
        name: &SourceName,
        location: &Location,
        reference: &Reference,
    ) -> Self {
        let url = sha256_hex(location.to_string().as_bytes());
        let directory = format!("{}-{}.git", as_file_name(name.as_str()), &url[..8]);
        // A mirror outlives a change of branch; what was recorded for one branch is not the other's.
        let followed = sha256_hex(reference.to_string().as_bytes());
        let head = format!("refs/evenkeel/head-{}", &followed[..8]);
        Self { path: state_dir.join("git").join(directory), head }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until no other process is using the mirror, for at most `within`.
    pub async fn lock(&self, within: Duration) -> Result<Lock, SourceError> {
        let file = self.lock_file().map_err(|error| self.unusable(&error.to_string()))?;
        let locked = tokio::time::timeout(within, async {
            loop {
                match file.try_lock() {
                    Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
                    Err(TryLockError::Error(error)) => return Err(error),
                    Ok(()) => return Ok(()),
                }
            }
        });
        match locked.await {
            Ok(Ok(())) => Ok(Lock(file)),
            Ok(Err(error)) => Err(self.unusable(&error.to_string())),
            Err(_) => Err(SourceError::Busy { path: self.path.display().to_string() }),
        }
    }

    fn lock_file(&self) -> io::Result<File> {
        if let Some(directory) = self.path.parent() {
            create_private(directory)?;
        }
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.with_extension("lock"))
    }

    /// Opens the mirror for fetching, creating or mending it first.
    pub fn open(&self, _lock: &Lock) -> Result<Opened, SourceError> {
        libgit2::prepare().map_err(|error| self.unusable(error.message()))?;
        self.finish_replacing().map_err(|error| self.unusable(&error.to_string()))?;
        if !self.path.exists() {
            let repository = create(&self.path).map_err(|error| self.unusable(error.message()))?;
            return Ok(Opened { repository, healed: None, replacement: false });
        }
        if let Some(why) = self.reason_to_renew() {
            return self.renewed(&why);
        }
        let healed = self.sweep().map_err(|error| self.unusable(&error.to_string()))?;
        match Repository::open_bare(&self.path) {
            Ok(repository) => Ok(Opened { repository, healed, replacement: false }),
            Err(error) => self.renewed(error.message()),
        }
    }

    /// Starts an empty repository that will replace the mirror.
    pub fn renewed(&self, why: &str) -> Result<Opened, SourceError> {
        let beside = self.beside("new");
        remove(&beside).map_err(|error| self.unusable(&error.to_string()))?;
        let repository = create(&beside).map_err(|error| self.unusable(error.message()))?;
        self.take_along(&repository);
        let healed = Some(format!("the mirror was fetched anew: {why}"));
        Ok(Opened { repository, healed, replacement: true })
    }

    /// Puts the replacement in the mirror's place.
    pub fn replace(&self, _lock: &Lock) -> Result<(), SourceError> {
        let (new, old) = (self.beside("new"), self.beside("old"));
        let swap = || {
            remove(&old)?;
            fs::rename(&self.path, &old)?;
            fs::rename(&new, &self.path)?;
            remove(&old)
        };
        swap().map_err(|error: io::Error| self.unusable(&error.to_string()))
    }

    /// Has `commit` stay for good, also when the mirror is made anew and nothing leads to it any more.
    pub fn keep(&self, commit: Oid) -> io::Result<()> {
        let mark = self.path.join(KEEP_MARK);
        if fs::read_to_string(&mark).is_ok_and(|known| known == commit.to_string()) {
            return Ok(());
        }
        let new = self.path.join(format!("tmp_{KEEP_MARK}"));
        fs::write(&new, commit.to_string())?;
        fs::rename(new, mark)
    }

    /// Copies what is to stay into the repository that will take this one's place. What is damaged cannot be, and has
    /// to be fetched again.
    fn take_along(&self, new: &Repository) {
        let Ok(id) = fs::read_to_string(self.path.join(KEEP_MARK)) else { return };
        let copied = Repository::open_bare(&self.path)
            .and_then(|old| commit::copy(&old, &old.odb()?, &new.odb()?, Oid::from_str(&id)?));
        let marked = copied.map_err(|error| error.message().to_owned()).and_then(|()| {
            fs::write(new.path().join(KEEP_MARK), &id).map_err(|error| error.to_string())
        });
        if let Err(why) = marked {
            tracing::warn!(mirror = %self.path.display(), "commit {id} is lost from the mirror: {why}");
        }
    }

    /// The commit that was recorded last. A ref that cannot be read counts as none.
    pub fn recorded(&self, repository: &Repository) -> Option<Oid> {
        repository.refname_to_id(&self.head).ok()
    }

    /// The commit recorded in the mirror as it is on disk, damaged or not.
    pub fn read_recorded(&self) -> Option<Oid> {
        let repository = Repository::open_bare(&self.path).ok()?;
        self.recorded(&repository)
    }

    /// Records `commit` as the newest; to be called once all of it is in the mirror.
    pub fn record(&self, repository: &Repository, commit: Oid) -> Result<(), git2::Error> {
        repository.reference(&self.head, commit, true, "").map(|_| ())
    }

    /// Opens the mirror for reading only. Takes no lock and mends nothing.
    pub fn read(&self) -> Result<Option<Repository>, SourceError> {
        libgit2::prepare().map_err(|error| self.unusable(error.message()))?;
        match Repository::open_bare(&self.path) {
            Ok(repository) => Ok(Some(repository)),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(self.unusable(error.message())),
        }
    }

    /// The error that names this mirror.
    pub fn unusable(&self, why: &str) -> SourceError {
        SourceError::Mirror { path: self.path.display().to_string(), why: why.to_owned() }
    }

    fn beside(&self, extension: &str) -> PathBuf {
        self.path.with_extension(extension)
    }

    /// Ends what a process that died in [`Mirror::replace`] or before it had begun.
    fn finish_replacing(&self) -> io::Result<()> {
        let old = self.beside("old");
        if !self.path.exists() && old.exists() {
            fs::rename(&old, &self.path)?;
        }
        remove(&old)?;
        remove(&self.beside("new"))
    }

    fn reason_to_renew(&self) -> Option<String> {
        if let Ok(why) = fs::read_to_string(self.path.join(DAMAGE_MARK)) {
            return Some(why);
        }
        let packs = names_in(&self.path.join("objects/pack")).ok()?;
        let count = packs.iter().filter(|name| name.ends_with(".pack")).count();
        (count >= PACKS_BEFORE_RENEWAL).then(|| format!("it had grown to {count} packs"))
    }

    /// Removes what a process that died has left, and what a crash has cut short.
    fn sweep(&self) -> io::Result<Option<String>> {
        let mut swept = Vec::new();
        for directory in ["", "refs/evenkeel", "objects/pack"] {
            let directory = self.path.join(directory);
            for name in names_in(&directory)? {
                let file = directory.join(&name);
                if is_left_over(&file)? {
                    fs::remove_file(&file)?;
                    swept.push(name);
                }
            }
        }
        if fs::read(self.path.join("HEAD")).ok().as_deref() != Some(HEAD.as_bytes()) {
            fs::write(self.path.join("HEAD"), HEAD)?;
            swept.push("HEAD".to_owned());
        }
        let told = format!("removed or restored in the mirror: {}", swept.join(", "));
        Ok((!swept.is_empty()).then_some(told))
    }
}

/// Notes that `mirror` cannot be trusted any more; the next fetch makes it anew.
pub fn mark_damaged(mirror: &Path, why: &str) {
    if let Err(error) = fs::write(mirror.join(DAMAGE_MARK), why) {
        tracing::warn!(mirror = %mirror.display(), %error, "cannot mark the mirror as damaged");
    }
}

/// Whether `file` is a lock, a half-written pack or an empty ref. Only asked while the mirror is ours alone.
fn is_left_over(file: &Path) -> io::Result<bool> {
    let text =
        |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (name, extension) = (text(file.file_name()), text(file.extension()));
    let half_written = name.starts_with("pack_") || name.starts_with("tmp_");
    let is_ref = name.starts_with("head-");
    let empty_ref = is_ref && fs::symlink_metadata(file)?.len() == 0;
    Ok(extension == "lock" || half_written || empty_ref)
}

fn names_in(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn create(path: &Path) -> Result<Repository, git2::Error> {
    let failed = |error: io::Error| git2::Error::from_str(&error.to_string());
    create_private(path).map_err(failed)?;
    let mut options = git2::RepositoryInitOptions::new();
    options.bare(true).external_template(false);
    let repository = Repository::init_opts(path, &options)?;
    fs::write(path.join("HEAD"), HEAD).map_err(failed)?;
    Ok(repository)
}

/// Creates `directory` for this user only: what a repository holds may be confidential.
fn create_private(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// `name` with everything that is special in a file name replaced.
fn as_file_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '-' };
    name.chars().map(plain).collect()
}
