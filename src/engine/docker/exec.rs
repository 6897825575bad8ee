//! A program run in a container that runs (Docker Engine API, `POST /containers/{id}/exec`).

use bollard::errors::Error;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;

use super::logs;
use super::session::Session;
use crate::engine::Executed;
use crate::model::spec::Hook;

/// Lines that are kept of what it writes.
const LINES: u32 = 20;

/// Runs `hook` to its end.
pub(super) async fn exec(
    session: &Session,
    container: &str,
    hook: &Hook,
) -> Result<Executed, Error> {
    let client = session.changing();
    let made = client.create_exec(container, config(hook)).await?;
    let options = StartExecOptions { detach: false, tty: false, output_capacity: None };
    let output = match client.start_exec(&made.id, Some(options)).await? {
        StartExecResults::Attached { output, .. } => logs::last_lines(output, LINES).await?,
        StartExecResults::Detached => Vec::new(),
    };
    let ended = client.inspect_exec(&made.id).await?;
    Ok(Executed { code: ended.exit_code.unwrap_or(-1), output })
}

fn config(hook: &Hook) -> ExecConfig {
    let variable =
        |(name, value): (&String, &crate::model::Hidden)| format!("{name}={}", value.reveal());
    ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(hook.command.clone()),
        user: hook.user.clone(),
        privileged: Some(hook.privileged),
        working_dir: hook.working_dir.clone(),
        env: Some(hook.environment.iter().map(variable).collect()),
        ..ExecConfig::default()
    }
}
