//! The seam to git: where a revision comes from.
//!
//! A repository is followed through a bare mirror below the state directory; files are read by commit from
//! its object database, so there is no work tree to go stale or to swap under a running container. A plain
//! directory is read from disk. Images go back the same way: [`push`] puts a commit onto the branch. What the files mean is decided in [`crate::manifest`].

mod follow;
pub mod push;
pub mod checkout;
mod commit;
mod fetch;
mod listing;
mod ancestry;
pub mod verify;
mod mirror;
mod location;
mod transport;
mod libgit2;
mod error;
pub mod tree;

use std::fmt;
use std::path::PathBuf;

pub use error::SourceError;
pub use follow::Source;
pub use location::{Location, SshAddress};
pub use transport::Heard;

use crate::model::tree::Revision;
use crate::model::{CommitId, CommitWords, Hidden, SourceName};

/// What a source follows, and how it gets in.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceSpec {
    /// Its name, unique on this host.
    pub name: SourceName,
    /// `https://`, `http://`, `ssh://`, `user@host:path`, `file://` or a local directory.
    pub repo: String,
    /// What is followed in it. A directory that is not a git repository has nothing to choose from.
    pub reference: Reference,
    /// Where stacks are looked for, relative to the repository's root; empty for the root itself.
    pub path: String,
    /// How access is proved.
    pub credentials: Credentials,
}

impl fmt::Debug for SourceSpec {
    /// An address may hold a password, which is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceSpec")
            .field("name", &self.name)
            .field("repo", &location::without_user_information(&self.repo))
            .field("reference", &self.reference)
            .field("path", &self.path)
            .field("credentials", &self.credentials)
            .finish()
    }
}

/// The branch, tag or commit that a source follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// What the repository's `HEAD` points to.
    DefaultBranch,
    /// A branch, by its name without `refs/heads/`.
    Branch(String),
    /// A tag, by its name without `refs/tags/`; an annotated one is followed to its commit.
    Tag(String),
    /// One commit, by all 40 hex digits.
    Commit(String),
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultBranch => f.write_str("default branch"),
            Self::Branch(name) => write!(f, "branch `{name}`"),
            Self::Tag(name) => write!(f, "tag `{name}`"),
            Self::Commit(id) => write!(f, "commit `{id}`"),
        }
    }
}

/// How access to a repository is proved. Files are read anew for every connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing, or what the address itself carries (`https://user:password@…`).
    None,
    /// A password or token over https; over http to this machine only.
    Password {
        /// The user's name.
        username: String,
        /// The file that holds the password; white space at its end is not part of it.
        password_file: PathBuf,
    },
    /// A key for the `ssh` program.
    SshKey {
        /// The private key; without it, `ssh` looks for keys as it is configured to.
        key_file: Option<PathBuf>,
        /// The host keys to believe; without it, those `ssh` is configured to believe.
        known_hosts_file: Option<PathBuf>,
    },
    /// A program that prints a token, or `username=` and `password=` lines as git's credential helpers do.
    /// Its answer is kept until the server refuses it.
    Command(Vec<String>),
}

/// The newest revision of a source.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The revision. Compare its commit with the one applied last: somebody else may have fetched it.
    pub revision: Revision,
    /// What its commit says of itself; `None` for a directory.
    pub words: Option<CommitWords>,
    /// Whether the mirror moved to another commit; `false` when there was nothing new.
    pub fetched: bool,
    /// Whether the branch is known to have been rewritten. A shallow mirror sees it in commits that replace,
    /// or go back behind, the last one; a rewrite several commits deep looks like new commits.
    pub rewritten: bool,
    /// What had to be mended in the mirror first, for people.
    pub healed: Option<String>,
}

/// The newest commit of a source, of which nothing was read yet.
#[derive(Clone, Debug)]
pub struct Newest {
    /// The commit.
    pub commit: CommitId,
    /// What it says of itself.
    pub words: Option<CommitWords>,
    /// Whether the branch is known to have been rewritten, as for [`Fetched`].
    pub rewritten: bool,
    /// What had to be mended in the mirror first, for people.
    pub healed: Option<String>,
}

/// A name and a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    username: String,
    password: Hidden,
}
