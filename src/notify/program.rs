//! A program of this server that gets a message as JSON on its standard input.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use super::{Message, Undelivered};

/// Runs `command` and waits for its end; dropped, it ends the program with all that it has started.
pub(super) async fn tell(command: &[String], message: &Message) -> Result<(), Undelivered> {
    let not_run = |error: std::io::Error| Undelivered::new(format!("cannot be run: {error}"));
    let Some((program, arguments)) = command.split_first() else {
        return Err(Undelivered::new("there is no program"));
    };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        // What it complains about goes where evenkeel's own log goes.
        .stderr(Stdio::inherit())
        .process_group(0)
        .spawn()
        .map_err(not_run)?;
    let mut group = Group(child);
    // Serialising texts and numbers into memory cannot fail.
    let text = serde_json::to_string(message).unwrap_or_default();
    if let Some(mut stdin) = group.0.stdin.take() {
        // A program that reads nothing has closed it, and may be right.
        let _ = stdin.write_all(text.as_bytes()).await;
    }
    let status = group.0.wait().await.map_err(not_run)?;
    if status.success() { Ok(()) } else { Err(Undelivered::new(format!("ended with {status}"))) }
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
