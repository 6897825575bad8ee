//! Whether a commit may be followed: who has signed it, and whether it builds on what was accepted before.
//!
//! What is signed and by which key is told by pure functions ([`commit`], [`sshsig`], [`signers`]); the mirror, the
//! server and `gpgv` are only asked for what these need. What becomes of a refusal is decided in
//! [`crate::reconcile`].

pub mod wire;
pub mod key;
pub mod certificate;
pub mod sshsig;
pub mod patterns;
pub mod signers;
pub mod commit;
pub mod gpgv;
pub mod past;
mod court;
#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use self::signers::Signers;
use crate::model::CommitId;

/// What is asked of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demands {
    /// The keys of SSH signatures.
    pub allowed_signers: Option<PathBuf>,
    /// The keys of OpenPGP signatures.
    pub keyring: Option<PathBuf>,
    /// Whether every commit since the one before has to be signed, not the newest alone.
    pub whole_range: bool,
    /// Whether it has to build on the one before.
    pub fast_forward: bool,
    /// The commit that was accepted last; `None` where it is the first.
    pub before: Option<CommitId>,
    /// Now.
    pub now: Timestamp,
}

/// What a commit is found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may be followed; who has signed it, with the key's fingerprint.
    Accepted(String),
    /// It may not.
    Refused(Refusal),
}

/// Why a commit may not be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In a few words, without a full stop; `it` is the commit.
    pub reason: String,
    /// What there is to do besides signing it or accepting it as it is.
    pub hint: Option<String>,
}

impl Refusal {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), hint: None }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// The largest file of allowed signers that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// Reads the file of allowed signers at `path`; times in it are those of this machine's zone.
///
/// # Errors
/// Says why it cannot be read.
pub fn read_signers(path: &Path) -> Result<Signers, String> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path);
    let read = read.and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(format!("{} is larger than {} KiB", path.display(), LARGEST / 1024));
    }
    Ok(Signers::parse(&bytes, &TimeZone::system()))
}
