//! Programs that know credentials: Docker's helpers, and the operator's own command.
//!
//! Neither what they print nor what they complain about is ever shown: both may hold the secret.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// The most that is read of what a program prints, bytes.
const LARGEST: u64 = 64 * 1024;

/// What a program came to.
pub(super) struct Printed {
    pub succeeded: bool,
    pub text: String,
}

/// Why a program came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// It cannot be run.
    NotRun(std::io::Error),
    /// It took too long, and was killed with all that it had started.
    TooSlow,
}

/// Runs `command`, hands it `input`, and returns what it printed.
pub(super) async fn run(
    command: &[String],
    input: &str,
    within: Duration,
) -> Result<Printed, Failure> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::NotRun(std::io::ErrorKind::InvalidInput.into()));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        // A group of its own, so that what a script has started can be ended with it.
        .process_group(0)
        .spawn()
        .map_err(Failure::NotRun)?;
    let group = child.id();
    match tokio::time::timeout(within, converse(&mut child, input)).await {
        Ok(printed) => printed.map_err(Failure::NotRun),
        Err(_) => {
            end_group(group);
            Err(Failure::TooSlow)
        }
    }
}

async fn converse(child: &mut Child, input: &str) -> std::io::Result<Printed> {
    if let Some(mut stdin) = child.stdin.take() {
        // A program that reads nothing has closed it, and may be right.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(LARGEST).read_to_end(&mut bytes).await?;
    }
    let succeeded = child.wait().await?.success();
    Ok(Printed { succeeded, text: String::from_utf8_lossy(&bytes).into_owned() })
}

fn end_group(group: Option<u32>) {
    let id = group.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(id) = id {
        // It may have ended in this moment.
        let _ = rustix::process::kill_process_group(id, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Vec<String> {
        ["sh", "-c", script].map(str::to_owned).into()
    }

    #[tokio::test]
    async fn a_program_is_told_and_heard() {
        let echo = shell("read it; echo \"$it!\"");
        let printed = run(&echo, "ghcr.io\n", Duration::from_secs(10)).await.unwrap();
        assert_eq!((printed.succeeded, printed.text.as_str()), (true, "ghcr.io!\n"));
        let printed = run(&shell("exit 1"), "unread", Duration::from_secs(10)).await.unwrap();
        assert!(!printed.succeeded);
        let missing = run(&["/nonexistent".to_owned()], "", Duration::from_secs(10)).await;
        assert!(matches!(missing, Err(Failure::NotRun(_))));
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! >{}; wait", pid.display());
        let started = std::time::Instant::now();
        let hung = run(&shell(&script), "", Duration::from_millis(500)).await;
        assert!(matches!(hung, Err(Failure::TooSlow)));
        assert!(started.elapsed() < Duration::from_secs(30));
        let pid = std::fs::read_to_string(&pid).unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
        let is_gone = || state().map_or(true, |stat| stat.contains(") Z "));
        while !is_gone() {
            assert!(started.elapsed() < Duration::from_secs(30), "the sleep goes on");
            tokio::task::yield_now().await;
        }
    }
}
