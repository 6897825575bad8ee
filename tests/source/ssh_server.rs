//! A real `sshd` on a loopback port, with keys of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Runs until dropped. Its key is in `known_hosts`, the key that opens it in `key`.
pub struct SshServer {
    pub port: u16,
    directory: tempfile::TempDir,
    child: Child,
}

impl SshServer {
    pub fn start() -> Self {
        // A name that `ssh` would read as something else if it were not quoted.
        let directory = tempfile::Builder::new().prefix("a %h b").tempdir().unwrap();
        for name in ["host_key", "key", "other_key"] {
            make_key(&directory.path().join(name));
        }
        // Where the service manager has not started an sshd before; only needed, and possible, as root.
        fs::create_dir_all("/run/sshd").ok();
        let authorized = directory.path().join("authorized_keys");
        fs::copy(directory.path().join("key.pub"), authorized).unwrap();
        // Another process may take the port between choosing and listening.
        let started = (0..5).find_map(|_| start(directory.path()));
        let (child, port) = started.expect("sshd starts");
        let server = Self { port, directory, child };
        server.know("known_hosts", "host_key.pub");
        server.know("changed_hosts", "other_key.pub");
        fs::write(server.file("no_hosts"), "").unwrap();
        server
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn url(&self, path: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", user(), self.port, path.display())
    }

    fn know(&self, file: &str, key: &str) {
        let key = fs::read_to_string(self.file(key)).unwrap();
        fs::write(self.file(file), format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
    }
}

impl Drop for SshServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn start(directory: &Path) -> Option<(Child, u16)> {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = |name: &str| directory.join(name).display().to_string();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey \"{}\"\nAuthorizedKeysFile \"{}\"\nUsePAM no\n\
         StrictModes no\nPidFile none\nPermitRootLogin yes\nPasswordAuthentication no\n\
         KbdInteractiveAuthentication no\nSetEnv PATH={}:/usr/bin:/bin\n",
        file("host_key"),
        file("authorized_keys").replace('%', "%%"),
        git_programs(),
    );
    fs::write(directory.join("sshd_config"), config).unwrap();
    let mut child = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f", &file("sshd_config")])
        .stderr(Stdio::piped())
        .spawn()
        .expect("sshd is installed");
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let listening = said.find(|line| line.as_ref().is_ok_and(|line| line.contains("listening on")));
    // Read on, so that sshd never waits for us.
    std::thread::spawn(move || said.for_each(drop));
    match listening {
        Some(_) => Some((child, port)),
        None => {
            child.kill().ok();
            child.wait().ok();
            None
        }
    }
}

fn make_key(file: &Path) {
    let mut command = Command::new("ssh-keygen");
    let made = command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file).status();
    assert!(made.unwrap().success());
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The directory of `git-upload-pack`; sshd's own PATH may not have it.
fn git_programs() -> String {
    let output = Command::new("git").arg("--exec-path").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
