//! Files in git that only a host with the right identity can read.

use std::fmt;

/// What a file is encrypted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seal {
    /// age (<https://age-encryption.org/v1>), armoured or not.
    Age,
    /// SOPS (<https://getsops.io>): names in the clear, each value encrypted.
    Sops(SopsFormat),
}

/// How a SOPS file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SopsFormat {
    /// `NAME=value` lines.
    Dotenv,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// Sections of `name = value` lines.
    Ini,
    /// JSON around any other file.
    Binary,
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Age => "age",
            Self::Sops(_) => "SOPS",
        })
    }
}

/// An encrypted file.
pub struct Sealed<'a> {
    /// With what.
    pub seal: Seal,
    /// As it is in git.
    pub bytes: &'a [u8],
    /// Whether a SOPS file that is YAML is wanted as JSON.
    pub as_json: bool,
}

/// Someone who holds the host's identity.
pub trait Opener: Send + Sync {
    /// What `sealed` holds, `most` bytes at the most. May block for as long as a program takes.
    ///
    /// # Errors
    /// Why it cannot be opened, without anything of what it holds.
    fn open(&self, sealed: &Sealed<'_>, most: u64) -> Result<Vec<u8>, Unopened>;
}

/// Nobody who could open anything: there is no server at hand.
pub struct Nobody;

impl Opener for Nobody {
    fn open(&self, _sealed: &Sealed<'_>, _most: u64) -> Result<Vec<u8>, Unopened> {
        let why = "nobody here has an identity to open it with".to_owned();
        Err(Unopened { why, hint: "look at it on the server that has one".to_owned() })
    }
}

/// Why an encrypted file cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    /// Completes "`<file>` is encrypted, and …".
    pub why: String,
    /// The next move.
    pub hint: String,
}
