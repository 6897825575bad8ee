//! An image registry of the test's own, on loopback.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{eventually, free_port, script, stdout_of};

/// What an image does when it is run; `tests/support/images` describes each.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Serves `/health` and `/` on port 8000.
    Web,
    /// The same without `/health`.
    BrokenHealth,
    /// Ends with 1 at once.
    Exits,
    /// Ends with 0.
    Job,
    /// nginx on port 80.
    Proxy,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::BrokenHealth => "broken-health",
            Self::Exits => "exits",
            Self::Job => "job",
            Self::Proxy => "proxy",
        }
    }
}

/// A running registry; it ends with this value.
pub struct TestRegistry {
    /// `127.0.0.1:PORT`, as it stands in an image's name.
    pub host: String,
    salt: String,
    login: String,
    command: Command,
    server: Child,
}

impl TestRegistry {
    /// Serves from below `directory`. Images with another `salt` never share an id.
    pub fn start(directory: &Path, salt: &str) -> Self {
        Self::serve(directory, salt, None)
    }

    /// The same, for `user` with `password` only.
    pub fn start_with_password(directory: &Path, salt: &str, user: &str, password: &str) -> Self {
        Self::serve(directory, salt, Some((user, password)))
    }

    fn serve(directory: &Path, salt: &str, login: Option<(&str, &str)>) -> Self {
        let port = free_port();
        let mut command = script("registry");
        command.arg(directory).arg(port.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((user, password)) = login {
            let line = stdout_of(Command::new("htpasswd").args(["-nbB", user, password]));
            std::fs::create_dir_all(directory).unwrap();
            std::fs::write(directory.join("htpasswd"), line).unwrap();
            command.arg(directory.join("htpasswd"));
        }
        let host = format!("127.0.0.1:{port}");
        let server = listening(&mut command, &host);
        let login = login.map(|(user, password)| format!("{user}:{password}")).unwrap_or_default();
        Self { host, salt: salt.to_owned(), login, command, server }
    }

    /// Pushes an image; a tag that is there already moves. Gives the manifest's digest.
    pub fn push(&self, name: &str, tag: &str, kind: Kind) -> String {
        self.push_edition(name, tag, kind, "")
    }

    /// The same, for an image that differs from those with another `edition`.
    pub fn push_edition(&self, name: &str, tag: &str, kind: Kind, edition: &str) -> String {
        let image = format!("{name}:{tag}");
        let mut command = script("images");
        command
            .args([&self.host, &image, kind.word()])
            .env("EVENKEEL_IMAGE_SALT", format!("{}{edition}", self.salt));
        stdout_of(command.env("EVENKEEL_REGISTRY_LOGIN", &self.login))
    }

    /// Starts it again after [`TestRegistry::stop`], with all that was pushed.
    pub fn resume(&mut self) {
        self.server = listening(&mut self.command, &self.host);
    }

    /// Ends it early: from now on nobody answers.
    pub fn stop(&mut self) {
        // One that has ended already is as good.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs the registry; returns once it listens.
fn listening(command: &mut Command, host: &str) -> Child {
    let server = command.spawn().unwrap();
    eventually(Duration::from_secs(60), "the registry listens", || TcpStream::connect(host).ok());
    server
}
