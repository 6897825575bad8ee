//! One program, run without a shell, listened to, and ended with all that it has started.

use std::io;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use super::kept::Kept;

/// How long it is listened to what a program has left running, once it has ended itself.
const AFTER: Duration = Duration::from_secs(1);

/// How a program ended that was listened to.
#[derive(Debug)]
pub struct Heard {
    /// How.
    pub status: ExitStatus,
    /// What it said on both outputs, as it came: the beginning and the end, 64 KiB at most, without control characters.
    pub text: String,
}

/// Why a program came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// It cannot be run.
    NotRun(io::Error),
    /// It took too long, and was killed with all that it had started.
    TooSlow,
}

/// Runs `command`, hands it `input`, and listens to all it says until it ends.
pub(super) async fn watch(
    command: &[String],
    input: &str,
    within: Duration,
) -> Result<Heard, Failure> {
    // One pipe for both, so that what was said first stands first.
    let (output, input_end) = io::pipe().map_err(Failure::NotRun)?;
    let stderr = input_end.try_clone().map_err(Failure::NotRun)?;
    let output = Receiver::from_owned_fd(output.into()).map_err(Failure::NotRun)?;
    let mut group = Group::start(command, input_end.into(), stderr.into())?;
    let kept = Mutex::new(Kept::default());
    let mut hearing = pin!(hear(output, &kept));
    let talk = async {
        let mut living = pin!(async {
            group.feed(input).await;
            group.0.wait().await
        });
        let mut is_silent = false;
        let status = loop {
            tokio::select! {
                status = &mut living => break status?,
                () = &mut hearing, if !is_silent => is_silent = true,
            }
        };
        if !is_silent {
            // What it has left running may hold its outputs open for good.
            let _ = tokio::time::timeout(AFTER, &mut hearing).await;
        }
        let text = kept.lock().map(|kept| kept.text()).unwrap_or_default();
        Ok(Heard { status, text })
    };
    in_time(talk, within).await
}

async fn in_time<T>(
    talk: impl Future<Output = io::Result<T>>,
    within: Duration,
) -> Result<T, Failure> {
    match tokio::time::timeout(within, talk).await {
        Ok(ended) => ended.map_err(Failure::NotRun),
        Err(_) => Err(Failure::TooSlow),
    }
}

async fn hear(mut output: Receiver, kept: &Mutex<Kept>) {
    let mut buffer = vec![0; 16 * 1024];
    // A pipe that cannot be read says no more.
    while let Ok(read @ 1..) = output.read(&mut buffer).await {
        if let (Ok(mut kept), Some(bytes)) = (kept.lock(), buffer.get(..read)) {
            kept.add(bytes);
        }
    }
}

/// A program with a process group of its own, ended with it.
struct Group(Child);

impl Group {
    fn start(command: &[String], stdout: Stdio, stderr: Stdio) -> Result<Self, Failure> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(Failure::NotRun(io::ErrorKind::InvalidInput.into()));
        };
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            // So that what a script has started can be ended with it.
            .process_group(0)
            .spawn()
            .map_err(Failure::NotRun)?;
        Ok(Self(child))
    }

    async fn feed(&mut self, input: &str) {
        if let Some(mut stdin) = self.0.stdin.take() {
            // A program that reads nothing has closed it, and may be right.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    }
}

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
