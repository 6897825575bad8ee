//! Programs of this server: told something, heard, and ended with all that they have started.
//!
//! They are run without a shell. Which program is run, and what becomes of what it says, is the business of who runs
//! it; both may hold a secret, so nothing of it is shown from here.

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

/// Where a program is looked for that is run in an [`Environment::Clean`] one.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where the program is that is run by `name` in a clean environment; `None` where there is none that may be run.
pub fn find(name: &str) -> Option<PathBuf> {
    let places: Vec<PathBuf> = match name.contains('/') {
        true => vec![PathBuf::from(name)],
        false => PATH.split(':').map(|directory| Path::new(directory).join(name)).collect(),
    };
    let may_be_run = |path: &PathBuf| {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    places.into_iter().find(may_be_run)
}

/// What is kept of complaints, bytes.
const MOST_COMPLAINTS: u64 = 4096;

/// One run of a program.
pub struct Call<'a> {
    /// The program and its arguments.
    pub command: &'a [String],
    /// What it finds around it.
    pub environment: Environment<'a>,
    /// What it reads.
    pub input: &'a [u8],
    /// What becomes of what it prints.
    pub output: Output,
    /// What becomes of its complaints.
    pub complaints: Complaints,
    /// How long it may take; `None` leaves that to who waits for it.
    pub within: Option<Duration>,
}

/// What a program finds around it.
#[derive(Clone, Copy)]
pub enum Environment<'a> {
    /// What evenkeel found itself.
    Own,
    /// A usual `PATH`, these variables, and the root as its directory.
    Clean(&'a [(&'a str, &'a std::ffi::OsStr)]),
}

/// What becomes of what a program prints.
#[derive(Clone, Copy)]
pub enum Output {
    /// It is kept, up to so many bytes; more is [`Failure::TooMuch`].
    Kept(u64),
    /// Nobody reads it.
    Dropped,
}

/// What becomes of a program's complaints.
#[derive(Clone, Copy)]
pub enum Complaints {
    /// Nobody reads them.
    Dropped,
    /// They go where evenkeel's own go.
    Passed,
    /// They are kept, as far as they are short.
    Kept,
}

/// What a program came to.
pub struct Printed {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed; overwritten when it is dropped.
    pub output: Zeroizing<Vec<u8>>,
    /// What it complained about.
    pub complaints: String,
}

impl Printed {
    /// What it printed, as text.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(String::from_utf8_lossy(&self.output).into_owned())
    }
}

/// Why a program came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// It cannot be run.
    NotRun(io::Error),
    /// It took too long, and was killed with all that it had started.
    TooSlow,
    /// It printed more than was asked for, and was killed as well.
    TooMuch,
}

/// Runs a program to its end. Dropped before, it ends the program with all that it has started.
///
/// # Errors
/// It cannot be run, takes too long or prints too much. One that fails is none of these.
pub async fn run(call: Call<'_>) -> Result<Printed, Failure> {
    let (program, arguments) = call
        .command
        .split_first()
        .ok_or_else(|| Failure::NotRun(io::ErrorKind::InvalidInput.into()))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped());
    if let Environment::Clean(variables) = call.environment {
        command.env_clear().env("PATH", PATH).envs(variables.iter().copied()).current_dir("/");
    }
    command.stdout(match call.output {
        Output::Kept(_) => Stdio::piped(),
        Output::Dropped => Stdio::null(),
    });
    command.stderr(match call.complaints {
        Complaints::Dropped => Stdio::null(),
        Complaints::Passed => Stdio::inherit(),
        Complaints::Kept => Stdio::piped(),
    });
    // A group of its own, so that what a script has started can be ended with it.
    let mut group = Group(command.process_group(0).spawn().map_err(Failure::NotRun)?);
    let talking = converse(&mut group.0, &call);
    match call.within {
        None => talking.await,
        Some(within) => {
            tokio::time::timeout(within, talking).await.map_err(|_| Failure::TooSlow)?
        }
    }
}

/// Writes and reads at once: a program may print before it has read everything.
async fn converse(child: &mut Child, call: &Call<'_>) -> Result<Printed, Failure> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let telling = async {
        if let Some(mut stdin) = stdin {
            // A program that reads nothing has closed it, and may be right.
            let _ = stdin.write_all(call.input).await;
        }
    };
    let most = match call.output {
        Output::Kept(most) => most,
        Output::Dropped => 0,
    };
    let hearing = async {
        let output = read(stdout, most.saturating_add(1)).await?;
        let is_short = u64::try_from(output.len()).is_ok_and(|length| length <= most);
        if is_short { Ok(output) } else { Err(Failure::TooMuch) }
    };
    let complaining = async {
        let mut stderr = stderr;
        let said = read(stderr.as_mut(), MOST_COMPLAINTS).await?;
        if let Some(mut rest) = stderr {
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map_err(Failure::NotRun)?;
        }
        Ok(said)
    };
    let ((), output, complaints) = futures_util::try_join!(
        async {
            telling.await;
            Ok(())
        },
        hearing,
        complaining
    )?;
    let status = child.wait().await.map_err(Failure::NotRun)?;
    let complaints = String::from_utf8_lossy(&complaints).into_owned();
    Ok(Printed { status, output, complaints })
}

async fn read(
    from: Option<impl AsyncRead + Unpin>,
    most: u64,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    if let Some(from) = from {
        from.take(most).read_to_end(&mut bytes).await.map_err(Failure::NotRun)?;
    }
    Ok(bytes)
}

/// A program with a process group of its own, ended with it.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // `None` once it has ended.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(id) = id.and_then(rustix::process::Pid::from_raw) {
            // It may have ended in this moment.
            let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
        }
    }
}
