//! git over the `ssh` program, which brings its own configuration, agents and jump hosts.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::{CONNECT, Conversation, IDLE, Session};
use crate::source::location::SshAddress;
use crate::source::{Credentials, SourceError};

/// How long `ssh` may take to end once its connection is closed.
const FAREWELL: Duration = Duration::from_secs(5);
/// How much of what `ssh` says is kept.
const STDERR_KEPT: usize = 8 * 1024;

/// The server behind one connection of libgit2.
pub struct SshPeer {
    session: Arc<Session>,
    address: SshAddress,
    connection: Arc<Mutex<Option<Connection>>>,
}

/// A running `ssh`. It is killed when this is dropped.
struct Connection {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: JoinHandle<String>,
}

impl SshPeer {
    /// The server of `address`.
    pub fn new(session: Arc<Session>, address: SshAddress) -> Self {
        Self { session, address, connection: Arc::default() }
    }

    fn start(&self, conversation: Conversation) -> io::Result<Connection> {
        let _runtime = self.session.runtime.enter();
        let mut command = self.command(conversation)?;
        let failed = |why: String| self.session.unreachable(why);
        let mut child =
            command.spawn().map_err(|error| failed(format!("`ssh` cannot be run: {error}")))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        match (stdin, stdout, child.stderr.take()) {
            (Some(stdin), Some(stdout), Some(stderr)) => {
                let stderr = tokio::spawn(listen(stderr));
                Ok(Connection { child, stdin, stdout, stderr })
            }
            (_, _, _) => Err(failed("`ssh` was started without pipes".into())),
        }
    }

    fn command(&self, conversation: Conversation) -> io::Result<Command> {
        let mut command = Command::new("ssh");
        let connect = format!("ConnectTimeout={}", CONNECT.as_secs());
        for option in [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            &connect,
            // A silent peer is given up after IDLE.
            "ServerAliveInterval=15",
            "ServerAliveCountMax=4",
            // A connection shared with others was checked against other host keys.
            "ControlMaster=no",
            "ControlPath=none",
            "ForwardAgent=no",
            "ClearAllForwardings=yes",
        ] {
            command.args(["-o", option]);
        }
        self.add_credentials(&mut command)?;
        if let Some(port) = self.address.port {
            command.args(["-p", &port.to_string()]);
        }
        let path = self.address.path.replace('\'', r"'\''");
        command.arg("--").arg(self.address.destination());
        command.arg(format!("{} '{path}'", conversation.word()));
        // Only the first version of git's protocol is spoken here; `ssh` may be told to pass this on.
        command.env_remove("GIT_PROTOCOL");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        Ok(command)
    }

    fn add_credentials(&self, command: &mut Command) -> io::Result<()> {
        let (key, known_hosts) = match self.session.wallet.credentials() {
            Credentials::None => return Ok(()),
            Credentials::SshKey { key_file, known_hosts_file } => (key_file, known_hosts_file),
            Credentials::Password { .. } | Credentials::Command(_) => {
                let repo = self.session.location.to_string();
                let why = "a password cannot be used over ssh; name an `ssh_key_file`".to_owned();
                return Err(self.session.fail(SourceError::Credentials { repo, why }));
            }
        };
        for file in [key, known_hosts].into_iter().flatten() {
            // Told here: `ssh` would only say that access was denied.
            if let Err(error) = std::fs::File::open(file) {
                let repo = self.session.location.to_string();
                let why = format!("{}: {error}", file.display());
                return Err(self.session.fail(SourceError::Credentials { repo, why }));
            }
        }
        if let Some(key) = key {
            let quoted = format!("IdentityFile=\"{}\"", literal(key));
            command.args(["-o", &quoted, "-o", "IdentitiesOnly=yes"]);
        }
        if let Some(known_hosts) = known_hosts {
            let quoted = format!("UserKnownHostsFile=\"{}\"", literal(known_hosts));
            command.args(["-o", &quoted, "-o", "GlobalKnownHostsFile=none"]);
        }
        Ok(())
    }
}

impl SmartSubtransport for SshPeer {
    fn action(
        &self,
        _url: &str,
        service: Service,
    ) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let (conversation, begins) = Conversation::of(service);
        // Later on, the same connection is used.
        if begins {
            let failed = |error: io::Error| git2::Error::from_str(&error.to_string());
            *lock(&self.connection) = Some(self.start(conversation).map_err(failed)?);
        }
        let (session, host) = (Arc::clone(&self.session), self.address.host.clone());
        Ok(Box::new(SshStream { session, host, connection: Arc::clone(&self.connection) }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        let Some(connection) = lock(&self.connection).take() else { return Ok(()) };
        let Connection { mut child, stdin, stdout, stderr } = connection;
        drop((stdin, stdout));
        // Reaped here if it ends at once, killed and reaped by the runtime otherwise.
        let _runtime = self.session.runtime.enter();
        stderr.abort();
        child.start_kill().ok();
        Ok(())
    }
}

/// The two pipes of the connection.
struct SshStream {
    session: Arc<Session>,
    host: String,
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Read for SshStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count =
            self.with(|session, connection| session.wait(IDLE, connection.stdout.read(buffer))?)?;
        // git ends the conversation before it closes the connection; the other way round is a failure.
        if count == 0 { Err(self.broken()) } else { Ok(count) }
    }
}

impl Write for SshStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written =
            self.with(|session, connection| session.wait(IDLE, connection.stdin.write(bytes))?);
        written.map_err(|_| self.broken())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(|session, connection| session.wait(IDLE, connection.stdin.flush())?)
    }
}

impl SshStream {
    fn with<T>(
        &self,
        work: impl FnOnce(&Session, &mut Connection) -> io::Result<T>,
    ) -> io::Result<T> {
        match &mut *lock(&self.connection) {
            Some(connection) => work(&self.session, connection),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// The connection ended early: `ssh` or the server has said why.
    fn broken(&self) -> io::Error {
        let Some(connection) = lock(&self.connection).take() else {
            return io::ErrorKind::NotConnected.into();
        };
        let Connection { mut child, stdin, stdout, stderr } = connection;
        drop((stdin, stdout));
        let said = self.session.wait(FAREWELL, async {
            child.wait().await.ok();
            stderr.await.unwrap_or_default()
        });
        match said {
            Ok(said) => self.session.fail(self.meaning(&said)),
            Err(error) => error,
        }
    }

    fn meaning(&self, said: &str) -> SourceError {
        classify(&self.session.location.to_string(), &self.host, said)
    }
}

/// `path` as `ssh` takes it: percent signs stand for something else there.
fn literal(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

/// What `ssh`'s or git's own words mean.
fn classify(repo: &str, host: &str, said: &str) -> SourceError {
    let (repo, host) = (repo.to_owned(), host.to_owned());
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let why = telling_line(said);
    if has(&["HOST IDENTIFICATION HAS CHANGED", "REVOKED HOST KEY"]) {
        let why = "the server shows another key than the known_hosts file has".into();
        return SourceError::HostKey { host, changed: true, why };
    }
    if has(&["Host key verification failed", "host key is known for"]) {
        return SourceError::HostKey { host, changed: false, why: "no key of it is known".into() };
    }
    if has(&["UNPROTECTED PRIVATE KEY FILE"]) {
        let why = "`ssh` takes no key file that others can read; set its mode to 0600".into();
        return SourceError::Credentials { repo, why };
    }
    if has(&["Permission denied", "Too many authentication failures", "denied to"]) {
        return SourceError::Denied { repo, why };
    }
    if has(&["not appear to be a git repository", "epository not found", "not found", "not exist"])
    {
        return SourceError::NoSuchRepository { repo, why };
    }
    SourceError::Unreachable { repo, why }
}

/// The last line that is not git's standard advice.
fn telling_line(said: &str) -> String {
    const ADVICE: [&str; 3] =
        ["Please make sure", "and the repository exists", "fatal: Could not read"];
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut telling = lines.filter(|line| !ADVICE.iter().any(|advice| line.starts_with(advice)));
    telling.next_back().unwrap_or("the connection was closed without a word").to_owned()
}

/// Reads to the end, so that `ssh` never waits for us, and keeps the beginning.
async fn listen(mut stderr: ChildStderr) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        let room = STDERR_KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..count.min(room)]);
    }
    String::from_utf8_lossy(&kept).replace('\0', " ")
}

fn lock(connection: &Mutex<Option<Connection>>) -> MutexGuard<'_, Option<Connection>> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: &str, expected: &str) {
        let error = classify("git@host:x", "host", said);
        assert!(error.to_string().contains(expected), "{said:?}: {error}");
    }

    #[test]
    fn the_words_of_ssh_are_told_apart() {
        check(
            "No ED25519 host key is known for [::1]:22 and you have requested strict checking.\n\
             Host key verification failed.\n",
            "not trusted: no key of it is known",
        );
        check(
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "another key",
        );
        check("git@host: Permission denied (publickey).\n", "refuses access: git@host: Permission");
        check("ssh: Could not resolve hostname host: x\n", "cannot be reached: ssh: Could not");
        check(
            "ERROR: Repository not found.\nfatal: Could not read from remote repository.\n\n\
             Please make sure you have the correct access rights\nand the repository exists.\n",
            "no git repository at git@host:x: ERROR: Repository not found.",
        );
        check("", "closed without a word");
    }
}
