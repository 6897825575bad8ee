//! The server's own files: read only, with clear words where they cannot be.
//!
//! Which file is wanted is decided elsewhere. No content ever goes into a message.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::options::{Options, ServerFiles};
use crate::model::{Hidden, Place, Problem, StackName};

/// What the server holds for one stack.
#[derive(Debug)]
pub struct Server {
    /// `<env_dir>/<stack>.env`
    beside: PathBuf,
    /// `<env_dir>/<stack>/`
    pub directory: PathBuf,
    /// `<env_dir>/common.env`
    common: PathBuf,
    /// `$CREDENTIALS_DIRECTORY`
    credentials: Option<PathBuf>,
    /// The stack's server file among the credentials.
    credential: String,
    files: ServerFiles,
    limit: u64,
}

/// A file of the server.
pub struct ServerFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its permissions.
    mode: u32,
}

/// Others may read it.
const OTHERS_READ: u32 = 0o004;

/// Others than its owner may write to it.
const OTHERS_WRITE: u32 = 0o022;

/// What is wrong with the permissions of a file that holds secrets, in words that complete "`<file>` …".
fn exposure(mode: u32) -> Option<String> {
    let who = match (mode & OTHERS_READ, mode & OTHERS_WRITE) {
        (0, 0) => return None,
        (0, _) => "can be written to by others than its owner",
        (_, 0) => "can be read by every user of this server",
        (_, _) => {
            "can be read by every user of this server, and written to by others than its owner"
        }
    };
    Some(format!("{who} (mode {:04o})", mode & 0o7777))
}

impl ServerFile {
    /// A remark where the file may hold secrets and others can get at it.
    pub fn exposure(&self) -> Option<String> {
        let (path, what) = (self.path.display(), exposure(self.mode)?);
        Some(format!("`{path}` {what}; `chmod 0600` keeps its values to evenkeel"))
    }
}

impl Server {
    /// The server's files for `stack`.
    pub fn new(stack: &StackName, options: &Options<'_>) -> Self {
        Self {
            beside: options.env_dir.join(format!("{stack}.env")),
            directory: options.env_dir.join(stack.as_str()),
            common: options.env_dir.join("common.env"),
            credentials: options.credentials_dir.map(Path::to_owned),
            credential: format!("{stack}.env"),
            files: options.server.clone(),
            limit: options.limits.file_bytes,
        }
    }

    /// Whether nothing is known of the server, so that what is missing is only remarked.
    pub fn is_offline(&self) -> bool {
        self.files.is_offline()
    }

    /// Where an operator puts the stack's values.
    pub fn env_file(&self) -> &Path {
        &self.beside
    }

    /// The files in which a variable of the stack is looked up, the first one winning.
    pub fn env_files(&self) -> [&Path; 2] {
        [&self.beside, &self.common]
    }

    /// The stack's server file, under either of its names.
    ///
    /// # Errors
    /// Both are there, or it cannot be read.
    pub fn stack_env(&self) -> Result<Option<ServerFile>, Box<Problem>> {
        if let ServerFiles::Offline { env } = &self.files {
            let Some(path) = env else { return Ok(None) };
            let file = read(path, self.limit)?;
            let gone = || Box::new(problem(path, "is not there").hint("check `--env`"));
            return file.map(Some).ok_or_else(gone);
        }
        if let ServerFiles::Held(files) = &self.files {
            return Ok(held(files, &self.beside));
        }
        let mut found = Vec::new();
        for name in self.stack_env_names() {
            found.extend(read(&name, self.limit)?);
        }
        let names: Vec<String> =
            found.iter().map(|file| format!("`{}`", file.path.display())).collect();
        match names.as_slice() {
            [] | [_] => Ok(found.pop()),
            [first, second, ..] => {
                let message = format!("both {first} and {second} are there");
                Err(Problem::new("two-env-files", message)
                    .note("they are two names for the stack's one server file")
                    .hint("put everything into one of them and remove the other")
                    .into())
            }
        }
    }

    /// The names the stack's server file may have.
    fn stack_env_names(&self) -> Vec<PathBuf> {
        let credential = self.credentials.as_ref().map(|dir| dir.join(&self.credential));
        let names = [self.beside.clone(), self.directory.join(".env")];
        names.into_iter().chain(credential).collect()
    }

    /// What all stacks of the host share.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn common_env(&self) -> Result<Option<ServerFile>, Box<Problem>> {
        if self.is_offline() { Ok(None) } else { read(&self.common, self.limit) }
    }

    /// A file by its path: absolute, or relative to the stack's directory below `env_dir`, then among the
    /// credentials. `.env` is the stack's server file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn file(&self, path: &str) -> Result<Option<ServerFile>, Box<Problem>> {
        if path == ".env" {
            return self.stack_env();
        }
        match &self.files {
            ServerFiles::Offline { .. } => return Ok(None),
            ServerFiles::Held(files) => return Ok(held(files, &self.directory.join(path))),
            ServerFiles::Disk => {}
        }
        for place in self.places(path) {
            if let Some(file) = read(&place, self.limit)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Where a file is looked for, in order; the first one is where an operator would put it.
    ///
    /// systemd gives every credential a name without directories (systemd.exec(5)).
    pub fn places(&self, path: &str) -> Vec<PathBuf> {
        if path == ".env" {
            return self.stack_env_names();
        }
        let credential = self.credentials.as_ref().filter(|_| !path.contains('/'));
        let own = self.directory.join(path);
        std::iter::once(own).chain(credential.map(|dir| dir.join(path))).collect()
    }
}

/// A file that is not on a disk yet; its path below `env_dir` is the end of `path`.
fn held(files: &BTreeMap<String, Hidden>, path: &Path) -> Option<ServerFile> {
    let (_, content) = files.iter().find(|(name, _)| path.ends_with(name))?;
    Some(ServerFile { path: path.to_owned(), bytes: content.reveal().into(), mode: 0 })
}

fn read(path: &Path, limit: u64) -> Result<Option<ServerFile>, Box<Problem>> {
    // Asked before opening: opening a named pipe would wait for its writer for ever.
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(error) if is_absent(error.kind()) => return Ok(None),
        Err(error) => return Err(unreadable(path, &error).into()),
    };
    if !about.is_file() {
        return Err(problem(path, "is not a file").into());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(problem(path, &format!("is larger than the limit of {limit} bytes"))
            .hint("raise `limits.file` if it has to be so large")
            .into());
    }
    Ok(Some(ServerFile { path: path.to_owned(), bytes, mode: about.mode() }))
}

fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let problem = problem(path, &format!("cannot be read: {error}"));
    if error.kind() == ErrorKind::PermissionDenied {
        return problem.hint("let the user that evenkeel runs as read it, and enter its directory");
    }
    problem
}

fn problem(path: &Path, why: &str) -> Problem {
    Problem::new("unreadable-file", format!("`{}` {why}", path.display()))
        .at(Place::file(path.display().to_string()))
}
