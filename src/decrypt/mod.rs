//! **Seam**: what encrypted files in git hold. They are opened with the host's identity, by the programs `age` and
//! `sops` of this host, from pipe to pipe: what they hold is never written anywhere from here.
//!
//! Which files are encrypted is told in [`crate::manifest`]. Nothing here knows what a file is for.

mod keep;
mod words;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use self::keep::{Keep, Key};
use crate::config::Decrypt;
use crate::model::sealed::{Opener, Seal, Sealed, SopsFormat, Unopened};
use crate::program::{self, Call, Complaints, Environment, Failure, Output, Printed};

/// How long a program may take.
const WITHIN: Duration = Duration::from_secs(10);

/// How long a program that did not end is not asked again, so that one pass waits for it once.
const PAUSE: Duration = Duration::from_secs(60);

/// Opens files with the identity of this host, and remembers what they hold for as long as it lives.
pub struct Vault {
    settings: Decrypt,
    within: Duration,
    keep: Mutex<Keep>,
    /// When a program did not end, and its name.
    silent: Mutex<Option<(Instant, String)>>,
}

impl Vault {
    /// Opens nothing yet.
    pub fn new(settings: Decrypt) -> Self {
        let (keep, silent) = (Mutex::new(Keep::default()), Mutex::new(None));
        Self { settings, within: WITHIN, keep, silent }
    }

    fn run(&self, sealed: &Sealed<'_>, identity: &Path, most: u64) -> Result<Plain, Unopened> {
        let program = self.program(sealed.seal);
        let command = command(sealed, program, identity);
        let variables = variables(sealed.seal, identity);
        let call = Call {
            command: &command,
            environment: Environment::Clean(&variables),
            input: sealed.bytes,
            output: Output::Kept(most),
            complaints: Complaints::Kept,
            within: Some(self.within),
        };
        let printed = match run_aside(call) {
            Ok(printed) => printed,
            Err(Failure::TooSlow) => {
                let now = (Instant::now(), program.to_owned());
                *self.silent.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
                return Err(words::too_slow(program, self.within));
            }
            Err(Failure::NotRun(error)) => {
                return Err(words::not_run(sealed.seal, program, &error));
            }
            Err(Failure::TooMuch) => return Err(words::too_much(most)),
        };
        match printed.status.success() {
            true => Ok(printed.output),
            false => Err(words::refused(sealed.seal, program, identity, &printed)),
        }
    }

    fn program(&self, seal: Seal) -> &str {
        match seal {
            Seal::Age => &self.settings.age_program,
            Seal::Sops(_) => &self.settings.sops_program,
        }
    }

    fn is_silent(&self, program: &str) -> bool {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.as_ref().is_some_and(|(since, name)| name == program && since.elapsed() < PAUSE)
    }
}

/// What an encrypted file holds; overwritten when it is dropped.
type Plain = Zeroizing<Vec<u8>>;

impl Opener for Vault {
    fn open(&self, sealed: &Sealed<'_>, most: u64) -> Result<Vec<u8>, Unopened> {
        let identity = match sealed.seal {
            Seal::Age => &self.settings.age_identity_file,
            Seal::Sops(_) => &self.settings.sops_identity_file,
        };
        let identity = identity.as_deref().ok_or_else(words::no_identity)?;
        let key = key(sealed, identity).map_err(|error| words::unreadable(identity, &error))?;
        if let Some(known) = self.keep.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.to_vec());
        }
        let program = self.program(sealed.seal);
        if self.is_silent(program) {
            return Err(words::too_slow(program, self.within));
        }
        let plain = self.run(sealed, identity, most)?;
        let bytes = plain.to_vec();
        self.keep.lock().unwrap_or_else(PoisonError::into_inner).put(key, plain);
        Ok(bytes)
    }
}

/// What was encrypted, and the identity as it is now: another one may open less.
fn key(sealed: &Sealed<'_>, identity: &Path) -> std::io::Result<Key> {
    let about = std::fs::metadata(identity)?;
    if !about.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let stamp = [about.dev(), about.ino(), about.size()];
    let times = [about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()];
    let mut hasher = Sha256::new();
    hasher.update(format!("{:?} {} {stamp:?} {times:?}\n", sealed.seal, sealed.as_json));
    hasher.update(sealed.bytes);
    Ok(hasher.finalize().into())
}

/// The identity goes by its path, and what is encrypted by standard input.
fn command(sealed: &Sealed<'_>, program: &str, identity: &Path) -> Vec<String> {
    let identity = identity.display().to_string();
    let words: Vec<&str> = match sealed.seal {
        Seal::Age => vec!["--decrypt", "--identity", &identity],
        Seal::Sops(format) => {
            let input = word(format);
            let output = if sealed.as_json { word(SopsFormat::Json) } else { input };
            let types = ["--decrypt", "--input-type", input, "--output-type", output];
            types.into_iter().chain(["/dev/stdin"]).collect()
        }
    };
    std::iter::once(program).chain(words).map(str::to_owned).collect()
}

/// What SOPS finds in its environment. Other keys than the host's own come last: they are asked for over the network.
fn variables(seal: Seal, identity: &Path) -> Vec<(&'static str, &OsStr)> {
    match seal {
        Seal::Age => Vec::new(),
        Seal::Sops(_) => vec![
            ("SOPS_AGE_KEY_FILE", identity.as_os_str()),
            ("SOPS_DECRYPTION_ORDER", OsStr::new("age")),
        ],
    }
}

fn word(format: SopsFormat) -> &'static str {
    match format {
        SopsFormat::Dotenv => "dotenv",
        SopsFormat::Yaml => "yaml",
        SopsFormat::Json => "json",
        SopsFormat::Ini => "ini",
        SopsFormat::Binary => "binary",
    }
}

/// Runs a program from wherever manifests are read: on a thread of its own, which may wait.
fn run_aside(call: Call<'_>) -> Result<Printed, Failure> {
    let waiting = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(Failure::NotRun)?.block_on(program::run(call))
    };
    std::thread::scope(|scope| {
        let broken = |_| Failure::NotRun(std::io::Error::other("the program was not waited for"));
        scope.spawn(waiting).join().map_err(broken)?
    })
}
