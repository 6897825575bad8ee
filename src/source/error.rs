//! Why a source gave no revision, each with its remedy. No message holds a credential.

use super::Reference;

/// Why a source could not be read. `repo` is its address without user information.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The address in the configuration cannot be followed at all.
    #[error("`{repo}` is not an address that can be followed: {why}")]
    Address {
        /// The address.
        repo: String,
        /// What is wrong with it.
        why: String,
    },
    /// Wrong or missing credentials.
    #[error("{repo} refuses access: {why}")]
    Denied {
        /// The address.
        repo: String,
        /// What the server said.
        why: String,
    },
    /// The server's ssh key is not the one that is believed.
    #[error("the ssh host key of {host} is not trusted: {why}")]
    HostKey {
        /// The server.
        host: String,
        /// Whether another key was known for it, rather than none.
        changed: bool,
        /// What `ssh` said.
        why: String,
    },
    /// The server answers, and has no repository there.
    #[error("there is no git repository at {repo}: {why}")]
    NoSuchRepository {
        /// The address.
        repo: String,
        /// What the server said.
        why: String,
    },
    /// No name, no connection, no trusted certificate, no answer in time, or a server's own failure.
    #[error("{repo} cannot be reached: {why}")]
    Unreachable {
        /// The address.
        repo: String,
        /// What happened.
        why: String,
    },
    /// The branch or tag was deleted, or never existed.
    #[error("{repo} has no {wanted}")]
    NoSuchReference {
        /// The address.
        repo: String,
        /// What was looked for.
        wanted: Reference,
        /// The name there that is most like it.
        near: Option<String>,
        /// Names that exist, sorted, at most [`SourceError::NAMES_SHOWN`].
        known: Vec<String>,
    },
    /// A repository without a single commit.
    #[error("{repo} is an empty repository")]
    Empty {
        /// The address.
        repo: String,
    },
    /// The commit has no such directory.
    #[error("`{path}` is not a directory in {repo} at {commit}")]
    NoSuchPath {
        /// The address.
        repo: String,
        /// The source's path.
        path: String,
        /// The commit, shortened.
        commit: String,
    },
    /// A commit asked for by its id cannot be had.
    #[error("commit {commit} cannot be had from {repo}: {why}")]
    NoSuchCommit {
        /// The address.
        repo: String,
        /// The commit.
        commit: String,
        /// What happened.
        why: String,
    },
    /// Nothing was fetched so far, and the network may not be asked.
    #[error("nothing of {repo} ({wanted}) has been fetched yet")]
    NothingRecorded {
        /// The address.
        repo: String,
        /// What was looked for.
        wanted: Reference,
    },
    /// The credentials' file or program cannot be used, or must not be.
    #[error("credentials for {repo}: {why}")]
    Credentials {
        /// The address.
        repo: String,
        /// What happened.
        why: String,
    },
    /// The mirror below the state directory cannot be read or written.
    #[error("the git mirror {path} cannot be used: {why}")]
    Mirror {
        /// The mirror's directory.
        path: String,
        /// What happened.
        why: String,
    },
    /// Another process has been fetching into the same mirror for long.
    #[error("another evenkeel is using the git mirror {path}")]
    Busy {
        /// The mirror's directory.
        path: String,
    },
    /// Commits are to be verified, and there are none.
    #[error("{path} is a plain directory: it has no commits that somebody could have signed")]
    NoCommits {
        /// The directory.
        path: String,
    },
    /// A local directory that is not there or cannot be read.
    #[error("the directory {path} cannot be read: {why}")]
    Directory {
        /// The directory.
        path: String,
        /// What happened.
        why: String,
    },
}

impl SourceError {
    /// How many existing names an error lists.
    pub const NAMES_SHOWN: usize = 10;

    /// The next move, in one sentence.
    pub fn hint(&self) -> String {
        match self {
            Self::Address { .. } => {
                "use https://, ssh://, user@host:path, file:// or a local directory".into()
            }
            Self::Denied { .. } => {
                "check this source's `credentials`, and that they may read the repository".into()
            }
            Self::HostKey { host, changed, .. } => host_key_hint(host, *changed),
            Self::NoSuchRepository { .. } => {
                "check `repo`; many servers say so, too, when the credentials may not see it".into()
            }
            Self::Unreachable { .. } => {
                "what runs stays as it is; this is tried again at the next interval".into()
            }
            Self::NoSuchReference { near, known, .. } => names_hint(near.as_deref(), known),
            Self::Empty { .. } => "push a first commit".into(),
            Self::NoSuchPath { .. } => "check this source's `path`, and the branch".into(),
            Self::NoSuchCommit { .. } => {
                "give all 40 digits of a commit that a branch, a tag or a pull request still reaches".into()
            }
            Self::NothingRecorded { .. } => "run once without `--offline`".into(),
            Self::Credentials { .. } => "correct this source's `credentials`".into(),
            Self::Mirror { path, .. } => {
                format!("check owner, mode and free space; {path} may be deleted at any time")
            }
            Self::Busy { .. } => "wait for it to finish, or stop it".into(),
            Self::NoCommits { .. } => {
                "give the address of a git repository, or leave out this source's `verify`".into()
            }
            Self::Directory { .. } => "check `repo`, and that evenkeel may read it".into(),
        }
    }
}

fn host_key_hint(host: &str, changed: bool) -> String {
    if changed {
        format!(
            "if the server's key was changed on purpose, replace the lines of {host} in the \
             known_hosts file; otherwise somebody may be listening"
        )
    } else {
        format!(
            "compare `ssh-keyscan {host}` with the fingerprints its operator publishes, and add the \
             line to the file named by `known_hosts_file`"
        )
    }
}

fn names_hint(near: Option<&str>, known: &[String]) -> String {
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there are none".into(),
        None => format!("there are: {}", known.join(", ")),
    }
}
